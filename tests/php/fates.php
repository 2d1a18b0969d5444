<?php
// Meets a fate at the place where a client arms it, once: in whichever process comes there first.
//
//     fates.php PORT '{"mode": "base" | "process", "kind": KIND, "set": {…}, "armed": [place, fate]}'
//
// KIND: websocket, handshake (with a handshake callback), plain (without coroutines), or raw.
//
// A client says "arm PLACE FATE", or the name of a place that its message is to lead to.

use Swoole\Atomic;
use Swoole\Coroutine;
use Swoole\Event;
use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\Server;
use Swoole\Timer;

const FATES = ['exit 0', 'exit 7', 'exit text', 'throw', 'memory', 'error', 'undefined', 'segv'];
const PLACES = [
    'start', 'shutdown', 'beforeShutdown', 'managerStart', 'managerStop', 'workerError', 'beforeReload', 'afterReload',
    'managerTimer', 'managerTask', 'startTimer', 'workerStart', 'workerStop', 'workerExit', 'connect', 'request',
    'handshake', 'handshakeWaited', 'beforeHandshakeResponse', 'open', 'receive', 'message', 'close', 'disconnect',
    'closedByMethod', 'bufferFull', 'bufferEmpty', 'after', 'tick', 'deferred', 'watched', 'go', 'goWaited', 'waited',
    'resumed', 'atEnd', 'requestWaited', 'openWaited', 'closeWaited',
];

$config = json_decode($argv[2] ?? '{}', true);
$mode = ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS;
$kind = $config['kind'] ?? 'websocket';
$class = $kind === 'raw' ? Server::class : Swoole\WebSocket\Server::class;
$server = new $class('127.0.0.1', (int) $argv[1], $mode);
$server->set(($config['set'] ?? []) + ['worker_num' => 10, 'reactor_num' => 2, 'socket_buffer_size' => 64 << 20,
    'output_buffer_size' => 64 << 20, 'buffer_high_watermark' => 1 << 20, 'websocket_close_timeout' => 0.1]);
if ($kind === 'plain') {
    $server->set(['enable_coroutine' => false]);
}
$armed = new Atomic();

function emit(string $event, array $more = []): void
{
    global $server;
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid(), 'worker' => $server->worker_id] + $more) . "\n";
}

function code(string $place, string $fate): int
{
    return array_search($place, PLACES, true) * count(FATES) + array_search($fate, FATES, true) + 1;
}

/** The script has come to this place. */
function at(string $place): void
{
    global $armed;
    foreach (FATES as $fate) {
        if ($armed->get() === code($place, $fate) && $armed->cmpset(code($place, $fate), 0)) {
            emit('fate', ['place' => $place, 'fate' => $fate]);
            meet($fate);
        }
    }
}

function meet(string $fate): void
{
    match ($fate) {
        'exit 0' => exit(0),
        'exit 7' => exit(7),
        'exit text' => exit("the last words\n"),
        'throw' => throw new RuntimeException('thrown on purpose'),
        'memory' => str_repeat('x', 1 << 30),
        'error' => trigger_error('an error on purpose', E_USER_ERROR),
        'undefined' => nobody_has_defined_this(),
        'segv' => posix_kill(getmypid(), SIGSEGV),
    };
}

if (isset($config['armed'])) {
    $armed->set(code(...$config['armed']));
}

/** Has the loop come to this place when the callback has returned. */
function lead(Server $server, int $fd, string $place): void
{
    match ($place) {
        'workerStart', 'workerStop' => $server->stop(),
        'workerExit' => [Timer::after(100_000, fn () => null), $server->stop()],
        'workerError' => posix_kill(getmypid(), SIGKILL),
        'beforeReload', 'afterReload' => $server->reload(),
        'beforeShutdown', 'managerStop', 'shutdown' => $server->shutdown(),
        'closedByMethod' => $server->disconnect($fd, 4000),
        'bufferFull', 'bufferEmpty' => $server->push($fd, str_repeat('x', 16 << 20)),
        'after' => Timer::after(1, fn () => at('after')),
        'tick' => Timer::tick(1, function (int $timer) {
            Timer::clear($timer);
            at('tick');
        }),
        'deferred' => $server->defer(fn () => at('deferred')),
        'watched' => watch(),
        'go' => go(fn () => at('go')),
        'goWaited' => go(fn () => [Coroutine::sleep(0.002), at('goWaited')]),
        'waited' => [Coroutine::sleep(0.002), at('waited')],
        'resumed' => Coroutine::resume(go(fn () => [Coroutine::yield(), at('resumed')])),
        'atEnd' => Coroutine::defer(fn () => at('atEnd')),
        default => at('message'),
    };
}

function watch(): void
{
    global $pair;
    $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    Event::add($pair[0], function ($stream) {
        Event::del($stream);
        at('watched');
    });
    fwrite($pair[1], 'x');
}

function told(Server $server, int $fd, string $data): ?string
{
    [$verb, $rest] = explode(' ', $data, 2) + [1 => ''];
    if ($verb === 'arm') {
        $GLOBALS['armed']->set(code(...explode(' ', $rest, 2)));
    } elseif ($verb === 'lead') {
        lead($server, $fd, $rest);
    } elseif ($verb === 'reload') {
        $server->reload();
    } else {
        return json_encode(['fd' => $fd, 'worker' => $server->worker_id, 'pid' => getmypid()]);
    }
    return $verb;
}

function pause(): void
{
    if (Coroutine::getCid() > 0) {
        Coroutine::sleep(0.001);
    }
}

/** Callbacks that do nothing else. */
$plain_events = ['start', 'shutdown', 'beforeShutdown', 'managerStart', 'managerStop', 'beforeReload', 'afterReload'];
foreach ($plain_events as $event) {
    $server->on($event, function () use ($event, $server) {
        emit($event);
        if ($event === 'managerStart') {
            Timer::after(1, fn () => at('managerTimer'));
            if ($server->setting['task_worker_num'] > 0) {
                $server->task('anything', -1, fn () => at('managerTask'));
            }
        }
        if ($event === 'start') {
            Timer::after(1, fn () => at('startTimer'));
        }
        at($event);
    });
}
$server->on('task', fn (Server $server, int $id, int $from, $data) => $data);
foreach (['workerStart', 'workerStop', 'workerExit'] as $event) {
    $server->on($event, function (Server $server, int $worker) use ($event) {
        if ($event !== 'workerExit') {
            emit($event);
        }
        at($event);
    });
}
$server->on('workerError', function (Server $server, int $worker, int $pid, int $code, int $signal) {
    emit('workerError', ['of' => $pid, 'id' => $worker, 'code' => $code, 'signal' => $signal]);
    at('workerError');
});
$server->on('connect', fn () => at('connect'));
$server->on('close', function (Server $server, int $fd) {
    at('close');
    pause();
    at('closeWaited');
});
if ($kind === 'raw') {
    $server->on('receive', function (Server $server, int $fd, int $reactor, string $data) {
        at('receive');
        $server->send($fd, told($server, $fd, trim($data)) . "\n");
    });
} else {
    $server->on('bufferFull', function (Server $server, int $fd) {
        emit('bufferFull', ['fd' => $fd]);
        at('bufferFull');
    });
    $server->on('bufferEmpty', fn () => at('bufferEmpty'));
    $server->on('disconnect', function () {
        at('disconnect');
        at('closedByMethod');
    });
    $server->on('request', function (Request $request, Response $response) use ($server) {
        at('request');
        pause();
        at('requestWaited');
        $response->end(told($server, $request->fd, ''));
    });
    $server->on('message', function (Server $server, object $frame) {
        $server->push($frame->fd, told($server, $frame->fd, $frame->data));
    });
}
if ($kind === 'websocket' || $kind === 'plain') {
    $server->on('beforeHandshakeResponse', fn () => at('beforeHandshakeResponse'));
    $server->on('open', function (Server $server, Request $request) {
        at('open');
        if ($request->server['request_uri'] === '/waits') {
            pause();
            at('openWaited');
        }
    });
}
if ($kind === 'handshake') {
    $server->on('handshake', function (Request $request, Response $response) {
        at('handshake');
        Coroutine::sleep(0.001);
        at('handshakeWaited');
        $key = $request->header['sec-websocket-key'] . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
        $accept = base64_encode(sha1($key, true));
        $headers = ['Upgrade' => 'websocket', 'Connection' => 'Upgrade', 'Sec-WebSocket-Accept' => $accept];
        foreach ($headers as $name => $value) {
            $response->header($name, $value);
        }
        $response->status(101);
        $response->end();
    });
}
$server->start();
echo "start() has returned\n";
