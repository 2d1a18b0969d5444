//! What a server is told: its limits, its times, its workers.

use crate::tcp::Tcp;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::packets::{Count, Mark, Packets};
use wirewool_proto::websocket::extension::Compression;

/// How a server is spread over processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forked workers, each with its own loop, and a manager that replaces one that dies.
    Base,
    /// The connections belong to threads of the master, the reactors, and forked workers run the handlers: connections
    /// outlive the workers.
    Process,
    /// Worker threads in this process, each with its own loop.
    Thread,
}

/// Which worker gets an event, where reactors hand them on ([`Mode::Process`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DispatchMode {
    /// Messages and requests to one worker after the other; the rest as in `Fixed`.
    Round,
    /// All of a connection to the same worker, by its fd.
    Fixed,
    /// Messages and requests to the worker with the least to do; the rest as in `Fixed`.
    Idle,
    /// All of a peer's address to the same worker.
    Address,
    /// All of a user's connections, once bound to him, to the same worker; before that as in `Fixed`.
    User,
}

/// A server's settings, with their defaults. `options` has the names, bounds and meanings.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How it is spread.
    pub mode: Mode,
    /// How many workers.
    pub workers: usize,
    /// How many reactors.
    pub reactors: usize,
    /// Which worker gets an event of a reactor.
    pub dispatch: DispatchMode,
    /// The size of each ring between two processes, in bytes.
    pub ring_bytes: usize,
    /// After so many messages and requests a worker is replaced; 0 for never.
    pub max_request: u64,
    /// Up to so many more, by chance: so that not all are replaced at once. None is half of `max_request`.
    pub max_request_grace: Option<u64>,
    /// How many task workers.
    pub task_workers: usize,
    /// After so many tasks a task worker is replaced; 0 for never.
    pub task_max_request: u64,
    /// Up to so many more, by chance. None is half of `task_max_request`.
    pub task_max_request_grace: Option<u64>,
    /// In PHP, whether tasks run in coroutines, several at a time.
    pub task_coroutines: bool,
    /// In PHP, whether the task callback gets one object.
    pub task_objects: bool,
    /// In PHP, whether other callbacks get one object as well.
    pub event_objects: bool,
    /// A reload replaces all workers at once, not one after the other.
    pub reload_async: bool,
    /// From what is owed on a connection is full, in bytes; by default four fifths of `outbox_bytes_max`.
    pub buffer_high_watermark: Option<usize>,
    /// Down to what is owed it is empty again, in bytes.
    pub buffer_low_watermark: usize,
    /// How many connections, of all workers together.
    pub max_connection: usize,
    /// The connections speak HTTP.
    pub http: bool,
    /// They speak HTTP, and may turn into WebSockets.
    pub websocket: bool,
    /// Raw bytes go to the handler once they end with `mark`.
    pub mark_check: bool,
    /// So they do, and each time what ends with it is a packet of its own.
    pub mark_split: bool,
    /// What ends a packet.
    pub mark: Mark,
    /// Each packet says how long it is.
    pub count_check: bool,
    /// Where it does.
    pub count: Count,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// Small pieces leave at once (TCP_NODELAY).
    pub tcp_nodelay: bool,
    /// What else the sockets are told.
    pub tcp: Tcp,
    /// The fd of the first connection.
    pub start_session_id: u64,
    /// Each worker process and each reactor stays on one processor.
    pub cpu_affinity: bool,
    /// Processors that are left to others then.
    pub cpu_affinity_ignore: Vec<usize>,
    /// The longest message and the longest request body that is received, in bytes.
    pub message_bytes_max: usize,
    /// The longest message that may be pushed, in bytes.
    pub push_bytes_max: usize,
    /// What may be owed to one connection, in bytes.
    pub outbox_bytes_max: usize,
    /// From the accept to the end of a request's head.
    pub head_timeout: Duration,
    /// From an upgrade request to its answer.
    pub handshake_timeout: Duration,
    /// From a server's close frame to the peer's end.
    pub close_timeout: Duration,
    /// From an answer to the next request of a connection.
    pub keep_alive_timeout: Duration,
    /// A connection of which nothing was received for so long is closed.
    pub heartbeat_idle_time: Option<Duration>,
    /// So much later at most. Without the time above, that is twice as long.
    pub heartbeat_check_interval: Option<Duration>,
    /// A connection of which nothing was received, and to which nothing was sent, for so long is closed.
    pub max_idle_time: Option<Duration>,
    /// A WebSocket of which nothing was received for so long is pinged, and closed if that lasts as long again.
    pub ping_interval: Option<Duration>,
    /// How long a server that ends waits for its connections and workers.
    pub max_wait_time: Duration,
    /// The subprotocols that are spoken, in the order of preference.
    pub subprotocols: Vec<String>,
    /// Messages may be compressed, for clients that offer it.
    pub compression: Option<Compression>,
    /// Pings go to the handler, which then answers them.
    pub ping_events: bool,
    /// Pongs go to the handler.
    pub pong_events: bool,
    /// In PHP, whether callbacks for one connection never overlap.
    pub serial: bool,
    /// In PHP, whether callbacks run in coroutines.
    pub coroutines: bool,
    /// In PHP, how many coroutines a worker may have.
    pub coroutines_max: usize,
    /// In PHP, whether a push that finds no room waits for it; otherwise as `coroutines`.
    pub send_yield: Option<bool>,
    /// In PHP, how long it waits at most.
    pub send_timeout: Option<Duration>,
    /// Close frames go to the handler.
    pub close_events: bool,
    /// The file that says which process the server is.
    pub pid_file: Option<String>,
    /// Who workers are, by name or number.
    pub user: Option<String>,
    /// Their group, by name or number; by default the user's.
    pub group: Option<String>,
    /// What workers see as the root of all paths.
    pub chroot: Option<String>,
    /// In PHP, whether the server leaves the terminal.
    pub daemonize: bool,
    /// Where the log goes; nowhere in particular by default.
    pub log_file: Option<String>,
    /// What is logged: 0 everything … 6 nothing.
    pub log_level: u8,
    /// How a line of the log begins, as for strftime(3).
    pub log_date_format: String,
    /// With microseconds behind that.
    pub log_date_with_microseconds: bool,
    /// How often a log file is begun.
    pub log_rotation: LogRotation,
}

/// How often a log file is begun; what is not `Single` puts the time behind the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRotation {
    /// There is one.
    Single,
    /// `.202612`.
    Monthly,
    /// `.20261231`.
    Daily,
    /// `.2026123123`.
    Hourly,
    /// `.202612312359`.
    EveryMinute,
}

impl LogRotation {
    /// What comes behind the file's name, as for strftime(3).
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            LogRotation::Single => None,
            LogRotation::Monthly => Some(".%Y%m"),
            LogRotation::Daily => Some(".%Y%m%d"),
            LogRotation::Hourly => Some(".%Y%m%d%H"),
            LogRotation::EveryMinute => Some(".%Y%m%d%H%M"),
        }
    }
}

/// The default of `max_connection`; the descriptor limit, if lower, lowers it at the start.
const CONNECTIONS_MAX: usize = 100_000;

impl DispatchMode {
    /// The worker that a connection is bound to: all of its events go there, or in `Round` and `Idle` those that are no
    /// messages and requests.
    pub fn bound_worker(self, fd: Fd, peer: Option<IpAddr>, uid: u32, workers: usize) -> usize {
        let number = match (self, peer) {
            (DispatchMode::Address, Some(address)) => {
                let mut hasher = DefaultHasher::new();
                address.hash(&mut hasher);
                hasher.finish()
            }
            (DispatchMode::User, _) if uid != 0 => u64::from(uid),
            _ => fd.get(),
        };
        (number % workers as u64) as usize
    }
}

/// More reactors than that are asked for, not assumed.
const REACTORS_DEFAULT_MAX: usize = 8;

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Thread,
            workers: 1,
            reactors: std::thread::available_parallelism().map_or(1, usize::from).min(REACTORS_DEFAULT_MAX),
            dispatch: DispatchMode::Fixed,
            ring_bytes: 1 << 20,
            max_request: 0,
            max_request_grace: None,
            task_workers: 0,
            task_max_request: 0,
            task_max_request_grace: None,
            task_coroutines: false,
            task_objects: false,
            event_objects: false,
            reload_async: true,
            buffer_high_watermark: None,
            buffer_low_watermark: 0,
            max_connection: CONNECTIONS_MAX,
            http: false,
            websocket: false,
            mark_check: false,
            mark_split: false,
            mark: Mark::EMPTY_LINE,
            count_check: false,
            count: Count::default(),
            backlog: 512,
            tcp_nodelay: true,
            tcp: Tcp::default(),
            start_session_id: 1,
            cpu_affinity: false,
            cpu_affinity_ignore: Vec::new(),
            message_bytes_max: 2 << 20,
            push_bytes_max: 2 << 20,
            outbox_bytes_max: 8 << 20,
            head_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            keep_alive_timeout: Duration::from_secs(75),
            heartbeat_idle_time: None,
            heartbeat_check_interval: None,
            max_idle_time: None,
            ping_interval: None,
            max_wait_time: Duration::from_secs(3),
            subprotocols: Vec::new(),
            compression: None,
            ping_events: false,
            pong_events: false,
            serial: false,
            coroutines: true,
            coroutines_max: 100_000,
            send_yield: None,
            send_timeout: None,
            close_events: false,
            pid_file: None,
            user: None,
            group: None,
            chroot: None,
            daemonize: false,
            log_file: None,
            log_level: 2,
            log_date_format: "%Y-%m-%d %H:%M:%S".to_owned(),
            log_date_with_microseconds: false,
            log_rotation: LogRotation::Single,
        }
    }
}

/// `most`, and a part of `grace` more; none for 0. By default the grace is half of it, from 11 on.
fn by_chance(most: u64, grace: Option<u64>) -> Option<u64> {
    if most == 0 {
        return None;
    }
    let grace = grace.unwrap_or(if most > 10 { most / 2 } else { 0 });
    // Chance enough, and no generator is needed for it: processes have different numbers, and start at different times.
    let hasher = std::collections::hash_map::RandomState::new();
    let chance = std::hash::BuildHasher::hash_one(&hasher, std::process::id());
    Some(most.saturating_add(if grace == 0 { 0 } else { 1 + chance % grace }))
}

/// Settings that cannot be: all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} is {value}: wanted {wanted}")]
pub struct ConfigError {
    /// Its name.
    pub option: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it wants.
    pub wanted: String,
}

impl Config {
    /// After how many messages and requests a new worker is to be replaced, if ever: some sooner, some later.
    pub fn requests_of_a_worker(&self) -> Option<u64> {
        by_chance(self.max_request, self.max_request_grace)
    }

    /// After how many tasks a new task worker is to be replaced, if ever.
    pub fn requests_of_a_task_worker(&self) -> Option<u64> {
        by_chance(self.task_max_request, self.task_max_request_grace)
    }

    /// After how long a silence a connection is closed; none if there is no heartbeat.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat_idle_time.or(self.heartbeat_check_interval.map(|interval| interval * 2))
    }

    /// What the connections speak, as far as that was set.
    pub fn protocol(&self) -> Protocol {
        match (self.websocket, self.http) {
            (true, _) => Protocol::WebSocket,
            (false, true) => Protocol::Http,
            (false, false) => Protocol::Raw,
        }
    }

    /// How raw bytes are told apart, if at all.
    pub fn packets(&self) -> Option<Packets> {
        match (self.mark_split, self.mark_check, self.count_check) {
            (true, ..) => Some(Packets::Split(self.mark)),
            (false, true, _) => Some(Packets::Gathered(self.mark)),
            (false, false, true) => Some(Packets::Counted(self.count)),
            (false, false, false) => None,
        }
    }

    /// Tells raw bytes apart in this way.
    pub fn set_packets(&mut self, packets: Packets) {
        let (gathers, splits) = (matches!(packets, Packets::Gathered(_)), matches!(packets, Packets::Split(_)));
        (self.mark_check, self.mark_split, self.count_check) = (gathers, splits, !gathers && !splits);
        match packets {
            Packets::Gathered(mark) | Packets::Split(mark) => self.mark = mark,
            Packets::Counted(count) => self.count = count,
        }
    }

    /// What a loop's hub is told about a port.
    pub fn settings(&self, protocol: Protocol, requests: bool, own_handshake: bool) -> Settings {
        Settings {
            protocol,
            packets: self.packets(),
            requests,
            own_handshake,
            deflate_level: self.compression.map_or(1, |compression| compression.level),
            deflate_threshold: self.compression.and_then(|compression| compression.threshold),
            ping_events: self.ping_events,
            pong_events: self.pong_events,
            message_bytes_max: self.message_bytes_max,
            push_bytes_max: self.push_bytes_max,
            outbox_bytes_max: self.outbox_bytes_max,
            buffer_high_watermark_bytes: self.buffer_high_watermark,
            buffer_low_watermark_bytes: self.buffer_low_watermark,
            head: HeadLimits::default(),
            head_timeout_ms: milliseconds(self.head_timeout),
            handshake_timeout_ms: milliseconds(self.handshake_timeout),
            keep_alive_timeout_ms: milliseconds(self.keep_alive_timeout),
            close_timeout_ms: milliseconds(self.close_timeout),
            heartbeat_ms: self.heartbeat().map(milliseconds),
            heartbeat_check_ms: self.heartbeat_check_interval.map_or(u64::MAX, milliseconds),
            idle_ms: self.max_idle_time.map(milliseconds),
            ping_ms: self.ping_interval.map(milliseconds),
            ..Settings::default()
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
