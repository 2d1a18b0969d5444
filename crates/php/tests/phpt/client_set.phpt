--TEST--
Coroutine\Http\Client: set() merges, and names what it cannot set
--FILE--
<?php
use Swoole\Coroutine\Http\Client;

set_error_handler(function ($level, $text) {
    echo "$level $text\n";
    return true;
});

$client = new Client('127.0.0.1', 1);
var_dump($client->set([]));
var_dump($client->setting);
var_dump($client->set(['timeout' => 1.5, 'keep_alive' => false]), $client->set(['timeout' => -1, 'mine' => 1]));
echo json_encode($client->setting), "\n";
echo "all that there is\n";
var_dump($client->set([
    'timeout' => '3', 'connect_timeout' => 0, 'read_timeout' => 1, 'write_timeout' => 1.0, 'keep_alive' => true,
    'websocket_mask' => false, 'websocket_compression' => true, 'open_websocket_close_frame' => 1,
    'open_websocket_ping_frame' => false, 'open_websocket_pong_frame' => null, 'http_compression' => false,
    'body_decompression' => true, 'lowercase_header' => true, 'max_retries' => 3, 'package_max_length' => 1 << 20,
    'socket_buffer_size' => 1 << 16, 'bind_address' => '::1', 'bind_port' => 0, 'open_tcp_nodelay' => true,
    'defer' => true, 'write_func' => 'strlen',
]));
var_dump($client->getDefer());
echo "not that\n";
$client->set([
    'max_retries' => -1, 'package_max_length' => 0, 'socket_buffer_size' => 1 << 31, 'bind_address' => 'localhost',
    'bind_port' => 65536, 'write_func' => 'no such function',
]);
foreach ([['level' => 10], ['server_max_window_bits' => 8], ['client_max_window_bits' => 16], ['threshold' => -1], ['nonsense' => 1], [1]] as $wrong) {
    $client->set(['websocket_compression' => $wrong]);
}
$client->set(['websocket_compression' => ['server_context_takeover' => true, 'client_context_takeover' => true, 'level' => 9, 'threshold' => 100, 'client_max_window_bits' => 10, 'server_max_window_bits' => 12]]);
echo "not yet\n";
$client->set(['socks5_host' => 'a', 'socks5_port' => 1, 'http_proxy_host' => 'b', 'ssl_verify_peer' => true]);
try {
    $client->set('all');
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}
restore_error_handler();
set_error_handler(fn ($level, $text) => throw new Exception($text));
try {
    $client->set(['nonsense' => 1]);
} catch (Exception $error) {
    echo 'thrown: ', $error->getMessage(), "\n";
}
?>
--EXPECT--
bool(false)
NULL
512 Swoole\Coroutine\Http\Client::set(): unknown option [mine]
bool(true)
bool(true)
{"timeout":-1,"keep_alive":false,"mine":1}
all that there is
bool(true)
bool(true)
not that
512 Swoole\Coroutine\Http\Client::set(): option [max_retries] cannot be that: wanted a number from 0 on
512 Swoole\Coroutine\Http\Client::set(): option [package_max_length] cannot be that: wanted a number of bytes from 1 on
512 Swoole\Coroutine\Http\Client::set(): option [socket_buffer_size] cannot be that: wanted a number of bytes from 1 to 2147483647
512 Swoole\Coroutine\Http\Client::set(): option [bind_address] cannot be that: wanted an IPv4 or IPv6 address
512 Swoole\Coroutine\Http\Client::set(): option [bind_port] cannot be that: wanted 0 to 65535
512 Swoole\Coroutine\Http\Client::set(): option [write_func] cannot be that: wanted something that can be called
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted 1 to 9 for level
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted 9 to 15 for server_max_window_bits
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted 9 to 15 for client_max_window_bits
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted a number of bytes for threshold
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted true, false, or an array of server_context_takeover, client_context_takeover, server_max_window_bits, client_max_window_bits, level, threshold
512 Swoole\Coroutine\Http\Client::set(): option [websocket_compression] cannot be that: wanted names and values, of these names none
not yet
512 Swoole\Coroutine\Http\Client::set(): option [socks5_host] is not available yet and has no effect
512 Swoole\Coroutine\Http\Client::set(): option [socks5_port] is not available yet and has no effect
512 Swoole\Coroutine\Http\Client::set(): option [http_proxy_host] is not available yet and has no effect
512 Swoole\Coroutine\Http\Client::set(): option [ssl_verify_peer] is not available yet and has no effect
Swoole\Coroutine\Http\Client::set(): Argument #1 ($settings) must be of type array, string given
thrown: Swoole\Coroutine\Http\Client::set(): unknown option [nonsense]
