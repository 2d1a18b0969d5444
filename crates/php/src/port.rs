//! `Swoole\Server\Port`: an address that a server listens on, with settings and callbacks of its own.

use std::array;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use socket2::Socket;
use std::os::fd::AsRawFd;
use wirewool_engine::config::Config;
use wirewool_hub::settings::{Protocol, Settings};

use crate::array::Array;
use crate::callback::Callback;
use crate::event::{EVENTS, Event};
use crate::exception;
use crate::guard::Stop;
use crate::iterator::Connections;
use crate::last_error;
use crate::listener::{self, SocketType};
use crate::method::{Call, methods};
use crate::native::Native;
use crate::options;
use crate::server::is_running_here;
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// Properties in the order of declaration.
pub(crate) mod slot {
    pub(crate) const HOST: u32 = 0;
    pub(crate) const PORT: u32 = 1;
    pub(crate) const TYPE: u32 = 2;
    pub(crate) const SOCK: u32 = 3;
    pub(crate) const SETTING: u32 = 5;
    pub(crate) const CONNECTIONS: u32 = 6;
}

/// The callbacks of a port or a server, by their event.
pub(crate) type Callbacks = [Option<Rc<Callback>>; EVENTS];

/// Where a port is to be.
#[derive(Clone, Copy)]
pub(crate) struct Address<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The number of the socket type.
    pub(crate) number: i64,
    pub(crate) kind: SocketType,
}

const SSL_BIT: i64 = 512;

impl<'a> Address<'a> {
    /// What three arguments say; otherwise the system's error number, and what is wrong with them.
    pub(crate) fn read(host: &'a [u8], port: i64, number: i64) -> Result<Address<'a>, (i64, String)> {
        if number & SSL_BIT != 0 {
            return Err((0, "SWOOLE_SSL is not available yet: put a proxy that speaks TLS in front".into()));
        }
        let Some(kind) = SocketType::from_number(number) else {
            let wanted = "use SWOOLE_SOCK_TCP, _TCP6, _UDP, _UDP6 or _UNIX_STREAM";
            let message = format!("socket type[{number}] is not available: {wanted}");
            return Err((libc::EPROTONOSUPPORT.into(), message));
        };
        let (Ok(host), Ok(port)) = (str::from_utf8(host), u16::try_from(port)) else {
            let message = format!("invalid port[{port}] or host: must be 0 to 65535, and UTF-8");
            return Err((libc::EINVAL.into(), message));
        };
        Ok(Address { host, port, number, kind })
    }

    /// The socket bound to it; otherwise the system's error number, and what is wrong. It is the last error then.
    pub(crate) fn bind(&self) -> Result<(Socket, u16), (i64, String)> {
        listener::bind(self.host, self.port, self.kind).map_err(|error| {
            let is_unfit = error.kind() == io::ErrorKind::InvalidInput;
            let own = if is_unfit { libc::EINVAL } else { libc::EADDRNOTAVAIL };
            let code = error.raw_os_error().unwrap_or(own).into();
            last_error::set(code);
            let (host, port) = (self.host, self.port);
            // What is no error of the system's has words of its own.
            let text = error.raw_os_error().map_or_else(|| error.to_string(), |_| last_error::text(code));
            (code, format!("failed to listen server port[{host}:{port}], Error: {text}[{code}]"))
        })
    }
}

/// A port before the start.
pub(crate) struct Port {
    callbacks: RefCell<Callbacks>,
    config: RefCell<Config>,
    /// Its own `set()` was called.
    is_set: Cell<bool>,
    socket: RefCell<Option<Socket>>,
    /// Its property `connections`.
    pub(crate) connections: Owned,
    pub(crate) number: u16,
    kind: SocketType,
    socket_type: i64,
    descriptor: i32,
}

impl Port {
    pub(crate) fn register(&self, event: Event, callback: Callback) {
        let old = self.callbacks.borrow_mut()[event as usize].replace(Rc::new(callback));
        // Not before the borrow has ended: its destructor may run PHP.
        drop(old);
    }

    pub(crate) fn callback(&self, event: Event) -> Option<Rc<Callback>> {
        self.callbacks.borrow()[event as usize].clone()
    }

    /// Takes the callbacks for connections out of those of its server.
    pub(crate) fn take_over(&self, callbacks: &mut Callbacks) {
        let of_connections = callbacks.iter_mut().skip(Event::Connect as usize);
        for (own, given) in self.callbacks.borrow_mut().iter_mut().skip(Event::Connect as usize).zip(of_connections) {
            *own = given.take();
        }
    }

    /// Is this socket bound to the same address?
    pub(crate) fn is_at(&self, socket: &Socket) -> bool {
        // TCP and UDP have ports of their own.
        let address = |socket: &Socket| Some((socket.local_addr().ok()?.as_socket()?, socket.r#type().ok()?));
        let own = self.socket.borrow().as_ref().and_then(address);
        own.is_some() && own == address(socket)
    }

    /// One of the callbacks it holds, for PHP's cycle collector.
    pub(crate) fn held(&self, index: usize) -> (Option<*mut Zval>, usize) {
        let callbacks = self.callbacks.borrow();
        let mut held = callbacks.iter().flatten();
        (held.nth(index).map(|callback| callback.callable()), callbacks.iter().flatten().count())
    }

    /// Forgets its callbacks: its server is gone.
    pub(crate) fn clear(&self) {
        let old = self.callbacks.replace(array::from_fn(|_| None));
        drop(old);
    }

    /// Sets the options that are a port's, silently: the server has warned.
    pub(crate) fn set_with_server(&self, options: &Array) {
        options::set_quietly(&mut self.config.borrow_mut(), options);
        self.is_set.set(true);
    }

    /// The bound socket; it is the caller's from now on.
    pub(crate) fn take_socket(&self) -> Option<Socket> {
        self.socket.take()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// What it is to serve. `primary` is what the first port is to, unless this is the first, which speaks `implied`.
    pub(crate) fn serving(&self, server: &Config, primary: Option<&Serving>, implied: Protocol) -> Serving {
        let config = if self.is_set() { self.config.borrow().clone() } else { server.clone() };
        let protocol = match primary {
            Some(primary) if !self.is_set() => primary.protocol,
            Some(_) => config.protocol(),
            None if config.protocol() == Protocol::WebSocket => Protocol::WebSocket,
            None if implied == Protocol::Raw => config.protocol(),
            None => implied,
        };
        let own = self.callbacks.borrow();
        let inherited = |index: usize| primary.and_then(|primary| primary.callbacks[index].clone());
        let callbacks = array::from_fn(|index| own[index].clone().or_else(|| inherited(index)));
        let (number, descriptor, socket_type) = (self.number, self.descriptor, self.socket_type);
        let is_datagram = self.kind.is_datagram();
        Serving { protocol, is_datagram, config: Arc::new(config), callbacks, number, descriptor, socket_type }
    }
}

/// A port of a running server.
pub(crate) struct Serving {
    pub(crate) protocol: Protocol,
    /// Datagrams come, not connections.
    is_datagram: bool,
    /// Of its own are only the options that are a port's.
    pub(crate) config: Arc<Config>,
    /// Its own ones, and where it has none the primary port's.
    pub(crate) callbacks: Callbacks,
    /// The port, the descriptor that it listens on, and the kind of socket.
    pub(crate) number: u16,
    pub(crate) descriptor: i32,
    pub(crate) socket_type: i64,
}

impl Serving {
    pub(crate) fn has(&self, event: Event) -> bool {
        self.callbacks[event as usize].is_some()
    }

    /// The callback without which it makes no sense, if it is missing.
    pub(crate) fn lacks(&self) -> Option<String> {
        let (event, message) = match self.protocol {
            _ if self.is_datagram => (Event::Packet, "require onPacket callback"),
            Protocol::WebSocket => (Event::Message, "require onMessage callback"),
            Protocol::Http => (Event::Request, "require onRequest callback"),
            Protocol::Raw => (Event::Receive, "require onReceive callback"),
        };
        (!self.has(event)).then(|| format!("{message} (port {})", self.number))
    }

    /// What the loops that have its connections are told; `server` has what holds for all ports.
    pub(crate) fn settings(&self, server: &Config) -> Settings {
        let own = self.config.settings(self.protocol, self.has(Event::Request), self.has(Event::Handshake));
        Settings {
            protocol: own.protocol,
            packets: own.packets,
            requests: own.requests,
            own_handshake: own.own_handshake,
            deflate_level: own.deflate_level,
            deflate_threshold: own.deflate_threshold,
            ping_events: own.ping_events,
            pong_events: own.pong_events,
            buffer_events: self.has(Event::BufferFull) || self.has(Event::BufferEmpty),
            buffer_high_watermark_bytes: own.buffer_high_watermark_bytes,
            buffer_low_watermark_bytes: own.buffer_low_watermark_bytes,
            message_bytes_max: own.message_bytes_max,
            ..server.settings(self.protocol, false, false)
        }
    }
}

/// The state of a port's object. Its server holds the port: the collector finds the callbacks there.
#[derive(Default)]
pub(crate) struct PortState(RefCell<Option<Rc<Port>>>);

impl Native for PortState {
    const FAMILY: Family = Family::Port;
}

/// A port and its object.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn create(address: &Address<'_>, socket: Socket, number: u16) -> Result<(Owned, Rc<Port>), Stop> {
    let value = Object::create(Class::Port)?;
    let object = value.as_object().expect("it was just made");
    let connections = Connections::create(None)?;
    let descriptor = socket.as_raw_fd();
    object.set_property(slot::HOST, Owned::string(address.host.as_bytes())?)?;
    object.set_property(slot::PORT, Owned::long(number.into()))?;
    object.set_property(slot::TYPE, Owned::long(address.number))?;
    object.set_property(slot::SOCK, Owned::long(descriptor.into()))?;
    object.set_property(slot::CONNECTIONS, Owned::copy(&connections))?;
    let port = Rc::new(Port {
        callbacks: RefCell::new(array::from_fn(|_| None)),
        config: RefCell::default(),
        is_set: Cell::new(false),
        socket: RefCell::new(Some(socket)),
        connections,
        number,
        kind: address.kind,
        socket_type: address.number,
        descriptor,
    });
    if let Some(state) = object.state::<PortState>() {
        state.0.replace(Some(port.clone()));
    }
    Ok((value, port))
}

fn port(call: &Call<'_>) -> Result<Rc<Port>, Stop> {
    let port = call.state::<PortState>()?.0.borrow().clone();
    port.ok_or_else(|| exception::throw(Class::PhpError, 0, "a port is made by Server::listen()"))
}

/// Adds to the property `setting` of a server or a port.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn merge_setting(object: Object<'_>, slot: u32, options: &Zval) -> Result<(), Stop> {
    let mut setting = match Array::of(object.property(slot)) {
        Some(setting) => setting,
        None => Array::new(8)?,
    };
    setting.merge(options)?;
    object.set_property(slot, setting.into_value())
}

fn set(call: &Call<'_>) -> Result<(), Stop> {
    let port = port(call)?;
    let Some(given) = call.array(0)? else { return Ok(()) };
    if is_running_here() {
        return warning::warn("server is running, unable to change its settings");
    }
    merge_setting(call.this(), slot::SETTING, given)?;
    port.is_set.set(true);
    if let Some(given) = Array::of(Owned::copy(given)) {
        // A copy: a warning runs PHP, and that may call set().
        let mut config = port.config.borrow().clone();
        let applied = options::apply_to_port(&mut config, &given);
        port.config.replace(config);
        applied?;
    }
    Ok(())
}

/// The callback that `on()` was given, and for which event; none, with a warning, if that cannot be.
///
/// # Errors
/// As for a warning.
pub(crate) fn read_callback(call: &Call<'_>, fits: fn(Event) -> bool) -> Result<Option<(Event, Callback)>, Stop> {
    let name = call.text(0)?.unwrap_or_default();
    let Some(callable) = call.argument(1) else { return Ok(None) };
    if is_running_here() {
        warning::warn("server is running, unable to register event callback function")?;
        return Ok(None);
    }
    let Some(event) = Event::from_name(name).filter(|event| fits(*event)) else {
        warning::warn(&format!("unknown event types[{}]", String::from_utf8_lossy(name)))?;
        return Ok(None);
    };
    match Callback::new(callable)? {
        Ok(callback) => Ok(Some((event, callback))),
        Err(name) => {
            let name = String::from_utf8_lossy(name.bytes()).into_owned();
            warning::warn(&format!("function '{name}' is not callable"))?;
            Ok(None)
        }
    }
}

methods! {
    fn zim_Swoole_Server_Port___construct(call) {
        call.count(0, 0)
    }

    fn zim_Swoole_Server_Port_set(call) {
        call.count(1, 1)?;
        set(call)
    }

    fn zim_Swoole_Server_Port_on(call) {
        call.count(2, 2)?;
        let port = port(call)?;
        let read = read_callback(call, Event::is_of_connection)?;
        call.give_bool(read.is_some());
        if let Some((event, callback)) = read {
            port.register(event, callback);
        }
        Ok(())
    }

    fn zim_Swoole_Server_Port_getCallback(call) {
        call.count(1, 1)?;
        let port = port(call)?;
        let event = Event::from_name(call.text(0)?.unwrap_or_default());
        let callback = event.and_then(|event| port.callback(event));
        call.give(callback.map_or(Owned::null(), |callback| callback.value()));
        Ok(())
    }

    fn zim_Swoole_Server_Port_getSocket(call) {
        call.count(0, 0)?;
        call.give_bool(false);
        warning::warn("sockets of the extension sockets are not available")
    }
}
