<?php
// Answers every message of up to 64 MiB compressed. Usage: compression.php PORT WEBSOCKET_COMPRESSION (as JSON)
$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
ini_set('memory_limit', '1G');
$server->set([
    'websocket_compression' => json_decode($argv[2], true),
    'package_max_length' => 64 << 20,
    'output_buffer_size' => 65 << 20,
    'socket_buffer_size' => 256 << 20,
]);
$server->on('message', function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) {
    $flags = SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_COMPRESS;
    $server->push($frame->fd, $frame->data, $frame->opcode, $flags);
});
$server->start();
