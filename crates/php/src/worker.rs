//! The loop of a worker process: waits, serves, calls back.
//!
//! The loop's state belongs to the thread and is borrowed for single steps only, never while PHP runs: a callback
//! calls `push()`, and the loop may one day go on elsewhere while a callback is suspended.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use wirewool_engine::station::{Station, Step};
use wirewool_hub::command::{Command, Outlet, Refused};
use wirewool_hub::event::{Closed, Event, Handler, Status, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::Count;
use wirewool_ipc::table::Table;

use crate::callback::{Callback, Outcome};
use crate::exception;
use crate::guard::Stop;
use crate::queue::{Item, Queue};
use crate::zend::value::Owned;

/// A worker's loop, and what it works for.
pub(crate) struct Worker {
    station: Station,
    queue: Queue,
    deferred: Vec<Rc<Callback>>,
    pub(crate) table: Arc<Table>,
    /// Its number, and its seat.
    pub(crate) id: usize,
    pub(crate) seat: usize,
    /// All of a connection comes to this worker if its fd says so; of how many workers.
    workers: usize,
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
    pub(crate) workers: usize,
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
        deferred: Vec::new(),
        table: parts.table,
        id: parts.id,
        seat: parts.seat,
        workers: parts.workers,
        by_fd: parts.by_fd,
        closed_here: HashSet::new(),
        requests_left: parts.requests_left,
    };
    WORKER.set(Some(worker));
}

/// Takes no events: what happens while a worker leaves, nobody hears.
struct Deaf;

impl Handler for Deaf {
    fn handle(&mut self, _: Fd, _: Event<'_>, _: &mut dyn Outlet) -> Verdict {
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
        let is_told_here = self.by_fd && (fd.get() % self.workers as u64) as usize == self.id;
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
        Some(if self.station.is_elsewhere() { owner } else { owner % self.workers })
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

    /// To be called once this pass is over.
    pub(crate) fn defer(&mut self, callback: Rc<Callback>) {
        self.deferred.push(callback);
    }

    /// This worker is to be replaced by another one.
    pub(crate) fn leave_soon(&mut self) {
        self.requests_left = Some(0);
    }

    /// The next item of the queue.
    fn next_item(&mut self) -> Result<Option<(Fd, Item)>, Stop> {
        if self.queue.is_empty() {
            check(self.station.settle_own(&mut self.queue))?;
        }
        Ok(self.queue.take())
    }

    fn wait(&mut self) -> io::Result<Verdict> {
        let limit = if self.deferred.is_empty() { None } else { Some(Duration::ZERO) };
        self.station.wait(limit, &mut self.queue)
    }

    fn step(&mut self) -> Step {
        // What is not begun is for a successor.
        if self.station.is_elsewhere() && self.is_to_end() {
            return Step::Over;
        }
        self.station.step(&mut self.queue)
    }

    fn begin(&mut self, item: &Item) {
        self.station.count(Count::Begun, 1);
        if item.is_request() {
            self.station.count(Count::Requests, 1);
            self.requests_left = self.requests_left.map(|left| left.saturating_sub(1));
        }
        self.station.set_busy(true);
    }

    fn end_item(&mut self) {
        self.station.set_busy(false);
        self.station.flush_if_late();
    }

    /// Was it told to end, or has it handled as much as it should? Of the connections that it has closed, whose end the
    /// script was told of, it awaits the end first: a successor would tell the script once more.
    fn is_to_end(&self) -> bool {
        (self.station.is_told_to_end() || self.requests_left == Some(0)) && self.closed_here.is_empty()
    }

    fn end_if_told(&mut self) -> Verdict {
        if self.is_to_end() {
            return self.station.end(&mut self.queue);
        }
        Verdict::Handled
    }
}

/// What a loop's turn came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    GoOn,
    /// It ends, and waits for its connections.
    Leaving,
    Ended,
}

/// One step of the loop. A fork of the script's own comes back from its callback into a loop that is not its own: it
/// ends.
fn step<R>(step: impl FnOnce(&mut Worker) -> R) -> Result<R, Stop> {
    with(step).ok_or(Stop::Bailout)
}

/// Runs the loop until the worker is told to end. `handle` runs one item of the queue, `call` one deferred callback,
/// `leaving` what a script wants to do while the worker ends, turn by turn.
///
/// # Errors
/// A callback threw, exited or ended fatally, or the loop cannot wait: the worker is to end.
pub(crate) fn run(
    handle: &dyn Fn(Fd, Item) -> Result<(), Stop>,
    call: &dyn Fn(Rc<Callback>) -> Result<(), Stop>,
    leaving: &dyn Fn() -> Result<(), Stop>,
) -> Result<(), Stop> {
    if let Err(error) = step(|worker| worker.station.open())? {
        tracing::error!("the worker ends, it cannot accept: {error}");
        return Ok(());
    }
    loop {
        match step(Worker::wait)? {
            Ok(verdict) => check(verdict)?,
            Err(error) => {
                tracing::error!("the worker ends, it cannot wait: {error}");
                return Ok(());
            }
        }
        run_queue(handle)?;
        loop {
            match step(Worker::step)? {
                Step::Over => break,
                Step::Served => run_queue(handle)?,
                Step::Stop => return Err(Stop::Bailout),
            }
        }
        run_queue(handle)?;
        for callback in step(|worker| std::mem::take(&mut worker.deferred))? {
            call(callback)?;
            run_queue(handle)?;
        }
        check(step(Worker::end_if_told)?)?;
        run_queue(handle)?;
        let turn = step(|worker| match (worker.station.has_ended(), worker.station.is_ending()) {
            (true, _) => Turn::Ended,
            (false, true) => Turn::Leaving,
            (false, false) => Turn::GoOn,
        })?;
        match turn {
            Turn::GoOn => {}
            Turn::Leaving => leaving()?,
            Turn::Ended => return Ok(()),
        }
    }
}

/// The queue stops when PHP has no memory left for what it is to hold.
fn check(verdict: Verdict) -> Result<(), Stop> {
    if verdict == Verdict::Stop { Err(Stop::Bailout) } else { Ok(()) }
}

/// Calls back for all that is in the queue. What the callbacks send leaves at once, while more waits in the queue with
/// the rest, or when that takes long.
fn run_queue(handle: &dyn Fn(Fd, Item) -> Result<(), Stop>) -> Result<(), Stop> {
    while let Some((fd, item)) = step(Worker::next_item)?? {
        step(|worker| worker.begin(&item))?;
        handle(fd, item)?;
        step(Worker::end_item)?;
    }
    Ok(())
}

/// Calls a script's callback. An exception is reported, and everything but a return ends the worker; so does what a
/// destructor throws when the last references to the arguments go.
///
/// # Errors
/// The worker is to end.
pub(crate) fn call(callback: Rc<Callback>, mut arguments: impl AsMut<[Owned]>) -> Result<(), Stop> {
    let called = match callback.call(arguments.as_mut()) {
        Outcome::Bailout => Err(Stop::Bailout),
        Outcome::Returned | Outcome::Threw | Outcome::Exited => exception::settle(),
    };
    drop(arguments);
    drop(callback);
    settle(called)
}

/// Looks after what was released since `result` came about: a destructor may have thrown.
///
/// # Errors
/// The worker is to end.
pub(crate) fn settle(result: Result<(), Stop>) -> Result<(), Stop> {
    match result {
        Err(Stop::Bailout) => result,
        _ => exception::settle().and(result),
    }
}
