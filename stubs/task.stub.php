<?php

/**
 * What is done elsewhere, and what comes back. PHP's gen_stub.php turns this file into crates/php/shim/task_arginfo.h;
 * editors can read it for completion.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole\Server {
    /**
     * A task, as its callback gets it with task_use_object, task_enable_coroutine or event_object.
     *
     * @not-serializable
     */
    final class Task
    {
        /** @var mixed */
        public $data = null;
        /** @var float */
        public $dispatch_time = 0.0;
        /** @var int */
        public $id = -1;
        /** @var int */
        public $worker_id = -1;
        /** @var int */
        public $flags = 0;

        /** @return bool */
        public function finish(mixed $data) {}

        /** @return string|false */
        public static function pack(mixed $data) {}

        /** @return mixed */
        public static function unpack(string $data) {}
    }

    /** What happened to a connection, with event_object. */
    final class Event
    {
        /** @var int */
        public $reactor_id = 0;
        /** @var int */
        public $fd = 0;
        /** @var float */
        public $dispatch_time = 0.0;
        /** @var string|null */
        public $data = null;
    }

    /** A datagram, with event_object. */
    final class Packet
    {
        /** @var int */
        public $server_socket = 0;
        /** @var int */
        public $server_port = 0;
        /** @var float */
        public $dispatch_time = 0.0;
        /** @var string|null */
        public $address = null;
        /** @var int */
        public $port = 0;
        /** @var string|null */
        public $data = null;
    }

    /** A message from another process, with event_object. */
    final class PipeMessage
    {
        /** @var int */
        public $source_worker_id = 0;
        /** @var int */
        public $worker_id = 0;
        /** @var float */
        public $dispatch_time = 0.0;
        /** @var mixed */
        public $data = null;
    }

    /** How a worker ended, with event_object. */
    final class StatusInfo
    {
        /** @var int */
        public $worker_id = 0;
        /** @var int */
        public $worker_pid = 0;
        /** @var int */
        public $status = 0;
        /** @var int */
        public $exit_code = 0;
        /** @var int */
        public $signal = 0;
    }

    /** What came of a task, with event_object. */
    final class TaskResult
    {
        /** @var int */
        public $task_id = 0;
        /** @var int */
        public $task_worker_id = 0;
        /** @var float */
        public $dispatch_time = 0.0;
        /** @var mixed */
        public $data = null;
    }
}
