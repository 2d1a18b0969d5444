--TEST--
What user code does inside our calls: exceptions, warnings that throw, exit
--FILE--
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
--EXPECTF--
RuntimeException: no
RuntimeException: no

Warning: Object of class Angry could not be converted to int in %s on line %d
string(6) "%s"
TypeError: Swoole\WebSocket\Frame::unpack(): Argument #1 ($data) must be of type string, array given
ArgumentCountError: Swoole\WebSocket\Frame::pack() expects at least 1 argument, 0 given
TypeError: Swoole\WebSocket\Frame::pack(): Argument #2 ($opcode) must be of type int, string given
TypeError: Swoole\WebSocket\Frame::pack(): Argument #3 ($flags) must be of type int, array given
ErrorException: Swoole\WebSocket\Server::push(): server is not running
ErrorException: Swoole\Server::set(): unknown option [nonsense]
ErrorException: Swoole\Server::on(): unknown event types[nonsense]
ErrorException: Swoole\WebSocket\Frame::pack(): opcode[77] is invalid: must be 0, 1, 2, 8, 9 or 10
leaving
shutdown function
