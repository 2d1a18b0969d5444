//! `start()`: from a server that is set up to processes that serve.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use wirewool_engine::config::{Config, DispatchMode};
use wirewool_engine::listener::{Listener, Listeners};
use wirewool_engine::manager::{Besides, Happened, Manager, Plan, Seat};
use wirewool_engine::master::{Master, News, Side};
use wirewool_engine::reactor::Reactor;
use wirewool_engine::remote::Limits;
use wirewool_engine::station::{Among, Station, Way};
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::process::{Ended, is_foreign, mark_foreign_children, raise_descriptor_limit, threads};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;

use crate::array::Array;
use crate::connections::Walk;
use crate::coroutine::context::Job;
use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::event_loop;
use crate::exception;
use crate::guard::Stop;
use crate::iterator::Connections;
use crate::last_error;
use crate::log;
use crate::method::{Call, methods};
use crate::port::{self, Serving};
use crate::process;
use crate::sending::{self, Patience};
use crate::serial;
use crate::server::{self, MODE_PROCESS, Phase, Server, Shared, slot};
use crate::timer;
use crate::warning;
use crate::worker::{self, Parts};
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
struct Common {
    shared: Rc<Shared>,
}

fn prepare(server: Object<'_>, state: &Server, mut config: Config, ports: Vec<Serving>) -> io::Result<Common> {
    let descriptors = usize::try_from(raise_descriptor_limit()?).unwrap_or(usize::MAX);
    config.max_connection = config.max_connection.min(descriptors);
    log::open(config.log_file.as_deref(), config.log_level)?;
    let others = threads()?.saturating_sub(1);
    if others > 0 {
        let message = format!("workers are forked, but this process has {others} other threads");
        return Err(io::Error::other(message));
    }
    let mut listeners = Vec::new();
    for (port, serving) in state.ports().iter().zip(&ports) {
        let socket = port.take_socket().ok_or_else(|| io::Error::other("a port has no socket"))?;
        let listener = Listener::adopt(OwnedFd::from(socket))?;
        listener.listen(serving.config.backlog, serving.config.tcp_nodelay)?;
        listeners.push(listener);
    }
    mark_foreign_children()?;
    let has_reactors = server.property(slot::MODE).as_long() == Some(MODE_PROCESS);
    // Each worker has a second seat, for its successor; whoever has connections is an owner.
    let workers = 2 * config.workers;
    let (seats, owners) = if has_reactors { (config.reactors + workers, config.reactors) } else { (workers, workers) };
    let table = Arc::new(Table::new(owners, config.max_connection)?);
    let exchange = Arc::new(Exchange::new(seats, config.ring_bytes)?);
    let shared = Rc::new(Shared {
        table,
        exchange,
        config: Arc::new(config),
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
    Ok(Common { shared })
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
    let common = match prepare(server, state, config, ports) {
        Ok(common) => common,
        Err(error) => {
            let code = error.raw_os_error().map_or(0, i64::from);
            last_error::set(code);
            return Err(exception::throw(Class::Exception, code, &format!("failed to start the server: {error}")));
        }
    };
    show_settings(server, &common.shared)?;
    let pid = Owned::long(std::process::id().into());
    server.set_property(slot::MASTER_PID, Owned::copy(&pid))?;
    server.set_property(slot::MANAGER_PID, pid)?;
    state.set_shared(common.shared.clone());
    state.set_phase(Phase::Running);
    // The children would print what is buffered here once more.
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
            let code = error.raw_os_error().map_or(0, i64::from);
            return Err(exception::throw(Class::Exception, code, &format!("the server cannot run: {error}")));
        }
    };
    ENDED.store(true, Ordering::Relaxed);
    common.shared.listeners.iter().for_each(Listener::remove_file);
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
        workers: shared.config.workers,
        first_seat: shared.first_seat(),
        max_wait: shared.config.max_wait_time,
        reload_async: shared.config.reload_async,
        workers_own: !shared.has_reactors,
        has_master: shared.has_reactors,
    }
}

/// Master and manager in one.
fn run_alone(server: Object<'_>, common: &Common) -> io::Result<Left> {
    let Common { shared } = common;
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
    let Common { shared } = common;
    let (table, exchange) = (shared.table.clone(), shared.exchange.clone());
    let mut master =
        match Master::fork(plan(shared), shared.config.reactors, table, exchange, shared.listeners.clone())? {
            Side::Master(master) => master,
            Side::Manager(manager) => {
                forked();
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
            News::Ending => called = called.and_then(|()| dispatch.tell(Event::BeforeShutdown)),
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

/// Keeps the workers running. A callback of the manager's that does not return ends the server.
fn run_manager(server: Object<'_>, common: &Common, mut manager: Manager) -> io::Result<Managed> {
    let shared = &common.shared;
    let dispatch = Dispatch::of(server, shared);
    let mut called = Ok(());
    loop {
        let besides = match called.and_then(|()| event_loop::pump()) {
            Ok(besides) => besides,
            Err(stop) => {
                if called.is_ok() {
                    called = Err(stop);
                    manager.end();
                    shared.exchange.shut_down();
                }
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
                return Ok(Managed::Worker(serve(server, common, seat)));
            }
            Happened::Started => dispatch.tell(Event::ManagerStart),
            Happened::Failed { worker, pid, ended } => {
                let (code, signal) = match ended {
                    Ended::Exited(code) => (code, 0),
                    Ended::Killed(signal) => (0, signal),
                };
                let numbers = [worker as i64, pid.as_raw_pid().into(), code.into(), signal.into()];
                dispatch.tell_numbers(Event::WorkerError, numbers)
            }
            Happened::ReloadBegins => dispatch.tell(Event::BeforeReload),
            Happened::ReloadEnded => dispatch.tell(Event::AfterReload),
            Happened::Ending if shared.has_reactors => Ok(()),
            Happened::Ending => dispatch.tell(Event::BeforeShutdown),
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

/// How a manager or worker leaves `start()`: nothing of the script behind it runs there, nor does it catch anything.
fn end_of_child(result: Result<(), Stop>) -> Stop {
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
fn settings(shared: &Shared) -> Vec<Settings> {
    shared.ports.iter().map(|port| port.settings(&shared.config)).collect()
}

/// The place of a worker among the processes of the server.
fn station(common: &Common, seat: Seat) -> io::Result<Station> {
    let Common { shared } = common;
    let (table, exchange, config) = (shared.table.clone(), shared.exchange.clone(), &shared.config);
    let limits = Limits { push_bytes_max: config.push_bytes_max, outbox_bytes_max: config.outbox_bytes_max };
    let Seat { seat, signals, .. } = seat;
    let way = Way::new(table.clone(), exchange.clone(), seat, limits);
    let among = Among { seat, exchange: exchange.clone(), signals, way };
    if shared.has_reactors {
        return Station::elsewhere(among, config.max_wait_time);
    }
    let reactor = Reactor::new(config, settings(shared), &shared.listeners, table, exchange, seat)?;
    Station::own(reactor, Some(among), config.max_wait_time)
}

/// A worker, from its first callback to its last.
fn serve(server: Object<'_>, common: &Common, seat: Seat) -> Result<(), Stop> {
    let shared = &common.shared;
    let (id, number, successor) = (seat.worker, seat.seat, seat.successor);
    server.set_property(slot::WORKER_ID, Owned::long(id as i64))?;
    server.set_property(slot::WORKER_PID, Owned::long(std::process::id().into()))?;
    let dispatch = Rc::new(Dispatch::of(server, shared));
    dispatch::set_current(Some(dispatch.clone()));
    let station = match station(common, seat) {
        Ok(station) => station,
        Err(error) => {
            tracing::error!("worker {id} has no event loop: {error}");
            process::set_exit_status(1);
            return Err(Stop::Thrown);
        }
    };
    let by_fd = matches!(shared.config.dispatch, DispatchMode::Fixed | DispatchMode::Round | DispatchMode::Idle);
    worker::install(Parts {
        station,
        table: shared.table.clone(),
        id,
        seat: number,
        workers: shared.config.workers,
        by_fd,
        requests_left: shared.config.requests_of_a_worker(),
        tells_connected: shared.has(Event::Connect),
    });
    registry::enable(shared.config.coroutines);
    registry::set_max(shared.config.coroutines_max);
    let waits = shared.config.send_yield.unwrap_or(shared.config.coroutines);
    sending::set_patience(Patience { waits, time_max: shared.config.send_timeout });
    let mut first: VecDeque<Job> = VecDeque::new();
    if id == 0 && !successor && !shared.has_reactors {
        let begins = dispatch.clone();
        first.push_back(Box::new(move || begins.call(Event::Start, [begins.server()])));
    }
    let begins = dispatch.clone();
    let number = Owned::long(id as i64);
    first.push_back(Box::new(move || begins.call(Event::WorkerStart, [begins.server(), number])));
    let ran = scheduler::run(first);
    scheduler::end().and(ran)?;
    dispatch.tell_numbers(Event::WorkerStop, [id as i64])
}

/// In a child process, right after the fork.
fn forked() {
    process::forked();
    scheduler::forked();
    event_loop::forked();
    timer::forked();
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
        ("task_worker_num", 0),
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
