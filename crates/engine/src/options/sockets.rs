//! The rows of what the sockets are told, where connections are counted from, and which processor serves them.

use crate::options::values::{optional_value, put, size, truth, whole, whole_value};
use crate::options::{OptionRow, Rust, Value};
use wirewool_ipc::table::word::FD_MAX;

/// The most that the kernel takes for a buffer.
const KERNEL_BUFFER_BYTES_MAX: usize = 1 << 30;

const PROCESSORS_MAX: i64 = 1024;

pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["open_tcp_keepalive"],
        rust: Some(Rust { name: "tcp.keepalive", value: |_| Value::Null }),
        wanted: "true or false",
        default: "false",
        meaning: "The system asks silent peers whether they are there; who does not answer is closed (SO_KEEPALIVE).",
        set: |config, value| put(&mut config.tcp.keepalive, truth(value)),
    },
    OptionRow {
        names: &["tcp_keepidle"],
        rust: Some(Rust { name: "tcp.keepidle_s", value: |config| whole_value(config.tcp.keepidle_s.into()) }),
        wanted: "1 to 32767 seconds",
        default: "3600",
        meaning: "With open_tcp_keepalive: after how much silence.",
        set: |config, value| put(&mut config.tcp.keepidle_s, whole(value, 1, 32767).map(|n| n as u32)),
    },
    OptionRow {
        names: &["tcp_keepinterval"],
        rust: Some(Rust { name: "tcp.keepinterval_s", value: |config| whole_value(config.tcp.keepinterval_s.into()) }),
        wanted: "1 to 32767 seconds",
        default: "60",
        meaning: "With open_tcp_keepalive: from one question to the next.",
        set: |config, value| put(&mut config.tcp.keepinterval_s, whole(value, 1, 32767).map(|n| n as u32)),
    },
    OptionRow {
        names: &["tcp_keepcount"],
        rust: Some(Rust { name: "tcp.keepcount", value: |config| whole_value(config.tcp.keepcount.into()) }),
        wanted: "1 to 127",
        default: "5",
        meaning: "With open_tcp_keepalive: how many questions.",
        set: |config, value| put(&mut config.tcp.keepcount, whole(value, 1, 127).map(|n| n as u32)),
    },
    OptionRow {
        names: &["tcp_user_timeout"],
        rust: Some(Rust {
            name: "tcp.user_timeout_ms",
            value: |config| whole_value(config.tcp.user_timeout_ms.into()),
        }),
        wanted: "0 to 2147483647 milliseconds",
        default: "0, the system's",
        meaning: "How long what is sent may stay without an answer of the peer's system (TCP_USER_TIMEOUT).",
        set: |config, value| put(&mut config.tcp.user_timeout_ms, whole(value, 0, i32::MAX.into()).map(|n| n as u32)),
    },
    OptionRow {
        names: &["tcp_defer_accept"],
        rust: Some(Rust { name: "tcp.defer_accept_s", value: |config| whole_value(config.tcp.defer_accept_s.into()) }),
        wanted: "0 to 3600 seconds",
        default: "0",
        meaning: "A connection is accepted when it has sent something, or after about that time; 0 is at once (TCP_DEFER_ACCEPT).",
        set: |config, value| put(&mut config.tcp.defer_accept_s, whole(value, 0, 3600).map(|n| n as u32)),
    },
    OptionRow {
        names: &["tcp_fastopen"],
        rust: Some(Rust { name: "tcp.fastopen", value: |_| Value::Null }),
        wanted: "true or false",
        default: "false",
        meaning: "Data may come with a connection (TCP_FASTOPEN, RFC 7413), if the system's net.ipv4.tcp_fastopen lets it.",
        set: |config, value| put(&mut config.tcp.fastopen, truth(value)),
    },
    OptionRow {
        names: &["enable_reuse_port"],
        rust: Some(Rust { name: "tcp.reuse_port", value: |_| Value::Null }),
        wanted: "true or false",
        default: "false",
        meaning: "Several servers of the same user that all set this may listen on one port, for example an old and a new one; the system shares out connections (SO_REUSEPORT).",
        set: |config, value| put(&mut config.tcp.reuse_port, truth(value)),
    },
    OptionRow {
        names: &["kernel_socket_recv_buffer_size"],
        rust: Some(Rust {
            name: "tcp.receive_buffer_bytes",
            value: |config| optional_value(config.tcp.receive_buffer_bytes),
        }),
        wanted: "1K to 1G",
        default: "the system's, which grows as needed",
        meaning: "The kernel's buffer for what comes from a connection (SO_RCVBUF). Linux doubles it, and lowers it to net.core.rmem_max.",
        set: |config, value| put(&mut config.tcp.receive_buffer_bytes, kernel_buffer(value).map(Some)),
    },
    OptionRow {
        names: &["kernel_socket_send_buffer_size"],
        rust: Some(Rust {
            name: "tcp.send_buffer_bytes",
            value: |config| optional_value(config.tcp.send_buffer_bytes),
        }),
        wanted: "1K to 1G",
        default: "the system's, which grows as needed",
        meaning: "The kernel's buffer for what is sent to a connection (SO_SNDBUF). Linux doubles it, and lowers it to net.core.wmem_max.",
        set: |config, value| put(&mut config.tcp.send_buffer_bytes, kernel_buffer(value).map(Some)),
    },
    OptionRow {
        names: &["start_session_id"],
        rust: Some(Rust { name: "start_session_id", value: |config| whole_value(config.start_session_id) }),
        wanted: "1 to 70368744177663",
        default: "1",
        meaning: "The fd of the first connection.",
        set: |config, value| put(&mut config.start_session_id, whole(value, 1, FD_MAX as i64).map(|n| n as u64)),
    },
    OptionRow {
        names: &["open_cpu_affinity"],
        rust: Some(Rust { name: "cpu_affinity", value: |_| Value::Null }),
        wanted: "true or false",
        default: "false",
        meaning: "Each worker process, and each reactor, stays on one processor: the first on the first, and so on, from the beginning after the last.",
        set: |config, value| put(&mut config.cpu_affinity, truth(value)),
    },
    OptionRow {
        names: &["cpu_affinity_ignore"],
        rust: Some(Rust { name: "cpu_affinity_ignore", value: |_| Value::Null }),
        wanted: "a list of processors' numbers, from 0 to 1023",
        default: "none",
        meaning: "With open_cpu_affinity: processors that are left to others. If no other is left, they are used all the same.",
        set: |config, value| match value {
            Value::List(numbers) => {
                let numbers = numbers.iter().map(|number| whole(number, 0, PROCESSORS_MAX - 1).map(|n| n as usize));
                put(&mut config.cpu_affinity_ignore, numbers.collect())
            }
            _ => false,
        },
    },
];

fn kernel_buffer(value: &Value) -> Option<usize> {
    size(value, 1 << 10).filter(|bytes| *bytes <= KERNEL_BUFFER_BYTES_MAX)
}
