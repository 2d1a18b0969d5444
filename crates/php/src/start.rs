//! `start()`: from a server that is set up to processes that serve.

mod before_shutdown;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use wirewool_engine::config::{Config, ConfigError};
use wirewool_engine::crew::{Crew, Role};
use wirewool_engine::listener::{Listener, Listeners};
use wirewool_engine::manager::{Besides, Happened, Manager, Plan};

use wirewool_engine::master::{Master, News, Side};
use wirewool_engine::options;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::process::{Ended, is_foreign, mark_foreign_children, raise_descriptor_limit, threads};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;

use crate::array::Array;
use crate::connections::Walk;
use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::event_loop;
use crate::exception;
use crate::guard::Stop;
use crate::iterator::Connections;
use crate::last_error;
use crate::method::{Call, methods};
use crate::port::{self, Serving};
use crate::process;
use crate::serial;
use crate::server::{self, MODE_PROCESS, Phase, Server, Shared, slot};
use crate::service::Service;
use crate::serving::{join_as_manager, leave_manager, serve, serve_user};
use crate::subprocess::signals;
use crate::task;
use crate::timer;
use crate::warning;
use crate::worker;
use crate::zend::ffi::Class;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// A server that has ended does not start again: what it was told is spent.
static ENDED: AtomicBool = AtomicBool::new(false);

/// What a server's class speaks.
pub(crate) fn protocol(server: Object<'_>) -> Protocol {
    if server.is(Class::WebSocketServer) {
        Protocol::WebSocket
    } else if server.is(Class::HttpServer) {
        Protocol::Http
    } else {
        Protocol::Raw
    }
}

/// What each port is to serve; the primary one speaks what the server's class does.
fn servings(server: Object<'_>, state: &Server, config: &Config) -> Vec<Serving> {
    let mut servings: Vec<Serving> = Vec::new();
    for port in state.ports() {
        let serving = port.serving(config, servings.first(), protocol(server));
        servings.push(serving);
    }
    servings
}

/// What a server starts with.
pub(crate) struct Common {
    pub(crate) shared: Rc<Shared>,
    pub(crate) service: Service,
}

/// What no port can have together, of all of them.
fn clashes(config: &Config, ports: &[Serving]) -> Vec<ConfigError> {
    let mut wrong = Vec::new();
    for port in ports {
        let own = Config { outbox_bytes_max: config.outbox_bytes_max, ..(*port.config).clone() };
        for error in options::clashes(&own) {
            // One that has the server's settings says the same as the primary one.
            if !wrong.contains(&error) {
                wrong.push(error);
            }
        }
    }
    wrong
}

fn prepare(server: Object<'_>, state: &Server, mut config: Config, ports: Vec<Serving>) -> io::Result<Common> {
    let descriptors = usize::try_from(raise_descriptor_limit()?).unwrap_or(usize::MAX);
    config.max_connection = config.max_connection.min(descriptors);
    let service = Service::take(&config, clashes(&config, &ports)).map_err(io::Error::other)?;
    let others = threads()?.saturating_sub(1);
    if others > 0 {
        let message = format!("workers are forked, but this process has {others} other threads");
        return Err(io::Error::other(message));
    }
    let mut listeners = Vec::new();
    for (port, Serving { config: own, .. }) in state.ports().iter().zip(&ports) {
        let socket = port.take_socket().ok_or_else(|| io::Error::other("a port has no socket"))?;
        let listener = Listener::adopt(OwnedFd::from(socket))?;
        listener.tell(&own.tcp, own.backlog)?;
        listener.listen(own.backlog, own.tcp_nodelay)?;
        listeners.push(listener);
    }
    mark_foreign_children()?;
    let has_reactors = server.property(slot::MODE).as_long() == Some(MODE_PROCESS);
    let reactors = if has_reactors { config.reactors } else { 0 };
    let crew = Crew { reactors, workers: config.workers, tasks: config.task_workers, users: state.processes().len() };
    // Whoever has connections is an owner, by its seat.
    let owners = if has_reactors { reactors } else { crew.seats() };
    let table = Arc::new(Table::new(owners, config.max_connection)?);
    table.begin_at(config.start_session_id);
    let exchange = Arc::new(Exchange::new(crew.seats(), config.ring_bytes)?);
    let shared = Rc::new(Shared {
        table,
        exchange,
        config: Arc::new(config),
        crew,
        ports,
        listeners: Listeners::new(listeners),
        has_reactors,
        began: SystemTime::now(),
    });
    if let Some(connections) = server.property(slot::CONNECTIONS).as_object().and_then(Object::state::<Connections>) {
        connections.bind(Some(Rc::new(Walk::new(shared.clone(), None))));
    }
    for (index, port) in (0..).zip(state.ports()) {
        if let Some(connections) = port.connections.as_object().and_then(Object::state::<Connections>) {
            connections.bind(Some(Rc::new(Walk::new(shared.clone(), Some(index)))));
        }
    }
    Ok(Common { shared, service })
}

fn start(call: &Call<'_>) -> Result<bool, Stop> {
    let server = call.this();
    let state = call.state::<Server>()?;
    match state.phase() {
        Phase::Fresh => return Err(exception::throw(Class::PhpError, 0, "the constructor was not called")),
        Phase::Running => {
            warning::warn("server is running, unable to execute start()")?;
            return Ok(false);
        }
        Phase::Constructed => {}
    }
    if registry::cid() != 0 || registry::is_looping() {
        return Err(exception::throw(Class::Error, 0, "a server cannot start in a coroutine, nor in a loop that runs"));
    }
    if ENDED.load(Ordering::Relaxed) || is_foreign() {
        warning::warn("the server has ended, a process starts one only once")?;
        return Ok(false);
    }
    let config = state.config();
    let ports = servings(server, state, &config);
    if let Some(message) = ports.iter().find_map(Serving::lacks) {
        return Err(warning::fatal(&message));
    }
    if config.task_workers > 0 && state.callback(Event::Task).is_none() {
        return Err(warning::fatal("require onTask callback, since task_worker_num is not 0"));
    }
    let common = match prepare(server, state, config, ports) {
        Ok(common) => common,
        Err(error) => {
            let code = error.raw_os_error().map_or(0, i64::from);
            last_error::set(code);
            return Err(exception::throw(Class::Exception, code, &format!("failed to start the server: {error}")));
        }
    };
    // Another process would print what is buffered here once more.
    process::flush_output()?;
    if let Err(error) = common.service.begin(&common.shared.config) {
        return Err(exception::throw(Class::Exception, 0, &format!("failed to start the server: {error}")));
    }
    show_settings(server, &common.shared)?;
    let pid = Owned::long(std::process::id().into());
    server.set_property(slot::MASTER_PID, Owned::copy(&pid))?;
    server.set_property(slot::MANAGER_PID, pid)?;
    state.set_shared(common.shared.clone());
    state.set_phase(Phase::Running);
    process::flush_output()?;
    let ran = if common.shared.has_reactors { run_master(server, &common) } else { run_alone(server, &common) };
    let ended = match ran {
        Ok(Left::Master(called)) => called,
        Ok(Left::Child(result)) => {
            leave();
            return Err(end_of_child(result));
        }
        Err(error) => {
            state.set_phase(Phase::Constructed);
            ENDED.store(true, Ordering::Relaxed);
            common.service.end();
            common.service.tell_failed(&format!("the server cannot run: {error}"));
            let code = error.raw_os_error().map_or(0, i64::from);
            return Err(exception::throw(Class::Exception, code, &format!("the server cannot run: {error}")));
        }
    };
    ENDED.store(true, Ordering::Relaxed);
    common.shared.listeners.iter().for_each(Listener::remove_file);
    common.service.end();
    let called = ended.and_then(|()| Dispatch::of(server, &common.shared).tell(Event::Shutdown));
    state.set_phase(Phase::Constructed);
    dispatch::within_method(called)?;
    Ok(true)
}

/// Where a process comes out of the server's life: how its callbacks ended.
enum Left {
    Master(Result<(), Stop>),
    /// The manager or a worker: it is to exit.
    Child(Result<(), Stop>),
}

fn plan(shared: &Shared) -> Plan {
    Plan {
        crew: shared.crew,
        max_wait: shared.config.max_wait_time,
        reload_async: shared.config.reload_async,
        workers_own: !shared.has_reactors,
        has_master: shared.has_reactors,
    }
}

/// Master and manager in one.
fn run_alone(server: Object<'_>, common: &Common) -> io::Result<Left> {
    let shared = &common.shared;
    let signals = Signals::install(&[Signal::Term, Signal::Int])?;
    let manager =
        Manager::new(plan(shared), shared.table.clone(), shared.exchange.clone(), shared.listeners.clone(), signals)?;
    match run_manager(server, common, manager)? {
        Managed::Ended(called) => Ok(Left::Master(called)),
        Managed::Worker(result) => Ok(Left::Child(result)),
    }
}

/// The master with its reactors, and in another process the manager.
fn run_master(server: Object<'_>, common: &Common) -> io::Result<Left> {
    let shared = &common.shared;
    let (table, exchange) = (shared.table.clone(), shared.exchange.clone());
    let mut master = match Master::fork(plan(shared), table, exchange, shared.listeners.clone())? {
        Side::Master(master) => master,
        Side::Manager(manager) => {
            forked();
            // The master speaks for both.
            common.service.forked();
            let managed = set_manager(server, std::process::id()).map(|()| run_manager(server, common, manager));
            return Ok(Left::Child(match managed {
                Ok(Ok(Managed::Ended(called) | Managed::Worker(called))) => called,
                Ok(Err(error)) => {
                    tracing::error!("the manager ends: {error}");
                    process::set_exit_status(1);
                    Ok(())
                }
                Err(stop) => Err(stop),
            }));
        }
    };
    let dispatch = Dispatch::of(server, shared);
    registry::enable(shared.config.coroutines);
    let pid = master.manager().map_or(0, |pid| pid.as_raw_pid().unsigned_abs());
    let mut called = set_manager(server, pid).and_then(|()| dispatch.call(Event::Start, [Owned::object(server)]));
    let ports = settings(shared);
    let tells_connected = shared.has(Event::Connect);
    let mut reactors = Some(master.start(&shared.config, ports, tells_connected, shared.table.clone())?);
    if called.is_ok() {
        common.service.tell_ready();
    }
    loop {
        let besides = match called.and_then(|()| event_loop::pump()) {
            Ok(besides) => besides,
            Err(stop) => {
                called = Err(stop);
                shared.exchange.shut_down();
                Besides::default()
            }
        };
        match master.next(&mut reactors, &besides)? {
            News::Nothing => {}
            News::Ending if called.is_ok() => {
                called = before_shutdown::tell(&dispatch, event_loop::pump, |besides| master.pause(besides))?;
            }
            News::Ending => {}
            News::Ended(true) => return Ok(Left::Master(called)),
            News::Ended(false) => {
                process::set_exit_status(1);
                return Ok(Left::Master(called));
            }
        }
    }
}

fn set_manager(server: Object<'_>, pid: u32) -> Result<(), Stop> {
    server.set_property(slot::MANAGER_PID, Owned::long(pid.into()))
}

/// How a manager came to its end.
enum Managed {
    /// With the server.
    Ended(Result<(), Stop>),
    /// By becoming a worker, which has ended.
    Worker(Result<(), Stop>),
}

/// Keeps the workers running.
fn run_manager(server: Object<'_>, common: &Common, manager: Manager) -> io::Result<Managed> {
    let managed = manage(server, common, manager);
    if !matches!(managed, Ok(Managed::Worker(_))) {
        leave_manager();
    }
    managed
}

/// A callback of the manager's that does not return ends the server.
fn manage(server: Object<'_>, common: &Common, mut manager: Manager) -> io::Result<Managed> {
    let shared = &common.shared;
    let dispatch = Dispatch::of(server, shared);
    let mut called = Ok(());
    loop {
        let besides = match called.and_then(|()| pump_managers()) {
            Ok(besides) => besides,
            Err(stop) => {
                if called.is_ok() {
                    called = Err(stop);
                    manager.end();
                    shared.exchange.shut_down();
                }
                leave_manager();
                manager.leave_seat();
                Besides::default()
            }
        };
        let happened = manager.wait(&besides)?;
        if called.is_err() && !matches!(happened, Happened::Forked(_) | Happened::Ended) {
            continue;
        }
        called = match happened {
            Happened::Nothing => Ok(()),
            Happened::Forked(seat) => {
                forked();
                common.service.forked();
                let served = match seat.role {
                    Role::User => serve_user(server, common, seat),
                    Role::Worker | Role::Task => serve(server, common, seat),
                    Role::Manager => return Err(io::Error::other("no manager forks another one")),
                };
                return Ok(Managed::Worker(served));
            }
            Happened::Started => {
                if !shared.has_reactors {
                    common.service.tell_ready();
                }
                join_as_manager(server, shared, manager.take_seat())?;
                dispatch.tell(Event::ManagerStart)
            }
            Happened::Failed { place, pid, ended } => {
                let (code, signal) = match ended {
                    Ended::Exited(code) => (code, 0),
                    Ended::Killed(signal) => (0, signal),
                };
                let numbers = [place as i64, pid.as_raw_pid().into(), code.into(), signal.into()];
                dispatch.tell_of_failure(numbers)
            }
            Happened::ReloadBegins => dispatch.tell(Event::BeforeReload),
            Happened::ReloadEnded => dispatch.tell(Event::AfterReload),
            Happened::Ending if shared.has_reactors => Ok(()),
            Happened::Ending => before_shutdown::tell(&dispatch, pump_managers, |besides| manager.pause(besides))?,
            Happened::Ended => {
                called = called.and_then(|()| dispatch.tell(Event::ManagerStop));
                return Ok(Managed::Ended(called));
            }
        };
        if called.is_err() {
            manager.end();
            shared.exchange.shut_down();
        }
    }
}

/// What is due in the manager, what others have sent it included: what it is to wait for besides.
fn pump_managers() -> Result<Besides, Stop> {
    if worker::exists() {
        worker::wait(Some(Duration::ZERO))?;
    }
    let besides = event_loop::pump()?;
    Ok(if worker::may_sleep() { besides } else { Besides { limit: Some(Duration::ZERO), ..besides } })
}

/// How a manager or worker leaves `start()`: nothing of the script behind it runs there, nor does it catch anything.
pub(crate) fn end_of_child(result: Result<(), Stop>) -> Stop {
    if result == Err(Stop::Bailout) || exception::settle() == Err(Stop::Bailout) {
        return Stop::Bailout;
    }
    if exception::pending() { Stop::Thrown } else { exception::unwind_exit() }
}

/// What a worker holds of the server goes before PHP itself does.
fn leave() {
    server::leave();
    worker::remove();
    serial::forget();
    dispatch::set_current(None);
}

/// What the loops that have the connections are told.
pub(crate) fn settings(shared: &Shared) -> Vec<Settings> {
    shared.ports.iter().map(|port| port.settings(&shared.config)).collect()
}

/// In a child process, right after the fork.
pub(crate) fn forked() {
    process::forked();
    signals::forked();
    scheduler::forked();
    // The parent's to release.
    std::mem::forget((event_loop::take_all(), timer::take_all(), task::take_all()));
    leave_manager();
    registry::enable(false);
}

/// What `$server->setting` shows once the server runs.
fn show_settings(server: Object<'_>, shared: &Shared) -> Result<(), Stop> {
    let mut setting = match Array::of(server.property(slot::SETTING)) {
        Some(setting) => setting,
        None => Array::new(8)?,
    };
    let config = &shared.config;
    for (name, number) in [
        ("worker_num", config.workers),
        ("task_worker_num", config.task_workers),
        ("output_buffer_size", config.push_bytes_max),
        ("max_connection", config.max_connection),
    ] {
        setting.set(name, Owned::long(number as i64))?;
    }
    let protocol = shared.ports[0].protocol;
    if protocol != Protocol::Raw {
        setting.set("open_http_protocol", Owned::bool(true))?;
        setting.set("open_websocket_protocol", Owned::bool(protocol == Protocol::WebSocket))?;
        for name in ["open_mqtt_protocol", "open_eof_check", "open_length_check"] {
            setting.set(name, Owned::bool(false))?;
        }
    }
    server.set_property(slot::SETTING, setting.into_value())?;
    let Some(objects) = Array::of(server.property(slot::PORTS)) else { return Ok(()) };
    for (_, object) in objects.elements() {
        // A script may have put anything there.
        let Some(object) = object.as_object().filter(|object| object.is(Class::Port)) else { continue };
        if object.property(port::slot::SETTING).is_null() {
            object.set_property(port::slot::SETTING, server.property(slot::SETTING))?;
        }
    }
    Ok(())
}

methods! {
    fn zim_Swoole_Server_start(call) {
        call.count(0, 0)?;
        let done = start(call)?;
        call.give_bool(done);
        Ok(())
    }
}
