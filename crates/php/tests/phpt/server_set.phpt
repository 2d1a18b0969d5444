--TEST--
set() merges, and names what it cannot set
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
var_dump($server->setting);
$first = ['worker_num' => 1, 'daemonize' => false];
var_dump($server->set($first));
$kept = $server->setting;
var_dump($server->set(['worker_num' => 4, 'websocket_compresion' => true, 'my_own_thing' => 1, 'backlog' => 'many']));
echo json_encode([$first, $kept, $server->setting]), "\n";
try {
    $server->set('worker_num');
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
NULL

Warning: Swoole\Server::set(): option [daemonize] is not available yet and has no effect in %s on line %d
bool(true)

Warning: Swoole\Server::set(): unknown option [websocket_compresion]: did you mean [websocket_compression]? in %s on line %d

Warning: Swoole\Server::set(): unknown option [my_own_thing] in %s on line %d

Warning: Swoole\Server::set(): option [backlog] is "many": wanted 1 to 65535 in %s on line %d
bool(true)
[{"worker_num":1,"daemonize":false},{"worker_num":1,"daemonize":false},{"worker_num":4,"daemonize":false,"websocket_compresion":true,"my_own_thing":1,"backlog":"many"}]
Swoole\Server::set(): Argument #1 ($settings) must be of type array, string given
