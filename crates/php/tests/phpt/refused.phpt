--TEST--
Clone, serialization, unset of declared properties, new of an iterator
--FILE--
<?php
class MyFrame extends Swoole\WebSocket\Frame
{
    public $data = 'mine';
    public $extra = 1;
}

function attempt(callable $call)
{
    try {
        $call();
        echo "fine\n";
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
$objects = [$server, new Swoole\Http\Request(), new Swoole\Http\Response(), new MyFrame(), $server->connections];
foreach ($objects as $object) {
    attempt(fn () => clone $object);
    attempt(fn () => serialize($object));
}
attempt(fn () => new Swoole\Connection\Iterator());
attempt(fn () => unserialize('O:22:"Swoole\WebSocket\Frame":0:{}'));
attempt(function () use ($server) { unset($server->setting); });
$frame = new MyFrame();
attempt(function () use ($frame) { unset($frame->data); });
attempt(function () use ($frame) { unset($frame->extra, $frame->nothing); });
$frame->dynamic = 5;
attempt(function () use ($frame) { unset($frame->dynamic); });
echo json_encode($frame), "\n";
?>
--EXPECT--
Error: Trying to clone an uncloneable object of class Swoole\WebSocket\Server
Exception: Serialization of 'Swoole\WebSocket\Server' is not allowed
Error: Trying to clone an uncloneable object of class Swoole\Http\Request
Exception: Serialization of 'Swoole\Http\Request' is not allowed
Error: Trying to clone an uncloneable object of class Swoole\Http\Response
Exception: Serialization of 'Swoole\Http\Response' is not allowed
Error: Trying to clone an uncloneable object of class MyFrame
Exception: Serialization of 'MyFrame' is not allowed
Error: Trying to clone an uncloneable object of class Swoole\Connection\Iterator
Exception: Serialization of 'Swoole\Connection\Iterator' is not allowed
Error: Swoole\Connection\Iterator cannot be created with new: it is a server's connections property
Exception: Unserialization of 'Swoole\WebSocket\Frame' is not allowed
Error: Property setting of class Swoole\WebSocket\Server cannot be unset
Error: Property data of class MyFrame cannot be unset
fine
fine
{"fd":0,"data":"mine","opcode":1,"flags":1,"finish":true}
