<?php
$server = new Swoole\WebSocket\Server("0.0.0.0", 9501);
$server->on('message', fn ($server, $frame) => $server->push($frame->fd, $frame->data));
// --- seed ---
$server->on('handshake', function (\Swoole\Http\Request $request, \Swoole\Http\Response $response) {
    // 省略了握手内容
    $response->status(101);
    $response->end();

    global $server;
    $fd = $request->fd;
    $server->defer(function () use ($fd, $server)
    {
      echo "Client connected\n";
      $server->push($fd, "hello, welcome\n");
    });
});
// --- end ---
$server->start();
