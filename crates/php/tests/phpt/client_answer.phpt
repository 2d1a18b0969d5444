--TEST--
Coroutine\Http\Client: answers as scripts see them
--DESCRIPTION--
Also in workers.
--SKIPIF--
<?php
if (!function_exists('pcntl_fork')) {
    die('skip needs pcntl');
}
?>
--FILE--
<?php
use Swoole\Coroutine\Http\Client;

use function Swoole\Coroutine\run;

const LARGE = 100000;

/** What each path is answered with; what a path ends with that has no length ends with the connection. */
function answers(): array
{
    $gzip = gzencode('compressed');
    $bomb = gzencode(str_repeat('0', 10 << 20));
    $length = fn ($body) => 'Content-Length: ' . strlen($body) . "\r\n\r\n$body";
    return [
        '/headers' => "HTTP/1.1 200 OK\r\nX-One: 1\r\nx-one: 2\r\nX-Two:  spaces  \r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n",
        '/cookies' => "HTTP/1.1 200 OK\r\nSet-Cookie: token=a+b%3D%3d; Path=/; HttpOnly\r\nSet-Cookie: q=\"x y\"\r\nSet-Cookie: none\r\nSet-Cookie: 7=seven\r\nContent-Length: 0\r\n\r\n",
        '/chunked' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nTrailer: x\r\n\r\n",
        '/to-end' => "HTTP/1.1 200 OK\r\n\r\nas long as it is",
        '/http10' => "HTTP/1.0 404 Not Found\r\n\r\nold",
        '/gzip' => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" . $length($gzip),
        '/deflate' => "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n" . $length(gzdeflate('raw')),
        '/zlib' => "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n" . $length(gzcompress('wrapped')),
        '/bomb' => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" . $length($bomb),
        '/corrupt' => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" . $length('not gzip'),
        '/empty' => "HTTP/1.1 204 No Content\r\n\r\n",
        '/interim' => "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate",
        '/large' => "HTTP/1.1 200 OK\r\n" . $length(str_repeat('x', LARGE)),
        '/short' => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!",
        '/garbage' => "SSH-2.0-OpenSSH_9.2\r\n",
        '/switching' => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        '/head' => "HTTP/1.1 200 OK\r\nX: " . str_repeat('x', 70000) . "\r\n\r\n",
        '/more' => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        '/nothing' => '',
        '/last' => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast",
    ];
}

function serve($listener): never
{
    pcntl_alarm(getenv('USE_ZEND_ALLOC') === '0' ? 250 : 20);
    while ($socket = @stream_socket_accept($listener, 10)) {
        while (($head = stream_get_line($socket, 1 << 16, "\r\n\r\n")) !== false && $head !== '') {
            [, $path] = explode(' ', $head);
            preg_match('/^cookie: (.*)$/mi', $head, $cookies);
            if ($path === '/cookies-sent') {
                $body = trim($cookies[1] ?? 'none');
                fwrite($socket, "HTTP/1.1 200 OK\r\nContent-Length: " . strlen($body) . "\r\n\r\n$body");
                continue;
            }
            fwrite($socket, answers()[$path]);
            if ($path === '/last') {
                exit(0);
            }
            if (in_array($path, ['/to-end', '/http10', '/short', '/garbage', '/nothing', '/switching', '/head', '/more'], true)) {
                break;
            }
        }
        fclose($socket);
    }
    exit(1);
}

$listener = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) explode(':', stream_socket_get_name($listener, false))[1];
$child = pcntl_fork() ?: serve($listener);
fclose($listener);
$file = __DIR__ . '/client_answer.download.txt';

run(function () use ($port, $file) {
    $client = new Client('127.0.0.1', $port);
    $get = function ($path) use ($client) {
        $done = $client->get($path);
        $body = strlen($client->body) > 40 ? strlen($client->body) . ' bytes' : $client->body;
        echo "$path: ", json_encode([$done, $client->statusCode, $body, $client->errCode, $client->errMsg, $client->connected]), "\n";
    };
    $get('/headers');
    echo json_encode([$client->headers, $client->getHeaders() === $client->headers, $client->set_cookie_headers, $client->getCookies()]), "\n";
    $client->set(['lowercase_header' => false]);
    $get('/headers');
    echo json_encode($client->headers), "\n";
    $get('/cookies');
    echo json_encode([$client->set_cookie_headers, $client->cookies]), "\n";
    $get('/cookies-sent');
    $client->cookies['token'] = 'a b';
    $get('/cookies-sent');
    foreach (['/chunked', '/to-end', '/http10', '/gzip', '/deflate', '/zlib', '/empty', '/interim', '/large'] as $path) {
        $get($path);
    }
    $client->set(['body_decompression' => false]);
    $get('/deflate');
    $client->set(['body_decompression' => true]);

    echo "what is wrong\n";
    foreach (['/short', '/garbage', '/switching', '/head', '/more', '/nothing', '/corrupt'] as $path) {
        $get($path);
    }
    $client->set(['package_max_length' => 50000]);
    $get('/large');
    $get('/bomb');
    $get('/gzip');

    echo "to a file\n";
    $client->set(['package_max_length' => 1 << 20]);
    file_put_contents($file, 'what was there before');
    var_dump($client->download('/chunked', $file), $client->body, file_get_contents($file), $client->downloadFile);
    var_dump($client->download('/gzip', $file, 6), file_get_contents($file), $client->downloadOffset);
    var_dump(@$client->download('/gzip', '/no/such/folder/file'), $client->errCode, $client->statusCode);
    var_dump(@$client->download('/gzip', __DIR__), $client->errCode);
    $get('/gzip');

    echo "to a function\n";
    $pieces = [];
    $client->set(['write_func' => function ($of, $piece) use (&$pieces, $client) {
        $pieces[] = $of === $client ? $piece : 'of somebody else';
    }]);
    $get('/chunked');
    echo json_encode($pieces), "\n";
    $pieces = [];
    $get('/large');
    echo strlen(implode($pieces)), "\n";
    $client->set(['write_func' => fn () => throw new Exception('enough')]);
    try {
        $client->get('/chunked');
    } catch (Exception $error) {
        echo $error->getMessage(), ' ', json_encode($client->connected), "\n";
    }
    $client->set(['write_func' => fn ($client) => $client->get('/again')]);
    try {
        $client->get('/chunked');
    } catch (Swoole\Error $error) {
        echo $error->getMessage(), "\n";
    }
    $client->set(['write_func' => fn ($client) => $client->close()]);
    $get('/large');
    $client->set(['write_func' => null]);

    echo "later\n";
    var_dump($client->setDefer(), $client->get('/gzip'), $client->statusCode, $client->recv(), $client->body);
    var_dump($client->recv(), $client->errCode);
    var_dump($client->get('/gzip'), $client->get('/large'), $client->recv(5), strlen($client->body));
    var_dump($client->get('/short'), $client->recv(), $client->statusCode, $client->errCode);
    var_dump($client->recv(), $client->errCode);
    $client->setDefer(false);
    $get('/last');
});
pcntl_waitpid($child, $status);
var_dump(pcntl_wexitstatus($status));
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/client_answer.download.txt');
?>
--EXPECT--
/headers: [true,200,"",0,"",true]
[{"x-one":"1, 2","x-two":"spaces","set-cookie":"a=1","content-length":"0"},true,["a=1"],{"a":"1"}]
/headers: [true,200,"",0,"",true]
{"X-One":"1","x-one":"2","X-Two":"spaces","Set-Cookie":"a=1","Content-Length":"0"}
/cookies: [true,200,"",0,"",true]
[["token=a+b%3D%3d; Path=\/; HttpOnly","q=\"x y\"","none","7=seven"],{"a":"1","token":"a+b==","q":"\"x y\"","7":"seven"}]
/cookies-sent: [true,200,"a=1; token=a+b%3D%3d; q=\"x y\"; 7=seven",0,"",true]
/cookies-sent: [true,200,"a=1; token=a%20b; q=\"x y\"; 7=seven",0,"",true]
/chunked: [true,200,"hello, world",0,"",true]
/to-end: [true,200,"as long as it is",0,"",false]
/http10: [true,404,"old",0,"",false]
/gzip: [true,200,"compressed",0,"",true]
/deflate: [true,200,"raw",0,"",true]
/zlib: [true,200,"wrapped",0,"",true]
/empty: [true,204,"",0,"",true]
/interim: [true,200,"late",0,"",true]
/large: [true,200,"100000 bytes",0,"",true]
/deflate: [true,200,"+J,\u0007\u0000",0,"",true]
what is wrong
/short: [false,-3,"",104,"body cut short: must come to its end before the connection does",false]
/garbage: [false,-3,"",7102,"malformed status line: must be version, three digits from 100 on, and a reason, with one space between",false]
/switching: [false,-3,"",7102,"status 101: must be the answer to a request with an Upgrade header",false]
/head: [false,-3,"",1201,"head too large: must end within 65536 bytes",false]
/more: [true,200,"ok",0,"",false]
/nothing: [false,-3,"",104,"Connection reset by peer",false]
/corrupt: [false,-3,"",7102,"malformed body: must be in the Gzip coding that Content-Encoding names, to its end",false]
/large: [false,-3,"",1201,"body too large: must be at most 50000 bytes",false]
/bomb: [false,-3,"",1201,"body too large: must be at most 50000 bytes",false]
/gzip: [true,200,"compressed",0,"",true]
to a file
bool(true)
string(0) ""
string(12) "hello, world"
NULL
bool(true)
string(16) "hello,compressed"
int(0)
bool(false)
int(2)
int(-4)
bool(false)
int(21)
/gzip: [true,200,"compressed",0,"",true]
to a function
/chunked: [true,200,"",0,"",true]
["hello",", world"]
/large: [true,200,"",0,"",true]
100000
enough false
the client has already been bound to another coroutine
/large: [false,-3,"",5001,"client no connection",false]
later
bool(true)
bool(true)
int(0)
bool(true)
string(10) "compressed"
bool(false)
int(509)
bool(true)
bool(true)
bool(true)
int(100000)
bool(true)
bool(false)
int(-3)
int(104)
bool(false)
int(5001)
/last: [true,200,"last",0,"",false]
int(0)
