--TEST--
The module passes for swoole, and says what it is
--FILE--
<?php
var_dump(extension_loaded('swoole'), phpversion('swoole'), swoole_version(), SWOOLE_VERSION, SWOOLE_VERSION_ID);
var_dump(WIREWOOL_VERSION);
(new ReflectionExtension('swoole'))->info();
?>
--EXPECTF--
bool(true)
string(6) "4.8.13"
string(6) "4.8.13"
string(6) "4.8.13"
int(40813)
string(%d) "%d.%d.%d"

swoole

Swoole API => 4.8.13
Implemented by => Wirewool
Wirewool => %d.%d.%d
