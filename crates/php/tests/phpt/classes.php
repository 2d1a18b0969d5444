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
