--TEST--
exit() in coroutines ends the process in order, wherever it is called
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

process('what it throws', function () {
    Co\run(function () {
        foreach ([fn () => exit('text'), fn () => exit, fn () => die(7), fn () => exit([1])] as $leave) {
            try {
                $leave();
            } catch (Swoole\ExitException $exception) {
                echo json_encode([$exception->getStatus(), $exception->getFlags(), $exception->getMessage(), get_parent_class($exception)]), "\n";
            } catch (TypeError $error) {
                echo "[[1],2,\"swoole exit\",\"Swoole\\\\Exception\"]\n";
            }
        }
    });
    echo "goes on\n";
    exit(5);
});
process('in the main coroutine', function () {
    Co\run(function () {
        $held = new Loud('main');
        go('waits', 'child');
        defer(fn () => print("deferred, never\n"));
        exit(3);
    });
    echo "never\n";
});
process('in a child, at once', function () {
    Co\run(function () {
        $held = new Loud('main');
        go(function () { $held = new Loud('child'); exit(4); });
        echo "never\n";
    });
    echo "never\n";
});
process('in a child, later, with a text', function () {
    Co\run(function () {
        go(function () { Co::sleep(0.001); exit("text\n"); });
        waits('main');
    });
    echo "never\n";
});
process('in a timer', function () {
    Co\run(function () {
        Swoole\Timer::after(1, fn () => exit(6));
        waits('main');
    });
    echo "never\n";
});
process('in a watcher', function () {
    Co\run(function () {
        [$one, $two] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        Swoole\Event::add($one, fn () => exit(7));
        fwrite($two, 'x');
        waits('main');
    });
    echo "never\n";
});
process('in what was deferred', function () {
    Co\run(function () { defer(fn () => exit(8)); });
    echo "never\n";
});
process('in one that goes on', function () {
    Co\run(function () {
        $cid = go(function () { Co::yield(); exit(9); });
        Co::resume($cid);
        echo "never\n";
    });
});
process('in one that a channel wakes', function () {
    Co\run(function () {
        $channel = new Co\Channel();
        go(function () use ($channel) { $channel->pop(); exit(10); });
        $channel->push(1);
        echo "never\n";
    });
});
process('within finally', function () {
    Co\run(function () {
        try {
            exit(11);
        } finally {
            Co::sleep(0.001);
            echo "slept\n";
        }
    });
});
process('outside, a loop to come', function () {
    Swoole\Timer::after(1, fn () => print("fires\n"));
    go(function () { Co::sleep(0.001); echo "slept\n"; });
    exit(12);
});
process('in a loop at the end of the script', function () {
    go(function () { Co::sleep(0.001); exit(13); });
});
process('many wait', function () {
    Co\run(function () {
        for ($i = 0; $i < 300; $i++) {
            go(fn () => Co::sleep(10));
        }
        exit(14);
    });
});
?>
--EXPECT--
--- what it throws
["text",2,"swoole exit","Swoole\\Exception"]
[null,2,"swoole exit","Swoole\\Exception"]
[7,2,"swoole exit","Swoole\\Exception"]
[[1],2,"swoole exit","Swoole\\Exception"]
goes on
shutdown
status 5
--- in the main coroutine
freed main
finally of child
freed child
shutdown
status 3
--- in a child, at once
freed child
freed main
shutdown
status 4
--- in a child, later, with a text
text
finally of main
freed main
shutdown
status 0
--- in a timer
finally of main
freed main
shutdown
status 6
--- in a watcher
finally of main
freed main
shutdown
status 7
--- in what was deferred
shutdown
status 8
--- in one that goes on
shutdown
status 9
--- in one that a channel wakes
shutdown
status 10
--- within finally
slept
shutdown
status 11
--- outside, a loop to come
shutdown
fires
slept
status 12
--- in a loop at the end of the script
shutdown
status 13
--- many wait
shutdown
status 14
