//! Hands the events of a loop to the handlers of a Rust program.

use crate::frame::{Acceptance, Frame, Request};
use crate::port::{Ports, Serving};
use crate::quota::Quota;
use crate::server::{Server, Shared};
use scoped_tls_hkt::scoped_thread_local;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Instant, SystemTime};
use wirewool_hub::command::{After, Command, Outlet, Refused};
use wirewool_hub::event::{Closed, Datagram, Ending, Event, Handler, Status, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::exchange::Count;
use wirewool_proto::http::request;
use wirewool_proto::http::response::{Exchange, Response};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::{self, Agreement};
use wirewool_proto::websocket::handshake;

type Failure = Option<Box<dyn fmt::Display>>;
type OnOpen = dyn Fn(&Server, &Request) -> Failure + Send + Sync;
type OnMessage = dyn Fn(&Server, Frame<'_>) -> Failure + Send + Sync;
type OnControl = dyn Fn(&Server, Fd, &[u8]) -> Failure + Send + Sync;
type OnClose = dyn Fn(&Server, Fd) -> Failure + Send + Sync;
type OnPacket = dyn Fn(&Server, Datagram<'_>) -> Failure + Send + Sync;
type OnRequest = dyn Fn(&Server, &Request) -> Response + Send + Sync;
type OnHandshake = dyn Fn(&Server, &Request) -> Result<Acceptance, Response> + Send + Sync;

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

thread_local! {
    /// The server whose worker this thread is, if it is one.
    static WORKER: Cell<Option<*const Shared>> = const { Cell::new(None) };
}

/// The seat of a forked worker process, for its other threads.
static PROCESS_SEAT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// This thread handles the events of `server` from now on; with `seat`, so does this whole process.
pub(crate) fn enter(server: &Server, seat: Option<usize>) {
    WORKER.set(Some(Arc::as_ptr(&server.shared)));
    if let Some(seat) = seat {
        PROCESS_SEAT.store(seat, SeqCst);
    }
}

/// The seat of the worker that this process was forked to be.
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
    let here = WORKER.get().is_some_and(|shared| ptr::eq(shared, Arc::as_ptr(&server.shared)));
    if !here || !OUTLET.is_set() {
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
}

impl Dispatch {
    pub(crate) fn new(server: Server, ports: Ports, seat: usize) -> Dispatch {
        Dispatch { server, ports, violations: Quota::default(), seat, requests: 0 }
    }

    /// The port that accepted a connection.
    #[inline]
    fn port(&self, fd: Fd) -> &Serving {
        self.ports.get(|| self.server.shared.table.port(fd.get()))
    }

    /// How many messages and requests it has handled.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
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

#[cold]
fn log_failure(fd: Fd, what: &str, failure: Failure) {
    if let Some(failure) = failure {
        tracing::warn!("connection {fd}: the {what} handler failed: {failure}");
    }
}

/// The panic hook has printed where and why.
#[cold]
fn log_panic(fd: Fd, payload: &(dyn Any + Send)) {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!("connection {fd}: a handler panicked, its connection is closed: {text}");
}

#[cold]
fn close_panicked(fd: Fd, out: &mut dyn Outlet) {
    let disconnect = Command::Disconnect { code: CloseCode::INTERNAL_ERROR, reason: "" };
    if out.apply(fd, disconnect).is_err() {
        // Not a WebSocket yet, or closing already.
        let _ = out.apply(fd, Command::Close { reset: false });
    }
}
