--TEST--
Timers
--FILE--
<?php
use Swoole\Timer;

echo "arguments\n";
foreach ([fn () => Timer::tick(0, fn () => 0), fn () => Timer::after(-1, fn () => 0), fn () => Timer::after(PHP_INT_MAX, fn () => 0),
    fn () => Timer::tick('x', fn () => 0), fn () => Timer::tick(1, 'no such'), fn () => Timer::tick(1), fn () => Timer::clear(99),
    fn () => Timer::exists(99), fn () => Timer::info(99), fn () => Timer::stats(), fn () => Timer::clearAll(), fn () => Timer::set(['x' => 1])] as $call) {
    try {
        echo json_encode($call()), "\n";
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

echo "a loop of its own at the end, and wait\n";
$tick = Timer::tick(100, function (int $id, ...$arguments) use (&$tick) {
    static $count = 0;
    echo 'tick ', $id === $tick ? 'own id' : $id, ' ', json_encode($arguments), ' ', Co::getCid() > 0 ? 'in a coroutine' : 'outside', "\n";
    if (++$count === 3) {
        var_dump(Timer::clear($id), Timer::clear($id), Timer::exists($id));
    }
}, 'a', [1]);
$after = swoole_timer_after(10, function (...$arguments) use (&$after) {
    echo 'after ', json_encode($arguments), ' ', json_encode([Timer::exists($after), Timer::clear($after), Timer::info($after)]), "\n";
}, 'b', 2);
var_dump($tick, $after, Timer::exists($tick), Timer::exists($after));
echo json_encode([Timer::info($tick), Timer::info($after), Timer::stats()]), "\n";
var_dump(get_class(Timer::list()), iterator_to_array(Timer::list()) === [$tick, $after]);
Swoole\Event::wait();
echo json_encode(Timer::stats()), "\n";

echo "in run\n";
Co\run(function () {
    $ticks = 0;
    $id = Timer::tick(1, function () use (&$ticks) {
        $ticks++;
        Co::sleep(0.003);
    });
    Co::sleep(0.05);
    $info = Timer::info($id);
    var_dump($ticks > 2, $info['exec_count'] === $ticks, $info['interval'], $info['removed'], $info['round'] > 0);
    Timer::clear($id);
    Co::sleep(0.01);

    echo "clear all, in a callback\n";
    foreach ([1, 2, 3] as $unused) {
        Timer::tick(1, function ($id) {
            echo "first tick clears ", count(Timer::list()), "\n";
            var_dump(Timer::clearAll());
        });
    }
    Co::sleep(0.01);
    echo json_encode(Timer::stats()['num']), "\n";

    echo "order\n";
    Timer::after(3, fn () => print("3\n"));
    Timer::after(1, fn () => print("1\n"));
    Timer::after(2, fn () => print("2\n"));
    Timer::after(1, fn () => print("1 too\n"));
    Timer::after(1, function () {
        echo "sets another\n";
        Timer::after(1, fn () => print("another\n"));
    });
    usleep(10000);
    echo "late\n";
    Co::sleep(0.02);

    echo "new ones in a callback\n";
    Timer::after(1, function () {
        Co::sleep(0.001);
        $id = Timer::tick(1, function ($id) { echo "ticks\n"; swoole_timer_clear($id); });
        var_dump(swoole_timer_exists($id), swoole_timer_info($id)['exec_count'], swoole_timer_stats()['num'], count(swoole_timer_list()));
    });
    $id = swoole_timer_tick(1, fn () => print("never\n"));
    var_dump(swoole_timer_clear($id), swoole_timer_clear_all());
});

echo "none left, slow ones do not pile up\n";
Co\run(function () {
    $times = 0;
    $id = Timer::tick(2, function () use (&$times) { $times++; });
    usleep(30000);
    Co::sleep(0.003);
    Timer::clear($id);
    var_dump($times <= 3);
});

class Held { public $cycle; public function __destruct() { echo "freed\n"; } }
$held = new Held();
$id = Timer::after(100000, function () use ($held) {}, $held);
unset($held);
var_dump(Timer::clear($id));
Co\run(function () {
    $held = new Held();
    Timer::after(1, function ($held) { unset($held); echo "fired\n"; }, $held);
    $held->cycle = $id = Timer::tick(1, function ($id) use ($held) { Timer::clear($id); });
    unset($held);
    Co::sleep(0.005);
    echo "gone\n";
});
?>
--EXPECTF--
arguments

Warning: Swoole\Timer::tick(): Timer must be greater than or equal to 1 millisecond, and less than 140 years in %s on line %d
false

Warning: Swoole\Timer::after(): Timer must be greater than or equal to 1 millisecond, and less than 140 years in %s on line %d
false

Warning: Swoole\Timer::after(): Timer must be greater than or equal to 1 millisecond, and less than 140 years in %s on line %d
false
TypeError: Swoole\Timer::tick(): Argument #1 ($ms) must be of type int, string given
TypeError: Swoole\Timer::tick(): Argument #2 ($callback) must be a valid callback, function "no such" not found or invalid function name
ArgumentCountError: Swoole\Timer::tick() expects at least 2 arguments, 1 given
false
false
null
{"initialized":false,"num":0,"round":0}
true
true
a loop of its own at the end, and wait
int(1)
int(2)
bool(true)
bool(true)
[{"exec_msec":0,"exec_count":0,"interval":100,"round":0,"removed":false},{"exec_msec":0,"exec_count":0,"interval":0,"round":0,"removed":false},{"initialized":true,"num":2,"round":0}]
string(21) "Swoole\Timer\Iterator"
bool(true)
after ["b",2] [false,false,null]
tick own id ["a",[1]] in a coroutine
tick own id ["a",[1]] in a coroutine
tick own id ["a",[1]] in a coroutine
bool(true)
bool(false)
bool(false)
{"initialized":true,"num":0,"round":4}
in run
bool(true)
bool(true)
int(1)
bool(false)
bool(true)
clear all, in a callback
first tick clears 3
bool(true)
0
order
late
1
1 too
sets another
2
3
another
new ones in a callback
bool(true)
bool(true)
none left, slow ones do not pile up
bool(true)
freed
bool(true)
fired
freed
gone
