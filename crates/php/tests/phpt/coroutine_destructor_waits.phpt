--TEST--
Where PHP lets nobody leave a destructor, waits say so, and sleep() sleeps
--SKIPIF--
<?php
if (PHP_VERSION_ID >= 80400) {
    die('skip destructors may wait');
}
?>
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
});
?>
--EXPECTF--
bool(true)
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one

Warning: Swoole\Coroutine::join(): a coroutine cannot wait for its own end in %s on line %d
bool(false)
Swoole\Error: a coroutine cannot wait here: PHP does not let it leave, a destructor for one
string(9) "127.0.0.3"
