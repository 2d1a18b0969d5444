--TEST--
start() runs once, outside of coroutines, and comes back when the server has ended
--FILE--
<?php
use Swoole\WebSocket\Server;

use function Swoole\Coroutine\run;

function attempt(callable $call)
{
    try {
        var_dump($call());
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

class Unfinished extends Swoole\Server
{
    public function __construct() {}
}

attempt(fn () => (new Unfinished())->start());
$server = new Server('127.0.0.1', 0, SWOOLE_BASE);
$server->set(['worker_num' => 1, 'log_level' => SWOOLE_LOG_ERROR]);
$server->on('message', fn () => null);
run(function () use ($server) {
    attempt(fn () => $server->start());
});
$server->on('managerStart', function (Server $server) {
    // Also here, in the manager.
    var_dump($server->defer(function () use ($server) {
        echo "deferred\n";
        var_dump($server->push(1, 'x'), $server->shutdown());
    }));
    attempt(fn () => $server->defer('no such function'));
});
attempt(fn () => $server->start());
attempt(fn () => $server->start());
attempt(fn () => $server->push(1, 'x'));
var_dump($server->setting['open_websocket_protocol'], $server->worker_id);
?>
--EXPECTF--
Error: the constructor was not called
Swoole\Error: a server cannot start in a coroutine, nor in a loop that runs
bool(true)
TypeError: Swoole\Server::defer(): Argument #1 ($callback) must be a valid callback%s
deferred

Warning: Swoole\WebSocket\Server::push(): session#1 does not exists in %s on line %d
bool(false)
bool(true)
bool(true)

Warning: Swoole\Server::start(): the server has ended, a process starts one only once in %s on line %d
bool(false)

Warning: Swoole\WebSocket\Server::push(): server is not running in %s on line %d
bool(false)
bool(true)
int(-1)
