<?php
$server = new Swoole\WebSocket\Server("0.0.0.0", 9501);
$server->on('message', fn ($server, $frame) => $server->push($frame->fd, $frame->data));
// --- seed ---
$server->set([
    'websocket_subprotocol' => 'chat',
]);
// --- end ---
$server->start();
