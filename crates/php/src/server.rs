//! `Swoole\Server` and its family: what a script sets up before `start()`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use socket2::Socket;
use wirewool_engine::config::Config;
use wirewool_engine::crew::Crew;
use wirewool_engine::listener::{Listeners, PORTS_MAX};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Exchange, Standing};
use wirewool_ipc::process::is_foreign;
use wirewool_ipc::table::Table;

use crate::array::Array;
use crate::callback::Callback;
use crate::event::Event;
use crate::exception;
use crate::guard::Stop;
use crate::iterator::Connections;
use crate::last_error;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::options;
use crate::port::{self, Address, Callbacks, Port, Serving};
use crate::process;
use crate::subprocess;
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// Properties in the order of declaration.
pub(crate) mod slot {
    pub(crate) const SETTING: u32 = 0;
    pub(crate) const CONNECTIONS: u32 = 1;
    pub(crate) const HOST: u32 = 2;
    pub(crate) const PORT: u32 = 3;
    pub(crate) const TYPE: u32 = 4;
    pub(crate) const MODE: u32 = 6;
    pub(crate) const PORTS: u32 = 7;
    pub(crate) const MASTER_PID: u32 = 8;
    pub(crate) const MANAGER_PID: u32 = 9;
    pub(crate) const WORKER_ID: u32 = 10;
    pub(crate) const TASKWORKER: u32 = 11;
    pub(crate) const WORKER_PID: u32 = 12;
    /// The first of the callbacks' properties, in the order of the events.
    pub(crate) const ON_EVENT: u32 = 15;
}

pub(crate) const MODE_BASE: i64 = 1;
pub(crate) const MODE_PROCESS: i64 = 2;
const SOCK_TCP: i64 = 1;

/// Exception codes of the constructor.
const NOT_CLI: i64 = -1;
const SECOND_SERVER: i64 = -3;

/// What a server object is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its constructor has not run, or failed.
    #[default]
    Fresh,
    /// It can be set up.
    Constructed,
    /// `start()` is on the stack, in this process or the one that forked it.
    Running,
}

/// The state of a server object.
#[derive(Default)]
pub(crate) struct Server {
    phase: Cell<Phase>,
    /// Of its own events; those of connections are the primary port's, once there is one.
    callbacks: RefCell<Callbacks>,
    /// The primary one first.
    ports: RefCell<Vec<Rc<Port>>>,
    config: RefCell<Config>,
    processes: RefCell<Vec<Owned>>,
    shared: RefCell<Option<Rc<Shared>>>,
}

/// What all processes of a running server share.
pub(crate) struct Shared {
    pub(crate) table: Arc<Table>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) config: Arc<Config>,
    pub(crate) crew: Crew,
    /// By their index, the primary one first.
    pub(crate) ports: Vec<Serving>,
    pub(crate) listeners: Listeners,
    /// Reactors in the master own the connections.
    pub(crate) has_reactors: bool,
    pub(crate) began: SystemTime,
}

impl Shared {
    /// The port that accepted a connection.
    pub(crate) fn port_of(&self, fd: Fd) -> &Serving {
        // Most servers have one, and need not ask.
        let index = if self.ports.len() == 1 { None } else { self.table.port(fd.get()) };
        self.port(index.unwrap_or(0))
    }

    /// The port with this index, which the memory may say wrongly.
    pub(crate) fn port(&self, index: u8) -> &Serving {
        self.ports.get(usize::from(index)).unwrap_or(&self.ports[0])
    }

    /// Does any port have a callback for this event?
    pub(crate) fn has(&self, event: Event) -> bool {
        self.ports.iter().any(|port| port.has(event))
    }

    /// The seat of whoever is a worker now.
    pub(crate) fn seat_of(&self, worker: usize) -> Option<usize> {
        let serves = |seat: &usize| {
            let occupant = self.exchange.occupant(*seat);
            occupant.is_some_and(|occupant| occupant.standing == Standing::Serving)
        };
        if worker >= self.crew.workers + self.crew.tasks {
            return None;
        }
        self.crew.seats_of(worker).into_iter().find(serves)
    }
}

/// A process has one server at a time: signals and worker ids are the process's.
static SERVER_EXISTS: AtomicBool = AtomicBool::new(false);

/// It runs.
static RUNS: AtomicBool = AtomicBool::new(false);

/// This process has left its loop, and ends.
static HAS_LEFT: AtomicBool = AtomicBool::new(false);

/// Is this process one of a server that runs?
pub(crate) fn is_running_here() -> bool {
    RUNS.load(Ordering::Relaxed) && !is_foreign()
}

/// Has this process of the server's left its loop, so that nothing is left but its end?
pub(crate) fn has_left() -> bool {
    HAS_LEFT.load(Ordering::Relaxed)
}

/// It leaves its loop.
pub(crate) fn leave() {
    HAS_LEFT.store(true, Ordering::Relaxed);
}

impl Native for Server {
    const FAMILY: Family = Family::Server;

    fn held(&self, index: usize) -> Option<*mut Zval> {
        // The collector runs within calls of PHP, and no borrow lives across those.
        let callbacks = self.callbacks.borrow();
        let (processes, ports) = (self.processes.borrow(), self.ports.borrow());
        let own = callbacks.iter().flatten().map(|callback| callback.callable());
        let mut own = own.chain(processes.iter().map(|process| process.raw().cast_mut()));
        if index < callbacks.iter().flatten().count() + processes.len() {
            return own.nth(index);
        }
        let mut index = index - callbacks.iter().flatten().count() - processes.len();
        ports.iter().find_map(|port| {
            let (held, count) = port.held(index);
            index = index.saturating_sub(count);
            held
        })
    }

    fn end(self) {
        if self.phase.get() != Phase::Fresh {
            SERVER_EXISTS.store(false, Ordering::Relaxed);
        }
        // Their objects may live on.
        self.ports.take().into_iter().for_each(|port| port.clear());
    }
}

impl Server {
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        RUNS.store(phase == Phase::Running, Ordering::Relaxed);
        self.phase.set(phase);
    }

    /// The server runs.
    pub(crate) fn set_shared(&self, shared: Rc<Shared>) {
        self.shared.replace(Some(shared));
    }

    /// What its processes share; none if it does not run, or this process is none of them.
    pub(crate) fn shared(&self) -> Option<Rc<Shared>> {
        if is_foreign() || self.phase() != Phase::Running { None } else { self.shared.borrow().clone() }
    }

    /// The callback registered for `event`, of the server or its primary port. It stays alive while the caller holds it.
    pub(crate) fn callback(&self, event: Event) -> Option<Rc<Callback>> {
        if let Some(primary) = self.ports().first().filter(|_| event.is_of_connection()) {
            return primary.callback(event);
        }
        self.callbacks.borrow()[event as usize].clone()
    }

    /// The processes of the script's own, in the order in which they were added.
    pub(crate) fn processes(&self) -> Vec<Owned> {
        self.processes.borrow().iter().map(|process| Owned::copy(process)).collect()
    }

    /// Its ports, the primary one first.
    pub(crate) fn ports(&self) -> Vec<Rc<Port>> {
        self.ports.borrow().clone()
    }

    /// What it was told so far.
    pub(crate) fn config(&self) -> Config {
        self.config.borrow().clone()
    }

    fn register(&self, event: Event, callback: Callback) {
        if let Some(primary) = self.ports().first().filter(|_| event.is_of_connection()) {
            return primary.register(event, callback);
        }
        let old = self.callbacks.borrow_mut()[event as usize].replace(Rc::new(callback));
        // Not before the borrow has ended: its destructor may run PHP.
        drop(old);
    }
}

/// What the constructor was given, checked.
struct Plan<'a> {
    address: Address<'a>,
    mode: i64,
}

fn read_plan<'a>(call: &Call<'a>) -> Result<Plan<'a>, Stop> {
    let class = call.this().class_name();
    let refuse = |code, message: String| Err(exception::throw(Class::Exception, code, &message));
    let host = call.text(0)?.unwrap_or(b"0.0.0.0");
    let port = call.long(1)?.unwrap_or(0);
    let mode = call.long(2)?.unwrap_or(MODE_PROCESS);
    let number = call.long(3)?.unwrap_or(SOCK_TCP);
    let sapi = process::sapi_name();
    if !matches!(sapi, "cli" | "phpdbg" | "embed" | "micro") {
        return refuse(NOT_CLI, format!("{class} works only when PHP runs as a command (cli), not as {sapi}"));
    }
    if !matches!(mode, MODE_BASE | MODE_PROCESS) {
        return Err(exception::throw(Class::PhpError, 0, &format!("invalid $mode parameters {mode}")));
    }
    if SERVER_EXISTS.load(Ordering::Relaxed) {
        return refuse(SECOND_SERVER, format!("unable to create {class}: this process has a server already"));
    }
    match Address::read(host, port, number) {
        Ok(address) => Ok(Plan { address, mode }),
        Err((code, message)) => refuse(code, message),
    }
}

fn construct(call: &Call<'_>) -> Result<(), Stop> {
    let object = call.this();
    let state = call.state::<Server>()?;
    if state.phase() != Phase::Fresh {
        let message = format!("Constructor of {} can only be called once", object.class_name());
        return Err(exception::throw(Class::PhpError, 0, &message));
    }
    let Plan { address, mode } = read_plan(call)?;
    let bound = address.bind();
    let (socket, port) = bound.map_err(|(code, message)| exception::throw(Class::Exception, code, &message))?;
    if mode == MODE_PROCESS {
        state.config.borrow_mut().workers = std::thread::available_parallelism().map_or(1, usize::from);
    }
    state.set_phase(Phase::Constructed);
    SERVER_EXISTS.store(true, Ordering::Relaxed);
    object.set_property(slot::CONNECTIONS, Connections::create(None)?)?;
    object.set_property(slot::HOST, Owned::string(address.host.as_bytes())?)?;
    object.set_property(slot::PORT, Owned::long(port.into()))?;
    object.set_property(slot::TYPE, Owned::long(address.number))?;
    object.set_property(slot::MODE, Owned::long(mode))?;
    add_port(object, state, &address, socket, port)?;
    Ok(())
}

/// Makes a port: its object, which `$server->ports` has from now on.
fn add_port(
    object: Object<'_>,
    state: &Server,
    address: &Address<'_>,
    socket: Socket,
    port: u16,
) -> Result<Owned, Stop> {
    let (value, port) = port::create(address, socket, port)?;
    if state.ports().is_empty() {
        // A subclass may have registered some before it called the constructor.
        port.take_over(&mut state.callbacks.borrow_mut());
    }
    state.ports.borrow_mut().push(port);
    let mut ports = match Array::of(object.property(slot::PORTS)) {
        Some(ports) => ports,
        None => Array::new(1)?,
    };
    ports.push(Owned::copy(&value))?;
    object.set_property(slot::PORTS, ports.into_value())?;
    Ok(value)
}

/// Binds another address: its port, or false.
fn listen(call: &Call<'_>) -> Result<Owned, Stop> {
    let (host, port, number) = (call.text(0)?.unwrap_or_default(), call.long(1)?, call.long(2)?);
    let state = call.state::<Server>()?;
    let refuse = |code: i64, message: &str| {
        last_error::set(code);
        warning::warn(message)?;
        Ok(Owned::bool(false))
    };
    match state.phase() {
        Phase::Fresh => return Err(exception::throw(Class::PhpError, 0, "the constructor was not called")),
        Phase::Running => {
            return refuse(last_error::WRONG_OPERATION, "server is running, unable to listen to another port");
        }
        Phase::Constructed => {}
    }
    if state.ports().len() >= PORTS_MAX {
        return refuse(last_error::PORTS_MAX, &format!("a server may have {PORTS_MAX} ports"));
    }
    let address = match Address::read(host, port.unwrap_or(0), number.unwrap_or(SOCK_TCP)) {
        Ok(address) => address,
        Err((code, message)) => return refuse(code, &message),
    };
    match address.bind() {
        // Until one of them listens, the system lets both be.
        Ok((socket, _)) if state.ports().iter().any(|port| port.is_at(&socket)) => refuse(
            libc::EADDRINUSE.into(),
            &format!("{}:{} is a port of this server already", address.host, address.port),
        ),
        Ok((socket, port)) => add_port(call.this(), state, &address, socket, port),
        Err((code, message)) => refuse(code, &message),
    }
}

fn set(call: &Call<'_>) -> Result<bool, Stop> {
    let Some(options) = call.array(0)? else { return Ok(false) };
    let object = call.this();
    let state = call.state::<Server>()?;
    if state.phase() == Phase::Running {
        warning::warn("server is running, unable to change its settings")?;
        return Ok(false);
    }
    port::merge_setting(object, slot::SETTING, options)?;
    if let Some(options) = Array::of(Owned::copy(options)) {
        // A copy: a warning runs PHP, and that may call set().
        let mut config = state.config();
        let applied = options::apply(&mut config, &options);
        state.config.replace(config);
        if let Some(primary) = state.ports().first() {
            primary.set_with_server(&options);
        }
        applied?;
    }
    Ok(true)
}

fn on(call: &Call<'_>) -> Result<bool, Stop> {
    let Some((event, callback)) = port::read_callback(call, |_| true)? else { return Ok(false) };
    call.state::<Server>()?.register(event, callback);
    if let Some((place, callable)) = event.property().zip(call.argument(1)) {
        call.this().set_property(slot::ON_EVENT + place, Owned::copy(callable))?;
    }
    Ok(true)
}

methods! {
    fn zim_Swoole_Server___construct(call) {
        call.count(0, 4)?;
        construct(call)
    }

    fn zim_Swoole_Server_listen(call) {
        call.count(3, 3)?;
        let port = listen(call)?;
        call.give(port);
        Ok(())
    }

    fn zim_Swoole_Server_set(call) {
        call.count(1, 1)?;
        let done = set(call)?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Server_on(call) {
        call.count(2, 2)?;
        let done = on(call)?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Server_getCallback(call) {
        call.count(1, 1)?;
        let event = Event::from_name(call.text(0)?.unwrap_or_default());
        let state = call.state::<Server>()?;
        let callback = event.and_then(|event| state.callback(event));
        call.give(callback.map_or(Owned::null(), |callback| callback.value()));
        Ok(())
    }

    fn zim_Swoole_Server_addProcess(call) {
        call.count(1, 1)?;
        call.give_bool(false);
        let state = call.state::<Server>()?;
        if state.phase() != Phase::Constructed {
            return warning::warn("server is running, unable to add a process");
        }
        subprocess::add(call, &state.processes)
    }

    fn zim_Swoole_Server_getLastError(call) {
        call.count(0, 0)?;
        call.give_long(last_error::get());
        Ok(())
    }
}
