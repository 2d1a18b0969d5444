--TEST--
The properties of a fresh server
--FILE--
<?php
$server = new Swoole\WebSocket\Server('127.0.0.1', 0, SWOOLE_BASE, SWOOLE_SOCK_TCP);
$server->port = 9501;
$server->mine = 'dynamic';
var_dump($server);
?>
--EXPECTF--
object(Swoole\WebSocket\Server)#1 (30) {
  ["setting"]=>
  NULL
  ["connections"]=>
  object(Swoole\Connection\Iterator)#2 (0) {
  }
  ["host"]=>
  string(9) "127.0.0.1"
  ["port"]=>
  int(9501)
  ["type"]=>
  int(1)
  ["ssl"]=>
  bool(false)
  ["mode"]=>
  int(1)
  ["ports"]=>
  array(1) {
    [0]=>
    object(Swoole\Server\Port)#3 (7) {
      ["host"]=>
      string(9) "127.0.0.1"
      ["port"]=>
      int(%d)
      ["type"]=>
      int(1)
      ["sock"]=>
      int(%d)
      ["ssl"]=>
      bool(false)
      ["setting"]=>
      NULL
      ["connections"]=>
      object(Swoole\Connection\Iterator)#4 (0) {
      }
    }
  }
  ["master_pid"]=>
  int(0)
  ["manager_pid"]=>
  int(0)
  ["worker_id"]=>
  int(-1)
  ["taskworker"]=>
  bool(false)
  ["worker_pid"]=>
  int(0)
  ["stats_timer"]=>
  NULL
  ["admin_server"]=>
  NULL
  ["onStart":"Swoole\Server":private]=>
  NULL
  ["onBeforeShutdown":"Swoole\Server":private]=>
  NULL
  ["onShutdown":"Swoole\Server":private]=>
  NULL
  ["onManagerStart":"Swoole\Server":private]=>
  NULL
  ["onManagerStop":"Swoole\Server":private]=>
  NULL
  ["onWorkerStart":"Swoole\Server":private]=>
  NULL
  ["onWorkerStop":"Swoole\Server":private]=>
  NULL
  ["onWorkerExit":"Swoole\Server":private]=>
  NULL
  ["onWorkerError":"Swoole\Server":private]=>
  NULL
  ["onBeforeReload":"Swoole\Server":private]=>
  NULL
  ["onAfterReload":"Swoole\Server":private]=>
  NULL
  ["onTask":"Swoole\Server":private]=>
  NULL
  ["onFinish":"Swoole\Server":private]=>
  NULL
  ["onPipeMessage":"Swoole\Server":private]=>
  NULL
  ["mine"]=>
  string(7) "dynamic"
}
