--TEST--
Coroutine\Http\Client: a fresh one, its names, and what its constructor refuses
--FILE--
<?php
use Swoole\Coroutine\Http\Client;

function attempt(callable $call)
{
    try {
        var_dump($call());
    } catch (Throwable $error) {
        echo get_class($error), '(', $error->getCode(), '): ', $error->getMessage(), "\n";
    }
}

class Half extends Client
{
    public function __construct()
    {
    }
}

class Whole extends Client
{
    public $errCode = 7;
    public $more = 'mine';

    public function get($path)
    {
        return parent::get($path);
    }
}

var_dump(new Client('localhost', 9501));
foreach ([['example.com'], ['::1', 9501], ['[::1]', 1], ['unix:/tmp/a.sock'], ['unix:///tmp/a.sock', 5], ['127.0.0.1', 65535]] as $arguments) {
    attempt(fn () => (function ($client) { return "$client->host $client->port"; })(new Client(...$arguments)));
}
foreach ([['', 80], ['h', -1], ['h', 65536], ['unix:'], ['unix:' . str_repeat('x', 108)], [str_repeat('h', 256)], ["\xff"], ["a\0b"], ['h', 443, true]] as $arguments) {
    attempt(fn () => new Client(...$arguments));
}
attempt(fn () => new Client());
attempt(fn () => new Client([]));
attempt(fn () => (new Half())->setMethod('GET'));
attempt(fn () => (new Half())->get('/'));
attempt(fn () => (new Client('h'))->__construct('h'));
attempt(fn () => clone new Client('h'));
attempt(fn () => serialize(new Client('h')));
attempt(function () { $client = new Client('h'); unset($client->body); });
attempt(fn () => (new Whole('h'))->more);
attempt(fn () => [Co\Http\Client::class, (new Co\Http\Client('h'))::class, get_parent_class(Client\Exception::class)]);
?>
--EXPECT--
object(Swoole\Coroutine\Http\Client)#1 (19) {
  ["socket"]=>
  NULL
  ["errCode"]=>
  int(0)
  ["errMsg"]=>
  string(0) ""
  ["connected"]=>
  bool(false)
  ["host"]=>
  string(9) "localhost"
  ["port"]=>
  int(9501)
  ["ssl"]=>
  bool(false)
  ["setting"]=>
  NULL
  ["requestMethod"]=>
  NULL
  ["requestHeaders"]=>
  NULL
  ["requestBody"]=>
  NULL
  ["uploadFiles"]=>
  NULL
  ["downloadFile"]=>
  NULL
  ["downloadOffset"]=>
  int(0)
  ["statusCode"]=>
  int(0)
  ["headers"]=>
  NULL
  ["set_cookie_headers"]=>
  NULL
  ["cookies"]=>
  NULL
  ["body"]=>
  string(0) ""
}
string(14) "example.com 80"
string(8) "::1 9501"
string(7) "[::1] 1"
string(18) "unix:/tmp/a.sock 0"
string(20) "unix:///tmp/a.sock 0"
string(15) "127.0.0.1 65535"
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the host has 0 bytes, wanted 1 to 255
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the port is -1, wanted 1 to 65535, or 0 for 80
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the port is 65536, wanted 1 to 65535, or 0 for 80
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the path of the socket has 0 bytes, wanted 1 to 107
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the path of the socket has 108 bytes, wanted 1 to 107
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the host has 256 bytes, wanted 1 to 255
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the host is not UTF-8
Swoole\Coroutine\Http\Client\Exception(505): there is no such server: the host has a zero byte
Swoole\Coroutine\Http\Client\Exception(507): TLS is not available yet: the third argument must be false
ArgumentCountError(0): Swoole\Coroutine\Http\Client::__construct() expects at least 1 argument, 0 given
TypeError(0): Swoole\Coroutine\Http\Client::__construct(): Argument #1 ($host) must be of type string, array given
Error(0): the client has no server: its constructor was not called
Swoole\Error(10001): API must be called in the coroutine
Error(0): the client is constructed already
Error(0): Trying to clone an uncloneable object of class Swoole\Coroutine\Http\Client
Exception(0): Serialization of 'Swoole\Coroutine\Http\Client' is not allowed
Error(0): Property body of class Swoole\Coroutine\Http\Client cannot be unset
string(4) "mine"
array(3) {
  [0]=>
  string(14) "Co\Http\Client"
  [1]=>
  string(28) "Swoole\Coroutine\Http\Client"
  [2]=>
  string(16) "Swoole\Exception"
}
