<?php
// Sends every frame back as the object that came. Usage: forward.php PORT
$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['websocket_compression' => true]);
$server->on('message', function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) {
    echo "flags {$frame->flags}\n";
    $server->push($frame->fd, $frame);
});
$server->start();
