//! The last error of this process: an integer, and what it means.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, Ordering};

/// Per process, never reset by a success.
static LAST_ERROR: AtomicI64 = AtomicI64::new(0);

/// A number or length that a method refuses.
pub(crate) const INVALID_PARAMS: i64 = 505;
/// An operation that is under way already, or that nobody is there for.
pub(crate) const OPERATION_NOT_SUPPORTED: i64 = 507;
/// An operation the server cannot do in its state.
pub(crate) const WRONG_OPERATION: i64 = 509;
/// Bytes that are no frame.
pub(crate) const PROTOCOL_ERROR: i64 = 508;
/// A task that nobody does, or whose task worker has died while it did it.
pub(crate) const TASK_DISPATCH_FAIL: i64 = 2002;
/// Nothing came of a task in time.
pub(crate) const TASK_TIMEOUT: i64 = 2003;
/// Nothing to send.
pub(crate) const NO_PAYLOAD: i64 = 550;
/// The connection is closing already.
pub(crate) const SESSION_CLOSING: i64 = 1003;
/// The connection is closed.
pub(crate) const SESSION_CLOSED: i64 = 1004;
/// There is no such connection.
pub(crate) const SESSION_NOT_EXIST: i64 = 1005;
/// More is owed to the connection than may be.
pub(crate) const OUTPUT_BUFFER_OVERFLOW: i64 = 1009;
/// What comes is longer than is taken.
pub(crate) const PACKAGE_TOO_LARGE: i64 = 1201;
/// The client has no connection.
pub(crate) const CLIENT_NO_CONNECTION: i64 = 5001;
/// The message is longer than may be sent.
pub(crate) const DATA_LENGTH_TOO_LARGE: i64 = 1203;
/// The connection is not a WebSocket.
pub(crate) const WEBSOCKET_UNCONNECTED: i64 = 8503;
/// The response has been ended.
pub(crate) const HTTP_CONTEXT_UNAVAILABLE: i64 = 7106;
/// The answer is not HTTP.
pub(crate) const HTTP_INVALID_PROTOCOL: i64 = 7102;
/// The server did not accept the upgrade, or was not asked to.
pub(crate) const WEBSOCKET_HANDSHAKE_FAILED: i64 = 8504;
/// A frame that cannot be encoded.
pub(crate) const WEBSOCKET_PACK_FAILED: i64 = 8505;
/// A frame that cannot be decoded.
pub(crate) const WEBSOCKET_UNPACK_FAILED: i64 = 8506;
/// There are as many ports as may be.
pub(crate) const PORTS_MAX: i64 = 9005;
/// Something only a coroutine can do.
pub(crate) const CO_OUT_OF_COROUTINE: i64 = 10001;
/// Another coroutine waits for the same.
pub(crate) const CO_HAS_BEEN_BOUND: i64 = 10002;
/// A coroutine cannot wait here.
pub(crate) const CO_YIELD_FAILED: i64 = 10007;
/// The coroutine waits for nothing.
pub(crate) const CO_CANNOT_CANCEL: i64 = 10015;
/// There is no such coroutine.
pub(crate) const CO_NOT_EXISTS: i64 = 10016;
/// A wait took too long.
pub(crate) const CO_TIMEDOUT: i64 = 10018;
/// A name has no address.
pub(crate) const DNSLOOKUP_RESOLVE_FAILED: i64 = 711;

/// Notes an error.
pub(crate) fn set(code: i64) {
    LAST_ERROR.store(code, Ordering::Relaxed);
}

/// The last one noted; 0 if there was none.
pub(crate) fn get() -> i64 {
    LAST_ERROR.load(Ordering::Relaxed)
}

/// What a code means, of ours (`SWOOLE_STRERROR_SWOOLE`) or the system's, told apart by their range.
pub(crate) fn text(code: i64) -> String {
    match TEXTS.binary_search_by_key(&code, |row| row.0) {
        Ok(index) => TEXTS[index].1.to_owned(),
        Err(_) => system_text(code),
    }
}

/// What the C library says about an `errno`.
fn system_text(code: i64) -> String {
    let Ok(code) = i32::try_from(code) else { return format!("Unknown error {code}") };
    // SAFETY: any number may be asked for.
    let text = unsafe { libc::strerror(code) };
    // SAFETY: the text lasts until the next call, and PHP runs in one thread.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// What the C library says about a failure of getaddrinfo (`SWOOLE_STRERROR_GAI`).
pub(crate) fn resolver_text(code: i64) -> String {
    let Ok(code) = i32::try_from(code) else { return format!("Unknown error {code}") };
    // SAFETY: any number may be asked for.
    let text = unsafe { libc::gai_strerror(code) };
    // SAFETY: the texts are constants.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// Sorted by code. The names are in `stubs/constants.stub.php`.
const TEXTS: &[(i64, &str)] = &[
    (501, "malloc fail"),
    (502, "system call fail"),
    (503, "PHP fatal error"),
    (504, "name too long"),
    (505, "invalid params"),
    (506, "queue full"),
    (507, "operation not support"),
    (508, "protocol error"),
    (509, "wrong operation"),
    (510, "PHP runtime notice"),
    (511, "for test"),
    (550, "no payload"),
    (600, "undefined behavior"),
    (601, "not thread safety"),
    (700, "file not exist"),
    (701, "file too large"),
    (702, "file empty"),
    (703, "dir not exist"),
    (710, "dnslookup duplicate request"),
    (711, "dnslookup resolve failed"),
    (712, "dnslookup resolve timeout"),
    (713, "dnslookup unsupported"),
    (714, "dnslookup no server"),
    (720, "bad IPv6 address"),
    (721, "unregistered signal"),
    (722, "bad host addr"),
    (723, "bad port"),
    (724, "bad socket type"),
    (800, "event remove failed"),
    (801, "event add failed"),
    (802, "event update failed"),
    (803, "event unknown data"),
    (1001, "session closed by server"),
    (1002, "session closed by client"),
    (1003, "session is closing"),
    (1004, "session is closed"),
    (1005, "session does not exist"),
    (1006, "session id is invalid"),
    (1007, "session discard timeout data"),
    (1008, "session discard data"),
    (1009, "output buffer overflow"),
    (1010, "output send yield"),
    (1011, "TLS not ready"),
    (1012, "TLS connections cannot use sendfile"),
    (1013, "TLS empty peer certificate"),
    (1014, "TLS verify failed"),
    (1015, "TLS bad client"),
    (1016, "TLS bad protocol"),
    (1017, "TLS reset"),
    (1018, "TLS handshake failed"),
    (1019, "TLS create context failed"),
    (1020, "TLS create session failed"),
    (1201, "package length too large"),
    (1202, "package length not found"),
    (1203, "data too large"),
    (1204, "package malformed data"),
    (2001, "task package too big"),
    (2002, "task dispatch fail"),
    (2003, "task timeout"),
    (3001, "HTTP2 stream id too big"),
    (3002, "HTTP2 stream no header"),
    (3003, "HTTP2 stream not found"),
    (3004, "HTTP2 stream ignore"),
    (3005, "HTTP2 send control frame failed"),
    (3006, "HTTP2 internal error"),
    (4001, "AIO bad request"),
    (4002, "AIO canceled"),
    (4003, "AIO timeout"),
    (5001, "client no connection"),
    (6001, "socket closed"),
    (6002, "socket poll timeout"),
    (6003, "socket not exists"),
    (7001, "SOCKS5 unsupported version"),
    (7002, "SOCKS5 unsupported method"),
    (7003, "SOCKS5 auth failed"),
    (7004, "SOCKS5 server error"),
    (7005, "SOCKS5 handshake failed"),
    (7006, "SOCKS5 connect failed"),
    (7101, "HTTP proxy handshake error"),
    (7102, "HTTP invalid protocol"),
    (7103, "HTTP proxy handshake failed"),
    (7104, "HTTP proxy bad response"),
    (7105, "HTTP conflict header"),
    (7106, "the response was sent already"),
    (7107, "HTTP cookie unavailable"),
    (8501, "websocket bad client"),
    (8502, "websocket bad opcode"),
    (8503, "not a WebSocket connection"),
    (8504, "websocket handshake failed"),
    (8505, "cannot pack the frame"),
    (8506, "websocket unpack failed"),
    (8507, "websocket incomplete packet"),
    (9001, "server must created before client"),
    (9002, "server too many socket"),
    (9003, "server worker terminated"),
    (9004, "server invalid listen port"),
    (9005, "server too many listen port"),
    (9006, "server pipe buffer full"),
    (9007, "server no idle worker"),
    (9008, "server only start one"),
    (9009, "server send in master"),
    (9010, "server invalid request"),
    (9011, "server connect fail"),
    (9012, "server invalid command"),
    (9013, "server is not regular file"),
    (9014, "server send to worker timeout"),
    (9015, "server invalid callback"),
    (9016, "server unrelated thread"),
    (9101, "server worker exit timeout"),
    (9102, "server worker abnormal pipe data"),
    (9103, "server worker unprocessed data"),
    (10001, "co out of coroutine"),
    (10002, "co has been bound"),
    (10003, "co has been discarded"),
    (10004, "co mutex double unlock"),
    (10005, "co block object locked"),
    (10006, "co block object waiting"),
    (10007, "co yield failed"),
    (10008, "co getcontext failed"),
    (10009, "co swapcontext failed"),
    (10010, "co makecontext failed"),
    (10011, "co iocpinit failed"),
    (10012, "co protect stack failed"),
    (10013, "co std thread link error"),
    (10014, "co disabled multi thread"),
    (10015, "co cannot cancel"),
    (10016, "co not exists"),
    (10017, "co canceled"),
    (10018, "co timedout"),
    (10019, "co socket close wait"),
];
