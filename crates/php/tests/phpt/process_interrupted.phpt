--TEST--
A process that waits for its pipe goes on waiting when a signal comes, whose handler runs behind that
--SKIPIF--
<?php
if (!function_exists('pcntl_signal')) {
    die('skip needs pcntl');
}
?>
--FILE--
<?php
use Swoole\Process;

foreach ([1, 2] as $kind) {
    $heard = [];
    pcntl_async_signals(true);
    pcntl_signal(SIGCHLD, function (int $signal) use (&$heard) {
        $heard[] = $signal;
    }, false);
    (new Process(fn () => usleep(50000), false, 0))->start();
    $process = new Process(function (Process $process) {
        usleep(300000);
        $process->write('late');
    }, false, $kind);
    $process->start();
    var_dump($process->read(), $heard[0] === SIGCHLD);
    while (Process::wait());
}
?>
--EXPECT--
string(4) "late"
bool(true)
string(4) "late"
bool(true)
