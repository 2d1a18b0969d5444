<?php
// Answers each message with what a server elsewhere makes of it. Usage: forwards.php PORT base|process THERE
use Swoole\Coroutine\Http\Client;

$mode = ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$argv[2]];
$server = new Swoole\WebSocket\Server('127.0.0.1', (int) $argv[1], $mode);
$server->set(['worker_num' => 2]);
$there = (int) $argv[3];
$server->on('message', function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) use ($there) {
    $client = new Client('127.0.0.1', $there);
    $client->upgrade('/');
    $client->push($frame->data);
    $server->push($frame->fd, 'there: ' . $client->recv()->data);
});
$server->on('request', function ($request, $response) use ($there) {
    $client = new Client('127.0.0.1', $there);
    $client->get($request->server['request_uri']);
    $response->status($client->statusCode);
    $response->end($client->body);
});
$server->start();
