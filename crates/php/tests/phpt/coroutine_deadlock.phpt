--TEST--
When all coroutines wait for nothing, the loop says so, unwinds them and goes on
--FILE--
<?php
class Loud
{
    public function __destruct()
    {
        echo "freed\n";
    }
}

function waits(int $for): void
{
    try {
        Co::yield();
        echo "never\n";
    } finally {
        echo "finally\n";
    }
}

register_shutdown_function(function () { echo "shutdown\n"; });
var_dump(Co\run(function () {
    go('waits', 1);
    go(function () {
        $held = new Loud();
        defer(function () { echo "never\n"; });
        (new Co\Channel())->pop();
    });
    foreach (Co::list() as $cid) {
        echo $cid, ': ', json_encode(array_column(Co::getBackTrace($cid, DEBUG_BACKTRACE_IGNORE_ARGS), 'function')), "\n";
    }
    var_dump(Co::getBackTrace(99), count(Co::getBackTrace(2, 0, 1)), Co::getBackTrace(2, 0)[1]['args']);
    Co::printBackTrace(2);
    Co::printBackTrace();
    echo "end of main\n";
}));
echo "goes on\n";
var_dump(Co::stats()['coroutine_num']);
go('waits', 2);
?>
--EXPECTF--
1: ["{closure%S}"]
2: ["yield","waits"]
3: ["pop","{closure%S}"]
bool(false)
int(1)
array(1) {
  [0]=>
  int(1)
}
#0 %s(%d): Swoole\Coroutine::yield()
#1 [internal function]: waits()
#0 [internal function]: {closure%S}()
end of main
===================================================================
 [FATAL ERROR]: all coroutines (count: 2) are asleep - deadlock!
===================================================================

 [Coroutine-2]
--------------------------------------------------------------------
#0 %s(%d): Swoole\Coroutine::yield()
#1 [internal function]: waits()

 [Coroutine-3]
--------------------------------------------------------------------
#0 %s(%d): Swoole\Coroutine\Channel->pop()
#1 [internal function]: {closure%S}()

finally
freed
bool(true)
goes on
int(0)
shutdown
===================================================================
 [FATAL ERROR]: all coroutines (count: 1) are asleep - deadlock!
===================================================================

 [Coroutine-4]
--------------------------------------------------------------------
#0 %s(%d): Swoole\Coroutine::yield()
#1 [internal function]: waits()

finally
