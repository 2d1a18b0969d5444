--TEST--
Destructors cannot wait; what they wake or begin goes on when the loop comes to it
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
    echo "waits in destructors\n";
    foreach ([
        fn () => var_dump(Co::sleep(0.001)),
        fn () => var_dump($channel->pop(0.001)),
        fn () => var_dump($group->wait(0.001)),
        fn () => var_dump(Co::yield()),
        fn () => var_dump(Co::join([Co::getCid()])),
        fn () => var_dump(Co::gethostbyname('localhost')),
        fn () => var_dump(Co::gethostbyname('127.0.0.3')),
    ] as $body) {
        new Waits($body);
    }

    echo "what does not wait\n";
    new Waits(fn () => var_dump($channel->push('pushed'), $channel->pop()));
    new Waits(fn () => $group->done());
    var_dump($group->wait());
    new Waits(function () {
        $cid = go(function () {
            echo "begins later: ", Co::getPcid(), "\n";
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
    echo "resumed later\n";
    Co::sleep(0.001);
    $cid = go(function () {
        var_dump(Co::sleep(1), Co::isCanceled());
    });
    new Waits(fn () => var_dump(Co::cancel($cid)));
    echo "cancelled later\n";
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
});

echo "outside\n";
new Waits(fn () => Co::sleep(0.001));
new Waits(function () { go(function () { echo "begun in a destructor, run at the end\n"; Co::sleep(0.001); echo "slept\n"; }); });
new Waits(fn () => Co\run(fn () => Co::sleep(0.001)));
echo "end\n";
?>
--EXPECTF--
waits in destructors
bool(true)
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one

Warning: Swoole\Coroutine::join(): a coroutine cannot wait for its own end in %s on line %d
bool(false)
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
string(9) "127.0.0.3"
what does not wait
bool(true)
string(6) "pushed"
bool(true)
bool(true)
bool(true)
then
begins later: 1
and waits
waking
bool(true)
resumed later
bool(true)
bool(true)
cancelled later
bool(false)
bool(true)
bool(true)
string(14) "for the second"
bool(true)
string(13) "for the first"
destructors that the collector runs
in a coroutine
slept
outside
Swoole\Error: API must be called in the coroutine
begun in a destructor, run at the end
slept
end
