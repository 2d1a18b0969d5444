--TEST--
A process with coroutines: by its constructor, by set(), by a loop of its own; not begun in a coroutine
--FILE--
<?php
use Swoole\Coroutine;
use Swoole\Process;
use Swoole\Timer;

function run(Process $process): void
{
    $process->start();
    for ($read = ''; ($piece = $process->read()) !== ''; $read .= $piece);
    echo $read, json_encode(array_slice(Process::wait(), 1)), "\n";
}

$sleeps = function (Process $process) {
    $process->write('cid ' . Coroutine::getCid() . "\n");
    go(function () use ($process) {
        Coroutine::sleep(0.002);
        $process->write("later\n");
    });
    Timer::after(5, fn () => $process->write("due\n"));
    $process->write("at once\n");
};
run(new Process($sleeps, false, 1, true));
$process = new Process($sleeps, false, 1);
$process->set(['enable_coroutine' => true]);
run($process);
run(new Process($sleeps, false, 1));
run(new Process(fn (Process $process) => Coroutine\run($sleeps, $process), false, 1));
run(new Process(fn () => throw new LogicException('thrown'), true));

Coroutine\run(function () use ($sleeps) {
    try {
        (new Process($sleeps))->start();
    } catch (Swoole\Error $error) {
        echo $error->getMessage(), "\n";
    }
});
?>
--EXPECTF--
cid 1
at once
later
due
{"code":0,"signal":0}
cid 1
at once
later
due
{"code":0,"signal":0}
cid -1
at once
later
due
{"code":0,"signal":0}
cid 1
at once
later
due
{"code":0,"signal":0}

Fatal error: Uncaught LogicException: thrown in %s:%d
Stack trace:
#0 [internal function]: {closure}(Object(Swoole\Process))
#1 %s(%d): Swoole\Process->start()
#2 %s(%d): run(Object(Swoole\Process))
#3 {main}
  thrown in %s on line %d
{"code":255,"signal":0}
a process cannot be started in a coroutine, nor in a loop that runs
