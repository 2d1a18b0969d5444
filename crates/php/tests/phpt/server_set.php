<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
var_dump($server->setting);
$first = ['worker_num' => 1, 'daemonize' => false];
var_dump($server->set($first));
$kept = $server->setting;
var_dump($server->set(['worker_num' => 4, 'websocket_compresion' => true, 'my_own_thing' => 1]));
echo json_encode([$first, $kept, $server->setting]), "\n";
try {
    $server->set('worker_num');
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}
?>
