--TEST--
Coroutine\Http\Client: requests as they go out
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

/** Answers each request with itself, until nobody is connected any more. */
function echo_requests($listener): never
{
    pcntl_alarm(20);
    while ($socket = @stream_socket_accept($listener, 10)) {
        $number = $number ?? 0;
        $number++;
        while (($head = stream_get_line($socket, 1 << 16, "\r\n\r\n")) !== false && $head !== '') {
            preg_match('/^content-length: (\d+)/mi', $head, $length);
            $body = '';
            while (strlen($body) < ($length[1] ?? 0)) {
                $body .= fread($socket, $length[1] - strlen($body));
            }
            $text = "connection $number\n" . str_replace("\r", '', $head) . "\n\n$body";
            fwrite($socket, "HTTP/1.1 200 OK\r\nContent-Length: " . strlen($text) . "\r\n\r\n" . (str_starts_with($head, 'HEAD') ? '' : $text));
            if (str_contains($head, ' /last ')) {
                exit(0);
            }
        }
        fclose($socket);
    }
    exit(1);
}

$listener = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) explode(':', stream_socket_get_name($listener, false))[1];
$child = pcntl_fork() ?: echo_requests($listener);
fclose($listener);

$file = __DIR__ . '/client_request.upload.txt';
file_put_contents($file, '0123456789');

run(function () use ($port, $file) {
    $client = new Client('127.0.0.1', $port);
    $shown = function ($done) use ($client, $port) {
        $body = preg_replace('/(--)?wirewool-[0-9a-f]{32}(--)?/', 'BOUNDARY', str_replace((string) $port, 'PORT', $client->body));
        echo $done ? $body : "$client->statusCode $client->errCode $client->errMsg", "\n----\n";
    };
    $shown($client->get('/plain?a=b'));
    $shown($client->get(''));
    $shown($client->get('relative'));
    $shown($client->post('/text', 'some text'));
    $shown($client->post('/form', ['a' => 1, 'b c' => 'd&e', 'list' => [1, 'x' => ['y' => true]], 'no' => false, 'null' => null, 'f' => 1.5]));
    $client->setHeaders(['X-One' => 'two', 'Content-Type' => 'application/json', 'X-List' => ['a', 'b'], 'X-Null' => null]);
    $client->setData('{"a":1}');
    $shown($client->execute('/json'));
    $shown(@$client->execute('/spaces are refused'));
    $shown($client->execute('/headers-stay'));
    $client->setHeaders([]);
    $client->setMethod('DELETE');
    $shown($client->execute('/method'));
    $shown($client->execute('/method-is-forgotten'));
    $client->setCookies(['a' => 'b c', 'd' => 'ü;=', 'plain' => 'x-y_z.1~']);
    $client->setBasicAuth('user', 'pass:word');
    $shown($client->get('/cookies'));
    $client->setCookies([]);
    $client->setHeaders(['Authorization' => 'mine']);
    $shown($client->get('/auth'));
    $client->setHeaders([]);
    $client->addFile($file, 'one');
    $client->addFile($file, 'two', 'text/plain', 'other "name".txt', 2, 3);
    $client->addData('in memory', 'three', 'text/html', 'memory.html');
    $client->addData('bare', 'four');
    $shown($client->post('/upload', ['field' => 'value']));
    $shown($client->post('/no-upload', ''));
    $shown($client->getHeaderOut() && strlen($client->getHeaderOut()) === strpos($client->getHeaderOut(), "\r\n\r\n") + 4);
    $client->setMethod('HEAD');
    var_dump($client->execute('/head'), $client->body, $client->statusCode);

    echo "what cannot be sent\n";
    foreach ([['X' => "a\r\nY: b"], ["X\r\nY" => 'b'], ['Content-Length' => '5'], ['Host' => 'a b']] as $headers) {
        $client->setHeaders($headers);
        $shown(@$client->get('/'));
        echo error_get_last()['message'], "\n";
    }
    $client->setHeaders([]);
    $shown(@$client->get("/a\r\nX: y"));
    $client->setCookies(["a\nb" => 'c']);
    $shown(@$client->get('/'));
    $client->setCookies([]);
    $deep = ['deep'];
    for ($depth = 0; $depth < 20; $depth++) {
        $deep = [$deep];
    }
    $shown(@$client->post('/', $deep));
    foreach ([['/no/such/file', 'a'], [__DIR__, 'a'], [$file, 'a', '', '', 5, 6], [$file, 'a', '', '', -1]] as $upload) {
        var_dump(@$client->addFile(...$upload));
        echo str_replace(__DIR__, 'DIR', error_get_last()['message']), ' ', $client->errCode, "\n";
    }
    $client->addFile($file, 'gone');
    unlink($file);
    var_dump(@$client->post('/', []));
    echo str_replace(__DIR__, 'DIR', error_get_last()['message']), "\n";
    var_dump($client->uploadFiles);
    try {
        $client->setHeaders(['X' => new class { public function __toString(): string { throw new Exception('no text'); } }]);
        $client->get('/');
    } catch (Exception $error) {
        echo $error->getMessage(), "\n";
    }
    $client->setHeaders([]);
    $client->set(['keep_alive' => false, 'http_compression' => false]);
    $shown($client->get('/last'));
    var_dump($client->connected);
});
pcntl_waitpid($child, $status);
var_dump(pcntl_wexitstatus($status));
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/client_request.upload.txt');
?>
--EXPECT--
connection 1
GET /plain?a=b HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
GET / HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
GET /relative HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
POST /text HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Content-Length: 9

some text
----
connection 1
POST /form HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Content-Type: application/x-www-form-urlencoded
Content-Length: 59

a=1&b+c=d%26e&list%5B0%5D=1&list%5Bx%5D%5By%5D=1&no=0&f=1.5
----
connection 1
POST /json HTTP/1.1
Host: 127.0.0.1:PORT
X-One: two
Content-Type: application/json
X-List: a
X-List: b
Connection: keep-alive
Accept-Encoding: gzip, deflate
Content-Length: 7

{"a":1}
----
-4 505 the request would be refused: malformed request line: must be method, target and version with one space between
----
connection 1
GET /headers-stay HTTP/1.1
Host: 127.0.0.1:PORT
X-One: two
Content-Type: application/json
X-List: a
X-List: b
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
DELETE /method HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
GET /method-is-forgotten HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
GET /cookies HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Authorization: Basic dXNlcjpwYXNzOndvcmQ=
Cookie: a=b%20c; d=%C3%BC%3B%3D; plain=x-y_z.1~


----
connection 1
GET /auth HTTP/1.1
Host: 127.0.0.1:PORT
Authorization: mine
Connection: keep-alive
Accept-Encoding: gzip, deflate


----
connection 1
POST /upload HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Authorization: Basic dXNlcjpwYXNzOndvcmQ=
Content-Type: multipart/form-data; boundary=BOUNDARY
Content-Length: 791

BOUNDARY
Content-Disposition: form-data; name="field"

value
BOUNDARY
Content-Disposition: form-data; name="one"; filename="client_request.upload.txt"
Content-Type: application/octet-stream

0123456789
BOUNDARY
Content-Disposition: form-data; name="two"; filename="other %22name%22.txt"
Content-Type: text/plain

234
BOUNDARY
Content-Disposition: form-data; name="three"; filename="memory.html"
Content-Type: text/html

in memory
BOUNDARY
Content-Disposition: form-data; name="four"; filename="four"
Content-Type: application/octet-stream

bare
BOUNDARY

----
connection 1
POST /no-upload HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Authorization: Basic dXNlcjpwYXNzOndvcmQ=
Content-Length: 0


----
connection 1
POST /no-upload HTTP/1.1
Host: 127.0.0.1:PORT
Connection: keep-alive
Accept-Encoding: gzip, deflate
Authorization: Basic dXNlcjpwYXNzOndvcmQ=
Content-Length: 0


----
bool(true)
string(0) ""
int(200)
what cannot be sent
-4 505 value of header "X": must have no CR, LF or NUL
----
Swoole\Coroutine\Http\Client::get(): value of header "X": must have no CR, LF or NUL
-4 505 header name "X\r\nY": must be letters, digits and !#$%&'*+-.^_`|~ only
----
Swoole\Coroutine\Http\Client::get(): header name "X\r\nY": must be letters, digits and !#$%&'*+-.^_`|~ only
-4 505 Content-Length "5": must be the body's length, 0, and set once
----
Swoole\Coroutine\Http\Client::get(): Content-Length "5": must be the body's length, 0, and set once
-4 505 the request would be refused: malformed Host header: must be a host, with or without a port
----
Swoole\Coroutine\Http\Client::get(): the request would be refused: malformed Host header: must be a host, with or without a port
-4 505 the request would be refused: malformed request line: must be method, target and version with one space between
----
-4 505 cookie "a\nb": must have a name without "=", and neither ";" nor control bytes in name and value
----
-4 505 the fields are nested deeper than 16
----
bool(false)
Swoole\Coroutine\Http\Client::addFile(): the file "/no/such/file" cannot be added: No such file or directory 2
bool(false)
Swoole\Coroutine\Http\Client::addFile(): the file "DIR" cannot be added: it is not a plain file 22
bool(false)
Swoole\Coroutine\Http\Client::addFile(): the file "DIR/client_request.upload.txt" has 10 bytes, wanted 6 from 5 on 505
bool(false)
Swoole\Coroutine\Http\Client::addFile(): the file "DIR/client_request.upload.txt" has 10 bytes, wanted 0 from -1 on 505
bool(false)
Swoole\Coroutine\Http\Client::post(): the file "DIR/client_request.upload.txt" cannot be read: No such file or directory
NULL
no text
connection 1
GET /last HTTP/1.1
Host: 127.0.0.1:PORT
Connection: close
Authorization: Basic dXNlcjpwYXNzOndvcmQ=


----
bool(false)
int(0)
