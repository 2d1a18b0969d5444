--TEST--
Each coroutine has output buffers of its own
--DESCRIPTION--
Also in workers.
--FILE--
<?php
function waits(int $number): string
{
    ob_start(fn ($text) => "[$number:$text]");
    echo "a$number";
    Co::sleep(0.01 * $number);
    ob_start();
    echo "b$number";
    Co::sleep(0.01);
    $inner = ob_get_clean();
    echo $inner;
    return ob_get_flush();
}

ob_start();
echo "outside ";
Co\run(function () {
    var_dump(ob_get_level());
    foreach ([1, 2, 3] as $number) {
        $cids[] = go(function () use ($number) {
            waits($number);
            echo "\n";
        });
    }
    echo "main ", ob_get_level(), "\n";
    Co::join($cids);
    echo "left open:\n";
    go(function () {
        ob_start(fn ($text) => strtoupper($text));
        echo "written at its end\n";
        Co::sleep(0.01);
        echo "and this\n";
    });
    go(function () {
        ob_start();
        ob_start();
        echo "never waited\n";
    });
    echo "not buffered ", ob_get_level(), "\n";
    Co::sleep(0.05);
    echo "in a handler: ";
    $channel = new Co\Channel();
    go(function () use ($channel) {
        ob_start(function ($text) use ($channel) {
            $channel->push('pushed');
            return "<$text>";
        });
        echo "text";
        ob_end_flush();
        echo "\n";
    });
    var_dump($channel->pop());
    echo "handler waits: ";
    go(function () {
        ob_start(function ($text) {
            Co::sleep(0.01);
            return "<$text>";
        });
        echo "text";
        ob_end_flush();
        echo "\n";
    });
    Co::sleep(0.05);
});
$level = ob_get_level();
var_dump($level, ob_get_clean());
Co\run(function () {
    go(function () {
        $text = print_r([1], true);
        Co::sleep(0.01);
        echo $text;
    });
    for ($round = 0; $round < 3; $round++) {
        $before = memory_get_usage();
        for ($i = 0; $i < 200; $i++) {
            go(function () {
                ob_start();
                echo str_repeat('x', 1000);
                Co::sleep(0.01);
                ob_get_clean();
            });
        }
        Co::sleep(0.02);
        $grown = memory_get_usage() - $before;
    }
    // PHP's own heap moves by some pages; 200 buffers would be more.
    var_dump($grown < 32 << 10);
});
?>
--EXPECT--
int(0)
main 0
[1:a1b1]
[2:a2b2]
[3:a3b3]
left open:
never waited
not buffered 0
WRITTEN AT ITS END
AND THIS
in a handler: <text>
string(6) "pushed"
handler waits: <text>
int(1)
string(8) "outside "
Array
(
    [0] => 1
)
bool(true)
