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

    function swoole_set_process_name(string $process_name): bool {}
}
