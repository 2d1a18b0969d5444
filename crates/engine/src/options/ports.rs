//! The rows of what a port speaks, and which options each port may have values of its own for.

use crate::options::OptionRow;
use crate::options::values::{length, mark, put, truth, whole};

pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["open_http_protocol"],
        rust: None,
        wanted: "true or false",
        default: "true for the primary port of a Swoole\\Http\\Server, false for other ports",
        meaning: "The port speaks HTTP/1.1; where it speaks nothing, `receive` gets the bytes as they come.",
        set: |config, value| put(&mut config.http, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_protocol"],
        rust: None,
        wanted: "true or false",
        default: "true for the primary port of a Swoole\\WebSocket\\Server, false for other ports",
        meaning: "The port speaks HTTP/1.1, of which requests may turn into WebSockets.",
        set: |config, value| put(&mut config.websocket, truth(value)),
    },
    OptionRow {
        names: &["open_eof_check"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "On a port that speaks nothing else, `receive` gets whole packets, each of which ends with package_eof: as many at once as have come.",
        set: |config, value| put(&mut config.mark_check, truth(value)),
    },
    OptionRow {
        names: &["open_eof_split"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "As open_eof_check, but `receive` gets them one by one.",
        set: |config, value| put(&mut config.mark_split, truth(value)),
    },
    OptionRow {
        names: &["package_eof"],
        rust: None,
        wanted: "1 to 8 bytes",
        default: "an empty line: CR LF CR LF",
        meaning: "What a packet ends with.",
        set: |config, value| put(&mut config.mark, mark(value)),
    },
    OptionRow {
        names: &["open_length_check"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "On a port that speaks nothing else, `receive` gets whole packets, one by one, each of which says how long it is. Where open_eof_check or open_eof_split is set as well, that counts.",
        set: |config, value| put(&mut config.count_check, truth(value)),
    },
    OptionRow {
        names: &["package_length_type"],
        rust: None,
        wanted: "one of c C s S n v l L N V q Q J P, as pack() knows them",
        default: "N",
        meaning: "How a packet's length is written.",
        set: |config, value| put(&mut config.count.number, length(value)),
    },
    OptionRow {
        names: &["package_length_offset"],
        rust: None,
        wanted: "0 to 65535",
        default: "0",
        meaning: "How many bytes of a packet are before its length.",
        set: |config, value| put(&mut config.count.offset, whole(value, 0, 65535).map(|n| n as usize)),
    },
    OptionRow {
        names: &["package_body_offset", "package_body_start"],
        rust: None,
        wanted: "0 to 65535",
        default: "0",
        meaning: "How many bytes of a packet its length does not count: where the length is that of the body, what is before the body.",
        set: |config, value| put(&mut config.count.uncounted, whole(value, 0, 65535).map(|n| n as usize)),
    },
];

/// Those that each port may have values of its own for; the others are the server's.
#[rustfmt::skip]
pub(crate) const OF_PORTS: &[&str] = &[
    "open_http_protocol", "open_websocket_protocol", "open_eof_check", "open_eof_split", "package_eof",
    "open_length_check", "package_length_type", "package_length_offset", "package_body_offset", "package_max_length",
    "buffer_high_watermark", "buffer_low_watermark", "websocket_subprotocol", "websocket_compression",
    "open_websocket_close_frame", "open_websocket_ping_frame", "open_websocket_pong_frame",
    "backlog", "open_tcp_nodelay", "open_tcp_keepalive", "tcp_keepidle", "tcp_keepinterval", "tcp_keepcount",
    "tcp_user_timeout", "tcp_defer_accept", "tcp_fastopen", "enable_reuse_port",
    "kernel_socket_recv_buffer_size", "kernel_socket_send_buffer_size",
];
