--TEST--
Event: Socket objects
--EXTENSIONS--
sockets
--FILE--
<?php
use Swoole\Event;
socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $pair);
[$one, $two] = $pair;
var_dump(Event::add($one, function ($socket) use ($one) {
    var_dump($socket === $one, socket_read($socket, 100));
    Event::del($socket);
}) > 0);
socket_write($two, 'text');
Event::wait();
var_dump(Event::write($two, 'more'), socket_read($one, 100));
socket_close($one);
var_dump(Event::add($one, fn () => 0), Event::isset(new stdClass()));
?>
--EXPECTF--
bool(true)
bool(true)
string(4) "text"
bool(true)
string(4) "more"

Warning: Swoole\Event::add(): unknown type: wanted a stream, a socket or the number of an open descriptor in %s on line %d

Warning: Swoole\Event::isset(): unknown type: wanted a stream, a socket or the number of an open descriptor in %s on line %d
bool(false)
bool(false)
