//! A forked process of the server's, from its first callback to its last.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use wirewool_engine::config::DispatchMode;
use wirewool_engine::crew::Role;
use wirewool_engine::manager::Seat;
use wirewool_engine::reactor::Reactor;
use wirewool_engine::remote::Limits;
use wirewool_engine::service::affinity;
use wirewool_engine::station::{Among, Station, Way};
use wirewool_ipc::signal::Signals;

use crate::coroutine::context::Job;
use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::guard::Stop;
use crate::process;
use crate::sending::{self, Patience};
use crate::server::{self, Server, Shared, slot};
use crate::start::{Common, settings};
use crate::subprocess;
use crate::worker::{self, Parts};
use crate::zend::object::Object;
use crate::zend::value::Owned;

thread_local! {
    /// What this process of a server does; none in the master and the manager, and where no server runs.
    static ROLE: Cell<Option<Role>> = const { Cell::new(None) };
}

/// Does the server look after the signals of this process?
pub(crate) fn owns_signals() -> bool {
    match ROLE.get() {
        Some(role) => role != Role::User,
        None => server::is_running_here(),
    }
}

/// Has the server a loop of its own in this process?
pub(crate) fn has_loop() -> bool {
    server::is_running_here() && ROLE.get() != Some(Role::User)
}

/// Is this the master or the manager of a server?
pub(crate) fn is_master() -> bool {
    ROLE.get().is_none() && server::is_running_here()
}

/// In a child that the script has made in a process of the server's: it is none of them.
pub(crate) fn forked_by_script() {
    ROLE.set(None);
    if let Some(dispatch) = dispatch::current() {
        dispatch.shared().listeners.let_go(|_| true);
    }
    worker::forked();
}

/// The place of a process among those of the server, and what it does there.
fn station(shared: &Shared, role: Role, seat: usize, signals: Option<Signals>) -> io::Result<Station> {
    let (table, exchange, config) = (shared.table.clone(), shared.exchange.clone(), &shared.config);
    let limits = Limits { push_bytes_max: config.push_bytes_max, outbox_bytes_max: config.outbox_bytes_max };
    let way = Way::new(table.clone(), exchange.clone(), shared.crew, seat, limits);
    let among = Among { seat, crew: shared.crew, exchange: exchange.clone(), signals, way };
    if shared.has_reactors || role != Role::Worker {
        return Station::elsewhere(among, config.max_wait_time);
    }
    let reactor = Reactor::new(config, settings(shared), &shared.listeners, table, exchange, seat)?;
    Station::own(reactor, Some(among), config.max_wait_time)
}

/// A worker or task worker, from its first callback to its last.
pub(crate) fn serve(server: Object<'_>, common: &Common, seat: Seat) -> Result<(), Stop> {
    let shared = &common.shared;
    let (id, role, successor) = (seat.place, seat.role, seat.successor);
    let dispatch = join(server, common, seat)?;
    let is_enabled = if role == Role::Task { shared.config.task_coroutines } else { shared.config.coroutines };
    registry::enable(is_enabled);
    let waits = is_enabled && shared.config.send_yield.unwrap_or(true);
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

/// A process of the script's own, which the server keeps running.
pub(crate) fn serve_user(server: Object<'_>, common: &Common, seat: Seat) -> Result<(), Stop> {
    let shared = &common.shared;
    let number = seat.place - shared.crew.workers - shared.crew.tasks;
    let processes = server.state::<Server>().map(Server::processes).unwrap_or_default();
    let Some(process) = processes.get(number).and_then(|process| process.as_object()) else { return Ok(()) };
    join(server, common, seat)?;
    subprocess::run(process)
}

/// This process is one of the crew from now on.
fn join(server: Object<'_>, common: &Common, seat: Seat) -> Result<Rc<Dispatch>, Stop> {
    let shared = &common.shared;
    let (id, number, role) = (seat.place, seat.seat, seat.role);
    ROLE.set(Some(role));
    // The task workers and the script's own go wherever there is room.
    let stays = if role == Role::Worker { affinity::stay(&shared.config, id) } else { Ok(()) };
    if let Err(error) = stays.and_then(|()| common.service.become_worker()) {
        tracing::error!("{} cannot become who it is to be: {error}", shared.crew.name(id));
        process::set_exit_status(1);
        return Err(Stop::Thrown);
    }
    server.set_property(slot::WORKER_ID, Owned::long(id as i64))?;
    server.set_property(slot::TASKWORKER, Owned::bool(role == Role::Task))?;
    server.set_property(slot::WORKER_PID, Owned::long(std::process::id().into()))?;
    let dispatch = Rc::new(Dispatch::of(server, shared));
    dispatch::set_current(Some(dispatch.clone()));
    let station = match station(shared, role, number, Some(seat.signals)) {
        Ok(station) => station,
        Err(error) => {
            tracing::error!("{} has no event loop: {error}", shared.crew.name(id));
            process::set_exit_status(1);
            return Err(Stop::Thrown);
        }
    };
    install(shared, station, role, number);
    registry::set_max(shared.config.coroutines_max);
    Ok(dispatch)
}

fn install(shared: &Shared, station: Station, role: Role, seat: usize) {
    let crew = shared.crew;
    worker::install(Parts {
        station,
        table: shared.table.clone(),
        id: crew.place_of(seat).unwrap_or(crew.places()),
        seat,
        role,
        crew,
        by_fd: matches!(shared.config.dispatch, DispatchMode::Fixed | DispatchMode::Round | DispatchMode::Idle),
        requests_left: match role {
            Role::Worker => shared.config.requests_of_a_worker(),
            Role::Task => shared.config.requests_of_a_task_worker(),
            Role::User | Role::Manager => None,
        },
        tells_connected: shared.has(Event::Connect),
    });
}

/// The manager sends to connections and to the crew from now on.
///
/// # Errors
/// Those of epoll.
pub(crate) fn join_as_manager(server: Object<'_>, shared: &Rc<Shared>, seat: usize) -> io::Result<()> {
    let station = station(shared, Role::Manager, seat, None)?;
    dispatch::set_current(Some(Rc::new(Dispatch::of(server, shared))));
    install(shared, station, Role::Manager, seat);
    Ok(())
}

/// It sends nothing more: who could hear of it is gone, or this is a child of it.
pub(crate) fn leave_manager() {
    worker::forked();
    dispatch::set_current(None);
}
