//! Worker threads in one process.

use crate::config::Config;
use crate::dispatch::{self, Dispatch};
use crate::listener::Listeners;
use crate::port::Ports;
use crate::reactor::Reactor;
use crate::server::{Attempt, Server, StartError};
use crate::station::Station;
use crate::worker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use wirewool_ipc::signal::{Blocked, Signal, Signals};

/// What a worker gets beyond `max_wait_time` to come to its end.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) fn start(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
    started: &dyn Fn(Server) -> io::Result<()>,
) -> Result<(), StartError> {
    // The signals go to the first server of a process; another one ends by its handle.
    let signals = Signals::install(&[Signal::Term, Signal::Int]).ok();
    started(server.clone()).attempt("cannot begin")?;
    let threads = spawn(server, config, listeners, ports)?;
    let result = oversee(server, listeners, signals.as_ref(), &threads, config.max_wait_time).attempt("cannot wait");
    server.shutdown();
    server.shared.ended.store(true, SeqCst);
    let mut busy = 0;
    for thread in threads {
        if thread.is_finished() {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        } else {
            busy += 1;
            tracing::error!("{} is still busy and is left behind", thread.thread().name().unwrap_or("a worker"));
        }
    }
    if busy > 0 { Err(StartError::Busy(busy)) } else { result }
}

fn spawn(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let shared = &server.shared;
    for seat in 0..config.workers {
        shared.exchange.seat_next(seat);
    }
    // Threads inherit it: signals are for the thread that called `start`.
    let blocked = Blocked::all().attempt("cannot block signals")?;
    let (ready, results) = mpsc::channel();
    let mut threads = Vec::new();
    for worker in 0..config.workers {
        let name = format!("wirewool-{worker}");
        let (ready, server, config) = (ready.clone(), server.clone(), config.clone());
        let (listeners, ports) = (listeners.clone(), ports.clone());
        let spawned = Builder::new().name(name).spawn(move || {
            let _word = LastWord(server.clone());
            serve(&server, &config, &listeners, &ports, worker, ready);
        });
        threads.push(spawned);
    }
    drop((blocked, ready));
    // All of them are ready, or the server does not start.
    let mut result = results.iter().collect::<io::Result<()>>();
    let mut running = Vec::new();
    for thread in threads {
        match thread {
            Ok(thread) => running.push(thread),
            Err(error) => result = Err(error),
        }
    }
    if let Err(error) = result {
        server.shutdown();
        for thread in running {
            // It ends at once, or has ended: there is no connection yet.
            let _ = thread.join();
        }
        return Err(error).attempt("cannot start a worker thread");
    }
    Ok(running)
}

/// What a worker does last, also if it panics: without it the server ends.
struct LastWord(Server);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// A worker thread: says whether it is ready, then serves.
fn serve(
    server: &Server,
    config: &Config,
    listeners: &Listeners,
    ports: &Ports,
    worker: usize,
    ready: mpsc::Sender<io::Result<()>>,
) {
    let shared = &server.shared;
    let reactor =
        Reactor::new(config, ports.settings(), listeners, shared.table.clone(), shared.exchange.clone(), worker);
    let station = reactor.and_then(|reactor| Station::own(reactor, None, config.max_wait_time));
    let (station, result) = match station {
        Ok(station) => (Some(station), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Whoever started this thread waits for the word.
    let _ = ready.send(result);
    drop(ready);
    let Some(mut station) = station else { return };
    dispatch::enter(server, None);
    let mut dispatch = Dispatch::new(server.clone(), ports.clone(), worker);
    // A thread is not replaced, however much it handles.
    let config = Config { max_request: 0, ..config.clone() };
    if let Err(error) = worker::run(&mut station, &mut dispatch, server, shared.inboxes.get(worker), &config) {
        tracing::error!("worker {worker} ends: {error}");
    }
}

/// Waits for the end: a signal, `shutdown`, or a worker that ended by itself.
fn oversee(
    server: &Server,
    listeners: &Listeners,
    signals: Option<&Signals>,
    threads: &[JoinHandle<()>],
    max_wait: Duration,
) -> io::Result<()> {
    let mut ends_at: Option<Instant> = None;
    loop {
        let done = threads.iter().filter(|thread| thread.is_finished()).count();
        if done == threads.len() || ends_at.is_some_and(|at| at <= Instant::now()) {
            return Ok(());
        }
        if ends_at.is_none() && server.shared.stopping.load(SeqCst) {
            listeners.shut();
            server.shutdown();
            ends_at = Some(Instant::now() + max_wait + GRACE);
        }
        // A thread that ends rings just before it is finished: while ending, look again soon.
        let pause = ends_at.map(|_| Timespec { tv_sec: 0, tv_nsec: 20_000_000 });
        let mut waiting = vec![PollFd::new(server.shared.exchange.master(), PollFlags::IN)];
        waiting.extend(signals.map(|signals| PollFd::new(signals, PollFlags::IN)));
        match poll(&mut waiting, pause.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        server.shared.exchange.master().clear();
        if signals.is_some_and(|signals| signals.take().next().is_some()) {
            server.shared.stopping.store(true, SeqCst);
        }
    }
}
