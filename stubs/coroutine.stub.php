<?php

/**
 * Coroutines. PHP's gen_stub.php turns this file into crates/php/shim/coroutine_arginfo.h; editors can read it for
 * completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole {
    class ExitException extends Exception
    {
        /** @var int */
        private $flags = 0;
        /** @var mixed */
        private $status = 0;

        public function getFlags(): int {}

        public function getStatus(): mixed {}
    }

    class Coroutine
    {
        public static function create(callable $func, mixed ...$param): int|false {}

        public static function defer(callable $callback): void {}

        public static function set(array $options): void {}

        public static function getOptions(): ?array {}

        public static function exists(int $cid): bool {}

        public static function yield(): bool {}

        public static function suspend(): bool {}

        public static function resume(int $cid): bool {}

        public static function cancel(int $cid): bool {}

        public static function isCanceled(): bool {}

        public static function join(array $cid_array, float $timeout = -1): bool {}

        public static function sleep(float $seconds): bool {}

        public static function gethostbyname(string $domain_name, int $type = UNKNOWN, float $timeout = -1): string|false {}

        public static function getCid(): int {}

        public static function getuid(): int {}

        public static function getPcid(int $cid = 0): int|false {}

        public static function getContext(int $cid = 0): ?Coroutine\Context {}

        public static function getElapsed(int $cid = 0): int|false {}

        public static function getBackTrace(int $cid = 0, int $options = DEBUG_BACKTRACE_PROVIDE_OBJECT, int $limit = 0): array|false {}

        public static function printBackTrace(int $cid = 0, int $options = 0, int $limit = 0): void {}

        public static function list(): Coroutine\Iterator {}

        public static function listCoroutines(): Coroutine\Iterator {}

        public static function stats(): array {}
    }
}

namespace Swoole\Coroutine {
    class System
    {
        public static function sleep(float $seconds): bool {}

        public static function gethostbyname(string $domain_name, int $type = UNKNOWN, float $timeout = -1): string|false {}
    }

    class Context extends \ArrayObject
    {
    }

    class Iterator extends \ArrayIterator
    {
    }
}
