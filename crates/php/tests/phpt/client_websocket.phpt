--TEST--
Coroutine\Http\Client: WebSockets, frame by frame
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
use Swoole\WebSocket\CloseFrame;
use Swoole\WebSocket\Frame;

use function Swoole\Coroutine\run;

const MASKED = SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_MASK;

/** A server that says what it gets, and sends what its connection's path says. */
function serve($listener): never
{
    pcntl_alarm(20);
    while ($socket = @stream_socket_accept($listener, 10)) {
        $head = stream_get_line($socket, 1 << 16, "\r\n\r\n");
        [, $path] = explode(' ', $head);
        preg_match('/^sec-websocket-key: (.*)$/mi', $head, $key);
        $accept = base64_encode(sha1(trim($key[1] ?? '') . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
        $upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $accept\r\n";
        fwrite($socket, match ($path) {
            '/refused' => "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot today",
            '/wrong' => str_replace($accept, ($accept[0] === 'x' ? 'y' : 'x') . substr($accept, 1), $upgrade) . "\r\n",
            '/protocol' => "{$upgrade}Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\n\r\n",
            '/unasked' => "{$upgrade}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            '/behind' => "$upgrade\r\n" . Frame::pack('came with the answer') . Frame::pack('and another'),
            '/gone' => "$upgrade\r\n" . Frame::pack('last words'),
            '/fragments' => "$upgrade\r\n" . Frame::pack('one, ', 1, 0) . Frame::pack('within', WEBSOCKET_OPCODE_PING) . Frame::pack('two', 0, 1),
            '/pings' => "$upgrade\r\n" . Frame::pack('ping', WEBSOCKET_OPCODE_PING) . Frame::pack('pong', WEBSOCKET_OPCODE_PONG) . Frame::pack('text') . "\x88\x05" . pack('n', 4001) . 'bye',
            '/masked' => "$upgrade\r\n" . Frame::pack('x', 1, MASKED),
            '/not-text' => "$upgrade\r\n" . Frame::pack("\xff"),
            '/long' => "$upgrade\r\n" . Frame::pack(str_repeat('x', 1001)),
            '/last' => "$upgrade\r\n",
            default => "$upgrade\r\n",
        });
        if ($path === '/gone' || $path === '/refused') {
            fclose($socket);
            continue;
        }
        $seen = [];
        while (strlen($start = stream_get_contents($socket, 2)) === 2) {
            $rest = stream_get_contents($socket, (ord($start[1]) & 127) + (ord($start[1]) & 128 ? 4 : 0));
            $frame = Frame::unpack($start . $rest);
            $seen[] = [$frame->opcode, $frame->data ?: ($frame->code ?? '') . ($frame->reason ?? ''), $frame->flags];
            if ($frame->data === 'what did you see?') {
                fwrite($socket, Frame::pack(json_encode($seen, JSON_INVALID_UTF8_SUBSTITUTE)));
            }
        }
        fclose($socket);
        if ($path === '/last') {
            exit(0);
        }
    }
    exit(1);
}

$listener = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) explode(':', stream_socket_get_name($listener, false))[1];
$child = pcntl_fork() ?: serve($listener);
fclose($listener);

function show($received): void
{
    echo is_object($received) ? get_class($received) . json_encode($received) : json_encode($received), "\n";
}

run(function () use ($port) {
    $open = function ($path, $settings = ['timeout' => 5], $headers = []) use ($port) {
        // The server has one connection at a time.
        static $last = null;
        $last?->close();
        $last = $client = new Client('127.0.0.1', $port);
        $client->set($settings);
        $client->setHeaders($headers);
        $done = $client->upgrade($path);
        echo "$path: ", json_encode([$done, $client->statusCode, $client->errCode, preg_replace('/".{28}"/', 'ACCEPT', $client->errMsg), $client->body, $client->connected]), "\n";
        return $client;
    };

    echo "upgraded or not\n";
    $open('/refused');
    $client = $open('/wrong');
    var_dump(@$client->push('x'), $client->errCode, error_get_last()['message'] ?? null);
    var_dump($client->recv(), $client->errCode);
    $open('/protocol');
    $client = $open('/protocol', headers: ['Sec-WebSocket-Protocol' => 'superchat, chat', 'Upgrade' => 'nonsense', 'Sec-WebSocket-Key' => 'nonsense']);
    var_dump($client->headers['sec-websocket-protocol'], $client->cookies, substr_count($client->getHeaderOut(), 'nonsense'));
    $open('/unasked');

    echo "received\n";
    $client = $open('/behind');
    show($client->recv());
    show($client->recv());
    show($client->recv(0.01));
    var_dump($client->errCode, $client->connected);
    $client = $open('/gone');
    show($client->recv());
    show($client->recv());
    var_dump($client->errCode, $client->connected);
    show($client->recv());
    var_dump($client->errCode, $client->push('x'), $client->errCode, $client->ping(), $client->close());
    $client = $open('/fragments');
    show($client->recv());
    show($client->recv());
    foreach ([['/masked', []], ['/not-text', []], ['/long', ['package_max_length' => 1000]]] as [$path, $settings]) {
        $client = $open($path, $settings);
        show($client->recv());
        var_dump($client->errCode, $client->errMsg, $client->connected, swoole_last_error());
    }

    echo "control frames\n";
    foreach ([[], ['ping' => false, 'pong' => false], ['close' => false], ['ping' => true, 'close' => true]] as $keys) {
        $settings = [];
        foreach ($keys as $key => $value) {
            $settings["open_websocket_{$key}_frame"] = $value;
        }
        $client = $open('/pings', $settings + ['timeout' => 5]);
        $client->push('what did you see?');
        do {
            show($frame = $client->recv(0.2));
        } while ($frame);
        var_dump($client->errCode, $client->connected);
    }

    echo "sent\n";
    $client = $open('/plain');
    $fragment = new Frame();
    [$fragment->data, $fragment->finish] = ['fragm', false];
    $ping = new Frame();
    $ping->opcode = WEBSOCKET_OPCODE_PING;
    $close = new CloseFrame();
    [$close->code, $close->reason] = [4000, 'frame'];
    var_dump(
        $client->push('text'), $client->push("\xff\x00", WEBSOCKET_OPCODE_BINARY), $client->push($fragment),
        $client->push('ents', WEBSOCKET_OPCODE_CONTINUATION), $client->push(12.5), $client->push('flags', 1, true),
        $client->push($ping), $client->ping('data'), $client->push('pong', WEBSOCKET_OPCODE_PONG),
        $client->push('compressed?', 1, SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_COMPRESS),
        $client->push('what did you see?'),
    );
    show($client->recv()->data);
    $client->push('no end', 1, 0);
    $refused = [
        fn () => $client->push('not finished'), fn () => $client->push('no end', 1, 0), fn () => $client->push("caf\xe9"),
        fn () => $client->push('x', 3), fn () => $client->push('x', 1, SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_RSV1),
        fn () => $client->ping(str_repeat('x', 126)), fn () => $client->disconnect(1005), fn () => $client->disconnect(-1),
        fn () => $client->disconnect(1 << 16), fn () => $client->disconnect(1000, str_repeat('x', 126)),
        fn () => $client->disconnect(1000, "\xff"),
    ];
    foreach ($refused as $push) {
        var_dump(@$push(), $client->errCode);
        echo error_get_last()['message'], "\n";
    }
    var_dump($client->push('end', 0), $client->push($close), $client->push('too late'), $client->errCode, $client->disconnect());

    echo "unmasked\n";
    $client = $open('/plain', ['websocket_mask' => false]);
    var_dump($client->push('bare'), $client->close(), $client->close(), $client->errCode, $client->connected);
    var_dump($client->recv(), $client->errCode);

    echo "from one to the next\n";
    $client = $open('/plain');
    var_dump($client->upgrade('/plain'), $client->push('again'), $client->get('/refused'), $client->body);
    var_dump(@$client->push('x'), $client->errCode);
    $client->setMethod('POST');
    $client->setData('is not sent');
    var_dump($client->upgrade('/last'), $client->close());
});
pcntl_waitpid($child, $status);
var_dump(pcntl_wexitstatus($status));
?>
--EXPECT--
upgraded or not
/refused: [false,403,8504,"the server answered with status 403, wanted 101","not today",true]
/wrong: [false,101,8504,"the header Sec-WebSocket-Accept of the answer must be ACCEPT, once","",false]
bool(false)
int(8504)
string(82) "Swoole\Coroutine\Http\Client::push(): websocket handshake failed, cannot push data"
bool(false)
int(5001)
/protocol: [false,101,8504,"the header Sec-WebSocket-Protocol of the answer must be one of the subprotocols asked for, or not be there","",false]
/protocol: [true,101,0,"","",true]
string(4) "chat"
array(1) {
  ["a"]=>
  string(1) "b"
}
int(0)
/unasked: [false,101,8504,"the server accepted the extension \"permessage-deflate\": must be one that was offered, and once","",false]
received
/behind: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"came with the answer","opcode":1,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"and another","opcode":1,"flags":1,"finish":true}
false
int(110)
bool(true)
/gone: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"last words","opcode":1,"flags":1,"finish":true}
""
int(0)
bool(false)
false
int(5001)
bool(false)
int(5001)
bool(false)
bool(false)
/fragments: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"within","opcode":9,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"one, two","opcode":1,"flags":1,"finish":true}
/masked: [true,101,0,"","",true]
false
int(8506)
string(51) "a masked frame: a server must mask nothing it sends"
bool(false)
int(8506)
/not-text: [true,101,0,"","",true]
false
int(8506)
string(22) "text that is not UTF-8"
bool(false)
int(8506)
/long: [true,101,0,"","",true]
false
int(1201)
string(59) "a message of at least 1001 bytes: at most 1000 are accepted"
bool(false)
int(1201)
control frames
/pings: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"ping","opcode":9,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"pong","opcode":10,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"text","opcode":1,"flags":1,"finish":true}
Swoole\WebSocket\CloseFrame{"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":4001,"reason":"bye"}
""
int(0)
bool(false)
/pings: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"text","opcode":1,"flags":1,"finish":true}
Swoole\WebSocket\CloseFrame{"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":4001,"reason":"bye"}
""
int(0)
bool(false)
/pings: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"ping","opcode":9,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"pong","opcode":10,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"text","opcode":1,"flags":1,"finish":true}
""
int(0)
bool(false)
/pings: [true,101,0,"","",true]
Swoole\WebSocket\Frame{"fd":0,"data":"ping","opcode":9,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"pong","opcode":10,"flags":1,"finish":true}
Swoole\WebSocket\Frame{"fd":0,"data":"text","opcode":1,"flags":1,"finish":true}
Swoole\WebSocket\CloseFrame{"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":4001,"reason":"bye"}
false
int(110)
bool(true)
sent
/plain: [true,101,0,"","",true]
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
"[[1,\"text\",33],[2,\"\\ufffd\\u0000\",33],[1,\"fragm\",32],[0,\"ents\",33],[1,\"12.5\",33],[1,\"flags\",33],[9,\"\",33],[9,\"data\",33],[10,\"pong\",33],[1,\"compressed?\",33],[1,\"what did you see?\",33]]"
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::push(): a new fragmented message although the previous one is not finished
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::push(): a new fragmented message although the previous one is not finished
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::push(): text must be UTF-8: byte 3 is not
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::push(): opcode[3] is invalid: must be 0, 1, 2, 8, 9 or 10
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::push(): RSV1 cannot be sent: no extension was negotiated for this connection
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::ping(): a control frame of 126 bytes: at most 125 are allowed
bool(false)
int(505)
Swoole\Coroutine\Http\Client::disconnect(): a close frame that the peer would refuse: the close code 1005 must not be sent
bool(false)
int(505)
Swoole\Coroutine\Http\Client::disconnect(): the close code -1 must not be sent
bool(false)
int(505)
Swoole\Coroutine\Http\Client::disconnect(): the close code 65536 must not be sent
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::disconnect(): the max length of close reason is 125
bool(false)
int(8505)
Swoole\Coroutine\Http\Client::disconnect(): a close frame that the peer would refuse: a close reason that is not UTF-8
bool(true)
bool(true)
bool(false)
int(5001)
bool(false)
unmasked
/plain: [true,101,0,"","",true]
bool(true)
bool(true)
bool(false)
int(5001)
bool(false)
bool(false)
int(5001)
from one to the next
/plain: [true,101,0,"","",true]
bool(true)
bool(true)
bool(true)
string(9) "not today"
bool(false)
int(8504)
bool(true)
bool(true)
int(0)
