--TEST--
Atomic, Atomic\Long and Table: interfaces, aliases, methods, and what all our classes refuse
--FILE--
<?php
function attempt(callable $call)
{
    try {
        $call();
        echo "fine\n";
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

$interfaces = class_implements('Swoole\Table');
sort($interfaces);
echo 'Table implements ', implode(', ', $interfaces), "\n";
foreach (['swoole_atomic', 'swoole_atomic_long', 'swoole_table'] as $alias) {
    $class = new ReflectionClass($alias);
    $names = array_map(fn ($method) => $method->name, $class->getMethods());
    echo $alias, ' = ', $class->getName(), ': ', wordwrap(implode(', ', $names), 100, "\n    "), "\n";
}
echo json_encode((new ReflectionClass('Swoole\Table'))->getConstants()), "\n";

foreach ([new Swoole\Atomic(), new Swoole\Atomic\Long(), $table = new Swoole\Table(1)] as $object) {
    attempt(fn () => clone $object);
    attempt(fn () => serialize($object));
}
attempt(function () use ($table) { unset($table->size); });
attempt(function () use ($table) { unset($table->memorySize); });

class MyAtomic extends Swoole\Atomic
{
    public function __construct() {}
}
class MyTable extends Swoole\Table
{
    public function __construct() {}
}
attempt(fn () => (new MyAtomic())->add());
attempt(fn () => (new MyTable())->set('key', []));
attempt(fn () => new Swoole\Atomic('five'));
attempt(fn () => new Swoole\Table());
?>
--EXPECT--
Table implements Countable, Iterator, Traversable
swoole_atomic = Swoole\Atomic: __construct, add, sub, get, set, wait, wakeup, cmpset
swoole_atomic_long = Swoole\Atomic\Long: __construct, add, sub, get, set, cmpset
swoole_table = Swoole\Table: __construct, column, create, destroy, set, get, del, delete, exists, exist, incr, decr, getSize,
    getMemorySize, stats, count, rewind, valid, next, current, key
{"TYPE_INT":1,"TYPE_FLOAT":2,"TYPE_STRING":3}
Error: Trying to clone an uncloneable object of class Swoole\Atomic
Exception: Serialization of 'Swoole\Atomic' is not allowed
Error: Trying to clone an uncloneable object of class Swoole\Atomic\Long
Exception: Serialization of 'Swoole\Atomic\Long' is not allowed
Error: Trying to clone an uncloneable object of class Swoole\Table
Exception: Serialization of 'Swoole\Table' is not allowed
Error: Property size of class Swoole\Table cannot be unset
Error: Property memorySize of class Swoole\Table cannot be unset
Error: the number does not exist: its constructor was not called
Error: there are no rows: the table is not constructed, wanted a call of the parent's constructor
TypeError: Swoole\Atomic::__construct(): Argument #1 ($value) must be of type int, string given
ArgumentCountError: Swoole\Table::__construct() expects at least 1 argument, 0 given
