--TEST--
Table across processes: shared rows, whole rows, and the death of those who write
--SKIPIF--
<?php
if (!function_exists('pcntl_fork')) {
    die('skip needs pcntl');
}
?>
--FILE--
<?php
use Swoole\Table;

$table = new Table(128);
$table->column('number', Table::TYPE_INT);
$table->column('text', Table::TYPE_STRING, 64);
$table->column('half', Table::TYPE_FLOAT);
$table->create();
$table->set('before', ['number' => 1]);
$turns = new Swoole\Atomic();

function write(Table $table, int $number): void
{
    $row = ['number' => $number, 'text' => str_repeat(chr(97 + $number % 26), $number % 65), 'half' => $number / 2.0];
    $table->set('row ' . $number % 50, $row);
}

function is_whole(array $row): bool
{
    $number = $row['number'];
    return $row['text'] === str_repeat(chr(97 + $number % 26), $number % 65) && $row['half'] === $number / 2.0;
}

/** Writes until it is killed. */
function write_for_ever(Table $table, Swoole\Atomic $turns, int $seed): never
{
    mt_srand($seed);
    while (true) {
        write($table, mt_rand());
        $table->incr('turns', 'number');
        $table->del('row ' . mt_rand(0, 49));
        $turns->add();
    }
}

$writers = [];
for ($round = 0; $round < 60; $round++) {
    while (count($writers) < 3) {
        $pid = pcntl_fork() ?: write_for_ever($table, $turns, $round);
        $writers[] = $pid;
    }
    // The others are not held up by the one that was killed.
    $seen = $turns->get();
    while ($turns->get() < $seen + 20) {
        usleep(100);
    }
    $killed = array_shift($writers);
    exec("kill -9 $killed");
    pcntl_waitpid($killed, $status);
    foreach ($table as $key => $row) {
        if (str_starts_with($key, 'row') && !is_whole($row)) {
            echo 'torn: ', json_encode($row), "\n";
        }
    }
}
foreach ($writers as $pid) {
    exec("kill -9 $pid");
    pcntl_waitpid($pid, $status);
}
var_dump($table->get('before', 'number'));
var_dump(count($table) === count(iterator_to_array($table)));
var_dump($table->get('turns', 'number') - $turns->get() <= 63);
for ($row = 0; $row < 150 - count($table); $row++) {
    $table->set("filler $row", ['number' => $row]) or print("no room for $row\n");
}
foreach ($table as $key => $row) {
    $table->del($key);
}
var_dump(count($table));
?>
--EXPECT--
int(1)
bool(true)
bool(true)
int(0)
