--TEST--
Fibers in coroutines, and coroutines in Fibers
--FILE--
<?php
echo "a Fiber in a coroutine\n";
Co\run(function () {
    foreach (['a', 'b'] as $name) {
        go(function () use ($name) {
            $fiber = new Fiber(function (string $word) use ($name) {
                echo "$name begins with $word\n";
                Co::sleep(0.01);
                echo "$name slept\n";
                $word = Fiber::suspend("$name 1");
                Co::sleep(0.01);
                echo "$name was given $word\n";
                try {
                    Fiber::suspend("$name 2");
                } catch (Exception $error) {
                    Co::sleep(0.01);
                    echo "$name caught ", $error->getMessage(), "\n";
                }
                go(function () use ($name) {
                    Co::sleep(0.01);
                    echo "$name: a coroutine begun in a Fiber\n";
                });
                return "$name returned";
            });
            echo $fiber->start('one'), "\n";
            Co::sleep(0.01);
            echo $fiber->resume('two'), "\n";
            $fiber->throw(new Exception('thrown'));
            echo $fiber->getReturn(), "\n";
        });
    }
    echo "main goes on\n";
});

echo "Fibers that other coroutines resume\n";
Co\run(function () {
    $fiber = new Fiber(function () {
        echo 'begun in ', Co::getCid() > 0 ? 'one' : 'none', "\n";
        Fiber::suspend();
        Co::sleep(0.01);
        echo "resumed\n";
        Fiber::suspend();
        throw new RuntimeException('out of the Fiber');
    });
    go(fn () => $fiber->start());
    go(fn () => $fiber->resume());
    try {
        $fiber->resume();
    } catch (FiberError $error) {
        echo $error->getMessage(), "\n";
    }
    Co::sleep(0.05);
    go(function () use ($fiber) {
        try {
            $fiber->resume();
        } catch (RuntimeException $error) {
            echo $error->getMessage(), "\n";
        }
    });
});

echo "coroutines in a Fiber\n";
$fiber = new Fiber(function () {
    echo "run\n";
    var_dump(Co\run(function () {
        go(function () { Co::sleep(0.02); echo "inner\n"; });
        Co::sleep(0.01);
        echo "main\n";
        try {
            Fiber::suspend();
        } catch (FiberError $error) {
            echo $error->getMessage(), "\n";
        }
    }));
    Fiber::suspend('between');
    Co\run(function () { Co::sleep(0.01); echo "again\n"; });
    return 'end';
});
echo $fiber->start(), "\n";
$fiber->resume();
echo $fiber->getReturn(), "\n";

echo "a coroutine that a Fiber has begun, resumed outside\n";
$cid = 0;
$fiber = new Fiber(function () use (&$cid) {
    $cid = go(function () { Co::yield(); echo "resumed\n"; Co::yield(); echo "and again\n"; });
    Fiber::suspend();
    Co::resume($cid);
});
$fiber->start();
Co::resume($cid);
$fiber->resume();

echo "Fibers that are not ended\n";
Co\run(function () {
    go(function () {
        $fiber = new Fiber(function () {
            try {
                Fiber::suspend();
            } finally {
                echo "finally of a Fiber\n";
            }
        });
        $fiber->start();
        Co::sleep(0.01);
    });
    go(function () {
        $fiber = new Fiber(function () {
            try {
                Co::yield();
            } finally {
                echo "finally of a Fiber that waits\n";
            }
        });
        $fiber->start();
    });
});

echo "nested Fibers\n";
Co\run(function () {
    go(function () {
        $outer = new Fiber(function () {
            $inner = new Fiber(function () {
                Co::sleep(0.01);
                Fiber::suspend('inner');
                Co::sleep(0.01);
            });
            echo $inner->start(), "\n";
            Fiber::suspend('outer');
            $inner->resume();
        });
        echo $outer->start(), "\n";
        $outer->resume();
        echo "both ended\n";
    });
    Co::sleep(0.005);
    echo "main\n";
});
?>
--EXPECTF--
a Fiber in a coroutine
a begins with one
b begins with one
main goes on
a slept
a 1
b slept
b 1
a was given two
a 2
b was given two
b 2
a caught thrown
a returned
b caught thrown
b returned
a: a coroutine begun in a Fiber
b: a coroutine begun in a Fiber
Fibers that other coroutines resume
begun in one
Cannot resume a fiber that is not suspended
resumed
out of the Fiber
coroutines in a Fiber
run
main
Cannot suspend outside of a fiber
inner
bool(true)
between
again
end
a coroutine that a Fiber has begun, resumed outside
resumed
and again
Fibers that are not ended
finally of a Fiber
===================================================================
 [FATAL ERROR]: all coroutines (count: 1) are asleep - deadlock!
===================================================================

 [Coroutine-16]
--------------------------------------------------------------------
#0 %s(%d): Swoole\Coroutine::yield()
#1 [internal function]: {closure%S}()
#2 %s(%d): Fiber->start()
#3 [internal function]: {closure%S}()

finally of a Fiber that waits
nested Fibers
main
inner
outer
both ended
