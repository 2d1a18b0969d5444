--TEST--
Coroutines: join, cancel, sleep, look-ups, what needs a coroutine, and how many there may be
--FILE--
<?php
use Swoole\Coroutine;

function say(mixed ...$values) { echo json_encode($values), ' ', swoole_last_error(), "\n"; swoole_clear_error(); }

Co\run(function () {
    echo "join\n";
    $cids = [];
    foreach ([30, 10, 20] as $ms) {
        $cids[] = go(function () use ($ms) { Co::sleep($ms / 1000); echo "$ms\n"; });
    }
    say(Co::join($cids));
    say(Co::join($cids));
    say(Co::join([]));
    say(Co::join([Co::getCid()]));
    $slow = go(fn () => Co::sleep(0.2));
    say(Co::join([$slow], 0.001));
    say(Co::join([$slow, $slow, 77777]));
    $quick = go(fn () => Co::yield());
    go(function () use ($quick) { Co::sleep(0.001); Co::resume($quick); });
    say(Co::join([$quick]));

    echo "cancel\n";
    $cid = go(function () {
        say(Co::sleep(10), Co::isCanceled());
        say(Co::sleep(0.001), Co::isCanceled());
        say(Co::yield(), Co::isCanceled());
        say(Co::join([1]), Co::isCanceled());
    });
    say(Co::cancel($cid));
    Co::sleep(0.1);
    say(Co::cancel($cid));
    say(Co::cancel($cid), Co::cancel(Co::getCid()), Co::cancel(12345));
    $main = Co::getCid();
    go(function () use ($main) { Co::sleep(0.001); say(Co::cancel($main)); });
    say(Co::join([$main]), Co::sleep(5), Co::isCanceled());

    echo "sleep\n";
    foreach ([-1, -0.001, NAN, INF, 1e10, 0, '0.001', 'x', null, []] as $seconds) {
        try {
            say(Co::sleep($seconds));
        } catch (TypeError $error) {
            echo $error->getMessage(), "\n";
        }
    }
    $start = microtime(true);
    Co::sleep(0.02);
    $took = microtime(true) - $start;
    say($took >= 0.02, $took < 0.5);

    echo "run in run\n";
    say(Co\run(fn () => print("never\n")));

    echo "host\n";
    say(Co::gethostbyname('localhost'), Co\System::gethostbyname('127.0.0.2'));
    say(Co::gethostbyname(''));
    say(Co::gethostbyname(str_repeat('x', 300)));
});

echo "outside\n";
foreach (['sleep' => [0.001], 'yield' => [], 'join' => [[1]], 'defer' => ['strlen'], 'gethostbyname' => ['localhost']] as $method => $arguments) {
    try {
        var_dump(Co::$method(...$arguments));
    } catch (Swoole\Error $error) {
        echo "$method: ", $error->getMessage(), ' ', $error->getCode(), "\n";
    }
}
var_dump(Co::isCanceled());

swoole_clear_error();
echo "limit\n";
var_dump(Coroutine::getOptions());
Coroutine::set(['max_coroutine' => 3, 'hook_flags' => 0]);
Coroutine::set(['max_coroutine' => 2, 'other' => true]);
Coroutine::set(['max_coroutine' => 0]);
Co\run(function () {
    say(go(fn () => Co::yield()) > 0);
    say(go(fn () => print("never\n")));
    say(Co\go(fn () => print("never\n")));
    Co::resume(iterator_to_array(Co::list())[1]);
    say(go(fn () => print("there is room\n")) > 0);
});
echo json_encode(Coroutine::getOptions()), "\n";
?>
--EXPECTF--
join
10
20
30
[true] 0
[false] 22
[false] 22

Warning: Swoole\Coroutine::join(): a coroutine cannot wait for its own end in %s on line %d
[false] 0
[false] 110
[true] 0
[true] 0
cancel
[false,true] 0
[true] 0
[true,false] 0
[false,true] 0
[true] 0
[false,true] 0
[true,false,false] 10016

Warning: Swoole\Coroutine::join(): a coroutine cannot wait for its own end in %s on line %d
[false,false,true] 0
sleep

Warning: Swoole\Coroutine::sleep(): -1 seconds cannot be slept: wanted 0 to 1000000000 in %s on line %d
[false] 0

Warning: Swoole\Coroutine::sleep(): -0.001 seconds cannot be slept: wanted 0 to 1000000000 in %s on line %d
[false] 0

Warning: Swoole\Coroutine::sleep(): NaN seconds cannot be slept: wanted 0 to 1000000000 in %s on line %d
[false] 0

Warning: Swoole\Coroutine::sleep(): inf seconds cannot be slept: wanted 0 to 1000000000 in %s on line %d
[false] 0

Warning: Swoole\Coroutine::sleep(): 10000000000 seconds cannot be slept: wanted 0 to 1000000000 in %s on line %d
[false] 0
[true] 0
[true] 0
[true] 0
Swoole\Coroutine::sleep(): Argument #1 ($seconds) must be of type float, string given

Deprecated: Swoole\Coroutine::sleep(): Passing null to parameter #1 ($seconds) of type float is deprecated in %s on line %d
[true] 0
Swoole\Coroutine::sleep(): Argument #1 ($seconds) must be of type float, array given
[true,true] 0
run in run

Warning: Co\run(): eventLoop has already been created. unable to start Swoole\Coroutine\run() in %s on line %d
[false] 0
host
["127.0.0.1","127.0.0.2"] 0
[false] 22
[false] 22
outside
sleep: API must be called in the coroutine 10001
yield: API must be called in the coroutine 10001
join: API must be called in the coroutine 10001
defer: API must be called in the coroutine 10001
gethostbyname: API must be called in the coroutine 10001
bool(false)
limit
NULL

Warning: Swoole\Coroutine::set(): option [max_coroutine]: wanted at least 1 in %s on line %d
[true] 0

Warning: go(): exceed max number of coroutine 2 in %s on line %d
[false] 0

Warning: Co\go(): exceed max number of coroutine 2 in %s on line %d
[false] 0
there is room
[true] 0
{"max_coroutine":0,"hook_flags":0,"other":true}
