<?php
// An HTTP server whose answers may be 64 KiB in one piece: each path sends one that is longer, and prints what came of it.

use Swoole\Http\Request;
use Swoole\Http\Response;

$server = new Swoole\Http\Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1, 'output_buffer_size' => 1 << 16, 'socket_buffer_size' => 1 << 18,
    'send_yield' => false]);
$long = str_repeat('x', 1 << 16);
$routes = [
    '/end' => fn (Response $response) => [$response->end($long), $server->getLastError(), $response->end('again')],
    '/write' => fn (Response $response) => [$response->write($long), $server->getLastError(), $response->end('again')],
    '/stream' => fn (Response $response) => [$response->write('begun'), $response->write($long), $server->getLastError(),
        $response->write('more'), $response->end(), $response->isWritable()],
    '/fits' => fn (Response $response) => [$response->end(str_repeat('x', (1 << 16) - 300))],
    '/flood' => function (Response $response) use ($server, $long) {
        // Pieces that the peer does not read, until no more fit.
        for ($pieces = 0; $response->write(substr($long, 300)); $pieces++) {
        }
        return [$pieces > 0, $server->getLastError(), $response->end()];
    },
];
$server->on('request', function (Request $request, Response $response) use ($routes) {
    $path = $request->server['request_uri'];
    $results = json_encode($routes[$path]($response));
    echo "$path $results\n";
});
$server->start();
