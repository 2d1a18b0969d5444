--TEST--
Destructors begin and wake coroutines, which may wait
--FILE--
<?php
class Waits
{
    public function __construct(private Closure $body) {}

    public function __destruct()
    {
        try {
            ($this->body)();
        } catch (Throwable $error) {
            echo get_class($error), ': ', $error->getMessage(), "\n";
        }
    }
}

Co\run(function () {
    $channel = new Co\Channel(1);
    $group = new Co\WaitGroup(1);
    echo "what does not wait\n";
    new Waits(fn () => var_dump($channel->push('pushed'), $channel->pop()));
    new Waits(fn () => $group->done());
    var_dump($group->wait());
    new Waits(function () {
        $cid = go(function () {
            echo "begins at once, child of ", Co::getPcid(), "\n";
            Co::sleep(0.001);
            echo "and waits\n";
        });
        var_dump($cid > 0, Co::exists($cid));
    });
    echo "then\n";
    Co::sleep(0.003);

    echo "waking\n";
    $cid = go(function () {
        var_dump(Co::yield());
    });
    new Waits(fn () => var_dump(Co::resume($cid)));
    echo "resumed at once\n";
    Co::sleep(0.001);
    $cid = go(function () {
        var_dump(Co::sleep(1), Co::isCanceled());
    });
    new Waits(fn () => var_dump(Co::cancel($cid)));
    echo "cancelled at once\n";
    Co::sleep(0.001);
    go(function () use ($channel) {
        var_dump($channel->pop());
    });
    new Waits(fn () => var_dump($channel->push('for the first')));
    go(function () use ($channel) {
        var_dump($channel->pop());
    });
    var_dump($channel->push('for the second'));
    Co::sleep(0.001);
});

echo "destructors that the collector runs\n";
Co\run(function () {
    $cycle = new stdClass();
    $cycle->self = $cycle;
    $cycle->waits = new Waits(function () {
        echo Co::getCid() > 0 ? 'in a coroutine' : 'outside', "\n";
        Co::sleep(0.001);
        echo "slept\n";
    });
    unset($cycle);
    gc_collect_cycles();

    echo "which begin and wake others\n";
    $waiting = go(function () {
        Co::yield();
        $garbage = [];
        for ($i = 0; $i < 20000; $i++) {
            $node = new stdClass();
            $node->self = $node;
            $garbage[] = $node;
        }
        Co::sleep(0.001);
        unset($garbage, $node);
        echo "woken, and slept\n";
        echo gc_collect_cycles() > 0 ? "collected\n" : "nothing was left\n";
    });
    $channel = new Co\Channel();
    for ($i = 0; $i < 3; $i++) {
        $cycle = new stdClass();
        $cycle->self = $cycle;
        $cycle->waits = new Waits(function () use ($waiting, $channel, $i) {
            go(function () use ($channel, $i) {
                gc_collect_cycles();
                $channel->pop();
                echo "begun by $i\n";
            });
            if ($i === 1) {
                var_dump(Co::resume($waiting));
            }
        });
    }
    unset($cycle);
    gc_collect_cycles();
    echo "collected by main\n";
    Co::join([$waiting]);
    $channel->close();
});

echo "outside\n";
new Waits(fn () => Co::sleep(0.001));
new Waits(function () { go(function () { echo "begun in a destructor\n"; Co::sleep(0.001); echo "slept\n"; }); });
new Waits(fn () => Co\run(fn () => Co::sleep(0.001)));
new Waits(fn () => Co\run(function () {
    go(function () { Co::sleep(0.001); echo "a loop in a destructor\n"; });
    var_dump((new Co\Channel())->pop(0.001));
}));
class Late { public function __destruct() { go(function () { echo "begun too late\n"; }); } }
$late = new Late();
echo "end\n";
?>
--EXPECT--
what does not wait
bool(true)
string(6) "pushed"
bool(true)
begins at once, child of 1
bool(true)
bool(true)
then
and waits
waking
bool(true)
bool(true)
resumed at once
bool(false)
bool(true)
bool(true)
cancelled at once
string(13) "for the first"
bool(true)
string(14) "for the second"
bool(true)
destructors that the collector runs
in a coroutine
slept
which begin and wake others
bool(true)
collected by main
woken, and slept
collected
begun by 0
begun by 1
begun by 2
outside
Swoole\Error: API must be called in the coroutine
begun in a destructor
slept
a loop in a destructor
bool(false)
end
begun too late
