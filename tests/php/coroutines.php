<?php
// Callbacks that wait: each message is a JSON array, a verb and what it takes.
//
//     coroutines.php PORT '{"mode": "base" | "process", "set": {…}, "holds": [place, …], "at": {place: verb, …}}'
//
// A callback of a place in "holds" waits until somebody releases "PLACE FD".

use Swoole\Coroutine;
use Swoole\Coroutine\Http\Client;
use Swoole\Event;
use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\Timer;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$mode = ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS;
$server = new Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(($config['set'] ?? []) + ['worker_num' => 1, 'reactor_num' => 1, 'max_wait_time' => 1]);
ini_set('memory_limit', $config['memory_limit'] ?? '128M');
$held = [];
$running = [];
$at = $config['at'] ?? [];

function emit(string $event, int $fd = 0, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid(), 'fd' => $fd] + $more) . "\n";
}

/** Waits until somebody releases this name. */
function hold(string $name): void
{
    global $held;
    $held[$name] = Coroutine::getCid();
    Coroutine::yield();
}

function release(string $name): bool
{
    global $held;
    $cid = $held[$name] ?? 0;
    unset($held[$name]);
    return $cid > 0 && Coroutine::resume($cid);
}

/** A callback of this place and connection begins and ends: how many run for it at once? */
function during(string $place, int $fd, callable $run): void
{
    global $running, $config;
    $running[$fd] = ($running[$fd] ?? 0) + 1;
    emit("$place begins", $fd, ['cid' => Coroutine::getCid(), 'running' => $running[$fd]]);
    if (in_array($place, $config['holds'] ?? [], true)) {
        hold("$place $fd");
    }
    $run();
    $running[$fd]--;
    emit("$place ends", $fd);
}

/** A push, and what came of it. */
function push(Server $server, int $fd, string $data): void
{
    set_error_handler(fn () => true);
    $result = $server->push($fd, $data);
    restore_error_handler();
    if (!$result) {
        emit('refused', $fd, ['error' => $server->getLastError(), 'data' => substr($data, 0, 20)]);
    }
}

/** The pipe of this worker, to wait for what a client says. */
function pair(): array
{
    static $pair = null;
    return $pair ??= stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
}

function watch(Server $server): void
{
    Event::add(pair()[0], function ($stream) use ($server) {
        $read = fread($stream, 100);
        emit('read', 0, ['data' => $read, 'cid' => Coroutine::getCid()]);
        foreach ($server->connections as $fd) {
            push($server, $fd, "read $read");
        }
    });
}

/** A coroutine that never ends by itself. */
/** As somebody else would ask this server. */
function ask(int $port): string|false
{
    $client = new Client('127.0.0.1', $port);
    return $client->get('/hello') ? $client->body : $client->errMsg;
}

function for_ever(Server $server): void
{
    while (true) {
        Coroutine::sleep(0.01);
        foreach ($server->connections as $fd) {
            push($server, $fd, 'still here');
        }
    }
}

function broadcast(Server $server, string $text): void
{
    foreach ($server->connections as $fd) {
        if ($server->isEstablished($fd)) {
            push($server, $fd, $text);
        }
    }
}

/** As many coroutines as there can be, at most so many, all of them asleep. */
function crowd(int $count, float $seconds): int
{
    for ($made = 0; $made < $count; $made++) {
        if (@Coroutine::create(fn () => Coroutine::sleep($seconds)) === false) {
            emit('crowded', 0, ['warning' => error_get_last()['message'] ?? '']);
            break;
        }
    }
    return $made;
}

function thrown(callable $call): string
{
    try {
        return var_export($call(), true);
    } catch (Swoole\Error $error) {
        return $error->getMessage();
    }
}

function call(Server $server, int $fd, array $wish): mixed
{
    $what = array_shift($wish);
    return match ($what) {
        'echo' => $wish[0],
        'hold' => [hold($wish[0]), $wish[0]][1],
        'release' => release($wish[0]),
        'sleep' => [Coroutine::sleep($wish[0]), $wish[1] ?? 'slept'][1],
        'until' => until($wish[0]),
        'pid' => getmypid(),
        'ids' => [Coroutine::getCid(), Coroutine::getPcid()],
        'child' => child(),
        'write' => fwrite(pair()[1], $wish[0]),
        'crowd' => crowd(...$wish),
        'wake all' => wake_all(),
        'stats' => Coroutine::stats()['coroutine_num'],
        'memory' => memory_get_usage(),
        'sleep outside' => thrown(fn () => Coroutine::sleep(0.001)),
        'go' => go(fn () => [Coroutine::sleep(0.001), push($server, $fd, json_encode(['inside', true]))]),
        'timer' => Timer::after(1, fn () => push($server, $fd, json_encode(['due', Coroutine::getCid()]))),
        default => $server->$what(...$wish),
    };
}

function until(string $path): string
{
    while (!file_exists($path)) {
        Coroutine::sleep(0.005);
        clearstatcache();
    }
    return $path;
}

function child(): array
{
    $ids = [Coroutine::getCid()];
    go(function () use (&$ids) {
        $ids[] = Coroutine::getPcid();
        $ids[] = Coroutine::getCid();
    });
    return $ids;
}

function wake_all(): int
{
    $count = 0;
    foreach (Coroutine::list() as $cid) {
        $count += $cid !== Coroutine::getCid() && Coroutine::cancel($cid) ? 1 : 0;
    }
    return $count;
}

/** What a callback does besides, by the configuration. */
function besides(Server $server, string $place): void
{
    global $at;
    match ($at[$place] ?? null) {
        'tick' => Timer::tick(5, fn () => [emit("$place tick"), broadcast($server, "tick of $place")]),
        'watch' => watch($server),
        'for ever' => for_ever($server),
        'long timer' => Timer::after(1_000_000, fn () => null),
        'clear' => Timer::clearAll(),
        'sleep' => Coroutine::sleep(0.01),
        'ask' => emit("$place asked", 0, ['answer' => ask($server->port)]),
        'go' => go(fn () => [Coroutine::sleep(0.01), emit("$place slept")]),
        default => null,
    };
}

foreach (['start', 'managerStart', 'workerStart', 'workerExit', 'workerStop', 'afterReload', 'beforeShutdown'] as $event) {
    $server->on($event, function (Server $server) use ($event) {
        emit($event, 0, ['worker' => $server->worker_id, 'cid' => Coroutine::getCid()]);
        besides($server, $event);
        emit("$event ends");
    });
}
$server->on('connect', fn (Server $server, int $fd) => emit('connect', $fd, ['cid' => Coroutine::getCid()]));
$server->on('close', fn (Server $server, int $fd) => during('close', $fd, fn () => emit('closing', $fd, [
    'info' => $server->getClientInfo($fd) !== false, 'exist' => $server->exist($fd)])));
$server->on('request', function (Request $request, Response $response) use ($server) {
    [, $verb, $rest] = explode('/', urldecode($request->server['request_uri']), 3) + [2 => ''];
    during($verb === 'hold' ? 'request' : 'other', $request->fd, fn () => $response->end(json_encode(match ($verb) {
        'release' => release($rest),
        'until' => until($rest),
        default => $verb,
    })));
});
if (in_array('handshake', $config['holds'] ?? [], true)) {
    $server->on('handshake', function (Request $request, Response $response) {
        during('handshake', $request->fd, function () use ($request, $response) {
            $accept = sha1($request->header['sec-websocket-key'] . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true);
            $response->header('Upgrade', 'websocket');
            $response->header('Connection', 'Upgrade');
            $response->header('Sec-WebSocket-Accept', base64_encode($accept));
            $response->status(101);
            emit('answered', $request->fd, ['result' => $response->end()]);
        });
    });
}
$server->on('open', fn (Server $server, Request $request) => during('open', $request->fd, fn () => null));
$server->on('message', function (Server $server, Frame $frame) {
    during('message', $frame->fd, function () use ($server, $frame) {
        $wish = json_decode($frame->data, true);
        $result = call($server, $frame->fd, $wish);
        push($server, $frame->fd, json_encode([$wish[0], $result]));
    });
});
$server->start();
