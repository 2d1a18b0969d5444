--TEST--
Coroutine\Http\Client: what waits needs a coroutine, and a client without a connection says so
--FILE--
<?php
use Swoole\Coroutine\Http\Client;

use function Swoole\Coroutine\run;

const WAITING = [['get', '/'], ['post', '/', 'x'], ['execute', '/'], ['download', '/', '/nowhere'], ['upgrade', '/'], ['push', 'x'], ['recv'], ['ping'], ['disconnect']];

$client = new Client('127.0.0.1', 1);
foreach (WAITING as $call) {
    try {
        $client->{$call[0]}(...array_slice($call, 1));
    } catch (Swoole\Error $error) {
        echo "$call[0]: ", $error->getMessage(), ' ', $error->getCode(), ' ', swoole_last_error(), "\n";
    }
}
echo "these do not wait\n";
var_dump($client->close(), $client->errCode, $client->errMsg);
var_dump($client->getsockname(), $client->getpeername(), $client->getHeaderOut(), $client->getPeerCert());
var_dump($client->getBody(), $client->getHeaders(), $client->getCookies(), $client->getStatusCode(), $client->getDefer());
var_dump($client->setMethod('PUT'), $client->setHeaders(['a' => 'b']), $client->setCookies(['c' => 'd']));
var_dump($client->setData('e'), $client->setBasicAuth('f', 'g'), $client->setDefer(), $client->getDefer());
var_dump($client->requestMethod, $client->requestHeaders, $client->cookies, $client->requestBody);
echo "no connection\n";
run(function () {
    $client = new Client('127.0.0.1', 1);
    var_dump($client->recv(), $client->errCode, $client->errMsg);
    foreach ([['push', 'x'], ['ping'], ['disconnect']] as $call) {
        var_dump(@$client->{$call[0]}(...array_slice($call, 1)), $client->errCode);
        echo error_get_last()['message'], "\n";
    }
    foreach (['get', 'push', 'addFile'] as $method) {
        try {
            $client->$method();
        } catch (ArgumentCountError $error) {
            echo $error->getMessage(), "\n";
        }
    }
});
?>
--EXPECT--
get: API must be called in the coroutine 10001 10001
post: API must be called in the coroutine 10001 10001
execute: API must be called in the coroutine 10001 10001
download: API must be called in the coroutine 10001 10001
upgrade: API must be called in the coroutine 10001 10001
push: API must be called in the coroutine 10001 10001
recv: API must be called in the coroutine 10001 10001
ping: API must be called in the coroutine 10001 10001
disconnect: API must be called in the coroutine 10001 10001
these do not wait
bool(false)
int(5001)
string(20) "client no connection"
bool(false)
bool(false)
bool(false)
bool(false)
string(0) ""
NULL
NULL
int(0)
bool(false)
bool(true)
bool(true)
bool(true)
bool(true)
NULL
bool(true)
bool(true)
string(3) "PUT"
array(1) {
  ["a"]=>
  string(1) "b"
}
array(1) {
  ["c"]=>
  string(1) "d"
}
string(1) "e"
no connection
bool(false)
int(5001)
string(20) "client no connection"
bool(false)
int(8504)
Swoole\Coroutine\Http\Client::push(): websocket handshake failed, cannot push data
bool(false)
int(8504)
Swoole\Coroutine\Http\Client::ping(): websocket handshake failed, cannot send a ping
bool(false)
int(8504)
Swoole\Coroutine\Http\Client::disconnect(): websocket handshake failed, cannot disconnect
Swoole\Coroutine\Http\Client::get() expects exactly 1 argument, 0 given
Swoole\Coroutine\Http\Client::push() expects at least 1 argument, 0 given
Swoole\Coroutine\Http\Client::addFile() expects at least 2 arguments, 0 given
