--TEST--
Signals: heard again and again, in coroutines, by children as well, and not heard any more
--FILE--
<?php
use Swoole\Coroutine;
use Swoole\Process;
use Swoole\Timer;

/** Sends a signal to this process, and waits until it was heard. */
function hear(int $signal): void
{
    global $heard;
    $before = $heard;
    Process::kill(getmypid(), $signal);
    for ($turn = 0; $heard === $before && $turn < 2000; $turn++) {
        Coroutine::sleep(0.001);
    }
    echo $signal, $heard > $before ? ' heard' : ' lost', "\n";
}

$heard = 0;
$signals = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGALRM, SIGCHLD, SIGWINCH];
Coroutine\run(function () use (&$heard, $signals) {
    foreach ($signals as $signal) {
        Process::signal($signal, function (int $number) use (&$heard, $signal) {
            $heard += $number === $signal && Coroutine::getCid() > 0 ? 1 : 100;
        });
        hear($signal);
        hear($signal);
    }
    foreach ($signals as $signal) {
        Process::signal($signal);
    }
    echo "not any more, then again\n";
    Process::signal(SIGUSR1, function () use (&$heard) {
        $heard++;
    });
    hear(SIGUSR1);
    Process::signal(SIGUSR1, null);
});
var_dump($heard);

echo "in a child\n";
Coroutine\run(function () use (&$heard) {
    Process::signal(SIGTERM, function () use (&$heard) {
        $heard++;
    });
    hear(SIGTERM);
    Process::signal(SIGTERM, null);
});
$process = new Process(function (Process $process) use (&$heard) {
    // A signal alone keeps no loop.
    $timer = Timer::after(20000, fn () => null);
    Process::signal(SIGTERM, function () use ($process, $timer) {
        $process->write('told to end');
        Timer::clear($timer);
    });
    $process->write('ready');
}, false, 1);
$process->start();
var_dump($process->read());
Process::kill($process->pid);
var_dump($process->read(), Process::wait() === ['pid' => $process->pid, 'code' => 0, 'signal' => 0]);

echo "by default\n";
$process = new Process(function (Process $process) {
    $process->write('ready');
    sleep(20);
}, false, 1);
$process->start();
$process->read();
Process::kill($process->pid);
var_dump(Process::wait()['signal'] === SIGTERM);

foreach ([0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV] as $number) {
    set_error_handler(fn (int $level, string $text) => print "$text\n");
    var_dump(Process::signal($number, fn () => null));
    restore_error_handler();
}
?>
--EXPECT--
1 heard
1 heard
2 heard
2 heard
3 heard
3 heard
10 heard
10 heard
12 heard
12 heard
15 heard
15 heard
14 heard
14 heard
17 heard
17 heard
28 heard
28 heard
not any more, then again
10 heard
int(19)
in a child
15 heard
string(5) "ready"
string(11) "told to end"
bool(true)
by default
bool(true)
Swoole\Process::signal(): signal[0] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
Swoole\Process::signal(): signal[-1] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
Swoole\Process::signal(): signal[65] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
Swoole\Process::signal(): signal[9] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
Swoole\Process::signal(): signal[19] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
Swoole\Process::signal(): signal[11] is invalid: wanted the number of a signal that a process can catch, SIGUSR1 for example
bool(false)
