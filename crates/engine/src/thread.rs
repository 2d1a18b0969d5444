//! Worker threads in one process.

use crate::config::Config;
use crate::crew::{self, Role};
use crate::dispatch::{self, Dispatch};
use crate::listener::Listeners;
use crate::port::Ports;
use crate::reactor::Reactor;
use crate::server::{Attempt, Server, StartError, Started};
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
    started: &Started<'_>,
) -> Result<(), StartError> {
    // The signals go to the first server of a process; another one ends by its handle.
    let signals = Signals::install(&[Signal::Term, Signal::Int]).ok();
    // Nobody does anything for whoever waits in there: the crew comes behind it.
    dispatch::enter(server, 0, true);
    let begun = started(server, Role::Worker);
    dispatch::leave();
    begun.attempt("cannot begin")?;
    let threads = spawn(server, config, listeners, ports)?;
    let result = oversee(server, listeners, signals.as_ref(), &threads, config.max_wait_time).attempt("cannot wait");
    server.shutdown();
    server.shared.ended.store(true, SeqCst);
    server.shared.pending.end();
    let mut busy = 0;
    for thread in threads.workers.into_iter().chain(threads.others) {
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

/// The threads of a running server.
struct Threads {
    workers: Vec<JoinHandle<()>>,
    /// Task workers, and what the program runs by itself.
    others: Vec<JoinHandle<()>>,
}

impl Threads {
    fn all(&self) -> impl Iterator<Item = &JoinHandle<()>> {
        self.workers.iter().chain(&self.others)
    }
}

fn spawn(server: &Server, config: &Config, listeners: &Listeners, ports: &Ports) -> Result<Threads, StartError> {
    let shared = &server.shared;
    for seat in 0..shared.crew.places() {
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
    drop(ready);
    // All of them are ready, or the server does not start, nor does anything of the program's own.
    let mut result = results.iter().collect::<io::Result<()>>();
    let others = if result.is_ok() && threads.iter().all(Result::is_ok) { spawn_others(server) } else { Vec::new() };
    drop(blocked);
    let mut running = Threads { workers: Vec::new(), others: Vec::new() };
    for (of, threads) in [(&mut running.workers, threads), (&mut running.others, others)] {
        for thread in threads {
            match thread {
                Ok(thread) => of.push(thread),
                Err(error) => result = Err(error),
            }
        }
    }
    if let Err(error) = result {
        server.shared.exchange.set_final();
        server.shutdown();
        for thread in running.workers {
            // It ends at once, or has ended: there is no connection yet.
            let _ = thread.join();
        }
        // What the program runs by itself may take its time: it is told, and left behind.
        running.others.iter().for_each(|thread| thread.thread().unpark());
        server.shared.ended.store(true, SeqCst);
        server.shared.pending.end();
        return Err(error).attempt("cannot start a worker thread");
    }
    Ok(running)
}

/// Task workers, and what the program runs by itself: beside each of these, a thread takes what it is sent.
fn spawn_others(server: &Server) -> Vec<io::Result<JoinHandle<()>>> {
    let crew = server.shared.crew;
    let begin = |name: String, run: fn(&Server, usize, usize), place: usize, number: usize| {
        let server = server.clone();
        Builder::new().name(name).spawn(move || {
            let _word = LastWord(server.clone());
            run(&server, place, number);
        })
    };
    let serve = |server: &Server, place: usize, _: usize| crew::thread::serve(server, place);
    let mut threads = Vec::new();
    for place in crew.workers..crew.places() {
        threads.push(begin(format!("wirewool-{place}"), serve, place, 0));
    }
    for number in 0..crew.users {
        let place = crew.workers + crew.tasks + number;
        threads.push(begin(format!("wirewool-process-{number}"), crew::thread::run_process, place, number));
    }
    threads
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
    dispatch::enter(server, worker, true);
    let mut dispatch = Dispatch::new(server.clone(), ports.clone(), worker);
    // A thread is not replaced, however much it handles.
    if let Err(error) = worker::run(&mut station, &mut dispatch, server, shared.inboxes.get(worker), None) {
        tracing::error!("worker {worker} ends: {error}");
    }
}

/// Waits for the end: a signal, `shutdown`, or a worker that ended by itself.
fn oversee(
    server: &Server,
    listeners: &Listeners,
    signals: Option<&Signals>,
    threads: &Threads,
    max_wait: Duration,
) -> io::Result<()> {
    let mut ends_at: Option<Instant> = None;
    loop {
        let is_over = threads.all().all(JoinHandle::is_finished);
        if is_over || ends_at.is_some_and(|at| at <= Instant::now()) {
            return Ok(());
        }
        let is_late = ends_at.is_some_and(|at| at <= Instant::now() + GRACE);
        let is_final = is_late || threads.workers.iter().all(JoinHandle::is_finished);
        if is_final && !server.shared.exchange.is_final() {
            // Those who do what workers leave to them end behind these, or when these should have ended.
            server.shared.exchange.set_final();
            server.shared.exchange.ring_all();
        }
        if ends_at.is_none() && server.shared.stopping.load(SeqCst) {
            listeners.shut();
            server.shutdown();
            threads.others.iter().for_each(|thread| thread.thread().unpark());
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
