--TEST--
A closure and the server that holds it are collected together
--FILE--
<?php
class Chat extends Swoole\WebSocket\Server
{
    public function __destruct()
    {
        echo "destroyed\n";
    }
}

function cycle()
{
    $server = new Chat('127.0.0.1', 0);
    $server->on('message', function () use ($server) {});   // held natively only
    $server->on('workerStart', function () use ($server) {}); // also in a private property
    $server->on('open', [$server, 'push']);
    $server->self = $server;
}

foreach ([1, 2] as $round) {
    cycle();
    echo "round $round\n";
    var_dump(gc_collect_cycles() > 0);
}
?>
--EXPECT--
round 1
destroyed
bool(true)
round 2
destroyed
bool(true)
