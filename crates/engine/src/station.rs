//! A worker's place in the server, wherever its connections are: in a loop of its own, or with the reactors.

mod mail;

use crate::crew::parcel::Parcel;
use crate::crew::{Crew, Role};
use crate::desk::{Desk, Heard, Taken};
use crate::intake::Intake;
use crate::link::Inbox;
use crate::quota::Quota;
use crate::reactor::{Reactor, Served};
use crate::remote::Remote;
pub use crate::remote::way::Way;
use crate::station::mail::{bury, note_taken, see_dead, take_parcels, takes_parcels};
use rustix::fd::AsFd;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use wirewool_hub::command::{Command, Info, Outlet, Refused};
use wirewool_hub::event::{Event, Handler, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Count, Exchange};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_proto::websocket::close::CloseCode;

/// How long a worker that ends in the middle of things waits for others to take what it has sent.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
const DRAIN_PAUSE: Duration = Duration::from_millis(1);

/// How long a worker that ends sleeps at most before it looks again whether others have begun with what it has sent.
const BEGUN_PAUSE: Duration = Duration::from_millis(5);

/// Of the time that a worker has to end, the last quarter is for its connections to close.
const CLOSING_SHARE: u32 = 4;

/// What one step of a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The pass is over.
    Over,
    /// Something was served.
    Served,
    /// The handler cannot go on.
    Stop,
}

/// A process among others: where it sits, what it hears, and how it reaches them.
pub struct Among {
    /// Its seat in the exchange.
    pub seat: usize,
    /// Who the others are.
    pub crew: Crew,
    /// The seats.
    pub exchange: Arc<Exchange>,
    /// SIGTERM asks it to end; none where somebody else looks after its signals.
    pub signals: Option<Signals>,
    /// Its way to the others' connections.
    pub way: Way,
}

impl Among {
    fn is_task_worker(&self) -> bool {
        self.crew.place_of(self.seat).is_some_and(|place| self.crew.role(place) == Role::Task)
    }

    fn hears_term(&self) -> bool {
        self.signals.as_ref().is_some_and(|signals| signals.take().any(|signal| signal == Signal::Term))
    }
}

enum Site {
    /// The connections are this loop's; what others send for them comes in.
    Own(Box<Reactor>, Option<Box<Intake>>),
    /// The connections are the reactors'; what happens to them comes in.
    Elsewhere(Box<Desk>),
}

/// A worker's place.
pub struct Station {
    site: Site,
    among: Option<Among>,
    /// What others of the crew have sent.
    parcels: VecDeque<Parcel>,
    max_wait: Duration,
    told_to_end: bool,
    ends_at: Option<Instant>,
    /// Others know that it leaves.
    has_left: bool,
    /// Its connections were told so.
    has_closed: bool,
    refusals: Quota,
    /// It waited in vain for room, and there has been none since.
    gave_up: bool,
}

impl Station {
    /// A worker with connections of its own; alone, or a process among others.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn own(mut reactor: Reactor, among: Option<Among>, max_wait: Duration) -> io::Result<Station> {
        let mut intake = None;
        if let Some(among) = &among {
            among.signals.iter().try_for_each(|signals| reactor.watch_signals(signals))?;
            intake = Some(Box::new(Intake::new(among.exchange.clone(), among.seat, true)));
        }
        Ok(Station::new(Site::Own(Box::new(reactor), intake), among, max_wait))
    }

    /// A worker whose connections the reactors have.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn elsewhere(among: Among, max_wait: Duration) -> io::Result<Station> {
        let desk = Desk::new(among.exchange.clone(), among.crew.reactors, among.seat, among.signals.as_ref())?;
        Ok(Station::new(Site::Elsewhere(Box::new(desk)), Some(among), max_wait))
    }

    fn new(site: Site, among: Option<Among>, max_wait: Duration) -> Station {
        Station {
            site,
            among,
            parcels: VecDeque::new(),
            max_wait,
            told_to_end: false,
            ends_at: None,
            has_left: false,
            has_closed: false,
            refusals: Quota::default(),
            gave_up: false,
        }
    }

    /// From now on connections of its own are accepted.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn open(&mut self) -> io::Result<()> {
        match &mut self.site {
            Site::Own(reactor, _) => reactor.start_accepting(),
            Site::Elsewhere(_) => Ok(()),
        }
    }

    /// Waits end when `descriptor` is readable as well: its owner looks after it.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn watch(&mut self, descriptor: impl AsFd) -> io::Result<()> {
        match &mut self.site {
            Site::Own(reactor, _) => reactor.watch(descriptor),
            Site::Elsewhere(desk) => desk.watch(descriptor),
        }
    }

    /// A pass begins: waits until there is something to do, at most `limit`; what is overdue ends.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn wait(&mut self, limit: Option<Duration>, handler: &mut dyn Handler) -> io::Result<Verdict> {
        let ends = self.ends_at.map(|at| at.saturating_duration_since(Instant::now()));
        // Nobody rings because he has begun with something.
        let pause = ends.filter(|_| self.has_unbegun()).map(|_| BEGUN_PAUSE);
        let mut limit = [ends, limit, pause].into_iter().flatten().min();
        let may_sleep = self.among.as_ref().is_none_or(|among| among.way.with(Remote::may_sleep));
        if !may_sleep || !self.parcels.is_empty() {
            limit = Some(Duration::ZERO);
        }
        match &mut self.site {
            Site::Own(reactor, intake) => {
                if let Some(intake) = intake
                    && !intake.may_sleep()
                {
                    limit = Some(Duration::ZERO);
                }
                reactor.wait(limit)?;
                Ok(reactor.tick(handler))
            }
            Site::Elsewhere(desk) => {
                let woken = desk.wait(limit, self.ends_at.is_none())?;
                if let Some(among) = &self.among {
                    self.told_to_end |= woken.signalled && among.hears_term();
                    if woken.rang {
                        see_dead(desk, among, &mut self.parcels);
                    }
                }
                Ok(Verdict::Handled)
            }
        }
    }

    /// May a process whose loop is another's wait for its doorbell? If not, there is something to do here.
    pub fn may_sleep(&mut self) -> bool {
        let has_room = self.among.as_ref().is_none_or(|among| among.way.with(Remote::may_sleep));
        let is_read = match &mut self.site {
            Site::Own(_, intake) => intake.as_mut().is_none_or(|intake| intake.may_sleep()),
            Site::Elsewhere(desk) => desk.may_sleep(),
        };
        has_room && is_read && self.parcels.is_empty()
    }

    /// The next step of a pass: one descriptor, one event, or the commands that others have sent.
    #[inline]
    pub fn step(&mut self, handler: &mut dyn Handler) -> Step {
        self.step_with(None, handler)
    }

    /// As [`Station::step`], with what other threads leave for this worker.
    #[inline]
    pub(crate) fn step_with(&mut self, inbox: Option<&Inbox>, handler: &mut dyn Handler) -> Step {
        match &mut self.site {
            Site::Own(reactor, _) => match reactor.serve(handler) {
                Served::Nothing => self.carry_out(handler),
                Served::Connection => Step::Served,
                Served::Rang => self.rang(inbox, handler),
                Served::Signalled => {
                    self.told_to_end |= self.among.as_ref().is_some_and(Among::hears_term);
                    Step::Served
                }
                Served::Stop => Step::Stop,
            },
            Site::Elsewhere(desk) => {
                let Some(among) = self.among.as_ref().filter(|among| takes_parcels(among, self.ends_at.is_some()))
                else {
                    return Step::Over;
                };
                let (way, reads) = (&among.way, self.ends_at.is_none());
                let taken = desk.take(reads, &mut self.parcels, |heard, more| match heard {
                    Heard::Event(fd, event) => hear(fd, event, &mut Others { way, more }, handler),
                    Heard::Datagram(datagram) => handler.datagram(datagram),
                });
                match taken {
                    Taken::Event(Verdict::Stop) => Step::Stop,
                    Taken::Event(_) => Step::Served,
                    Taken::Parcel => {
                        note_taken(among, self.parcels.back());
                        Step::Served
                    }
                    Taken::Nothing => Step::Over,
                }
            }
        }
    }

    /// The end of a pass: what others have sent is carried out.
    fn carry_out(&mut self, handler: &mut dyn Handler) -> Step {
        let Site::Own(reactor, Some(intake)) = &mut self.site else { return Step::Over };
        intake.carry_out(reactor, &mut |_, _, _| {});
        take_parcels(intake, self.among.as_ref(), &mut self.parcels);
        match reactor.settle(handler) {
            Verdict::Stop => Step::Stop,
            _ => Step::Over,
        }
    }

    /// The doorbell rang: does what other threads left, and sees who is there.
    fn rang(&mut self, inbox: Option<&Inbox>, handler: &mut dyn Handler) -> Step {
        let Site::Own(reactor, intake) = &mut self.site else { return Step::Served };
        for (fd, errand) in inbox.map(Inbox::take).unwrap_or_default() {
            if let Err(refused) = reactor.apply_promised(fd, errand.as_command())
                && self.refusals.admits(Instant::now(), "refusals")
            {
                tracing::warn!("connection {fd}: what was left for it came to nothing: {refused}");
            }
        }
        if let (Some(intake), Some(among)) = (intake, &self.among) {
            intake.greet();
            let dead = intake.take_dead(reactor, &mut |_, _, _| {}).unwrap_or_default();
            take_parcels(intake, Some(among), &mut self.parcels);
            // Behind that: the rings to all of them are closed then.
            bury(among, &dead, &mut self.parcels);
        }
        if reactor.settle(handler) == Verdict::Stop { Step::Stop } else { Step::Served }
    }

    /// Asks something of a connection from outside a handler: here, or wherever it is. While `more` of the same batch
    /// waits to be handled, what is sent waits for its end.
    ///
    /// # Errors
    /// Why it had no effect, or will have none.
    #[inline]
    pub fn apply(&mut self, fd: Fd, command: Command<'_>, more: bool) -> Result<(), Refused> {
        match &mut self.site {
            Site::Own(reactor, _) if reactor.has(fd) => return reactor.apply(fd, command, more),
            Site::Own(..) => {}
            Site::Elsewhere(desk) => {
                let more = more || desk.has_more();
                return self.among.as_ref().map_or(Err(Refused::Unknown), |among| among.way.apply(fd, command, more));
            }
        }
        self.among.as_ref().map_or(Err(Refused::Unknown), |among| among.way.apply(fd, command, more))
    }

    /// Is the connection in a loop of this worker's own?
    pub fn has(&self, fd: Fd) -> bool {
        matches!(&self.site, Site::Own(reactor, _) if reactor.has(fd))
    }

    /// Did this worker just open it, so that others may not see it as open yet?
    pub fn has_opened(&self, fd: Fd) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.has_opened(fd)))
    }

    /// Are all connections elsewhere?
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.site, Site::Elsewhere(_))
    }

    /// Can a connection of this worker's own still be sent to?
    pub fn is_open(&self, fd: Fd) -> bool {
        matches!(&self.site, Site::Own(reactor, _) if reactor.info(fd).is_some_and(|info| info.open))
    }

    /// The end of a batch: what waited for it is sent.
    pub fn settle(&mut self, handler: &mut dyn Handler) -> Verdict {
        if let Some(among) = &self.among {
            among.way.with(Remote::ring);
        }
        self.settle_own(handler)
    }

    /// The worker ends in the middle of things: what it has sent to others leaves, as far as they take it soon.
    pub fn drain(&mut self, handler: &mut dyn Handler) {
        self.settle(handler);
        let Some(among) = &self.among else { return };
        let until = Instant::now() + DRAIN_TIME_MAX;
        while among.way.with(|remote| !remote.may_sleep() || remote.has_kept()) && Instant::now() < until {
            std::thread::sleep(DRAIN_PAUSE);
        }
    }

    /// The end of a batch, for the connections of this worker's own alone.
    #[inline]
    pub fn settle_own(&mut self, handler: &mut dyn Handler) -> Verdict {
        match &mut self.site {
            Site::Own(reactor, _) => reactor.settle(handler),
            Site::Elsewhere(_) => Verdict::Handled,
        }
    }

    /// Sends what waits for the end of its batch, if it waits too long.
    pub fn flush_if_late(&mut self) {
        match &mut self.site {
            Site::Own(reactor, _) => reactor.flush_if_late(),
            Site::Elsewhere(_) => {
                if let Some(among) = &self.among {
                    among.way.with(Remote::ring_if_late);
                }
            }
        }
    }

    /// Was this worker told to end, and has not begun to?
    pub fn is_told_to_end(&self) -> bool {
        self.told_to_end && self.ends_at.is_none()
    }

    /// Begins to end: no more connections and no more events, a successor may come. Connections of its own are closed.
    pub fn end(&mut self, handler: &mut dyn Handler) -> Verdict {
        self.leave();
        self.close_all(handler)
    }

    /// As [`Station::end`], but connections of its own stay, so that what was begun can still be answered. The handler
    /// must take no events of theirs any more.
    pub fn leave(&mut self) {
        if self.ends_at.is_some() {
            return;
        }
        self.ends_at = Some(Instant::now() + self.max_wait);
        if let Site::Own(reactor, _) = &mut self.site {
            reactor.stop_accepting();
        }
        self.leave_once_all_is_said();
    }

    /// Closes all connections of its own.
    pub fn close_all(&mut self, handler: &mut dyn Handler) -> Verdict {
        match &mut self.site {
            Site::Own(reactor, _) if !std::mem::replace(&mut self.has_closed, true) => {
                reactor.close_all(CloseCode::GOING_AWAY, handler)
            }
            _ => Verdict::Handled,
        }
    }

    /// A successor's answers must not overtake those of this worker: it leaves when all of them are on their way.
    fn leave_once_all_is_said(&mut self) {
        let Some(among) = &self.among else { return };
        if self.has_left || (self.is_elsewhere() && among.way.with(|remote| remote.has_kept())) {
            return;
        }
        among.exchange.leave(among.seat);
        among.exchange.ring_all();
        among.exchange.manager().ring();
        self.has_left = true;
    }

    /// Does it end already?
    pub fn is_ending(&self) -> bool {
        self.ends_at.is_some()
    }

    /// Has it ended: is nothing open and nothing kept any more, or its time over?
    pub fn has_ended(&mut self) -> bool {
        let Some(at) = self.ends_at else { return false };
        self.leave_once_all_is_said();
        let is_empty = match &self.site {
            Site::Own(reactor, _) => reactor.is_empty(),
            Site::Elsewhere(desk) => {
                let reads = self.among.as_ref().is_some_and(|among| takes_parcels(among, true));
                self.parcels.is_empty() && !(reads && desk.has_more())
            }
        };
        // Both sides may be about to end: who is left when this one has gone cannot tell.
        at <= Instant::now() || is_empty && !self.has_kept() && !self.has_unbegun()
    }

    /// Is its time over, though it has not come to its end?
    pub fn is_late(&self) -> bool {
        self.ends_at.is_some_and(|at| at <= Instant::now())
    }

    /// Is so little of its time left that connections of its own should be closed, whatever they wait for?
    pub fn is_nearly_late(&self) -> bool {
        self.ends_at.is_some_and(|at| at.saturating_duration_since(Instant::now()) <= self.max_wait / CLOSING_SHARE)
    }

    /// Counts something that this worker did.
    #[inline]
    pub fn count(&self, count: Count, more: u64) {
        if let Some(among) = &self.among {
            let counter = among.exchange.count(among.seat, count);
            // Nobody else writes to it.
            counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    /// Says whether it handles something now: events may go to those who do not. `waiting` handlers wait beside that.
    #[inline]
    pub fn set_busy(&self, busy: bool, waiting: usize) {
        if let Some(among) = &self.among {
            among.exchange.set_busy(among.seat, busy, waiting);
        }
    }
}

/// Hands an event of another process's connection to the handler; says that it is done where that is waited for.
fn hear(fd: Fd, event: Event<'_>, out: &mut Others<'_>, handler: &mut dyn Handler) -> Verdict {
    let end = match event {
        Event::Ending(_) => Some(Command::Finish),
        Event::Closed(_) => Some(Command::Forget),
        _ => None,
    };
    let verdict = handler.handle(fd, event, out);
    if let Some(end) = end.filter(|_| verdict == Verdict::Handled) {
        // Refused when the connection is gone already.
        let _ = out.way.apply(fd, end, true);
    }
    verdict
}

/// Connections that are all elsewhere.
struct Others<'a> {
    way: &'a Way,
    /// More of the same batch waits to be handled.
    more: bool,
}

impl Outlet for Others<'_> {
    fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        self.way.apply(fd, command, self.more)
    }

    fn has(&self, _: Fd) -> bool {
        true
    }

    fn info(&self, _: Fd) -> Option<Info> {
        None
    }
}
