--TEST--
Table: what is wrong is said, and what was wanted
--FILE--
<?php
use Swoole\Table;

set_error_handler(fn ($level, $text) => print("$level $text\n"));

function attempt(callable $call)
{
    try {
        var_dump($call());
    } catch (Throwable $error) {
        echo get_class($error), ': ', $error->getMessage(), "\n";
    }
}

attempt(fn () => new Table(0));
attempt(fn () => new Table(PHP_INT_MAX));

echo "columns\n";
$table = new Table(64);
attempt(fn () => $table->column('text', Table::TYPE_STRING));
attempt(fn () => $table->column('text', Table::TYPE_STRING, -1));
attempt(fn () => $table->column('text', Table::TYPE_STRING, 1 << 40));
attempt(fn () => $table->column('odd', 7));
attempt(fn () => $table->column('', Table::TYPE_INT));
attempt(fn () => $table->column('n', Table::TYPE_INT));
attempt(fn () => $table->column('n', Table::TYPE_FLOAT));
attempt(fn () => $table->column('text', Table::TYPE_STRING, 4));

echo "before create\n";
attempt(fn () => $table->set('key', ['n' => 1]));
attempt(fn () => $table->get('key'));
attempt(fn () => count($table));
attempt(fn () => $table->destroy());
attempt(fn () => iterator_to_array($table));
attempt(fn () => $table->__construct(5));

echo "created\n";
attempt(fn () => $table->create());
attempt(fn () => $table->create());
attempt(fn () => $table->column('late', Table::TYPE_INT));
attempt(fn () => $table->set(str_repeat('k', 64), ['n' => 1]));
attempt(fn () => $table->set('', ['n' => 1]));
attempt(fn () => $table->incr('', 'n'));
attempt(fn () => $table->get(''));
attempt(fn () => $table->exists(''));
attempt(fn () => $table->del(''));
attempt(fn () => $table->incr('key', 'm'));
attempt(fn () => $table->decr('key', 'text'));
attempt(fn () => $table->incr('key', 'n', []));
attempt(fn () => $table->set('key', 'row'));
attempt(fn () => $table->set('key', ['n' => 1, 'text' => new class { function __toString(): string { throw new Exception('no text'); } }]));
attempt(fn () => count($table));

echo "full\n";
$set = 0;
while ($table->set("row $set", ['n' => $set])) {
    $set++;
}
attempt(fn () => $table->incr('one more', 'n'));
attempt(fn () => $table->set('row 1', ['n' => -1]));
attempt(fn () => [$set, count($table), $table->del('row 0'), $table->set('instead', [])]);

echo "too large\n";
$large = new Table(1 << 30);
$large->column('text', Table::TYPE_STRING, (1 << 32) - 1);
attempt(fn () => $large->create());

echo "destroyed\n";
attempt(fn () => $table->destroy());
attempt(fn () => $table->set('key', ['n' => 1]));
attempt(fn () => $table->create());
attempt(fn () => $table->column('late', Table::TYPE_INT));
attempt(fn () => [$table->getSize(), $table->getMemorySize()]);
?>
--EXPECT--
Swoole\Exception: a table cannot have 0 rows, wanted 1 to 1073741824
Swoole\Exception: a table cannot have 9223372036854775807 rows, wanted 1 to 1073741824
columns
2 Swoole\Table::column(): the strings of column 'text' cannot have 0 bytes, wanted 1 to 4294967295
bool(false)
2 Swoole\Table::column(): the strings of column 'text' cannot have -1 bytes, wanted 1 to 4294967295
bool(false)
2 Swoole\Table::column(): the strings of column 'text' cannot have 1099511627776 bytes, wanted 1 to 4294967295
bool(false)
2 Swoole\Table::column(): 7 is no type for column 'odd', wanted Table::TYPE_INT, TYPE_FLOAT or TYPE_STRING
bool(false)
2 Swoole\Table::column(): a column has no name, wanted one
bool(false)
bool(true)
2 Swoole\Table::column(): there is a column 'n' already
bool(false)
bool(true)
before create
Error: there are no rows: the table is not created yet, wanted a call of create()
Error: there are no rows: the table is not created yet, wanted a call of create()
Error: there are no rows: the table is not created yet, wanted a call of create()
Error: there are no rows: the table is not created yet, wanted a call of create()
Error: there are no rows: the table is not created yet, wanted a call of create()
Error: the table is constructed already
created
bool(true)
2 Swoole\Table::create(): the table is created already
bool(false)
2 Swoole\Table::column(): column 'late' cannot be added: the table is created already
bool(false)
2 Swoole\Table::set(): the key is 64 bytes long, wanted 1 to 63
bool(false)
2 Swoole\Table::set(): the key is 0 bytes long, wanted 1 to 63
bool(false)
2 Swoole\Table::incr(): the key is empty, wanted 1 to 63 bytes
bool(false)
bool(false)
bool(false)
bool(false)
2 Swoole\Table::incr(): there is no column 'm'
bool(false)
2 Swoole\Table::decr(): column 'text' holds strings, wanted one of numbers
bool(false)
TypeError: Swoole\Table::incr(): Argument #3 ($incrby) must be of type int, array given
TypeError: Swoole\Table::set(): Argument #2 ($value) must be of type array, string given
Exception: no text
int(0)
full
2 Swoole\Table::set(): the table has no room for the key 'row 77': all its rows are in use
2 Swoole\Table::incr(): the table has no room for the key 'one more': all its rows are in use
bool(false)
bool(true)
array(4) {
  [0]=>
  int(77)
  [1]=>
  int(77)
  [2]=>
  bool(true)
  [3]=>
  bool(true)
}
too large
2 Swoole\Table::create(): no shared memory for a table of 1073741824 rows: it has no rows, or more than memory has addresses
bool(false)
destroyed
bool(true)
Error: there are no rows: the table is destroyed
2 Swoole\Table::create(): the table is destroyed
bool(false)
2 Swoole\Table::column(): column 'late' cannot be added: the table is destroyed
bool(false)
array(2) {
  [0]=>
  int(64)
  [1]=>
  int(0)
}
