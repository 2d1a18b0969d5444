<?php
// A server with a process of the script's own that does not end by SIGTERM; what happens is printed as lines of JSON.
//
//     children.php PORT '{"mode": "base" | "process", "coroutines": true | false, "user": name}'
//
// A request for /fork makes a child with pcntl_fork(), which ends with its copy of the answer.

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\Http\Server;
use Swoole\Process;

$config = json_decode($argv[2], true);
$server = new Server('127.0.0.1', (int) $argv[1], $config['mode'] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 1, 'task_worker_num' => 1, 'reactor_num' => 1, 'enable_coroutine' => $config['coroutines'],
    'task_enable_coroutine' => $config['coroutines'], 'max_wait_time' => 1]);
if (isset($config['user'])) {
    $server->set(['user' => $config['user']]);
}

function emit(string $event, array $more = []): void
{
    // One write: other processes write, too.
    echo json_encode(['event' => $event, 'pid' => getmypid()] + $more) . "\n";
}

function fork(): array
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        exit(3);
    }
    pcntl_waitpid($pid, $status);
    return [pcntl_wifexited($status), pcntl_wexitstatus($status)];
}

$server->on('workerStart', fn (Server $server, int $id) => emit('workerStart', ['id' => $id]));
$server->on('task', fn () => null);
$server->on('request', function (Request $request, Response $response) {
    $response->header('X-Asked', $request->server['request_uri']);
    $answer = match ($request->server['request_uri']) {
        '/fork' => fork(),
        '/' => null,
    };
    $response->end(json_encode($answer));
});
$server->addProcess(new Process(function () {
    pcntl_signal(SIGTERM, SIG_IGN);
    emit('process');
    while (true) {
        sleep(1);
    }
}, false, 0));
$server->start();
