--TEST--
The connections of a server that has none
--FILE--
<?php
$server = new Swoole\Server('127.0.0.1', 0);
var_dump(count($server->connections), iterator_to_array($server->connections));
foreach ($server->connections as $fd) {
    echo "never\n";
}
$server->connections[1] = 2;
unset($server->connections[1]);
var_dump(isset($server->connections[1]), $server->connections[1]);
echo get_class($server->connections), "\n";
?>
--EXPECT--
int(0)
array(0) {
}
bool(false)
bool(false)
Swoole\Connection\Iterator
