--TEST--
A fatal error in a coroutine ends the process: nothing is unwound
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


function dies(): void
{
    eval('class Loud {}');
}

process('in a child, at once', function () {
    Co\run(function () {
        $held = new Loud('main, never');
        go(function () { $held = new Loud('child, never'); dies(); });
        echo "never\n";
    });
    echo "never\n";
});
process('in a child, later', function () {
    Co\run(function () {
        go('waits', 'other, never');
        go(function () { Co::sleep(0.001); dies(); });
        Co::sleep(10);
        echo "never\n";
    });
    echo "never\n";
});
process('in a child of a child', function () {
    Co\run(function () {
        go(function () { go(function () { dies(); }); echo "never\n"; });
        echo "never\n";
    });
});
process('in one that is resumed', function () {
    Co\run(function () {
        $cid = go(function () { Co::yield(); dies(); });
        Co::resume($cid);
        echo "never\n";
    });
});
process('in one that a channel wakes', function () {
    Co\run(function () {
        $channel = new Co\Channel();
        go(function () use ($channel) { $channel->pop(); dies(); });
        $channel->push(1);
        echo "never\n";
    });
});
process('in what was deferred', function () {
    Co\run(function () { defer('dies'); });
    echo "never\n";
});
process('in a timer', function () {
    Co\run(function () {
        Swoole\Timer::after(1, 'dies');
        waits('main, never');
    });
});
process('in a generator, in a Fiber', function () {
    Co\run(function () {
        go(function () {
            $generator = (function () { Co::sleep(0.001); yield 1; dies(); })();
            $fiber = new Fiber(function () use ($generator) { foreach ($generator as $value) { echo "$value\n"; Co::sleep(0.001); } });
            $fiber->start();
            echo "never\n";
        });
        Co::sleep(10);
        echo "never\n";
    });
});
process('while comparing', function () {
    Co\run(function () {
        $numbers = [2, 1];
        usort($numbers, function () { Co::sleep(0.001); dies(); });
    });
});
process('in an output handler', function () {
    Co\run(function () {
        ob_start(function () { dies(); });
        echo "text\n";
        ob_end_flush();
        echo "never\n";
    });
});
process('in a shutdown function that waits', function () {
    register_shutdown_function(function () {
        Co\run(function () { Co::sleep(0.001); echo "slept at the end\n"; });
    });
    Co\run(fn () => dies());
});
?>
--EXPECTF--
--- in a child, at once

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in a child, later

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in a child of a child

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in one that is resumed

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in one that a channel wakes

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in what was deferred

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in a timer

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in a generator, in a Fiber
1

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- while comparing

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
status 255
--- in an output handler
shutdown
status 255
--- in a shutdown function that waits

Fatal error: Cannot %s in %s(%d) : eval()'d code on line %d
shutdown
slept at the end
status 255
