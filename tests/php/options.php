<?php
// An echo server with the options given as JSON and no other callback than onMessage.
//
//     options.php PORT '{option: value, …}'

$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1] + json_decode($argv[2] ?? '{}', true));
$server->on('message', fn ($server, $frame) => $server->push($frame->fd, $frame->data, $frame->opcode));
$server->start();
