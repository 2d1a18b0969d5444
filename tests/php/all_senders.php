<?php
// Workers, task workers, a process of the script's own, the manager and a callback of a second port send numbered
// messages to all WebSockets, all of them at the same time.
//
//     all_senders.php PORT '{"mode": "base" | "process", "port": …, "long": {number: length, …}}'
//
// To the second port a client says `round first end`: then all senders send theirs of these numbers, and print how they
// have fared. Messages are short, but those that are `long` (a few later with each sender).

use Swoole\Atomic;
use Swoole\Coroutine;
use Swoole\Process;
use Swoole\Table;
use Swoole\Timer;
use Swoole\WebSocket\Server;

const WORKERS = 4;
const TASK_WORKERS = 2;
// The numbers of the senders behind those, as the processes are numbered anyhow.
const OWN_PROCESS = WORKERS + TASK_WORKERS;
const MANAGER = OWN_PROCESS + 1;
const CALLBACK = MANAGER + 1;
const SENDERS = CALLBACK + 1;
const OVERFLOW = 1009;

$config = json_decode($argv[2], true);
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set([
    'worker_num' => WORKERS,
    'task_worker_num' => TASK_WORKERS,
    'reactor_num' => 2,
    // So little that everybody comes to the limit.
    'socket_buffer_size' => 128 << 10,
    'kernel_socket_send_buffer_size' => 32 << 10,
]);
$ready = new Atomic(0);
$wishes = new Table(1);
$wishes->column('wish', Table::TYPE_STRING, 64);
$wishes->create();

function emit(string $event, int $sender, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'sender' => $sender] + $more) . "\n";
}

function pause(): void
{
    Coroutine::getCid() > 0 ? Coroutine::sleep(0.001) : usleep(1000);
}

/** Pushes, again and again as long as there is no room; how often it was refused. */
function insist(Server $server, int $sender, int $fd, string $message): int
{
    for ($refused = 0; !$server->push($fd, $message); $refused++) {
        if ($server->getLastError() !== OVERFLOW) {
            throw new LogicException("connection $fd: error {$server->getLastError()}");
        }
        if ($refused === 0) {
            emit('refused', $sender);
        }
        pause();
    }
    return $refused;
}

function message(int $sender, int $number): string
{
    global $config;
    $length = $config['long'][$number - 3 * $sender] ?? 16 + ($number * 37 + $sender * 11) % 125;
    return str_pad("$sender:$number;", $length, chr(ord('a') + $sender));
}

function broadcast(Server $server, int $sender, string $wish): void
{
    global $ready;
    [$round, $first, $end] = array_map(intval(...), explode(' ', $wish));
    for ($ready->add(1); $ready->get() < SENDERS * ($round + 1);) {
        pause();
    }
    $refused = $pushed = 0;
    for ($number = $first; $number < $end; $number++) {
        $message = message($sender, $number);
        foreach ($server->connections as $fd) {
            if ($server->isEstablished($fd)) {
                $refused += insist($server, $sender, $fd, $message);
                $pushed++;
            }
        }
        if ($number % 10 === 0) {
            // For the other sender in this process.
            pause();
        }
    }
    emit('through', $sender, ['round' => $round, 'pushed' => $pushed, 'refused' => $refused]);
}

$process = new Process(function (Process $process) use ($server) {
    while (true) {
        broadcast($server, OWN_PROCESS, $process->read());
    }
}, false, 2);
$server->addProcess($process);

$second = $server->listen('127.0.0.1', $config['port'], SWOOLE_SOCK_TCP);
$second->set(['open_http_protocol' => false]);
$second->on('receive', function (Server $server, int $fd, int $reactor, string $wish) use ($process, $wishes) {
    for ($worker = 0; $worker < WORKERS; $worker++) {
        $worker === $server->worker_id
            ? go(fn () => broadcast($server, $worker, $wish))
            : $server->sendMessage($wish, $worker);
    }
    for ($number = 0; $number < TASK_WORKERS; $number++) {
        $server->task($wish, $number);
    }
    $process->write($wish);
    $wishes->set('manager', ['wish' => $wish]);
    broadcast($server, CALLBACK, $wish);
    $server->send($fd, 'through');
});
$server->on('pipeMessage', fn (Server $server, int $from, string $wish) => broadcast($server, $server->worker_id, $wish));
$server->on('task', function (Server $server, int $id, int $from, string $wish) {
    broadcast($server, $server->worker_id, $wish);
});
$server->on('managerStart', function (Server $server) use ($wishes) {
    Timer::tick(5, function () use ($server, $wishes) {
        static $last = '';
        $wish = $wishes->get('manager', 'wish') ?: '';
        if ($wish !== $last) {
            $last = $wish;
            broadcast($server, MANAGER, $wish);
        }
    });
});
$server->on('message', fn () => null);
$server->start();
