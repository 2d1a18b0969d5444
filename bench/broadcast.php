<?php
// Sends every message to everybody: `php -d extension=build/wirewool.so bench/broadcast.php PORT`.
declare(strict_types=1);

use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) ($argv[1] ?? 9501), SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('message', function (Server $server, Frame $frame): void {
    foreach ($server->connections as $fd) {
        $server->push($fd, $frame->data, $frame->opcode);
    }
});
$server->start();
