//! `start()` and `shutdown()`: from a server that is set up to workers that serve.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wirewool_engine::config::Config;
use wirewool_engine::listener::Listener;
use wirewool_engine::manager::{Manager, Role, Seat};
use wirewool_engine::reactor::Reactor;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::process::{is_foreign, mark_foreign_children, raise_descriptor_limit, threads};
use wirewool_ipc::table::Table;

use crate::array::Array;
use crate::connections::{Local, NO_WORKER};
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::exception;
use crate::guard::Stop;
use crate::iterator::Connections;
use crate::last_error;
use crate::listener;
use crate::log;
use crate::method::{Call, methods};
use crate::process;
use crate::server::{Phase, Server, slot};
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

/// The callback without which a server makes no sense.
fn required(protocol: Protocol) -> (Event, &'static str) {
    match protocol {
        Protocol::WebSocket => (Event::Message, "require onMessage callback"),
        Protocol::Http => (Event::Request, "require onRequest callback"),
        Protocol::Raw => (Event::Receive, "require onReceive callback"),
    }
}

/// What all workers share.
struct Common {
    config: Arc<Config>,
    protocol: Protocol,
    listener: Listener,
    table: Arc<Table>,
    doorbells: Arc<[Doorbell]>,
    master: Arc<Doorbell>,
}

fn prepare(server: Object<'_>, state: &Server, protocol: Protocol) -> io::Result<Common> {
    let mut config = state.config();
    let descriptors = usize::try_from(raise_descriptor_limit()?).unwrap_or(usize::MAX);
    config.max_connection = config.max_connection.min(descriptors);
    log::open(config.log_file.as_deref(), config.log_level)?;
    let others = threads()?.saturating_sub(1);
    if others > 0 {
        let message = format!("workers are forked, but this process has {others} other threads");
        return Err(io::Error::other(message));
    }
    let socket = state.take_socket().ok_or_else(|| io::Error::other("the server has no socket"))?;
    let listener = Listener::adopt(OwnedFd::from(socket))?;
    listener.listen(config.backlog, config.tcp_nodelay)?;
    mark_foreign_children()?;
    let table = Arc::new(Table::new(config.workers, config.max_connection)?);
    let doorbells = (0..config.workers).map(|_| Doorbell::new()).collect::<io::Result<Vec<_>>>()?;
    if let Some(connections) = server.property(slot::CONNECTIONS).as_object().and_then(Object::state::<Connections>) {
        connections.bind(Some(Rc::new(Local::new(table.clone()))));
    }
    let master = Arc::new(Doorbell::new()?);
    Ok(Common { config: Arc::new(config), protocol, listener, table, doorbells: doorbells.into(), master })
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
    if ENDED.load(Ordering::Relaxed) || is_foreign() {
        warning::warn("the server has ended, a process starts one only once")?;
        return Ok(false);
    }
    let protocol = protocol(server);
    let (event, message) = required(protocol);
    if state.callback(event).is_none() {
        return Err(warning::fatal(message));
    }
    let common = match prepare(server, state, protocol) {
        Ok(common) => common,
        Err(error) => {
            let code = error.raw_os_error().map_or(0, i64::from);
            last_error::set(code);
            return Err(exception::throw(Class::Exception, code, &format!("failed to start the server: {error}")));
        }
    };
    show_settings(server, &common)?;
    let pid = Owned::long(std::process::id().into());
    server.set_property(slot::MASTER_PID, Owned::copy(&pid))?;
    server.set_property(slot::MANAGER_PID, pid)?;
    state.set_master(common.master.clone());
    state.set_phase(Phase::Running);
    // The children would print what is buffered here once more.
    process::flush_output()?;
    manage(server, state, &common)?;
    Ok(true)
}

/// Runs the manager; in a worker, its loop. Only the master returns `Ok`.
fn manage(server: Object<'_>, state: &Server, common: &Common) -> Result<(), Stop> {
    let manager = Manager::new(common.table.clone(), common.config.workers, common.config.max_wait_time);
    match manager.and_then(|manager| manager.with_listener(common.listener.clone()).run(&common.master)) {
        Ok(Role::Worker(seat)) => {
            process::forked();
            let result = serve(server, common, seat);
            leave();
            Err(end_of_worker(result))
        }
        Ok(Role::Master) => {
            ENDED.store(true, Ordering::Relaxed);
            listener::remove_file(&common.listener);
            let dispatch = Dispatch::new(server, common.config.clone(), common.protocol, 0);
            let called = dispatch.call(Event::Shutdown, [Owned::object(server)]);
            state.set_phase(Phase::Constructed);
            dispatch::within_method(called)
        }
        Err(error) => {
            state.set_phase(Phase::Constructed);
            ENDED.store(true, Ordering::Relaxed);
            let code = error.raw_os_error().map_or(0, i64::from);
            Err(exception::throw(Class::Exception, code, &format!("the server cannot run: {error}")))
        }
    }
}

/// How a worker leaves `start()`: nothing of the script behind it runs in a worker, nor does it catch anything.
fn end_of_worker(result: Result<(), Stop>) -> Stop {
    if result == Err(Stop::Bailout) || exception::settle() == Err(Stop::Bailout) {
        return Stop::Bailout;
    }
    if exception::pending() { Stop::Thrown } else { exception::unwind_exit() }
}

/// What a worker holds of the server goes before PHP itself does.
fn leave() {
    worker::remove();
    dispatch::set_current(None);
}

/// A worker, from its first callback to its last.
fn serve(server: Object<'_>, common: &Common, seat: Seat) -> Result<(), Stop> {
    let Common { config, protocol, listener, table, doorbells, .. } = common;
    let id = seat.worker;
    server.set_property(slot::WORKER_ID, Owned::long(id as i64))?;
    server.set_property(slot::WORKER_PID, Owned::long(std::process::id().into()))?;
    let dispatch = Rc::new(Dispatch::new(server, config.clone(), *protocol, id));
    dispatch::set_current(Some(dispatch.clone()));
    let state = server.state::<Server>().ok_or(Stop::Thrown)?;
    let settings = config.settings(
        *protocol,
        state.callback(Event::Request).is_some(),
        state.callback(Event::Handshake).is_some(),
    );
    let reactor = Reactor::new(config, settings, listener, table.clone(), doorbells.clone(), id);
    let reactor = reactor.and_then(|mut reactor| {
        reactor.watch_signals(&seat.signals)?;
        Ok(reactor)
    });
    let reactor = match reactor {
        Ok(reactor) => reactor,
        Err(error) => {
            tracing::error!("worker {id} has no event loop: {error}");
            process::set_exit_status(1);
            return Err(Stop::Thrown);
        }
    };
    worker::install(Parts {
        reactor,
        table: table.clone(),
        id,
        port: listener.address().map_or(0, |address| address.port()),
        server_descriptor: listener.as_fd().as_raw_fd(),
        socket_type: server.property(slot::TYPE).as_long().unwrap_or(0),
        signals: seat.signals,
        max_wait: config.max_wait_time,
        tells_connected: state.callback(Event::Connect).is_some(),
    });
    if id == 0 && !seat.successor {
        dispatch.call(Event::Start, [Owned::object(server)])?;
    }
    dispatch.call(Event::WorkerStart, [Owned::object(server), Owned::long(id as i64)])?;
    // From here on connections may be handed to this worker.
    table.attach(id, rustix::process::getpid());
    worker::run(&|fd, item| dispatch.handle(fd, item), &|callback| worker::call(callback, []))?;
    dispatch.call(Event::WorkerStop, [Owned::object(server), Owned::long(id as i64)])
}

/// What `$server->setting` shows once the server runs.
fn show_settings(server: Object<'_>, common: &Common) -> Result<(), Stop> {
    let mut setting = match Array::of(server.property(slot::SETTING)) {
        Some(setting) => setting,
        None => Array::new(8)?,
    };
    let config = &common.config;
    for (name, number) in [
        ("worker_num", config.workers),
        ("task_worker_num", 0),
        ("output_buffer_size", config.push_bytes_max),
        ("max_connection", config.max_connection),
    ] {
        setting.set(name, Owned::long(number as i64))?;
    }
    if common.protocol != Protocol::Raw {
        setting.set("open_http_protocol", Owned::bool(true))?;
        setting.set("open_websocket_protocol", Owned::bool(common.protocol == Protocol::WebSocket))?;
        for name in ["open_mqtt_protocol", "open_eof_check", "open_length_check"] {
            setting.set(name, Owned::bool(false))?;
        }
    }
    server.set_property(slot::SETTING, setting.into_value())
}

/// Ends the server, from whichever of its processes.
fn shutdown(call: &Call<'_>) -> Result<bool, Stop> {
    let state = call.state::<Server>()?;
    let running = state.phase() == Phase::Running;
    // Not a signal: $master_pid is a property that the script may write to.
    if running && !is_foreign() && state.ring_master() {
        return Ok(true);
    }
    last_error::set(last_error::WRONG_OPERATION);
    warning::warn(if running { NO_WORKER } else { "server is not running" })?;
    Ok(false)
}

methods! {
    fn zim_Swoole_Server_start(call) {
        call.count(0, 0)?;
        let done = start(call)?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Server_shutdown(call) {
        call.count(0, 0)?;
        let done = shutdown(call)?;
        call.give_bool(done);
        Ok(())
    }
}
