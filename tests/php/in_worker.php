<?php
// Runs a script in the first callback of a server's only worker, then ends the server: in_worker.php MODE SCRIPT
// There a loop runs already: Probe\run() stands in for Coroutine\run(), and waits in it until nothing of the script is left.

namespace Probe {
    use Swoole\Coroutine;
    use Swoole\Timer;

    function run(callable $main, mixed ...$arguments): bool
    {
        $before = iterator_to_array(Coroutine::list());
        $timers = count(Timer::list());
        Coroutine::create($main, ...$arguments);
        do {
            Coroutine::sleep(0.001);
            $left = array_diff(iterator_to_array(Coroutine::list()), $before);
        } while ($left || count(Timer::list()) > $timers);
        return true;
    }
}

namespace {
    use Swoole\WebSocket\Server;

    [, $mode, $script] = $argv;
    $server = new Server('127.0.0.1', 0, ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$mode]);
    $server->set(['worker_num' => 1, 'reactor_num' => 1, 'log_level' => SWOOLE_LOG_ERROR, 'max_wait_time' => 30]);
    $server->on('message', fn () => null);
    $server->on('workerStart', function (Server $server) use ($script) {
        (static fn () => require $script)();
        $server->shutdown();
    });
    $server->start();
}
