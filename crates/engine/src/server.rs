//! The front door for Rust: build a server, start it, and reach its connections from anywhere.

use crate::builder::Builder;
use crate::config::{Config, ConfigErrors, Mode};
use crate::crew::boxes::Boxes;
use crate::crew::duties::{CrewError, Duties};
use crate::crew::pending::Pending;
use crate::crew::{self, Crew};
use crate::dispatch::{self, Handlers};
use crate::frame::Message;
use crate::heartbeat;
use crate::link::{Errand, Inbox, Room};
use crate::listener::{BindError, Listener, Listeners};
use crate::remote::{self, Limits};
use crate::station::Way;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wirewool_hub::command::{Command, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Count, Exchange, Wish};
use wirewool_ipc::table::Table;
use wirewool_ipc::table::facts::Facts;
use wirewool_ipc::table::word::Connection;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::{Kind, Payload};
use wirewool_proto::websocket::role::Role;

/// Why a server did not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A server without a message handler has nothing to do.
    #[error("require onMessage callback: set it with Builder::on_message")]
    NoMessageHandler,
    /// A further port without the handler that it needs.
    #[error("the port {} needs a handler: set it with {handler}", .port.map_or("of a unix socket".into(), |port| port.to_string()))]
    NoHandler {
        /// Where it is bound.
        port: Option<SocketAddr>,
        /// What is missing.
        handler: &'static str,
    },
    /// The handlers for tasks do not fit the settings, or each other.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// Settings cannot be.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Workers are forked, and a fork takes only the thread that calls it along.
    #[error("the workers are forked, but this process has {0} other threads: start it before them")]
    Threads(usize),
    /// The server has ended, but so many of its threads are stuck in a handler, or in what the program runs by itself: they
    /// are left behind, and their connections open.
    #[error("{0} threads are still busy and are left behind")]
    Busy(usize),
    /// The manager or a reactor ended by itself, and the server with it. The log says how.
    #[error("a part of the server ended by itself, and the server with it: see the log")]
    Failed,
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Says what was attempted.
pub(crate) trait Attempt<T> {
    fn attempt(self, what: &'static str) -> Result<T, StartError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: &'static str) -> Result<T, StartError> {
        self.map_err(|source| StartError::Io { what, source })
    }
}

/// Begins the life of a process of the crew, in [`Mode::Thread`] of all of them at once.
pub(crate) type Started<'a> = dyn Fn(&Server, crew::Role) -> io::Result<()> + 'a;

/// What all handles of one server share.
pub(crate) struct Shared {
    pub(crate) table: Arc<Table>,
    pub(crate) exchange: Arc<Exchange>,
    /// What other threads leave for a loop of this process: one for each of its loops.
    pub(crate) inboxes: Vec<Inbox>,
    /// This process's way to connections that other processes have, if it is a worker among others.
    pub(crate) way: OnceLock<Way>,
    pub(crate) stopping: AtomicBool,
    /// `start` has returned, whoever is left behind.
    pub(crate) ended: AtomicBool,
    pub(crate) crew: Crew,
    pub(crate) duties: Duties,
    /// What the crew send each other where they are threads.
    pub(crate) boxes: Boxes,
    pub(crate) pending: Pending,
    pub(crate) listeners: Listeners,
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    /// After how long a silence connections are closed.
    pub(crate) heartbeat: Option<Duration>,
}

/// What a server has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// How many connections there are.
    pub connections: usize,
    /// How many there were, those that are over included.
    pub accepted: u64,
    /// How many are over.
    pub closed: u64,
    /// How many were accepted and dropped at once, since there was no room for them.
    pub aborted: u64,
    /// How many messages and requests went to a handler; as it was at the end of each worker's last pass.
    pub requests: u64,
    /// What was received, in bytes; as it was at the end of each loop's last pass.
    pub received_bytes: u64,
    /// What was sent, in bytes; as above.
    pub sent_bytes: u64,
}

/// A running server, seen from a handler or from any thread of its process.
///
/// Cheap to clone. It reaches all connections of the server, from each of its workers and in each mode. Unless the
/// connection is the handler's own loop's, a command is left for whoever has it: then `Ok` means that it will be
/// carried out, if the connection is still there.
#[derive(Clone)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

impl Server {
    /// A server that will listen on `address`, for example `"0.0.0.0:9501"` or `"unix:/run/chat"`; port 0 takes a free
    /// one.
    ///
    /// The address is bound at once, but an error is only told by [`Builder::start`].
    pub fn bind(address: &str) -> Builder {
        let config = Config { websocket: true, ..Config::default() };
        let (handlers, duties) = (Handlers::default(), Duties::default());
        Builder { listener: Listener::bind(address), config, handlers, duties, ports: Vec::new() }
    }

    /// Sends a message: text from `&str`, binary from bytes, a received [`Frame`](crate::frame::Frame) as it was.
    ///
    /// # Errors
    /// There is no such WebSocket, it is closing, the message is too large, or too much is owed already.
    pub fn push<'a>(&self, fd: Fd, message: impl Into<Message<'a>>) -> Result<(), Refused> {
        let Message { kind, compress, payload } = message.into();
        self.apply(fd, Command::Push(Push { opcode: kind.opcode(), fin: true, compress, payload }))
    }

    /// Sends bytes as they are: for connections of ports that speak nothing else.
    ///
    /// # Errors
    /// As [`Server::push`], whatever the connection speaks.
    pub fn send(&self, fd: Fd, bytes: &[u8]) -> Result<(), Refused> {
        self.apply(fd, Command::Send(bytes))
    }

    /// Sends a datagram from the first port for datagrams that can reach `to`, or from the one with the index `from`.
    ///
    /// # Errors
    /// Those of the system; `AddrNotAvailable` if there is no such port.
    pub fn send_to(&self, from: Option<u8>, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let wanted = from.and_then(|port| self.shared.listeners.get(port));
        let is_wanted = |listener: &Listener| from.is_none() || wanted.is_some_and(|wanted| wanted.is(listener));
        self.shared.listeners.send_to(is_wanted, to, bytes)
    }

    /// Sends a fragment of a message: the first one says what it is, the others continue it, the last one has `fin`.
    /// Messages pushed meanwhile wait for its end. Whether the fragments of a text are UTF-8 together is the caller's
    /// affair.
    ///
    /// # Errors
    /// As [`Server::push`]; a first fragment inside a message, or another one outside.
    pub fn push_fragment(&self, fd: Fd, first: Option<Kind>, fin: bool, payload: &[u8]) -> Result<(), Refused> {
        let opcode = first.map_or(Opcode::Continuation, Kind::opcode);
        let payload = Payload::Borrowed(payload);
        self.apply(fd, Command::Push(Push { opcode, fin, compress: false, payload }))
    }

    /// Sends a ping with at most 125 bytes.
    ///
    /// # Errors
    /// As [`Server::push`].
    pub fn ping(&self, fd: Fd, payload: &[u8]) -> Result<(), Refused> {
        let payload = Payload::Borrowed(payload);
        self.apply(fd, Command::Push(Push { opcode: Opcode::Ping, fin: true, compress: false, payload }))
    }

    /// Sends a pong with at most 125 bytes: the answer to a ping, where pings go to a handler.
    ///
    /// # Errors
    /// As [`Server::push`].
    pub fn pong(&self, fd: Fd, payload: &[u8]) -> Result<(), Refused> {
        let payload = Payload::Borrowed(payload);
        self.apply(fd, Command::Push(Push { opcode: Opcode::Pong, fin: true, compress: false, payload }))
    }

    /// Sends a close frame and closes; a reason is cut to 123 bytes.
    ///
    /// # Errors
    /// There is no such WebSocket, it is closing, or a server does not send this code.
    pub fn disconnect(&self, fd: Fd, code: CloseCode, reason: &str) -> Result<(), Refused> {
        CloseCode::sendable(code.get(), Role::Server).ok_or(Refused::CloseCode(code.get()))?;
        self.apply(fd, Command::Disconnect { code, reason })
    }

    /// Closes a connection behind what is owed to it.
    ///
    /// # Errors
    /// There is no such connection, or it is closing.
    pub fn close(&self, fd: Fd) -> Result<(), Refused> {
        self.apply(fd, Command::Close { reset: false })
    }

    /// Is there such a connection, WebSocket or not, in any worker?
    pub fn exists(&self, fd: Fd) -> bool {
        self.connection(fd).is_some()
    }

    /// Is there such a WebSocket, in any worker?
    pub fn is_established(&self, fd: Fd) -> bool {
        let opened_here = || self.shared.way.get().is_some_and(|way| way.with(|remote| remote.has_opened(fd)));
        self.connection(fd).is_some_and(|connection| is_established(connection) || opened_here())
    }

    /// All WebSockets, in the order of their fds. It is a snapshot: some may be gone already.
    pub fn connections(&self) -> Vec<Fd> {
        let all = self.shared.table.all().filter(|_| !self.has_ended());
        all.filter(|(_, connection)| is_established(*connection)).filter_map(|(fd, _)| Fd::new(fd)).collect()
    }

    /// How many connections there are, those included that are no WebSocket (yet).
    pub fn connection_count(&self) -> usize {
        if self.has_ended() { 0 } else { self.shared.table.connections() }
    }

    /// What all workers together have done.
    pub fn stats(&self) -> Stats {
        let table = &self.shared.table;
        Stats {
            connections: self.connection_count(),
            accepted: table.accepted(),
            closed: table.closed(),
            aborted: table.aborted(),
            requests: self.shared.exchange.total(Count::Requests),
            received_bytes: table.received_bytes(),
            sent_bytes: table.sent_bytes(),
        }
    }

    /// Exempts a connection from being closed for its silence, or no longer. False if there is no such connection.
    pub fn protect(&self, fd: Fd, protected: bool) -> bool {
        !self.has_ended() && self.shared.table.protect(fd.get(), protected)
    }

    /// The connections that are silent for too long by now, unless they are protected; none if the server was given no
    /// [`heartbeat_idle_time`](Builder::heartbeat_idle_time). They are closed anyhow, before long; with `close` they are
    /// at once.
    pub fn heartbeat(&self, close: bool) -> Option<Vec<Fd>> {
        let Shared { table, exchange, heartbeat, .. } = &*self.shared;
        let fds =
            heartbeat.filter(|_| !self.has_ended()).map(|time| heartbeat::silent(table, exchange, time, close))?;
        Some(fds.into_iter().filter_map(Fd::new).collect())
    }

    /// What is known of a connection, in whichever worker it is.
    pub fn info(&self, fd: Fd) -> Option<Facts> {
        self.shared.table.facts(fd.get()).filter(|_| !self.has_ended())
    }

    /// Binds a connection to a user, once: [`DispatchMode::User`](crate::config::DispatchMode::User) sends its events
    /// to the worker that has the user's other connections. False if it is bound already, or there is no such
    /// connection, or `uid` is 0.
    pub fn bind_user(&self, fd: Fd, uid: u32) -> bool {
        !self.has_ended() && self.shared.table.bind(fd.get(), uid)
    }

    /// The server ends: no new connections, the others are closed with 1001.
    pub fn shutdown(&self) {
        self.shared.stopping.store(true, SeqCst);
        // Shared across the forks: it reaches the manager from any worker, and nobody else should it be dead.
        self.shared.exchange.shut_down();
        if self.shared.mode == Mode::Thread {
            self.shared.exchange.ring_all();
        }
    }

    /// Replaces all workers by new ones. False if that is under way already, or workers are threads.
    pub fn reload(&self) -> bool {
        let can = self.shared.mode != Mode::Thread && !self.has_ended() && !self.shared.exchange.is_reloading();
        if can {
            self.shared.exchange.wish(Wish::Reload);
        }
        can
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared.ended.load(SeqCst)
    }

    fn connection(&self, fd: Fd) -> Option<Connection> {
        self.shared.table.connection(fd.get()).filter(|_| !self.has_ended())
    }

    fn apply(&self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        if self.has_ended() {
            return Err(Refused::Unknown);
        }
        match dispatch::apply_here(self, fd, command) {
            Ok(result) => result,
            Err(command) => self.leave(fd, command),
        }
    }

    /// Leaves a command for the loop that has the connection.
    fn leave(&self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        let connection = self.connection(fd).ok_or(Refused::Unknown)?;
        let inbox = match (self.shared.mode, dispatch::own_seat()) {
            (Mode::Thread, _) => self.shared.inboxes.get(connection.owner),
            (Mode::Base, Some(own)) if own == connection.owner => self.shared.inboxes.first(),
            _ => None,
        };
        let Some(inbox) = inbox else {
            let way = self.shared.way.get().ok_or(Refused::Unknown)?;
            return way.apply(fd, command, false);
        };
        remote::check_state(connection, &command)?;
        let len = self.shared.limits.check(&command)?;
        let owed = self.shared.table.owed_bytes(fd.get()).unwrap_or(0);
        let errand = Errand::from_command(command).ok_or(Refused::NotWaiting)?;
        inbox.leave(fd, errand, Room { owed, len, limit: self.shared.limits.outbox_bytes_max })?;
        self.shared.exchange.doorbell(connection.owner).ring();
        Ok(())
    }
}

/// Is it a WebSocket that no side has ended?
fn is_established(connection: Connection) -> bool {
    connection.status == Status::Active as u8
}
