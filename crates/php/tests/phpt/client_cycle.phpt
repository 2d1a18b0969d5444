--TEST--
Coroutine\Http\Client: a function for the body and the client that holds it are collected together
--FILE--
<?php
use Swoole\Coroutine\Http\Client;

$client = new Client('127.0.0.1', 1);
$client->set(['write_func' => function ($of, $piece) use ($client) {}]);
$gone = WeakReference::create($client);
unset($client);
var_dump($gone->get() === null);
gc_collect_cycles();
var_dump($gone->get() === null);

$client = new Client('127.0.0.1', 1);
$gone = WeakReference::create($client);
$client->set(['write_func' => fn () => 1]);
$client->set(['write_func' => fn () => 2]);
unset($client);
var_dump($gone->get() === null);
?>
--EXPECT--
bool(false)
bool(true)
bool(true)
