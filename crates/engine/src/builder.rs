//! A server before its start: its handlers, its settings, and how it comes to run.

use crate::config::{Config, ConfigError, ConfigErrors, DispatchMode, Mode};
use crate::crew::boxes::Boxes;
use crate::crew::duties::Duties;
use crate::crew::pending::Pending;
use crate::crew::{Crew, Role};
use crate::dispatch::Handlers;
use crate::frame::{Acceptance, Frame, Outcome, Request};
use crate::link::Inbox;
use crate::listener::{BindError, Listener, Listeners, PORTS_MAX};
use crate::port::{Port, Ports};
use crate::remote::Limits;
use crate::server::{Attempt, Server, Shared, StartError};
use crate::service::Service;
use crate::tcp::Tcp;
use crate::{base, process, thread};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::table::Table;
use wirewool_proto::http::response::Response;
use wirewool_proto::websocket::extension::Compression;

/// A server before its start.
pub struct Builder {
    pub(crate) listener: Result<Listener, BindError>,
    pub(crate) config: Config,
    pub(crate) handlers: Handlers,
    pub(crate) duties: Duties,
    pub(crate) ports: Vec<Port>,
}

impl Builder {
    /// A message came. Required.
    #[must_use]
    pub fn on_message<R: Outcome>(
        mut self,
        handler: impl Fn(&Server, Frame<'_>) -> R + Send + Sync + 'static,
    ) -> Builder {
        self.handlers.message = Some(Box::new(move |server, frame| handler(server, frame).into_error()));
        self
    }

    /// A WebSocket is open; `request` is what opened it.
    #[must_use]
    pub fn on_open<R: Outcome>(mut self, handler: impl Fn(&Server, &Request) -> R + Send + Sync + 'static) -> Builder {
        self.handlers.open = Some(Box::new(move |server, request| handler(server, request).into_error()));
        self
    }

    /// A WebSocket is closed: nothing can be sent to it any more. Called once for each that was opened.
    #[must_use]
    pub fn on_close<R: Outcome>(mut self, handler: impl Fn(&Server, Fd) -> R + Send + Sync + 'static) -> Builder {
        self.handlers.close = Some(Box::new(move |server, fd| handler(server, fd).into_error()));
        self
    }

    /// A plain HTTP request came. Without this handler such requests get a 400 page.
    #[must_use]
    pub fn on_request(mut self, handler: impl Fn(&Server, &Request) -> Response + Send + Sync + 'static) -> Builder {
        self.handlers.request = Some(Box::new(handler));
        self
    }

    /// A correct upgrade request came: accepts it, or refuses it with a response. Without this handler all are
    /// accepted.
    #[must_use]
    pub fn on_handshake(
        mut self,
        handler: impl Fn(&Server, &Request) -> Result<Acceptance, Response> + Send + Sync + 'static,
    ) -> Builder {
        self.handlers.handshake = Some(Box::new(handler));
        self
    }

    /// A ping came; the handler owes the pong. Without this handler pings are answered by themselves.
    #[must_use]
    pub fn on_ping<R: Outcome>(mut self, handler: impl Fn(&Server, Fd, &[u8]) -> R + Send + Sync + 'static) -> Builder {
        self.config.ping_events = true;
        self.handlers.ping = Some(Box::new(move |server, fd, payload| handler(server, fd, payload).into_error()));
        self
    }

    /// A pong came.
    #[must_use]
    pub fn on_pong<R: Outcome>(mut self, handler: impl Fn(&Server, Fd, &[u8]) -> R + Send + Sync + 'static) -> Builder {
        self.config.pong_events = true;
        self.handlers.pong = Some(Box::new(move |server, fd, payload| handler(server, fd, payload).into_error()));
        self
    }

    /// Listens on a further port: with this one it is one server, so that every method reaches the connections of all.
    #[must_use]
    pub fn listen(mut self, port: Port) -> Builder {
        self.ports.push(port);
        self
    }

    /// How the server is spread; [`Mode::Thread`] by default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Builder {
        self.config.mode = mode;
        self
    }

    /// How many reactors, in [`Mode::Process`]; one for each processor by default, at most 8.
    #[must_use]
    pub fn reactors(mut self, reactors: usize) -> Builder {
        self.config.reactors = reactors;
        self
    }

    /// Which worker gets an event, in [`Mode::Process`]; all of a connection the same by default.
    #[must_use]
    pub fn dispatch(mut self, mode: DispatchMode) -> Builder {
        self.config.dispatch = mode;
        self
    }

    /// The size of each ring between two processes, in bytes; 1 MiB by default.
    #[must_use]
    pub fn ring_bytes(mut self, bytes: usize) -> Builder {
        self.config.ring_bytes = bytes;
        self
    }

    /// A worker process is replaced after so many messages and requests; never by default.
    #[must_use]
    pub fn max_request(mut self, requests: u64) -> Builder {
        self.config.max_request = requests;
        self
    }

    /// Up to so many more, by chance, so that not all are replaced at once; half of [`Builder::max_request`] by default, if
    /// that is more than 10.
    #[must_use]
    pub fn max_request_grace(mut self, requests: u64) -> Builder {
        self.config.max_request_grace = Some(requests);
        self
    }

    /// A reload replaces all workers at once; by default. Otherwise one after the other.
    #[must_use]
    pub fn reload_async(mut self, on: bool) -> Builder {
        self.config.reload_async = on;
        self
    }

    /// How many connections the kernel keeps until they are accepted; 512 by default.
    #[must_use]
    pub fn backlog(mut self, connections: i32) -> Builder {
        self.config.backlog = connections;
        self
    }

    /// How many workers; 1 by default, 0 is one for each processor.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Builder {
        self.config.workers = workers;
        self
    }

    /// How many connections, of all workers together; 100,000 by default, or the descriptor limit.
    #[must_use]
    pub fn max_connection(mut self, connections: usize) -> Builder {
        self.config.max_connection = connections;
        self
    }

    /// The longest message and the longest request body that is received, in bytes; 2 MiB by default.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Builder {
        self.config.message_bytes_max = bytes;
        self
    }

    /// The longest message that may be pushed, in bytes; 2 MiB by default.
    #[must_use]
    pub fn push_bytes_max(mut self, bytes: usize) -> Builder {
        self.config.push_bytes_max = bytes;
        self
    }

    /// What may be owed to one connection, in bytes; 8 MiB by default.
    #[must_use]
    pub fn outbox_bytes_max(mut self, bytes: usize) -> Builder {
        self.config.outbox_bytes_max = bytes;
        self
    }

    /// The subprotocols that are spoken, in the order of preference. The first that the client offers is answered.
    #[must_use]
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Builder {
        self.config.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Messages may be compressed, for clients that offer it (permessage-deflate, RFC 7692).
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Builder {
        self.config.compression = Some(compression);
        self
    }

    /// How long a connection may take for its first request's head; 10 s by default.
    #[must_use]
    pub fn head_timeout(mut self, time: Duration) -> Builder {
        self.config.head_timeout = time;
        self
    }

    /// How long a connection may take from an upgrade request to its answer; 10 s by default.
    #[must_use]
    pub fn handshake_timeout(mut self, time: Duration) -> Builder {
        self.config.handshake_timeout = time;
        self
    }

    /// How long a connection may wait between an answer and its next request; 75 s by default.
    #[must_use]
    pub fn keep_alive_timeout(mut self, time: Duration) -> Builder {
        self.config.keep_alive_timeout = time;
        self
    }

    /// How long a closing connection's peer may take; 2 s by default.
    #[must_use]
    pub fn close_timeout(mut self, time: Duration) -> Builder {
        self.config.close_timeout = time;
        self
    }

    /// A connection of which nothing was received for so long is closed, a WebSocket with 1001; never by default. Not one
    /// that is [protected](Server::protect), or that waits for the answer to its request. It may come later by half of
    /// that time.
    #[must_use]
    pub fn heartbeat_idle_time(mut self, time: Duration) -> Builder {
        self.config.heartbeat_idle_time = Some(time);
        self
    }

    /// How much later than that it may come; at most half of that time. Without that time, it is twice this one.
    #[must_use]
    pub fn heartbeat_check_interval(mut self, time: Duration) -> Builder {
        self.config.heartbeat_check_interval = Some(time);
        self
    }

    /// As [`Builder::heartbeat_idle_time`], but what is sent counts as well; never by default.
    #[must_use]
    pub fn max_idle_time(mut self, time: Duration) -> Builder {
        self.config.max_idle_time = Some(time);
        self
    }

    /// A WebSocket of which nothing was received for so long is pinged, and closed with 1001 if that lasts as long again;
    /// never by default. A protected one is only pinged.
    #[must_use]
    pub fn ping_interval(mut self, time: Duration) -> Builder {
        self.config.ping_interval = Some(time);
        self
    }

    /// How long a server that ends waits for its connections and workers; 3 s by default.
    #[must_use]
    pub fn max_wait_time(mut self, time: Duration) -> Builder {
        self.config.max_wait_time = time;
        self
    }

    /// What the sockets are told besides their address.
    #[must_use]
    pub fn tcp(mut self, tcp: Tcp) -> Builder {
        self.config.tcp = tcp;
        self
    }

    /// The fd of the first connection; 1 by default.
    #[must_use]
    pub fn start_session_id(mut self, fd: u64) -> Builder {
        self.config.start_session_id = fd;
        self
    }

    /// Each worker process, and each reactor, stays on one processor.
    #[must_use]
    pub fn cpu_affinity(mut self, on: bool) -> Builder {
        self.config.cpu_affinity = on;
        self
    }

    /// Processors that are left to others then.
    #[must_use]
    pub fn cpu_affinity_ignore(mut self, processors: impl IntoIterator<Item = usize>) -> Builder {
        self.config.cpu_affinity_ignore = processors.into_iter().collect();
        self
    }

    /// A file that has the master's process id as long as the server runs; none by default.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<String>) -> Builder {
        self.config.pid_file = Some(path.into());
        self
    }

    /// Who worker processes are, by name or number, if root starts the server.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Builder {
        self.config.user = Some(name.into());
        self
    }

    /// The group of worker processes, by name or number, if root starts the server; the user's by default.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Builder {
        self.config.group = Some(name.into());
        self
    }

    /// What worker processes see as the root of all paths, if root starts the server.
    #[must_use]
    pub fn chroot(mut self, path: impl Into<String>) -> Builder {
        self.config.chroot = Some(path.into());
        self
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// None when it could not be: [`Builder::start`] says why.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().ok().and_then(Listener::address)
    }

    /// Serves until the server is told to end by SIGTERM, SIGINT or [`Server::shutdown`].
    ///
    /// In [`Mode::Base`] and [`Mode::Process`] only the process that called it returns from here; its workers exit.
    ///
    /// # Errors
    /// What cannot be started, and why. Nothing is left running then, except with [`StartError::Busy`].
    pub fn start(self) -> Result<(), StartError> {
        self.start_with(|_| {})
    }

    /// As [`Builder::start`]; `started` gets a handle before the first connection is accepted.
    ///
    /// In [`Mode::Base`] and [`Mode::Process`] it is called in each worker and task worker process.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start_with(self, started: impl Fn(Server)) -> Result<(), StartError> {
        let Builder { listener, config, handlers, duties, ports: further } = self;
        if handlers.message.is_none() {
            return Err(StartError::NoMessageHandler);
        }
        if let Some((port, handler)) = further.iter().find_map(|port| Some((port, port.lacks()?))) {
            return Err(StartError::NoHandler { port: port.local_addr(), handler });
        }
        if further.len() >= PORTS_MAX {
            let (value, wanted) = ((further.len() + 1).to_string(), "1 to 256".to_owned());
            return Err(ConfigErrors(vec![ConfigError { option: "ports", value, wanted }]).into());
        }
        let primary = Port { listener, config, handlers };
        let (ports, listeners) = Ports::split([primary].into_iter().chain(further).collect())?;
        let listeners = Listeners::new(listeners);
        let mut config = ports.primary().config.clone();
        duties.check(config.task_workers)?;
        let service = take_service(&config)?;
        let descriptors =
            wirewool_ipc::process::raise_descriptor_limit().attempt("cannot read the descriptor limit")?;
        config.max_connection = config.max_connection.min(usize::try_from(descriptors).unwrap_or(usize::MAX));
        let server = Server { shared: Arc::new(share(&config, &listeners, duties)?) };
        server.shared.table.begin_at(config.start_session_id);
        for (listener, port) in listeners.iter().zip(ports.iter()) {
            let Config { tcp, backlog, tcp_nodelay, .. } = &port.config;
            listener.tell(tcp, *backlog).attempt("cannot set the socket's options")?;
            listener.listen(*backlog, *tcp_nodelay).attempt("cannot listen")?;
            if let Some(address) = listener.address() {
                tracing::info!("listening on {address} with {} workers", config.workers);
            }
        }
        service.begin().attempt("cannot write the pid file")?;
        let started = |server: &Server, role: Role| -> io::Result<()> {
            if config.mode != Mode::Thread {
                service.become_worker()?;
            }
            if role != Role::User {
                started(server.clone());
            }
            Ok(())
        };
        let result = match config.mode {
            Mode::Base => base::start(&server, &config, &listeners, &ports, &started),
            Mode::Process => process::start(&server, &config, &listeners, &ports, &started),
            Mode::Thread => thread::start(&server, &config, &listeners, &ports, &started),
        };
        // Workers do not come here.
        listeners.iter().for_each(Listener::remove_file);
        service.end();
        result
    }
}

/// What all handles share, mapped before any process is forked.
fn share(config: &Config, listeners: &Listeners, duties: Duties) -> Result<Shared, StartError> {
    let reactors = if config.mode == Mode::Process { config.reactors } else { 0 };
    let (tasks, users) = (config.task_workers, duties.processes.len());
    let crew = Crew { reactors, workers: config.workers, tasks, users };
    let limits = Limits { push_bytes_max: config.push_bytes_max, outbox_bytes_max: config.outbox_bytes_max };
    let (seats, owners, ring_bytes) = match config.mode {
        // A thread has no successor.
        Mode::Thread => (crew.places(), config.workers, 0),
        Mode::Base => (crew.seats(), crew.seats(), config.ring_bytes),
        Mode::Process => (crew.seats(), config.reactors, config.ring_bytes),
    };
    let table = Table::new(owners, config.max_connection).attempt("cannot map the connection table")?;
    let exchange = Exchange::new(seats, ring_bytes).attempt("cannot map the rings between processes")?;
    Ok(Shared {
        table: Arc::new(table),
        exchange: Arc::new(exchange),
        inboxes: (0..config.workers).map(|_| Inbox::new(config.outbox_bytes_max)).collect(),
        way: OnceLock::new(),
        stopping: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        crew,
        duties,
        boxes: Boxes::new(crew, limits.kept_bytes_max()),
        pending: Pending::default(),
        listeners: listeners.clone(),
        mode: config.mode,
        heartbeat: config.heartbeat(),
        limits,
    })
}

/// What it asks of the system besides its port.
fn take_service(config: &Config) -> Result<Service, ConfigErrors> {
    let mut wrong = Vec::new();
    let service = Service::take(config, &mut wrong);
    if config.mode == Mode::Thread {
        let given = [("user", &config.user), ("group", &config.group), ("chroot", &config.chroot)];
        let given = given.into_iter().filter_map(|(option, value)| Some((option, value.as_ref()?)));
        let wanted = "a mode with worker processes";
        wrong.extend(given.map(|(option, value)| ConfigError {
            option,
            value: format!("{value:?}"),
            wanted: wanted.into(),
        }));
    }
    if wrong.is_empty() {
        return Ok(service);
    }
    service.end();
    Err(ConfigErrors(wrong))
}
