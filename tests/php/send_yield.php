<?php
// Pushes to who reads slowly, from coroutines that wait for room: each message is a JSON array, a verb first.
//
//     send_yield.php PORT '{"mode": "base" | "process", "set": {…}}'

use Swoole\Coroutine;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$mode = ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS;
$server = new Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(($config['set'] ?? []) + ['worker_num' => 2, 'reactor_num' => 2, 'max_wait_time' => 1]);
$calls = 0;

function emit(string $event, int $fd = 0, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid(), 'fd' => $fd] + $more) . "\n";
}

/** Pushes so many messages of so many bytes, each with the number of its call. */
function pushes(Server $server, int $fd, int $count, int $bytes): void
{
    global $calls;
    emit('begins', $fd);
    for ($left = $count; $left > 0; $left--) {
        $message = str_pad((string) ++$calls, $bytes, '.');
        $error = 0;
        if (!@$server->push($fd, $message)) {
            $error = $server->getLastError();
        }
        emit('pushed', $fd, ['number' => (int) $message, 'error' => $error]);
        if ($error !== 0) {
            break;
        }
    }
    emit('ends', $fd);
}

/** The same, asking for room again and again; the worker does nothing else meanwhile. */
function insists(Server $server, int $fd, int $count, int $bytes): void
{
    for ($number = 1; $number <= $count; $number++) {
        $message = str_pad((string) $number, $bytes, '.');
        while (!$server->push($fd, $message)) {
            if ($server->getLastError() !== 1009) {
                return;
            }
            emit('refused', $fd);
            usleep(1000);
        }
    }
    emit('ends', $fd);
}

$server->on('message', function (Server $server, Frame $frame) {
    $wish = json_decode($frame->data, true);
    $result = match (array_shift($wish)) {
        'who' => ['fd' => $frame->fd, 'worker' => $server->worker_id, 'pid' => getmypid()],
        'pushes' => pushes($server, ...$wish),
        'insists' => insists($server, ...$wish),
        'pushers' => array_map(fn () => go(fn () => pushes($server, ...array_slice($wish, 1))), range(1, $wish[0])),
        'push' => [@$server->push(...$wish), $server->getLastError()],
        'coroutines' => Coroutine::stats()['coroutine_num'],
    };
    $server->push($frame->fd, json_encode($result));
});
$server->on('close', fn (Server $server, int $fd) => emit('close', $fd));
$server->start();
