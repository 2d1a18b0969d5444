--TEST--
Userland subclasses share the native state, also without the parent's constructor and with looser signatures
--FILE--
<?php
class Chat extends Swoole\WebSocket\Server
{
    public $name = 'chat';

    public function on($event, $callback)
    {
        echo "on $event\n";
        return parent::on($event, $callback);
    }

    public function push($fd, $data, $opcode = 1, $flags = 1): bool
    {
        return true;
    }
}

class Lazy extends Swoole\Server
{
    public function __construct()
    {
    }
}

$chat = new Chat('127.0.0.1', 0);
var_dump($chat->on('Message', 'strlen'), $chat->getCallback('MESSAGE'), $chat->push(1, 'x'), $chat->name);
var_dump($chat instanceof Swoole\Http\Server, $chat->mode, $chat->port > 0);

$lazy = new Lazy();
var_dump($lazy->on('receive', 'strlen'), $lazy->getCallback('receive'), $lazy->set(['worker_num' => 2]), $lazy->setting);
var_dump($lazy->host, $lazy->connections, $lazy->exist(1));
?>
--EXPECTF--
on Message
bool(true)
string(6) "strlen"
bool(true)
string(4) "chat"
bool(true)
int(2)
bool(true)
bool(true)
string(6) "strlen"
bool(true)
array(1) {
  ["worker_num"]=>
  int(2)
}

Warning: Swoole\Server::exist(): server is not running in %s on line %d
string(0) ""
NULL
bool(false)
