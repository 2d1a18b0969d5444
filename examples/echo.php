<?php
// Sends every text and binary message back unchanged, up to 64 MiB: what tests and benchmarks talk to.
declare(strict_types=1);

use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

const MESSAGE_BYTES_MAX = 64 << 20;
const FRAME_HEADER_BYTES_MAX = 14;
const SEND_QUEUE_BYTES_MAX = 256 << 20;

function refuse(string $message, int $code): never
{
    fwrite(STDERR, $message . "\n");
    exit($code);
}

function number(string $text, int $least, int $most): ?int
{
    $options = ['min_range' => $least, 'max_range' => $most];
    return filter_var($text, FILTER_VALIDATE_INT, ['options' => $options, 'flags' => FILTER_NULL_ON_FAILURE]);
}

$port = number($argv[1] ?? '', 1, 65535);
$mode = ['base' => SWOOLE_BASE, 'process' => SWOOLE_PROCESS][$argv[2] ?? ''] ?? null;
$workers = number($argv[3] ?? '', 1, 1000);
$deflate = ($argv[4] ?? '') === 'deflate';
if ($port === null || $mode === null || $workers === null || $argc !== ($deflate ? 5 : 4)) {
    refuse("usage: php -d extension=build/wirewool.so {$argv[0]} PORT base|process WORKERS [deflate]", 2);
}
ini_set('memory_limit', '1G');

$server = new Server('127.0.0.1', $port, $mode);
$server->set([
    'worker_num' => $workers,
    'reactor_num' => min($workers, 64),
    'package_max_length' => MESSAGE_BYTES_MAX,
    'output_buffer_size' => MESSAGE_BYTES_MAX + FRAME_HEADER_BYTES_MAX,
    'socket_buffer_size' => SEND_QUEUE_BYTES_MAX,
] + ($deflate ? ['websocket_compression' => true] : []));

$flags = SWOOLE_WEBSOCKET_FLAG_FIN | ($deflate ? SWOOLE_WEBSOCKET_FLAG_COMPRESS : 0);
$server->on('message', function (Server $server, Frame $frame) use ($flags) {
    $server->push($frame->fd, $frame->data, $frame->opcode, $flags);
});
$server->start();
