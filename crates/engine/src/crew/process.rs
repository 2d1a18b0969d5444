//! A task worker, or a process of the program's own, forked by the manager.

use crate::base::join;
use crate::config::Config;
use crate::crew::Role;
use crate::crew::duties::panic_text;
use crate::dispatch::Dispatch;
use crate::manager::Seat;
use crate::port::Ports;
use crate::server::{Server, Started};
use crate::station::Station;
use crate::worker;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{Builder, JoinHandle};

/// From its first task to its last.
pub(crate) fn serve(
    server: &Server,
    config: &Config,
    ports: &Ports,
    started: &Started<'_>,
    seat: Seat,
) -> io::Result<()> {
    let (role, place, number) = (seat.role, seat.place, seat.seat);
    let mut station = Station::elsewhere(join(server, seat), config.max_wait_time)?;
    started(server, role)?;
    let mut dispatch = Dispatch::new(server.clone(), ports.clone(), number);
    if role == Role::Task {
        return worker::run(&mut station, &mut dispatch, server, None, config.requests_of_a_task_worker());
    }
    // What the program does blocks as long as it likes: others are listened to meanwhile.
    let crew = server.shared.crew;
    let program = run_beside(server, place - crew.workers - crew.tasks, number)?;
    worker::run(&mut station, &mut dispatch, server, None, None)?;
    program.join().unwrap_or(Ok(()))
}

fn run_beside(server: &Server, number: usize, seat: usize) -> io::Result<JoinHandle<io::Result<()>>> {
    let server = server.clone();
    Builder::new().name(format!("wirewool-process-{number}")).spawn(move || {
        let shared = &server.shared;
        let ran = panic::catch_unwind(AssertUnwindSafe(|| (shared.duties.processes[number])(&server)));
        // The loop of this process ends then.
        shared.stopping.store(true, SeqCst);
        shared.exchange.doorbell(seat).ring();
        ran.map_err(|payload| io::Error::other(format!("it panicked: {}", panic_text(&*payload))))
    })
}
