--TEST--
What nobody catches in a coroutine ends the process in order
--SKIPIF--
<?php
if (!function_exists('pcntl_fork')) {
    die('skip needs pcntl');
}
?>
--FILE--
<?php
class Loud
{
    public function __construct(private string $name) {}

    public function __destruct()
    {
        echo "freed $this->name\n";
    }
}

/** Runs something to its end in a process of its own. */
function process(string $name, callable $run): void
{
    echo "--- $name\n";
    $pid = pcntl_fork();
    if ($pid === 0) {
        pcntl_alarm(40);
        register_shutdown_function(function () { echo "shutdown\n"; });
        $run();
        exit(0);
    }
    pcntl_waitpid($pid, $status);
    echo 'status ', pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'signal ' . pcntl_wtermsig($status), "\n";
}

function waits(string $name): void
{
    try {
        $held = new Loud($name);
        Co::sleep(10);
        echo "never\n";
    } finally {
        echo "finally of $name\n";
    }
}


process('in the main coroutine', function () {
    Co\run(function () {
        $held = new Loud('main');
        go('waits', 'child');
        throw new Exception('main');
    });
    echo "never\n";
});
process('in a child: the creator does not catch it', function () {
    Co\run(function () {
        $held = new Loud('main');
        try {
            go(function () { $held = new Loud('child'); throw new Exception('child'); });
        } catch (Exception $exception) {
            echo "never\n";
        } finally {
            echo "finally of main\n";
        }
        echo "never\n";
    });
    echo "never\n";
});
process('in a child, later', function () {
    Co\run(function () {
        go(function () { Co::sleep(0.001); throw new Exception('child'); });
        waits('main');
    });
});
process('in one that is resumed', function () {
    Co\run(function () {
        $cid = go(function () { Co::yield(); throw new Exception('child'); });
        Co::resume($cid);
        echo "never\n";
    });
});
process('in one that a channel wakes, and its closing', function () {
    Co\run(function () {
        $channel = new Co\Channel();
        go(function () use ($channel) { $channel->pop(); throw new Exception('consumer'); });
        go(function () use ($channel) { $channel->pop(); echo "never\n"; });
        $channel->close();
        echo "never\n";
    });
});
process('in a timer', function () {
    Swoole\Timer::after(1, function () { throw new Exception('timer'); });
    echo "end of the script\n";
});
process('in a timer, after a wait', function () {
    Co\run(function () {
        Swoole\Timer::tick(1, function () { Co::sleep(0.001); throw new Exception('timer'); });
        waits('main');
    });
});
process('in what was deferred', function () {
    Co\run(function () {
        defer(fn () => print("never\n"));
        defer(function () { throw new Exception('deferred'); });
        echo "body\n";
    });
});
process('in what the loop deferred', function () {
    Swoole\Event::defer(function () { throw new Exception('event'); });
    Swoole\Event::wait();
    echo "never\n";
});
process('in a cycle', function () {
    Co\run(function () {
        Swoole\Event::cycle(function () { throw new Exception('cycle'); });
        waits('main');
    });
});
process('in a destructor', function () {
    Co\run(function () {
        $held = new class { public function __destruct() { throw new Exception('destructor'); } };
        Co::sleep(0.001);
    });
});
process('in a destructor of an argument', function () {
    $class = new class { public function __destruct() { throw new Exception('destructor'); } };
    Co\run(function () use (&$class) {
        go(function ($argument) { Co::sleep(0.001); echo "ends\n"; }, $class);
        $class = null;
        waits('main');
    });
});
process('the script has a handler, which waits', function () {
    set_exception_handler(function ($exception) {
        echo 'handler: ', $exception->getMessage(), "\n";
        Co::sleep(0.001);
        echo "handled\n";
    });
    Co\run(function () {
        go(function () { Co::sleep(0.001); throw new Exception('child'); });
        waits('main');
    });
    echo "never\n";
});
process('while others unwind', function () {
    Co\run(function () {
        go(function () { try { Co::sleep(10); } finally { throw new Exception('finally'); } });
        go(function () { try { Co::sleep(10); } finally { echo "finally 2\n"; Co::sleep(0.001); echo "never\n"; } });
        go(function () { try { Co::sleep(10); } catch (Throwable $error) { echo "never\n"; } });
        exit(3);
    });
});
?>
--EXPECTF--
--- in the main coroutine
freed main

Fatal error: Uncaught Exception: main in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
finally of child
freed child
shutdown
status 255
--- in a child: the creator does not catch it
freed child

Fatal error: Uncaught Exception: child in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
freed main
shutdown
status 255
--- in a child, later

Fatal error: Uncaught Exception: child in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
finally of main
freed main
shutdown
status 255
--- in one that is resumed

Fatal error: Uncaught Exception: child in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
shutdown
status 255
--- in one that a channel wakes, and its closing

Fatal error: Uncaught Exception: consumer in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
shutdown
status 255
--- in a timer
end of the script
shutdown

Fatal error: Uncaught Exception: timer in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
status 255
--- in a timer, after a wait

Fatal error: Uncaught Exception: timer in %s:%d
Stack trace:
#0 [internal function]: {closure%S}(1)
#1 {main}
  thrown in %s on line %d
finally of main
freed main
shutdown
status 255
--- in what was deferred
body

Fatal error: Uncaught Exception: deferred in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
shutdown
status 255
--- in what the loop deferred

Fatal error: Uncaught Exception: event in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
shutdown
status 255
--- in a cycle

Fatal error: Uncaught Exception: cycle in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
finally of main
freed main
shutdown
status 255
--- in a destructor

Fatal error: Uncaught Exception: destructor in %s:%d
Stack trace:
#0 [internal function]: class@anonymous->__destruct()
#1 {main}
  thrown in %s on line %d
shutdown
status 255
--- in a destructor of an argument
ends

Fatal error: Uncaught Exception: destructor in %s:%d
Stack trace:
#0 [internal function]: class@anonymous->__destruct()
#1 {main}
  thrown in %s on line %d
finally of main
freed main
shutdown
status 255
--- the script has a handler, which waits
handler: child
handled
finally of main
freed main
shutdown
status 0
--- while others unwind

Fatal error: Uncaught Exception: finally in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 {main}
  thrown in %s on line %d
finally 2
shutdown
status 255
