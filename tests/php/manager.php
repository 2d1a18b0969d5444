<?php
// A server whose manager sends; what happens is printed as lines of JSON.
//
//     manager.php PORT '{"mode": "base" | "process", "flood": messages of 64 KiB?}'
//
// The manager counts up, each 10 ms: it pushes the number to each client, and sends it to the worker, to the task worker,
// and twice as a task. With a flood it sends that many messages at once instead, while the worker sleeps for a second.

use Swoole\Timer;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

const WORKER = 0;
const TASK_WORKER = 1;

$config = json_decode($argv[2], true);
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 1, 'task_worker_num' => 1, 'reactor_num' => 1, 'socket_buffer_size' => 1 << 20]);

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid()] + $more) . "\n";
}

function send_all(Server $server, int $number): void
{
    foreach ($server->connections as $fd) {
        if ($server->isEstablished($fd)) {
            $server->push($fd, json_encode(['pushed' => $number]));
        }
    }
    $sent = [$server->sendMessage($number, WORKER), $server->sendMessage($number, TASK_WORKER)];
    $tasks = [
        $server->task($number),
        $server->task($number, 0, fn (Server $server, int $id, $result) => emit('called', ['result' => $result])),
    ];
    if ($sent !== [true, true] || in_array(false, $tasks, true)) {
        emit('refused', ['error' => $server->getLastError()]);
    }
}

function flood(Server $server, int $count): void
{
    $accepted = 0;
    for ($number = 0; $number < $count; $number++) {
        $accepted += (int) @$server->sendMessage(str_pad("$number ", 64 << 10, 'x'), WORKER);
    }
    emit('flooded', ['accepted' => $accepted, 'error' => $server->getLastError()]);
}

$server->on('managerStart', function (Server $server) use ($config) {
    $none = $server->stats();
    unset($none['start_time']);
    $own = array_filter(array_keys($none), fn (string $key) => str_starts_with($key, 'worker_') && $key !== 'worker_num');
    emit('manager', [
        'id' => [$server->worker_id, $server->getWorkerId(), $server->getWorkerPid(), $server->getWorkerStatus()],
        'stop' => $server->stop(),
        'waits' => @$server->taskwait('x'),
        'stats' => array_values($own),
    ]);
    if (isset($config['flood'])) {
        $server->sendMessage('sleep', WORKER);
        flood($server, $config['flood']);
        return;
    }
    $number = 0;
    Timer::tick(10, function () use ($server, &$number) {
        send_all($server, ++$number);
    });
});
$server->on('start', function (Server $server) use ($config) {
    if ($config['mode'] === 'base') {
        // That is a worker.
        return;
    }
    $refused = [];
    foreach ([fn () => $server->push(1, 'x'), fn () => $server->sendMessage('x', WORKER), fn () => $server->task('x')] as $send) {
        error_clear_last();
        $refused[] = [@$send(), error_get_last()['message'] ?? ''];
    }
    emit('start', ['refused' => $refused]);
});
$server->on('workerStart', fn (Server $server, int $id) => emit('workerStart', ['id' => $id]));
$server->on('workerError', function (Server $server, int $id) {
    // It is not there: the next one is told.
    emit('workerError', ['id' => $id, 'sent' => $server->sendMessage("follow $id", $id)]);
});
$server->on('pipeMessage', function (Server $server, int $from, $data) {
    if ($data === 'sleep') {
        sleep(1);
        return;
    }
    [$data, $bytes] = is_string($data) ? [trim($data, ' x'), strlen($data)] : [$data, 0];
    emit('message', ['at' => $server->worker_id, 'from' => $from, 'data' => $data, 'bytes' => $bytes]);
});
$server->on('task', fn (Server $server, int $id, int $from, $data) => [$from, $data]);
$server->on('finish', fn (Server $server, int $id, $result) => emit('finish', ['result' => $result]));
$server->on('message', function (Server $server, Frame $frame) {
    // What a worker sends is sent as if no manager had sent anything.
    $server->push($frame->fd, json_encode(['echo' => $frame->data, 'task' => $server->taskwait('own', 5)]));
});
$server->start();
