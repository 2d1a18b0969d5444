--TEST--
What PHP keeps for the code that runs is kept for each coroutine
--DESCRIPTION--
Also in workers.
--FILE--
<?php
echo "exceptions in flight\n";
Co\run(function () {
    foreach ([1, 2] as $number) {
        go(function () use ($number) {
            try {
                try {
                    throw new RuntimeException("first $number");
                } finally {
                    Co::sleep(0.01 * $number);
                    try {
                        throw new LogicException("inner $number");
                    } catch (LogicException $error) {
                        Co::sleep(0.01);
                        echo $error->getMessage(), "\n";
                    }
                }
            } catch (RuntimeException $error) {
                echo $error->getMessage(), "\n";
            }
        });
    }
});

echo "serialize within serialize\n";
class Slow
{
    public function __construct(public mixed $value) {}

    public function __serialize(): array
    {
        Co::sleep(0.01);
        return [$this->value, $this->value];
    }

    public function __unserialize(array $data): void
    {
        Co::sleep(0.01);
        $this->value = $data[0];
    }
}
Co\run(function () {
    $shared = new stdClass();
    $texts = [];
    foreach ([1, 2, 3] as $number) {
        $cids[] = go(function () use ($number, &$texts, $shared) {
            $texts[$number] = serialize([$shared, new Slow($shared), new Slow([$number, $shared]), $shared]);
        });
    }
    Co::join($cids);
    var_dump($texts[1] === str_replace('i:0;i:2;', 'i:0;i:1;', $texts[2]), $texts[3]);
    foreach ([1, 2, 3] as $number) {
        go(function () use ($number, $texts) {
            $values = unserialize($texts[$number]);
            var_dump($values[0] === $values[3], $values[1]->value === $values[0], $values[2]->value === [$number, $values[0]]);
        });
    }
});

echo "error handling of constructors\n";
class SlowStream
{
    public $context;

    public function stream_open($path): bool
    {
        Co::sleep(0.01);
        return !str_contains($path, 'no');
    }

    public function stream_read(): string { Co::sleep(0.01); return ''; }
    public function stream_eof(): bool { return true; }
    public function stream_stat(): array { return []; }
    public function stream_seek(): bool { return true; }
    public function url_stat(): array { Co::sleep(0.01); return []; }
}
stream_wrapper_register('slow', 'SlowStream');
Co\run(function () {
    go(function () {
        try {
            new SplFileObject('slow://no');
        } catch (RuntimeException $error) {
            echo get_class($error), ': ', $error->getMessage(), "\n";
        }
        echo "a warning again: ";
        echo $undefined;
    });
    echo "a warning while a constructor waits: ";
    echo $other;
    go(function () {
        var_dump((new SplFileObject('slow://yes'))->fread(10));
    });
});

echo "silence\n";
function quietly() { Co::sleep(0.01); return $nothing; }
Co\run(function () {
    go(function () { @quietly(); echo "reports ", error_reporting() === E_ALL ? 'all' : error_reporting(), "\n"; });
    echo "heard: ", error_reporting() === E_ALL ? 'all' : error_reporting(), $unknown, "\n";
});
?>
--EXPECTF--
exceptions in flight
inner 1
first 1
inner 2
first 2
serialize within serialize
bool(true)
string(143) "a:4:{i:0;O:8:"stdClass":0:{}i:1;O:4:"Slow":2:{i:0;r:2;i:1;r:2;}i:2;O:4:"Slow":2:{i:0;a:2:{i:0;i:3;i:1;r:2;}i:1;a:2:{i:0;i:3;i:1;r:2;}}i:3;r:2;}"
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
error handling of constructors
a warning while a constructor waits: 
Warning: Undefined variable $other in %s on line %d
RuntimeException: SplFileObject::__construct(slow://no): Failed to open stream: "SlowStream::stream_open" call failed
a warning again: 
Warning: Undefined variable $undefined in %s on line %d
string(0) ""
silence
heard: all
Warning: Undefined variable $unknown in %s on line %d

reports all
