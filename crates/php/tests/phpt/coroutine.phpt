--TEST--
Coroutines: order, parents, yield and resume, defer, contexts, lists, and all their names
--FILE--
<?php
use Swoole\Coroutine;
use function Swoole\Coroutine\run;

echo "outside ", Co::getCid(), ' ', var_export(Co::getPcid(), true), ' ', var_export(Co::getContext(), true), "\n";
var_dump(run(function (...$arguments) {
    echo json_encode($arguments), ' ', Co::getCid(), ' ', Co::getuid(), ' ', Co::getPcid(), "\n";

    echo "nested\n";
    $cid = go(function () {
        echo "  child begins ", Co::getCid(), ' of ', Co::getPcid(), "\n";
        go(function () {
            echo "    grandchild begins ", Co::getCid(), ' of ', Co::getPcid(), "\n";
            Co::sleep(0.02);
            echo "    grandchild ends\n";
        });
        echo "  child sleeps\n";
        Co::sleep(0.01);
        echo "  child ends\n";
    });
    echo "created $cid, its parent ", Co::getPcid($cid), ', of nobody ', var_export(Co::getPcid(999), true), "\n";
    Co::sleep(0.05);

    echo "yield and resume\n";
    $cid = go(function () {
        echo "  1\n";
        var_dump(Co::yield());
        echo "  2\n";
        var_dump(Co::suspend());
        echo "  3\n";
    });
    echo "resume\n";
    var_dump(Co::resume($cid));
    var_dump(Co::resume($cid), Co::exists($cid), Co::resume($cid));
    $cid = go(fn () => Co::sleep(0.01));
    var_dump(Co::resume($cid), Co::resume(Co::getCid()), Co::resume(0), Co::resume(-3));
    Co::sleep(0.02);

    echo "resume each other\n";
    $main = Co::getCid();
    go(function () use ($main) {
        Co::sleep(0.01);
        echo "  resumes $main\n";
        Co::resume($main);
        echo "  goes on when $main waits\n";
    });
    var_dump(Co::yield());
    Co::sleep(0.01);
}, 1, 'two'));

echo "defer\n";
run(function () {
    defer(function () { echo "1 is last\n"; });
    Coroutine\defer(function () {
        Co::sleep(0.01);
        echo "2 slept\n";
        defer(function () { echo "deferred while deferred things run\n"; });
        Co::defer(function () { echo "and another\n"; });
    });
    swoole_coroutine_defer(function () { echo "3 is first\n"; });
    Co\defer(function (...$arguments) { echo "4: ", json_encode($arguments), "\n"; });
    echo "body ends\n";
});

echo "context\n";
class Thing
{
    public function __construct(private string $name) {}

    public function __destruct()
    {
        echo "  $this->name is freed\n";
    }
}
run(function () {
    $context = Co::getContext();
    var_dump(get_class($context), $context === Co::getContext(), Co::getContext(999));
    $context['thing'] = new Thing('main');
    $context->property = 1;
    $cid = go(function () {
        Co::getContext()['thing'] = new Thing('child');
        var_dump(count(Co::getContext()), Co::getContext(Co::getPcid())['thing'] instanceof Thing);
        Co::yield();
        defer(function () { echo "  deferred sees ", get_class(Co::getContext()['thing']), "\n"; });
    });
    var_dump(count(Co::getContext($cid)), $context->property);
    Co::resume($cid);
    var_dump(Co::getContext($cid));
    echo "main ends\n";
});

echo "list\n";
run(function () {
    $cids = [];
    foreach ([1, 2, 3] as $unused) {
        $cids[] = go(fn () => Co::yield());
    }
    $own = Co::getCid();
    $list = Co::list();
    var_dump(get_class($list), count($list), iterator_to_array(Co::listCoroutines()) === [$own, ...$cids]);
    $stats = Co::stats();
    var_dump($stats['coroutine_num'], $stats['coroutine_last_cid'] === $cids[2], $stats['coroutine_peak_num'] >= 4);
    var_dump(Co::exists($own), Co::exists($cids[0]), Co::exists(0), Co::exists(-1), Co::exists(9999));
    Co::sleep(0.03);
    var_dump(Co::getElapsed() >= 30, Co::getElapsed() < 3000, Co::getElapsed($cids[1]) >= 30, Co::getElapsed(9999));
    array_map([Co::class, 'resume'], $cids);
    var_dump(Co::stats()['coroutine_num'], Co::getElapsed($cids[1]));
});
var_dump(Co::stats()['coroutine_num'], count(Co::list()));

echo "aliases\n";
function tells(string $name) { echo $name, ' ', Co::getCid() > 0 ? 'in a coroutine' : 'outside', "\n"; }
Co\run('tells', 'Co\run');
run(function () {
    foreach (['go', 'Co\go', 'Swoole\Coroutine\go', 'swoole_coroutine_create', 'Swoole\Coroutine::create', 'Co::create', 'swoole_coroutine::create'] as $function) {
        var_dump($function('tells', $function) > 0);
    }
    var_dump(Co\System::sleep(0.01), Swoole\Coroutine\System::sleep(0));
});
?>
--EXPECTF--
outside -1 false NULL
[1,"two"] 1 1 -1
nested
  child begins 2 of 1
    grandchild begins 3 of 2
  child sleeps
created 2, its parent 1, of nobody false
  child ends
    grandchild ends
yield and resume
  1
resume
bool(true)
  2
bool(true)
bool(true)
  3

Warning: Swoole\Coroutine::resume(): coroutine#4 cannot be resumed: it does not exist or is not suspended in %s on line %d
bool(true)
bool(false)
bool(false)

Warning: Swoole\Coroutine::resume(): coroutine#5 cannot be resumed: it waits for something else in %s on line %d

Warning: Swoole\Coroutine::resume(): coroutine#1 cannot be resumed: it does not exist or is not suspended in %s on line %d

Warning: Swoole\Coroutine::resume(): coroutine#0 cannot be resumed: it does not exist or is not suspended in %s on line %d

Warning: Swoole\Coroutine::resume(): coroutine#-3 cannot be resumed: it does not exist or is not suspended in %s on line %d
bool(false)
bool(false)
bool(false)
bool(false)
resume each other
  resumes 1
bool(true)
  goes on when 1 waits
bool(true)
defer
body ends
4: []
3 is first
2 slept
and another
deferred while deferred things run
1 is last
context
string(24) "Swoole\Coroutine\Context"
bool(true)
NULL
int(1)
bool(true)
int(1)
int(1)
  deferred sees Thing
  child is freed
NULL
main ends
  main is freed
list
string(25) "Swoole\Coroutine\Iterator"
int(4)
bool(true)
int(4)
bool(true)
bool(true)
bool(true)
bool(true)
bool(false)
bool(false)
bool(false)
bool(true)
bool(true)
bool(true)
bool(false)
int(1)
bool(false)
int(0)
int(0)
aliases
Co\run in a coroutine
go in a coroutine
bool(true)
Co\go in a coroutine
bool(true)
Swoole\Coroutine\go in a coroutine
bool(true)
swoole_coroutine_create in a coroutine
bool(true)
Swoole\Coroutine::create in a coroutine
bool(true)
Co::create in a coroutine
bool(true)
swoole_coroutine::create in a coroutine
bool(true)
bool(true)
bool(true)
