<?php
// Does with clients what lines of JSON on its standard input say, each in a coroutine of its own:
//
//     {"id": 1, "client": "a", "call": "get", "with": ["/"]}
//
// and prints how each ends: {"id": 1, "result": …, "code": errCode, …}. "new", "drop", "property", "cancel" and "memory" are
// verbs of its own.

use Swoole\Coroutine;
use Swoole\Coroutine\Http\Client;
use Swoole\Event;
use Swoole\WebSocket\CloseFrame;
use Swoole\WebSocket\Frame;

$clients = [];
$coroutines = [];

/** {"repeat": n} is a string of n bytes, {"base64": …} one of any bytes, {"frame": {…}} a Frame; else it is itself. */
function argument(mixed $given): mixed
{
    if (isset($given['repeat'])) {
        return str_repeat('x', $given['repeat']);
    }
    if (isset($given['base64'])) {
        return base64_decode($given['base64']);
    }
    if (isset($given['frame'])) {
        $frame = ($given['frame']['opcode'] ?? 1) === WEBSOCKET_OPCODE_CLOSE ? new CloseFrame() : new Frame();
        foreach ($given['frame'] as $name => $value) {
            $frame->$name = $value;
        }
        return $frame;
    }
    return $given;
}

function shown(mixed $value): mixed
{
    return $value instanceof Frame ? ['data' => base64_encode($value->data)] + get_object_vars($value) : $value;
}

function perform(array $order): mixed
{
    global $clients, $coroutines;
    ['client' => $name, 'call' => $call] = $order;
    $with = array_map('argument', $order['with'] ?? []);
    switch ($call) {
        case 'new':
            $clients[$name] = new Client(...$with);
            return null;
        case 'drop':
            unset($clients[$name]);
            return null;
        case 'property':
            return $clients[$name]->{$with[0]};
        case 'cancel':
            return Coroutine::cancel($coroutines[$with[0]]);
        case 'memory':
            gc_collect_cycles();
            return memory_get_usage();
        default:
            return $clients[$name]->$call(...$with);
    }
}

function handle(array $order): void
{
    global $clients, $coroutines;
    $coroutines[$order['id']] = Coroutine::getCid();
    $warnings = [];
    set_error_handler(function (int $level, string $text) use (&$warnings) {
        return (bool) ($warnings[] = $text);
    });
    try {
        $done = ['result' => shown(perform($order))];
    } catch (Throwable $thrown) {
        $done = ['result' => null, 'thrown' => $thrown::class, 'message' => $thrown->getMessage()];
    } finally {
        restore_error_handler();
    }
    unset($coroutines[$order['id']]);
    $client = $clients[$order['client']] ?? null;
    if ($client !== null) {
        $done += ['code' => $client->errCode, 'text' => $client->errMsg, 'status' => $client->statusCode];
        $done += ['connected' => $client->connected];
    }
    echo json_encode(['id' => $order['id']] + $done + ['warnings' => $warnings], JSON_THROW_ON_ERROR), "\n";
}

stream_set_blocking(STDIN, false);
$rest = '';
Event::add(STDIN, function () use (&$rest) {
    $read = fread(STDIN, 1 << 16);
    if ($read === '' || $read === false) {
        if (feof(STDIN)) {
            Event::del(STDIN);
        }
        return;
    }
    $lines = explode("\n", $rest . $read);
    $rest = array_pop($lines);
    foreach ($lines as $line) {
        Coroutine::create(handle(...), json_decode($line, true, flags: JSON_THROW_ON_ERROR));
    }
});
Event::wait();
