//! The loop of a worker process: waits, serves, calls back.
//!
//! The loop's state belongs to the thread and is borrowed for single steps only, never while PHP runs: a callback
//! calls `push()`, and the loop may one day go on elsewhere while a callback is suspended.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use wirewool_engine::reactor::{Reactor, Served};
use wirewool_hub::command::{Command, Info, Outlet, Refused};
use wirewool_hub::event::{Closed, Event, Handler, Verdict};
use wirewool_hub::fd::Fd;
use wirewool_hub::time::Moment;
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_ipc::table::Table;
use wirewool_proto::websocket::close::CloseCode;

use crate::callback::{Callback, Outcome};
use crate::exception;
use crate::guard::Stop;
use crate::queue::{Item, Queue};
use crate::zend::value::Owned;

/// A worker's loop, and what it works for.
pub(crate) struct Worker {
    reactor: Reactor,
    queue: Queue,
    deferred: Vec<Rc<Callback>>,
    pub(crate) table: Arc<Table>,
    /// Its number.
    pub(crate) id: usize,
    /// The port of the server.
    pub(crate) port: u16,
    /// The descriptor that it listens on, and the kind of socket.
    pub(crate) server_descriptor: i32,
    pub(crate) socket_type: i64,
    began: SystemTime,
    signals: Signals,
    max_wait: Duration,
    /// When the worker leaves its connections behind, once it ends.
    ends_at: Option<Instant>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) reactor: Reactor,
    pub(crate) table: Arc<Table>,
    pub(crate) id: usize,
    pub(crate) port: u16,
    pub(crate) server_descriptor: i32,
    pub(crate) socket_type: i64,
    pub(crate) signals: Signals,
    pub(crate) max_wait: Duration,
    pub(crate) tells_connected: bool,
}

/// From here on, this process is a worker.
pub(crate) fn install(parts: Parts) {
    let worker = Worker {
        reactor: parts.reactor,
        queue: Queue::new(parts.tells_connected),
        deferred: Vec::new(),
        table: parts.table,
        id: parts.id,
        port: parts.port,
        server_descriptor: parts.server_descriptor,
        socket_type: parts.socket_type,
        began: SystemTime::now(),
        signals: parts.signals,
        max_wait: parts.max_wait,
        ends_at: None,
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
    with(|worker| worker.reactor.settle(&mut Deaf));
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
        self.reactor.apply(fd, command, more)
    }

    /// Closes a connection, and takes its end out of its turn.
    ///
    /// # Errors
    /// The queue has no memory left. Within: why the connection was not closed.
    pub(crate) fn apply_closing(
        &mut self,
        fd: Fd,
        command: Command<'_>,
    ) -> Result<Result<Option<Closed>, Refused>, Stop> {
        if let Err(refused) = self.reactor.apply(fd, command, false) {
            return Ok(Err(refused));
        }
        check(self.reactor.settle(&mut self.queue))?;
        Ok(Ok(self.queue.take_closed(fd)))
    }

    pub(crate) fn info(&self, fd: Fd) -> Option<Info> {
        self.reactor.info(fd)
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// When a moment of the loop was.
    pub(crate) fn time_of(&self, moment: Moment) -> SystemTime {
        self.began + Duration::from_millis(moment.0)
    }

    /// To be called once this pass is over.
    pub(crate) fn defer(&mut self, callback: Rc<Callback>) {
        self.deferred.push(callback);
    }

    /// The next item of the queue.
    fn next_item(&mut self) -> Result<Option<(Fd, Item)>, Stop> {
        if self.queue.is_empty() {
            check(self.reactor.settle(&mut self.queue))?;
        }
        Ok(self.queue.take())
    }

    fn wait(&mut self) -> io::Result<()> {
        let limit = match self.ends_at {
            _ if !self.deferred.is_empty() => Some(Duration::ZERO),
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => None,
        };
        self.reactor.wait(limit)
    }

    /// SIGTERM: no more connections, the others are closed.
    fn end(&mut self) -> Verdict {
        if self.ends_at.is_some() {
            return Verdict::Handled;
        }
        self.ends_at = Some(Instant::now() + self.max_wait);
        self.reactor.stop_accepting();
        self.reactor.close_all(CloseCode::GOING_AWAY, &mut self.queue)
    }

    fn has_ended(&self) -> bool {
        self.ends_at.is_some_and(|at| self.reactor.is_empty() || at <= Instant::now())
    }
}

/// One step of the loop. A fork of the script's own comes back from its callback into a loop that is not its own: it
/// ends.
fn step<R>(step: impl FnOnce(&mut Worker) -> R) -> Result<R, Stop> {
    with(step).ok_or(Stop::Bailout)
}

/// Runs the loop until the worker is told to end. `handle` runs one item of the queue, `call` one deferred callback.
///
/// # Errors
/// A callback threw, exited or ended fatally, or the loop cannot wait: the worker is to end.
pub(crate) fn run(
    handle: &dyn Fn(Fd, Item) -> Result<(), Stop>,
    call: &dyn Fn(Rc<Callback>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    loop {
        if let Err(error) = step(Worker::wait)? {
            tracing::error!("the worker ends, it cannot wait: {error}");
            return Ok(());
        }
        check(step(|worker| worker.reactor.tick(&mut worker.queue))?)?;
        run_queue(handle)?;
        loop {
            match step(|worker| worker.reactor.serve(&mut worker.queue))? {
                Served::Nothing => break,
                Served::Connection | Served::Rang => {}
                Served::Signalled => check(step(|worker| {
                    let term = worker.signals.take().any(|signal| signal == Signal::Term);
                    if term { worker.end() } else { Verdict::Handled }
                })?)?,
                Served::Stop => return Err(Stop::Bailout),
            }
            run_queue(handle)?;
        }
        for callback in step(|worker| std::mem::take(&mut worker.deferred))? {
            call(callback)?;
            run_queue(handle)?;
        }
        if step(|worker| worker.has_ended())? {
            return Ok(());
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
        handle(fd, item)?;
        step(|worker| worker.reactor.flush_if_late())?;
    }
    Ok(())
}

/// Calls a script's callback. An exception is reported, and everything but a return ends the worker; so does what a
/// destructor throws when the last references to the arguments go.
///
/// # Errors
/// The worker is to end.
pub(crate) fn call<const N: usize>(callback: Rc<Callback>, mut arguments: [Owned; N]) -> Result<(), Stop> {
    let called = match callback.call(&mut arguments) {
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
