<?php
// A server one of whose processes does not come back to its loop; what happens is printed as lines of JSON.
//
//     stuck.php PORT '{"mode": "base" | "process", "who": "busy process" | "process" | "task worker" | "worker"}'
//
// Place 0 is a worker's, and place 1 that of the process meant. It is stuck until there is a file "released"; a busy one
// sends to everybody meanwhile. One of the script's own is stuck once there is a file "again".

use Swoole\Process;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2], true);
$who = $config['who'];
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => $who === 'worker' ? 2 : 1, 'task_worker_num' => $who === 'task worker' ? 1 : 0,
    'reactor_num' => 1, 'enable_coroutine' => false]);

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid()] + $more) . "\n";
}

function numbered(int $number): array
{
    return ['number' => $number, 'payload' => str_repeat("$number ", 200)];
}

function is_there(string $file): bool
{
    clearstatcache();
    return file_exists($file);
}

/** Sends to each client and to worker 0, until it is released: what is accepted has the next number. */
function be_busy(Server $server): void
{
    for ($pushed = [], $sent = 0; !is_there('released'); usleep(20_000)) {
        foreach ($server->connections as $fd) {
            $number = $pushed[$fd] ?? 0;
            $pushed[$fd] = $number + (int) @$server->push($fd, json_encode(numbered($number)));
        }
        $sent += (int) $server->sendMessage(numbered($sent), 0);
    }
}

/** Says something to each client and to worker 0, then nothing until it is released. */
function be_stuck(Server $server): void
{
    foreach ($server->connections as $fd) {
        @$server->push($fd, json_encode(['stuck' => true]));
    }
    $server->sendMessage(numbered(0), 0);
    emit('stuck');
    while (!is_there('released')) {
        usleep(20_000);
    }
    $server->sendMessage(numbered(1), 0);
}

$server->on('workerStart', function (Server $server, int $id) use ($who) {
    if ($id === 0) {
        // Nobody sends anything to a process of the script's own.
        str_contains($who, 'process') || $server->sendMessage(getmypid(), 1);
        emit('workerStart');
    }
});
$is_stuck = false;
$server->on('pipeMessage', function (Server $server, int $from, mixed $message) use (&$is_stuck) {
    if (is_array($message)) {
        emit('message', ['number' => $message['number'], 'whole' => $message === numbered($message['number'])]);
        return;
    }
    emit('hears', ['of' => $message]);
    if (!$is_stuck) {
        $is_stuck = true;
        be_stuck($server);
    }
});
$server->on('open', fn (Server $server, $request) => $server->push($request->fd, json_encode(['of' => getmypid()])));
$server->on('message', function (Server $server, Frame $frame) {
    $server->push($frame->fd, json_encode(['echo' => $frame->data]));
});
$server->on('task', fn () => null);
if (str_contains($who, 'process')) {
    $server->addProcess(new Process(function () use ($server, $who) {
        if ($who === 'busy process') {
            be_busy($server);
        } else {
            $server->sendMessage(numbered(0), 0);
            while (!is_there('again')) {
                usleep(5_000);
            }
            be_stuck($server);
        }
        while (true) {
            sleep(1);
        }
    }, false, 0));
}
$server->start();
