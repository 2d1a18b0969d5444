--TEST--
A port that would tell packets apart in another way than it was told does not start
--FILE--
<?php
$server = new Swoole\Server('127.0.0.1', 0);
register_shutdown_function(fn () => print("the end\n"));
$server->listen('127.0.0.1', 0, SWOOLE_SOCK_TCP)->set(['package_eof' => "\xffand more than 8", 'package_length_type' => 'NN']);
echo "not reached\n";
?>
--EXPECTF--
Fatal error: Swoole\Server\Port::set(): option [package_eof] is "\xffand more than 8": wanted 1 to 8 bytes; option [package_length_type] is "NN": wanted one of c C s S n v l L N V q Q J P, as pack() knows them in %s on line %d
the end
