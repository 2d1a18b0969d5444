<?php
// A WebSocket server with more ports. Prints every event as a line of JSON, and calls what a WebSocket tells it to call.
//
//     ports.php PORT '{"mode": "base" | "process", "set": {option: value, …}, "ports": [{"host": …, "port": …,
//         "type": …, "set": {option: value, …} | null, "on": [event, …]}, …]}'

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2], true);
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set($config['set'] ?? ['worker_num' => 2, 'reactor_num' => 2]);

function emit(string $event, array $more = []): void
{
    global $server;
    echo json_encode(['event' => $event, 'worker' => $server->worker_id] + $more) . "\n";
}

function call(Server $server, string $what, array $with): mixed
{
    return match ($what) {
        'fds' => iterator_to_array($server->ports[$with[0]]->connections, false),
        'count' => count($server->ports[$with[0]]->connections),
        'isset' => isset($server->ports[$with[0]]->connections[$with[1]]),
        'late' => [$server->ports[1]->on('close', fn () => 0), $server->ports[1]->set(['backlog' => 1]),
            $server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP), count($server->ports)],
        'port' => array_diff_key(get_object_vars($server->ports[$with[0]]), ['connections' => 0]),
        default => $server->$what(...$with),
    };
}

function observe(Server $server, array $wish): array
{
    $warnings = [];
    set_error_handler(function (int $level, string $text) use (&$warnings) {
        return (bool) ($warnings[] = $text);
    });
    try {
        $result = call($server, $wish['do'], $wish['with']);
    } finally {
        restore_error_handler();
    }
    return ['result' => $result, 'worker' => $server->worker_id, 'error' => $server->getLastError(), 'warnings' => $warnings];
}

/** The callbacks of one port; `$name` is what they say they belong to. */
function callbacks(string $name): array
{
    return [
        'connect' => fn ($server, $fd, $reactor) => emit('connect', ['of' => $name, 'fd' => $fd,
            'server_port' => $server->getClientInfo($fd)['server_port']]),
        'receive' => function ($server, $fd, $reactor = 0, $data = '') use ($name) {
            [$fd, $data] = is_object($fd) ? [$fd->fd, get_class($fd) . $fd->data] : [$fd, $data];
            emit('receive', ['of' => $name, 'fd' => $fd, 'bytes' => strlen($data)]);
            $server->send($fd, "$name:" . (strlen($data) > 100 ? md5($data) : $data) . ';');
        },
        'packet' => function ($server, $data, $client = null) use ($name) {
            if (is_object($data)) {
                $client = ['class' => get_class($data)] + get_object_vars($data);
                $data = $client['data'];
            }
            emit('packet', ['of' => $name, 'data' => $data, 'client' => $client]);
            $server->sendto($client['address'], $client['port'], "$name:$data", $client['server_socket']);
        },
        'close' => fn ($server, $fd, $reactor) => emit('close', ['of' => $name, 'fd' => $fd,
            'server_port' => $server->getClientInfo($fd)['server_port']]),
        'open' => function (Server $server, Request $request) use ($name) {
            emit('open', ['of' => $name, 'fd' => $request->fd]);
            $server->push($request->fd, json_encode(['of' => $name, 'fd' => $request->fd,
                'server_port' => $request->server['server_port']]));
        },
        'message' => fn (Server $server, Frame $frame) => $server->push($frame->fd, $frame->data[0] === '{'
            ? json_encode(observe($server, json_decode($frame->data, true)))
            : "$name:$frame->data"),
        'request' => fn (Request $request, Response $response) => $response->end(json_encode(['of' => $name,
            'fd' => $request->fd, 'server_port' => $request->server['server_port']])),
    ];
}

foreach (array_intersect_key(callbacks('primary'), array_flip($config['on'] ?? array_keys(callbacks('')))) as $event => $callback) {
    $server->on($event, $callback);
}
foreach ($config['ports'] as $index => $plan) {
    $port = $server->listen($plan['host'] ?? '127.0.0.1', $plan['port'], $plan['type'] ?? SWOOLE_SOCK_TCP);
    if (isset($plan['set'])) {
        $port->set($plan['set']);
    }
    foreach ($plan['on'] ?? [] as $event) {
        $port->on($event, callbacks('port' . $index + 1)[$event]);
    }
}
$server->on('workerStart', fn () => emit('ready'));
$server->start();
