<?php
// A server whose handler reads a message and does nothing with it, for bench/callback.py.
// usage: callback.php PORT COROUTINES

use Swoole\WebSocket\Server;

[, $port, $coroutines] = $argv;
$server = new Server('127.0.0.1', (int) $port, SWOOLE_BASE);
$server->set(['worker_num' => 1, 'enable_coroutine' => (bool) $coroutines, 'log_level' => SWOOLE_LOG_WARNING]);
$server->on('message', function ($server, $frame) {
    if ($frame->data === 'last' && $frame->opcode === WEBSOCKET_OPCODE_TEXT) {
        $server->push($frame->fd, 'done');
    }
});
$server->start();
