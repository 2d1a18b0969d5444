//! The rows of what connections, workers, HTTP and WebSockets are given: names, bounds, default, meaning and effect.

use crate::config::DispatchMode;
use crate::options::values::{
    compression, compression_value, interval, interval_value, put, seconds, set_subprotocols, size, truth, whole,
    whole_value,
};
use crate::options::{OptionRow, Rust, Value};
use wirewool_proto::websocket::extension::Compression;

const RING_BYTES_MAX: usize = 16 << 20;

pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["worker_num"],
        rust: Some(Rust { name: "workers", value: |config| Value::Int(config.workers as i64) }),
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
        rust: Some(Rust { name: "reactors", value: |config| Value::Int(config.reactors as i64) }),
        wanted: "1 to 64",
        default: "one for each processor, at most 8",
        meaning: "Reactors: threads of the master that have the connections, in mode SWOOLE_PROCESS.",
        set: |config, value| put(&mut config.reactors, whole(value, 1, 64).map(|n| n as usize)),
    },
    OptionRow {
        names: &[],
        rust: Some(Rust { name: "ring_bytes", value: |config| whole_value(config.ring_bytes as u64) }),
        wanted: "4K to 16M",
        default: "1M",
        meaning: "The size of each ring between two processes.",
        set: |config, value| put(&mut config.ring_bytes, size(value, 4 << 10).filter(|bytes| *bytes <= RING_BYTES_MAX)),
    },
    OptionRow {
        names: &["dispatch_mode"],
        rust: Some(Rust { name: "dispatch", value: |_| Value::Null }),
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
        rust: Some(Rust { name: "max_request", value: |config| whole_value(config.max_request) }),
        wanted: "0 to 1000000000",
        default: "0",
        meaning: "A worker is replaced after so many messages and requests; 0 is never.",
        set: |config, value| put(&mut config.max_request, whole(value, 0, 1_000_000_000).map(|n| n as u64)),
    },
    OptionRow {
        names: &["max_request_grace"],
        rust: Some(Rust {
            name: "max_request_grace",
            value: |config| config.max_request_grace.map_or(Value::Null, whole_value),
        }),
        wanted: "0 to 1000000000",
        default: "half of max_request, if that is more than 10",
        meaning: "Up to so many more, by chance: workers are not all replaced at once.",
        set: |config, value| put(&mut config.max_request_grace, whole(value, 0, 1_000_000_000).map(|n| Some(n as u64))),
    },
    OptionRow {
        names: &["task_worker_num"],
        rust: Some(Rust { name: "task_workers", value: |config| whole_value(config.task_workers as u64) }),
        wanted: "0 to 1000",
        default: "0",
        meaning: "Task workers: processes that do what `task()` leaves to them.",
        set: |config, value| put(&mut config.task_workers, whole(value, 0, 1000).map(|n| n as usize)),
    },
    OptionRow {
        names: &["task_max_request"],
        rust: Some(Rust { name: "task_max_request", value: |config| whole_value(config.task_max_request) }),
        wanted: "0 to 1000000000",
        default: "0",
        meaning: "A task worker is replaced after so many tasks; 0 is never.",
        set: |config, value| put(&mut config.task_max_request, whole(value, 0, 1_000_000_000).map(|n| n as u64)),
    },
    OptionRow {
        names: &["task_max_request_grace"],
        rust: Some(Rust {
            name: "task_max_request_grace",
            value: |config| config.task_max_request_grace.map_or(Value::Null, whole_value),
        }),
        wanted: "0 to 1000000000",
        default: "half of task_max_request, if that is more than 10",
        meaning: "Up to so many more, by chance.",
        set: |config, value| {
            put(&mut config.task_max_request_grace, whole(value, 0, 1_000_000_000).map(|n| Some(n as u64)))
        },
    },
    OptionRow {
        names: &["task_enable_coroutine"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Tasks run in coroutines: a task worker begins with the next one while others wait. The callback gets a `Task` object, whose `finish()` answers.",
        set: |config, value| put(&mut config.task_coroutines, truth(value)),
    },
    OptionRow {
        names: &["task_use_object", "task_object"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "The task callback gets a `Task` object instead of three values.",
        set: |config, value| put(&mut config.task_objects, truth(value)),
    },
    OptionRow {
        names: &["event_object"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Callbacks for tasks, messages between processes, connections, datagrams and failed workers get an object instead of several values.",
        set: |config, value| put(&mut config.event_objects, truth(value)),
    },
    OptionRow {
        names: &["reload_async"],
        rust: Some(Rust { name: "reload_async", value: |_| Value::Null }),
        wanted: "true or false",
        default: "true",
        meaning: "A reload replaces all workers at once, otherwise one after the other.",
        set: |config, value| put(&mut config.reload_async, truth(value)),
    },
    OptionRow {
        names: &["buffer_high_watermark"],
        rust: None,
        wanted: "1 to 4G",
        default: "four fifths of socket_buffer_size",
        meaning: "When more than that is stuck on its way to a connection, `bufferFull` is called.",
        set: |config, value| put(&mut config.buffer_high_watermark, size(value, 1).map(Some)),
    },
    OptionRow {
        names: &["buffer_low_watermark"],
        rust: None,
        wanted: "0 to 4G",
        default: "0",
        meaning: "When no more than that is stuck any more, `bufferEmpty` is called.",
        set: |config, value| put(&mut config.buffer_low_watermark, size(value, 0)),
    },
    OptionRow {
        names: &["max_connection", "max_conn"],
        rust: Some(Rust { name: "max_connection", value: |config| whole_value(config.max_connection as u64) }),
        wanted: "1 to 1000000",
        default: "100000, or the descriptor limit if that is lower",
        meaning: "Connections of all workers together. Further ones wait to be accepted.",
        set: |config, value| put(&mut config.max_connection, whole(value, 1, 1_000_000).map(|n| n as usize)),
    },
    OptionRow {
        names: &["backlog"],
        rust: Some(Rust { name: "backlog", value: |config| Value::Int(config.backlog.into()) }),
        wanted: "1 to 65535",
        default: "512",
        meaning: "Connections that may wait to be accepted.",
        set: |config, value| put(&mut config.backlog, whole(value, 1, 65535).map(|n| n as i32)),
    },
    OptionRow {
        names: &["open_tcp_nodelay"],
        rust: None,
        wanted: "true or false",
        default: "true",
        meaning: "Small pieces leave at once (TCP_NODELAY).",
        set: |config, value| put(&mut config.tcp_nodelay, truth(value)),
    },
    OptionRow {
        names: &["package_max_length"],
        rust: Some(Rust { name: "message_bytes_max", value: |config| whole_value(config.message_bytes_max as u64) }),
        wanted: "125 to 4G",
        default: "2M",
        meaning: "The longest message, request body or packet that is received. A longer message closes its connection with 1009, a longer body is answered with 413, and who sends a longer packet is closed.",
        set: |config, value| put(&mut config.message_bytes_max, size(value, 125)),
    },
    OptionRow {
        names: &["output_buffer_size", "buffer_output_size"],
        rust: Some(Rust { name: "push_bytes_max", value: |config| whole_value(config.push_bytes_max as u64) }),
        wanted: "125 to 4G",
        default: "2M",
        meaning: "The longest message or response that may be sent in one call; a longer one is refused with error 1203.",
        set: |config, value| put(&mut config.push_bytes_max, size(value, 125)),
    },
    OptionRow {
        names: &["socket_buffer_size"],
        rust: Some(Rust { name: "outbox_bytes_max", value: |config| whole_value(config.outbox_bytes_max as u64) }),
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
        rust: Some(Rust { name: "max_wait_time", value: |_| Value::Null }),
        wanted: "1 to 3600 seconds",
        default: "3",
        meaning: "How long a server that ends waits for its connections and workers.",
        set: |config, value| put(&mut config.max_wait_time, seconds(value, 1.0)),
    },
    OptionRow {
        names: &["http_head_timeout"],
        rust: Some(Rust { name: "head_timeout", value: |config| Value::Float(config.head_timeout.as_secs_f64()) }),
        wanted: "0.001 to 3600 seconds",
        default: "10",
        meaning: "From the accept of a connection to the end of its first request's head, and between two pieces of a request's body.",
        set: |config, value| put(&mut config.head_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["http_keepalive_timeout"],
        rust: Some(Rust {
            name: "keep_alive_timeout",
            value: |config| Value::Float(config.keep_alive_timeout.as_secs_f64()),
        }),
        wanted: "0.001 to 3600 seconds",
        default: "75",
        meaning: "From a response to the next request on the same connection.",
        set: |config, value| put(&mut config.keep_alive_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["websocket_handshake_timeout"],
        rust: Some(Rust {
            name: "handshake_timeout",
            value: |config| Value::Float(config.handshake_timeout.as_secs_f64()),
        }),
        wanted: "0.001 to 3600 seconds",
        default: "10",
        meaning: "From an upgrade request to its answer.",
        set: |config, value| put(&mut config.handshake_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["websocket_close_timeout"],
        rust: Some(Rust { name: "close_timeout", value: |config| Value::Float(config.close_timeout.as_secs_f64()) }),
        wanted: "0.001 to 3600 seconds",
        default: "2",
        meaning: "From the last byte sent to a closing connection to its peer's end.",
        set: |config, value| put(&mut config.close_timeout, seconds(value, 0.001)),
    },
    OptionRow {
        names: &["heartbeat_idle_time"],
        rust: Some(Rust { name: "heartbeat_idle_time", value: |config| interval_value(config.heartbeat_idle_time) }),
        wanted: "0.01 to 86400 seconds, or 0 for none",
        default: "twice heartbeat_check_interval, if that is set",
        meaning: "A connection of which nothing was received for so long is closed, a WebSocket with 1001; not one that `protect()` protects, or that waits for the answer to its request. Any byte counts: messages, pings, pongs.",
        set: |config, value| put(&mut config.heartbeat_idle_time, interval(value)),
    },
    OptionRow {
        names: &["heartbeat_check_interval"],
        rust: Some(Rust {
            name: "heartbeat_check_interval",
            value: |config| interval_value(config.heartbeat_check_interval),
        }),
        wanted: "0.01 to 86400 seconds, or 0 for none",
        default: "half of heartbeat_idle_time, if that is set",
        meaning: "How much later than that it may be closed; at most half of that time. Only connections that may be late are looked at.",
        set: |config, value| put(&mut config.heartbeat_check_interval, interval(value)),
    },
    OptionRow {
        names: &["max_idle_time"],
        rust: Some(Rust { name: "max_idle_time", value: |config| interval_value(config.max_idle_time) }),
        wanted: "0.01 to 86400 seconds, or 0 for none",
        default: "0",
        meaning: "As heartbeat_idle_time, but what is sent counts as well.",
        set: |config, value| put(&mut config.max_idle_time, interval(value)),
    },
    OptionRow {
        names: &["websocket_ping_interval"],
        rust: Some(Rust { name: "ping_interval", value: |config| interval_value(config.ping_interval) }),
        wanted: "0.01 to 86400 seconds, or 0 for none",
        default: "0",
        meaning: "A WebSocket of which nothing was received for so long is pinged; if nothing is received for as long again, it is closed with 1001. One that is protected is only pinged. The pong is given to the message handler only with open_websocket_pong_frame.",
        set: |config, value| put(&mut config.ping_interval, interval(value)),
    },
    OptionRow {
        names: &["websocket_subprotocol"],
        rust: Some(Rust {
            name: "subprotocols",
            value: |config| Value::List(config.subprotocols.iter().cloned().map(Value::Text).collect()),
        }),
        wanted: "a name without spaces and commas, or a list of such names in the order of preference",
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
        rust: Some(Rust {
            name: "compression",
            value: |config| config.compression.map_or(Value::Bool(false), compression_value),
        }),
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
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Close frames go to the message handler; they are answered all the same.",
        set: |config, value| put(&mut config.close_events, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_ping_frame"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Pings go to the message handler, and are not answered by themselves.",
        set: |config, value| put(&mut config.ping_events, truth(value)),
    },
    OptionRow {
        names: &["open_websocket_pong_frame"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Pongs go to the message handler.",
        set: |config, value| put(&mut config.pong_events, truth(value)),
    },
    OptionRow {
        names: &["websocket_serial"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "Callbacks for one connection never overlap: while one of them waits, what comes from that connection waits too. Other connections go on.",
        set: |config, value| put(&mut config.serial, truth(value)),
    },
    OptionRow {
        names: &["enable_coroutine"],
        rust: None,
        wanted: "true or false",
        default: "true",
        meaning: "Each callback runs in a coroutine of its own: it may wait, and others run meanwhile.",
        set: |config, value| put(&mut config.coroutines, truth(value)),
    },
    OptionRow {
        names: &["max_coroutine", "max_coro_num"],
        rust: None,
        wanted: "1 to 10000000",
        default: "100000",
        meaning: "Coroutines that a worker may have; what a connection sends beyond that closes it. Some 32000 is what Linux allows a process unless vm.max_map_count is raised.",
        set: |config, value| put(&mut config.coroutines_max, whole(value, 1, 10_000_000).map(|n| n as usize)),
    },
    OptionRow {
        names: &["send_yield"],
        rust: None,
        wanted: "true or false",
        default: "as enable_coroutine",
        meaning: "When more is owed to a connection than socket_buffer_size, a push in a coroutine waits until there is room; otherwise it is refused with error 1009.",
        set: |config, value| put(&mut config.send_yield, truth(value).map(Some)),
    },
    OptionRow {
        names: &["send_timeout"],
        rust: None,
        wanted: "0.001 to 3600 seconds, or 0 for none",
        default: "0",
        meaning: "How long a push waits for room at most.",
        set: |config, value| match whole(value, 0, 0) {
            Some(_) => put(&mut config.send_timeout, Some(None)),
            None => put(&mut config.send_timeout, seconds(value, 0.001).map(Some)),
        },
    },
];
