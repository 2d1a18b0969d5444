<?php
// Answers every message compressed. Usage: compression.php PORT WEBSOCKET_COMPRESSION (as JSON)
$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['websocket_compression' => json_decode($argv[2], true)]);
$server->on('message', function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) {
    $flags = SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_COMPRESS;
    $server->push($frame->fd, $frame->data, $frame->opcode, $flags);
});
$server->start();
