--TEST--
A server that would tell packets apart in another way than it was told does not start
--FILE--
<?php
$server = new Swoole\Server('127.0.0.1', 0);
register_shutdown_function(fn () => print("the end\n"));
$server->set(['package_eof' => '', 'worker_num' => 'many']);
echo "not reached\n";
?>
--EXPECTF--
Fatal error: Swoole\Server::set(): option [package_eof] is "": wanted 1 to 8 bytes; option [worker_num] is "many": wanted %s in %s on line %d
the end
