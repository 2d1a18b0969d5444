<?php
// Protects the connections of /protected, prints who was closed, echoes messages, and calls what a JSON message tells it to.
//
//     heartbeat.php PORT base|process '{option: value, …}'

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(json_decode($argv[3] ?? '{}', true) + ['worker_num' => 2, 'reactor_num' => 2]);

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event] + $more) . "\n";
}

/** A connection that is late is protected no more. */
function release(Server $server, int $fd): array
{
    return [$server->protect($fd, false), $server->heartbeat(false), $server->heartbeat(true)];
}

$wish = new Swoole\Atomic(0);
$server->on('managerStart', function (Server $server) use ($wish) {
    Swoole\Timer::tick(20, function () use ($server, $wish) {
        if (($fd = $wish->get()) > 0) {
            $wish->set(0);
            emit('manager', ['released' => release($server, $fd)]);
        }
    });
});
$server->on('open', function (Server $server, Request $request) {
    if ($request->server['request_uri'] === '/protected') {
        $server->protect($request->fd);
    }
    emit('open', ['fd' => $request->fd, 'uri' => $request->server['request_uri']]);
});
$server->on('message', function (Server $server, Frame $frame) use ($wish) {
    if ($frame->opcode !== WEBSOCKET_OPCODE_TEXT) {
        emit('frame', ['opcode' => $frame->opcode]);
        return;
    }
    ['do' => $do, 'with' => $with] = json_decode($frame->data, true) ?? ['do' => 'echo', 'with' => []];
    $result = match ($do) {
        'echo' => $frame->data,
        // Blocks the worker.
        'block' => usleep((int) ($with[0] * 1e6)),
        'release' => release($server, ...$with),
        'let_manager_release' => $wish->set(...$with),
        default => $server->$do(...$with),
    };
    $server->push($frame->fd, is_string($result) ? $result : json_encode($result));
});
$server->on('request', function (Request $request, Response $response) {
    Co::sleep((float) $request->get['sleep']);
    $response->end('awake');
});
$server->on('close', fn (Server $server, int $fd, int $reactor) => emit('close', ['fd' => $fd, 'reactor' => $reactor]));
$server->on('disconnect', fn (Server $server, int $fd) => emit('disconnect', ['fd' => $fd]));
$server->start();
