<?php
// A server whose workers write numbered lines to the log, and do what messages say; each says how many at its end.
//
//     service.php PORT '{"mode": "base"|"process", "set": {option: value, …}, "lines": lines each millisecond, "before": text}'

use Swoole\Timer;
use Swoole\WebSocket\Server;

$config = json_decode($argv[2] ?? '{}', true);
$server = new Server('127.0.0.1', (int) $argv[1], ($config['mode'] ?? 'process') === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(($config['set'] ?? []) + ['worker_num' => 2]);
$wrote = 0;
if (isset($config['before'])) {
    swoole_error_log(SWOOLE_LOG_WARNING, $config['before']);
}

function emit(string $event, array $more = []): void
{
    echo json_encode(['event' => $event, 'pid' => getmypid()] + $more) . "\n";
}

$server->on('workerStart', function (Server $server) use ($config, &$wrote) {
    if ($config['lines'] ?? 0) {
        Timer::tick(1, function () use ($server, $config, &$wrote) {
            for ($i = 0; $i < $config['lines']; $i++) {
                swoole_error_log(SWOOLE_LOG_NOTICE, 'line ' . $wrote++ . str_repeat('.', 100));
            }
        });
    }
    emit('workerStart', ['id' => $server->worker_id]);
});

$server->on('workerExit', fn () => Timer::clearAll());

$server->on('workerStop', function () use (&$wrote) {
    emit('wrote', ['lines' => $wrote]);
});

$server->on('message', function (Server $server, $frame) {
    [$do, $with] = json_decode($frame->data, true);
    $result = match ($do) {
        'log' => swoole_error_log(...$with),
        'echo' => print($with . "\n"),
        'level' => error_reporting(),
        'who' => [posix_getuid(), posix_getgid(), posix_getgroups(), getcwd(), is_dir('/proc')],
        'read' => @file_get_contents($with),
        'title' => swoole_set_process_name($with),
        'pid' => $server->master_pid,
    };
    $server->push($frame->fd, json_encode(['result' => $result, 'pid' => getmypid(), 'fd' => $frame->fd]));
});

$server->start();
emit('ended');
