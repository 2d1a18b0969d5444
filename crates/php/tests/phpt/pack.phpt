--TEST--
pack() and unpack(): every opcode and flag, all sizes, objects, what is refused
--FILE--
<?php
use Swoole\WebSocket\{CloseFrame, Frame, Server};

foreach ([0, 1, 2, 9, 10] as $opcode) {
    for ($flags = 0; $flags < 64; $flags++) {
        $payload = "hello $opcode $flags";
        $packed = Server::pack($payload, $opcode, $flags);
        $copy = $packed;
        $frame = Frame::unpack($packed);
        // RSV2 and RSV3 are never sent, control frames are whole, only whole messages are compressed.
        $wanted = ($flags & (1 | 4 | 32)) | ($opcode >= 8 ? 1 : 0);
        $compressed = ($opcode === 1 || $opcode === 2) && ($flags & 7) === 3;
        $wanted |= $compressed ? 2 : 0;
        if ((bool) (ord($packed[0]) & 0x40) !== ($compressed || $flags & 4)) {
            echo "opcode $opcode, flags $flags: RSV1 is wrong\n";
        }
        if ([$frame->data, $frame->opcode, $frame->flags, $frame->finish, $frame->fd, get_class($frame)]
            !== [$payload, $opcode, $wanted, (bool) ($wanted & 1), 0, Frame::class] || $copy !== $packed) {
            echo "opcode $opcode, flags $flags: ", json_encode($frame), "\n";
        }
    }
}
foreach ([0 => 2, 125 => 2, 126 => 4, 65535 => 4, 65536 => 10] as $size => $header) {
    $packed = Frame::pack(str_repeat('x', $size), 2);
    if (strlen($packed) !== $size + $header || Server::unpack($packed . 'rest')->data !== str_repeat('x', $size)) {
        echo "$size is wrong\n";
    }
    if (Frame::unpack(substr($packed, 0, -1)) !== false || swoole_last_error() !== SWOOLE_ERROR_PROTOCOL_ERROR) {
        echo "$size cut is wrong\n";
    }
}
echo bin2hex(Frame::pack('a')), ' ', bin2hex(Frame::pack('a', 1, true)), ' ', bin2hex(Frame::pack('a', 1, false)), "\n";
echo bin2hex(Frame::pack(null)), ' ', bin2hex(Frame::pack(15)), ' ', bin2hex(Frame::pack('', 9)), "\n";
var_dump(Frame::pack('same', 1, 33) === Frame::pack('same', 1, 33));

echo "close\n";
echo bin2hex(Frame::pack('bye', 8)), "\n";
$close = new CloseFrame();
$close->code = 4001;
$close->reason = 'later';
$back = Frame::unpack(Server::pack($close, 2, 0));
echo get_class($back), ' ', json_encode($back), "\n";
echo json_encode(Frame::unpack("\x88\x00")), "\n";
echo json_encode(Frame::unpack("\x88\x01\x03")), "\n";
$plain = new Frame();
$plain->opcode = 8;
$plain->data = 'reason';
echo bin2hex($plain), "\n";
$plain->code = 1001;
$plain->reason = 'gone';
echo bin2hex($plain), "\n";
echo strlen(Frame::pack(str_repeat("\u{e9}", 62), 8)), ' ', strlen(Frame::pack(str_repeat('r', 125), 8)), "\n";

echo "fragments\n";
foreach ([[1, true], [1, false], [0, true], [1, null], [0, null], [1, 0], [1, 'yes']] as [$flags, $finish]) {
    $frame = new Frame();
    $frame->data = 'f';
    $frame->flags = $flags;
    $frame->finish = $finish;
    echo bin2hex($frame), ' ';
}
echo "\n";

echo "refused\n";
set_error_handler(function ($level, $message) {
    echo $message, "\n";
});
foreach ([[' ', 11], [' ', -1], [' ', 3], [str_repeat('p', 126), 9], [str_repeat('r', 126), 8]] as $arguments) {
    var_dump(Server::pack(...$arguments), swoole_last_error());
}
foreach (['', "\x81", "\x83\x00", "\x81\x7e\x00\x01a", "\x09\x00", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 'garbage'] as $bytes) {
    swoole_clear_error();
    echo json_encode(Frame::unpack($bytes)), ' ', swoole_last_error(), ' ';
}
echo "\n";
?>
--EXPECT--
810161 810161 010161
8100 81023135 8900
bool(false)
close
880503e8627965
Swoole\WebSocket\CloseFrame {"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":4001,"reason":"later"}
{"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":1000,"reason":""}
{"fd":0,"data":"","opcode":8,"flags":1,"finish":true,"code":1000,"reason":""}
880803e8726561736f6e
880603e9676f6e65
126 127
fragments
810166 010166 010166 810166 010166 010166 810166 
refused
Swoole\WebSocket\Server::pack(): opcode[11] is invalid: must be 0, 1, 2, 8, 9 or 10
string(0) ""
int(8505)
Swoole\WebSocket\Server::pack(): opcode[-1] is invalid: must be 0, 1, 2, 8, 9 or 10
string(0) ""
int(8505)
Swoole\WebSocket\Server::pack(): opcode[3] is invalid: must be 0, 1, 2, 8, 9 or 10
string(0) ""
int(8505)
Swoole\WebSocket\Server::pack(): websocket control frame payload must not exceed 125 bytes
string(0) ""
int(8505)
Swoole\WebSocket\Server::pack(): the max length of close reason is 125
string(0) ""
int(8505)
false 508 false 508 false 508 false 508 false 508 false 508 false 508
