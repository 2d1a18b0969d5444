<?php

/**
 * The functions that the extension declares. PHP's gen_stub.php turns this file into
 * crates/php/shim/functions_arginfo.h; editors can read it for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace {
    function swoole_version(): string {}

    function swoole_cpu_num(): int {}

    function swoole_last_error(): int {}

    function swoole_errno(): int {}

    function swoole_clear_error(): void {}

    function swoole_strerror(int $errno, int $error_type = SWOOLE_STRERROR_SYSTEM): string {}

    function swoole_error_log(int $level, string $msg): void {}

    function swoole_set_process_name(string $process_name): bool {}

    function swoole_coroutine_create(callable $func, mixed ...$param): int|false {}

    function swoole_coroutine_defer(callable $callback): void {}

    function go(callable $func, mixed ...$param): int|false {}

    function defer(callable $callback): void {}

    function swoole_timer_tick(int $ms, callable $callback, mixed ...$params): int|false {}

    function swoole_timer_after(int $ms, callable $callback, mixed ...$params): int|false {}

    function swoole_timer_exists(int $timer_id): bool {}

    function swoole_timer_info(int $timer_id): ?array {}

    function swoole_timer_stats(): array {}

    function swoole_timer_list(): \Swoole\Timer\Iterator {}

    function swoole_timer_clear(int $timer_id): bool {}

    function swoole_timer_clear_all(): bool {}

    function swoole_event_add(mixed $fd, ?callable $read_callback = null, ?callable $write_callback = null, int $events = SWOOLE_EVENT_READ): int|false {}

    function swoole_event_set(mixed $fd, ?callable $read_callback = null, ?callable $write_callback = null, int $events = 0): bool {}

    function swoole_event_isset(mixed $fd, int $events = SWOOLE_EVENT_READ | SWOOLE_EVENT_WRITE): bool {}

    function swoole_event_del(mixed $fd): bool {}

    function swoole_event_write(mixed $fd, string $data): bool {}

    function swoole_event_wait(): void {}

    function swoole_event_exit(): void {}

    function swoole_event_defer(callable $callback): bool {}

    function swoole_event_cycle(?callable $callback, bool $before = false): bool {}
}

namespace Swoole\Coroutine {
    function run(callable $func, mixed ...$param): bool {}

    function go(callable $func, mixed ...$param): int|false {}

    function defer(callable $callback): void {}
}

namespace Co {
    function run(callable $func, mixed ...$param): bool {}

    function go(callable $func, mixed ...$param): int|false {}

    function defer(callable $callback): void {}
}
