//! Turns what happened to a connection into a call of the script's callback.

mod answer;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use wirewool_engine::config::Config;
use wirewool_engine::quota::Quota;
use wirewool_hub::command::{After, Command};
use wirewool_hub::event::{Closed, Status};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Protocol;
use wirewool_proto::http::request::Request;
use wirewool_proto::http::response::{Exchange, bad_request_page};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::handshake;

use crate::array::Array;
use crate::callback::Callback;
use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::answer::Answer;
use crate::event::Event;
use crate::event_loop;
use crate::event_loop::settle;
use crate::exception;
use crate::frame;
use crate::guard::Stop;
use crate::pack::flag;
use crate::parcels;
use crate::port::Serving;
use crate::queue::{Item, Packet};
use crate::reply::{Context, Form};
use crate::request::{Incoming, RequestState};
use crate::response::ResponseState;
use crate::sending;
use crate::serial;
use crate::server::{Server, Shared};
use crate::worker::with;
use crate::zend::ffi::Class;
use crate::zend::layout::Kind;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString};

/// The flags of a received frame: every client masks what it sends.
const RECEIVED: u8 = flag::FIN | flag::MASK;

/// The reactor id of a connection that the server itself has closed.
const BY_SERVER: i64 = -1;

/// Calls the callbacks of one server object.
pub(crate) struct Dispatch {
    server: Owned,
    shared: Rc<Shared>,
    crowds: RefCell<Quota>,
}

impl Dispatch {
    /// For a server that runs.
    pub(crate) fn of(server: Object<'_>, shared: &Rc<Shared>) -> Dispatch {
        Dispatch { server: Owned::object(server), shared: shared.clone(), crowds: RefCell::default() }
    }

    /// What the server's processes share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Calls the script's callback for an event of the server itself, on the stack as it is.
    ///
    /// # Errors
    /// It did not return.
    pub(crate) fn tell(&self, event: Event) -> Result<(), Stop> {
        self.tell_numbers(event, [])
    }

    /// As [`Dispatch::tell`], with numbers behind the server.
    ///
    /// # Errors
    /// It did not return.
    pub(crate) fn tell_numbers<const N: usize>(&self, event: Event, numbers: [i64; N]) -> Result<(), Stop> {
        let Some(callback) = self.callback(event) else { return Ok(()) };
        let numbers = numbers.into_iter().map(Owned::long);
        call_plainly(callback, std::iter::once(self.server()).chain(numbers).collect::<Vec<_>>())
    }

    /// Calls the script's callback for a worker that failed: its number, its process, the exit code and the signal.
    ///
    /// # Errors
    /// It did not return.
    pub(crate) fn tell_of_failure(&self, numbers: [i64; 4]) -> Result<(), Stop> {
        let Some(callback) = self.callback(Event::WorkerError).filter(|_| self.shared.config.event_objects) else {
            return self.tell_numbers(Event::WorkerError, numbers);
        };
        let [place, pid, code, signal] = numbers.map(Owned::long);
        // As wait(2) has it.
        let status = Owned::long(numbers[2] << 8 | numbers[3]);
        let info = parcels::object(Class::StatusInfo, [place, pid, status, code, signal])?;
        call_plainly(callback, vec![self.server(), info])
    }

    /// The server, as callbacks get it.
    pub(crate) fn server(&self) -> Owned {
        Owned::copy(&self.server)
    }

    /// The script's settings.
    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The script's callback for `event`, if it has one.
    pub(crate) fn callback(&self, event: Event) -> Option<Rc<Callback>> {
        self.server.as_object()?.state::<Server>()?.callback(event)
    }

    /// Calls the script's callback for an event of the server itself, if it has one: in a coroutine, unless the script
    /// wants none.
    ///
    /// # Errors
    /// It did not return: the worker is to end.
    pub(crate) fn call<const N: usize>(&self, event: Event, arguments: [Owned; N]) -> Result<(), Stop> {
        match self.callback(event) {
            Some(callback) => scheduler::run_callback(move || call_plainly(callback, arguments)),
            None => Ok(()),
        }
    }

    /// As [`Dispatch::call`], for an event of a port's connection.
    fn call_at<const N: usize>(&self, port: &Serving, event: Event, arguments: [Owned; N]) -> Result<(), Stop> {
        match port.callbacks[event as usize].clone() {
            Some(callback) => scheduler::run_callback(move || counted(|| call_plainly(callback, arguments))),
            None => Ok(()),
        }
    }

    /// As [`Dispatch::tell`], for what is stuck on its way to a port's connection.
    fn tell_level(&self, port: &Serving, event: Event, fd: Fd) -> Result<(), Stop> {
        match port.callbacks[event as usize].clone() {
            Some(callback) => call_plainly(callback, [self.server(), number(fd)]),
            None => Ok(()),
        }
    }

    /// Handles one item of the queue. Not inlined: bench/callback.py counts what it costs.
    ///
    /// # Errors
    /// The worker is to end.
    #[inline(never)]
    pub(crate) fn handle(&self, fd: Fd, item: Item) -> Result<(), Stop> {
        if !self.shared.config.serial {
            return settle(self.item(fd, item));
        }
        serial::handle(fd, item, |fd, item| settle(self.item(fd, item)))
    }

    fn item(&self, fd: Fd, item: Item) -> Result<(), Stop> {
        let open = with(|worker| worker.is_open(fd)).unwrap_or(false);
        let port = self.shared.port_of(fd);
        match item {
            Item::Closed(closed) => self.ended(fd, closed),
            Item::ClosedHere(closed) => self.closed(fd, closed),
            // The script has closed it: what came before that, and was not looked at, is dropped.
            _ if !open => Ok(()),
            item if item.is_request() && !registry::has_room() => {
                self.crowded(fd);
                Ok(())
            }
            Item::Frame(opcode, compressed, data) => self.frame(port, fd, opcode, compressed, data),
            Item::Request(request) => self.request(port, fd, *request),
            Item::Upgrade(request) => self.upgrade(port, fd, *request),
            Item::Received(data) => {
                let data = Owned::from(data);
                if self.shared.config.event_objects {
                    let event = event_object(fd, reactor_id(fd), data)?;
                    return self.call_at(port, Event::Receive, [self.server(), event]);
                }
                self.call_at(port, Event::Receive, [self.server(), number(fd), reactor_id(fd), data])
            }
            Item::Connected if self.shared.config.event_objects => {
                let event = event_object(fd, reactor_id(fd), Owned::null())?;
                self.call_at(port, Event::Connect, [self.server(), event])
            }
            Item::Connected => self.call_at(port, Event::Connect, [self.server(), number(fd), reactor_id(fd)]),
            Item::CloseFrame(close) => {
                if port.config.close_events {
                    let close = close.as_ref().map(|(code, reason)| (*code, reason.as_bytes()));
                    let frame = frame::create_close(fd.get() as i64, RECEIVED, close)?;
                    self.call_at(port, Event::Message, [self.server(), frame])?;
                }
                finish(fd);
                Ok(())
            }
            Item::Violated => {
                finish(fd);
                Ok(())
            }
            Item::BufferFull => self.tell_level(port, Event::BufferFull, fd),
            Item::BufferEmpty => self.tell_level(port, Event::BufferEmpty, fd),
        }
    }

    /// Handles a datagram.
    ///
    /// # Errors
    /// The worker is to end.
    pub(crate) fn packet(&self, packet: Packet) -> Result<(), Stop> {
        let Packet { port, sender, data } = packet;
        if !registry::has_room() {
            if self.crowds.borrow_mut().admits(Instant::now(), "datagrams beyond max_coroutine") {
                tracing::warn!("a datagram from {sender} is dropped: there are {} coroutines already", registry::max());
            }
            return Ok(());
        }
        let port = self.shared.port(port);
        let fields = [
            ("server_socket", Owned::long(port.descriptor.into())),
            ("server_port", Owned::long(port.number.into())),
            ("dispatch_time", Owned::double(parcels::seconds(SystemTime::now()))),
            ("address", Owned::string(sender.ip().to_string().as_bytes())?),
            ("port", Owned::long(sender.port().into())),
        ];
        if self.shared.config.event_objects {
            let [socket, number, time, address, port_of_sender] = fields.map(|(_, field)| field);
            let packet = parcels::object(Class::Packet, [socket, number, time, address, port_of_sender, data.into()])?;
            return settle(self.call_at(port, Event::Packet, [self.server(), packet]));
        }
        let mut client = Array::new(5)?;
        for (name, field) in fields {
            client.set(name, field)?;
        }
        settle(self.call_at(port, Event::Packet, [self.server(), data.into(), client.into_value()]))
    }

    /// There are as many coroutines as may be: what comes now has none.
    fn crowded(&self, fd: Fd) {
        if self.crowds.borrow_mut().admits(Instant::now(), "connections beyond max_coroutine") {
            tracing::warn!("connection {fd} is closed: there are {} coroutines already", registry::max());
        }
        let code = CloseCode::TRY_AGAIN_LATER;
        let disconnect = Command::Disconnect { code, reason: "too much is going on" };
        if !matches!(with(|worker| worker.apply(fd, disconnect)), Some(Ok(()))) {
            with(|worker| worker.apply(fd, Command::Close { reset: false }));
        }
    }

    /// The end of a connection has come: a method may have told the script already.
    fn ended(&self, fd: Fd, closed: Closed) -> Result<(), Stop> {
        sending::ended(fd)?;
        if with(|worker| worker.was_told(fd)) == Some(true) {
            forget(fd);
            return Ok(());
        }
        self.closed(fd, closed)
    }

    fn frame(&self, port: &Serving, fd: Fd, opcode: Opcode, compressed: bool, data: PhpString) -> Result<(), Stop> {
        let flags = if compressed { RECEIVED | flag::COMPRESS } else { RECEIVED };
        let frame = frame::create(fd.get() as i64, opcode, flags, data)?;
        self.call_at(port, Event::Message, [self.server(), frame])
    }

    fn incoming(&self, port: &Serving, fd: Fd, request: Request) -> Incoming {
        let facts = with(|worker| worker.table.facts(fd.get())).flatten();
        let peer = facts.and_then(|facts| facts.origin.peer);
        Incoming {
            fd: fd.get() as i64,
            request,
            server_port: port.number,
            remote_port: peer.map_or(0, |peer| peer.port()),
            remote_addr: peer.map_or_else(String::new, |peer| peer.ip().to_canonical().to_string()),
            time: SystemTime::now(),
            parse_cookie: true,
            parse_post: true,
        }
    }

    /// The Request object. None, and the peer is told that its request is bad, when PHP throws at what is in it: what a
    /// peer sends must not end a worker.
    fn request_object(&self, port: &Serving, fd: Fd, request: Request) -> Result<Option<Owned>, Stop> {
        let exchange = Exchange { request_is_head: request.head.method() == "HEAD", keep_alive: false };
        match RequestState::create(self.incoming(port, fd, request)) {
            Err(Stop::Thrown) => {
                exception::clear()?;
                tracing::error!("connection {fd}: PHP cannot take its request");
                let mut bytes = Vec::new();
                let page = bad_request_page().encode(exchange, SystemTime::now(), &mut bytes);
                page.expect("the page is well-formed");
                with(|worker| worker.apply(fd, Command::Answer { bytes: &bytes, after: After::Close }));
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    fn response(&self, fd: Fd, context: Context) -> Result<Owned, Stop> {
        let answer = Answer { fd, limit: self.shared.config.push_bytes_max };
        ResponseState::create(fd.get() as i64, context, Rc::new(answer))
    }

    fn request(&self, port: &Serving, fd: Fd, request: Request) -> Result<(), Stop> {
        let context = context(&request, Form::Plain);
        let Some(request) = self.request_object(port, fd, request)? else { return Ok(()) };
        let response = self.response(fd, context)?;
        self.call_at(port, Event::Request, [request, response])
    }

    fn upgrade(&self, port: &Serving, fd: Fd, request: Request) -> Result<(), Stop> {
        let own = port.has(Event::Handshake);
        let context = context(&request, Form::Handshake);
        // The head is needed once more when the script has had the request.
        let head = request.head.clone();
        let Some(request) = self.request_object(port, fd, request)? else { return Ok(()) };
        if own {
            let response = self.response(fd, context)?;
            return self.call_at(port, Event::Handshake, [request, response]);
        }
        let mut extra = Vec::new();
        if port.has(Event::BeforeHandshakeResponse) {
            let response = self.response(fd, Context { form: Form::Headers, ..context })?;
            let arguments = [self.server(), Owned::copy(&request), Owned::copy(&response)];
            self.call_at(port, Event::BeforeHandshakeResponse, arguments)?;
            if let Some(state) = response.as_object().and_then(Object::state::<ResponseState>) {
                extra = state.take_lines();
            }
        }
        let supported = port.config.subprotocols.iter().map(String::as_str);
        let protocol = handshake::choose_protocol(&head, supported);
        let mut bytes = Vec::new();
        let agreement = port.config.compression.and_then(|wanted| extension::negotiate(&head, &wanted));
        handshake::encode_acceptance(&head, protocol, agreement.as_ref(), &extra, &mut bytes);
        let answer = Command::Answer { bytes: &bytes, after: After::Upgrade(agreement) };
        match with(|worker| worker.apply(fd, answer)) {
            Some(Ok(())) => self.call_at(port, Event::Open, [self.server(), request]),
            _ => Ok(()),
        }
    }

    /// The end of a connection: tells the script, then the fd is free.
    ///
    /// # Errors
    /// The worker is to end.
    pub(crate) fn closed(&self, fd: Fd, closed: Closed) -> Result<(), Stop> {
        let port = self.shared.port_of(fd);
        let plain = port.protocol == Protocol::WebSocket && closed.status != Status::Active;
        let event = if plain && port.has(Event::Disconnect) { Event::Disconnect } else { Event::Close };
        let reactor_id = if closed.by_server { Owned::long(BY_SERVER) } else { reactor_id(fd) };
        let Some(callback) = port.callbacks[event as usize].clone() else {
            forget_told(fd);
            return Ok(());
        };
        let arguments = match self.shared.config.event_objects {
            true => vec![self.server(), event_object(fd, reactor_id, Owned::null())?],
            false => vec![self.server(), number(fd), reactor_id],
        };
        scheduler::run_callback(move || {
            let called = call_plainly(callback, arguments);
            forget_told(fd);
            called
        })
    }
}

/// The script has heard of the connection's end, which may be still to come.
fn forget_told(fd: Fd) {
    if with(|worker| worker.awaits_end(fd)) != Some(true) {
        forget(fd);
    }
}

fn number(fd: Fd) -> Owned {
    Owned::long(fd.get() as i64)
}

/// What happened to a connection, as one object.
fn event_object(fd: Fd, reactor_id: Owned, data: Owned) -> Result<Owned, Stop> {
    let now = Owned::double(parcels::seconds(SystemTime::now()));
    parcels::object(Class::Event, [reactor_id, number(fd), now, data])
}

/// The number of the reactor, or of the worker, that has a connection.
fn reactor_id(fd: Fd) -> Owned {
    Owned::long(with(|worker| worker.owner(fd)).flatten().unwrap_or(0) as i64)
}

/// The script has heard of the connection's end: its fd is free.
fn forget(fd: Fd) {
    with(|worker| worker.apply(fd, Command::Forget));
}

/// The handler is done with what ended the connection: the close frame may go out.
fn finish(fd: Fd) {
    // Refused when the script has closed it: then the close frame is out already.
    with(|worker| worker.apply(fd, Command::Finish));
}

fn context(request: &Request, form: Form) -> Context {
    Context {
        version: request.head.version(),
        keep_alive: request.head.keep_alive(),
        head_only: request.head.method() == "HEAD",
        form,
    }
}

/// Ends the script's frames as well, when a callback that ran inside a method has ended the worker.
///
/// # Errors
/// As given.
pub(crate) fn within_method(result: Result<(), Stop>) -> Result<(), Stop> {
    match result {
        Err(Stop::Thrown) if !exception::pending() => Err(exception::unwind_exit()),
        result => result,
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Dispatch>>> = const { RefCell::new(None) };
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// The dispatch of this worker, for methods that run a callback before they return.
pub(crate) fn current() -> Option<Rc<Dispatch>> {
    CURRENT.with_borrow(Clone::clone)
}

/// How many callbacks for connections have begun and not ended.
pub(crate) fn running() -> usize {
    RUNNING.get()
}

fn counted<R>(run: impl FnOnce() -> R) -> R {
    RUNNING.set(RUNNING.get() + 1);
    let result = run();
    RUNNING.set(RUNNING.get() - 1);
    result
}

/// Calls a script's callback on this stack, as [`call_plainly`] does: what it returned.
///
/// # Errors
/// It did not return: the process is to end.
pub(crate) fn call_for_result(callback: &Callback, mut arguments: Vec<Owned>) -> Result<Owned, Stop> {
    let mut result = Owned::undefined();
    let called = event_loop::call_for(callback, &mut arguments, &mut result);
    drop(arguments);
    settle(called)?;
    Ok(if result.kind() == Kind::Undefined { Owned::null() } else { result })
}

/// Calls a script's callback on this stack. An exception is reported, and everything but a return ends the worker; so does
/// what a destructor throws when the last references to the arguments go.
pub(crate) fn call_plainly(callback: Rc<Callback>, mut arguments: impl AsMut<[Owned]>) -> Result<(), Stop> {
    let called = event_loop::call_plainly(&callback, arguments.as_mut());
    drop(arguments);
    drop(callback);
    settle(called)
}

/// This worker's dispatch from now on.
pub(crate) fn set_current(dispatch: Option<Rc<Dispatch>>) {
    // Dropped behind the borrow: releasing the server object may run PHP.
    drop(CURRENT.replace(dispatch));
}

/// Runs the close callback of a connection that a method has just closed.
///
/// # Errors
/// The worker is to end.
pub(crate) fn closed_by_method(fd: Fd, closed: Option<Closed>) -> Result<(), Stop> {
    let (Some(dispatch), Some(closed)) = (current(), closed) else { return Ok(()) };
    // Otherwise it comes behind the callback that has closed it: they do not overlap.
    if dispatch.shared.config.serial && serial::leave(fd, Item::ClosedHere(closed)).is_none() {
        return Ok(());
    }
    within_method(dispatch.closed(fd, closed))
}

/// Is this process a worker?
pub(crate) fn is_worker() -> bool {
    with(|_| ()).is_some()
}
