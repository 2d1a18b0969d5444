//! Turns what is due, ready or readable in a process into calls of PHP, one at a time.
//!
//! A pass: what the server's queue holds, coroutines that are ready, timers that are due, what was put off; then a wait,
//! then what scripts watch. Where it stands in a pass belongs to the process, not to a stack: after any callback the
//! loop may go on elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use wirewool_engine::manager::Besides;
use wirewool_engine::poller::{Flags, Poller, Ready};

use crate::callback::{Callback, Outcome};
use crate::coroutine::context::Job;
use crate::coroutine::registry::{self, Ticket, Woken};
use crate::coroutine::scheduler;
use crate::event_methods;
use crate::exception;
use crate::guard::Stop;
use crate::log;
use crate::subprocess::signals;
use crate::timer;
use crate::timers::{Key, Timers};
use crate::worker;
use crate::zend::value::Owned;

/// How long the loop waits at most while something keeps it that it should not end with.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// How long a worker that can take no more events waits for what it has to get on.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    GoOn,
    Over,
}

/// What a timer is for.
pub(crate) enum Due {
    Wake(Ticket),
    Timer(i64),
}

/// What a descriptor is watched for by whom.
pub(crate) enum Watcher {
    Coroutine(Ticket),
    /// A callback, and what it is called with.
    Callback(Rc<Callback>, Owned),
    /// A callback for the signal with this number: it does not keep the loop.
    Signal(Rc<Callback>, i32),
    /// Nobody but what could not be written at once.
    Rest,
}

/// One descriptor that a script watches.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) read: Option<Watcher>,
    pub(crate) write: Option<Watcher>,
    /// Whether each is asked for now: a callback may rest.
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// Where in a pass the loop stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Begin,
    Serve,
    /// So many of what is ready are for this pass.
    Ready(usize),
    Timers(Option<Instant>),
    Deferred(usize),
    End,
    Wait,
    Fired,
}

struct Loop {
    timers: Timers<Due>,
    deferred: VecDeque<Rc<Callback>>,
    /// Called in each pass: before the wait, and behind it.
    before: Option<Rc<Callback>>,
    after: Option<Rc<Callback>>,
    watched: BTreeMap<RawFd, Watched>,
    fired: VecDeque<(RawFd, bool)>,
    poller: Option<Rc<Poller>>,
    /// What it begins with, one after the other.
    first: VecDeque<Job>,
}

impl Loop {
    const fn new() -> Loop {
        Loop {
            timers: Timers::new(),
            deferred: VecDeque::new(),
            before: None,
            after: None,
            watched: BTreeMap::new(),
            fired: VecDeque::new(),
            poller: None,
            first: VecDeque::new(),
        }
    }
}

thread_local! {
    static LOOP: RefCell<Loop> = const { RefCell::new(Loop::new()) };
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Begin) };
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Somebody has told it to be over: `Event::exit()`.
    static IS_TOLD_TO_END: Cell<bool> = const { Cell::new(false) };
}

fn with<R>(step: impl FnOnce(&mut Loop) -> R) -> R {
    LOOP.with_borrow_mut(step)
}

/// The time of this pass.
pub(crate) fn now() -> Instant {
    NOW.get().unwrap_or_else(Instant::now)
}

/// A coroutine's wait is over at `at`.
pub(crate) fn wake_at(at: Instant, ticket: Ticket) -> Key {
    with(|it| it.timers.insert(at, Due::Wake(ticket)))
}

/// A timer of the script's is due at `at`.
pub(crate) fn timer_at(at: Instant, timer: i64) -> Key {
    with(|it| it.timers.insert(at, Due::Timer(timer)))
}

/// It is not waited for any more.
pub(crate) fn forget_wake(key: Key) {
    with(|it| it.timers.remove(key));
}

/// To be called at the end of this pass.
pub(crate) fn defer(callback: Rc<Callback>) {
    with(|it| it.deferred.push_back(callback));
}

/// To be called in each pass, before its wait or behind it; none to stop that. The old one.
pub(crate) fn cycle(callback: Option<Rc<Callback>>, is_before: bool) -> Option<Rc<Callback>> {
    with(|it| std::mem::replace(if is_before { &mut it.before } else { &mut it.after }, callback))
}

/// The loop is over after this pass, whatever waits.
pub(crate) fn exit() {
    IS_TOLD_TO_END.set(true);
}

/// Was the loop told to be over, though something may still wait?
pub(crate) fn is_told_to_end() -> bool {
    IS_TOLD_TO_END.get()
}

/// The loop begins, with jobs of its caller's.
pub(crate) fn begin(first: VecDeque<Job>) {
    drop(with(|it| std::mem::replace(&mut it.first, first)));
    PHASE.set(Phase::Begin);
    IS_TOLD_TO_END.set(false);
    NOW.set(Some(Instant::now()));
}

/// Is there anything that a loop would come to?
pub(crate) fn has_work() -> bool {
    let keeps = |watched: &Watched| !matches!(watched.read, Some(Watcher::Signal(..)));
    registry::ready() > 0
        || with(|it| !it.timers.is_empty() || !it.deferred.is_empty() || it.watched.values().any(keeps))
}

/// The descriptor that becomes readable with any that scripts watch, for a loop that waits elsewhere.
pub(crate) fn poller() -> Option<Rc<Poller>> {
    with(|it| it.poller.clone())
}

/// Empties it: what it had is for the caller to release, which may run PHP, or in a child process to forget.
pub(crate) fn take_all() -> impl Sized {
    let mut left = with(|it| std::mem::replace(it, Loop::new()));
    drop(left.poller.take());
    PHASE.set(Phase::Begin);
    left
}

/// Does what is due in a process whose loop is another's: what that one is to wait for besides.
///
/// # Errors
/// A callback did not return: this process is to end.
pub(crate) fn pump() -> Result<Besides, Stop> {
    log::follow();
    NOW.set(Some(Instant::now()));
    if with(|it| !it.watched.is_empty()) {
        poll(Some(Duration::ZERO));
    }
    PHASE.set(Phase::Fired);
    while PHASE.get() != Phase::Wait {
        turn()?;
    }
    Ok(Besides { limit: limit(), poller: poller().filter(|_| watched_count() > 0) })
}

/// One step of the loop: one callback, or one wait.
///
/// # Errors
/// A callback did not return: this process is to end.
pub(crate) fn turn() -> Result<Turn, Stop> {
    let phase = PHASE.get();
    match phase {
        Phase::Begin => match with(|it| it.first.pop_front()) {
            Some(job) => job()?,
            None => {
                PHASE.set(Phase::Serve);
                worker::open()?;
            }
        },
        Phase::Serve => {
            if !worker::exists() || worker::is_full()? || worker::serve()? {
                PHASE.set(Phase::Ready(registry::ready()));
            }
        }
        Phase::Ready(0) => {
            let waits_for_any = with(|it| !it.timers.is_empty());
            PHASE.set(Phase::Timers(waits_for_any.then(Instant::now)));
        }
        Phase::Ready(left) => {
            PHASE.set(Phase::Ready(left - 1));
            scheduler::do_ready()?;
        }
        Phase::Timers(at) => match at.and_then(|at| with(|it| it.timers.take_due(at))) {
            Some(due) => fire(due)?,
            None => PHASE.set(Phase::Deferred(with(|it| it.deferred.len()))),
        },
        Phase::Deferred(0) => {
            PHASE.set(Phase::End);
            call_cycle(true)?;
        }
        Phase::Deferred(left) => {
            PHASE.set(Phase::Deferred(left - 1));
            if let Some(callback) = with(|it| it.deferred.pop_front()) {
                call(callback, Vec::new())?;
            }
        }
        Phase::End => {
            PHASE.set(Phase::Wait);
            return end_of_pass();
        }
        Phase::Wait => {
            PHASE.set(Phase::Fired);
            wait()?;
            log::follow();
            call_cycle(false)?;
        }
        Phase::Fired => match with(|it| it.fired.pop_front()) {
            Some((descriptor, reads)) => hear(descriptor, reads)?,
            None => PHASE.set(Phase::Serve),
        },
    }
    Ok(Turn::GoOn)
}

fn call_cycle(is_before: bool) -> Result<(), Stop> {
    let callback = with(|it| if is_before { it.before.clone() } else { it.after.clone() });
    callback.map_or(Ok(()), |callback| call_plainly(&callback, &mut []))
}

/// Is the loop over?
fn end_of_pass() -> Result<Turn, Stop> {
    if worker::exists() {
        return worker::end_of_pass(IS_TOLD_TO_END.take());
    }
    if registry::is_looping() && (IS_TOLD_TO_END.get() || !has_work()) {
        return Ok(Turn::Over);
    }
    Ok(Turn::GoOn)
}

fn limit() -> Option<Duration> {
    if registry::ready() > 0 {
        return Some(Duration::ZERO);
    }
    let of_timers = with(|it| {
        if !it.deferred.is_empty() {
            return Some(Duration::ZERO);
        }
        if it.timers.is_empty() { None } else { it.timers.pause(Instant::now()) }
    });
    let of_worker = if worker::is_ending() { Some(PAUSE_MAX) } else { None };
    [of_timers, of_worker].into_iter().flatten().min()
}

/// Waits for the first of all that a process waits for.
fn wait() -> Result<(), Stop> {
    let limit = limit();
    if worker::exists() && worker::is_full()? {
        // What it does not take stays ready: waiting for that would be none.
        poll(Some(limit.unwrap_or(FULL_PAUSE).min(FULL_PAUSE)));
        NOW.set(Some(Instant::now()));
    } else if worker::exists() {
        worker::wait(limit)?;
        NOW.set(Some(Instant::now()));
        if with(|it| !it.watched.is_empty()) {
            poll(Some(Duration::ZERO));
        }
    } else {
        poll(limit);
        NOW.set(Some(Instant::now()));
    }
    Ok(())
}

/// Asks which of the descriptors that scripts watch are ready.
fn poll(limit: Option<Duration>) {
    let poller = match own_poller() {
        Ok(poller) => poller,
        Err(error) => {
            tracing::error!("nothing can be waited for: {error}");
            std::thread::sleep(limit.unwrap_or(PAUSE_MAX));
            return;
        }
    };
    let mut ready: Vec<Ready> = Vec::new();
    if let Err(error) = poller.wait(&mut ready, limit) {
        tracing::error!("the loop cannot wait: {error}");
        return;
    }
    with(|it| {
        for event in ready {
            let descriptor = event.data.u64() as RawFd;
            let flags = event.flags;
            let failed = flags.intersects(Flags::HUP | Flags::ERR);
            let Some(watched) = it.watched.get(&descriptor) else { continue };
            if watched.reads && (failed || flags.contains(Flags::IN)) {
                it.fired.push_back((descriptor, true));
            }
            if watched.writes && (failed || flags.contains(Flags::OUT)) {
                it.fired.push_back((descriptor, false));
            }
        }
    });
}

/// The poller of what scripts watch.
fn own_poller() -> std::io::Result<Rc<Poller>> {
    if let Some(poller) = poller() {
        return Ok(poller);
    }
    let poller = Rc::new(Poller::new()?);
    worker::watch(&poller)?;
    with(|it| it.poller = Some(poller.clone()));
    Ok(poller)
}

/// Changes what is watched of a descriptor. What was watched before, to be dropped by the caller: that may run PHP.
///
/// # Errors
/// Those of epoll: for one, what is always ready cannot be watched.
pub(crate) fn watch(descriptor: RawFd, change: impl FnOnce(&mut Watched)) -> std::io::Result<()> {
    let poller = own_poller()?;
    let mut watched = with(|it| it.watched.remove(&descriptor));
    let is_new = watched.is_none();
    let mut now = watched.take().unwrap_or_default();
    change(&mut now);
    let mut flags = Flags::empty();
    flags.set(Flags::IN, now.reads && now.read.is_some());
    flags.set(Flags::OUT, now.writes && now.write.is_some());
    // SAFETY: epoll itself says if it is not open, and it is not used beyond these calls.
    let raw = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let is_gone = now.read.is_none() && now.write.is_none();
    let token = descriptor as u64;
    let done = if is_gone {
        if !is_new {
            // It may be closed already, and then it is gone from there as well.
            let _ = poller.remove(raw);
        }
        Ok(())
    } else if is_new {
        poller.add(raw, token, flags)
    } else {
        poller.modify(raw, token, flags)
    };
    if !is_gone && done.is_ok() {
        with(|it| it.watched.insert(descriptor, now));
    }
    done
}

/// Looks at what is watched of a descriptor.
pub(crate) fn watched<R>(descriptor: RawFd, look: impl FnOnce(Option<&Watched>) -> R) -> R {
    with(|it| look(it.watched.get(&descriptor)))
}

/// How many descriptors are watched.
pub(crate) fn watched_count() -> usize {
    with(|it| it.watched.len())
}

/// A descriptor is ready: whoever watches it is told.
fn hear(descriptor: RawFd, reads: bool) -> Result<(), Stop> {
    enum Told {
        Wake(Ticket),
        Call(Rc<Callback>, Owned),
    }
    if !reads && !write_on(descriptor) {
        return Ok(());
    }
    let told = watched(descriptor, |watched| {
        let watcher = watched.and_then(|it| if reads { it.read.as_ref() } else { it.write.as_ref() })?;
        match watcher {
            Watcher::Coroutine(ticket) => Some(Told::Wake(*ticket)),
            Watcher::Callback(callback, value) => Some(Told::Call(callback.clone(), Owned::copy(value))),
            Watcher::Signal(callback, number) => {
                signals::clear_signal(*number);
                Some(Told::Call(callback.clone(), Owned::long((*number).into())))
            }
            Watcher::Rest => None,
        }
    });
    match told {
        None => Ok(()),
        Some(Told::Wake(ticket)) => scheduler::wake(ticket, Woken::Happened).map(|_| ()),
        Some(Told::Call(callback, value)) => call(callback, vec![value]),
    }
}

/// What could not be written at once goes first. True if the descriptor's own watcher has its turn.
fn write_on(descriptor: RawFd) -> bool {
    let is_done = match event_methods::write_on(descriptor) {
        Ok(is_done) => is_done,
        Err(error) => {
            tracing::warn!("descriptor {descriptor}: what waited to be written is dropped: {error}");
            true
        }
    };
    if is_done && watched(descriptor, |it| matches!(it.and_then(|it| it.write.as_ref()), Some(Watcher::Rest))) {
        // It was watched for this alone.
        let _ = watch(descriptor, |watched| {
            watched.write = None;
            watched.writes = false;
        });
    }
    is_done
}

fn fire(due: Due) -> Result<(), Stop> {
    match due {
        Due::Wake(ticket) => scheduler::wake(ticket, Woken::TimedOut).map(|_| ()),
        Due::Timer(id) => timer::fire(id),
    }
}

/// Calls a script's callback as a coroutine of its own, if this process has those.
///
/// # Errors
/// It did not return: this process is to end.
pub(crate) fn call(callback: Rc<Callback>, mut arguments: Vec<Owned>) -> Result<(), Stop> {
    scheduler::run_callback(move || {
        let called = call_plainly(&callback, &mut arguments);
        drop(arguments);
        drop(callback);
        settle(called)
    })
}

/// Calls it on this stack, as it is.
///
/// # Errors
/// It did not return: this process is to end.
pub(crate) fn call_plainly(callback: &Callback, arguments: &mut [Owned]) -> Result<(), Stop> {
    call_for(callback, arguments, &mut Owned::undefined())
}

/// As [`call_plainly`]; what it returns is put into `result`, which is empty before.
///
/// # Errors
/// It did not return: this process is to end.
pub(crate) fn call_for(callback: &Callback, arguments: &mut [Owned], result: &mut Owned) -> Result<(), Stop> {
    match callback.call_for(arguments, result) {
        Outcome::Bailout => Err(Stop::Bailout),
        Outcome::Returned | Outcome::Threw | Outcome::Exited => exception::settle(),
    }
}

/// Looks after what was released since `result` came about: a destructor may have thrown.
///
/// # Errors
/// This process is to end.
pub(crate) fn settle(result: Result<(), Stop>) -> Result<(), Stop> {
    match result {
        Err(Stop::Bailout) => result,
        _ => exception::settle().and(result),
    }
}
