<?php
// Each worker sends as many numbered messages to everybody as a client asks it for: broadcast.php PORT base|process
//
// To /sender it says which worker it is, and when it is through how many pushes were refused.

use Swoole\Http\Request;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 4, 'reactor_num' => 2]);
$server->on('open', function (Server $server, Request $request) {
    if ($request->server['request_uri'] === '/sender') {
        $server->push($request->fd, "worker {$server->worker_id}");
    }
});
$sent = 0;
$server->on('message', function (Server $server, Frame $frame) use (&$sent) {
    $refused = 0;
    for ($last = $sent + (int) $frame->data; $sent < $last;) {
        $message = $server->worker_id . ':' . ++$sent;
        foreach ($server->connections as $fd) {
            $refused += $server->push($fd, $message) ? 0 : 1;
        }
    }
    $server->push($frame->fd, "refused {$refused}");
});
$server->start();
