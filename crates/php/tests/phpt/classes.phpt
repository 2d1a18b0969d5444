--TEST--
The class family, its interfaces, aliases and methods
--FILE--
<?php
foreach (['Server', 'Http\Server', 'WebSocket\Server', 'WebSocket\CloseFrame', 'Exception', 'Error'] as $name) {
    echo $name, ' extends ', get_parent_class("Swoole\\$name") ?: 'nothing', "\n";
}
foreach (['Swoole\WebSocket\Frame', 'Swoole\Connection\Iterator'] as $name) {
    $interfaces = class_implements($name);
    sort($interfaces);
    echo $name, ' implements ', implode(', ', $interfaces), "\n";
}
$aliases = ['swoole_server', 'swoole_http_server', 'swoole_websocket_server', 'swoole_websocket_frame',
    'swoole_websocket_closeframe', 'swoole_http_request', 'swoole_http_response', 'swoole_connection_iterator'];
foreach ($aliases as $alias) {
    echo $alias, ' = ', (new ReflectionClass($alias))->getName(), "\n";
}
foreach (['Server', 'Http\Server', 'WebSocket\Server', 'WebSocket\Frame', 'Http\Request', 'Http\Response'] as $name) {
    $class = new ReflectionClass("Swoole\\$name");
    $own = array_filter($class->getMethods(), fn ($method) => $method->class === $class->name);
    $names = array_map(fn ($method) => ($method->isStatic() ? 'static ' : '') . $method->name, $own);
    echo $name, $names ? ': ' : '', wordwrap(implode(', ', $names), 100, "\n    "), "\n";
}
echo new ReflectionMethod('Swoole\WebSocket\Server', 'push');
?>
--EXPECT--
Server extends nothing
Http\Server extends Swoole\Server
WebSocket\Server extends Swoole\Http\Server
WebSocket\CloseFrame extends Swoole\WebSocket\Frame
Exception extends Exception
Error extends Error
Swoole\WebSocket\Frame implements Stringable
Swoole\Connection\Iterator implements ArrayAccess, Countable, Iterator, Traversable
swoole_server = Swoole\Server
swoole_http_server = Swoole\Http\Server
swoole_websocket_server = Swoole\WebSocket\Server
swoole_websocket_frame = Swoole\WebSocket\Frame
swoole_websocket_closeframe = Swoole\WebSocket\CloseFrame
swoole_http_request = Swoole\Http\Request
swoole_http_response = Swoole\Http\Response
swoole_connection_iterator = Swoole\Connection\Iterator
Server: __construct, set, on, getCallback, start, send, close, exists, exist, getClientInfo,
    connection_info, getClientList, connection_list, bind, protect, heartbeat, stats, reload, stop,
    getWorkerId, getWorkerPid, getWorkerStatus, getManagerPid, getMasterPid, task, taskwait,
    taskWaitMulti, taskCo, finish, addProcess, sendMessage, getLastError, shutdown, defer, tick, after,
    clearTimer
Http\Server
WebSocket\Server: push, isEstablished, disconnect, ping, static pack, static unpack
WebSocket\Frame: __toString, static pack, static unpack
Http\Request: getContent, rawContent, getData, getMethod
Http\Response: header, setHeader, status, setStatusCode, cookie, setCookie, rawcookie, setRawCookie, redirect,
    write, end, close, isWritable
Method [ <internal:swoole> public method push ] {

  - Parameters [4] {
    Parameter #0 [ <required> int $fd ]
    Parameter #1 [ <required> $data ]
    Parameter #2 [ <optional> int $opcode = WEBSOCKET_OPCODE_TEXT ]
    Parameter #3 [ <optional> int|bool $flags = SWOOLE_WEBSOCKET_FLAG_FIN ]
  }
}
