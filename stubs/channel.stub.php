<?php

/**
 * What coroutines wait for each other with. PHP's gen_stub.php turns this file into
 * crates/php/shim/channel_arginfo.h; editors can read it for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole\Coroutine {
    /** @not-serializable */
    class Channel
    {
        /** @var int */
        public $capacity = 0;
        /** @var int */
        public $errCode = 0;

        public function __construct(int $size = 1) {}

        /** @return bool */
        public function push(mixed $data, float $timeout = -1) {}

        /** @return mixed */
        public function pop(float $timeout = -1) {}

        /** @return bool */
        public function isEmpty() {}

        /** @return bool */
        public function isFull() {}

        /** @return bool */
        public function close() {}

        /** @return array */
        public function stats() {}

        /** @return int */
        public function length() {}
    }

    /** @not-serializable */
    class WaitGroup
    {
        public function __construct(int $delta = 0) {}

        public function add(int $delta = 1): void {}

        public function done(): void {}

        public function wait(float $timeout = -1): bool {}

        public function count(): int {}
    }

    /** @not-serializable */
    class Scheduler
    {
        /** @return bool */
        public function add(callable $func, mixed ...$params) {}

        /** @return bool */
        public function parallel(int $n, callable $func, mixed ...$params) {}

        /** @return void */
        public function set(array $settings) {}

        /** @return array|null */
        public function getOptions() {}

        /** @return bool */
        public function start() {}
    }
}
