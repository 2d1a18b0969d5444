<?php
// Echoes messages: at once, or after a coroutine's sleep if the text is "sleep". Answers requests with the worker's memory in
// bytes: flat.php PORT MODE

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$mode = ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$argv[2]];
$server = new Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(['worker_num' => 1, 'reactor_num' => 1]);
$server->on('message', function (Server $server, Frame $frame) {
    if ($frame->data === 'sleep') {
        Co::sleep(0.001);
    }
    $server->push($frame->fd, $frame->data);
});
$server->on('request', function (Request $request, Response $response) {
    gc_collect_cycles();
    $response->end(json_encode(memory_get_usage()));
});
$server->start();
