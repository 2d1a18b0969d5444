--TEST--
A fatal error inside our calls ends the request in order
--INI--
memory_limit=16M
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') {
    die("skip needs the limit of PHP's own allocator");
}
?>
--FILE--
<?php
class Chat extends Swoole\WebSocket\Server
{
    public function __destruct()
    {
        echo "no destructors after a fatal error\n";
    }
}

$server = new Chat('127.0.0.1', 0);
$server->on('message', function () use ($server) {});
register_shutdown_function(function () {
    echo "shutdown function\n";
});
$frame = new Swoole\WebSocket\Frame();
$frame->data = str_repeat('x', 6 << 20);
$frame->data = (string) $frame . (string) $frame;
echo "not reached\n";
?>
--EXPECTF--
%AFatal error: Allowed memory size of 16777216 bytes exhausted%a
shutdown function
