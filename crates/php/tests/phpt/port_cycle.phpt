--TEST--
A port's closure that holds the port and its server is collected with both; a port outlives its server
--FILE--
<?php
class Chat extends Swoole\WebSocket\Server
{
    public function __destruct()
    {
        echo "destroyed\n";
    }
}

function cycle()
{
    $server = new Chat('127.0.0.1', 0);
    $port = $server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP);
    $server->on('message', function () use ($server, $port) {});
    $port->on('receive', function () use ($server, $port) {});
    $port->on('close', [$server, 'push']);
}

foreach ([1, 2] as $round) {
    cycle();
    echo "round $round\n";
    var_dump(gc_collect_cycles() > 0);
}
$server = new Chat('127.0.0.1', 0);
$port = $server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP);
$port->on('receive', function () {});
unset($server);
var_dump($port->getCallback('receive'), $port->port > 0);
?>
--EXPECT--
round 1
destroyed
bool(true)
round 2
destroyed
bool(true)
destroyed
NULL
bool(true)
