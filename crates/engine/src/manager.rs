//! Forks the processes of the crew, and forks others in the place of those that leave or die.

mod deaths;
mod reload;

use crate::crew::{Crew, Role};
use crate::listener::Listeners;
use crate::poller::Poller;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_ipc::exchange::{Exchange, Standing, Wish};
use wirewool_ipc::process::{Ended, Fork, die_with_parent, fork, kill};
use wirewool_ipc::reopen;
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;

/// The longest pause in a crash loop.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What workers get beyond `max_wait_time` before they are killed.
const GRACE: Duration = Duration::from_millis(500);

/// Where a process of the crew finds itself.
pub struct Seat {
    /// What it does.
    pub role: Role,
    /// Its place, from 0; its successor has the same.
    pub place: usize,
    /// The seat that it takes in the exchange.
    pub seat: usize,
    /// Another process had this place before it.
    pub successor: bool,
    /// Its signals: SIGTERM asks it to end. In a [`Role::User`] it just ends it, as does the parent's death.
    pub signals: Signals,
}

/// What the caller of a manager or master waits for besides.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// So long at most.
    pub limit: Option<Duration>,
    /// Something else that may be ready.
    pub poller: Option<Rc<Poller>>,
}

impl Besides {
    pub(crate) fn is_nothing(&self) -> bool {
        self.limit.is_none() && self.poller.is_none()
    }
}

/// What happened, in the order in which the manager saw it.
pub enum Happened {
    /// Nothing, as far as the manager knows: its caller may have something to do.
    Nothing,
    /// This is a new process of the crew: a fork returns twice.
    Forked(Seat),
    /// All processes have been forked for the first time.
    Started,
    /// A worker or task worker ended with an error or by a signal.
    Failed {
        /// Its place.
        place: usize,
        /// Its process.
        pid: Pid,
        /// How it ended.
        ended: Ended,
    },
    /// All workers are about to be replaced.
    ReloadBegins,
    /// All workers have been replaced.
    ReloadEnded,
    /// The server is told to end.
    Ending,
    /// No worker is left, and none will be.
    Ended,
}

/// What a manager is told.
pub struct Plan {
    /// The processes to keep running.
    pub crew: Crew,
    /// How long a worker may take to end.
    pub max_wait: Duration,
    /// A reload replaces all workers at once, not one after the other.
    pub reload_async: bool,
    /// The workers own connections: the rows of the dead are to be freed.
    pub workers_own: bool,
    /// Another process, the master, decides when the server ends.
    pub has_master: bool,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    pid: Pid,
    seat: usize,
    started: Instant,
    /// It was asked to end, and is killed then.
    kill_at: Option<Instant>,
    /// It began before the reload that is under way.
    outdated: bool,
}

#[derive(Debug)]
struct Slot {
    /// The one that works.
    current: Option<Child>,
    /// The one before it, while it ends.
    leaving: Option<Child>,
    /// When the next one is forked.
    due: Instant,
    /// How many died at once, one after the other.
    deaths: u32,
    /// There was one before.
    used: bool,
}

/// Forks the workers and watches them.
pub struct Manager {
    plan: Plan,
    table: Arc<Table>,
    exchange: Arc<Exchange>,
    listeners: Listeners,
    slots: Vec<Slot>,
    /// None in a worker, which has taken them over.
    signals: Option<Signals>,
    news: VecDeque<Happened>,
    reloading: bool,
    ending: bool,
    /// The workers were told so.
    dismissed: bool,
    /// So were those who work for them.
    dismissed_tasks: bool,
    /// When the time of all is over.
    ends_at: Option<Instant>,
    ended: bool,
    first: bool,
    /// How often the log was to be reopened.
    reopens: u64,
    /// Its seat in the exchange, if it has one.
    seat: Option<usize>,
}

impl Manager {
    /// A manager, which shuts `listeners` as soon as the server ends: whoever connects then is refused, instead of
    /// waiting for nobody.
    ///
    /// # Errors
    /// A signal cannot be watched.
    pub fn new(
        plan: Plan,
        table: Arc<Table>,
        exchange: Arc<Exchange>,
        listeners: Listeners,
        mut signals: Signals,
    ) -> io::Result<Manager> {
        reopen::share()?;
        signals.watch(&[Signal::Term, Signal::Chld, Signal::Usr1, Signal::Usr2, Signal::Winch, Signal::Rtmin])?;
        // Whoever asks for something else must not kill the server.
        signals.ignore(&[Signal::Hup, Signal::Pipe])?;
        let now = Instant::now();
        let vacant = || Slot { current: None, leaving: None, due: now, deaths: 0, used: false };
        let slots = (0..plan.crew.places()).map(|_| vacant()).collect();
        let news = VecDeque::new();
        Ok(Manager {
            plan,
            table,
            exchange,
            listeners,
            slots,
            signals: Some(signals),
            news,
            reloading: false,
            ending: false,
            dismissed: false,
            dismissed_tasks: false,
            ends_at: None,
            ended: false,
            first: true,
            reopens: reopen::asked(),
            seat: None,
        })
    }

    /// The manager's caller has something to send, and takes its seat. From now on [`Manager::wait`] comes back when the
    /// doorbell there rings; who is forked from then on has a copy of whatever its caller has made of that.
    pub fn take_seat(&mut self) -> usize {
        let seat = self.plan.crew.managers_seat();
        if self.seat.replace(seat).is_none() {
            self.exchange.seat_next(seat);
        }
        seat
    }

    /// Its caller sends nothing more, and does not look after that doorbell.
    pub fn leave_seat(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.exchange.bury(seat);
            self.exchange.ring_all();
        }
    }

    /// Keeps the workers running until something happens that its caller is to know, in each worker as well, or may be
    /// what it waits for besides.
    ///
    /// # Errors
    /// The first workers cannot be forked, or waiting fails.
    pub fn wait(&mut self, besides: &Besides) -> io::Result<Happened> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            if let Some(seat) = self.fork_due()? {
                return Ok(Happened::Forked(seat));
            }
            if std::mem::replace(&mut self.first, false) {
                self.news.push_back(Happened::Started);
            }
            self.end_reload();
            if !self.news.is_empty() {
                continue;
            }
            // Behind the news of it: what a script does before the end comes before any worker's.
            self.dismiss_all();
            if self.ended || (self.ending && self.children().next().is_none()) {
                self.ended = true;
                return Ok(Happened::Ended);
            }
            let rang = self.sleep(besides)?;
            self.hear();
            self.see_leaving();
            self.reap();
            self.kill_late();
            let is_to_be_told = self.is_log_to_be_reopened() || rang || !besides.is_nothing();
            if is_to_be_told && self.news.is_empty() {
                return Ok(Happened::Nothing);
            }
        }
    }

    /// Between [`Happened::Ending`] and the end: waits until something may have happened that `besides` tells of.
    ///
    /// # Errors
    /// Those of poll.
    pub fn pause(&mut self, besides: &Besides) -> io::Result<()> {
        self.sleep(besides)?;
        self.hear();
        // One whose time is over is not to end the next pause at once.
        self.kill_late();
        Ok(())
    }

    /// Ends the server: by SIGTERM, or by whoever has the manager at hand. [`Manager::wait`] goes on until it has ended.
    pub fn end(&mut self) {
        if std::mem::replace(&mut self.ending, true) {
            return;
        }
        self.news.push_back(Happened::Ending);
    }

    /// The server ends: nobody new is let in, and workers leave first, so that what they wait for is still done.
    fn dismiss_all(&mut self) {
        if !self.ending {
            return;
        }
        let crew = self.plan.crew;
        if !std::mem::replace(&mut self.dismissed, true) {
            self.listeners.shut();
            self.ends_at = Some(Instant::now() + self.plan.max_wait);
            self.exchange.set_final();
            (0..crew.places()).filter(|place| crew.role(*place) != Role::Task).for_each(|place| self.dismiss(place));
        }
        let has_workers = self.slots[..crew.workers].iter().any(|slot| slot.current.or(slot.leaving).is_some());
        if !has_workers && !std::mem::replace(&mut self.dismissed_tasks, true) {
            (0..crew.places()).filter(|place| crew.role(*place) == Role::Task).for_each(|place| self.dismiss(place));
        }
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        self.slots.iter().flat_map(|slot| slot.current.iter().chain(&slot.leaving))
    }

    /// Forks a worker whose time has come; in the child, its seat.
    fn fork_due(&mut self) -> io::Result<Option<Seat>> {
        let first = self.first;
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            let now = Instant::now();
            if self.ending || slot.current.is_some() || slot.due > now {
                continue;
            }
            let taken = slot.leaving.map(|child| child.seat);
            let free = self.plan.crew.seats_of(place).into_iter().filter(|seat| taken != Some(*seat));
            // Where somebody has not heard the dead one out, he hears of its successor later.
            let Some(seat) = free.min_by_key(|seat| !self.exchange.is_read_out(*seat)) else { continue };
            self.exchange.seat_next(seat);
            match fork() {
                Ok(Fork::Child) => return self.become_child(place, seat).map(Some),
                Ok(Fork::Parent(pid)) => {
                    self.exchange.set_pid(seat, pid);
                    slot.current = Some(Child { pid, seat, started: now, kill_at: None, outdated: false });
                    slot.used = true;
                    self.exchange.ring_all();
                }
                Err(error) if first => {
                    self.exchange.bury(seat);
                    self.kill_all();
                    return Err(error);
                }
                Err(error) => {
                    self.exchange.bury(seat);
                    // Somebody may have looked in between.
                    self.exchange.ring_all();
                    tracing::error!("{} cannot be forked: {error}", self.plan.crew.name(place));
                    slot.due = now + PAUSE_MAX;
                }
            }
        }
        Ok(None)
    }

    /// In the child: what the manager watches is not its own.
    fn become_child(&mut self, place: usize, seat: usize) -> io::Result<Seat> {
        let role = self.plan.crew.role(place);
        let successor = self.slots[place].used;
        let mut signals = self.signals.take().ok_or_else(|| io::Error::other("a worker forks no worker"))?;
        signals.release(&[Signal::Chld]);
        if role == Role::User {
            // Nobody there looks after what comes; the program may do as it likes with it.
            signals.release(&[Signal::Term]);
            die_with_parent();
        }
        if role != Role::Worker || !self.plan.workers_own {
            self.listeners.let_go_of_streams();
        }
        // The terminal's ^C goes to all processes: the master ends them in order.
        signals.ignore(&[Signal::Int, Signal::Usr1, Signal::Usr2])?;
        signals.end_orphan_after(self.plan.max_wait);
        Ok(Seat { role, place, seat, successor, signals })
    }

    /// Waits for a signal, for the doorbells, or until something is due. Did that of its seat ring?
    fn sleep(&self, besides: &Besides) -> io::Result<bool> {
        let due = self.slots.iter().filter(|slot| slot.current.is_none() && !self.ending).map(|slot| slot.due);
        let kills = self.children().filter_map(|child| child.kill_at);
        let timeout = due.chain(kills).min().map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = [timeout, besides.limit].into_iter().flatten().min();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        let mut waiting = vec![PollFd::new(self.exchange.manager(), PollFlags::IN)];
        let own = self.seat.map(|seat| PollFd::new(self.exchange.doorbell(seat), PollFlags::IN));
        let has_own = own.is_some();
        waiting.extend(own);
        waiting.extend(self.signals.iter().map(|signals| PollFd::new(signals, PollFlags::IN)));
        waiting.extend(besides.poller.iter().map(|poller| PollFd::new(&**poller, PollFlags::IN)));
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => Ok(has_own && !waiting[1].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note of signals and wishes.
    fn hear(&mut self) {
        self.exchange.manager().clear();
        let mut reload = None;
        let came: Vec<Signal> = self.signals.iter().flat_map(Signals::take).collect();
        for signal in came {
            match signal {
                Signal::Term | Signal::Int => self.end(),
                Signal::Usr1 => reload = Some(Wish::Reload),
                Signal::Usr2 => reload = reload.or(Some(Wish::ReloadTasks)),
                _ => {}
            }
        }
        for wish in self.exchange.take_wishes() {
            match wish {
                Wish::Reload => reload = Some(Wish::Reload),
                Wish::ReloadTasks => reload = reload.or(Some(Wish::ReloadTasks)),
                Wish::Leave => self.dismiss_wanted(),
            }
        }
        if !self.plan.has_master && self.exchange.is_shutting_down() {
            self.end();
        }
        if let Some(wish) = reload
            && !self.ending
            && !self.reloading
        {
            self.begin_reload(wish == Wish::ReloadTasks);
        }
    }

    /// Was a signal sent that asks for it since the last time? Then the workers are woken, to see so as well.
    fn is_log_to_be_reopened(&mut self) -> bool {
        let asked = reopen::asked();
        let is_new = std::mem::replace(&mut self.reopens, asked) != asked;
        if is_new {
            self.exchange.ring_all();
        }
        is_new
    }

    /// Asks a worker to end.
    fn dismiss(&mut self, place: usize) {
        let ends_at = self.ends_at.unwrap_or_else(|| Instant::now() + self.plan.max_wait);
        let kill_at = ends_at + GRACE;
        let Some(child) = &mut self.slots[place].current else { return };
        if child.kill_at.is_none() {
            child.kill_at = Some(kill_at);
            // Not yet waited for, so the pid is still its own; it may be dead.
            let _ = kill(child.pid, Signal::Term);
        }
    }

    fn dismiss_wanted(&mut self) {
        for place in 0..self.slots.len() {
            let seat = self.slots[place].current.map(|child| child.seat);
            if seat.is_some_and(|seat| self.exchange.take_want_leave(seat)) {
                self.dismiss(place);
            }
        }
    }

    /// A worker that has said that it leaves makes room for its successor.
    fn see_leaving(&mut self) {
        let now = Instant::now();
        for slot in &mut self.slots {
            let Some(child) = slot.current else { continue };
            let standing = self.exchange.occupant(child.seat).map(|occupant| occupant.standing);
            if standing == Some(Standing::Leaving) && slot.leaving.is_none() {
                let kill_at = child.kill_at.unwrap_or(now + self.plan.max_wait + GRACE);
                slot.leaving = Some(Child { kill_at: Some(kill_at), ..child });
                slot.current = None;
                slot.due = now;
                slot.deaths = 0;
            }
        }
    }
}
