<?php
// A WebSocket server with onRequest: / answers with everything the request held, other paths try the response's methods.
//
//     http.php PORT [base | process]

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Server;

$server = new Server('127.0.0.1', (int) $argv[1], ($argv[2] ?? 'base') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 1, 'package_max_length' => 1 << 20]);
$server->on('open', fn (Server $server, Request $request) => $server->push($request->fd, "fd {$request->fd}"));
$server->on('message', fn (Server $server, $frame) => $server->push($frame->fd, $frame->data, $frame->opcode));

function everything(Request $request): string
{
    $seen = ['fd' => $request->fd, 'method' => $request->getMethod(), 'raw' => base64_encode($request->rawContent())];
    foreach (['header', 'server', 'get', 'post', 'cookie', 'files'] as $part) {
        $seen[$part] = $request->$part;
    }
    return json_encode($seen);
}

$routes = [
    '/header' => function (Response $response) {
        $response->header('x-formatted-name', 'one');
        $response->header('x-as-written', 'two', false);
        $response->header('X-Replaced', 'old');
        $response->header('X-Replaced', 'new');
        $response->header('X-List', ['a', 'b']);
        $response->header('X-Null', null);
        $response->header('X-Split', "a\r\nX-Injected: yes");
        $named = $response->header("X-Bad\r\nX-Injected", 'yes');
        $response->end(json_encode(['header with CR LF in its name' => $named]));
    },
    '/status' => function (Response $response) {
        $response->status(404);
        $response->end('gone');
    },
    '/reason' => function (Response $response) {
        $response->status(299, 'Fine By Me');
        $response->end();
    },
    '/unknown-status' => function (Response $response) {
        $response->status(599);
        $response->end();
    },
    '/cookie' => function (Response $response) {
        $response->cookie('plain', 'a b');
        $response->rawcookie('raw', 'a%20b');
        $response->cookie('full', 'v', 1893456000, '/p', 'example.org', true, true, 'Lax');
        $response->cookie('gone', '');
        $response->end();
    },
    '/redirect' => fn (Response $response) => $response->redirect('/elsewhere', 301),
    '/write' => function (Response $response) {
        $response->write('one,');
        $response->write('two,');
        $response->end('three');
    },
    '/end-twice' => function (Response $response) use ($server) {
        $results = [$response->isWritable(), $response->end('first'), $response->end('second'),
            $response->isWritable(), $response->header('X-Late', '1'), $server->getLastError()];
        echo 'end-twice ', json_encode($results), "\n";
    },
    '/refused' => function (Response $response) use ($server) {
        $warnings = [];
        set_error_handler(function (int $level, string $text) use (&$warnings) {
            return (bool) ($warnings[] = $text);
        });
        $results = [$response->header(str_repeat('n', 128), 'v'), $response->cookie('a=b', 'v'),
            $response->rawCookie('a', "b\nc"), $response->status(99), $response->status(1000), $response->write(''),
            $server->getLastError()];
        restore_error_handler();
        $response->own = 1;
        $response->end(json_encode([$results, $warnings]));
    },
    '/end-and-close' => function (Response $response) {
        $response->end('whole');
        echo 'end-and-close ', json_encode([$response->close(), $response->close()]), "\n";
    },
    '/forgotten' => fn (Response $response) => null,
    '/big' => fn (Response $response) => $response->end(str_repeat('0123456789abcdef', 1 << 16)),
    '/close' => fn (Response $response) => $response->close(),
];
$server->on('request', function (Request $request, Response $response) use ($routes) {
    echo "request {$request->getMethod()} {$request->server['request_uri']}\n";
    $route = $routes[$request->server['request_uri']] ?? fn ($response) => $response->end(everything($request));
    $route($response);
});
$server->start();
