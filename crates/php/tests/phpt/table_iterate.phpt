--TEST--
Table: foreach, also within itself and while rows come and go
--FILE--
<?php
use Swoole\Table;

class Upper extends Table
{
    public function current(): mixed
    {
        return strtoupper(parent::current()['name']);
    }
}

class Plain extends Table
{
    public function __destruct()
    {
        echo "destroyed once\n";
    }
}

function filled(Table $table, int $rows): Table
{
    $table->column('name', Table::TYPE_STRING, 10);
    $table->create();
    for ($row = 0; $row < $rows; $row++) {
        $table->set("key $row", ['name' => "name $row"]);
    }
    return $table;
}

$table = filled(new Table(64), 70);
$found = iterator_to_array($table);
ksort($found, SORT_NATURAL);
var_dump(count($found), array_key_first($found), $found['key 69']);

$pairs = [];
foreach ($table as $outer => $row) {
    foreach ($table as $inner => $row) {
        $pairs["$outer-$inner"] = true;
    }
}
var_dump(count($pairs));

foreach ($table as $key => $row) {
    var_dump($table->del($key), count($table) + 1);
    break;
}
$seen = 0;
foreach ($table as $key => $row) {
    $seen++;
    // Of each two rows one goes before it is reached, or after.
    $number = (int) substr($key, 4);
    $table->del('key ' . ($number ^ 1));
}
var_dump($seen === count($table));
foreach ($table as $key => $row) {
    $table->del($key);
}
var_dump(count($table), iterator_to_array($table));

echo "by hand\n";
$table->set('only', ['name' => 'one']);
var_dump($table->valid(), $table->current(), $table->key());
$table->rewind();
$table->set('only', ['name' => 'two']);
var_dump($table->valid(), $table->current(), $table->key());
$table->next();
var_dump($table->valid(), $table->current(), $table->key());

echo "subclasses\n";
var_dump(iterator_to_array(filled(new Upper(64), 1)));
$plain = filled(new Plain(64), 3);
var_dump(count(iterator_to_array($plain)));
unset($plain);

echo "destroyed within\n";
$table->set('another', ['name' => 'three']);
try {
    foreach ($table as $key => $row) {
        $table->destroy();
    }
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
int(70)
string(5) "key 0"
array(1) {
  ["name"]=>
  string(7) "name 69"
}
int(4900)
bool(true)
int(70)
bool(true)
int(0)
array(0) {
}
by hand
bool(false)
NULL
NULL
bool(true)
array(1) {
  ["name"]=>
  string(3) "one"
}
string(4) "only"
bool(false)
NULL
NULL
subclasses
array(1) {
  ["key 0"]=>
  string(6) "NAME 0"
}
int(3)
destroyed once
destroyed within
there are no rows: the table is destroyed
