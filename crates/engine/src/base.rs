//! Forked workers, each with its own loop, and a manager that replaces them.

use crate::config::Config;
use crate::dispatch::{self, Dispatch, Handlers};
use crate::listener::Listener;
use crate::manager::{Manager, Role, Seat};
use crate::reactor::Reactor;
use crate::server::{Attempt, Server, StartError};
use crate::worker;
use rustix::process::getpid;
use std::io::{self, Write};
use std::sync::Arc;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::process::threads;

pub(crate) fn start(
    server: &Server,
    config: &Config,
    listener: &Listener,
    handlers: &Arc<Handlers>,
    started: &dyn Fn(Server),
) -> Result<(), StartError> {
    let others = threads().attempt("cannot count the threads")?.saturating_sub(1);
    if others > 0 {
        return Err(StartError::Threads(others));
    }
    // What is still in the buffer would be printed by each worker.
    let _ = io::stdout().flush();
    let manager = Manager::new(server.shared.table.clone(), config.workers, config.max_wait_time);
    let manager = manager.attempt("cannot watch for signals")?.with_listener(listener.clone());
    let role = manager.run(&server.shared.master);
    match role.attempt("cannot manage the workers")? {
        Role::Master => Ok(()),
        Role::Worker(seat) => {
            let served = serve(server, config, listener, handlers, started, &seat);
            if let Err(error) = &served {
                tracing::error!("worker {} ends: {error}", seat.worker);
            }
            let _ = io::stdout().flush();
            std::process::exit(i32::from(served.is_err()))
        }
    }
}

fn serve(
    server: &Server,
    config: &Config,
    listener: &Listener,
    handlers: &Arc<Handlers>,
    started: &dyn Fn(Server),
    seat: &Seat,
) -> io::Result<()> {
    let worker = seat.worker;
    let shared = &server.shared;
    let settings = config.settings(Protocol::WebSocket, handlers.request.is_some(), false);
    let mut reactor = Reactor::new(config, settings, listener, shared.table.clone(), shared.doorbells.clone(), worker)?;
    reactor.watch_signals(&seat.signals)?;
    shared.table.attach(worker, getpid());
    dispatch::enter(server, worker, true);
    started(server.clone());
    let mut dispatch = Dispatch::new(server.clone(), handlers.clone(), config);
    worker::run(&mut reactor, &mut dispatch, server, worker, Some(&seat.signals), config.max_wait_time)
}
