<?php

/**
 * The client of coroutines. PHP's gen_stub.php turns this file into crates/php/shim/client_arginfo.h; editors can read it
 * for completion.
 *
 * Methods declare their return type in the comment only: a real one would be a fatal error for subclasses written
 * without it, and Swoole 4.8 has none.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace Swoole\Coroutine\Http {
    /** @not-serializable */
    class Client
    {
        /** @var object|null */
        public $socket = null;
        /** @var int */
        public $errCode = 0;
        /** @var string */
        public $errMsg = "";
        /** @var bool */
        public $connected = false;
        /** @var string */
        public $host = "";
        /** @var int */
        public $port = 0;
        /** @var bool */
        public $ssl = false;
        /** @var array|null */
        public $setting = null;
        /** @var string|null */
        public $requestMethod = null;
        /** @var array|null */
        public $requestHeaders = null;
        /** @var string|array|null */
        public $requestBody = null;
        /** @var array|null */
        public $uploadFiles = null;
        /** @var string|null */
        public $downloadFile = null;
        /** @var int */
        public $downloadOffset = 0;
        /** @var int */
        public $statusCode = 0;
        /** @var array|null */
        public $headers = null;
        /** @var array|null */
        public $set_cookie_headers = null;
        /** @var array|null */
        public $cookies = null;
        /** @var string */
        public $body = "";

        public function __construct(string $host, int $port = 0, bool $ssl = false) {}

        /** @return bool */
        public function set(array $settings) {}

        /** @return bool */
        public function getDefer() {}

        /** @return bool */
        public function setDefer(bool $defer = true) {}

        /** @return bool */
        public function setMethod(string $method) {}

        /** @return bool */
        public function setHeaders(array $headers) {}

        /** @return void */
        public function setBasicAuth(string $username, string $password) {}

        /** @return bool */
        public function setCookies(array $cookies) {}

        /**
         * @param string|array $data
         * @return bool
         */
        public function setData($data) {}

        /** @return bool */
        public function addFile(string $path, string $name, ?string $type = null, ?string $filename = null, int $offset = 0, int $length = 0) {}

        /** @return bool */
        public function addData(string $data, string $name, ?string $type = null, ?string $filename = null) {}

        /** @return bool */
        public function execute(string $path) {}

        /** @return bool */
        public function get(string $path) {}

        /**
         * @param string|array $data
         * @return bool
         */
        public function post(string $path, $data) {}

        /** @return bool */
        public function download(string $path, string $file, int $offset = 0) {}

        /** @return array|false */
        public function getpeername() {}

        /** @return array|false */
        public function getsockname() {}

        /** @return string|false */
        public function getBody() {}

        /** @return array|false|null */
        public function getHeaders() {}

        /** @return array|false|null */
        public function getCookies() {}

        /** @return int|false */
        public function getStatusCode() {}

        /** @return string|false */
        public function getHeaderOut() {}

        /** @return string|false */
        public function getPeerCert() {}

        /** @return bool */
        public function upgrade(string $path) {}

        /**
         * @param \Swoole\WebSocket\Frame|string $data
         * @return bool
         */
        public function push($data, int $opcode = WEBSOCKET_OPCODE_TEXT, int $flags = SWOOLE_WEBSOCKET_FLAG_FIN) {}

        /** @return \Swoole\WebSocket\Frame|bool|string */
        public function recv(float $timeout = 0) {}

        /** @return bool */
        public function ping(string $data = "") {}

        /** @return bool */
        public function disconnect(int $code = WEBSOCKET_CLOSE_NORMAL, string $reason = "") {}

        /** @return bool */
        public function close() {}
    }
}

namespace Swoole\Coroutine\Http\Client {
    class Exception extends \Swoole\Exception
    {
    }
}
