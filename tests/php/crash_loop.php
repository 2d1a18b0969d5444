<?php
// Its worker ends as soon as it has started, every time; prints the time of each start in seconds.

$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('message', fn () => null);
$server->on('workerStart', function () {
    echo 'started at ', hrtime(true) / 1e9, "\n";
    exit(3);
});
$server->start();
