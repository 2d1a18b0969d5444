<?php
// Sends every message to everybody: `php -d extension=build/wirewool.so bench/broadcast.php PORT base|process`.
declare(strict_types=1);

use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$mode = ($argv[2] ?? 'base') === 'process' ? SWOOLE_PROCESS : SWOOLE_BASE;
$server = new Server('127.0.0.1', (int) ($argv[1] ?? 9501), $mode);
$server->set(['worker_num' => 1, 'reactor_num' => 1]);
$server->on('message', function (Server $server, Frame $frame): void {
    foreach ($server->connections as $fd) {
        $server->push($fd, $frame->data, $frame->opcode);
    }
});
$server->start();
