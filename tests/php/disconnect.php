<?php
// Echoes, and at "disconnect me" closes with 4000.

$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('message', function ($server, $frame) {
    $frame->data === 'disconnect me'
        ? $server->disconnect($frame->fd, 4000, 'as you wish')
        : $server->push($frame->fd, $frame->data, $frame->opcode);
});
$server->start();
