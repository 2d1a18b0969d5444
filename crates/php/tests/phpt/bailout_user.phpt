--TEST--
A fatal error in user code that our calls run ends the request in order
--FILE--
<?php
class Fatal
{
    public function __toString(): string
    {
        eval('class Fatal {}');
        return '';
    }
}

$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
register_shutdown_function(function () {
    echo "shutdown function\n";
});
$server->on('message', fn () => $server);
Swoole\WebSocket\Frame::pack(new Fatal());
echo "not reached\n";
?>
--EXPECTF--
%AFatal error: Cannot %a
shutdown function
