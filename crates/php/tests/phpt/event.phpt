--TEST--
Event: streams are watched, written to, and the loop is used
--FILE--
<?php
use Swoole\Event;

function attempt(string $name, callable $call)
{
    try {
        $result = $call();
        echo $name, ': ', json_encode($result), ' ', swoole_last_error(), "\n";
    } catch (Throwable $error) {
        echo $name, ': ', get_class($error), ': ', $error->getMessage(), "\n";
    }
    swoole_clear_error();
}

function pair(): array
{
    return stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
}

echo "what is refused\n";
[$one, $two] = pair();
attempt('nothing', fn () => Event::add('nothing', fn () => 0));
attempt('closed', fn () => Event::add(987, fn () => 0));
attempt('no callback', fn () => Event::add($one));
attempt('none for write', fn () => Event::add($one, fn () => 0, null, SWOOLE_EVENT_WRITE));
attempt('no event', fn () => Event::add($one, fn () => 0, null, 1));
attempt('not callable', fn () => Event::add($one, 'no such'));
attempt('a file', fn () => Event::add(fopen(__FILE__, 'r'), fn () => 0));
attempt('not watched: set', fn () => Event::set($one, fn () => 0));
attempt('not watched: del', fn () => Event::del($one));
attempt('not watched: isset', fn () => Event::isset($one));
attempt('empty', fn () => Event::write($one, ''));
attempt('write to none', fn () => Event::write(987, 'x'));
$closed = pair()[0];
fclose($closed);
attempt('closed stream', fn () => Event::add($closed, fn () => 0));

echo "read, twice added, changed\n";
attempt('add', fn () => Event::add($one, function ($stream) use ($one, $two) {
    echo 'the same stream: ', json_encode($stream === $one), ', read ', json_encode(fread($stream, 100)),
        Co::getCid() > 0 ? ' in a coroutine' : ' outside', "\n";
    if (Event::isset($stream)) {
        attempt('set', fn () => Event::set($stream, function ($stream) {
            echo 'now ', json_encode(fread($stream, 100)), "\n";
            attempt('del', fn () => Event::del($stream));
            attempt('del again', fn () => Event::del($stream));
        }));
        fwrite($two, 'second');
    }
}) > 0);
attempt('again', fn () => Event::add($one, fn () => 0));
attempt('isset', fn () => [Event::isset($one), Event::isset($one, SWOOLE_EVENT_READ), Event::isset($one, SWOOLE_EVENT_WRITE), Event::isset($two)]);
fwrite($two, 'first');
Event::wait();

echo "write\n";
attempt('add', fn () => Event::add($one, null, function ($stream) use ($two) {
    echo "writable\n";
    fwrite($stream, 'written');
    echo fread($two, 100), "\n";
    Event::del($stream);
}, SWOOLE_EVENT_WRITE) > 0);
Event::wait();

echo "more than a socket takes\n";
stream_set_blocking($one, false);
stream_set_blocking($two, false);
$got = 0;
$text = str_repeat('0123456789', 100000);
attempt('write', fn () => Event::write($one, $text));
attempt('write more', fn () => Event::write($one, 'the end'));
Event::add($two, function ($stream) use (&$got, $text) {
    $data = fread($stream, 65536);
    $got += strlen($data);
    if ($got === strlen($text) + 7) {
        echo "all, with ", substr($data, -7), "\n";
        Event::del($stream);
    }
});
Event::wait();
attempt('too much', function () use ($one) {
    return Event::write($one, str_repeat('x', 9 << 20));
});

echo "the other end closes\n";
Event::add($two, function ($stream) {
    $data = fread($stream, 100);
    echo json_encode($data), feof($stream) ? ' end' : '', "\n";
    Event::del($stream);
    fclose($stream);
});
fclose($one);
Event::wait();

echo "in coroutines\n";
Co\run(function () {
    [$one, $two] = pair();
    swoole_event_add($one, function ($stream) {
        echo 'read ', fread($stream, 100), ' in ', Co::getCid() > 0 ? 'a coroutine' : 'none', "\n";
        Co::sleep(0.001);
        echo "slept\n";
        swoole_event_del($stream);
    });
    var_dump(swoole_event_isset($one), swoole_event_write($two, 'text'), swoole_event_set($one, null, fn () => print("writable\n"), SWOOLE_EVENT_READ));
    Co::sleep(0.005);
    var_dump(swoole_event_isset($one));
});

echo "defer\n";
var_dump(Event::defer(function () {
    echo 'deferred ', Co::getCid() > 0 ? 'in a coroutine' : 'outside', "\n";
    swoole_event_defer(fn () => print("for the next pass\n"));
}));
Event::defer(fn () => print("second\n"));
Event::wait();
Event::wait();
Co\run(function () {
    Event::defer(fn () => print("behind the body\n"));
    echo "body\n";
    Co::sleep(0.001);
    echo "slept\n";
});

echo "cycle\n";
Co\run(function () {
    $passes = 0;
    var_dump(Event::cycle(function () use (&$passes) { $passes++; }, true));
    for ($pass = 0; $pass < 3; $pass++) {
        Co::sleep(0.001);
    }
    var_dump(Event::cycle(null, true), $passes > 1, swoole_event_cycle(null, true));
    $after = false;
    Event::cycle(function () use (&$after) { $after = true; Event::cycle(null); });
    Co::sleep(0.002);
    var_dump($after);
});

echo "exit\n";
Swoole\Timer::tick(1, function () {
    static $count = 0;
    if (++$count === 3) {
        echo "leaves\n";
        Event::exit();
    }
});
Swoole\Timer::after(1000, fn () => print("never\n"));
swoole_event_wait();
echo "left\n";
Swoole\Timer::clearAll();
?>
--EXPECTF--
what is refused

Warning: Swoole\Event::add(): unknown type: wanted a stream, a socket or the number of an open descriptor in %s on line %d
nothing: false 9

Warning: Swoole\Event::add(): descriptor %d cannot be watched: Bad file descriptor (os error 9) in %s on line %d
closed: false 9

Warning: Swoole\Event::add(): each of the events that is asked for needs a callback, and there must be one in %s on line %d
no callback: false 0

Warning: Swoole\Event::add(): each of the events that is asked for needs a callback, and there must be one in %s on line %d
none for write: false 0

Warning: Swoole\Event::add(): each of the events that is asked for needs a callback, and there must be one in %s on line %d
no event: false 0
not callable: TypeError: Swoole\Event::add(): Argument #2 ($read_callback) must be a valid callback, function "no such" not found or invalid function name

Warning: Swoole\Event::add(): descriptor %d cannot be watched: Operation not permitted (os error 1) in %s on line %d
a file: false 1

Warning: Swoole\Event::set(): descriptor %d is not watched: add() does that in %s on line %d
not watched: set: false 2
not watched: del: false 0
not watched: isset: false 0

Warning: Swoole\Event::write(): the data is empty in %s on line %d
empty: false 0

Warning: Swoole\Event::write(): nothing can be written to descriptor %d: Bad file descriptor (os error 9) in %s on line %d
write to none: false 9

Warning: Swoole\Event::add(): unknown type: wanted a stream, a socket or the number of an open descriptor in %s on line %d
closed stream: false 9
read, twice added, changed
add: true 0

Warning: Swoole\Event::add(): already exists: descriptor %d is watched, set() changes that in %s on line %d
again: false 17
isset: [true,true,false,false] 0
the same stream: true, read "first" in a coroutine
set: true 0
now "second"
del: true 0
del again: false 0
write
add: true 0
writable
written
more than a socket takes
write: true 0
write more: true 0
all, with the end

Warning: Swoole\Event::write(): 0 bytes wait to be written to descriptor %d already in %s on line %d
too much: false 1009
the other end closes
"" end
in coroutines
bool(true)
bool(true)
bool(true)
read text in a coroutine
slept
bool(false)
defer
bool(true)
deferred in a coroutine
second
for the next pass
body
behind the body
slept
cycle
bool(true)
bool(true)
bool(true)
bool(false)
bool(true)
exit
leaves
left
