<?php

/**
 * Timers and the event loop. PHP's gen_stub.php turns this file into crates/php/shim/timer_arginfo.h; editors can read it
 * for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole {
    class Timer
    {
        public static function set(array $settings): bool {}

        public static function tick(int $ms, callable $callback, mixed ...$params): int|false {}

        public static function after(int $ms, callable $callback, mixed ...$params): int|false {}

        public static function exists(int $timer_id): bool {}

        public static function info(int $timer_id): ?array {}

        public static function stats(): array {}

        public static function list(): Timer\Iterator {}

        public static function clear(int $timer_id): bool {}

        public static function clearAll(): bool {}
    }

    class Event
    {
        public static function add(mixed $fd, ?callable $read_callback = null, ?callable $write_callback = null, int $events = SWOOLE_EVENT_READ): int|false {}

        public static function set(mixed $fd, ?callable $read_callback = null, ?callable $write_callback = null, int $events = 0): bool {}

        public static function isset(mixed $fd, int $events = SWOOLE_EVENT_READ | SWOOLE_EVENT_WRITE): bool {}

        public static function del(mixed $fd): bool {}

        public static function write(mixed $fd, string $data): bool {}

        public static function wait(): void {}

        public static function exit(): void {}

        public static function defer(callable $callback): bool {}

        public static function cycle(?callable $callback, bool $before = false): bool {}
    }
}

namespace Swoole\Timer {
    class Iterator extends \ArrayIterator
    {
    }
}
