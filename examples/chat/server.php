<?php
// A chat room: one page, and the WebSocket behind it, on the same port.
//
//     php -d extension=build/wirewool.so examples/chat/server.php [PORT]
declare(strict_types=1);

use Swoole\Http\Request;
use Swoole\Http\Response;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

/** Who is in the room and what was said in it. */
final class Room
{
    private const NAME_CHARS_MAX = 24;
    private const TEXT_CHARS_MAX = 1000;
    private const HISTORY_MAX = 50;

    /** @var array<int, string> everyone who joined: connection => name */
    private array $names = [];
    /** @var list<array<string, mixed>> the last messages to all */
    private array $history = [];

    public function __construct(private readonly Server $server)
    {
    }

    public function receive(Frame $frame): void
    {
        $message = $frame->opcode === WEBSOCKET_OPCODE_TEXT ? json_decode($frame->data, true, 4) : null;
        $type = is_array($message) ? $message['type'] ?? null : null;
        match (true) {
            $type === 'join' && is_string($message['name'] ?? null) => $this->join($frame->fd, $message['name']),
            $type === 'say' && is_string($message['text'] ?? null) => $this->say($frame->fd, $message['text']),
            default => $this->refuse($frame->fd, 'That is not a message this room understands.'),
        };
    }

    public function leave(int $fd): void
    {
        $name = $this->names[$fd] ?? null;
        unset($this->names[$fd]);
        if ($name !== null) {
            $this->tellAll(['type' => 'left', 'name' => $name, 'online' => array_values($this->names)]);
        }
    }

    private function join(int $fd, string $wish): void
    {
        $name = trim(preg_replace('/\s+/u', ' ', $wish));
        $taken = array_filter($this->names, fn ($other) => strcasecmp($name, $other) === 0);
        if (isset($this->names[$fd])) {
            $this->refuse($fd, 'You have already joined.');
        } elseif (preg_match('/^\P{C}{1,' . self::NAME_CHARS_MAX . '}$/u', $name) !== 1) {
            $this->refuse($fd, 'A name has 1 to ' . self::NAME_CHARS_MAX . ' printable characters.');
        } elseif ($taken) {
            $this->refuse($fd, "“{$name}” is already here. Choose another name.");
        } else {
            $this->tell([$fd], ['type' => 'welcome', 'name' => $name, 'history' => $this->history]);
            $this->names[$fd] = $name;
            $this->tellAll(['type' => 'joined', 'name' => $name, 'online' => array_values($this->names)]);
        }
    }

    private function say(int $fd, string $words): void
    {
        $text = trim($words);
        if (!isset($this->names[$fd])) {
            $this->refuse($fd, 'Join with a name first.');
        } elseif (preg_match('/^.{1,' . self::TEXT_CHARS_MAX . '}$/us', $text) !== 1) {
            $this->refuse($fd, 'A message has 1 to ' . self::TEXT_CHARS_MAX . ' characters.');
        } else {
            $time = (int) (microtime(true) * 1000);
            $message = ['type' => 'message', 'name' => $this->names[$fd], 'text' => $text, 'time' => $time];
            $this->history = array_slice([...$this->history, $message], -self::HISTORY_MAX);
            $this->tellAll($message);
        }
    }

    private function refuse(int $fd, string $why): void
    {
        $this->tell([$fd], ['type' => 'error', 'text' => $why]);
    }

    private function tellAll(array $message): void
    {
        $this->tell(array_keys($this->names), $message);
    }

    /** @param list<int> $fds */
    private function tell(array $fds, array $message): void
    {
        $json = json_encode($message, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
        foreach ($fds as $fd) {
            $this->server->push($fd, $json);
        }
    }
}

$port = (int) ($argv[1] ?? 9501);
$page = file_get_contents(__DIR__ . '/page.html');

// One worker: the room lives in its memory, and a push does not yet reach another worker's connections.
$server = new Server('127.0.0.1', $port, SWOOLE_BASE);
$server->set(['worker_num' => 1]);
$room = new Room($server);

$server->on('request', function (Request $request, Response $response) use ($page) {
    $found = $request->server['request_uri'] === '/';
    $response->status($found ? 200 : 404);
    $response->header('Content-Type', $found ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8');
    $response->header('Content-Security-Policy', "default-src 'none'; connect-src 'self'; img-src data:;"
        . " script-src 'unsafe-inline'; style-src 'unsafe-inline'");
    $response->end($found ? $page : "Not found\n");
});
$server->on('message', fn (Server $server, Frame $frame) => $room->receive($frame));
$server->on('close', fn (Server $server, int $fd) => $room->leave($fd));

echo "http://127.0.0.1:{$port}/\n";
$server->start();
