--TEST--
Error handlers that wait, throw and exit
--FILE--
<?php
echo "a handler that waits\n";
set_error_handler(function (int $level, string $message) {
    echo '  ', Co::getCid() > 0 ? 'in' : 'out of', " a coroutine: $message\n";
    if (Co::getCid() > 0) {
        Co::sleep(0.01);
        echo "  slept\n";
    }
    return true;
});
Co\run(function () {
    $channel = new Co\Channel(1);
    $warned = [
        'resume' => fn () => Co::resume(999),
        'sleep' => fn () => Co::sleep(-1),
        'timer' => fn () => Swoole\Timer::tick(0, fn () => 0),
        'run' => fn () => Co\run(fn () => 0),
        'event' => fn () => Swoole\Event::add('nothing', fn () => 0),
        'join' => fn () => Co::join([Co::getCid()]),
        'set' => fn () => Co::set(['max_coroutine' => -1]),
        'atomic' => fn () => (new Swoole\Atomic())->wakeup(0),
        'scheduler' => fn () => (new Co\Scheduler())->start(),
        'server' => fn () => (new Swoole\Server('127.0.0.1', 0, SWOOLE_BASE))->send(1, ''),
    ];
    foreach ($warned as $name => $call) {
        echo "$name\n";
        $cid = go(function () use ($call) {
            $result = $call();
            echo '  ', var_export($result, true), "\n";
        });
        Co::join([$cid], 1);
    }
});
echo "limit\n";
Co\run(function () {
    $max = Co::getOptions()['max_coroutine'] ?? 100000;
    Co::set(['max_coroutine' => 2]);
    go(fn () => Co::sleep(0.02));
    var_dump(go(fn () => print("never\n")));
    Co::set(['max_coroutine' => 100000]);
});

echo "a handler that waits, two at once\n";
Co\run(function () {
    foreach ([1, 2] as $number) {
        go(function () use ($number) {
            echo $undefined;
            $array = [];
            $value = $array["key$number"];
            echo "$number done\n";
        });
    }
});

echo "a handler set while another waits\n";
Co\run(function () {
    go(function () {
        echo $first;
        echo $second;
    });
    set_error_handler(function ($level, $message) {
        echo "  other handler: $message\n";
        return true;
    });
    Co::sleep(0.05);
    restore_error_handler();
    echo $third;
});

echo "a handler that throws\n";
set_error_handler(function (int $level, string $message) {
    throw new ErrorException($message);
});
Co\run(function () {
    foreach ([fn () => Co::resume(999), fn () => Co::sleep(-1), fn () => Co\run(fn () => 0), fn () => Swoole\Timer::after(0, fn () => 0),
        fn () => Swoole\Event::write(99, 'x'), fn () => (new Co\Scheduler())->start()] as $call) {
        try {
            $call();
            echo "not thrown\n";
        } catch (ErrorException $error) {
            echo get_class($error), ': ', $error->getMessage(), "\n";
        }
    }
    Co::set(['max_coroutine' => 1]);
    try {
        go(fn () => 0);
    } catch (ErrorException $error) {
        echo $error->getMessage(), "\n";
    }
    Co::set(['max_coroutine' => 100000]);
});

echo "a handler that exits\n";
set_error_handler(function (int $level, string $message) {
    echo "leaves: $message\n";
    exit(3);
});
register_shutdown_function(function () { echo "shutdown\n"; });
Co\run(function () {
    go(function () {
        try {
            Co::resume(999);
        } finally {
            echo "finally\n";
        }
    });
    echo "never\n";
});
?>
--EXPECT--
a handler that waits
resume
  in a coroutine: Swoole\Coroutine::resume(): coroutine#999 cannot be resumed: it does not exist or is not suspended
  slept
  false
sleep
  in a coroutine: Swoole\Coroutine::sleep(): -1 seconds cannot be slept: wanted 0 to 1000000000
  slept
  false
timer
  in a coroutine: Swoole\Timer::tick(): Timer must be greater than or equal to 1 millisecond, and less than 140 years
  slept
  false
run
  in a coroutine: Co\run(): eventLoop has already been created. unable to start Swoole\Coroutine\run()
  slept
  false
event
  in a coroutine: Swoole\Event::add(): unknown type: wanted a stream, a socket or the number of an open descriptor
  slept
  false
join
  in a coroutine: Swoole\Coroutine::join(): a coroutine cannot wait for its own end
  slept
  false
set
  in a coroutine: Swoole\Coroutine::set(): option [max_coroutine]: wanted at least 1
  slept
  NULL
atomic
  in a coroutine: Swoole\Atomic::wakeup(): cannot wake 0 processes, wanted at least 1
  slept
  false
scheduler
  in a coroutine: Swoole\Coroutine\Scheduler::start(): eventLoop has already been created. unable to start Swoole\Coroutine\Scheduler
  slept
  false
server
  in a coroutine: Swoole\Server::send(): server is not running
  slept
  false
limit
  in a coroutine: go(): exceed max number of coroutine 2
  slept
bool(false)
a handler that waits, two at once
  in a coroutine: Undefined variable $undefined
  in a coroutine: Undefined variable $undefined
  slept
  in a coroutine: Undefined array key "key1"
  slept
  in a coroutine: Undefined array key "key2"
  slept
1 done
  slept
2 done
a handler set while another waits
  in a coroutine: Undefined variable $first
  slept
  other handler: Undefined variable $second
  in a coroutine: Undefined variable $third
  slept
a handler that throws
ErrorException: Swoole\Coroutine::resume(): coroutine#999 cannot be resumed: it does not exist or is not suspended
ErrorException: Swoole\Coroutine::sleep(): -1 seconds cannot be slept: wanted 0 to 1000000000
ErrorException: Co\run(): eventLoop has already been created. unable to start Swoole\Coroutine\run()
ErrorException: Swoole\Timer::after(): Timer must be greater than or equal to 1 millisecond, and less than 140 years
ErrorException: Swoole\Event::write(): nothing can be written to descriptor 99: Bad file descriptor (os error 9)
ErrorException: Swoole\Coroutine\Scheduler::start(): eventLoop has already been created. unable to start Swoole\Coroutine\Scheduler
go(): exceed max number of coroutine 1
a handler that exits
leaves: Swoole\Coroutine::resume(): coroutine#999 cannot be resumed: it does not exist or is not suspended
finally
shutdown
