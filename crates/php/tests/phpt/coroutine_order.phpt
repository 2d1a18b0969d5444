--TEST--
Coroutines begin at once, wait, and end in the order of their times
--DESCRIPTION--
Also in workers.
--FILE--
<?php
use function Swoole\Coroutine\run;

run(function () {
    foreach ([30, 20, 10] as $milliseconds) {
        Co::create(function (int $milliseconds) {
            try {
                echo "$milliseconds begins\n";
                var_dump(Co::sleep($milliseconds / 1000));
                echo "$milliseconds ends\n";
            } finally {
                echo "$milliseconds is over\n";
            }
        }, $milliseconds);
        echo "$milliseconds is created\n";
    }
    echo "main ends\n";
});
echo "all over\n";
?>
--EXPECT--
30 begins
30 is created
20 begins
20 is created
10 begins
10 is created
main ends
bool(true)
10 ends
10 is over
bool(true)
20 ends
20 is over
bool(true)
30 ends
30 is over
all over
