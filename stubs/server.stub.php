<?php

/**
 * The classes of a server. PHP's gen_stub.php turns this file into
 * crates/php/shim/server_arginfo.h; editors can read it for completion.
 *
 * Methods that a script may override declare their return type in the comment only: a real one would be a fatal
 * error for subclasses written without it, and Swoole 4.8 has none.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole {
    class Exception extends \Exception
    {
    }

    class Error extends \Error
    {
    }

    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Server
    {
        /** @var array|null */
        public $setting = null;
        /** @var Connection\Iterator|null */
        public $connections = null;
        /** @var string */
        public $host = "";
        /** @var int */
        public $port = 0;
        /** @var int */
        public $type = 0;
        /** @var bool */
        public $ssl = false;
        /** @var int */
        public $mode = 0;
        /** @var array|null */
        public $ports = null;
        /** @var int */
        public $master_pid = 0;
        /** @var int */
        public $manager_pid = 0;
        /** @var int */
        public $worker_id = -1;
        /** @var bool */
        public $taskworker = false;
        /** @var int */
        public $worker_pid = 0;
        /** @var int|null */
        public $stats_timer = null;
        /** @var object|null */
        public $admin_server = null;
        /** @var callable|null */
        private $onStart = null;
        /** @var callable|null */
        private $onBeforeShutdown = null;
        /** @var callable|null */
        private $onShutdown = null;
        /** @var callable|null */
        private $onManagerStart = null;
        /** @var callable|null */
        private $onManagerStop = null;
        /** @var callable|null */
        private $onWorkerStart = null;
        /** @var callable|null */
        private $onWorkerStop = null;
        /** @var callable|null */
        private $onWorkerExit = null;
        /** @var callable|null */
        private $onWorkerError = null;
        /** @var callable|null */
        private $onBeforeReload = null;
        /** @var callable|null */
        private $onAfterReload = null;
        /** @var callable|null */
        private $onTask = null;
        /** @var callable|null */
        private $onFinish = null;
        /** @var callable|null */
        private $onPipeMessage = null;

        public function __construct(string $host = "0.0.0.0", int $port = 0, int $mode = SWOOLE_PROCESS, int $sock_type = SWOOLE_SOCK_TCP) {}

        /** @return bool */
        public function set(array $settings) {}

        /** @return bool */
        public function on(string $event_name, callable $callback) {}

        /** @return callable|null */
        public function getCallback(string $event_name) {}

        /** @return Server\Port|false */
        public function listen(string $host, int $port, int $sock_type) {}

        /**
         * @return Server\Port|false
         * @implementation-alias Swoole\Server::listen
         */
        public function addlistener(string $host, int $port, int $sock_type) {}

        /** @return bool */
        public function start() {}

        /** @return bool */
        public function send(int|string $fd, string $send_data, int $serverSocket = -1) {}

        /** @return bool */
        public function sendto(string $ip, int $port, string $send_data, int $server_socket = -1) {}

        /** @return bool */
        public function close(int $fd, bool $reset = false) {}

        /** @return bool */
        public function exists(int $fd) {}

        /**
         * @return bool
         * @implementation-alias Swoole\Server::exists
         */
        public function exist(int $fd) {}

        /** @return array|false */
        public function getClientInfo(int $fd, int $reactor_id = -1, bool $ignore_error = false) {}

        /**
         * @return array|false
         * @implementation-alias Swoole\Server::getClientInfo
         */
        public function connection_info(int $fd, int $reactor_id = -1, bool $ignore_error = false) {}

        /** @return array|false */
        public function getClientList(int $start_fd = 0, int $find_count = 10) {}

        /**
         * @return array|false
         * @implementation-alias Swoole\Server::getClientList
         */
        public function connection_list(int $start_fd = 0, int $find_count = 10) {}

        /** @return bool */
        public function bind(int $fd, int $uid) {}

        /** @return bool */
        public function protect(int $fd, bool $is_protected = true) {}

        /** @return array|false */
        public function heartbeat(bool $ifCloseConnection = true) {}

        /** @return array|false */
        public function stats() {}

        /** @return bool */
        public function reload(bool $only_reload_taskworker = false) {}

        /** @return bool */
        public function stop(int $workerId = -1, bool $waitEvent = false) {}

        /** @return int|false */
        public function getWorkerId() {}

        /** @return int|false */
        public function getWorkerPid(int $worker_id = -1) {}

        /** @return int|false */
        public function getWorkerStatus(int $worker_id = -1) {}

        /** @return int */
        public function getManagerPid() {}

        /** @return int */
        public function getMasterPid() {}

        /** @return int|false */
        public function task(mixed $data, int $taskWorkerIndex = -1, ?callable $finishCallback = null) {}

        /** @return mixed */
        public function taskwait(mixed $data, float $timeout = 0.5, int $taskWorkerIndex = -1) {}

        /** @return array|false */
        public function taskWaitMulti(array $tasks, float $timeout = 0.5) {}

        /** @return array|false */
        public function taskCo(array $tasks, float $timeout = 0.5) {}

        /** @return bool */
        public function finish(mixed $data) {}

        /** @return int|false */
        public function addProcess(Process $process) {}

        /** @return bool */
        public function sendMessage(mixed $message, int $dst_worker_id) {}

        /** @return int */
        public function getLastError() {}

        /** @return bool */
        public function shutdown() {}

        /** @return bool */
        public function defer(callable $callback) {}

        /** @return int|false */
        public function tick(int $ms, callable $callback, mixed ...$params) {}

        /** @return int|false */
        public function after(int $ms, callable $callback, mixed ...$params) {}

        /** @return bool */
        public function clearTimer(int $timer_id) {}
    }
}

namespace Swoole\Server {
    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Port
    {
        /** @var string */
        public $host = "";
        /** @var int */
        public $port = 0;
        /** @var int */
        public $type = 0;
        /** @var int */
        public $sock = -1;
        /** @var bool */
        public $ssl = false;
        /** @var array|null */
        public $setting = null;
        /** @var \Swoole\Connection\Iterator|null */
        public $connections = null;

        private function __construct() {}

        /** @return void */
        public function set(array $settings) {}

        /** @return bool */
        public function on(string $event_name, callable $callback) {}

        /** @return callable|null */
        public function getCallback(string $event_name) {}

        /** @return object|false */
        public function getSocket() {}
    }
}

namespace Swoole\Connection {
    /**
     * @not-serializable
     */
    class Iterator implements \Iterator, \ArrayAccess, \Countable
    {
        public function rewind(): void {}

        public function next(): void {}

        public function current(): mixed {}

        public function key(): mixed {}

        public function valid(): bool {}

        public function count(): int {}

        public function offsetExists(mixed $fd): bool {}

        public function offsetGet(mixed $fd): mixed {}

        public function offsetSet(mixed $fd, mixed $value): void {}

        public function offsetUnset(mixed $fd): void {}
    }
}

namespace Swoole\Http {
    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Server extends \Swoole\Server
    {
    }

    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Request
    {
        /** @var int */
        public $fd = 0;
        /** @var int */
        public $streamId = 0;
        /** @var array|null */
        public $header = null;
        /** @var array|null */
        public $server = null;
        /** @var array|null */
        public $cookie = null;
        /** @var array|null */
        public $get = null;
        /** @var array|null */
        public $files = null;
        /** @var array|null */
        public $post = null;
        /** @var array|null */
        public $tmpfiles = null;

        /** @return string|false */
        public function getContent() {}

        /**
         * @return string|false
         * @implementation-alias Swoole\Http\Request::getContent
         */
        public function rawContent() {}

        /** @return string|false */
        public function getData() {}

        /** @return string|false */
        public function getMethod() {}
    }

    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Response
    {
        /** @var int */
        public $fd = 0;
        /** @var object|null */
        public $socket = null;
        /** @var array|null */
        public $header = null;
        /** @var array|null */
        public $cookie = null;
        /** @var array|null */
        public $trailer = null;

        /**
         * @param string|array|null $value
         * @return bool
         */
        public function header(string $key, $value, bool $format = true) {}

        /**
         * @param string|array|null $value
         * @return bool
         * @implementation-alias Swoole\Http\Response::header
         */
        public function setHeader(string $key, $value, bool $format = true) {}

        /** @return bool */
        public function status(int $http_code, string $reason = "") {}

        /**
         * @return bool
         * @implementation-alias Swoole\Http\Response::status
         */
        public function setStatusCode(int $http_code, string $reason = "") {}

        /** @return bool */
        public function cookie(string $name, string $value = "", int $expires = 0, string $path = "/", string $domain = "", bool $secure = false, bool $httponly = false, string $samesite = "", string $priority = "", bool $partitioned = false) {}

        /**
         * @return bool
         * @implementation-alias Swoole\Http\Response::cookie
         */
        public function setCookie(string $name, string $value = "", int $expires = 0, string $path = "/", string $domain = "", bool $secure = false, bool $httponly = false, string $samesite = "", string $priority = "", bool $partitioned = false) {}

        /** @return bool */
        public function rawcookie(string $name, string $value = "", int $expires = 0, string $path = "/", string $domain = "", bool $secure = false, bool $httponly = false, string $samesite = "", string $priority = "", bool $partitioned = false) {}

        /**
         * @return bool
         * @implementation-alias Swoole\Http\Response::rawcookie
         */
        public function setRawCookie(string $name, string $value = "", int $expires = 0, string $path = "/", string $domain = "", bool $secure = false, bool $httponly = false, string $samesite = "", string $priority = "", bool $partitioned = false) {}

        /** @return bool */
        public function redirect(string $location, int $http_code = 302) {}

        /** @return bool */
        public function write(string $content) {}

        /** @return bool */
        public function end(?string $content = null) {}

        /** @return bool */
        public function close() {}

        /** @return bool */
        public function isWritable() {}
    }
}

namespace Swoole\WebSocket {
    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Frame implements \Stringable
    {
        /** @var int */
        public $fd = 0;
        /** @var string */
        public $data = "";
        /** @var int */
        public $opcode = 1;
        /** @var int */
        public $flags = 1;
        /** @var bool|null */
        public $finish = true;

        public function __toString(): string {}

        /**
         * @param Frame|string $data
         * @return string
         */
        public static function pack($data, int $opcode = WEBSOCKET_OPCODE_TEXT, int|bool $flags = SWOOLE_WEBSOCKET_FLAG_FIN) {}

        /** @return Frame|false */
        public static function unpack(string $data) {}
    }

    /** @not-serializable */
    #[\AllowDynamicProperties]
    class CloseFrame extends Frame
    {
        /** @var int */
        public $opcode = 8;
        /** @var int */
        public $code = 1000;
        /** @var string */
        public $reason = "";
    }

    /** @not-serializable */
    #[\AllowDynamicProperties]
    class Server extends \Swoole\Http\Server
    {
        /**
         * @param Frame|string $data
         * @return bool
         */
        public function push(int $fd, $data, int $opcode = WEBSOCKET_OPCODE_TEXT, int|bool $flags = SWOOLE_WEBSOCKET_FLAG_FIN) {}

        /** @return bool */
        public function isEstablished(int $fd) {}

        /** @return bool */
        public function disconnect(int $fd, int $code = WEBSOCKET_CLOSE_NORMAL, string $reason = "") {}

        /** @return bool */
        public function ping(int $fd, string $data = "") {}

        /**
         * @param Frame|string $data
         * @return string
         * @implementation-alias Swoole\WebSocket\Frame::pack
         */
        public static function pack($data, int $opcode = WEBSOCKET_OPCODE_TEXT, int|bool $flags = SWOOLE_WEBSOCKET_FLAG_FIN) {}

        /**
         * @return Frame|false
         * @implementation-alias Swoole\WebSocket\Frame::unpack
         */
        public static function unpack(string $data) {}
    }
}
