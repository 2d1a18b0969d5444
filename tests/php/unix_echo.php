<?php
// An echo server on the unix socket given.

$server = new Swoole\WebSocket\Server($argv[1], 0, SWOOLE_BASE, SWOOLE_SOCK_UNIX_STREAM);
$server->set(['worker_num' => 1]);
$server->on('workerStart', function () {
    echo "ready\n";
});
$server->on('message', fn ($server, $frame) => $server->push($frame->fd, $frame->data));
$server->start();
