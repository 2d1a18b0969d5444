//! A worker's part of its process's loop: serves connections, calls back.
//!
//! Its state belongs to the thread and is borrowed for single steps only, never while PHP runs: a callback calls
//! `push()`, and the loop goes on elsewhere while a callback waits.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use wirewool_engine::crew::parcel::{Kind, Parcel};
use wirewool_engine::crew::{Crew, Role};
use wirewool_engine::station::{Station, Step};
use wirewool_hub::command::{Command, Outlet, Refused};
use wirewool_hub::event::{Closed, Event as Happening, Handler, Status, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::Count;
use wirewool_ipc::table::Table;

use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch;
use crate::event::Event;
use crate::event_loop::{self, Turn};
use crate::guard::Stop;
use crate::parcels;
use crate::queue::{Next, Queue};
use crate::serial;
use crate::task;
use crate::task_worker;

/// How long a process without a loop waits at most before it looks again whether there is room for what it sends.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// A worker's loop, and what it works for.
pub(crate) struct Worker {
    station: Station,
    queue: Queue,
    pub(crate) table: Arc<Table>,
    /// Its number, and its seat.
    pub(crate) id: usize,
    pub(crate) seat: usize,
    role: Role,
    crew: Crew,
    /// What others of the crew have sent, and was put aside while something else was waited for.
    parcels: VecDeque<Parcel>,
    /// All of a connection comes to this worker if its fd says so.
    by_fd: bool,
    /// Those elsewhere that a method has closed here, before their end was heard of.
    closed_here: HashSet<Fd>,
    /// After so many more messages and requests it ends.
    requests_left: Option<u64>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) station: Station,
    pub(crate) table: Arc<Table>,
    pub(crate) id: usize,
    pub(crate) seat: usize,
    pub(crate) role: Role,
    pub(crate) crew: Crew,
    /// Which worker an event comes to depends on the fd alone.
    pub(crate) by_fd: bool,
    pub(crate) requests_left: Option<u64>,
    pub(crate) tells_connected: bool,
}

/// From here on, this process is a worker.
pub(crate) fn install(parts: Parts) {
    let worker = Worker {
        station: parts.station,
        queue: Queue::new(parts.tells_connected),
        table: parts.table,
        id: parts.id,
        seat: parts.seat,
        role: parts.role,
        crew: parts.crew,
        parcels: VecDeque::new(),
        by_fd: parts.by_fd,
        closed_here: HashSet::new(),
        requests_left: parts.requests_left,
    };
    WORKER.set(Some(worker));
}

/// Takes no events: what happens while a worker leaves, nobody hears.
struct Deaf;

impl Handler for Deaf {
    fn handle(&mut self, _: Fd, _: Happening<'_>, _: &mut dyn Outlet) -> Verdict {
        Verdict::Stop
    }
}

/// The worker is done: what was pushed and waits for the end of its batch leaves, its sockets close, and what the loop
/// held of PHP is released.
pub(crate) fn remove() {
    // Sends before the first event, and takes no memory of PHP's, which may have none left.
    with(|worker| worker.station.drain(&mut Deaf));
    // Taken out first: releasing may run PHP.
    drop(WORKER.take());
}

/// In a child of the script's own, which is no worker: what it has of the worker's sockets it closes, for they would stay
/// open as long as it lives.
pub(crate) fn forked() {
    drop(WORKER.take());
}

/// One step with the worker's state; none in a process that is no worker, or no child of the server's. `step` must not
/// run PHP.
pub(crate) fn with<R>(step: impl FnOnce(&mut Worker) -> R) -> Option<R> {
    if wirewool_ipc::process::is_foreign() {
        return None;
    }
    WORKER.with_borrow_mut(|worker| worker.as_mut().map(step))
}

impl Worker {
    /// Asks something of a connection: at once, or with the rest of the batch that is being handled.
    pub(crate) fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        let more = !self.queue.is_empty();
        let applied = self.station.apply(fd, command, more);
        self.make_room();
        self.station.count(Count::Responses, u64::from(applied.is_ok()));
        applied
    }

    /// Closes a connection. If its end is this worker's to tell, it is taken out of its turn.
    ///
    /// # Errors
    /// The queue has no memory left. Within: why the connection was not closed.
    pub(crate) fn apply_closing(
        &mut self,
        fd: Fd,
        command: Command<'_>,
    ) -> Result<Result<Option<Closed>, Refused>, Stop> {
        let disconnects = matches!(command, Command::Disconnect { .. });
        let is_own = self.station.has(fd);
        let status = self.status(fd);
        if let Err(refused) = self.station.apply(fd, command, false) {
            return Ok(Err(refused));
        }
        if is_own {
            check(self.station.settle(&mut self.queue))?;
            return Ok(Ok(self.queue.take_closed(fd)));
        }
        let is_told_here = self.by_fd && (fd.get() % self.crew.workers as u64) as usize == self.id;
        // One that ends begins nothing more: the end itself is for its successor, who tells the script.
        let is_ours = self.station.is_elsewhere() && is_told_here && !self.station.is_ending();
        let closed = status
            .filter(|_| is_ours && self.closed_here.insert(fd))
            .map(|status| Closed { by_server: true, status: if disconnects { Status::Closing } else { status } });
        Ok(Ok(closed))
    }

    /// How far a connection has come, in whichever worker it is.
    pub(crate) fn status(&self, fd: Fd) -> Option<Status> {
        self.table.connection(fd.get()).map(|connection| match connection.status {
            3 => Status::Active,
            4.. => Status::Closing,
            _ if self.station.has_opened(fd) => Status::Active,
            2 => Status::OwnHandshake,
            1 => Status::Upgrading,
            0 => Status::Plain,
        })
    }

    /// The number of the reactor, or of the worker, that has a connection.
    pub(crate) fn owner(&self, fd: Fd) -> Option<usize> {
        let owner = self.table.connection(fd.get())?.owner;
        Some(if self.station.is_elsewhere() { owner } else { self.crew.place_of(owner)? })
    }

    /// Can what came from a connection still be answered? Not once the script has closed it.
    pub(crate) fn is_open(&self, fd: Fd) -> bool {
        if self.station.is_elsewhere() { !self.closed_here.contains(&fd) } else { self.station.is_open(fd) }
    }

    /// The end of a connection has come: did a method tell the script already?
    pub(crate) fn was_told(&mut self, fd: Fd) -> bool {
        self.closed_here.remove(&fd)
    }

    /// The script was told of a connection's end by the method that closed it; is the end itself still to come?
    pub(crate) fn awaits_end(&self, fd: Fd) -> bool {
        self.closed_here.contains(&fd)
    }

    /// Is it the manager, which is no worker, but sends as one does?
    fn is_manager(&self) -> bool {
        self.role == Role::Manager
    }

    /// This worker is to be replaced by another one.
    pub(crate) fn leave_soon(&mut self) {
        self.requests_left = Some(0);
    }

    /// The next item of the queue.
    fn next_item(&mut self) -> Result<Option<Next>, Stop> {
        if self.queue.is_empty() {
            check(self.station.settle_own(&mut self.queue))?;
        }
        Ok(self.queue.take())
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<Verdict> {
        let has_more = !self.queue.is_empty() || !self.parcels.is_empty();
        let limit = if has_more { Some(Duration::ZERO) } else { limit };
        self.station.wait(limit, &mut self.queue)
    }

    fn step(&mut self) -> Step {
        // What is not begun is for a successor. Once it has left, it hears what it has asked for.
        if self.station.is_elsewhere() && self.is_to_end() && !self.station.is_ending() {
            return Step::Over;
        }
        self.station.step(&mut self.queue)
    }

    /// The place of this worker among the others.
    pub(crate) fn station(&self) -> &Station {
        &self.station
    }

    /// The next parcel that others of the crew have sent.
    fn next_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front().or_else(|| self.station.take_parcel())
    }

    /// Waits in the midst of a callback until others of the crew have sent something, at most `limit`.
    pub(crate) fn wait_for_parcels(&mut self, limit: Option<Duration>) {
        // The queue stops when PHP has no memory left: the next one who looks at it ends the process.
        self.station.wait_for_parcels(limit, &mut self.queue);
    }

    /// A task is done: waits until there is room for what came of it.
    pub(crate) fn make_room_behind_task(&mut self) {
        self.station.make_room();
    }

    /// As [`Worker::wait_for_parcels`]: those that somebody waits for in this very callback. The others are put aside.
    pub(crate) fn wait_for_answers(&mut self, limit: Option<Duration>) -> Vec<Parcel> {
        self.wait_for_parcels(limit);
        let mut answers = Vec::new();
        while let Some(parcel) = self.station.take_parcel() {
            match task::is_waited_for(&parcel) {
                true => answers.push(parcel),
                false => self.parcels.push_back(parcel),
            }
        }
        answers
    }

    /// Sends something to others of the crew.
    pub(crate) fn post<R>(&mut self, send: impl FnOnce(&Station) -> R) -> R {
        let sent = send(&self.station);
        self.make_room();
        sent
    }

    /// Without a loop nobody sends later what has no room now: whoever sends waits. Nor does anybody else see who has
    /// died, and what that one had not begun.
    pub(crate) fn make_room(&mut self) {
        if self.role != Role::User || registry::is_looping() {
            return;
        }
        self.wait_for_parcels(Some(Duration::ZERO));
        while self.station.has_kept() {
            self.wait_for_parcels(Some(ROOM_PAUSE));
        }
    }

    /// Does it do what workers leave to it?
    pub(crate) fn is_task_worker(&self) -> bool {
        self.role == Role::Task
    }

    fn begin_parcel(&mut self, parcel: &Parcel) {
        if parcel.kind == Kind::Task {
            self.station.count(Count::Tasks, 1);
            self.requests_left = self.requests_left.map(|left| left.saturating_sub(1));
        }
    }

    fn begin(&mut self, is_request: bool) {
        self.station.count(Count::Begun, 1);
        if is_request {
            self.station.count(Count::Requests, 1);
            self.requests_left = self.requests_left.map(|left| left.saturating_sub(1));
        }
        self.station.set_busy(true, waiting());
    }

    fn end_item(&mut self) {
        self.station.set_busy(false, waiting());
        self.station.flush_if_late();
    }

    /// Was it told to end, or has it handled as much as it should? Of the connections that it has closed, whose end the
    /// script was told of, it awaits the end first: a successor would tell the script once more.
    fn is_to_end(&self) -> bool {
        (self.station.is_told_to_end() || self.requests_left == Some(0)) && self.closed_here.is_empty()
    }

    fn end_if_told(&mut self) -> Verdict {
        // A callback that waits has not come to its end, but it keeps nobody busy.
        self.station.set_busy(false, waiting());
        if self.is_to_end() {
            self.queue.leave();
            self.station.leave();
        }
        // Callbacks that wait may still answer.
        if self.station.is_ending() && (dispatch::running() == 0 || self.station.is_nearly_late()) {
            return self.station.close_all(&mut self.queue);
        }
        Verdict::Handled
    }
}

/// How many callbacks and tasks have begun and not ended.
fn waiting() -> usize {
    dispatch::running() + task_worker::running()
}

/// Does something keep this process from its end?
fn is_kept() -> bool {
    registry::suspended() > 0 || event_loop::has_work() || task::has_callbacks() || task_worker::running() > 0
}

/// The number of this process among those of the server; none in the master and the manager.
pub(crate) fn number() -> Option<usize> {
    with(|worker| (!worker.is_manager()).then_some(worker.id)).flatten()
}

/// May a process whose loop is another's wait for its doorbell?
pub(crate) fn may_sleep() -> bool {
    with(|worker| worker.station.may_sleep()).unwrap_or(true)
}

/// One step of the loop. A fork of the script's own comes back from its callback into a loop that is not its own: it
/// ends.
fn step<R>(step: impl FnOnce(&mut Worker) -> R) -> Result<R, Stop> {
    with(step).ok_or(Stop::Bailout)
}

/// Does this process's loop serve connections?
pub(crate) fn exists() -> bool {
    WORKER.with_borrow(Option::is_some)
}

/// From now on connections are accepted, if this process is a worker.
///
/// # Errors
/// It cannot accept: the worker is to end.
pub(crate) fn open() -> Result<(), Stop> {
    with(|worker| worker.station.open()).unwrap_or(Ok(())).map_err(|error| {
        tracing::error!("the worker ends, it cannot accept: {error}");
        Stop::Thrown
    })
}

/// What scripts watch ends this worker's waits too.
///
/// # Errors
/// Those of epoll.
pub(crate) fn watch(descriptor: impl AsFd) -> io::Result<()> {
    with(|worker| worker.station.watch(descriptor)).unwrap_or(Ok(()))
}

/// Can it take no more events now: has it no stack for a callback that waits, or too much that waits already?
///
/// # Errors
/// PHP has no memory left: the worker is to end.
pub(crate) fn is_full() -> Result<bool, Stop> {
    if serial::is_full() {
        return Ok(true);
    }
    // The manager's callbacks are no coroutines: they do not wait.
    let has_stack = scheduler::has_idle() || step(|worker| worker.is_manager())? || scheduler::has_spare()?;
    Ok(!has_stack)
}

/// Calls back for what a pass brings, until a callback has waited (then the loop is elsewhere) or the pass is over.
/// What the callbacks send leaves at once, while more waits in the queue with the rest, or when that takes long. True if
/// the pass is over.
///
/// # Errors
/// A callback threw, exited or ended fatally: the worker is to end.
pub(crate) fn serve() -> Result<bool, Stop> {
    let Some(dispatch) = dispatch::current() else { return Ok(true) };
    let mut is_over = false;
    loop {
        while let Some(next) = step(Worker::next_item)?? {
            match next {
                Next::Item(fd, item) => {
                    step(|worker| worker.begin(item.is_request()))?;
                    dispatch.handle(fd, item)?;
                }
                Next::Packet(packet) => {
                    step(|worker| worker.begin(true))?;
                    dispatch.packet(packet)?;
                }
            }
            step(Worker::end_item)?;
            if registry::has_back() || is_full()? {
                return Ok(false);
            }
        }
        while let Some(parcel) = step(Worker::next_parcel)? {
            step(|worker| worker.begin_parcel(&parcel))?;
            parcels::handle(&dispatch, parcel)?;
            step(|worker| worker.station.flush_if_late())?;
            if registry::has_back() || is_full()? {
                return Ok(false);
            }
        }
        if is_over {
            return Ok(true);
        }
        match step(Worker::step)? {
            Step::Over => is_over = true,
            Step::Served => {}
            Step::Stop => return Err(Stop::Bailout),
        }
    }
}

/// Waits until there is something to do, at most `limit`.
///
/// # Errors
/// It cannot wait, or PHP has no memory left: the worker is to end.
pub(crate) fn wait(limit: Option<Duration>) -> Result<(), Stop> {
    match step(|worker| worker.wait(limit))? {
        Ok(verdict) => check(verdict),
        Err(error) => {
            tracing::error!("the worker ends, it cannot wait: {error}");
            Err(Stop::Thrown)
        }
    }
}

/// The end of a pass: has the worker come to its end?
///
/// # Errors
/// A callback did not return: the worker is to end.
pub(crate) fn end_of_pass(is_told_to_end: bool) -> Result<Turn, Stop> {
    if is_told_to_end {
        step(Worker::leave_soon)?;
    }
    match step(|worker| worker.role)? {
        // Nobody tells it to end: it is over when it has nothing more to do.
        Role::User => return Ok(if is_told_to_end || !is_kept() { Turn::Over } else { Turn::GoOn }),
        // It ends with the server.
        Role::Manager => return Ok(Turn::GoOn),
        Role::Worker | Role::Task => {}
    }
    task_worker::tell_ended()?;
    check(step(Worker::end_if_told)?)?;
    let (is_ending, has_ended, is_late) = step(|worker| {
        let has_ended = worker.queue.is_empty() && worker.parcels.is_empty() && worker.station.has_ended();
        (worker.station.is_ending(), has_ended, worker.station.is_late())
    })?;
    if !is_ending {
        return Ok(Turn::GoOn);
    }
    let is_kept = is_kept();
    if is_late && is_kept {
        tracing::warn!("worker exit timeout, forced termination");
    }
    if is_late || has_ended && !is_kept {
        return Ok(Turn::Over);
    }
    if let Some(dispatch) = dispatch::current() {
        let id = step(|worker| worker.id)?;
        dispatch.tell_numbers(Event::WorkerExit, [id as i64])?;
    }
    Ok(Turn::GoOn)
}

/// Does it end, but for what keeps it?
pub(crate) fn is_ending() -> bool {
    with(|worker| worker.station.is_ending()).unwrap_or(false)
}

/// The queue stops when PHP has no memory left for what it is to hold.
fn check(verdict: Verdict) -> Result<(), Stop> {
    if verdict == Verdict::Stop { Err(Stop::Bailout) } else { Ok(()) }
}
