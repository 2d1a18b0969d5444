<?php
// Tasks and messages between processes: each WebSocket message is a JSON array, a verb and what it takes.
//
//     tasks.php PORT '{"mode": "base" | "process", "set": {…}, "without": [event, …], "processes": [verb, …]}'
//
// A task is such an array, too. One that waits does so until a file is there.

use Swoole\Coroutine;
use Swoole\Process;
use Swoole\Server\PipeMessage;
use Swoole\Server\Task;
use Swoole\Server\TaskResult;
use Swoole\Timer;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$mode = ($config['mode'] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS;
$server = new Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(($config['set'] ?? []) + ['worker_num' => 1, 'task_worker_num' => 1, 'reactor_num' => 1]);

final class Point
{
    public function __construct(public int $x = 1, protected array $y = ['z' => 2], private ?Point $next = null)
    {
    }
}

final class Refuses
{
    public function __serialize(): array
    {
        throw new LogicException('not to be sent');
    }
}

final class Unreadable
{
    public function __unserialize(array $data): void
    {
        throw new LogicException('not to be read');
    }
}

function emit(string $event, array $more = []): void
{
    global $server;
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid(), 'worker' => $server->worker_id] + $more) . "\n";
}

/** Waits until a file is there, whatever signals come. */
function until(string $path): string
{
    for ($end = microtime(true) + 20; !file_exists($path) && microtime(true) < $end; clearstatcache()) {
        Coroutine::getCid() > 0 ? Coroutine::sleep(0.003) : usleep(3000);
    }
    return $path;
}

function values(): array
{
    $all = implode('', array_map(chr(...), range(0, 255)));
    return [null, true, false, 0, -1, PHP_INT_MAX, PHP_INT_MIN, 0.5, -0.0, INF, '', '0', 'text', $all, "N;", 'b:1;',
        [], [[]], [1, 'a' => [2, [3 => null]], '' => $all], new Point(), [new Point(3, [], new Point()), 'x'],
        new stdClass(), (object) ['a' => [1.5]], new ArrayObject([1, 2])];
}

/** The result of a call, what it throws, the warnings that it raises, and the last error. */
function observe(callable $call): array
{
    global $server;
    $warnings = [];
    $seen = [];
    set_error_handler(function (int $level, string $text) use (&$warnings) {
        return (bool) ($warnings[] = $text);
    });
    try {
        $seen['result'] = $call();
    } catch (Throwable $thrown) {
        $seen['thrown'] = [$thrown::class, $thrown->getMessage()];
    } finally {
        restore_error_handler();
    }
    return $seen + ['warnings' => $warnings, 'error' => $server->getLastError(), 'worker' => $server->worker_id,
        'pid' => getmypid()];
}

/** Bytes that are all different, as far as that matters. */
function bytes(int $length): string
{
    return $length === 0 ? '' : substr(str_repeat(random_bytes(1021), intdiv($length, 1021) + 1), 0, $length);
}

/** Which of these values do not come back as they went out? */
function differing(array $values, callable $there_and_back): array
{
    return array_keys(array_filter($values, fn ($value) => serialize($there_and_back($value)) !== serialize($value)));
}

function call(Server $server, array $wish): mixed
{
    $what = array_shift($wish);
    return match ($what) {
        'echo' => $wish[0],
        'until' => until($wish[0]),
        'task with callback' => $server->task($wish[0], -1, function (Server $server, int $id, mixed $result) {
            emit('callback', ['id' => $id, 'data' => $result]);
        }),
        'tasks' => array_map(fn ($number) => $server->task([$wish[0], $number, $wish[3] ?? null]), range($wish[1], $wish[2])),
        'values' => differing(values(), fn ($value) => $server->taskwait(['echo', $value], 5)),
        'bare values' => differing(array_slice(values(), 1), fn ($value) => $server->taskwait($value, 5)),
        'sizes' => differing(array_map(bytes(...), $wish[0]), fn ($value) => $server->taskwait($value, 20)),
        'multi' => $server->taskWaitMulti(array_combine(['k', 7, 'nothing'], [['echo', 'a'], ['echo', 'b'], ['nothing']]), 5),
        'closure' => $server->{$wish[0]}(fn () => 1, ...array_slice($wish, 1)),
        'closures' => $server->{$wish[0]}([fn () => 1]),
        'refuses' => $server->{$wish[0]}(new Refuses(), ...array_slice($wish, 1)),
        'unreadable' => $server->{$wish[0]}(new Unreadable(), ...array_slice($wish, 1)),
        'unreadables' => $server->{$wish[0]}([new Unreadable(), ['echo', 1]], 5),
        'unreadable with callback' => $server->task(new Unreadable(), -1, fn () => emit('callback')),
        'too many' => $server->taskWaitMulti(array_fill(0, 1024, 1)),
        'fill' => fill($server, $wish[0], $wish[1]),
        'messages' => array_map(fn ($number) => $server->sendMessage(['number', $number], $wish[0]), range($wish[1], $wish[2])),
        'message values' => array_map(fn ($value) => $server->sendMessage(['same', $value, serialize($value)], $wish[0]), values()),
        'die' => posix_kill(getmypid(), SIGKILL),
        'pids' => array_map($server->getWorkerPid(...), range(0, $wish[0])),
        default => $server->$what(...$wish),
    };
}

/** Sends tasks of so many bytes until one is refused, at most so many: how many were not. */
function fill(Server $server, int $most, int $length): int
{
    for ($sent = 0; $sent < $most && $server->task(['note', $sent, str_repeat('x', $length)]) !== false; $sent++);
    return $sent;
}

/** Holds the task in this way, waits for a file, answers, and lets go; returns before that. */
function later(Task $task, string $how, ?string $path, mixed $answer, mixed $returned = null): mixed
{
    $answers = function () use ($task, $path, $answer) {
        if ($path !== null) {
            until($path);
        }
        match ($answer) {
            'nothing' => null,
            'throw' => throw new LogicException('nobody answers'),
            'exit' => exit(4),
            default => emit('answered', observe(fn () => $task->finish($answer))),
        };
    };
    match ($how) {
        'go' => Coroutine::create($answers),
        'go after' => Coroutine::create(fn () => [Coroutine::sleep(0.05), $answers()]),
        'defer' => Coroutine::defer($answers),
        'timer' => Timer::after(50, $answers),
    };
    return $returned;
}

/** What a task worker does. */
function work(Server $server, mixed $data, callable $finish): mixed
{
    if (!is_array($data) || !is_string($data[0] ?? null)) {
        return $data;
    }
    return match (array_shift($data)) {
        'echo' => $data[0],
        'nothing' => null,
        'finish' => [array_map($finish, $data[0]), $data[1]][1],
        'until' => until($data[0]),
        'note' => [emit('did', ['number' => $data[0]]), $data[0]][1],
        'slowly' => [usleep(2000), emit('did', ['number' => $data[0]]), $data[0]][2],
        'exit' => exit($data[0]),
        'throw' => throw new LogicException('the task throws'),
        'fatal' => call_undefined_function(),
        'memory' => str_repeat('x', 1 << 40),
        'kill' => posix_kill(getmypid(), SIGKILL),
        'closure' => fn () => 1,
        'unreadable' => new Unreadable(),
        'finish unreadable' => [$finish(new Unreadable()), 'later'][1],
        'unreadable message' => $server->sendMessage(new Unreadable(), $data[0]),
        'observe' => observe(fn () => $server->{$data[0]}(...$data[1])),
        'property' => [$server->worker_id, $server->taskworker, $server->worker_pid === getmypid()],
        'cid' => Coroutine::getCid(),
        'sleep' => [Coroutine::sleep($data[0]), 'slept'][1],
        'messages' => array_map(fn ($number) => $server->sendMessage(['number', $number], $data[0]), range($data[1], $data[2])),
        'message values' => array_map(fn ($value) => $server->sendMessage(['same', $value, serialize($value)], $data[0]), values()),
        default => $data,
    };
}

$events = [
    'task' => function (Server $server, mixed ...$with) {
        if ($with[0] instanceof Task) {
            $task = $with[0];
            [$id, $from, $data, $finish] = [$task->id, $task->worker_id, $task->data, $task->finish(...)];
        } else {
            [$id, $from, $data] = $with;
            $finish = $server->finish(...);
        }
        emit('task', ['id' => $id, 'from' => $from, 'verb' => is_array($data) ? $data[0] ?? null : get_debug_type($data),
            'object' => $with[0] instanceof Task, 'cid' => Coroutine::getCid(),
            'fresh' => !isset($task) || abs(microtime(true) - $task->dispatch_time) < 60]);
        if (is_array($data) && ($data[0] ?? null) === 'later') {
            return later($task, ...array_slice($data, 1));
        }
        return work($server, $data, $finish);
    },
    'finish' => function (Server $server, mixed ...$with) {
        $result = $with[0];
        $more = $result instanceof TaskResult
            ? ['id' => $result->task_id, 'data' => $result->data, 'by' => $result->task_worker_id]
            : ['id' => $result, 'data' => $with[1]];
        emit('finish', $more + ['cid' => Coroutine::getCid()]);
    },
    'pipeMessage' => function (Server $server, mixed ...$with) {
        [$from, $message] = $with[0] instanceof PipeMessage ? [$with[0]->source_worker_id, $with[0]->data] : $with;
        $same = is_array($message) && $message[0] === 'same' ? serialize($message[1]) === $message[2] : null;
        emit('message', ['from' => $from, 'same' => $same, 'object' => $with[0] instanceof PipeMessage,
            'data' => $same === null && !is_string($message) ? $message : null,
            'length' => is_string($message) ? strlen($message) : null]);
        if (is_array($message) && $message[0] === 'until') {
            until($message[1]);
        }
    },
    'workerStart' => fn (Server $server, int $id) => emit('workerStart', ['id' => $id, 'task' => $server->taskworker]),
    'workerStop' => fn (Server $server, int $id) => emit('workerStop', ['id' => $id]),
    'afterReload' => fn () => emit('afterReload'),
    'beforeReload' => fn () => emit('beforeReload'),
    'workerError' => fn (Server $server, mixed ...$with) => emit('workerError', is_int($with[0])
        ? ['id' => $with[0], 'of' => $with[1], 'code' => $with[2], 'signal' => $with[3]]
        : ['id' => $with[0]->worker_id, 'of' => $with[0]->worker_pid, 'code' => $with[0]->exit_code, 'signal' => $with[0]->signal]),
    'open' => fn (Server $server, $request) => $server->push($request->fd, json_encode(
        ['fd' => $request->fd, 'worker' => $server->worker_id, 'pid' => getmypid()])),
    'close' => fn (Server $server, int $fd) => emit('close', ['fd' => $fd]),
    'message' => function (Server $server, Frame $frame) {
        $wish = json_decode($frame->data, true);
        emit('wish', ['verb' => $wish[0]]);
        @$server->push($frame->fd, json_encode(observe(fn () => call($server, $wish)), JSON_PARTIAL_OUTPUT_ON_ERROR));
    },
];
foreach ($events as $event => $callback) {
    if (!in_array($event, $config['without'] ?? [], true)) {
        $server->on($event, $callback);
    }
}

/** What a process of the script's own does. */
function run(Server $server, Process $process, array $wish): void
{
    emit('process', ['id' => $process->id, 'pid_too' => $process->pid === getmypid()]);
    $what = array_shift($wish);
    match ($what) {
        'end' => null,
        'exit' => $process->exit($wish[0]),
        'throw' => throw new LogicException('the process throws'),
        'until' => until($wish[0]),
        'for ever' => for_ever(fn () => null),
        'answer' => for_ever(fn () => $process->write(strrev($process->read()))),
        'messages for ever' => messages_for_ever($server, ...$wish),
        'one message' => [$server->sendMessage(['number', 0], $wish[0]), emit('sent'), for_ever(fn () => null)],
        'one large message' => [$server->sendMessage(str_repeat('x', $wish[1]), $wish[0]), for_ever(fn () => null)],
        'loop' => Coroutine\run(fn () => in_loop($server, $process, ...$wish)),
        'coroutine' => in_loop($server, $process, ...$wish),
        'does' => does($server, $process, $wish),
    };
    emit('process ends');
}

function for_ever(callable $each): void
{
    while (true) {
        $each();
        usleep(5000);
    }
}

function messages_for_ever(Server $server, int $to): void
{
    $number = 0;
    for_ever(function () use ($server, $to, &$number) {
        if ($server->sendMessage(['number', $number], $to)) {
            $number++;
        }
    });
}

/** In a loop: hears a signal, waits, and says what it is told to do. */
function in_loop(Server $server, Process $process, string $path): void
{
    Process::signal(SIGUSR1, function (int $signal) use ($server) {
        emit('signal', ['signal' => $signal, 'cid' => Coroutine::getCid()]);
        foreach ($server->connections as $fd) {
            $server->push($fd, json_encode("signal $signal"));
        }
    });
    Process::signal(SIGTERM, function () use ($path) {
        emit('told to end');
        touch($path);
    });
    emit('hears');
    until($path);
    Process::signal(SIGUSR1, null);
    Process::signal(SIGTERM, null);
}

function does(Server $server, Process $process, array $wishes): void
{
    foreach ($wishes as $wish) {
        emit('did', ['wish' => $wish] + observe(fn () => call($server, $wish)));
    }
    for_ever(fn () => null);
}

$processes = [];
foreach ($config['processes'] ?? [] as $number => $wish) {
    $enable_coroutine = ($wish[0] ?? null) === 'coroutine';
    $processes[] = new Process(fn (Process $process) => run($server, $process, $wish), false, 2, $enable_coroutine);
    $added = $server->addProcess($processes[$number]);
    emit('added', ['id' => $added]);
}
$server->start();
