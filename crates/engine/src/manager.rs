//! Forks the workers, and forks others in the place of those that die.

use crate::listener::Listener;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::process::{Ended, Fork, fork, kill, wait};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;

/// A worker that lived shorter died at once: the next one waits.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The first pause in a crash loop; each one after it is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause in a crash loop.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What workers get beyond `max_wait_time` before they are killed.
const GRACE: Duration = Duration::from_millis(500);

/// What a return from [`Manager::run`] means: a fork returns twice.
pub enum Role {
    /// This is the process that called it, and the server has ended.
    Master,
    /// This is a new worker process.
    Worker(Seat),
}

/// A worker's place in the server.
pub struct Seat {
    /// Its number, from 0; its successor has the same.
    pub worker: usize,
    /// Another worker had this place before it.
    pub successor: bool,
    /// Its signals: SIGTERM asks it to end.
    pub signals: Signals,
}

#[derive(Debug)]
struct Slot {
    pid: Option<Pid>,
    started: Instant,
    /// When the next one is forked.
    due: Instant,
    /// How many died at once, one after the other.
    deaths: u32,
    /// There was one before.
    used: bool,
}

/// Forks the workers and watches them.
pub struct Manager {
    table: Arc<Table>,
    listener: Option<Listener>,
    slots: Vec<Slot>,
    signals: Signals,
    max_wait: Duration,
    /// When the remaining workers are killed, once the server ends.
    kill_at: Option<Instant>,
}

impl Manager {
    /// A manager of as many workers, which may take `max_wait` to end.
    ///
    /// # Errors
    /// Signals are watched in this process already.
    pub fn new(table: Arc<Table>, workers: usize, max_wait: Duration) -> io::Result<Manager> {
        let mut signals = Signals::install(&[Signal::Term, Signal::Int, Signal::Chld])?;
        // Whoever asks for a reload must not kill the server.
        signals.ignore(&[Signal::Hup, Signal::Pipe, Signal::Usr1, Signal::Usr2])?;
        let now = Instant::now();
        let slots = (0..workers).map(|_| Slot { pid: None, started: now, due: now, deaths: 0, used: false }).collect();
        Ok(Manager { table, listener: None, slots, signals, max_wait, kill_at: None })
    }

    /// Shuts `listener` as soon as the server ends: whoever connects then is refused, instead of waiting for nobody.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Manager {
        Manager { listener: Some(listener), ..self }
    }

    /// Keeps the workers running until SIGTERM, SIGINT or `master` rings, then ends them. Returns in each worker as
    /// well.
    ///
    /// # Errors
    /// The first workers cannot be forked, or waiting fails.
    pub fn run(mut self, master: &Doorbell) -> io::Result<Role> {
        let mut first = true;
        loop {
            if let Some(worker) = self.fork_due(first)? {
                return self.into_worker(worker).map(Role::Worker);
            }
            first = false;
            if self.kill_at.is_some() && self.slots.iter().all(|slot| slot.pid.is_none()) {
                return Ok(Role::Master);
            }
            let mut ending = self.wait(master)?;
            master.clear();
            for signal in self.signals.take() {
                ending |= matches!(signal, Signal::Term | Signal::Int);
            }
            self.reap();
            if ending {
                self.end();
            }
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill_rest();
            }
        }
    }

    /// Forks the workers whose time has come; in a child, its number.
    fn fork_due(&mut self, first: bool) -> io::Result<Option<usize>> {
        if self.kill_at.is_some() {
            return Ok(None);
        }
        for worker in 0..self.slots.len() {
            let slot = &mut self.slots[worker];
            let now = Instant::now();
            if slot.pid.is_some() || slot.due > now {
                continue;
            }
            match fork() {
                Ok(Fork::Child) => return Ok(Some(worker)),
                Ok(Fork::Parent(pid)) => {
                    slot.pid = Some(pid);
                    slot.started = now;
                    slot.used = true;
                }
                Err(error) if first => {
                    self.kill_rest();
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!("worker {worker} cannot be forked: {error}");
                    slot.due = now + PAUSE_MAX;
                }
            }
        }
        Ok(None)
    }

    fn into_worker(self, worker: usize) -> io::Result<Seat> {
        let successor = self.slots[worker].used;
        let mut signals = self.signals;
        signals.release(&[Signal::Chld]);
        // The terminal's ^C goes to all processes: the master ends them in order.
        signals.ignore(&[Signal::Int])?;
        signals.end_orphan_after(self.max_wait);
        Ok(Seat { worker, successor, signals })
    }

    /// Waits for a signal, for the doorbell, or until something is due; did the doorbell ring?
    fn wait(&self, master: &Doorbell) -> io::Result<bool> {
        let due = self.slots.iter().filter(|slot| slot.pid.is_none()).map(|slot| slot.due).min();
        let until = if self.kill_at.is_some() { self.kill_at } else { due };
        let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        let mut waiting = [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(master, PollFlags::IN)];
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => Ok(!waiting[1].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note of the workers that ended.
    fn reap(&mut self) {
        let ending = self.kill_at.is_some();
        for (worker, slot) in self.slots.iter_mut().enumerate() {
            let Some(pid) = slot.pid else { continue };
            let ended = match wait(pid) {
                Ok(None) => continue,
                Ok(Some(ended)) => Some(ended),
                // Somebody else in this process has waited for it.
                Err(_) => None,
            };
            slot.pid = None;
            self.table.detach(worker);
            if ending {
                continue;
            }
            let now = Instant::now();
            slot.deaths = if now - slot.started < AT_ONCE { slot.deaths + 1 } else { 0 };
            let pause = match slot.deaths {
                0 => Duration::ZERO,
                deaths => PAUSE_MIN.saturating_mul(1 << (deaths - 1).min(16)).min(PAUSE_MAX),
            };
            slot.due = now + pause;
            let next = format!("another starts in {} ms", pause.as_millis());
            match ended {
                Some(ended @ Ended::Exited(0)) => tracing::info!("worker {worker} (pid {pid}) {ended}, {next}"),
                Some(ended) => tracing::error!("worker {worker} (pid {pid}) {ended}, {next}"),
                None => tracing::error!("worker {worker} (pid {pid}) ended, somebody else waited for it, {next}"),
            }
        }
    }

    /// Asks all workers to end.
    fn end(&mut self) {
        if self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + self.max_wait + GRACE);
            if let Some(listener) = &self.listener {
                listener.shut();
            }
            self.signal_all(Signal::Term);
        }
    }

    fn kill_rest(&mut self) {
        for (worker, slot) in self.slots.iter().enumerate() {
            if let Some(pid) = slot.pid {
                tracing::error!("worker {worker} (pid {pid}) did not end in time and is killed");
            }
        }
        self.signal_all(Signal::Kill);
        self.kill_at = Some(Instant::now() + PAUSE_MAX);
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.slots.iter().filter_map(|slot| slot.pid) {
            // Not yet waited for, so the pid is still its own; it may be dead.
            let _ = kill(pid, signal);
        }
    }
}
