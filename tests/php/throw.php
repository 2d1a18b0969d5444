<?php
// Echoes, but throws at the message "throw".

function fail(string $why): never
{
    throw new RuntimeException($why);
}

$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('message', function ($server, $frame) {
    if ($frame->data === 'throw') {
        fail('the handler gave up');
    }
    $server->push($frame->fd, $frame->data);
});
$server->start();
