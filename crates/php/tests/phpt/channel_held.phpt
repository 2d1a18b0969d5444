--TEST--
What channels and schedulers hold is known to the cycle collector
--DESCRIPTION--
Also in workers.
--FILE--
<?php
use Swoole\Coroutine\Channel;
use Swoole\Coroutine\Scheduler;

class Held
{
    public function __construct(public mixed $by = null) {}

    public function __destruct()
    {
        echo "freed\n";
    }
}

$channel = new Channel(4);
$channel->push(new Held($channel));
$channel->push([$channel]);
unset($channel);
var_dump(gc_collect_cycles() > 0);

$scheduler = new Scheduler();
$held = new Held($scheduler);
$scheduler->add(fn () => $held, $scheduler);
unset($scheduler, $held);
var_dump(gc_collect_cycles() > 0);

Co\run(function () {
    $channel = new Channel(1);
    $channel->push(1);
    go(fn () => $channel->push(new Held($channel), 0.01));
    echo "waits\n";
    gc_collect_cycles();
    var_dump($channel->stats()['producer_num']);
});

class Own extends Channel
{
    public function __construct() {}
}
try {
    (new Own())->push(1);
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
foreach ([fn () => clone new Channel(), fn () => serialize(new Channel()), function () { $channel = new Channel(); unset($channel->errCode); }] as $refused) {
    try {
        $refused();
    } catch (Throwable $error) {
        echo $error->getMessage(), "\n";
    }
}
var_dump((new Channel(0))->capacity, (new Channel(-5))->capacity);
?>
--EXPECT--
freed
bool(true)
freed
bool(true)
waits
int(1)
freed
the channel does not exist: its constructor was not called
Trying to clone an uncloneable object of class Swoole\Coroutine\Channel
Serialization of 'Swoole\Coroutine\Channel' is not allowed
Property errCode of class Swoole\Coroutine\Channel cannot be unset
int(1)
int(1)
