//! `Swoole\Server` and its family: what a script sets up before `start()`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use socket2::Socket;
use wirewool_engine::config::Config;
use wirewool_engine::crew::Crew;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::exchange::{Exchange, Standing};
use wirewool_ipc::process::is_foreign;
use wirewool_ipc::table::Table;

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
const SSL_BIT: i64 = 512;

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
    callbacks: RefCell<[Option<Rc<Callback>>; EVENTS]>,
    socket: RefCell<Option<Socket>>,
    config: RefCell<Config>,
    processes: RefCell<Vec<Owned>>,
    shared: RefCell<Option<Rc<Shared>>>,
}

/// What all processes of a running server share.
pub(crate) struct Shared {
    pub(crate) table: Arc<Table>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) config: Arc<Config>,
    pub(crate) protocol: Protocol,
    pub(crate) crew: Crew,
    /// Reactors in the master own the connections.
    pub(crate) has_reactors: bool,
    /// The port, the descriptor that it listens on, and the kind of socket.
    pub(crate) port: u16,
    pub(crate) descriptor: i32,
    pub(crate) socket_type: i64,
    pub(crate) began: SystemTime,
}

impl Shared {
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
        let callbacks = callbacks.iter().flatten().map(|callback| callback.callable());
        let processes = self.processes.borrow();
        callbacks.chain(processes.iter().map(|process| process.raw().cast_mut())).nth(index)
    }

    fn end(self) {
        if self.phase.get() != Phase::Fresh {
            SERVER_EXISTS.store(false, Ordering::Relaxed);
        }
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

    /// The callback registered for `event`. It stays alive while the caller holds it.
    pub(crate) fn callback(&self, event: Event) -> Option<Rc<Callback>> {
        self.callbacks.borrow()[event as usize].clone()
    }

    /// The processes of the script's own, in the order in which they were added.
    pub(crate) fn processes(&self) -> Vec<Owned> {
        self.processes.borrow().iter().map(|process| Owned::copy(process)).collect()
    }

    /// The bound socket of the primary port; it is the caller's from now on.
    pub(crate) fn take_socket(&self) -> Option<Socket> {
        self.socket.take()
    }

    /// What it was told so far.
    pub(crate) fn config(&self) -> Config {
        self.config.borrow().clone()
    }

    fn register(&self, event: Event, callback: Callback) {
        let old = self.callbacks.borrow_mut()[event as usize].replace(Rc::new(callback));
        // Not before the borrow has ended: its destructor may run PHP.
        drop(old);
    }
}

/// What the constructor was given, checked.
struct Plan<'a> {
    host: &'a str,
    port: u16,
    mode: i64,
    /// The number of the socket type.
    number: i64,
    kind: SocketType,
}

fn read_plan<'a>(call: &Call<'a>) -> Result<Plan<'a>, Stop> {
    let class = call.this().class_name();
    let refuse = |code, message: String| Err(exception::throw(Class::Exception, code, &message));
    let host = call.text(0)?.map_or(Ok("0.0.0.0"), str::from_utf8);
    let port = call.long(1)?.unwrap_or(0);
    let mode = call.long(2)?.unwrap_or(MODE_PROCESS);
    let type_bits = call.long(3)?.unwrap_or(SOCK_TCP);
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
    if type_bits & SSL_BIT != 0 {
        return refuse(0, "SWOOLE_SSL is not available yet: put a proxy that speaks TLS in front".into());
    }
    let number = type_bits;
    let Some(kind) = SocketType::from_number(number) else {
        let wanted = "use SWOOLE_SOCK_TCP, SWOOLE_SOCK_TCP6 or SWOOLE_SOCK_UNIX_STREAM";
        return refuse(libc::EPROTONOSUPPORT.into(), format!("socket type[{number}] is not available: {wanted}"));
    };
    let (Ok(host), Ok(port)) = (host, u16::try_from(port)) else {
        return refuse(libc::EINVAL.into(), format!("invalid port[{port}] or host: must be 0 to 65535, and UTF-8"));
    };
    Ok(Plan { host, port, mode, number, kind })
}

fn construct(call: &Call<'_>) -> Result<(), Stop> {
    let object = call.this();
    let state = call.state::<Server>()?;
    if state.phase() != Phase::Fresh {
        let message = format!("Constructor of {} can only be called once", object.class_name());
        return Err(exception::throw(Class::PhpError, 0, &message));
    }
    let plan = read_plan(call)?;
    let (socket, port) = listener::bind(plan.host, plan.port, plan.kind).map_err(|error| {
        let code = error.raw_os_error().unwrap_or(libc::EADDRNOTAVAIL).into();
        let text = last_error::text(code);
        last_error::set(code);
        let address = format!("{}:{}", plan.host, plan.port);
        let message = format!("failed to listen server port[{address}], Error: {text}[{code}]");
        exception::throw(Class::Exception, code, &message)
    })?;
    state.socket.replace(Some(socket));
    if plan.mode == MODE_PROCESS {
        state.config.borrow_mut().workers = std::thread::available_parallelism().map_or(1, usize::from);
    }
    state.set_phase(Phase::Constructed);
    SERVER_EXISTS.store(true, Ordering::Relaxed);
    fill(object, &plan, port)
}

fn fill(object: Object<'_>, plan: &Plan<'_>, port: u16) -> Result<(), Stop> {
    object.set_property(slot::CONNECTIONS, Connections::create(None)?)?;
    object.set_property(slot::HOST, Owned::string(plan.host.as_bytes())?)?;
    object.set_property(slot::PORT, Owned::long(port.into()))?;
    object.set_property(slot::TYPE, Owned::long(plan.number))?;
    object.set_property(slot::MODE, Owned::long(plan.mode))?;
    object.set_property(slot::PORTS, Array::new(0)?.into_value())
}

fn set(call: &Call<'_>) -> Result<bool, Stop> {
    let Some(options) = call.array(0)? else { return Ok(false) };
    let object = call.this();
    let state = call.state::<Server>()?;
    if state.phase() == Phase::Running {
        warning::warn("server is running, unable to change its settings")?;
        return Ok(false);
    }
    let mut setting = match Array::of(object.property(slot::SETTING)) {
        Some(setting) => setting,
        None => Array::new(8)?,
    };
    setting.merge(options)?;
    object.set_property(slot::SETTING, setting.into_value())?;
    if let Some(options) = Array::of(Owned::copy(options)) {
        // A copy: a warning runs PHP, and that may call set().
        let mut config = state.config();
        let applied = options::apply(&mut config, &options);
        state.config.replace(config);
        applied?;
    }
    Ok(true)
}

fn on(call: &Call<'_>) -> Result<bool, Stop> {
    let name = call.text(0)?.unwrap_or_default();
    let Some(callable) = call.argument(1) else { return Ok(false) };
    let state = call.state::<Server>()?;
    if state.phase() == Phase::Running {
        warning::warn("server is running, unable to register event callback function")?;
        return Ok(false);
    }
    let Some(event) = Event::from_name(name) else {
        warning::warn(&format!("unknown event types[{}]", String::from_utf8_lossy(name)))?;
        return Ok(false);
    };
    let callback = match Callback::new(callable)? {
        Ok(callback) => callback,
        Err(name) => {
            let name = String::from_utf8_lossy(name.bytes()).into_owned();
            warning::warn(&format!("function '{name}' is not callable"))?;
            return Ok(false);
        }
    };
    state.register(event, callback);
    if let Some(place) = event.property() {
        call.this().set_property(slot::ON_EVENT + place, Owned::copy(callable))?;
    }
    Ok(true)
}

methods! {
    fn zim_Swoole_Server___construct(call) {
        call.count(0, 4)?;
        construct(call)
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
