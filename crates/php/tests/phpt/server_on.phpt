--TEST--
on() and getCallback(): names in any case, what is refused, private properties
--FILE--
<?php
class Handler
{
    public function open() {}
    public static function close() {}
    public function __call($name, $arguments) {}
}

$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
$events = ['start', 'beforeShutdown', 'shutdown', 'managerStart', 'managerStop', 'workerStart', 'workerStop',
    'workerExit', 'workerError', 'beforeReload', 'afterReload', 'task', 'finish', 'pipeMessage', 'connect', 'receive',
    'packet', 'close', 'bufferFull', 'bufferEmpty', 'request', 'handshake', 'beforeHandshakeResponse', 'open',
    'message', 'disconnect'];
foreach ($events as $event) {
    $callback = fn () => $event;
    $ok = $server->on(strtoupper($event), $callback) && $server->getCallback(ucfirst($event)) === $callback;
    $property = 'on' . ucfirst($event);
    if (property_exists('Swoole\Server', $property)) {
        $ok = $ok && (new ReflectionProperty('Swoole\Server', $property))->getValue($server) === $callback;
    }
    if (!$ok) {
        echo "$event is wrong\n";
    }
}
$handler = new Handler();
var_dump($server->on('open', [$handler, 'open']), $server->getCallback('open') === [$handler, 'open']);
var_dump($server->on('close', 'Handler::close'), $server->getCallback('close'));
var_dump($server->on('message', [$handler, 'anything']), $server->getCallback('message')[1]);
var_dump($server->on('massage', 'strlen'));
var_dump($server->on('message', 'no_such_function'));
var_dump($server->on('message', 5));
var_dump($server->getCallback('message')[1], $server->getCallback('nothing'));
?>
--EXPECTF--
bool(true)
bool(true)
bool(true)
string(14) "Handler::close"
bool(true)
string(8) "anything"

Warning: Swoole\Server::on(): unknown event types[massage] in %s on line %d
bool(false)

Warning: Swoole\Server::on(): function 'no_such_function' is not callable in %s on line %d
bool(false)

Warning: Swoole\Server::on(): function '5' is not callable in %s on line %d
bool(false)
string(8) "anything"
NULL
