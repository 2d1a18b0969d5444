--TEST--
Deep recursion in coroutines
--DESCRIPTION--
Also in workers.
--INI--
memory_limit=512M
--FILE--
<?php
Co::set(['c_stack_size' => 1024]);
Co::set(['c_stack_size' => 16 << 20]);
var_dump(Co::stats()['c_stack_size']);

function deep(int $left): int
{
    if ($left === 0) {
        Co::sleep(0.001);
        return 0;
    }
    return 1 + deep($left - 1);
}

function deep_inside(int $left): int
{
    if ($left === 0) {
        Co::sleep(0.001);
        return 0;
    }
    return 1 + array_sum(array_map('deep_inside', [$left - 1]));
}

Co\run(function () {
    go(function () { var_dump(deep(20000)); });
    go(function () { var_dump(deep_inside(5000)); });
    go(function () {
        $array = [];
        for ($i = 0; $i < 10000; $i++) {
            $array = [$array];
        }
        var_dump(strlen(serialize($array)) > 10000);
    });
});
?>
--EXPECTF--

Warning: Swoole\Coroutine::set(): option [c_stack_size]: wanted 262144 to 268435456 bytes in %s on line %d
int(16777216)
bool(true)
int(20000)
int(5000)
