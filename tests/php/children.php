<?php
// A server with a process of the script's own, and children of all its processes; what happens is printed as lines of JSON.
//
//     children.php PORT '{"mode": "base" | "process", "coroutines": true | false, "user": name, "ignores": SIGTERM?}'
//
// A request names a function below, which makes a child in the worker and tells what came of it; for /task/… it is called
// in the task worker. The process of the script's own calls "both ways" first.

use Swoole\Coroutine;
use Swoole\Coroutine\Channel;
use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\Http\Server;
use Swoole\Process;
use Swoole\Server\Task;
use Swoole\Timer;

$config = json_decode($argv[2], true);
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 1, 'task_worker_num' => 1, 'reactor_num' => 1, 'enable_coroutine' => $config['coroutines'],
    'task_enable_coroutine' => $config['coroutines'], 'max_wait_time' => 1]);
if (isset($config['user'])) {
    $server->set(['user' => $config['user']]);
}

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid()] + $more) . "\n";
}

function fork(): array
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit(3);
    }
    pcntl_waitpid($pid, $status);
    return [pcntl_wifexited($status), pcntl_wexitstatus($status)];
}

/** A child that answers through its pipe, and how it ended. */
function both_ways(): array
{
    $process = new Process(function (Process $process) {
        $process->write(strrev($process->read()) . ' ' . (int) ($process->pid === getmypid()));
        exit(3);
    });
    $pid = $process->start();
    $process->write('told');
    return [$process->read(), Process::wait() === ['pid' => $pid, 'code' => 3, 'signal' => 0], Process::wait(false)];
}

/** How children end that do what each of these does. */
function ends(): array
{
    $ended = [];
    foreach ([
        fn () => null,
        fn (Process $process) => $process->exit(7),
        fn () => throw new LogicException('the child throws'),
        fn () => no_such_function(),
        fn () => Process::kill(getmypid(), SIGTERM),
        fn () => Process::kill(getmypid(), SIGINT),
        fn () => Process::kill(getmypid(), SIGUSR1),
        fn () => Process::kill(getmypid(), SIGPIPE),
    ] as $callback) {
        foreach ([false, true] as $in_coroutine) {
            (new Process($callback, false, 0, $in_coroutine))->start();
            $end = Process::wait();
            $ended[] = [$end['code'], $end['signal']];
        }
    }
    return $ended;
}

/** A child with coroutines, timers and signals of its own. */
function with_loop(): array
{
    $process = new Process(function (Process $process) {
        $heard = new Channel(1);
        Process::signal(SIGUSR1, fn () => $heard->push('signal'));
        Timer::after(1, fn () => Process::kill(getmypid(), SIGUSR1));
        $process->write(Coroutine::getCid() . $heard->pop(10));
        Process::signal(SIGUSR1, null);
        Coroutine::create(function () use ($process) {
            Coroutine::sleep(0.005);
            $process->write('slept');
        });
    }, false, 2, true);
    $process->start();
    return [$process->read(), $process->read(), Process::wait()['code']];
}

function executed(): array
{
    $process = new Process(fn (Process $process) => $process->exec('/bin/sh', ['-c', 'read a; echo "got $a"; exit 5']), true);
    $process->start();
    $process->write("this\n");
    return [$process->read(), Process::wait()['code']];
}

/** What a child can do in the server's name, and what is called at its end. */
function in_the_servers_name(): array
{
    global $server;
    $process = new Process(function (Process $process) use ($server) {
        $process->write(json_encode([@$server->stats(), @$server->sendMessage('x', 0), @$server->task('x'),
            @$server->shutdown(), @$server->reload(), count($server->connections), @$server->close(1)]));
        // Another one, of its own.
        $grandchild = new Process(fn () => exit(4), false, 0);
        $grandchild->start();
        $process->write(' ' . Process::wait()['code']);
        register_shutdown_function(fn () => $process->write(' its own'));
    }, false, 1);
    $process->start();
    for ($read = ''; ($piece = $process->read()) !== ''; $read .= $piece);
    return [$read, Process::wait()['code']];
}

/** A child that stays. */
function stays(): int
{
    $process = new Process(function (Process $process) {
        $process->write('ready');
        sleep(60);
    });
    $pid = $process->start();
    $process->read();
    return $pid;
}

final class Held
{
    public function __destruct()
    {
        emit('destructed');
    }
}

function refused(string $event): void
{
    try {
        new Process(fn () => null);
    } catch (Swoole\Error $error) {
        emit($event, ['thrown' => $error->getMessage()]);
    }
}

$server->on('start', fn () => refused('start'));
$server->on('managerStart', fn () => refused('managerStart'));
$server->on('workerStart', function (Server $server, int $id) {
    global $held;
    $owner = getmypid();
    $held = new Held();
    register_shutdown_function(fn () => emit('end of script'));
    // A child must not go on with what its parent waits for.
    Timer::tick(1, fn () => $owner === getmypid() || emit('not its own'));
    emit('workerStart', ['id' => $id]);
});
$server->on('workerExit', fn () => Timer::clearAll());
$server->on('task', fn (Server $server, mixed $task, mixed ...$with) => $task instanceof Task
    ? $task->finish(($task->data)())
    : $with[1]());
$server->on('finish', fn () => null);
$server->on('request', function (Request $request, Response $response) use ($server) {
    $response->header('X-Asked', $request->server['request_uri']);
    $path = explode('/', substr($request->server['request_uri'], 1));
    $answer = match ($path[0]) {
        '' => null,
        'task' => $server->taskwait($path[1], 20),
        default => $path[0](),
    };
    $response->end(json_encode($answer));
});
$server->addProcess(new Process(function () use ($config) {
    if ($config['ignores'] ?? false) {
        pcntl_signal(SIGTERM, SIG_IGN);
    }
    emit('process', ['child' => both_ways(), 'loop' => with_loop()]);
    while (true) {
        sleep(1);
    }
}, false, 0));
$server->start();
