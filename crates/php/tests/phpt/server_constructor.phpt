--TEST--
What the constructor refuses
--FILE--
<?php
function attempt(callable $make)
{
    try {
        $server = $make();
        echo "made\n";
        return $server;
    } catch (Throwable $error) {
        echo get_class($error), ' ', $error->getCode(), ': ', $error->getMessage(), "\n";
    }
}

attempt(fn () => new Swoole\Server('127.0.0.1', 0, 7));
attempt(fn () => new Swoole\Server('127.0.0.1', 0, SWOOLE_BASE, SWOOLE_SOCK_UNIX_DGRAM));
attempt(fn () => new Swoole\Server('127.0.0.1', 70000));
attempt(fn () => new Swoole\Server('192.0.2.1', 80));
attempt(fn () => new Swoole\Server('127.0.0.1', 'port'));
attempt(fn () => new Swoole\Server('127.0.0.1', 0, SWOOLE_BASE, 1, 5));
$server = attempt(fn () => new Swoole\Http\Server('127.0.0.1', 0));
attempt(fn () => new Swoole\WebSocket\Server('127.0.0.1', 0));
attempt(fn () => $server->__construct('127.0.0.1', 0));
unset($server);
$server = attempt(fn () => new Swoole\WebSocket\Server('::1', 0, SWOOLE_BASE, SWOOLE_SOCK_TCP6));
unset($server);
$path = sys_get_temp_dir() . '/wirewool-' . getmypid() . '.sock';
$server = attempt(fn () => new Swoole\WebSocket\Server($path, 0, SWOOLE_BASE, SWOOLE_SOCK_UNIX_STREAM));
unlink($path);
?>
--EXPECTF--
Error 0: invalid $mode parameters 7
Swoole\Exception 93: socket type[6] is not available: use SWOOLE_SOCK_TCP, _TCP6, _UDP, _UDP6 or _UNIX_STREAM
Swoole\Exception 22: invalid port[70000] or host: must be 0 to 65535, and UTF-8
Swoole\Exception 99: failed to listen server port[192.0.2.1:80], Error: Cannot assign requested address[99]
TypeError 0: Swoole\Server::__construct(): Argument #2 ($port) must be of type int, string given
ArgumentCountError 0: Swoole\Server::__construct() expects at most 4 arguments, 5 given
made
Swoole\Exception -3: unable to create Swoole\WebSocket\Server: this process has a server already
Error 0: Constructor of Swoole\Http\Server can only be called once
made
made
