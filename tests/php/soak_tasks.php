<?php
// Leaves each number that it is sent to a task worker, in a payload of up to 8 MiB, and pushes the number back when that
// comes back as it was: soak_tasks.php PORT base|process TASK_WORKERS. Requests are answered with the task workers' pids.

use Swoole\Atomic;
use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

const MIB = 1 << 20;
$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 2, 'task_worker_num' => (int) $argv[3], 'reactor_num' => 1]);
$begun = new Atomic();

/** Most are small; one of a thousand is as long as can be. */
function payload(int $number): string
{
    $length = match (true) {
        $number % 1000 === 999 => 8 * MIB - random_int(0, 3),
        $number % 100 === 99 => random_int(0, MIB),
        $number % 10 === 9 => random_int(0, 65536),
        $number % 10 === 5 => 0,
        default => random_int(0, 500),
    };
    return $length === 0 ? '' : substr(str_repeat(random_bytes(1021), intdiv($length, 1021) + 1), 0, $length);
}

$server->on('message', function (Server $server, Frame $frame) {
    $payload = payload((int) $frame->data);
    $task = [$frame->fd, (int) $frame->data, strlen($payload), crc32($payload), $payload];
    if (@$server->task($task) === false) {
        $server->push($frame->fd, "refused $frame->data");
    }
});
$server->on('task', function (Server $server, int $id, int $from, array $task) use ($begun) {
    $begun->add();
    [, , $length, $sum, $payload] = $task;
    return strlen($payload) === $length && crc32($payload) === $sum ? $task : [...$task, 'broken there'];
});
$server->on('finish', function (Server $server, int $id, array $result) {
    [$fd, $number, $length, $sum, $payload] = $result;
    $is_whole = count($result) === 5 && strlen($payload) === $length && crc32($payload) === $sum;
    $server->push($fd, $is_whole ? "$number" : "broken $number");
});
$server->on('request', function (Request $request, Response $response) use ($server, $begun, $argv) {
    $pids = array_map(fn (int $number) => $server->getWorkerPid(2 + $number), range(0, (int) $argv[3] - 1));
    $response->end(json_encode(['begun' => $begun->get(), 'pids' => $pids]));
});
$server->start();
