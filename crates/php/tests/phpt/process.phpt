--TEST--
Processes: started, written to and read from, their ends, and what is refused
--FILE--
<?php
use Swoole\Process;

function warn(callable $call): void
{
    set_error_handler(fn (int $level, string $text) => print "warning: $text\n");
    var_dump($call());
    restore_error_handler();
}

echo "both ways\n";
$process = new Process(function (Process $process) {
    while (($text = $process->read()) !== 'end') {
        $process->write(strrev($text));
    }
    $process->write((string) ($process->pid === getmypid()));
    $process->exit(3);
});
var_dump($process->pid, is_int($process->pipe));
$pid = $process->start();
var_dump($pid === $process->pid, $pid !== getmypid());
foreach (['one', "two\0\xff", str_repeat('long', 500)] as $text) {
    var_dump($process->write($text) === strlen($text), $process->read() === strrev($text));
}
$process->write('end');
var_dump($process->read(), Process::wait() === ['pid' => $pid, 'code' => 3, 'signal' => 0], Process::wait());
warn(fn () => $process->start());

echo "ends\n";
foreach ([
    'returns' => fn () => null,
    'exits' => fn () => exit(7),
    'exit()' => fn (Process $process) => $process->exit(255),
    'is killed' => fn () => Process::kill(getmypid(), SIGKILL),
    'code too large' => fn (Process $process) => exit((int) @$process->exit(256) + 9),
] as $how => $callback) {
    $pid = (new Process($callback, false, 0))->start();
    $ended = Process::wait();
    echo "$how: ", $ended['pid'] === $pid ? '' : 'another one, ', "code $ended[code], signal $ended[signal]\n";
}

echo "a stream, read in pieces, until it has ended\n";
$process = new Process(function (Process $process) {
    $process->write(str_repeat('x', 100000));
}, false, 1);
$process->start();
for ($read = ''; ($piece = $process->read(4096)) !== ''; $read .= $piece);
var_dump(strlen($read), Process::wait()['code']);

echo "redirected\n";
$process = new Process(function () {
    echo 'printed ', fgets(STDIN);
}, true);
$process->start();
$process->write("line\n");
for ($read = ''; ($piece = $process->read()) !== ''; $read .= $piece);
var_dump($read);
Process::wait();

echo "executed\n";
$process = new Process(function (Process $process) {
    $process->exec('/bin/sh', ['-c', 'read line; echo "shell: $line $1"; exit 5', 'sh', 'argument']);
}, true);
$process->start();
$process->write("hello\n");
var_dump($process->read(), Process::wait()['code']);
$process = new Process(function (Process $process) {
    warn(fn () => $process->exec('/no/such/file', []));
}, false, 0);
$process->start();
Process::wait();

echo "no pipe\n";
$process = new Process(fn () => null, false, 0);
var_dump($process->pipe);
foreach ([fn () => $process->read(), fn () => $process->write('x'), fn () => $process->close()] as $call) {
    warn($call);
}

echo "closed\n";
$process = new Process(fn () => null);
warn(fn () => $process->write(''));
warn(fn () => $process->read(0));
var_dump($process->setTimeout(0.01), $process->read(), $process->setBlocking(false), $process->read());
var_dump($process->close(Process::PIPE_MASTER), $process->close(Process::PIPE_WORKER));
warn(fn () => $process->close());

echo "not there\n";
var_dump(Process::kill(getmypid(), 0), Process::kill(2 ** 31 - 1, 0));
warn(fn () => Process::kill(2 ** 31 - 1));
warn(fn () => Process::kill(2 ** 40));
warn(fn () => $process->exit());
warn(fn () => $process->exec('/bin/true', []));

echo "constructor\n";
foreach ([['no_such_function'], [fn () => null, false, 3], [fn () => null, false, -1]] as $arguments) {
    try {
        new Process(...$arguments);
    } catch (Throwable $thrown) {
        echo $thrown::class, ': ', $thrown->getMessage(), "\n";
    }
}
try {
    serialize($process);
} catch (Throwable $thrown) {
    echo $thrown->getMessage(), "\n";
}
?>
--EXPECT--
both ways
NULL
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
string(1) "1"
bool(true)
bool(false)
warning: Swoole\Process::start(): the process has been started already
bool(false)
ends
returns: code 0, signal 0
exits: code 7, signal 0
exit(): code 255, signal 0
is killed: code 0, signal 9
code too large: code 9, signal 0
a stream, read in pieces, until it has ended
int(100000)
int(0)
redirected
string(13) "printed line
"
executed
string(22) "shell: hello argument
"
int(5)
warning: Swoole\Process::exec(): /no/such/file cannot be executed: No such file or directory (os error 2)
bool(false)
no pipe
NULL
warning: Swoole\Process::read(): no pipe was created, or it is closed
bool(false)
warning: Swoole\Process::write(): no pipe was created, or it is closed
bool(false)
warning: Swoole\Process::close(): the pipe is closed already, or there was none
bool(false)
closed
warning: Swoole\Process::write(): the data to send is empty
bool(false)
warning: Swoole\Process::read(): 0 bytes cannot be read: wanted 1 to 67108864
bool(false)
bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(true)
warning: Swoole\Process::close(): the pipe is closed already, or there was none
bool(false)
not there
bool(true)
bool(false)
warning: Swoole\Process::kill(): kill(2147483647, 15): No such process (os error 3)
bool(false)
warning: Swoole\Process::kill(): kill(1099511627776, 15): there is no such process or signal
bool(false)
warning: Swoole\Process::exit(): a process ends by itself: exit() is for its own callback, kill() for others
bool(false)
warning: Swoole\Process::exec(): exec() replaces the process itself: it is for its own callback
bool(false)
constructor
TypeError: Swoole\Process::__construct(): Argument #1 ($callback) must be a valid callback, function "no_such_function" not found or invalid function name
Swoole\Error: pipe type[3] is not available: wanted 0 for none, 1 (SOCK_STREAM) or 2 (SOCK_DGRAM)
Swoole\Error: pipe type[-1] is not available: wanted 0 for none, 1 (SOCK_STREAM) or 2 (SOCK_DGRAM)
Serialization of 'Swoole\Process' is not allowed
