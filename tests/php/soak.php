<?php
// Echoes messages in mode SWOOLE_PROCESS, and answers requests with the number of connections: soak.php PORT WORKERS

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], SWOOLE_PROCESS);
$server->set(['worker_num' => (int) $argv[2], 'reactor_num' => 2]);
$server->on('message', fn (Server $server, Frame $frame) => $server->push($frame->fd, $frame->data, $frame->opcode));
$server->on('request', function (Request $request, Response $response) use ($server) {
    $response->end(json_encode(count($server->connections)));
});
$server->start();
