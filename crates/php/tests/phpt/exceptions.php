<?php
use Swoole\WebSocket\Frame;

class Angry
{
    public function __toString(): string
    {
        throw new RuntimeException('no');
    }
}

function attempt(callable $call)
{
    try {
        var_dump($call());
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

attempt(fn () => Frame::pack(new Angry()));
$frame = new Frame();
$frame->data = new Angry();
attempt(fn () => (string) $frame);
$frame->data = 'fine';
$frame->opcode = new Angry();
attempt(fn () => (string) $frame);
attempt(fn () => Frame::unpack([]));
attempt(fn () => Frame::pack());
attempt(fn () => Frame::pack('x', 'text'));
attempt(fn () => Frame::pack('x', 1, []));

$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
set_error_handler(function ($level, $message) {
    throw new ErrorException($message);
});
attempt(fn () => $server->push(1, 'x'));
attempt(fn () => $server->set(['nonsense' => 1]));
attempt(fn () => $server->on('nonsense', 'strlen'));
attempt(fn () => Frame::pack('x', 77));
restore_error_handler();
set_error_handler(function () {
    echo "leaving\n";
    exit(3);
});
register_shutdown_function(function () {
    echo "shutdown function\n";
});
$server->close(1);
echo "not reached\n";
?>
