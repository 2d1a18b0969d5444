--TEST--
Ten thousand coroutines wait at once, and all are woken
--INI--
memory_limit=512M
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') {
    die('skip takes too long under valgrind');
}
?>
--FILE--
<?php
Co\run(function () {
    $woken = 0;
    $channel = new Co\Channel(1);
    for ($i = 0; $i < 5000; $i++) {
        go(function () use (&$woken) {
            Co::sleep(1);
            $woken++;
        });
        go(function () use (&$woken, $channel) {
            $channel->pop();
            $woken++;
        });
    }
    var_dump(Co::stats()['coroutine_num'], count(Co::list()), $channel->stats()['consumer_num']);
    $channel->close();
    var_dump($woken);
    $left = iterator_to_array(Co::list());
    array_shift($left);
    var_dump(Co::join($left, 60), $woken, Co::stats()['coroutine_num']);
});
?>
--EXPECT--
int(10001)
int(10001)
int(5000)
int(5000)
bool(true)
int(10000)
int(1)
