--TEST--
listen(): ports with settings and callbacks of their own, and what is refused
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
$port = $server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP);
$other = $server->addlistener('::1', 0, SWOOLE_SOCK_TCP6);
echo get_class($port), ' ', count($server->ports), "\n";
var_dump($server->ports[0]->port === $server->port, $server->ports[1] === $port, $server->ports[2] === $other);
var_dump($port->port > 0, $port->host, $other->type, $port->sock > 2, $port->ssl, $port->setting);
var_dump(count($port->connections), iterator_to_array($port->connections));

echo "-- settings\n";
$port->set(['backlog' => 5]);
$port->set(['open_http_protocol' => true]);
var_dump($port->set(['worker_num' => 2, 'backlog' => 0, 'bakclog' => 1]));
echo json_encode([$port->setting, $server->setting, $other->setting]), "\n";

echo "-- packets\n";
$port->set(['open_eof_split' => true, 'package_eof' => "\xff\0", 'open_length_check' => true, 'package_length_type' => 'n',
    'package_length_offset' => 2, 'package_body_offset' => 4]);
$port->set(['package_length_offset' => -1, 'package_body_start' => 65536]);
$port->setting = null;

echo "-- callbacks\n";
$callback = function () {};
var_dump($port->on('RECEIVE', $callback), $port->getCallback('receive') === $callback, $server->getCallback('receive'));
var_dump($server->on('message', $callback), $server->ports[0]->getCallback('message') === $callback);
var_dump($server->ports[0]->on('open', $callback), $server->getCallback('open') === $callback);
var_dump($port->on('workerStart', $callback), $port->on('receive', 'no_such_function'));
var_dump($port->getSocket());

echo "-- addresses\n";
var_dump($server->listen('127.0.0.1', $port->port, SWOOLE_SOCK_TCP), $server->getLastError());
$datagrams = $server->listen('127.0.0.1', $port->port, SWOOLE_SOCK_UDP);
var_dump($datagrams->port === $port->port, $server->listen('127.0.0.1', $port->port, SWOOLE_SOCK_UDP));
var_dump($server->listen('127.0.0.1', 70000, SWOOLE_SOCK_TCP), $server->getLastError());
$server->listen('::1', 0, SWOOLE_SOCK_TCP);
$server->listen('no.such.host.invalid', 0, SWOOLE_SOCK_TCP);
$server->listen('', 0, SWOOLE_SOCK_UNIX_STREAM);
$server->listen(str_repeat('x', 200), 0, SWOOLE_SOCK_UNIX_STREAM);
var_dump($server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP | SWOOLE_SSL), $server->listen('127.0.0.1', 0, 99));
echo count($server->ports), "\n";
try {
    new Swoole\Server\Port();
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
try {
    clone $port;
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
Swoole\Server\Port 3
bool(true)
bool(true)
bool(true)
bool(true)
string(9) "127.0.0.1"
int(3)
bool(true)
bool(false)
NULL
int(0)
array(0) {
}
-- settings

Warning: Swoole\Server\Port::set(): option [worker_num] is the server's, not a port's: set it with Server::set(); option [backlog] is 0: wanted 1 to 65535; unknown option [bakclog]: did you mean [backlog]? in %s on line %d
NULL
[{"backlog":0,"open_http_protocol":true,"worker_num":2,"bakclog":1},null,null]
-- packets

Warning: Swoole\Server\Port::set(): option [package_length_offset] is -1: wanted 0 to 65535; option [package_body_offset] is 65536: wanted 0 to 65535 in %s on line %d
-- callbacks
bool(true)
bool(true)
NULL
bool(true)
bool(true)
bool(true)
bool(true)

Warning: Swoole\Server\Port::on(): unknown event types[workerStart] in %s on line %d

Warning: Swoole\Server\Port::on(): function 'no_such_function' is not callable in %s on line %d
bool(false)
bool(false)

Warning: Swoole\Server\Port::getSocket(): sockets of the extension sockets are not available in %s on line %d
bool(false)
-- addresses

Warning: Swoole\Server::listen(): 127.0.0.1:%d is a port of this server already in %s on line %d
bool(false)
int(98)

Warning: Swoole\Server::listen(): failed to listen server port[127.0.0.1:%d], Error: Address already in use[98] in %s on line %d
bool(true)
bool(false)

Warning: Swoole\Server::listen(): invalid port[70000] or host: must be 0 to 65535, and UTF-8 in %s on line %d
bool(false)
int(22)

Warning: Swoole\Server::listen(): failed to listen server port[::1:0], Error: it has no IPv4 address, which this type of socket takes[99] in %s on line %d

Warning: Swoole\Server::listen(): failed to listen server port[no.such.host.invalid:0], Error: failed to lookup address information: %s[99] in %s on line %d

Warning: Swoole\Server::listen(): failed to listen server port[:0], Error: a unix socket needs a path[22] in %s on line %d

Warning: Swoole\Server::listen(): failed to listen server port[%s:0], Error: path must be shorter than SUN_LEN[22] in %s on line %d

Warning: Swoole\Server::listen(): SWOOLE_SSL is not available yet: put a proxy that speaks TLS in front in %s on line %d

Warning: Swoole\Server::listen(): socket type[99] is not available: use SWOOLE_SOCK_TCP, _TCP6, _UDP, _UDP6 or _UNIX_STREAM in %s on line %d
bool(false)
bool(false)
4
Call to private Swoole\Server\Port::__construct() from global scope
Trying to clone an uncloneable object of class Swoole\Server\Port
