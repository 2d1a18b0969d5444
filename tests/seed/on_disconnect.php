<?php
// The seed's text on onDisconnect has no script: this one has every callback that could fire; onRequest only when asked for.
$server = new Swoole\WebSocket\Server("0.0.0.0", 9501);
$server->on('message', function ($server, $frame) {
    if ($frame->data === 'disconnect me') {
        $server->disconnect($frame->fd);
    }
});
$server->on('close', function ($server, $fd) {
    echo "close {$fd}\n";
});
$server->on('disconnect', function ($server, $fd) {
    echo "disconnect {$fd}\n";
});
if (($argv[1] ?? '') === 'with-request') {
    $server->on('request', function ($request, $response) {
        echo "request {$request->fd}\n";
        $request->server['request_uri'] === '/close' ? $response->close() : $response->end('done');
    });
}
$server->start();
