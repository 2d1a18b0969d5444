<?php
// Answers a request with 32 pieces of 1 MiB, four times what may be owed to a connection: stream.php PORT MODE

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\Http\Server;

const PIECE_BYTES = 1 << 20;

$mode = ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$argv[2]];
$server = new Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(['worker_num' => 1]);
$server->on('request', function (Request $request, Response $response) {
    if ($request->server['request_uri'] === '/peak') {
        $response->end(json_encode(memory_get_peak_usage()));
        return;
    }
    for ($piece = 0; $piece < 32; $piece++) {
        $response->write(str_repeat(chr(ord('A') + $piece % 26), PIECE_BYTES));
    }
    $response->end();
});
$server->start();
