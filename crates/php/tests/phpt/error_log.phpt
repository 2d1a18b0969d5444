--TEST--
swoole_error_log() before there is a server: to the standard output, from SWOOLE_LOG_INFO on
--FILE--
<?php
foreach ([SWOOLE_LOG_DEBUG, SWOOLE_LOG_TRACE, SWOOLE_LOG_INFO, SWOOLE_LOG_NOTICE, SWOOLE_LOG_WARNING, SWOOLE_LOG_ERROR, SWOOLE_LOG_NONE, -1] as $level) {
    var_dump(swoole_error_log($level, "level $level"));
}
swoole_error_log(SWOOLE_LOG_ERROR, "any bytes: \xff");
try {
    swoole_error_log('loud', 'text');
} catch (TypeError $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
NULL
NULL
[%d-%d-%d %d:%d:%d *%d]	INFO	level 2
NULL
[%d-%d-%d %d:%d:%d *%d]	NOTICE	level 3
NULL
[%d-%d-%d %d:%d:%d *%d]	WARNING	level 4
NULL
[%d-%d-%d %d:%d:%d *%d]	ERROR	level 5
NULL
NULL
NULL
[%d-%d-%d %d:%d:%d *%d]	ERROR	any bytes: %s
swoole_error_log(): Argument #1 ($level) must be of type int, string given
