//! Forked workers, each with its own loop, and a manager that replaces them.

use crate::config::Config;
use crate::crew::{self, Role};
use crate::dispatch::{self, Dispatch};
use crate::listener::Listeners;
use crate::manager::{Besides, Happened, Manager, Plan, Seat};
use crate::port::Ports;
use crate::reactor::Reactor;
use crate::server::{Attempt, Server, StartError, Started};
use crate::service::affinity;
use crate::station::{Among, Station, Way};
use crate::worker;
use std::io::{self, Write};
use std::process::exit;
use wirewool_ipc::process::threads;
use wirewool_ipc::signal::{Signal, Signals};

pub(crate) fn start(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
    started: &Started<'_>,
) -> Result<(), StartError> {
    refuse_threads()?;
    // What is still in the buffer would be printed by each worker.
    let _ = io::stdout().flush();
    let plan = Plan {
        crew: server.shared.crew,
        max_wait: config.max_wait_time,
        reload_async: config.reload_async,
        workers_own: true,
        has_master: false,
    };
    let signals = Signals::install(&[Signal::Term, Signal::Int]).attempt("cannot watch for signals")?;
    let (table, exchange) = (server.shared.table.clone(), server.shared.exchange.clone());
    let manager = Manager::new(plan, table, exchange, listeners.clone(), signals);
    let serve = |seat: Seat| serve(server, config, listeners, ports, started, seat);
    manage(manager.attempt("cannot watch for signals")?, &serve).attempt("cannot manage the workers")
}

/// A fork takes only the thread that calls it along.
pub(crate) fn refuse_threads() -> Result<(), StartError> {
    match threads().attempt("cannot count the threads")?.saturating_sub(1) {
        0 => Ok(()),
        others => Err(StartError::Threads(others)),
    }
}

/// Keeps the workers running, until the server has ended. Does not return in a worker.
pub(crate) fn manage(mut manager: Manager, serve: &dyn Fn(Seat) -> io::Result<()>) -> io::Result<()> {
    loop {
        match manager.wait(&Besides::default())? {
            Happened::Forked(seat) => {
                let place = seat.place;
                let served = serve(seat);
                if let Err(error) = &served {
                    tracing::error!("worker {place} ends: {error}");
                }
                let _ = io::stdout().flush();
                exit(i32::from(served.is_err()))
            }
            Happened::Ended => return Ok(()),
            Happened::ReloadBegins => tracing::info!("all workers are replaced"),
            Happened::ReloadEnded => tracing::info!("all workers have been replaced"),
            // The manager has logged it.
            Happened::Started | Happened::Ending | Happened::Failed { .. } | Happened::Nothing => {}
        }
    }
}

fn serve(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
    started: &Started<'_>,
    seat: Seat,
) -> io::Result<()> {
    if seat.role != Role::Worker {
        return crew::process::serve(server, config, ports, started, seat);
    }
    affinity::stay(config, seat.place)?;
    let shared = &server.shared;
    let (table, exchange) = (shared.table.clone(), shared.exchange.clone());
    let reactor = Reactor::new(config, ports.settings(), listeners, table, exchange, seat.seat)?;
    let number = seat.seat;
    let among = join(server, seat);
    started(server, Role::Worker)?;
    let mut station = Station::own(reactor, Some(among), config.max_wait_time)?;
    let mut dispatch = Dispatch::new(server.clone(), ports.clone(), number);
    let handled_max = config.requests_of_a_worker();
    worker::run(&mut station, &mut dispatch, server, shared.inboxes.first(), handled_max)
}

/// This process is a worker among others from now on, and its handles reach their connections.
pub(crate) fn join(server: &Server, seat: Seat) -> Among {
    let shared = &server.shared;
    let way = Way::new(shared.table.clone(), shared.exchange.clone(), shared.crew, seat.seat, shared.limits);
    // Nobody was before it: this is a new process.
    let _ = shared.way.set(way.clone());
    dispatch::enter(server, seat.place, true);
    dispatch::enter_process(seat.seat);
    Among { seat: seat.seat, crew: shared.crew, exchange: shared.exchange.clone(), signals: Some(seat.signals), way }
}
