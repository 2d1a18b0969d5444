--TEST--
WaitGroup waits until all is done; Scheduler runs what it was given in a loop of its own
--FILE--
<?php
use Swoole\Coroutine\Scheduler;
use Swoole\Coroutine\WaitGroup;
use function Swoole\Coroutine\run;

function attempt(callable $call)
{
    try {
        var_dump($call());
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

$group = new WaitGroup();
var_dump($group->wait(), $group->count());
attempt(fn () => $group->done());
attempt(fn () => new WaitGroup(-1));
$group->add();
attempt(fn () => $group->wait());
$group->done();

run(function () use ($group) {
    foreach ([30, 10, 20] as $ms) {
        $group->add();
        go(function () use ($group, $ms) {
            Co::sleep($ms / 1000);
            echo "$ms\n";
            $group->done();
        });
    }
    var_dump($group->count(), $group->wait(0.001), $group->count());
    $other = go(function () use ($group) {
        var_dump($group->wait());
        echo "the other one too\n";
    });
    var_dump($group->wait(), $group->count(), Co::exists($other));

    echo "again\n";
    $group->add(2);
    $waits = go(function () use ($group) {
        var_dump($group->wait(), Co::isCanceled());
    });
    var_dump(Co::cancel($waits));
    $group->add(-2);
    var_dump($group->wait(), (new WaitGroup(3))->count());
});

echo "scheduler\n";
$scheduler = new Scheduler();
var_dump($scheduler->add(function (...$arguments) {
    echo json_encode($arguments), ' in ', Co::getCid() > 0 ? 'a coroutine' : 'none', "\n";
    Co::sleep(0.001);
    echo "slept\n";
}, 1, 'two'));
var_dump($scheduler->parallel(2, function ($name) {
    static $number = 0;
    echo $name, ++$number, "\n";
}, 'p'));
attempt(fn () => $scheduler->add('no function'));
attempt(fn () => $scheduler->set(['max_coroutine' => 1000]));
attempt(fn () => $scheduler->getOptions());
attempt(fn () => $scheduler->start());
echo "empty: ";
attempt(fn () => $scheduler->start());
run(function () use ($scheduler) {
    $scheduler->add(fn () => print("never\n"));
    attempt(fn () => $scheduler->start());
});
?>
--EXPECTF--
bool(true)
int(0)
BadMethodCallException: WaitGroup misuse: negative counter
BadMethodCallException: WaitGroup misuse: negative counter
Swoole\Error: API must be called in the coroutine
int(3)
bool(false)
int(3)
10
20
30
bool(true)
the other one too
bool(true)
int(0)
bool(false)
again
bool(false)
bool(true)
bool(true)
bool(true)
int(3)
scheduler
bool(true)
bool(true)
TypeError: Swoole\Coroutine\Scheduler::add(): Argument #1 ($func) must be a valid callback, function "no function" not found or invalid function name
NULL
array(1) {
  ["max_coroutine"]=>
  int(1000)
}
[1,"two"] in a coroutine
p1
p2
slept
bool(true)
empty: bool(true)

Warning: Swoole\Coroutine\Scheduler::start(): eventLoop has already been created. unable to start Swoole\Coroutine\Scheduler in %s on line %d
bool(false)
