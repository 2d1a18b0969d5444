<?php
// Echoes, and ends its worker in the way that a message names: what it pushed before must still arrive.

class Trap
{
    public function __destruct()
    {
        throw new LogicException('thrown by a destructor');
    }
}

$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1, 'log_level' => (int) ($argv[2] ?? 2)]);
$server->on('message', function ($server, $frame) {
    $ends = [
        'throw' => fn () => throw new RuntimeException('thrown by the callback'),
        'exit' => fn () => exit(7),
        'fatal' => fn () => trigger_error('the end', E_USER_ERROR),
        'memory' => fn () => str_repeat('x', 1 << 30),
        'argument' => fn () => $frame->trap = new Trap(),
        'result' => fn () => new Trap(),
        'defer' => function () use ($server) {
            $trap = new Trap();
            $server->defer(function () use ($trap) {
            });
        },
    ];
    return isset($ends[$frame->data]) ? $ends[$frame->data]() : $server->push($frame->fd, $frame->data);
});
try {
    $server->start();
    echo getmypid() === $server->master_pid ? "master" : "worker", " returned from start()\n";
} catch (Throwable $thrown) {
    echo 'caught ', $thrown->getMessage(), "\n";
}
