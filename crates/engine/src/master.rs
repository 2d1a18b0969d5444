//! The master of a server whose connections are its own: forks the manager, runs the reactors, ends both.

use crate::config::Config;
use crate::crew::Crew;
use crate::listener::Listeners;
use crate::manager::{Besides, Manager, Plan};
use crate::reactors::{Parts, Reactors};
use crate::relay::Lanes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, getpid, set_child_subreaper};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_hub::settings::Settings;
use wirewool_ipc::exchange::{Exchange, Wish};
use wirewool_ipc::process::{Ended, Fork, fork, kill, wait};
use wirewool_ipc::reopen;
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;

/// What the manager gets beyond what workers may take.
const GRACE: Duration = Duration::from_secs(2);

/// How often orphans are looked for, which send no word.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Which side of the fork this is.
pub enum Side {
    /// The manager: it forks the workers.
    Manager(Manager),
    /// The master: it is to run the reactors.
    Master(Master),
}

/// What happened to a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing, as far as the master knows: its caller may have something to do.
    Nothing,
    /// The server is told to end.
    Ending,
    /// Everything has ended. With the manager's death as the reason, `false`.
    Ended(bool),
}

/// The master.
pub struct Master {
    exchange: Arc<Exchange>,
    listeners: Listeners,
    signals: Signals,
    manager: Option<Pid>,
    crew: Crew,
    max_wait: Duration,
    ending: bool,
    /// The manager was asked to end, and is killed then.
    kill_at: Option<Instant>,
    failed: bool,
    /// How often the log was to be reopened.
    reopens: u64,
}

impl Master {
    /// Forks the manager, with the seats of the reactors taken.
    ///
    /// # Errors
    /// Signals are watched in this process already, or the fork fails.
    pub fn fork(plan: Plan, table: Arc<Table>, exchange: Arc<Exchange>, listeners: Listeners) -> io::Result<Side> {
        let mut signals = Signals::install(&[Signal::Term, Signal::Int, Signal::Usr1, Signal::Usr2, Signal::Chld])?;
        reopen::share()?;
        signals.watch(&[Signal::Winch, Signal::Rtmin])?;
        // Whoever asks for something else must not kill the server.
        signals.ignore(&[Signal::Hup, Signal::Pipe])?;
        // If the manager dies, its workers are this process's to wait for.
        set_child_subreaper(Some(getpid()))?;
        for seat in 0..plan.crew.reactors {
            exchange.seat_next(seat);
            exchange.set_pid(seat, getpid());
        }
        let (crew, max_wait) = (plan.crew, plan.max_wait);
        match fork()? {
            Fork::Parent(pid) => Ok(Side::Master(Master {
                exchange,
                listeners,
                signals,
                manager: Some(pid),
                crew,
                max_wait,
                ending: false,
                kill_at: None,
                failed: false,
                reopens: reopen::asked(),
            })),
            Fork::Child => {
                // The terminal's ^C goes to all processes: the master ends them in order.
                signals.ignore(&[Signal::Int])?;
                signals.end_orphan_after(max_wait + GRACE);
                Ok(Side::Manager(Manager::new(plan, table, exchange, listeners, signals)?))
            }
        }
    }

    /// The manager's process.
    pub fn manager(&self) -> Option<Pid> {
        self.manager
    }

    /// Starts the reactors. With `tells_connected` workers hear of new connections.
    ///
    /// # Errors
    /// They cannot be started. All other processes have ended then.
    pub fn start(
        &mut self,
        config: &Config,
        ports: Vec<Settings>,
        tells_connected: bool,
        table: Arc<Table>,
    ) -> io::Result<Reactors> {
        let lanes = Lanes { crew: self.crew, dispatch: config.dispatch, tells_connected };
        let (listeners, exchange) = (self.listeners.clone(), self.exchange.clone());
        let started = Reactors::start(Parts { config: config.clone(), ports, lanes, listeners, table, exchange });
        if started.is_err() {
            self.end(&mut None)?;
        }
        started
    }

    /// Waits until something happens. After [`News::Ending`] it is to be asked again: that ends everything.
    ///
    /// # Errors
    /// Those of poll.
    pub fn next(&mut self, reactors: &mut Option<Reactors>, besides: &Besides) -> io::Result<News> {
        loop {
            if self.ending {
                return self.end(reactors);
            }
            self.wait(None, besides)?;
            self.exchange.master().clear();
            for signal in self.signals.take().collect::<Vec<_>>() {
                match signal {
                    Signal::Term | Signal::Int => self.ending = true,
                    Signal::Usr1 => self.exchange.wish(Wish::Reload),
                    Signal::Usr2 => self.exchange.wish(Wish::ReloadTasks),
                    _ => {}
                }
            }
            self.ending |= self.exchange.is_shutting_down();
            if reactors.as_ref().is_some_and(Reactors::has_failed) {
                tracing::error!("a reactor has ended, so does the server");
                self.failed = true;
                self.ending = true;
            }
            // One that has ended the server has ended with it.
            if !self.ending
                && let Some(ended) = self.reap_manager()
            {
                tracing::error!("the manager {ended}: without it no worker is replaced, and the server ends");
                self.failed = true;
                self.ending = true;
            }
            if self.ending {
                return Ok(News::Ending);
            }
            if self.is_log_to_be_reopened() || !besides.is_nothing() {
                return Ok(News::Nothing);
            }
        }
    }

    /// Between [`News::Ending`] and the end: waits until something may have happened that `besides` tells of.
    ///
    /// # Errors
    /// Those of poll.
    pub fn pause(&mut self, besides: &Besides) -> io::Result<()> {
        self.wait(None, besides)?;
        self.exchange.master().clear();
        // It is to end already.
        self.signals.take().for_each(drop);
        Ok(())
    }

    /// Was a signal sent that asks for it since the last time? Then all processes are woken, to see so as well.
    fn is_log_to_be_reopened(&mut self) -> bool {
        let asked = reopen::asked();
        let is_new = std::mem::replace(&mut self.reopens, asked) != asked;
        if is_new {
            self.exchange.ring_all();
            self.exchange.manager().ring();
        }
        is_new
    }

    /// Ends the workers, then the connections.
    fn end(&mut self, reactors: &mut Option<Reactors>) -> io::Result<News> {
        self.listeners.shut();
        if let Some(manager) = self.manager {
            // Not yet waited for: the pid is still its own.
            let _ = kill(manager, Signal::Term);
            self.kill_at = Some(Instant::now() + self.max_wait + GRACE);
        }
        loop {
            if let Some(ended) = self.reap_manager().filter(|ended| *ended != Ended::Exited(0))
                && self.kill_at.is_some()
            {
                // A callback of its own has ended it, and perhaps with it the server.
                tracing::error!("the manager {ended}");
                self.failed = true;
            }
            let Some(manager) = self.manager else { break };
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                tracing::error!("the manager (pid {manager}) did not end in time and is killed");
                let _ = kill(manager, Signal::Kill);
                self.kill_at = None;
            }
            self.wait(self.kill_at, &Besides::default())?;
            self.exchange.master().clear();
            // Nothing more is wanted: it ends already.
            self.signals.take().for_each(drop);
        }
        self.wait_for_orphans();
        if let Some(reactors) = reactors.take() {
            reactors.end();
            reactors.join();
        }
        // It is no reaper for whatever the program does next.
        let _ = set_child_subreaper(None);
        Ok(News::Ended(!self.failed))
    }

    fn reap_manager(&mut self) -> Option<Ended> {
        match wait(self.manager?) {
            Ok(None) => None,
            Ok(Some(ended)) => {
                self.manager = None;
                Some(ended)
            }
            // Somebody else in this process has waited for it.
            Err(_) => {
                self.manager = None;
                Some(Ended::Exited(0))
            }
        }
    }

    /// Workers whose manager is dead have SIGTERM from the kernel, and are this process's children now. What does not
    /// end is killed: `wait` says of whom that may be said.
    fn wait_for_orphans(&self) {
        let kill_at = Instant::now() + self.max_wait;
        let mut killed = false;
        loop {
            let pids = (0..self.exchange.seats()).filter_map(|seat| self.exchange.pid(seat));
            let left: Vec<Pid> = pids.filter(|pid| *pid != getpid() && matches!(wait(*pid), Ok(None))).collect();
            if left.is_empty() {
                return;
            }
            if !killed && kill_at <= Instant::now() {
                killed = true;
                for pid in left {
                    tracing::error!("a worker (pid {pid}) did not end in time and is killed");
                    let _ = kill(pid, Signal::Kill);
                }
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    fn wait(&self, until: Option<Instant>, besides: &Besides) -> io::Result<()> {
        let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = [timeout, besides.limit].into_iter().flatten().min();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        let doorbell = self.exchange.master();
        let mut waiting = vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(doorbell, PollFlags::IN)];
        waiting.extend(besides.poller.iter().map(|poller| PollFd::new(&**poller, PollFlags::IN)));
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
