--TEST--
Frame and CloseFrame: dumps, dynamic properties, references, JSON
--FILE--
<?php
var_dump(new Swoole\WebSocket\Frame(), new Swoole\WebSocket\CloseFrame());
$frame = new swoole_websocket_frame();
$frame->dynamic = 1;
$opcode = &$frame->opcode;
$opcode = WEBSOCKET_OPCODE_BINARY;
$frame->data = 'x';
echo json_encode($frame), ' ', bin2hex($frame), "\n";
?>
--EXPECT--
object(Swoole\WebSocket\Frame)#1 (5) {
  ["fd"]=>
  int(0)
  ["data"]=>
  string(0) ""
  ["opcode"]=>
  int(1)
  ["flags"]=>
  int(1)
  ["finish"]=>
  bool(true)
}
object(Swoole\WebSocket\CloseFrame)#2 (7) {
  ["fd"]=>
  int(0)
  ["data"]=>
  string(0) ""
  ["opcode"]=>
  int(8)
  ["flags"]=>
  int(1)
  ["finish"]=>
  bool(true)
  ["code"]=>
  int(1000)
  ["reason"]=>
  string(0) ""
}
{"fd":0,"data":"x","opcode":2,"flags":1,"finish":true,"dynamic":1} 820178
