//! Hands the events of a loop to the handlers of a Rust program.

use crate::crew::duties::{CrewError, Failure, panic_text};
use crate::crew::parcel::{Kind, Parcel};
use crate::crew::{message, task};
use crate::frame::{Acceptance, Frame, Request};
use crate::port::{Ports, Serving};
use crate::quota::Quota;
use crate::server::{Server, Shared};
use crate::station::Station;
use scoped_tls_hkt::scoped_thread_local;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Instant, SystemTime};
use wirewool_hub::command::{After, Command, Info, Outlet, Refused};
use wirewool_hub::event::{Closed, Datagram, Ending, Event, Handler, Status, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::exchange::Count;
use wirewool_proto::http::request;
use wirewool_proto::http::response::{Exchange, Response};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::{self, Agreement};
use wirewool_proto::websocket::handshake;

type OnOpen = dyn Fn(&Server, &Request) -> Failure + Send + Sync;
type OnMessage = dyn Fn(&Server, Frame<'_>) -> Failure + Send + Sync;
type OnControl = dyn Fn(&Server, Fd, &[u8]) -> Failure + Send + Sync;
type OnClose = dyn Fn(&Server, Fd) -> Failure + Send + Sync;
type OnPacket = dyn Fn(&Server, Datagram<'_>) -> Failure + Send + Sync;
type OnRequest = dyn Fn(&Server, &Request) -> Response + Send + Sync;
type OnHandshake = dyn Fn(&Server, &Request) -> Result<Acceptance, Response> + Send + Sync;

/// How much of what other threads have sent one pass handles.
const LETTERS_OF_A_PASS: usize = 256;

/// A program's handlers for one port.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) open: Option<Box<OnOpen>>,
    pub(crate) message: Option<Box<OnMessage>>,
    pub(crate) ping: Option<Box<OnControl>>,
    pub(crate) pong: Option<Box<OnControl>>,
    pub(crate) close: Option<Box<OnClose>>,
    pub(crate) request: Option<Box<OnRequest>>,
    pub(crate) handshake: Option<Box<OnHandshake>>,
    pub(crate) connect: Option<Box<OnClose>>,
    pub(crate) receive: Option<Box<OnControl>>,
    pub(crate) packet: Option<Box<OnPacket>>,
}

// While a handler runs, its server handle reaches the sending halves of its own loop through this.
scoped_thread_local!(static mut OUTLET: for<'a> &'a mut (dyn Outlet + 'a));

/// Who a thread is to a server.
#[derive(Clone, Copy)]
struct Identity {
    server: *const Shared,
    /// Its place in the crew.
    place: usize,
    /// It runs the loop there.
    is_loop: bool,
}

thread_local! {
    /// Who this thread is, if it is one of a server's crew.
    static IDENTITY: Cell<Option<Identity>> = const { Cell::new(None) };
}

/// The seat of a forked process of the crew, for its other threads.
static PROCESS_SEAT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// This thread is one of the crew of `server` from now on, and runs the loop of its place or something beside that.
pub(crate) fn enter(server: &Server, place: usize, is_loop: bool) {
    IDENTITY.set(Some(Identity { server: Arc::as_ptr(&server.shared), place, is_loop }));
}

/// This thread is nobody's any more.
pub(crate) fn leave() {
    IDENTITY.set(None);
}

/// This process was forked to have that seat.
pub(crate) fn enter_process(seat: usize) {
    PROCESS_SEAT.store(seat, SeqCst);
}

fn identity(server: &Server) -> Option<Identity> {
    IDENTITY.get().filter(|identity| ptr::eq(identity.server, Arc::as_ptr(&server.shared)))
}

/// Does this thread run a loop of the server's?
#[inline]
pub(crate) fn is_loop(server: &Server) -> bool {
    identity(server).is_some_and(|identity| identity.is_loop)
}

/// The place of this thread, or of the process it belongs to, in the server's crew.
pub(crate) fn own_place(server: &Server) -> Option<usize> {
    let of_process = || own_seat().and_then(|seat| server.shared.crew.place_of(seat));
    identity(server).map(|identity| identity.place).or_else(of_process)
}

/// The seat that this process was forked to have.
pub(crate) fn own_seat() -> Option<usize> {
    Some(PROCESS_SEAT.load(SeqCst)).filter(|seat| *seat != usize::MAX)
}

/// Carries a command out, if this is a handler of `server` and of the loop that has the connection; otherwise gives
/// the command back.
#[inline]
pub(crate) fn apply_here<'a>(
    server: &Server,
    fd: Fd,
    command: Command<'a>,
) -> Result<Result<(), Refused>, Command<'a>> {
    if !is_loop(server) || !OUTLET.is_set() {
        return Err(command);
    }
    OUTLET.with(|out| if out.has(fd) { Ok(out.apply(fd, command)) } else { Err(command) })
}

/// Hands the events of one loop to the handlers.
pub(crate) struct Dispatch {
    server: Server,
    ports: Ports,
    violations: Quota,
    seat: usize,
    requests: u64,
    tasks: u64,
}

impl Dispatch {
    pub(crate) fn new(server: Server, ports: Ports, seat: usize) -> Dispatch {
        Dispatch { server, ports, violations: Quota::default(), seat, requests: 0, tasks: 0 }
    }

    /// The port that accepted a connection.
    #[inline]
    fn port(&self, fd: Fd) -> &Serving {
        self.ports.get(|| self.server.shared.table.port(fd.get()))
    }

    /// How many messages, requests and tasks it has handled.
    pub(crate) fn handled(&self) -> u64 {
        self.requests + self.tasks
    }

    /// Is something to be called here still, once a task is done?
    pub(crate) fn owes_call(&self) -> bool {
        own_place(&self.server).is_some_and(|place| self.server.shared.pending.owes_call(place))
    }

    /// Handles what others of the crew have sent.
    #[inline]
    pub(crate) fn take_parcels(&mut self, station: &mut Station) {
        if let Some(parcel) = station.take_parcel() {
            self.handle_parcels(parcel, station);
        }
    }

    /// The same where the crew are threads: for one pass, a part of it.
    pub(crate) fn take_letters(&mut self, station: &mut Station) {
        for _ in 0..LETTERS_OF_A_PASS {
            let Some(parcel) = self.server.shared.boxes.take(self.seat) else { return };
            self.handle_parcels(parcel, station);
        }
        self.server.shared.exchange.doorbell(self.seat).ring();
    }

    #[cold]
    fn handle_parcels(&mut self, first: Parcel, station: &mut Station) {
        let me = station.occupancy();
        let mut next = Some(first);
        while let Some(parcel) = next {
            match parcel.kind {
                Kind::Task => self.run_task(parcel, station),
                kind => guard_parcel(|| {
                    OUTLET.set(&mut All(station), || match kind {
                        Kind::Message => message::arrived(&self.server, &parcel),
                        _ => task::ended(&self.server, me, parcel),
                    });
                }),
            }
            next = station.take_parcel();
        }
        station.settle(self);
    }

    fn run_task(&mut self, parcel: Parcel, station: &mut Station) {
        let (origin, number) = (parcel.origin, parcel.task);
        station.set_busy(true, 0);
        self.tasks += 1;
        station.count(Count::Tasks, 1);
        let (flags, bytes) = task::run(&self.server, parcel);
        if let Err(error) = station.answer_task((origin, number), Kind::Done, flags, &bytes) {
            tracing::error!("what came of task {number} is lost: {error}");
        }
        station.set_busy(false, 0);
        station.make_room();
    }

    /// The end of a pass: others may know.
    pub(crate) fn publish(&self) {
        self.server.shared.exchange.count(self.seat, Count::Requests).store(self.requests, Relaxed);
    }

    /// Calls a handler. One that panics costs its connection, nothing else.
    #[inline]
    fn call<T>(&self, fd: Fd, out: &mut dyn Outlet, handler: impl FnOnce(&Server) -> T) -> Option<T> {
        let value = self.attempt(fd, out, handler);
        if value.is_none() {
            close_panicked(fd, out);
        }
        value
    }

    /// Calls a handler for the answer to a request. If it panics, that is 500.
    fn ask<T>(
        &self,
        request: &Request,
        out: &mut dyn Outlet,
        handler: impl FnOnce(&Server, &Request) -> T,
    ) -> Option<T> {
        let answer = self.attempt(request.fd, out, |server| handler(server, request));
        if answer.is_none() {
            self.respond(request.fd, request, &Response::new(500), false, out);
        }
        answer
    }

    /// What a handler returns, or nothing if it panics.
    #[inline]
    fn attempt<T>(&self, fd: Fd, out: &mut dyn Outlet, handler: impl FnOnce(&Server) -> T) -> Option<T> {
        let result = panic::catch_unwind(AssertUnwindSafe(|| OUTLET.set(out, || handler(&self.server))));
        result.map_err(|payload| log_panic(fd, &*payload)).ok()
    }

    fn upgrade(&self, fd: Fd, request: request::Request, out: &mut dyn Outlet) {
        let request = Request { fd, request };
        let accepted = match &self.port(fd).handlers.handshake {
            None => Ok(Acceptance::default()),
            Some(handler) => match self.ask(&request, out, handler) {
                Some(accepted) => accepted,
                None => return,
            },
        };
        let agreement =
            self.port(fd).config.compression.and_then(|wanted| extension::negotiate(&request.head, &wanted));
        let bytes = match accepted {
            Ok(acceptance) => self.accept(&request, &acceptance, agreement.as_ref()),
            Err(response) => return self.respond(fd, &request, &response, false, out),
        };
        if out.apply(fd, Command::Answer { bytes: &bytes, after: After::Upgrade(agreement) }).is_ok()
            && let Some(handler) = &self.port(fd).handlers.open
        {
            let failure = self.call(fd, out, |server| handler(server, &request));
            log_failure(fd, "open", failure.flatten());
        }
    }

    fn accept(&self, request: &Request, acceptance: &Acceptance, agreement: Option<&Agreement>) -> Vec<u8> {
        let supported = self.port(request.fd).config.subprotocols.iter().map(String::as_str);
        let chosen = match &acceptance.protocol {
            Some(name) => handshake::choose_protocol(&request.head, [name.as_str()]),
            None => handshake::choose_protocol(&request.head, supported),
        };
        let mut extra = Vec::new();
        for (name, value) in &acceptance.headers {
            let line_break = |text: &str| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
            if name.is_empty() || line_break(name) || line_break(value) {
                tracing::error!("connection {}: the header {name:?} cannot be sent and is left out", request.fd);
                continue;
            }
            extra.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let mut bytes = Vec::new();
        handshake::encode_acceptance(&request.head, chosen, agreement, &extra, &mut bytes);
        bytes
    }

    fn request(&self, fd: Fd, request: request::Request, out: &mut dyn Outlet) {
        let request = Request { fd, request };
        let Some(handler) = &self.port(fd).handlers.request else { return };
        let Some(response) = self.ask(&request, out, handler) else { return };
        self.respond(fd, &request, &response, request.head.keep_alive(), out);
    }

    fn respond(&self, fd: Fd, request: &Request, response: &Response, keep_alive: bool, out: &mut dyn Outlet) {
        let exchange = Exchange { keep_alive, ..Exchange::from(&request.head) };
        let mut bytes = Vec::new();
        if let Err(error) = response.encode(exchange, SystemTime::now(), &mut bytes) {
            tracing::error!("connection {fd}: the response cannot be sent: {error}");
            let _ = Response::new(500).encode(exchange, SystemTime::now(), &mut bytes);
        }
        let after = if keep_alive { After::KeepAlive } else { After::Close };
        if let Err(refused) = out.apply(fd, Command::Answer { bytes: &bytes, after }) {
            tracing::error!("connection {fd}: the response cannot be sent: {refused}");
            let _ = out.apply(fd, Command::Close { reset: false });
        }
    }

    fn control(&self, fd: Fd, handler: Option<&OnControl>, payload: &[u8], out: &mut dyn Outlet) {
        if let Some(handler) = handler {
            let failure = self.call(fd, out, |server| handler(server, fd, payload));
            log_failure(fd, "ping or pong", failure.flatten());
        }
    }

    fn closed(&self, fd: Fd, closed: Closed, out: &mut dyn Outlet) {
        let port = self.port(fd);
        if (closed.status >= Status::Active || port.config.protocol() == Protocol::Raw)
            && let Some(handler) = &port.handlers.close
        {
            let failure = self.call(fd, out, |server| handler(server, fd));
            log_failure(fd, "close", failure.flatten());
        }
    }
}

impl Handler for Dispatch {
    #[inline]
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict {
        match event {
            Event::Message(message) => {
                self.requests += 1;
                if let Some(handler) = &self.port(fd).handlers.message {
                    let frame =
                        Frame { fd, kind: message.kind, compressed: message.compressed, payload: message.payload };
                    let failure = self.call(fd, out, |server| handler(server, frame));
                    if let Some(failure) = failure.flatten() {
                        log_failure(fd, "message", Some(failure));
                    }
                }
            }
            Event::Upgrade(request) => {
                self.requests += 1;
                self.upgrade(fd, request, out);
            }
            Event::Request(request) => {
                self.requests += 1;
                self.request(fd, request, out);
            }
            Event::Ping(payload) => self.control(fd, self.port(fd).handlers.ping.as_deref(), payload, out),
            Event::Pong(payload) => self.control(fd, self.port(fd).handlers.pong.as_deref(), payload, out),
            Event::Ending(Ending::Violation(violation)) => {
                if self.violations.admits(Instant::now(), "violations of the protocol") {
                    tracing::warn!("connection {fd} is failed with {}: {violation}", violation.close_code());
                }
            }
            Event::Ending(Ending::Packet(error)) => {
                if self.violations.admits(Instant::now(), "violations of the protocol") {
                    tracing::warn!("connection {fd} is closed: {error}");
                }
            }
            Event::Closed(closed) => self.closed(fd, closed, out),
            Event::Connected => {
                if let Some(handler) = &self.port(fd).handlers.connect {
                    let failure = self.call(fd, out, |server| handler(server, fd));
                    log_failure(fd, "connect", failure.flatten());
                }
            }
            Event::Received(bytes) => {
                self.requests += 1;
                if let Some(handler) = &self.port(fd).handlers.receive {
                    let failure = self.call(fd, out, |server| handler(server, fd, bytes));
                    log_failure(fd, "receive", failure.flatten());
                }
            }
            Event::Ending(Ending::CloseFrame(_)) => {}
            Event::BufferFull | Event::BufferEmpty => {}
        }
        Verdict::Handled
    }

    fn datagram(&mut self, datagram: Datagram<'_>) -> Verdict {
        self.requests += 1;
        if let Some(handler) = &self.ports.get(|| Some(datagram.port)).handlers.packet {
            match panic::catch_unwind(AssertUnwindSafe(|| handler(&self.server, datagram))) {
                Ok(None) => {}
                Ok(Some(failure)) => tracing::warn!("{}: the packet handler failed: {failure}", datagram.sender),
                Err(_) => tracing::error!("{}: the packet handler panicked", datagram.sender),
            }
        }
        Verdict::Handled
    }
}

/// All connections, seen from outside a handler of theirs.
struct All<'a>(&'a mut Station);

impl Outlet for All<'_> {
    fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        self.0.apply(fd, command, true)
    }

    fn has(&self, fd: Fd) -> bool {
        self.0.has(fd)
    }

    fn info(&self, _: Fd) -> Option<Info> {
        None
    }
}

/// Handles a parcel. A handler that panics costs it, nothing else.
pub(crate) fn guard_parcel(handle: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(handle)) {
        tracing::error!("a handler of what others of the crew have sent panicked: {}", panic_text(&*payload));
    }
}

/// What came of handling a parcel.
pub(crate) fn log_parcel(what: &str, handled: Result<Failure, CrewError>) {
    match handled {
        Ok(None) => {}
        Ok(Some(failure)) => tracing::warn!("the {what} handler failed: {failure}"),
        Err(error) => tracing::error!("the {what} handler gets nothing: {error}"),
    }
}

#[cold]
fn log_failure(fd: Fd, what: &str, failure: Failure) {
    if let Some(failure) = failure {
        tracing::warn!("connection {fd}: the {what} handler failed: {failure}");
    }
}

/// The panic hook has printed where and why.
#[cold]
fn log_panic(fd: Fd, payload: &(dyn Any + Send)) {
    tracing::error!("connection {fd}: a handler panicked, its connection is closed: {}", panic_text(payload));
}

#[cold]
fn close_panicked(fd: Fd, out: &mut dyn Outlet) {
    let disconnect = Command::Disconnect { code: CloseCode::INTERNAL_ERROR, reason: "" };
    if out.apply(fd, disconnect).is_err() {
        // Not a WebSocket yet, or closing already.
        let _ = out.apply(fd, Command::Close { reset: false });
    }
}
