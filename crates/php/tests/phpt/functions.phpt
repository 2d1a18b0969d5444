--TEST--
The functions
--FILE--
<?php
var_dump(swoole_cpu_num() > 0, swoole_last_error(), is_int(swoole_errno()));
Swoole\WebSocket\Frame::unpack('');
var_dump(swoole_last_error(), swoole_strerror(swoole_last_error(), SWOOLE_STRERROR_SWOOLE));
var_dump(swoole_clear_error(), swoole_last_error());
var_dump(swoole_strerror(2), swoole_strerror(1005), swoole_strerror(1005, 9), swoole_strerror(-2, SWOOLE_STRERROR_GAI));
var_dump(strlen(swoole_strerror(PHP_INT_MAX)) > 0);
foreach (get_defined_constants(true)['swoole'] as $name => $code) {
    if (str_starts_with($name, 'SWOOLE_ERROR_') && str_starts_with(swoole_strerror($code), 'Unknown error')) {
        echo "$name has no text\n";
    }
}
var_dump(swoole_set_process_name('wirewool test'), cli_get_process_title());
?>
--EXPECT--
bool(true)
int(0)
bool(true)
int(508)
string(14) "protocol error"
NULL
int(0)
string(25) "No such file or directory"
string(22) "session does not exist"
string(22) "session does not exist"
string(25) "Name or service not known"
bool(true)
bool(true)
string(13) "wirewool test"
