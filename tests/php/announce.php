<?php
// Prints every message with its opcode and flags, and answers it as it came. Usage: announce.php PORT base|process
$mode = ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$argv[2]];
$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(['worker_num' => 1, 'websocket_compression' => true]);
$server->on('message', function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) {
    echo "message $frame->opcode $frame->flags $frame->data\n";
    $server->push($frame->fd, $frame);
});
$server->on('request', function (Swoole\Http\Request $request, Swoole\Http\Response $response) {
    $response->end(json_encode([$request->getMethod(), $request->server['request_uri'], $request->post, $request->cookie]));
});
$server->on('close', function ($server, $fd) {
    echo "closed $fd\n";
});
$server->start();
