--TEST--
What needs a started server warns before there is one
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
$calls = ['push' => [1, 'x'], 'send' => [1, 'x'], 'close' => [1], 'exist' => [1], 'exists' => [1],
    'isEstablished' => [1], 'disconnect' => [1], 'ping' => [1], 'getClientInfo' => [1], 'connection_info' => [1],
    'getClientList' => [], 'connection_list' => [], 'bind' => [1, 2], 'protect' => [1], 'stats' => [], 'reload' => [],
    'stop' => [], 'getWorkerPid' => [], 'getWorkerStatus' => [], 'shutdown' => []];
set_error_handler(function ($level, $message) {
    echo $message, "\n";
});
foreach ($calls as $method => $arguments) {
    if ($server->$method(...$arguments) !== false) {
        echo "$method is wrong\n";
    }
}
var_dump($server->getLastError(), $server->getWorkerId(), $server->getManagerPid(), $server->getMasterPid());
?>
--EXPECT--
Swoole\WebSocket\Server::push(): server is not running
Swoole\Server::send(): server is not running
Swoole\Server::close(): server is not running
Swoole\Server::exist(): server is not running
Swoole\Server::exists(): server is not running
Swoole\WebSocket\Server::isEstablished(): server is not running
Swoole\WebSocket\Server::disconnect(): server is not running
Swoole\WebSocket\Server::ping(): server is not running
Swoole\Server::getClientInfo(): server is not running
Swoole\Server::connection_info(): server is not running
Swoole\Server::getClientList(): server is not running
Swoole\Server::connection_list(): server is not running
Swoole\Server::bind(): server is not running
Swoole\Server::protect(): server is not running
Swoole\Server::stats(): server is not running
Swoole\Server::reload(): server is not running
Swoole\Server::stop(): server is not running
Swoole\Server::getWorkerPid(): server is not running
Swoole\Server::getWorkerStatus(): server is not running
Swoole\Server::shutdown(): server is not running
int(509)
bool(false)
int(0)
int(0)
