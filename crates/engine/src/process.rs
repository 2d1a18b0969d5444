//! Connections in the master's reactors, handlers in forked workers, and a manager that replaces these.

use crate::base::{join, manage, refuse_threads};
use crate::config::Config;
use crate::crew::{self, Role};
use crate::dispatch::Dispatch;
use crate::listener::Listeners;
use crate::manager::{Besides, Plan, Seat};
use crate::master::{Master, News, Side};
use crate::port::Ports;
use crate::server::{Attempt, Server, StartError, Started};
use crate::service::affinity;
use crate::station::Station;
use crate::worker;
use std::io::{self, Write};
use std::process::exit;

pub(crate) fn start(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
    started: &Started<'_>,
) -> Result<(), StartError> {
    refuse_threads()?;
    // What is still in the buffer would be printed by each process.
    let _ = io::stdout().flush();
    let plan = Plan {
        crew: server.shared.crew,
        max_wait: config.max_wait_time,
        reload_async: config.reload_async,
        workers_own: false,
        has_master: true,
    };
    let (table, exchange) = (server.shared.table.clone(), server.shared.exchange.clone());
    let side = Master::fork(plan, table.clone(), exchange, listeners.clone());
    let mut master = match side.attempt("cannot fork the manager")? {
        Side::Master(master) => master,
        Side::Manager(manager) => {
            let managed = manage(manager, &|seat| serve(server, config, ports, started, seat));
            if let Err(error) = &managed {
                tracing::error!("the manager ends: {error}");
            }
            exit(i32::from(managed.is_err()))
        }
    };
    let mut reactors = Some(
        master.start(config, ports.settings(), ports.tells_connected(), table).attempt("cannot start the reactors")?,
    );
    loop {
        match master.next(&mut reactors, &Besides::default()).attempt("cannot wait")? {
            News::Ending | News::Nothing => {}
            News::Ended(true) => return Ok(()),
            News::Ended(false) => return Err(StartError::Failed),
        }
    }
}

/// A worker, from the first event to the last.
fn serve(server: &Server, config: &Config, ports: &Ports, started: &Started<'_>, seat: Seat) -> io::Result<()> {
    if seat.role != Role::Worker {
        return crew::process::serve(server, config, ports, started, seat);
    }
    let number = seat.seat;
    affinity::stay(config, seat.place)?;
    let among = join(server, seat);
    started(server, Role::Worker)?;
    let mut station = Station::elsewhere(among, config.max_wait_time)?;
    let mut dispatch = Dispatch::new(server.clone(), ports.clone(), number);
    worker::run(&mut station, &mut dispatch, server, None, config.requests_of_a_worker())
}
