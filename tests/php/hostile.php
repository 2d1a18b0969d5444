<?php
// An HTTP server whose error handler throws, as frameworks' do: / answers with the sizes of what the request held.

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Server;

set_error_handler(fn (int $level, string $text) => throw new ErrorException($text, 0, $level));
ini_set('display_errors', '0');
$server = new Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('open', fn (Server $server, Request $request) => $server->push($request->fd, (string) count($request->get ?? [])));
$server->on('message', fn (Server $server, $frame) => $server->push($frame->fd, $frame->data));
$server->on('request', function (Request $request, Response $response) {
    $handled = 'no';
    try {
        $response->write('');
    } catch (ErrorException) {
        $handled = 'yes';
    }
    $sizes = array_map(fn ($part) => count($request->$part ?? []), ['get', 'cookie', 'post']);
    $response->end(json_encode([...$sizes, $handled]));
});
$server->start();
echo "start() returned\n";
