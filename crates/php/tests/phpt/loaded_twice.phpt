--TEST--
Loading it beside an extension named swoole fails with one clear line
--FILE--
<?php
$library = null;
foreach (file('/proc/self/maps') as $line) {
    if (preg_match('~(/\S*wirewool_php\S*)~', $line, $match)) {
        $library = $match[1];
    }
}
$run = escapeshellarg(PHP_BINARY) . " -n -d extension=$library -d extension=$library -r 'echo 1;' 2>&1";
echo trim(shell_exec($run)), "\n";
?>
--EXPECTF--
%AWarning: Module "swoole" is already loaded in Unknown on line 0
1
