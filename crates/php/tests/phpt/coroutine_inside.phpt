--TEST--
Coroutines wait inside of functions of PHP: sorting, regular expressions, autoloaders, generators
--DESCRIPTION--
Also in workers.
--FILE--
<?php
echo "comparing\n";
Co\run(function () {
    foreach ([1, -1] as $sign) {
        $cids[] = go(function () use ($sign, &$results) {
            $numbers = [3, 1, 2, 5, 4];
            usort($numbers, function ($a, $b) use ($sign) {
                Co::sleep(0.005);
                return $sign * ($a <=> $b);
            });
            $keys = ['b' => 1, 'a' => 2, 'c' => 3];
            uksort($keys, function ($a, $b) use ($sign) {
                $inner = [2, 1];
                usort($inner, function ($a, $b) { Co::sleep(0.001); return $a <=> $b; });
                Co::sleep(0.001);
                return $sign * strcmp($a, $b);
            });
            $results[$sign] = json_encode([$numbers, $keys, array_udiff([1, 2, 3], [$sign, 2], function ($a, $b) { Co::sleep(0.001); return $a <=> $b; })]);
        });
    }
    Co::join($cids);
    echo "$results[1]\n", $results[-1], "\n";
});

echo "regular expressions\n";
Co\run(function () {
    foreach (['x', 'y'] as $letter) {
        go(function () use ($letter) {
            echo preg_replace_callback('/\d+/', function ($match) use ($letter) {
                Co::sleep(0.005);
                return $letter . preg_replace_callback('/\d/', function ($match) { Co::sleep(0.001); return $match[0] + 1; }, $match[0]);
            }, 'a1b22c333'), "\n";
            echo implode(',', array_map(function ($value) use ($letter) { Co::sleep(0.001); return $letter . $value; }, [1, 2, 3])), "\n";
        });
    }
});

echo "autoload\n";
spl_autoload_register(function ($name) {
    echo "loading $name for ", Co::getCid() > 0 ? 'one' : 'none', "\n";
    Co::sleep(0.01);
    if (!class_exists($name, false)) {
        eval("class $name { const WORD = '$name'; }");
    }
});
Co\run(function () {
    foreach ([1, 2] as $number) {
        go(function () use ($number) {
            try {
                echo $number, ': ', Loaded::WORD, ' ', class_exists('Other') ? 'yes' : 'no', "\n";
            } catch (Error $error) {
                echo $number, ': ', $error->getMessage(), "\n";
            }
        });
    }
});

echo "generators\n";
function numbers(string $name)
{
    for ($i = 0; $i < 3; $i++) {
        Co::sleep(0.005);
        $sent = yield "$name$i";
        if ($sent) {
            echo "sent $sent\n";
        }
    }
    yield from (function () { Co::sleep(0.001); yield 'from'; })();
    return Co::getCid() > 0;
}
Co\run(function () {
    foreach (['a', 'b'] as $name) {
        $cids[] = go(function () use ($name) {
            foreach ($generator = numbers($name) as $value) {
                echo $value, "\n";
            }
            var_dump($generator->getReturn());
        });
    }
    Co::join($cids);
    $generator = numbers('shared');
    go(function () use ($generator) { echo $generator->current(), "\n"; });
    try {
        $generator->next();
    } catch (Error $error) {
        echo $error->getMessage(), "\n";
    }
    Co::sleep(0.05);
    echo $generator->send('word'), "\n";
});
?>
--EXPECT--
comparing
[[1,2,3,4,5],{"a":2,"b":1,"c":3},{"2":3}]
[[5,4,3,2,1],{"c":3,"b":1,"a":2},{"0":1,"2":3}]
regular expressions
ax2bx33cx444
ay2by33cy444
x1,x2,x3
y1,y2,y3
autoload
1: loading Loaded for one
2: loading Loaded for one
Loaded loading Other for one
Loaded loading Other for one
yes
yes
generators
a0
b0
a1
b1
a2
b2
from
bool(true)
from
bool(true)
Cannot resume an already running generator
shared0
sent word
shared1
