--TEST--
Atomic counts modulo 2^32, Atomic\Long with a sign
--FILE--
<?php
$atomic = new Swoole\Atomic();
var_dump($atomic->get(), $atomic->add(), $atomic->add(41), $atomic->sub(), $atomic->sub(42));
var_dump($atomic->set(7), $atomic->cmpset(8, 9), $atomic->get(), $atomic->cmpset(7, -1), $atomic->get());
var_dump($atomic->add(2), (new Swoole\Atomic((1 << 32) + 3))->get());

echo "Long\n";
$long = new Swoole\Atomic\Long(PHP_INT_MAX);
var_dump($long->add() === PHP_INT_MIN, $long->sub() === PHP_INT_MAX, $long->set(-5), $long->get());
var_dump($long->add(2), $long->sub(-1), $long->cmpset(1, 2), $long->cmpset(-2, 1 << 40), $long->get());

echo "many\n";
$many = array_map(fn ($value) => new Swoole\Atomic($value), range(0, 999));
array_walk($many, fn ($atomic) => $atomic->add(1));
var_dump(array_map(fn ($atomic) => $atomic->get(), $many) === range(1, 1000));
?>
--EXPECT--
int(0)
int(1)
int(42)
int(41)
int(4294967295)
NULL
bool(false)
int(7)
bool(true)
int(4294967295)
int(1)
int(3)
Long
bool(true)
bool(true)
NULL
int(-5)
int(-3)
int(-2)
bool(false)
bool(true)
int(1099511627776)
many
bool(true)
