--TEST--
Swoole\Constant: each name is one that on() or set() knows
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0);
$unknown = [];
set_error_handler(function (int $level, string $message) use (&$unknown) {
    if (str_contains($message, 'unknown')) {
        $unknown[] = $message;
    }
    return true;
});
// Anything else than these take is fatal for them.
$strict = ['package_eof' => "\n", 'package_length_type' => 'N'];
$counts = ['EVENT' => 0, 'OPTION' => 0];
foreach ((new ReflectionClass(Swoole\Constant::class))->getConstants() as $constant => $name) {
    [$kind] = explode('_', $constant);
    $counts[$kind]++;
    $kind === 'EVENT' ? $server->on($name, fn () => null) : $server->set([$name => $strict[$name] ?? true]);
}
var_dump($counts['EVENT'] > 20, $counts['OPTION'] > 100, $unknown);
var_dump(Swoole\Constant::EVENT_PIPE_MESSAGE, Swoole\Constant::OPTION_WORKER_NUM);
$server->set(['no_such_option' => 1]);
$server->on('noSuchEvent', fn () => null);
var_dump(count($unknown));
?>
--EXPECT--
bool(true)
bool(true)
array(0) {
}
string(11) "pipeMessage"
string(10) "worker_num"
int(2)
