--TEST--
set() merges, and names all that it cannot set in one warning
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
var_dump($server->setting);
$first = ['worker_num' => 1, 'daemonize' => false];
var_dump($server->set($first));
$kept = $server->setting;
var_dump($server->set(['worker_num' => 4, 'websocket_compresion' => true, 'my_own_thing' => 1, 'backlog' => 'many', 'http_compression' => true]));
echo json_encode([$first, $kept, $server->setting]), "\n";
try {
    $server->set('worker_num');
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
NULL
bool(true)

Warning: Swoole\Server::set(): unknown option [websocket_compresion]: did you mean [websocket_compression]?; unknown option [my_own_thing]; option [backlog] is "many": wanted 1 to 65535; option [http_compression] is not built in this version and has no effect: responses are not compressed in %s on line %d
bool(true)
[{"worker_num":1,"daemonize":false},{"worker_num":1,"daemonize":false},{"worker_num":4,"daemonize":false,"websocket_compresion":true,"my_own_thing":1,"backlog":"many","http_compression":true}]
Swoole\Server::set(): Argument #1 ($settings) must be of type array, string given
