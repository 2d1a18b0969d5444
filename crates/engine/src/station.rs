//! A worker's place in the server, wherever its connections are: in a loop of its own, or with the reactors.

use crate::crew::{Crew, Role};
use crate::desk::{Desk, Taken};
use crate::intake::Intake;
use crate::link::Inbox;
use crate::parcel::{Kind, Occupancy, Parcel};
use crate::post::PostError;
use crate::quota::Quota;
use crate::reactor::{Reactor, Served};
use crate::remote::{Limits, Remote};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wirewool_hub::command::{Command, Info, Outlet, Refused};
use wirewool_hub::event::{Event, Handler, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Count, Exchange};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;
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

/// This process's way to connections that others have, for all of its threads.
#[derive(Clone)]
pub struct Way(Arc<Mutex<Remote>>);

impl Way {
    /// For the occupant of `seat`.
    pub fn new(table: Arc<Table>, exchange: Arc<Exchange>, crew: Crew, seat: usize, limits: Limits) -> Way {
        Way(Arc::new(Mutex::new(Remote::new(table, exchange, crew, seat, limits))))
    }

    /// One step with it.
    #[inline]
    pub fn with<R>(&self, step: impl FnOnce(&mut Remote) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks something of a connection that another process has. While `more` of the same batch waits to be handled, that
    /// one is rung behind it.
    ///
    /// # Errors
    /// Why it will have no effect.
    #[inline]
    pub fn apply(&self, fd: Fd, command: Command<'_>, more: bool) -> Result<(), Refused> {
        self.with(|remote| {
            remote.apply(fd, command)?;
            if !more {
                remote.ring();
            }
            Ok(())
        })
    }
}

/// A process among others: where it sits, what it hears, and how it reaches them.
pub struct Among {
    /// Its seat in the exchange.
    pub seat: usize,
    /// Who the others are.
    pub crew: Crew,
    /// The seats.
    pub exchange: Arc<Exchange>,
    /// SIGTERM asks it to end.
    pub signals: Signals,
    /// Its way to the others' connections.
    pub way: Way,
}

impl Among {
    fn is_task_worker(&self) -> bool {
        self.crew.place_of(self.seat).is_some_and(|place| self.crew.role(place) == Role::Task)
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
}

impl Station {
    /// A worker with connections of its own; alone, or a process among others.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn own(mut reactor: Reactor, among: Option<Among>, max_wait: Duration) -> io::Result<Station> {
        let mut intake = None;
        if let Some(among) = &among {
            reactor.watch_signals(&among.signals)?;
            intake = Some(Box::new(Intake::new(among.exchange.clone(), among.seat, true)));
        }
        Ok(Station::new(Site::Own(Box::new(reactor), intake), among, max_wait))
    }

    /// A worker whose connections the reactors have.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn elsewhere(among: Among, max_wait: Duration) -> io::Result<Station> {
        let desk = Desk::new(among.exchange.clone(), among.crew.reactors, among.seat, &among.signals)?;
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
                    self.told_to_end |= woken.signalled && hears_term(&among.signals);
                    if woken.rang {
                        see_dead(desk, among, &mut self.parcels);
                    }
                }
                Ok(Verdict::Handled)
            }
        }
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
                    self.told_to_end |= self.among.as_ref().is_some_and(|among| hears_term(&among.signals));
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
                let taken = desk.take(reads, &mut self.parcels, |fd, event, more| {
                    hear(fd, event, &mut Others { way, more }, handler)
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
            dead.into_iter().for_each(|(seat, epoch)| intake.let_go(seat, epoch));
        }
        if reactor.settle(handler) == Verdict::Stop { Step::Stop } else { Step::Served }
    }

    /// The next parcel that others of the crew have sent.
    pub fn take_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    /// Waits until something comes from others of the crew, at most `limit`, in the midst of a handler: what it brings is
    /// there to be taken.
    pub fn wait_for_parcels(&mut self, limit: Option<Duration>, handler: &mut dyn Handler) -> Step {
        let Some(among) = &self.among else { return Step::Over };
        let may_sleep = among.way.with(Remote::may_sleep) && self.parcels.is_empty();
        let limit = if may_sleep { limit } else { Some(Duration::ZERO) };
        match &mut self.site {
            Site::Elsewhere(desk) => {
                desk.wait_for_crew(limit);
                let first = self.parcels.len();
                desk.take_parcels(&mut self.parcels);
                self.parcels.iter().skip(first).for_each(|parcel| note_taken(among, Some(parcel)));
                see_dead(desk, among, &mut self.parcels);
                Step::Over
            }
            Site::Own(_, Some(intake)) => {
                let doorbell = among.exchange.doorbell(among.seat);
                if intake.may_sleep() {
                    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
                    // However it ends, what has come is looked at.
                    let _ = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], limit.as_ref());
                }
                doorbell.clear();
                match self.rang(None, handler) {
                    Step::Stop => Step::Stop,
                    _ => self.carry_out(handler),
                }
            }
            Site::Own(_, None) => Step::Over,
        }
    }

    /// Waits until others have made room for what is kept, at most `limit`, in the midst of a handler: nothing is begun
    /// meanwhile.
    pub fn wait_for_room(&mut self, limit: Duration) {
        let (Some(among), Site::Elsewhere(desk)) = (&self.among, &mut self.site) else { return };
        if among.way.with(|remote| remote.may_sleep() && remote.lacks_room()) {
            desk.wait_for_room(limit);
        }
        see_dead(desk, among, &mut self.parcels);
    }

    /// Is something kept for somebody who is there, until he makes room for it?
    pub fn lacks_room(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.lacks_room()))
    }

    /// Sends a task to the task worker with that number, or to the one with the least to do: the task's number here.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn send_task(&self, worker: Option<usize>, flags: u8, payload: &[u8]) -> Result<u64, PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoTaskWorkers)?;
        self.posted(
            among
                .way
                .with(|remote| remote.with_post(|post, writers| post.send_task(writers, worker, flags, &[payload]))),
        )
    }

    /// Sends a message to whoever sits at a place.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn send_message(&self, place: usize, flags: u8, payload: &[u8]) -> Result<(), PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoSuchPlace(place, 0))?;
        self.posted(
            among
                .way
                .with(|remote| remote.with_post(|post, writers| post.send_message(writers, place, flags, &[payload]))),
        )
    }

    /// Sends what came of a task to whoever has asked for it, or has followed that one.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn answer_task(&self, task: (Occupancy, u64), kind: Kind, flags: u8, payload: &[u8]) -> Result<(), PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoTaskWorkers)?;
        self.posted(
            among
                .way
                .with(|remote| remote.with_post(|post, writers| post.answer(writers, task, kind, flags, &[payload]))),
        )
    }

    fn posted<R>(&self, posted: R) -> R {
        if let Some(among) = &self.among {
            among.way.with(Remote::ring);
        }
        posted
    }

    /// Who this process is to others of the crew.
    pub fn occupancy(&self) -> Option<Occupancy> {
        self.among.as_ref().map(|among| among.way.with(|remote| remote.with_post(|post, _| post.me())))
    }

    /// Has another process of the crew something of this one's to begin with still?
    fn has_unbegun(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.has_unbegun()))
    }

    /// Does something wait to be sent until there is room for it?
    pub fn has_kept(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.has_kept()))
    }

    /// Does so much wait to be sent that nothing more should be begun?
    pub fn is_stuffed(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.is_stuffed()))
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

    /// Says how much of something this worker has.
    pub fn set_count(&self, count: Count, value: u64) {
        if let Some(among) = &self.among {
            among.exchange.count(among.seat, count).store(value, Relaxed);
        }
    }

    /// Says whether it handles something now: events may go to those who do not.
    #[inline]
    pub fn set_busy(&self, busy: bool) {
        if let Some(among) = &self.among {
            among.exchange.count(among.seat, Count::Busy).store(u64::from(busy), Relaxed);
        }
    }
}

/// Does it still take what others of the crew send? A task worker that leaves begins nothing more that its successor can
/// do.
fn takes_parcels(among: &Among, is_ending: bool) -> bool {
    !is_ending || !among.is_task_worker() || among.exchange.is_final()
}

/// A parcel has come.
fn note_taken(among: &Among, parcel: Option<&Parcel>) {
    if let Some(parcel) = parcel {
        among.way.with(|remote| remote.note_taken(parcel));
    }
}

fn take_parcels(intake: &mut Intake, among: Option<&Among>, parcels: &mut VecDeque<Parcel>) {
    for parcel in intake.take_parcels() {
        if let Some(among) = among {
            note_taken(among, Some(&parcel));
        }
        parcels.push_back(parcel);
    }
}

/// The rings to the dead are closed. All that they have sent was taken before.
fn bury(among: &Among, dead: &[(usize, u32)], parcels: &mut VecDeque<Parcel>) {
    among.way.with(|remote| {
        remote.rang();
        remote.bury(dead, parcels);
        remote.ring();
    });
}

/// The same, where connections are elsewhere.
fn see_dead(desk: &mut Desk, among: &Among, parcels: &mut VecDeque<Parcel>) {
    let first = parcels.len();
    let dead = desk.take_dead(parcels);
    parcels.iter().skip(first).for_each(|parcel| note_taken(among, Some(parcel)));
    bury(among, &dead, parcels);
    dead.into_iter().for_each(|(seat, epoch)| desk.let_go(seat, epoch));
}

fn hears_term(signals: &Signals) -> bool {
    signals.take().any(|signal| signal == Signal::Term)
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
