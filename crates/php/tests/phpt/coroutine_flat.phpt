--TEST--
Memory stays as it is over many coroutines, timers and cycles
--DESCRIPTION--
Also in workers.
--FILE--
<?php
class Node
{
    public $self;
    public $closure;
}

Co\run(function () {
    $channel = new Co\Channel(10);
    $usages = array_fill(0, 12, 0);
    foreach ($usages as $round => $unused) {
        $group = new Co\WaitGroup();
        for ($i = 0; $i < 300; $i++) {
            $group->add();
            go(function () use ($group, $channel, $i) {
                defer(fn () => $group->done());
                Co::getContext()['i'] = [$i];
                Co::sleep(0.001);
                $channel->push($i);
                $channel->pop();
                ob_start();
                echo $i;
                Co::sleep(0.001);
                ob_end_clean();
                ob_start();
                try {
                    throw new Exception('x');
                } catch (Exception) {
                    Co::sleep(0.001);
                }
            });
        }
        for ($i = 0; $i < 100; $i++) {
            $node = new Node();
            $node->self = $node;
            $node->closure = function () use ($node) { Co::sleep(0.001); };
            $timer = Swoole\Timer::tick(1, function ($id) use ($node, &$timer) { Swoole\Timer::clear($id); });
            Swoole\Timer::after(1, $node->closure);
            $cancelled = Swoole\Timer::after(100000, fn () => $node);
            Swoole\Timer::clear($cancelled);
            Swoole\Event::defer($node->closure);
            $cid = go(fn () => Co::sleep(100));
            Co::cancel($cid);
            $own = new Co\Channel(1);
            $own->push([$own, $node]);
        }
        unset($node, $own, $timer);
        $group->wait();
        Co::sleep(0.02);
        ob_get_clean();
        gc_collect_cycles();
        $usages[$round] = memory_get_usage();
    }
    // PHP's own heap moves by some pages; whatever each of 2,400 coroutines left behind would be more.
    var_dump($usages[11] - $usages[3] < 64 << 10);
});
?>
--EXPECT--
bool(true)
