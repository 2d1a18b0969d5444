--TEST--
Atomics across processes: counted by all, waited for, not shared when made later
--SKIPIF--
<?php
if (!function_exists('pcntl_fork')) {
    die('skip needs pcntl');
}
?>
--FILE--
<?php
/** Runs $work in a child, and returns its process id. */
function child(callable $work): int
{
    if ($pid = pcntl_fork()) {
        return $pid;
    }
    $work();
    exit(0);
}

/** The exit codes of all children. */
function join_all(array $children): string
{
    return implode(' ', array_map(fn ($pid) => pcntl_waitpid($pid, $status) === $pid ? $status : 'lost', $children));
}

$atomic = new Swoole\Atomic(4294967290);
$long = new Swoole\Atomic\Long();
$children = array_map(fn () => child(function () use ($atomic, $long) {
    for ($turn = 0; $turn < 20000; $turn++) {
        $atomic->add();
        $long->sub(3);
    }
}), range(1, 3));
var_dump(join_all($children), $atomic->get() === (4294967290 + 60000) % (1 << 32), $long->get());

echo "wait\n";
$there = new Swoole\Atomic();
$back = new Swoole\Atomic();
$child = child(function () use ($there, $back) {
    for ($turn = 0; $turn < 500; $turn++) {
        $there->wait(10) or exit(1);
        $back->wakeup();
    }
});
for ($turn = 0; $turn < 500; $turn++) {
    $there->wakeup();
    $back->wait(10) or die('not woken');
}
var_dump(join_all([$child]));

echo "nobody wakes\n";
$began = microtime(true);
var_dump($there->wait(0.1), microtime(true) - $began >= 0.1, $there->wait(0), $there->wait(NAN));

echo "it is there\n";
var_dump($there->wakeup(), $there->wakeup(5), $there->get(), $there->wait(-1), $there->get());
var_dump($there->wakeup(0));

echo "later\n";
$child = child(function () use ($there) {
    $own = new Swoole\Atomic(1);
    $there->wakeup();
    exit($own->get());
});
$there->wait(-1);
$own = new Swoole\Atomic(100);
pcntl_waitpid($child, $status);
var_dump(pcntl_wexitstatus($status), $own->get());
?>
--EXPECTF--
string(5) "0 0 0"
bool(true)
int(-180000)
wait
string(1) "0"
nobody wakes
bool(false)
bool(true)
bool(false)
bool(false)
it is there
bool(true)
bool(true)
int(1)
bool(true)
int(0)

Warning: Swoole\Atomic::wakeup(): cannot wake 0 processes, wanted at least 1 in %s on line %d
bool(false)
later
int(1)
int(100)
