<?php
// Calls what makes no sense where it is called, and prints as JSON what came of it; a message names the call.

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Server;

$warnings = [];
set_error_handler(function (int $level, string $text) use (&$warnings) {
    return (bool) ($warnings[] = $text);
});

function show(string $what, mixed $results): void
{
    global $warnings;
    // One write, in one piece: several processes print.
    file_put_contents('php://stdout', "$what " . json_encode([$results, $warnings]) . "\n");
    $warnings = [];
}

$server = new Server('127.0.0.1', (int) $argv[1], SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$server->on('beforeHandshakeResponse', function (Server $server, Request $request, Response $response) {
    show('handshake', [$response->status(200), $response->write('x'), $response->end('x')]);
    $names = ['Connection', 'Upgrade', 'Sec-WebSocket-Accept', 'Content-Length', 'Transfer-Encoding', 'X-Own'];
    foreach ($names as $name) {
        $response->header($name, 'mine');
    }
});
$server->on('request', function (Request $request, Response $response) {
    show('request', [$response->status(101), $response->status(199), $response->redirect('/', 100)]);
    $response->end('done');
});
$server->on('message', function (Server $server, $frame) {
    switch ($frame->data) {
        case 'shutdown':
            // The script's own mistake; nobody but the master must hear of it.
            $server->master_pid = getmypid();
            show('shutdown', $server->shutdown());
            break;
        case 'fork':
            if (pcntl_fork() === 0) {
                show('fork', [count($server->connections), isset($server->connections[$frame->fd]),
                    iterator_to_array($server->connections), $server->shutdown()]);
                posix_kill(getmypid(), SIGKILL);
            }
            pcntl_wait($status);
            $server->push($frame->fd, 'forked');
            break;
        case 'nested':
            $pairs = [];
            foreach ($server->connections as $outer) {
                foreach ($server->connections as $inner) {
                    $pairs[] = [$outer, $inner];
                }
            }
            show('nested', $pairs);
            break;
        case 'methods':
            $seen = [];
            $connections = $server->connections;
            for ($connections->rewind(); $connections->valid(); $connections->next()) {
                $seen[] = [$connections->key(), $connections->current()];
                iterator_to_array($connections);
            }
            show('methods', $seen);
            break;
        case 'close all':
            $closed = [];
            foreach ($server->connections as $fd) {
                $closed[] = [$fd, $server->close($fd)];
            }
            show('closed', $closed);
            break;
        default:
            $server->push($frame->fd, $frame->data);
    }
});
$server->on('close', fn (Server $server) => iterator_to_array($server->connections, false));
$server->start();
