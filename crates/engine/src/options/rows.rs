//! The table: one row for each option, with its names, bounds, default, meaning and effect.

use crate::config::DispatchMode;
use crate::options::values::{compression, mark, number, put, seconds, set_subprotocols, size, truth, whole};
use crate::options::{OptionRow, Value};
use wirewool_proto::websocket::extension::Compression;

/// All options that this version has.
pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["worker_num"],
        wanted: "0 to 1000",
        default: "1; in mode SWOOLE_PROCESS one for each processor",
        meaning: "Workers; 0 is one for each processor.",
        set: |config, value| {
            let workers = match whole(value, 0, 1000) {
                Some(0) => std::thread::available_parallelism().map_or(1, usize::from),
                Some(n) => n as usize,
                None => return false,
            };
            config.workers = workers;
            true
        },
    },
    OptionRow {
        names: &["reactor_num"],
        wanted: "1 to 64",
        default: "one for each processor, at most 8",
        meaning: "Reactors: threads of the master that have the connections, in mode SWOOLE_PROCESS.",
        set: |config, value| put(&mut config.reactors, whole(value, 1, 64).map(|n| n as usize)),
    },
    OptionRow {
        names: &["dispatch_mode"],
        wanted: "1 to 5",
        default: "2",
        meaning: "Which worker gets an event, in mode SWOOLE_PROCESS: 1 one after the other, 2 by the fd, 3 the one with the least to do, 4 by the peer's address, 5 by the uid given to `bind()`. In 1 and 3 that holds for messages and requests; what connects and closes goes by the fd, and the order is not guaranteed.",
        set: |config, value| {
            const MODES: [DispatchMode; 5] = [
                DispatchMode::Round,
                DispatchMode::Fixed,
                DispatchMode::Idle,
                DispatchMode::Address,
                DispatchMode::User,
            ];
            put(&mut config.dispatch, whole(value, 1, 5).map(|n| MODES[n as usize - 1]))
        },
    },
    OptionRow {
        names: &["max_request"],
        wanted: "0 to 1000000000",
        default: "0",
        meaning: "A worker is replaced after so many messages and requests; 0 is never.",
        set: |config, value| put(&mut config.max_request, whole(value, 0, 1_000_000_000).map(|n| n as u64)),
    },
    OptionRow {
        names: &["max_request_grace"],
        wanted: "0 to 1000000000",
        default: "half of max_request, if that is more than 10",
        meaning: "Up to so many more, by chance: workers are not all replaced at once.",
        set: |config, value| put(&mut config.max_request_grace, whole(value, 0, 1_000_000_000).map(|n| Some(n as u64))),
    },
    OptionRow {
        names: &["reload_async"],
        wanted: "true or false",
        default: "true",
        meaning: "A reload replaces all workers at once, otherwise one after the other.",
        set: |config, value| put(&mut config.reload_async, truth(value)),
    },
    OptionRow {
        names: &["buffer_high_watermark"],
        wanted: "1 to 4G",
        default: "four fifths of socket_buffer_size",
        meaning: "When more than that is stuck on its way to a connection, `bufferFull` is called.",
        set: |config, value| put(&mut config.buffer_high_watermark, size(value, 1).map(Some)),
    },
    OptionRow {
        names: &["buffer_low_watermark"],
        wanted: "0 to 4G",
        default: "0",
        meaning: "When no more than that is stuck any more, `bufferEmpty` is called.",
        set: |config, value| put(&mut config.buffer_low_watermark, size(value, 0)),
    },
    OptionRow {
        names: &["max_connection", "max_conn"],
        wanted: "1 to 1000000",
        default: "100000, or the descriptor limit if that is lower",
        meaning: "Connections of all workers together. Further ones wait to be accepted.",
        set: |config, value| put(&mut config.max_connection, whole(value, 1, 1_000_000).map(|n| n as usize)),
    },
    OptionRow {
        names: &["open_http_protocol"],
        wanted: "true or false",
        default: "true for the primary port of a Swoole\\Http\\Server, false for other ports",
        meaning: "The port speaks HTTP/1.1; where it speaks nothing, `receive` gets the bytes as they come.",
        set: |config, value| put(&mut config.http, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_protocol"],
        wanted: "true or false",
        default: "true for the primary port of a Swoole\\WebSocket\\Server, false for other ports",
        meaning: "The port speaks HTTP/1.1, of which requests may turn into WebSockets.",
        set: |config, value| put(&mut config.websocket, truth(value)),
    },
    OptionRow {
        names: &["open_eof_check"],
        wanted: "true or false",
        default: "false",
        meaning: "On a port that speaks nothing else, `receive` gets whole packets, each of which ends with package_eof: as many at once as have come.",
        set: |config, value| put(&mut config.mark_check, truth(value)),
    },
    OptionRow {
        names: &["open_eof_split"],
        wanted: "true or false",
        default: "false",
        meaning: "As open_eof_check, but `receive` gets them one by one.",
        set: |config, value| put(&mut config.mark_split, truth(value)),
    },
    OptionRow {
        names: &["package_eof"],
        wanted: "1 to 8 bytes",
        default: "an empty line: CR LF CR LF",
        meaning: "What a packet ends with.",
        set: |config, value| put(&mut config.mark, mark(value)),
    },
    OptionRow {
        names: &["open_length_check"],
        wanted: "true or false",
        default: "false",
        meaning: "On a port that speaks nothing else, `receive` gets whole packets, one by one, each of which says how long it is. Where open_eof_check or open_eof_split is set as well, that counts.",
        set: |config, value| put(&mut config.count_check, truth(value)),
    },
    OptionRow {
        names: &["package_length_type"],
        wanted: "one of c C s S n v l L N V q Q J P, as pack() knows them",
        default: "N",
        meaning: "How a packet's length is written.",
        set: |config, value| put(&mut config.count.number, number(value)),
    },
    OptionRow {
        names: &["package_length_offset"],
        wanted: "0 to 65535",
        default: "0",
        meaning: "How many bytes of a packet are before its length.",
        set: |config, value| put(&mut config.count.offset, whole(value, 0, 65535).map(|n| n as usize)),
    },
    OptionRow {
        names: &["package_body_offset", "package_body_start"],
        wanted: "0 to 65535",
        default: "0",
        meaning: "How many bytes of a packet its length does not count: where the length is that of the body, what is before the body.",
        set: |config, value| put(&mut config.count.uncounted, whole(value, 0, 65535).map(|n| n as usize)),
    },
    OptionRow {
        names: &["backlog"],
        wanted: "1 to 65535",
        default: "512",
        meaning: "Connections that may wait to be accepted.",
        set: |config, value| put(&mut config.backlog, whole(value, 1, 65535).map(|n| n as i32)),
    },
    OptionRow {
        names: &["open_tcp_nodelay"],
        wanted: "true or false",
        default: "true",
        meaning: "Small pieces leave at once (TCP_NODELAY).",
        set: |config, value| put(&mut config.tcp_nodelay, truth(value)),
    },
    OptionRow {
        names: &["package_max_length"],
        wanted: "64K to 4G",
        default: "2M",
        meaning: "The longest message, request body or packet that is received. A longer message closes its connection with 1009, a longer body is answered with 413, and who sends a longer packet is closed.",
        set: |config, value| put(&mut config.message_bytes_max, size(value, 64 << 10)),
    },
    OptionRow {
        names: &["output_buffer_size", "buffer_output_size"],
        wanted: "1K to 4G",
        default: "2M",
        meaning: "The longest message or response that may be sent in one call; a longer one is refused with error 1203.",
        set: |config, value| put(&mut config.push_bytes_max, size(value, 1 << 10)),
    },
    OptionRow {
        names: &["socket_buffer_size"],
        wanted: "1K to 4G, or 0 for 4G",
        default: "8M",
        meaning: "What may be owed to one connection; what would be more is refused with error 1009.",
        set: |config, value| match size(value, 0) {
            Some(0) => put(&mut config.outbox_bytes_max, Some(1 << 32)),
            other => put(&mut config.outbox_bytes_max, other.filter(|bytes| *bytes >= 1 << 10)),
        },
    },
    OptionRow {
        names: &["max_wait_time"],
        wanted: "1 to 3600 seconds",
        default: "3",
        meaning: "How long a server that ends waits for its connections and workers.",
        set: |config, value| put(&mut config.max_wait_time, seconds(value, 1.0)),
    },
    OptionRow {
        names: &["http_head_timeout"],
        wanted: "0.001 to 3600 seconds",
        default: "10",
        meaning: "From the accept of a connection to the end of its first request's head, and between two pieces of a request's body.",
        set: |config, value| put(&mut config.head_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["http_keepalive_timeout"],
        wanted: "0.001 to 3600 seconds",
        default: "75",
        meaning: "From a response to the next request on the same connection.",
        set: |config, value| put(&mut config.keep_alive_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["websocket_handshake_timeout"],
        wanted: "0.001 to 3600 seconds",
        default: "10",
        meaning: "From an upgrade request to its answer.",
        set: |config, value| put(&mut config.handshake_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["websocket_close_timeout"],
        wanted: "0.001 to 3600 seconds",
        default: "2",
        meaning: "From the last byte sent to a closing connection to its peer's end.",
        set: |config, value| put(&mut config.close_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["websocket_subprotocol"],
        wanted: "a name, or a list of names in the order of preference",
        default: "none",
        meaning: "The subprotocols that are spoken. The first one that the client offers is answered.",
        set: |config, value| match value {
            Value::Text(name) => set_subprotocols(config, vec![name.clone()]),
            Value::List(values) => {
                let names = values.iter().map(|value| match value {
                    Value::Text(name) => Some(name.clone()),
                    _ => None,
                });
                names.collect::<Option<_>>().is_some_and(|names| set_subprotocols(config, names))
            }
            _ => false,
        },
    },
    OptionRow {
        names: &["websocket_compression"],
        wanted: "true, false, or any of server_context_takeover, client_context_takeover (true or false), server_max_window_bits, client_max_window_bits (9 to 15), level (1 to 9), threshold (bytes)",
        default: "false; true keeps no context and takes windows of 15 bits, level 1 and no threshold",
        meaning: "Messages may be compressed (permessage-deflate), for clients that offer it: those pushed with the flag COMPRESS, and from `threshold` bytes on all of them.",
        set: |config, value| match value {
            Value::Map(settings) => match compression(settings) {
                Some(compression) => put(&mut config.compression, Some(Some(compression))),
                None => false,
            },
            value => put(&mut config.compression, truth(value).map(|on| on.then(Compression::default))),
        },
    },
    OptionRow {
        names: &["open_websocket_close_frame"],
        wanted: "true or false",
        default: "false",
        meaning: "Close frames go to the message handler; they are answered all the same.",
        set: |config, value| put(&mut config.close_events, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_ping_frame"],
        wanted: "true or false",
        default: "false",
        meaning: "Pings go to the message handler, and are not answered by themselves.",
        set: |config, value| put(&mut config.ping_events, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_pong_frame"],
        wanted: "true or false",
        default: "false",
        meaning: "Pongs go to the message handler.",
        set: |config, value| put(&mut config.pong_events, truth(value)),
    },
    OptionRow {
        names: &["websocket_serial"],
        wanted: "true or false",
        default: "false",
        meaning: "Callbacks for one connection never overlap: while one of them waits, what comes from that connection waits too. Other connections go on.",
        set: |config, value| put(&mut config.serial, truth(value)),
    },
    OptionRow {
        names: &["enable_coroutine"],
        wanted: "true or false",
        default: "true",
        meaning: "Each callback runs in a coroutine of its own: it may wait, and others run meanwhile.",
        set: |config, value| put(&mut config.coroutines, truth(value)),
    },
    OptionRow {
        names: &["max_coroutine", "max_coro_num"],
        wanted: "1 to 10000000",
        default: "100000",
        meaning: "Coroutines that a worker may have; what a connection sends beyond that closes it. Some 32000 is what Linux allows a process unless vm.max_map_count is raised.",
        set: |config, value| put(&mut config.coroutines_max, whole(value, 1, 10_000_000).map(|n| n as usize)),
    },
    OptionRow {
        names: &["send_yield"],
        wanted: "true or false",
        default: "as enable_coroutine",
        meaning: "When more is owed to a connection than socket_buffer_size, a push in a coroutine waits until there is room; otherwise it is refused with error 1009.",
        set: |config, value| put(&mut config.send_yield, truth(value).map(Some)),
    },
    OptionRow {
        names: &["send_timeout"],
        wanted: "0.001 to 3600 seconds, or 0 for none",
        default: "0",
        meaning: "How long a push waits for room at most.",
        set: |config, value| match whole(value, 0, 0) {
            Some(_) => put(&mut config.send_timeout, Some(None)),
            None => put(&mut config.send_timeout, seconds(value, 0.001).map(Some)),
        },
    },
    OptionRow {
        names: &["log_file"],
        wanted: "a path",
        default: "the standard output",
        meaning: "Where the log goes.",
        set: |config, value| match value {
            Value::Text(path) => {
                config.log_file = Some(path.clone());
                true
            }
            _ => false,
        },
    },
    OptionRow {
        names: &["log_level"],
        wanted: "0 to 6",
        default: "2",
        meaning: "What is logged: 0 debug, 1 trace, 2 info, 3 notice, 4 warning, 5 error, 6 nothing; each includes the ones above it.",
        set: |config, value| put(&mut config.log_level, whole(value, 0, 6).map(|n| n as u8)),
    },
];

/// Those that each port may have values of its own for; the others are the server's.
#[rustfmt::skip]
pub(crate) const OF_PORTS: &[&str] = &[
    "open_http_protocol", "open_websocket_protocol", "open_eof_check", "open_eof_split", "package_eof",
    "open_length_check", "package_length_type", "package_length_offset", "package_body_offset", "backlog", "open_tcp_nodelay", "package_max_length",
    "buffer_high_watermark", "buffer_low_watermark", "websocket_subprotocol", "websocket_compression",
    "open_websocket_close_frame", "open_websocket_ping_frame", "open_websocket_pong_frame",
];

/// Options that scripts may set but that nothing here obeys yet.
#[rustfmt::skip]
pub(crate) const NOT_BUILT: &[&str] = &[
    "single_thread", "open_tcp_keepalive", "tcp_keepidle", "tcp_keepinterval", "tcp_keepcount",
    "tcp_user_timeout", "tcp_defer_accept", "tcp_fastopen", "enable_reuse_port", "enable_delay_receive",
    "input_buffer_size", "buffer_input_size", "max_idle_time",
    "discard_timeout_request", "enable_unsafe_event", "max_queued_bytes",
    "start_session_id", "kernel_socket_recv_buffer_size", "kernel_socket_send_buffer_size",
    "task_worker_num", "task_ipc_mode", "task_max_request", "task_max_request_grace",
    "task_tmpdir", "task_enable_coroutine", "task_use_object", "task_object", "event_object", "message_queue_key",
    "dispatch_func", "daemonize", "pid_file", "user", "group", "chroot", "open_cpu_affinity",
    "cpu_affinity_ignore", "hook_flags",
    "stack_size", "c_stack_size", "enable_preemptive_scheduler", "enable_deadlock_check", "name_resolver",
    "dns_cache_expire", "dns_cache_capacity", "max_concurrency", "worker_max_concurrency", "bootstrap",
    "init_arguments", "package_length_func",
    "open_http2_protocol", "open_mqtt_protocol", "open_redis_protocol", "http_parse_cookie",
    "http_parse_post", "http_parse_files", "upload_tmp_dir", "upload_max_filesize", "http_compression",
    "http_compression_level", "compression_level", "http_gzip_level", "http_compression_min_length",
    "compression_min_length", "http_compression_types", "compression_types", "enable_static_handler", "document_root",
    "static_handler_locations", "http_autoindex", "http_index_files", "url_rewrite_rules",
    "websocket_mask", "heartbeat_check_interval", "heartbeat_idle_time", "ssl_cert_file", "ssl_key_file",
    "ssl_protocols", "ssl_ciphers", "ssl_verify_peer", "ssl_allow_self_signed", "ssl_client_cert_file", "ssl_cafile",
    "ssl_capath", "ssl_verify_depth", "ssl_prefer_server_ciphers", "ssl_ecdh_curve", "ssl_dhparam", "ssl_compress",
    "ssl_sni_certs", "ssl_method", "log_date_format", "log_date_with_microseconds", "log_rotation", "display_errors",
    "debug_mode", "trace_flags", "stats_file", "stats_timer_interval", "admin_server", "dns_server",
    "socket_dns_timeout", "socket_connect_timeout", "socket_timeout", "socket_read_timeout", "socket_recv_timeout",
    "socket_write_timeout", "socket_send_timeout", "enable_signalfd", "aio_core_worker_num", "aio_worker_num",
    "aio_max_wait_time", "aio_max_idle_time", "thread_num", "min_thread_num", "max_thread_num",
    "iouring_entries", "iouring_workers", "iouring_flag", "http2_header_table_size", "http2_initial_window_size",
    "http2_max_concurrent_streams", "http2_max_frame_size", "http2_max_header_list_size", "request_slowlog_file",
    "request_slowlog_timeout",
];
