<?php

/**
 * Processes of the script's own. PHP's gen_stub.php turns this file into crates/php/shim/process_arginfo.h; editors can
 * read it for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole {
    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Process
    {
        /** @var int */
        const IPC_NOWAIT = 256;
        /** @var int */
        const PIPE_MASTER = 1;
        /** @var int */
        const PIPE_WORKER = 2;
        /** @var int */
        const PIPE_READ = 3;
        /** @var int */
        const PIPE_WRITE = 4;

        /** @var int|null */
        public $pipe = null;
        /** @var int|null */
        public $msgQueueId = null;
        /** @var int|null */
        public $msgQueueKey = null;
        /** @var int|null */
        public $pid = null;
        /** @var int|null */
        public $id = null;

        public function __construct(callable $callback, bool $redirect_stdin_and_stdout = false, int $pipe_type = 2, bool $enable_coroutine = false) {}

        /** @return int|false */
        public function start() {}

        /** @return int|false */
        public function write(string $data) {}

        /** @return string|false */
        public function read(int $size = 8192) {}

        /** @return bool */
        public function close(int $which = 0) {}

        /** @return bool */
        public function exit(int $exit_code = 0) {}

        /** @return bool */
        public function exec(string $exec_file, array $args) {}

        /** @return bool */
        public function name(string $process_name) {}

        /** @return void */
        public function set(array $settings) {}

        /** @return bool */
        public function setTimeout(float $seconds) {}

        /** @return bool */
        public function setBlocking(bool $blocking) {}

        /** @return bool */
        public static function kill(int $pid, int $signal_no = 15) {}

        /** @return bool */
        public static function signal(int $signal_no, ?callable $callback = null) {}

        /** @return array|false */
        public static function wait(bool $blocking = true) {}
    }
}
