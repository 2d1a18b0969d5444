--TEST--
Channels hand values over in order, wait for room and for values, and wake everybody when they close
--FILE--
<?php
use Swoole\Coroutine\Channel;
use function Swoole\Coroutine\run;

$channel = new Channel(2);
var_dump($channel->push('outside'), $channel->pop(), $channel->capacity, $channel->errCode);
try {
    $channel->pop(0.01);
} catch (Swoole\Error $error) {
    echo $error->getMessage(), ' ', $error->getCode(), "\n";
}
run(function () use ($channel) {
    echo "order\n";
    go(function () use ($channel) {
        foreach (range(1, 5) as $number) {
            echo "push $number\n";
            $channel->push($number);
            echo "pushed $number\n";
        }
        $channel->close();
    });
    echo json_encode($channel->stats()), ' ', $channel->length(), "\n";
    var_dump($channel->isFull(), $channel->isEmpty());
    while (($number = $channel->pop()) !== false) {
        echo "pop $number\n";
    }
    var_dump($channel->errCode === SWOOLE_CHANNEL_CLOSED, $channel->push(1), $channel->errCode, $channel->close());

    echo "time\n";
    $channel = new Channel();
    $start = microtime(true);
    var_dump($channel->pop(0.02), $channel->errCode);
    var_dump(microtime(true) - $start >= 0.02, $channel->push(1), $channel->errCode, $channel->push(2, 0.01), $channel->errCode);
    var_dump($channel->stats(), $channel->pop(), $channel->errCode);

    echo "close wakes\n";
    foreach ([1, 2] as $number) {
        go(function () use ($channel, $number) {
            var_dump([$number, $channel->pop(), $channel->errCode]);
        });
    }
    echo json_encode($channel->stats()), "\n";
    var_dump($channel->close());
    $channel = new Channel(1);
    $channel->push('kept');
    go(function () use ($channel) {
        var_dump($channel->push('lost'), $channel->errCode);
    });
    $channel->close();
    var_dump($channel->pop(), $channel->errCode, $channel->pop(), $channel->errCode);

    echo "cancel\n";
    $channel = new Channel(1);
    $cid = go(function () use ($channel) {
        var_dump($channel->pop(), $channel->errCode, Co::isCanceled());
    });
    var_dump(Co::cancel($cid), $channel->stats()['consumer_num']);

    echo "fair\n";
    $channel = new Channel(1);
    foreach (['a', 'b', 'c'] as $name) {
        go(function () use ($channel, $name) {
            $value = $channel->pop();
            echo "$name gets $value\n";
        });
    }
    foreach ([1, 2, 3] as $value) {
        $channel->push($value);
    }
    foreach (['a', 'b', 'c'] as $name) {
        go(function () use ($channel, $name) {
            $channel->push($name);
            echo $name, " has put\n";
        });
    }
    var_dump($channel->pop(), $channel->pop(), $channel->pop());
});
foreach (['Co\Channel', 'Chan', 'Co\WaitGroup', 'Co\Scheduler'] as $alias) {
    echo $alias, ' = ', (new ReflectionClass($alias))->getName(), "\n";
}
?>
--EXPECT--
bool(true)
string(7) "outside"
int(2)
int(0)
API must be called in the coroutine 10001
order
push 1
pushed 1
push 2
pushed 2
push 3
{"consumer_num":0,"producer_num":1,"queue_num":2} 2
bool(true)
bool(false)
pushed 3
push 4
pop 1
pushed 4
push 5
pop 2
pushed 5
pop 3
pop 4
pop 5
bool(true)
bool(false)
int(-2)
bool(false)
time
bool(false)
int(-1)
bool(true)
bool(true)
int(0)
bool(false)
int(-1)
array(3) {
  ["consumer_num"]=>
  int(0)
  ["producer_num"]=>
  int(0)
  ["queue_num"]=>
  int(1)
}
int(1)
int(0)
close wakes
{"consumer_num":2,"producer_num":0,"queue_num":0}
array(3) {
  [0]=>
  int(1)
  [1]=>
  bool(false)
  [2]=>
  int(-2)
}
array(3) {
  [0]=>
  int(2)
  [1]=>
  bool(false)
  [2]=>
  int(-2)
}
bool(true)
bool(false)
int(-2)
string(4) "kept"
int(0)
bool(false)
int(-2)
cancel
bool(false)
int(-3)
bool(true)
bool(true)
int(0)
fair
a gets 1
b gets 2
c gets 3
a has put
b has put
c has put
string(1) "a"
string(1) "b"
string(1) "c"
Co\Channel = Swoole\Coroutine\Channel
Chan = Swoole\Coroutine\Channel
Co\WaitGroup = Swoole\Coroutine\WaitGroup
Co\Scheduler = Swoole\Coroutine\Scheduler
