<?php
// Pushes a message of so many bytes to everybody but the one who asks for it, and tells that one who has refused it and
// why: backpressure.php PORT base|process

use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 2, 'reactor_num' => 2, 'send_yield' => false]);
foreach (['bufferFull', 'bufferEmpty'] as $event) {
    $server->on($event, function (Server $server, int $fd) use ($event) {
        echo json_encode(['event' => $event, 'fd' => $fd]) . "\n";
    });
}
$server->on('message', function (Server $server, Frame $frame) {
    $message = str_repeat('x', (int) $frame->data);
    $refused = [];
    foreach ($server->connections as $fd) {
        if ($fd !== $frame->fd && !$server->push($fd, $message)) {
            $refused[] = [$fd, $server->getLastError()];
        }
    }
    $server->push($frame->fd, json_encode($refused));
});
$server->start();
