<?php

/**
 * The classes, functions and constants that the extension declares. PHP's gen_stub.php turns this file into
 * shim/wirewool_arginfo.h; editors can read it for completion.
 *
 * Methods that a script may override declare their return type in the comment only: a real one would be a fatal
 * error for subclasses written without it, and Swoole 4.8 has none.
 *
 * @generate-class-entries
 * @generate-legacy-arginfo 80200
 */

namespace {
    // WebSocket
    /** @var int */
    const WEBSOCKET_OPCODE_CONTINUATION = 0;
    /** @var int */
    const WEBSOCKET_OPCODE_TEXT = 1;
    /** @var int */
    const WEBSOCKET_OPCODE_BINARY = 2;
    /** @var int */
    const WEBSOCKET_OPCODE_CLOSE = 8;
    /** @var int */
    const WEBSOCKET_OPCODE_PING = 9;
    /** @var int */
    const WEBSOCKET_OPCODE_PONG = 10;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_CONTINUATION = 0;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_TEXT = 1;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_BINARY = 2;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_CLOSE = 8;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_PING = 9;
    /** @var int */
    const SWOOLE_WEBSOCKET_OPCODE_PONG = 10;
    /** @var int */
    const WEBSOCKET_STATUS_CONNECTION = 1;
    /** @var int */
    const WEBSOCKET_STATUS_HANDSHAKE = 2;
    /** @var int */
    const WEBSOCKET_STATUS_ACTIVE = 3;
    /** @var int */
    const WEBSOCKET_STATUS_CLOSING = 4;
    /** @var int */
    const SWOOLE_WEBSOCKET_STATUS_CONNECTION = 1;
    /** @var int */
    const SWOOLE_WEBSOCKET_STATUS_HANDSHAKE = 2;
    /** @var int */
    const SWOOLE_WEBSOCKET_STATUS_ACTIVE = 3;
    /** @var int */
    const SWOOLE_WEBSOCKET_STATUS_CLOSING = 4;
    /** @var int */
    const WEBSOCKET_STATUS_FRAME = 3;
    /** @var int */
    const WEBSOCKET_STATUS_HANDSHAKE_FAILED = 5;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_FIN = 1;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_COMPRESS = 2;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_RSV1 = 4;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_RSV2 = 8;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_RSV3 = 16;
    /** @var int */
    const SWOOLE_WEBSOCKET_FLAG_MASK = 32;
    /** @var int */
    const WEBSOCKET_CLOSE_NORMAL = 1000;
    /** @var int */
    const WEBSOCKET_CLOSE_GOING_AWAY = 1001;
    /** @var int */
    const WEBSOCKET_CLOSE_PROTOCOL_ERROR = 1002;
    /** @var int */
    const WEBSOCKET_CLOSE_DATA_ERROR = 1003;
    /** @var int */
    const WEBSOCKET_CLOSE_STATUS_ERROR = 1005;
    /** @var int */
    const WEBSOCKET_CLOSE_ABNORMAL = 1006;
    /** @var int */
    const WEBSOCKET_CLOSE_MESSAGE_ERROR = 1007;
    /** @var int */
    const WEBSOCKET_CLOSE_POLICY_ERROR = 1008;
    /** @var int */
    const WEBSOCKET_CLOSE_MESSAGE_TOO_BIG = 1009;
    /** @var int */
    const WEBSOCKET_CLOSE_EXTENSION_MISSING = 1010;
    /** @var int */
    const WEBSOCKET_CLOSE_SERVER_ERROR = 1011;
    /** @var int */
    const WEBSOCKET_CLOSE_CLOSE_SERVICE_RESTART = 1012;
    /** @var int */
    const WEBSOCKET_CLOSE_TRY_AGAIN_LATER = 1013;
    /** @var int */
    const WEBSOCKET_CLOSE_BAD_GATEWAY = 1014;
    /** @var int */
    const WEBSOCKET_CLOSE_TLS = 1015;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_NORMAL = 1000;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_GOING_AWAY = 1001;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_PROTOCOL_ERROR = 1002;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_DATA_ERROR = 1003;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_STATUS_ERROR = 1005;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_ABNORMAL = 1006;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_MESSAGE_ERROR = 1007;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_POLICY_ERROR = 1008;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_MESSAGE_TOO_BIG = 1009;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_EXTENSION_MISSING = 1010;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_SERVER_ERROR = 1011;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_CLOSE_SERVICE_RESTART = 1012;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_TRY_AGAIN_LATER = 1013;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_BAD_GATEWAY = 1014;
    /** @var int */
    const SWOOLE_WEBSOCKET_CLOSE_TLS = 1015;
    // Server modes, sockets, dispatch
    /** @var int */
    const SWOOLE_BASE = 1;
    /** @var int */
    const SWOOLE_PROCESS = 2;
    /** @var int */
    const SWOOLE_SOCK_TCP = 1;
    /** @var int */
    const SWOOLE_SOCK_UDP = 2;
    /** @var int */
    const SWOOLE_SOCK_TCP6 = 3;
    /** @var int */
    const SWOOLE_SOCK_UDP6 = 4;
    /** @var int */
    const SWOOLE_SOCK_UNIX_STREAM = 5;
    /** @var int */
    const SWOOLE_SOCK_UNIX_DGRAM = 6;
    /** @var int */
    const SWOOLE_SOCK_RAW = 7;
    /** @var int */
    const SWOOLE_SOCK_RAW6 = 8;
    /** @var int */
    const SWOOLE_TCP = 1;
    /** @var int */
    const SWOOLE_UDP = 2;
    /** @var int */
    const SWOOLE_TCP6 = 3;
    /** @var int */
    const SWOOLE_UDP6 = 4;
    /** @var int */
    const SWOOLE_UNIX_STREAM = 5;
    /** @var int */
    const SWOOLE_UNIX_DGRAM = 6;
    /** @var int */
    const SWOOLE_RAW = 7;
    /** @var int */
    const SWOOLE_RAW6 = 8;
    /** @var int */
    const SWOOLE_SSL = 512;
    /** @var bool */
    const SWOOLE_SOCK_SYNC = false;
    /** @var bool */
    const SWOOLE_SOCK_ASYNC = true;
    /** @var int */
    const SWOOLE_DISPATCH_ROUND = 1;
    /** @var int */
    const SWOOLE_DISPATCH_FDMOD = 2;
    /** @var int */
    const SWOOLE_DISPATCH_IDLE_WORKER = 3;
    /** @var int */
    const SWOOLE_DISPATCH_IPMOD = 4;
    /** @var int */
    const SWOOLE_DISPATCH_UIDMOD = 5;
    /** @var int */
    const SWOOLE_DISPATCH_USERFUNC = 6;
    /** @var int */
    const SWOOLE_DISPATCH_STREAM = 7;
    /** @var int */
    const SWOOLE_DISPATCH_CO_CONN_LB = 8;
    /** @var int */
    const SWOOLE_DISPATCH_CO_REQ_LB = 9;
    /** @var int */
    const SWOOLE_DISPATCH_CONCURRENT_LB = 10;
    /** @var int */
    const SWOOLE_DISPATCH_RESULT_DISCARD_PACKET = -1;
    /** @var int */
    const SWOOLE_DISPATCH_RESULT_CLOSE_CONNECTION = -2;
    /** @var int */
    const SWOOLE_DISPATCH_RESULT_USERFUNC_FALLBACK = -3;
    /** @var int */
    const SWOOLE_WORKER_BUSY = 1;
    /** @var int */
    const SWOOLE_WORKER_IDLE = 2;
    /** @var int */
    const SWOOLE_WORKER_EXIT = 3;
    /** @var int */
    const SWOOLE_TASK_TMPFILE = 1;
    /** @var int */
    const SWOOLE_TASK_SERIALIZE = 2;
    /** @var int */
    const SWOOLE_TASK_NONBLOCK = 4;
    /** @var int */
    const SWOOLE_TASK_CALLBACK = 8;
    /** @var int */
    const SWOOLE_TASK_WAITALL = 16;
    /** @var int */
    const SWOOLE_TASK_COROUTINE = 32;
    /** @var int */
    const SWOOLE_TASK_PEEK = 64;
    /** @var int */
    const SWOOLE_TASK_NOREPLY = 128;
    /** @var int */
    const SWOOLE_IPC_NONE = 0;
    /** @var int */
    const SWOOLE_IPC_UNSOCK = 1;
    /** @var int */
    const SWOOLE_IPC_UNIXSOCK = 1;
    /** @var int */
    const SWOOLE_IPC_MSGQUEUE = 2;
    /** @var int */
    const SWOOLE_IPC_PREEMPTIVE = 3;
    /** @var int */
    const SWOOLE_IPC_SOCKET = 3;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_MASTER = 2;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_REACTOR_THREAD = 4;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_EVENT_WORKER = 8;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_WORKER = 8;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_TASK_WORKER = 16;
    /** @var int */
    const SWOOLE_SERVER_COMMAND_MANAGER = 32;
    /** @var int */
    const SWOOLE_EVENT_READ = 512;
    /** @var int */
    const SWOOLE_EVENT_WRITE = 1024;
    // TLS
    /** @var int */
    const SWOOLE_SSL_SSLv2 = 2;
    /** @var int */
    const SWOOLE_SSL_SSLv3 = 4;
    /** @var int */
    const SWOOLE_SSL_TLSv1 = 8;
    /** @var int */
    const SWOOLE_SSL_TLSv1_1 = 16;
    /** @var int */
    const SWOOLE_SSL_TLSv1_2 = 32;
    /** @var int */
    const SWOOLE_SSL_TLSv1_3 = 64;
    /** @var int */
    const SWOOLE_SSL_DTLS = 128;
    /** @var int */
    const SWOOLE_SSLv23_METHOD = 0;
    /** @var int */
    const SWOOLE_SSLv3_METHOD = 1;
    /** @var int */
    const SWOOLE_SSLv3_SERVER_METHOD = 2;
    /** @var int */
    const SWOOLE_SSLv3_CLIENT_METHOD = 3;
    /** @var int */
    const SWOOLE_SSLv23_SERVER_METHOD = 4;
    /** @var int */
    const SWOOLE_SSLv23_CLIENT_METHOD = 5;
    /** @var int */
    const SWOOLE_TLSv1_METHOD = 6;
    /** @var int */
    const SWOOLE_TLSv1_SERVER_METHOD = 7;
    /** @var int */
    const SWOOLE_TLSv1_CLIENT_METHOD = 8;
    /** @var int */
    const SWOOLE_TLSv1_1_METHOD = 9;
    /** @var int */
    const SWOOLE_TLSv1_1_SERVER_METHOD = 10;
    /** @var int */
    const SWOOLE_TLSv1_1_CLIENT_METHOD = 11;
    /** @var int */
    const SWOOLE_TLSv1_2_METHOD = 12;
    /** @var int */
    const SWOOLE_TLSv1_2_SERVER_METHOD = 13;
    /** @var int */
    const SWOOLE_TLSv1_2_CLIENT_METHOD = 14;
    /** @var int */
    const SWOOLE_DTLS_CLIENT_METHOD = 15;
    /** @var int */
    const SWOOLE_DTLS_SERVER_METHOD = 16;
    /** @var int */
    const SWOOLE_TLS_METHOD = 0;
    /** @var int */
    const SWOOLE_TLS_SERVER_METHOD = 4;
    /** @var int */
    const SWOOLE_TLS_CLIENT_METHOD = 5;
    // Logging, misc
    /** @var int */
    const SWOOLE_LOG_DEBUG = 0;
    /** @var int */
    const SWOOLE_LOG_TRACE = 1;
    /** @var int */
    const SWOOLE_LOG_INFO = 2;
    /** @var int */
    const SWOOLE_LOG_NOTICE = 3;
    /** @var int */
    const SWOOLE_LOG_WARNING = 4;
    /** @var int */
    const SWOOLE_LOG_ERROR = 5;
    /** @var int */
    const SWOOLE_LOG_NONE = 6;
    /** @var int */
    const SWOOLE_LOG_ROTATION_SINGLE = 0;
    /** @var int */
    const SWOOLE_LOG_ROTATION_MONTHLY = 1;
    /** @var int */
    const SWOOLE_LOG_ROTATION_DAILY = 2;
    /** @var int */
    const SWOOLE_LOG_ROTATION_HOURLY = 3;
    /** @var int */
    const SWOOLE_LOG_ROTATION_EVERY_MINUTE = 4;
    /** @var int */
    const SWOOLE_TRACE_SERVER = 2;
    /** @var int */
    const SWOOLE_TRACE_CLIENT = 4;
    /** @var int */
    const SWOOLE_TRACE_BUFFER = 8;
    /** @var int */
    const SWOOLE_TRACE_CONN = 16;
    /** @var int */
    const SWOOLE_TRACE_EVENT = 32;
    /** @var int */
    const SWOOLE_TRACE_WORKER = 64;
    /** @var int */
    const SWOOLE_TRACE_MEMORY = 128;
    /** @var int */
    const SWOOLE_TRACE_REACTOR = 256;
    /** @var int */
    const SWOOLE_TRACE_PHP = 512;
    /** @var int */
    const SWOOLE_TRACE_HTTP = 1024;
    /** @var int */
    const SWOOLE_TRACE_HTTP2 = 2048;
    /** @var int */
    const SWOOLE_TRACE_EOF_PROTOCOL = 4096;
    /** @var int */
    const SWOOLE_TRACE_LENGTH_PROTOCOL = 8192;
    /** @var int */
    const SWOOLE_TRACE_CLOSE = 16384;
    /** @var int */
    const SWOOLE_TRACE_WEBSOCKET = 32768;
    /** @var int */
    const SWOOLE_TRACE_REDIS_CLIENT = 65536;
    /** @var int */
    const SWOOLE_TRACE_MYSQL_CLIENT = 131072;
    /** @var int */
    const SWOOLE_TRACE_HTTP_CLIENT = 262144;
    /** @var int */
    const SWOOLE_TRACE_AIO = 524288;
    /** @var int */
    const SWOOLE_TRACE_SSL = 1048576;
    /** @var int */
    const SWOOLE_TRACE_NORMAL = 2097152;
    /** @var int */
    const SWOOLE_TRACE_CHANNEL = 4194304;
    /** @var int */
    const SWOOLE_TRACE_TIMER = 8388608;
    /** @var int */
    const SWOOLE_TRACE_SOCKET = 16777216;
    /** @var int */
    const SWOOLE_TRACE_COROUTINE = 33554432;
    /** @var int */
    const SWOOLE_TRACE_CONTEXT = 67108864;
    /** @var int */
    const SWOOLE_TRACE_CO_HTTP_SERVER = 134217728;
    /** @var int */
    const SWOOLE_TRACE_TABLE = 268435456;
    /** @var int */
    const SWOOLE_TRACE_CO_CURL = 536870912;
    /** @var int */
    const SWOOLE_TRACE_CARES = 1073741824;
    /** @var int */
    const SWOOLE_TRACE_ALL = 0x7fffffffffffffff;
    /** @var int */
    const SWOOLE_STRERROR_SYSTEM = 0;
    /** @var int */
    const SWOOLE_STRERROR_GAI = 1;
    /** @var int */
    const SWOOLE_STRERROR_DNS = 2;
    /** @var int */
    const SWOOLE_STRERROR_SWOOLE = 9;
    /** @var int */
    const SWOOLE_TIMER_MIN_MS = 1;
    /** @var float */
    const SWOOLE_TIMER_MIN_SEC = 0.001;
    /**
     * @var int
     * @cvalue ZEND_LONG_MAX
     */
    const SWOOLE_TIMER_MAX_MS = UNKNOWN;
    /**
     * @var float
     * @cvalue (double) ZEND_LONG_MAX / 1000
     */
    const SWOOLE_TIMER_MAX_SEC = UNKNOWN;
    /** @var int */
    const SWOOLE_CHANNEL_OK = 0;
    /** @var int */
    const SWOOLE_CHANNEL_TIMEOUT = -1;
    /** @var int */
    const SWOOLE_CHANNEL_CLOSED = -2;
    /** @var int */
    const SWOOLE_CHANNEL_CANCELED = -3;
    /** @var int */
    const SWOOLE_CORO_INIT = 0;
    /** @var int */
    const SWOOLE_CORO_WAITING = 1;
    /** @var int */
    const SWOOLE_CORO_RUNNING = 2;
    /** @var int */
    const SWOOLE_CORO_END = 3;
    /** @var int */
    const SWOOLE_DEFAULT_MAX_CORO_NUM = 100000;
    /**
     * @var int
     * @cvalue ZEND_LONG_MAX
     */
    const SWOOLE_CORO_MAX_NUM_LIMIT = UNKNOWN;
    /** @var int */
    const SWOOLE_EXIT_IN_COROUTINE = 2;
    /** @var int */
    const SWOOLE_EXIT_IN_SERVER = 4;
    /** @var int */
    const SWOOLE_RWLOCK = 1;
    /** @var int */
    const SWOOLE_FILELOCK = 2;
    /** @var int */
    const SWOOLE_MUTEX = 3;
    /** @var int */
    const SWOOLE_SEM = 4;
    /** @var int */
    const SWOOLE_SPINLOCK = 5;
    /** @var int */
    const SWOOLE_MSGQUEUE_ORIENT = 1;
    /** @var int */
    const SWOOLE_MSGQUEUE_BALANCE = 2;
    /** @var int */
    const SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED = -1;
    /** @var int */
    const SWOOLE_HTTP_CLIENT_ESTATUS_REQUEST_TIMEOUT = -2;
    /** @var int */
    const SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET = -3;
    /** @var int */
    const SWOOLE_HTTP_CLIENT_ESTATUS_SEND_FAILED = -4;
    /** @var int */
    const SWOOLE_HOOK_TCP = 2;
    /** @var int */
    const SWOOLE_HOOK_UDP = 4;
    /** @var int */
    const SWOOLE_HOOK_UNIX = 8;
    /** @var int */
    const SWOOLE_HOOK_UDG = 16;
    /** @var int */
    const SWOOLE_HOOK_SSL = 32;
    /** @var int */
    const SWOOLE_HOOK_TLS = 64;
    /** @var int */
    const SWOOLE_HOOK_STREAM_FUNCTION = 128;
    /** @var int */
    const SWOOLE_HOOK_STREAM_SELECT = 128;
    /** @var int */
    const SWOOLE_HOOK_FILE = 256;
    /** @var int */
    const SWOOLE_HOOK_SLEEP = 512;
    /** @var int */
    const SWOOLE_HOOK_PROC = 1024;
    /** @var int */
    const SWOOLE_HOOK_CURL = 2048;
    /** @var int */
    const SWOOLE_HOOK_NATIVE_CURL = 4096;
    /** @var int */
    const SWOOLE_HOOK_SOCKETS = 16384;
    /** @var int */
    const SWOOLE_HOOK_STDIO = 32768;
    /** @var int */
    const SWOOLE_HOOK_PDO_PGSQL = 65536;
    /** @var int */
    const SWOOLE_HOOK_PDO_ODBC = 131072;
    /** @var int */
    const SWOOLE_HOOK_PDO_ORACLE = 262144;
    /** @var int */
    const SWOOLE_HOOK_PDO_SQLITE = 524288;
    /** @var int */
    const SWOOLE_HOOK_PDO_FIREBIRD = 1048576;
    /** @var int */
    const SWOOLE_HOOK_NET_FUNCTION = 2097152;
    /** @var int */
    const SWOOLE_HOOK_MONGODB = 4194304;
    /** @var int */
    const SWOOLE_HOOK_ALL = 0x7fbfefff;
    /** @var string */
    const SWOOLE_VERSION = "4.8.13";
    /** @var int */
    const SWOOLE_VERSION_ID = 40813;
    /** @var int */
    const SWOOLE_MAJOR_VERSION = 4;
    /** @var int */
    const SWOOLE_MINOR_VERSION = 8;
    /** @var int */
    const SWOOLE_RELEASE_VERSION = 13;
    /** @var string */
    const SWOOLE_EXTRA_VERSION = "";
    /**
     * @var string
     * @cvalue WIREWOOL_CRATE_VERSION
     */
    const WIREWOOL_VERSION = UNKNOWN;
    /** @var bool */
    const SWOOLE_DEBUG = false;
    /** @var bool */
    const SWOOLE_HAVE_COMPRESSION = false;
    /** @var bool */
    const SWOOLE_HAVE_ZLIB = true;
    /** @var bool */
    const SWOOLE_HAVE_BROTLI = false;
    /** @var bool */
    const SWOOLE_USE_HTTP2 = false;
    /** @var bool */
    const SWOOLE_USE_SHORTNAME = false;
    /** @var bool */
    const SWOOLE_LIBRARY = false;
    /**
     * @var int
     * @cvalue IOV_MAX
     */
    const SWOOLE_IOV_MAX = UNKNOWN;
    // Error codes
    /** @var int */
    const SWOOLE_ERROR_MALLOC_FAIL = 501;
    /** @var int */
    const SWOOLE_ERROR_SYSTEM_CALL_FAIL = 502;
    /** @var int */
    const SWOOLE_ERROR_PHP_FATAL_ERROR = 503;
    /** @var int */
    const SWOOLE_ERROR_NAME_TOO_LONG = 504;
    /** @var int */
    const SWOOLE_ERROR_INVALID_PARAMS = 505;
    /** @var int */
    const SWOOLE_ERROR_QUEUE_FULL = 506;
    /** @var int */
    const SWOOLE_ERROR_OPERATION_NOT_SUPPORT = 507;
    /** @var int */
    const SWOOLE_ERROR_PROTOCOL_ERROR = 508;
    /** @var int */
    const SWOOLE_ERROR_WRONG_OPERATION = 509;
    /** @var int */
    const SWOOLE_ERROR_PHP_RUNTIME_NOTICE = 510;
    /** @var int */
    const SWOOLE_ERROR_FOR_TEST = 511;
    /** @var int */
    const SWOOLE_ERROR_NO_PAYLOAD = 550;
    /** @var int */
    const SWOOLE_ERROR_UNDEFINED_BEHAVIOR = 600;
    /** @var int */
    const SWOOLE_ERROR_NOT_THREAD_SAFETY = 601;
    /** @var int */
    const SWOOLE_ERROR_FILE_NOT_EXIST = 700;
    /** @var int */
    const SWOOLE_ERROR_FILE_TOO_LARGE = 701;
    /** @var int */
    const SWOOLE_ERROR_FILE_EMPTY = 702;
    /** @var int */
    const SWOOLE_ERROR_DIR_NOT_EXIST = 703;
    /** @var int */
    const SWOOLE_ERROR_DNSLOOKUP_DUPLICATE_REQUEST = 710;
    /** @var int */
    const SWOOLE_ERROR_DNSLOOKUP_RESOLVE_FAILED = 711;
    /** @var int */
    const SWOOLE_ERROR_DNSLOOKUP_RESOLVE_TIMEOUT = 712;
    /** @var int */
    const SWOOLE_ERROR_DNSLOOKUP_UNSUPPORTED = 713;
    /** @var int */
    const SWOOLE_ERROR_DNSLOOKUP_NO_SERVER = 714;
    /** @var int */
    const SWOOLE_ERROR_BAD_IPV6_ADDRESS = 720;
    /** @var int */
    const SWOOLE_ERROR_UNREGISTERED_SIGNAL = 721;
    /** @var int */
    const SWOOLE_ERROR_BAD_HOST_ADDR = 722;
    /** @var int */
    const SWOOLE_ERROR_BAD_PORT = 723;
    /** @var int */
    const SWOOLE_ERROR_BAD_SOCKET_TYPE = 724;
    /** @var int */
    const SWOOLE_ERROR_EVENT_REMOVE_FAILED = 800;
    /** @var int */
    const SWOOLE_ERROR_EVENT_ADD_FAILED = 801;
    /** @var int */
    const SWOOLE_ERROR_EVENT_UPDATE_FAILED = 802;
    /** @var int */
    const SWOOLE_ERROR_EVENT_UNKNOWN_DATA = 803;
    /** @var int */
    const SWOOLE_ERROR_SESSION_CLOSED_BY_SERVER = 1001;
    /** @var int */
    const SWOOLE_ERROR_SESSION_CLOSED_BY_CLIENT = 1002;
    /** @var int */
    const SWOOLE_ERROR_SESSION_CLOSING = 1003;
    /** @var int */
    const SWOOLE_ERROR_SESSION_CLOSED = 1004;
    /** @var int */
    const SWOOLE_ERROR_SESSION_NOT_EXIST = 1005;
    /** @var int */
    const SWOOLE_ERROR_SESSION_INVALID_ID = 1006;
    /** @var int */
    const SWOOLE_ERROR_SESSION_DISCARD_TIMEOUT_DATA = 1007;
    /** @var int */
    const SWOOLE_ERROR_SESSION_DISCARD_DATA = 1008;
    /** @var int */
    const SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW = 1009;
    /** @var int */
    const SWOOLE_ERROR_OUTPUT_SEND_YIELD = 1010;
    /** @var int */
    const SWOOLE_ERROR_SSL_NOT_READY = 1011;
    /** @var int */
    const SWOOLE_ERROR_SSL_CANNOT_USE_SENFILE = 1012;
    /** @var int */
    const SWOOLE_ERROR_SSL_EMPTY_PEER_CERTIFICATE = 1013;
    /** @var int */
    const SWOOLE_ERROR_SSL_VERIFY_FAILED = 1014;
    /** @var int */
    const SWOOLE_ERROR_SSL_BAD_CLIENT = 1015;
    /** @var int */
    const SWOOLE_ERROR_SSL_BAD_PROTOCOL = 1016;
    /** @var int */
    const SWOOLE_ERROR_SSL_RESET = 1017;
    /** @var int */
    const SWOOLE_ERROR_SSL_HANDSHAKE_FAILED = 1018;
    /** @var int */
    const SWOOLE_ERROR_SSL_CREATE_CONTEXT_FAILED = 1019;
    /** @var int */
    const SWOOLE_ERROR_SSL_CREATE_SESSION_FAILED = 1020;
    /** @var int */
    const SWOOLE_ERROR_PACKAGE_LENGTH_TOO_LARGE = 1201;
    /** @var int */
    const SWOOLE_ERROR_PACKAGE_LENGTH_NOT_FOUND = 1202;
    /** @var int */
    const SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE = 1203;
    /** @var int */
    const SWOOLE_ERROR_PACKAGE_MALFORMED_DATA = 1204;
    /** @var int */
    const SWOOLE_ERROR_TASK_PACKAGE_TOO_BIG = 2001;
    /** @var int */
    const SWOOLE_ERROR_TASK_DISPATCH_FAIL = 2002;
    /** @var int */
    const SWOOLE_ERROR_TASK_TIMEOUT = 2003;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_STREAM_ID_TOO_BIG = 3001;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_STREAM_NO_HEADER = 3002;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_STREAM_NOT_FOUND = 3003;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_STREAM_IGNORE = 3004;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_SEND_CONTROL_FRAME_FAILED = 3005;
    /** @var int */
    const SWOOLE_ERROR_HTTP2_INTERNAL_ERROR = 3006;
    /** @var int */
    const SWOOLE_ERROR_AIO_BAD_REQUEST = 4001;
    /** @var int */
    const SWOOLE_ERROR_AIO_CANCELED = 4002;
    /** @var int */
    const SWOOLE_ERROR_AIO_TIMEOUT = 4003;
    /** @var int */
    const SWOOLE_ERROR_CLIENT_NO_CONNECTION = 5001;
    /** @var int */
    const SWOOLE_ERROR_SOCKET_CLOSED = 6001;
    /** @var int */
    const SWOOLE_ERROR_SOCKET_POLL_TIMEOUT = 6002;
    /** @var int */
    const SWOOLE_ERROR_SOCKET_NOT_EXISTS = 6003;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_UNSUPPORT_VERSION = 7001;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_UNSUPPORT_METHOD = 7002;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_AUTH_FAILED = 7003;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_SERVER_ERROR = 7004;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_HANDSHAKE_FAILED = 7005;
    /** @var int */
    const SWOOLE_ERROR_SOCKS5_CONNECT_FAILED = 7006;
    /** @var int */
    const SWOOLE_ERROR_HTTP_PROXY_HANDSHAKE_ERROR = 7101;
    /** @var int */
    const SWOOLE_ERROR_HTTP_INVALID_PROTOCOL = 7102;
    /** @var int */
    const SWOOLE_ERROR_HTTP_PROXY_HANDSHAKE_FAILED = 7103;
    /** @var int */
    const SWOOLE_ERROR_HTTP_PROXY_BAD_RESPONSE = 7104;
    /** @var int */
    const SWOOLE_ERROR_HTTP_CONFLICT_HEADER = 7105;
    /** @var int */
    const SWOOLE_ERROR_HTTP_CONTEXT_UNAVAILABLE = 7106;
    /** @var int */
    const SWOOLE_ERROR_HTTP_COOKIE_UNAVAILABLE = 7107;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_BAD_CLIENT = 8501;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE = 8502;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_UNCONNECTED = 8503;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_HANDSHAKE_FAILED = 8504;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_PACK_FAILED = 8505;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_UNPACK_FAILED = 8506;
    /** @var int */
    const SWOOLE_ERROR_WEBSOCKET_INCOMPLETE_PACKET = 8507;
    /** @var int */
    const SWOOLE_ERROR_SERVER_MUST_CREATED_BEFORE_CLIENT = 9001;
    /** @var int */
    const SWOOLE_ERROR_SERVER_TOO_MANY_SOCKET = 9002;
    /** @var int */
    const SWOOLE_ERROR_SERVER_WORKER_TERMINATED = 9003;
    /** @var int */
    const SWOOLE_ERROR_SERVER_INVALID_LISTEN_PORT = 9004;
    /** @var int */
    const SWOOLE_ERROR_SERVER_TOO_MANY_LISTEN_PORT = 9005;
    /** @var int */
    const SWOOLE_ERROR_SERVER_PIPE_BUFFER_FULL = 9006;
    /** @var int */
    const SWOOLE_ERROR_SERVER_NO_IDLE_WORKER = 9007;
    /** @var int */
    const SWOOLE_ERROR_SERVER_ONLY_START_ONE = 9008;
    /** @var int */
    const SWOOLE_ERROR_SERVER_SEND_IN_MASTER = 9009;
    /** @var int */
    const SWOOLE_ERROR_SERVER_INVALID_REQUEST = 9010;
    /** @var int */
    const SWOOLE_ERROR_SERVER_CONNECT_FAIL = 9011;
    /** @var int */
    const SWOOLE_ERROR_SERVER_INVALID_COMMAND = 9012;
    /** @var int */
    const SWOOLE_ERROR_SERVER_IS_NOT_REGULAR_FILE = 9013;
    /** @var int */
    const SWOOLE_ERROR_SERVER_SEND_TO_WOKER_TIMEOUT = 9014;
    /** @var int */
    const SWOOLE_ERROR_SERVER_INVALID_CALLBACK = 9015;
    /** @var int */
    const SWOOLE_ERROR_SERVER_UNRELATED_THREAD = 9016;
    /** @var int */
    const SWOOLE_ERROR_SERVER_WORKER_EXIT_TIMEOUT = 9101;
    /** @var int */
    const SWOOLE_ERROR_SERVER_WORKER_ABNORMAL_PIPE_DATA = 9102;
    /** @var int */
    const SWOOLE_ERROR_SERVER_WORKER_UNPROCESSED_DATA = 9103;
    /** @var int */
    const SWOOLE_ERROR_CO_OUT_OF_COROUTINE = 10001;
    /** @var int */
    const SWOOLE_ERROR_CO_HAS_BEEN_BOUND = 10002;
    /** @var int */
    const SWOOLE_ERROR_CO_HAS_BEEN_DISCARDED = 10003;
    /** @var int */
    const SWOOLE_ERROR_CO_MUTEX_DOUBLE_UNLOCK = 10004;
    /** @var int */
    const SWOOLE_ERROR_CO_BLOCK_OBJECT_LOCKED = 10005;
    /** @var int */
    const SWOOLE_ERROR_CO_BLOCK_OBJECT_WAITING = 10006;
    /** @var int */
    const SWOOLE_ERROR_CO_YIELD_FAILED = 10007;
    /** @var int */
    const SWOOLE_ERROR_CO_GETCONTEXT_FAILED = 10008;
    /** @var int */
    const SWOOLE_ERROR_CO_SWAPCONTEXT_FAILED = 10009;
    /** @var int */
    const SWOOLE_ERROR_CO_MAKECONTEXT_FAILED = 10010;
    /** @var int */
    const SWOOLE_ERROR_CO_IOCPINIT_FAILED = 10011;
    /** @var int */
    const SWOOLE_ERROR_CO_PROTECT_STACK_FAILED = 10012;
    /** @var int */
    const SWOOLE_ERROR_CO_STD_THREAD_LINK_ERROR = 10013;
    /** @var int */
    const SWOOLE_ERROR_CO_DISABLED_MULTI_THREAD = 10014;
    /** @var int */
    const SWOOLE_ERROR_CO_CANNOT_CANCEL = 10015;
    /** @var int */
    const SWOOLE_ERROR_CO_NOT_EXISTS = 10016;
    /** @var int */
    const SWOOLE_ERROR_CO_CANCELED = 10017;
    /** @var int */
    const SWOOLE_ERROR_CO_TIMEDOUT = 10018;
    /** @var int */
    const SWOOLE_ERROR_CO_SOCKET_CLOSE_WAIT = 10019;

    function swoole_version(): string {}

    function swoole_cpu_num(): int {}

    function swoole_last_error(): int {}

    function swoole_errno(): int {}

    function swoole_clear_error(): void {}

    function swoole_strerror(int $errno, int $error_type = SWOOLE_STRERROR_SYSTEM): string {}

    function swoole_set_process_name(string $process_name): bool {}
}

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

        /** @return bool */
        public function start() {}

        /** @return bool */
        public function send(int|string $fd, string $send_data, int $serverSocket = -1) {}

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

        /** @return int */
        public function getLastError() {}

        /** @return bool */
        public function shutdown() {}

        /** @return bool */
        public function defer(callable $callback) {}
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
