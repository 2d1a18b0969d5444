<?php
// Tells any of its processes' stats() and getClientInfo(), echoes messages, and prints how connections ended.
//
//     stats.php PORT base|process

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 2, 'reactor_num' => 2]);

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event] + $more) . "\n";
}

$asked = new Swoole\Atomic(0);
$server->on('managerStart', function (Server $server) use ($asked) {
    Swoole\Timer::tick(20, function () use ($server, $asked) {
        if ($asked->cmpset(1, 0)) {
            emit('manager', ['stats' => $server->stats()]);
        }
    });
});
$server->on('message', function (Server $server, Frame $frame) use ($asked) {
    if ($frame->data === 'die') {
        posix_kill(getmypid(), SIGKILL);
    }
    $server->push($frame->fd, match (explode(' ', $frame->data)[0]) {
        'stats' => json_encode($server->stats()),
        'manager' => json_encode($asked->set(1)),
        'info' => json_encode($server->getClientInfo((int) explode(' ', $frame->data)[1])),
        'worker' => json_encode($server->worker_id),
        'sleep' => json_encode(Co::sleep((float) explode(' ', $frame->data)[1])),
        default => $frame->data,
    });
});
$server->on('open', fn (Server $server, Request $request) => emit('open', ['fd' => $request->fd]));
$server->on('close', function (Server $server, int $fd) {
    emit('close', ['fd' => $fd, 'errno' => $server->getClientInfo($fd)['close_errno']]);
});
$server->on('request', fn (Request $request, Response $response) => $response->end((string) getmypid()));
$server->start();
