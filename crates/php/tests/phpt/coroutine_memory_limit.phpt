--TEST--
The memory limit reached in coroutines
--SKIPIF--
<?php
if (!function_exists('pcntl_fork')) {
    die('skip needs pcntl');
}
if (getenv('USE_ZEND_ALLOC') === '0') {
    die('skip needs the limit of PHP\'s own allocator');
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


ini_set('memory_limit', '32M');

function fills(): void
{
    $texts = [];
    while (true) {
        $texts[] = random_bytes(100000);
    }
}

process('at once', function () {
    Co\run(function () {
        go('fills');
        echo "never\n";
    });
});
process('later', function () {
    Co\run(function () {
        go('waits', 'other, never');
        go(function () { Co::sleep(0.001); fills(); });
        Co::sleep(10);
        echo "never\n";
    });
});
process('in small pieces', function () {
    Co\run(function () {
        Swoole\Timer::after(1, function () {
            $list = [];
            while (true) {
                $list[] = new stdClass();
            }
        });
        Co::sleep(10);
        echo "never\n";
    });
});
process('by creating coroutines', function () {
    Co\run(function () {
        while (true) {
            go(function () { Co::sleep(10); });
        }
    });
});
process('by waiting', function () {
    Co\run(function () {
        $deep = function (int $left) use (&$deep) {
            $text = random_bytes(50000);
            go($deep, $left - 1);
            Co::sleep(10);
            echo "never\n";
        };
        $deep(1000);
    });
});
process('by putting into a channel', function () {
    Co\run(function () {
        $channel = new Co\Channel(1 << 40);
        while (true) {
            $channel->push(random_bytes(1000));
        }
    });
});
?>
--EXPECTF--
--- at once

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
--- later

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
--- in small pieces

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
--- by creating coroutines

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
--- by waiting

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
--- by putting into a channel

Fatal error: Allowed memory size of 33554432 bytes exhausted (tried to allocate %d bytes) in %s on line %d
shutdown
status 255
