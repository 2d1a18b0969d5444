<?php
// Prints what happens to the server's processes as lines of JSON, and calls what a client tells it to call.
//
//     processes.php PORT '{"mode": "base" | "process", "set": {option: value, …}}'

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$server = new Server('127.0.0.1', (int) $argv[1], ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(($config['set'] ?? []) + ['worker_num' => 2, 'reactor_num' => 2]);

function emit(string $event, array $more = []): void
{
    global $server;
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid(), 'worker' => $server->worker_id] + $more) . "\n";
}

function properties(Server $server): array
{
    $values = ['own_pid' => getmypid(), 'getWorkerId' => $server->getWorkerId(), 'getWorkerPid' => $server->getWorkerPid(),
        'getManagerPid' => $server->getManagerPid(), 'getMasterPid' => $server->getMasterPid()];
    foreach (['mode', 'master_pid', 'manager_pid', 'worker_id', 'worker_pid'] as $name) {
        $values[$name] = $server->$name;
    }
    return $values;
}

/** Sleeps for so many seconds, whatever signals come. */
function oversleep(float $seconds): bool
{
    $end = microtime(true) + $seconds;
    while (($left = $end - microtime(true)) > 0) {
        usleep((int) ($left * 1e6));
    }
    return true;
}

function call(Server $server, string $what, array $with): mixed
{
    return match ($what) {
        'echo' => $with[0],
        'properties' => properties($server),
        'count' => count($server->connections),
        'fds' => iterator_to_array($server->connections, false),
        'repeat' => min(array_map(fn () => $server->push($with[0], $with[1]), range(1, $with[2]))),
        'sleep' => oversleep($with[0]),
        'die' => posix_kill(getmypid(), $with[0]),
        'exit' => exit($with[0]),
        'last_error' => $server->getLastError(),
        default => $server->$what(...$with),
    };
}

/** The result of a call, who has made it, the warnings that it raised, and the last error. */
function observe(Server $server, array $wish): array
{
    $warnings = [];
    set_error_handler(function (int $level, string $text) use (&$warnings) {
        return (bool) ($warnings[] = $text);
    });
    try {
        $result = call($server, $wish['do'], $wish['with']);
    } finally {
        restore_error_handler();
    }
    return ['result' => $result, 'worker' => $server->worker_id, 'pid' => getmypid(), 'warnings' => $warnings,
        'error' => $server->getLastError()];
}

foreach (['start', 'shutdown', 'managerStart', 'managerStop', 'beforeReload', 'afterReload', 'beforeShutdown'] as $event) {
    $server->on($event, fn (Server $server) => emit($event));
}
foreach (['workerStart', 'workerStop'] as $event) {
    $server->on($event, fn (Server $server, int $worker) => emit($event, ['id' => $worker]));
}
$exits = 0;
$server->on('workerExit', function (Server $server, int $worker) use (&$exits) {
    // It comes again and again while the worker waits.
    if ($exits++ === 0) {
        emit('workerExit', ['id' => $worker]);
    }
});
$server->on('workerError', function (Server $server, int $worker, int $pid, int $code, int $signal) {
    emit('workerError', ['id' => $worker, 'of' => $pid, 'code' => $code, 'signal' => $signal]);
});

$last_words = [];
$server->on('open', function (Server $server, Request $request) use (&$last_words) {
    emit('open', ['fd' => $request->fd]);
    $last_words[$request->fd] = $request->server['request_uri'] === '/kill-when-closed';
    $server->push($request->fd, json_encode(['fd' => $request->fd, 'worker' => $server->worker_id, 'pid' => getmypid()]));
});
$server->on('message', function (Server $server, Frame $frame) {
    emit('message', ['fd' => $frame->fd]);
    $server->push($frame->fd, json_encode(observe($server, json_decode($frame->data, true))));
});
$server->on('request', function (Request $request, Response $response) use ($server) {
    emit('request', ['fd' => $request->fd]);
    if ($request->server['request_uri'] === '/kill') {
        posix_kill(getmypid(), SIGKILL);
    }
    $response->end(json_encode(['fd' => $request->fd, 'worker' => $server->worker_id, 'pid' => getmypid()]));
});
$server->on('close', function (Server $server, int $fd) use (&$last_words) {
    emit('close', ['fd' => $fd]);
    if ($last_words[$fd] ?? false) {
        posix_kill(getmypid(), SIGKILL);
    }
});
$server->start();
