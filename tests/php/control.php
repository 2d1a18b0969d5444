<?php
// Prints every event as a line of JSON, echoes messages, and calls what a client of /control tells it to call.
//
//     control.php PORT '{"mode": "base" | "process", "set": {option: value, …}, "without": [event, …]}'

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\CloseFrame;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$server = new Server('127.0.0.1', (int) $argv[1], ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(($config['set'] ?? []) + ['worker_num' => 1]);

function emit(string $event, int $fd, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'fd' => $fd] + $more) . "\n";
}

/** The result of a call, the last error after it, and the warnings that it raised. */
function observe(Server $server, callable $call): array
{
    $warnings = [];
    set_error_handler(function (int $level, string $text) use (&$warnings) {
        return (bool) ($warnings[] = $text);
    });
    try {
        $result = ['result' => $call()];
    } catch (Throwable $thrown) {
        $result = ['thrown' => $thrown::class, 'message' => $thrown->getMessage()];
    } finally {
        restore_error_handler();
    }
    return $result + ['error' => $server->getLastError(), 'warnings' => $warnings];
}

/**
 * {"base64": …} is a string of any bytes, {"repeat": n} one of n bytes, {"packed": …} a whole frame, {"frame": {…}} a
 * Frame with those properties; anything else is itself.
 */
function argument(mixed $given): mixed
{
    if (isset($given['base64'])) {
        return base64_decode($given['base64']);
    }
    if (isset($given['repeat'])) {
        return str_repeat('x', $given['repeat']);
    }
    if (isset($given['packed'])) {
        return Server::pack($given['packed']);
    }
    if (isset($given['frame'])) {
        $frame = ($given['frame']['opcode'] ?? 1) === WEBSOCKET_OPCODE_CLOSE ? new CloseFrame() : new Frame();
        foreach ($given['frame'] as $name => $value) {
            $frame->$name = $value;
        }
        return $frame;
    }
    return $given;
}

function properties(Server $server): array
{
    $names = ['host', 'port', 'type', 'ssl', 'mode', 'master_pid', 'manager_pid', 'worker_id', 'worker_pid', 'taskworker'];
    $values = ['setting' => $server->setting, 'own_pid' => getmypid()];
    foreach ($names as $name) {
        $values[$name] = $server->$name;
    }
    return $values;
}

function iterate(Server $server): array
{
    $pairs = [];
    foreach ($server->connections as $key => $fd) {
        $pairs[] = [$key, $fd];
    }
    return $pairs;
}

function call(Server $server, string $what, array $with): mixed
{
    return match ($what) {
        'properties' => properties($server),
        'iterate' => iterate($server),
        'count' => count($server->connections),
        'offset' => [isset($server->connections[$with[0]]), $server->connections[$with[0]]],
        'defer' => $server->defer(fn () => emit('deferred', 0)),
        'after' => $server->after($with[0], fn (...$with) => emit('after', 0, ['with' => $with]), ...$with[1]),
        'tick' => $server->tick($with[0], fn ($timer, ...$with) => emit('tick', 0, ['timer' => $timer, 'with' => $with]), ...$with[1]),
        default => $server->$what(...$with),
    };
}

/** What the application can still do with a connection inside its last event. */
function inside(Server $server, int $fd): array
{
    return [
        'exist' => $server->exist($fd),
        'established' => $server->isEstablished($fd),
        'listed' => in_array($fd, iterator_to_array($server->connections, false), true),
        'status' => $server->getClientInfo($fd)['websocket_status'] ?? null,
        'push' => observe($server, fn () => $server->push($fd, 'too late')),
        'close' => observe($server, fn () => $server->close($fd)),
    ];
}

$commanders = [];
$events = [
    'connect' => function (Server $server, int $fd, int $reactor) {
        emit('connect', $fd, ['port' => $server->getClientInfo($fd)['remote_port']]);
    },
    'open' => function (Server $server, Request $request) use (&$commanders) {
        emit('open', $request->fd);
        if ($request->server['request_uri'] === '/control') {
            $commanders[$request->fd] = true;
        }
    },
    'message' => function (Server $server, Frame $frame) use (&$commanders) {
        if (isset($commanders[$frame->fd])) {
            $wish = json_decode($frame->data, true);
            $with = array_map(argument(...), $wish['with']);
            $answer = observe($server, fn () => call($server, $wish['do'], $with));
            emit('done', $frame->fd, ['do' => $wish['do']]);
            $server->push($frame->fd, json_encode($answer));
            return;
        }
        $close = $frame instanceof CloseFrame ? ['code' => $frame->code, 'reason' => $frame->reason] : [];
        $shown = preg_match('//u', $frame->data) ? $frame->data : base64_encode($frame->data);
        emit('message', $frame->fd, ['data' => substr($shown, 0, 100), 'opcode' => $frame->opcode,
            'flags' => $frame->flags, 'finish' => $frame->finish] + $close);
        if ($frame->opcode <= WEBSOCKET_OPCODE_BINARY) {
            $server->push($frame->fd, $frame->data, $frame->opcode);
        }
    },
    'request' => function (Request $request, Response $response) use ($server) {
        emit('request', $request->fd);
        $response->end(json_encode(['fd' => $request->fd]));
    },
    'close' => function (Server $server, int $fd, int $reactor) {
        emit('close', $fd, ['reactor' => $reactor, 'inside' => inside($server, $fd)]);
    },
    'disconnect' => function (Server $server, int $fd, int $reactor) {
        emit('disconnect', $fd, ['reactor' => $reactor, 'inside' => inside($server, $fd)]);
    },
];
foreach (array_diff_key($events, array_flip($config['without'] ?? [])) as $event => $callback) {
    $server->on($event, $callback);
}
$server->start();
