<?php

/**
 * What processes share. PHP's gen_stub.php turns this file into
 * crates/php/shim/memory_arginfo.h; editors can read it for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole {
    /** @not-serializable */
    class Atomic
    {
        public function __construct(int $value = 0) {}

        /** @return int */
        public function add(int $add_value = 1) {}

        /** @return int */
        public function sub(int $sub_value = 1) {}

        /** @return int */
        public function get() {}

        /** @return void */
        public function set(int $value) {}

        /** @return bool */
        public function wait(float $timeout = 1.0) {}

        /** @return bool */
        public function wakeup(int $count = 1) {}

        /** @return bool */
        public function cmpset(int $cmp_value, int $new_value) {}
    }

    /** @not-serializable */
    class Table implements \Iterator, \Countable
    {
        /** @var int */
        const TYPE_INT = 1;
        /** @var int */
        const TYPE_FLOAT = 2;
        /** @var int */
        const TYPE_STRING = 3;

        /** @var int|null */
        public $size = null;
        /** @var int|null */
        public $memorySize = null;

        public function __construct(int $table_size, float $conflict_proportion = 0.2) {}

        /** @return bool */
        public function column(string $name, int $type, int $size = 0) {}

        /** @return bool */
        public function create() {}

        /** @return bool */
        public function destroy() {}

        /** @return bool */
        public function set(string $key, array $value) {}

        /** @return mixed */
        public function get(string $key, ?string $field = null) {}

        /** @return bool */
        public function del(string $key) {}

        /**
         * @return bool
         * @implementation-alias Swoole\Table::del
         */
        public function delete(string $key) {}

        /** @return bool */
        public function exists(string $key) {}

        /**
         * @return bool
         * @implementation-alias Swoole\Table::exists
         */
        public function exist(string $key) {}

        /** @return int|float|false */
        public function incr(string $key, string $column, int|float $incrby = 1) {}

        /** @return int|float|false */
        public function decr(string $key, string $column, int|float $decrby = 1) {}

        /** @return int */
        public function getSize() {}

        /** @return int */
        public function getMemorySize() {}

        /** @return array|false */
        public function stats() {}

        /** @tentative-return-type */
        public function count(): int {}

        /** @tentative-return-type */
        public function rewind(): void {}

        /** @tentative-return-type */
        public function valid(): bool {}

        /** @tentative-return-type */
        public function next(): void {}

        /** @tentative-return-type */
        public function current(): mixed {}

        /** @tentative-return-type */
        public function key(): mixed {}
    }
}

namespace Swoole\Atomic {
    /** @not-serializable */
    class Long
    {
        public function __construct(int $value = 0) {}

        /** @return int */
        public function add(int $add_value = 1) {}

        /** @return int */
        public function sub(int $sub_value = 1) {}

        /** @return int */
        public function get() {}

        /** @return void */
        public function set(int $value) {}

        /** @return bool */
        public function cmpset(int $cmp_value, int $new_value) {}
    }
}
