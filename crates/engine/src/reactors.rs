//! Reactor threads in the master: they own the sockets, and hand what happens to the workers.

use crate::config::Config;
use crate::intake::Intake;
use crate::listener::Listeners;
use crate::reactor::{Reactor, Served};
use crate::relay::{Lanes, Relay};
use crate::service::affinity;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use wirewool_hub::settings::Settings;
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::signal::Blocked;
use wirewool_ipc::table::Table;
use wirewool_proto::websocket::close::CloseCode;

/// Workers are rung after so many descriptors of a pass.
const SERVED_PER_RING: usize = 16;

/// What reactors are made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) ports: Vec<Settings>,
    pub(crate) lanes: Lanes,
    pub(crate) listeners: Listeners,
    pub(crate) table: Arc<Table>,
    pub(crate) exchange: Arc<Exchange>,
}

/// The reactors of a server.
pub struct Reactors {
    threads: Vec<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
    /// One has ended, or is about to.
    over: Arc<AtomicBool>,
    exchange: Arc<Exchange>,
}

/// What a thread does last, also if it panics: it says so, then rings the master.
struct LastWord {
    over: Arc<AtomicBool>,
    exchange: Arc<Exchange>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        self.exchange.master().ring();
    }
}

impl Reactors {
    /// Starts a thread for each reactor; in all of them signals are blocked. They accept once each worker has a process.
    ///
    /// # Errors
    /// One cannot be started; then none runs.
    pub(crate) fn start(parts: Parts) -> io::Result<Reactors> {
        let exchange = parts.exchange.clone();
        let mut reactors = Reactors { threads: Vec::new(), ending: Arc::default(), over: Arc::default(), exchange };
        match reactors.spawn(parts) {
            Ok(()) => Ok(reactors),
            Err(error) => {
                reactors.end();
                reactors.join();
                Err(error)
            }
        }
    }

    fn spawn(&mut self, parts: Parts) -> io::Result<()> {
        // Threads inherit it: signals are for the thread that called `start`.
        let blocked = Blocked::all()?;
        let (ready, results) = mpsc::channel();
        let count = parts.config.reactors;
        let parts = Arc::new(parts);
        for seat in 0..count {
            let (parts, ending, ready) = (parts.clone(), self.ending.clone(), ready.clone());
            let word = LastWord { over: self.over.clone(), exchange: self.exchange.clone() };
            let thread = Builder::new().name(format!("reactor-{seat}")).spawn(move || {
                let _word = word;
                let made = affinity::stay(&parts.config, seat).and_then(|()| Loop::new(&parts, seat, ending));
                let (made, result) = match made {
                    Ok(made) => (Some(made), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                // Whoever started this thread waits for the word.
                let _ = ready.send(result);
                drop(ready);
                let Some(mut made) = made else { return };
                if let Err(error) = made.run() {
                    tracing::error!("reactor {seat} ends: {error}");
                }
            })?;
            self.threads.push(thread);
        }
        drop((blocked, ready));
        results.iter().collect()
    }

    /// Has one ended by itself?
    pub(crate) fn has_failed(&self) -> bool {
        self.over.load(SeqCst) && !self.ending.load(SeqCst)
    }

    /// Closes all connections; the threads end when that is done.
    pub(crate) fn end(&self) {
        self.ending.store(true, SeqCst);
        (0..self.threads.len()).for_each(|seat| self.exchange.doorbell(seat).ring());
    }

    /// Waits for the threads.
    pub(crate) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a reactor panicked");
            }
        }
    }
}

/// One reactor.
struct Loop {
    reactor: Reactor,
    relay: Relay,
    intake: Intake,
    accepts: bool,
    ending: Arc<AtomicBool>,
    ends_at: Option<Instant>,
    max_wait: Duration,
}

impl Loop {
    fn new(parts: &Parts, seat: usize, ending: Arc<AtomicBool>) -> io::Result<Loop> {
        let Parts { config, ports, lanes, listeners, table, exchange } = parts;
        let reactor = Reactor::new(config, ports.clone(), listeners, table.clone(), exchange.clone(), seat)?;
        let relay = Relay::new(*lanes, table.clone(), exchange.clone(), seat);
        let intake = Intake::new(exchange.clone(), seat, false);
        let max_wait = config.max_wait_time;
        Ok(Loop { reactor, relay, intake, accepts: false, ending, ends_at: None, max_wait })
    }

    /// A pass: waits, reads, hands on, carries out what came back, sends.
    fn run(&mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            self.reactor.tick(&mut self.relay);
            let mut served = 0;
            loop {
                match self.reactor.serve(&mut self.relay) {
                    Served::Nothing | Served::Stop => break,
                    Served::Rang => {
                        self.intake.greet();
                        self.follow()?;
                    }
                    Served::Connection | Served::Signalled => {}
                }
                served += 1;
                if served % SERVED_PER_RING == 0 {
                    self.relay.ring();
                }
            }
            self.relay.ring();
            let Loop { reactor, relay, intake, .. } = self;
            intake.carry_out(reactor, &mut |seat, fd, owes| relay.done(seat, fd, owes));
            for place in relay.flush() {
                reactor.unstall(place);
            }
            reactor.settle(relay);
            relay.ring();
            if self.has_ended() {
                return Ok(());
            }
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let may_sleep = self.relay.may_sleep() & self.intake.may_sleep();
        let limit = match self.ends_at {
            _ if !may_sleep => Some(Duration::ZERO),
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => None,
        };
        self.reactor.wait(limit)
    }

    /// Somebody may have come, left or died.
    fn follow(&mut self) -> io::Result<()> {
        let Loop { reactor, relay, intake, .. } = self;
        let mut done = |seat, fd, owes| relay.done(seat, fd, owes);
        let Some(dead) = intake.take_dead(reactor, &mut done) else { return Ok(()) };
        relay.follow();
        for fd in dead.into_iter().flat_map(|departed| relay.take_asked(departed)) {
            reactor.abandon(fd);
        }
        reactor.settle(relay);
        if !self.accepts && self.relay.is_complete() {
            self.accepts = true;
            self.reactor.start_accepting()?;
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        if self.ends_at.is_none() && self.ending.load(SeqCst) {
            self.ends_at = Some(Instant::now() + self.max_wait);
            self.reactor.stop_accepting();
            // The workers have ended: this is the last that they have said.
            let Loop { reactor, relay, intake, .. } = self;
            intake.finish(reactor, &mut |seat, fd, owes| relay.done(seat, fd, owes));
            for fd in self.relay.close() {
                self.reactor.abandon(fd);
            }
            self.reactor.close_all(CloseCode::GOING_AWAY, &mut self.relay);
        }
        self.ends_at.is_some_and(|at| self.reactor.is_empty() || at <= Instant::now())
    }
}
