<?php
// One mistake of a script per run; prints what came of it as JSON.
//
//     refuse.php CASE PORT

use Swoole\WebSocket\Server;

$port = (int) $argv[2];
$raised = [];
set_error_handler(function (int $level, string $text) use (&$raised) {
    return (bool) ($raised[] = [$level, $text]);
});

function server(int $port, string $host = '127.0.0.1', int $mode = SWOOLE_BASE): Server
{
    return new Server($host, $port, $mode);
}

$cases = [
    'listen' => fn () => server($port)->port,
    'bad host' => fn () => server($port, 'no such host')->host,
    'bad mode' => fn () => server($port, '127.0.0.1', 77)->mode,
    'second server' => fn () => [server($port), server($port + 1)],
    'constructor twice' => fn () => server($port)->__construct('127.0.0.1', $port),
    'unknown event' => fn () => server($port)->on('mesage', 'strlen'),
    'not callable' => fn () => server($port)->on('message', 'no_such_function'),
    'unknown option' => fn () => server($port)->set(['worker_nun' => 2]),
    'not started' => function () use ($port) {
        $server = server($port);
        return [$server->push(1, 'x'), $server->disconnect(1), $server->isEstablished(1)];
    },
    'without onMessage' => fn () => server($port)->start(),
    'without onRequest' => fn () => (new Swoole\Http\Server('127.0.0.1', $port))->start(),
    'without onReceive' => fn () => (new Swoole\Server('127.0.0.1', $port))->start(),
];
try {
    $outcome = ['result' => $cases[$argv[1]]()];
} catch (Throwable $thrown) {
    $outcome = ['thrown' => $thrown::class, 'message' => $thrown->getMessage(), 'code' => $thrown->getCode()];
}
echo json_encode($outcome + ['raised' => $raised]), "\n";
