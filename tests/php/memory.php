<?php
// Workers that share a table and numbers, and do with them what a client tells them: memory.php PORT base|process

use Swoole\Atomic;
use Swoole\Http\Request;
use Swoole\Table;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;

const ROWS = 40;

$table = new Table(128);
$table->column('number', Table::TYPE_INT);
$table->column('text', Table::TYPE_STRING, 64);
$table->column('half', Table::TYPE_FLOAT);
$table->create();
$table->set('untouched', ['number' => 7]);
$bell = new Atomic();
$total = new Atomic\Long();

$server = new Server('127.0.0.1', (int) $argv[1], $argv[2] === 'base' ? SWOOLE_BASE : SWOOLE_PROCESS);
$server->set(['worker_num' => 3, 'reactor_num' => 2]);

/** All of it follows from one number, so that a torn one shows. */
function row(int $number): array
{
    return ['number' => $number, 'text' => str_repeat(chr(97 + $number % 26), $number % 65), 'half' => $number / 2.0];
}

/** Writes so many turns; 0: until it is killed. */
function write(string $name, int $turns): int
{
    global $table, $total;
    for ($turn = 1; $turn !== $turns + 1 || $turns === 0; $turn++) {
        $key = 'row ' . mt_rand(1, ROWS);
        $table->set($key, row(mt_rand()));
        $table->incr("turns of $name", 'number');
        $table->incr('all turns', 'half', 0.5);
        $total->add();
        if ($turn % 3 === 0) {
            $table->del($key);
        }
    }
    return $table->get("turns of $name", 'number');
}

/** What is wrong with the table, and what it says of itself. */
function examine(): array
{
    global $table, $total;
    $found = iterator_to_array($table);
    $torn = array_filter($found, fn ($row, $key) => str_starts_with($key, 'row') && $row !== row($row['number']), ARRAY_FILTER_USE_BOTH);
    return ['torn' => $torn, 'found' => count($found), 'count' => count($table), 'total' => $total->get(),
        'all turns' => $table->get('all turns', 'half'), 'untouched' => $table->get('untouched', 'number')];
}

/** Fills it up, empties it again, and says how many rows went in. */
function refill(): int
{
    global $table;
    foreach ($table as $key => $row) {
        $table->del($key);
    }
    $rows = 0;
    while (@$table->set("filler $rows", row($rows))) {
        $rows++;
    }
    return $rows;
}

function call(string $what, array $with): mixed
{
    global $table, $bell;
    return match ($what) {
        'write' => write(...$with),
        'examine' => examine(),
        'refill' => refill(),
        'wait' => $bell->wait(...$with),
        'wakeup' => $bell->wakeup(),
        default => $table->$what(...$with),
    };
}

$server->on('workerStart', fn (Server $server, int $worker) => print("worker $worker starts\n"));
$server->on('open', function (Server $server, Request $request) {
    $server->push($request->fd, json_encode(['worker' => $server->worker_id, 'pid' => getmypid()]));
});
$server->on('message', function (Server $server, Frame $frame) {
    $wish = json_decode($frame->data, true);
    $server->push($frame->fd, json_encode(call($wish['do'], $wish['with'])));
});
$server->start();
