--TEST--
Atomic::wait() in a coroutine: others of the process go on, and may wake it
--DESCRIPTION--
Also in workers.
--FILE--
<?php
use Swoole\Atomic;
use function Swoole\Coroutine\run;

run(function () {
    $atomic = new Atomic();
    foreach ([1, 2] as $number) {
        go(function () use ($atomic, $number) {
            var_dump($atomic->wait(10));
            echo "$number goes on\n";
        });
    }
    echo "both wait\n";
    $atomic->wakeup(2);
    Co::sleep(0.05);
    var_dump($atomic->get(), $atomic->wait(0.002));
    $waits = go(function () use ($atomic) {
        var_dump($atomic->wait(10));
    });
    Co::cancel($waits);
    echo "canceled\n";
});
?>
--EXPECTF--
both wait
bool(true)
%d goes on
bool(true)
%d goes on
int(0)
bool(false)
bool(false)
canceled
