//! Which coroutines a process has, who runs, and what each of the others waits for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::coroutine::context::Context;
use crate::guard::Stop;
use crate::process;
use crate::server;
use crate::timers::Key;
use crate::zend::value::Owned;

/// How many coroutines a process may have unless it is told otherwise.
pub(crate) const COROUTINES_MAX: usize = 100_000;

/// A stack's size, unless a script wants another: virtual, and touched as far as it is used. PHP recurses deeply in some
/// of its own functions.
const STACK_BYTES: usize = 2 << 20;

/// What a coroutine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Somebody's `resume()`.
    Resume,
    /// A time, or something that another coroutine does.
    Other,
}

/// Why a coroutine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What it waited for has happened.
    Happened,
    /// Its time is over.
    TimedOut,
    /// Somebody has cancelled the wait.
    Canceled,
    /// There was no room for a wait: no other context to go on in.
    Refused,
    /// The process ends: it unwinds.
    Ending,
}

/// One wait of one coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) cid: i64,
    pub(super) number: u64,
}

pub(super) struct Suspended {
    pub(super) context: Rc<Context>,
    pub(super) wait: Wait,
    pub(super) ticket: Ticket,
    pub(super) timer: Option<Key>,
}

#[derive(Default)]
pub(super) struct Scheduler {
    /// Callbacks of this process run in coroutines.
    pub(super) enabled: Cell<bool>,
    pub(super) current: RefCell<Option<Rc<Context>>>,
    pub(super) root: RefCell<Option<Rc<Context>>>,
    pub(super) idle: RefCell<Vec<Rc<Context>>>,
    /// Those that have ended, until somebody else runs who can free them.
    pub(super) dead: RefCell<Vec<Rc<Context>>>,
    pub(super) suspended: RefCell<BTreeMap<i64, Suspended>>,
    /// Whom the loop wakes when it comes to it.
    pub(super) ready: RefCell<VecDeque<(Ticket, Woken)>>,
    pub(super) last_cid: Cell<i64>,
    pub(super) last_wait: Cell<u64>,
    pub(super) alive: Cell<usize>,
    pub(super) peak: Cell<usize>,
    pub(super) max: Cell<Option<usize>>,
    pub(super) woken: Cell<Option<Woken>>,
    /// A coroutine did not return: this process is to end.
    pub(super) failed: Cell<Option<Stop>>,
    pub(super) is_looping: Cell<bool>,
    pub(super) is_ending: Cell<bool>,
    /// A loop will run at the end of the script.
    pub(super) is_expected: Cell<bool>,
    pub(super) joins: RefCell<Vec<Join>>,
    pub(super) options: RefCell<Option<Owned>>,
    pub(super) stack_bytes: Cell<Option<usize>>,
}

/// Who waits for the end of whom.
pub(super) struct Join {
    pub(super) ticket: Ticket,
    pub(super) left: Vec<i64>,
}

thread_local! {
    static SCHEDULER: Scheduler = Scheduler::default();
}

pub(super) fn with<R>(look: impl FnOnce(&Scheduler) -> R) -> R {
    SCHEDULER.with(look)
}

/// The context that this code runs on.
pub(super) fn current() -> Rc<Context> {
    if let Some(current) = with(|scheduler| scheduler.current.borrow().clone()) {
        return current;
    }
    let root = Context::adopt().expect("memory for a few words");
    with(|scheduler| {
        scheduler.root.replace(Some(root.clone()));
        scheduler.current.replace(Some(root.clone()));
    });
    root
}

/// The coroutine that runs now; 0 outside of one.
pub(crate) fn cid() -> i64 {
    with(|scheduler| scheduler.current.borrow().as_ref().map_or(0, |context| context.coroutine.cid.get()))
}

/// Looks at the coroutine that runs now.
pub(crate) fn with_current<R>(look: impl FnOnce(&Context) -> R) -> R {
    look(&current())
}

/// The context of a coroutine that exists.
pub(crate) fn find(cid: i64) -> Option<Rc<Context>> {
    if let Some(context) = with(|scheduler| scheduler.suspended.borrow().get(&cid).map(|entry| entry.context.clone())) {
        return Some(context);
    }
    // Whoever runs, and those that wait for it to go on themselves.
    let mut context = Some(current());
    while let Some(at) = context {
        if at.coroutine.cid.get() == cid {
            return Some(at);
        }
        context = at.back.borrow().clone();
    }
    None
}

/// The ids of all coroutines, in order.
pub(crate) fn list() -> Vec<i64> {
    let mut cids: Vec<i64> = with(|scheduler| scheduler.suspended.borrow().keys().copied().collect());
    let mut context = Some(current());
    while let Some(at) = context {
        cids.push(at.coroutine.cid.get());
        context = at.back.borrow().clone();
    }
    cids.retain(|cid| *cid > 0);
    cids.sort_unstable();
    cids
}

/// How many there are, the most there were, and the last id.
pub(crate) fn counts() -> (usize, usize, i64) {
    with(|scheduler| (scheduler.alive.get(), scheduler.peak.get(), scheduler.last_cid.get()))
}

/// How many wait.
pub(crate) fn suspended() -> usize {
    with(|scheduler| scheduler.suspended.borrow().len())
}

/// Can there be another coroutine?
pub(crate) fn has_room() -> bool {
    with(|scheduler| scheduler.alive.get() < max_of(scheduler))
}

pub(super) fn max_of(scheduler: &Scheduler) -> usize {
    scheduler.max.get().unwrap_or(COROUTINES_MAX)
}

/// How many coroutines there may be.
pub(crate) fn max() -> usize {
    with(max_of)
}

/// Changes how many there may be.
pub(crate) fn set_max(max: usize) {
    with(|scheduler| scheduler.max.set(Some(max)));
}

/// How large new stacks are.
pub(crate) fn stack_bytes() -> usize {
    with(|scheduler| scheduler.stack_bytes.get().unwrap_or(STACK_BYTES))
}

/// Changes how large new stacks are.
pub(crate) fn set_stack_bytes(bytes: usize) {
    with(|scheduler| scheduler.stack_bytes.set(Some(bytes)));
}

/// Do callbacks of this process run in coroutines from now on?
pub(crate) fn enable(enabled: bool) {
    with(|scheduler| scheduler.enabled.set(enabled));
}

/// Does a loop run in this process that coroutines come back to?
pub(crate) fn is_looping() -> bool {
    with(|scheduler| scheduler.is_looping.get())
}

/// Is something ready that the loop has not come to?
pub(crate) fn ready() -> usize {
    with(|scheduler| scheduler.ready.borrow().len())
}

pub(super) fn is_root(context: &Rc<Context>) -> bool {
    with(|scheduler| scheduler.root.borrow().as_ref().is_some_and(|root| Rc::ptr_eq(root, context)))
}

/// Does the process unwind what still waits?
pub(crate) fn is_ending() -> bool {
    with(|scheduler| scheduler.is_ending.get())
}

/// Somebody counts on a loop: without one yet, it runs when the script has come to its end.
///
/// # Errors
/// PHP's memory ran out.
pub(crate) fn expect_loop() -> Result<(), Stop> {
    if is_looping() || server::is_running_here() || with(|scheduler| scheduler.is_expected.replace(true)) {
        return Ok(());
    }
    process::call_at_shutdown("Swoole\\Event::wait").map(|_| ())
}

/// The options of coroutines, as they were set.
pub(crate) fn options() -> Option<Owned> {
    with(|scheduler| scheduler.options.borrow().as_ref().map(|options| Owned::copy(options)))
}

/// Sets them.
pub(crate) fn set_options(options: Owned) {
    drop(with(|scheduler| scheduler.options.replace(Some(options))));
}

/// A coroutine waits for the end of others.
pub(crate) fn join(ticket: Ticket, left: Vec<i64>) {
    with(|scheduler| scheduler.joins.borrow_mut().push(Join { ticket, left }));
}

/// One has ended: who has waited for it, and for nobody else any more, goes on.
pub(super) fn tell_joined(cid: i64) {
    let done: Vec<Ticket> = with(|scheduler| {
        let mut joins = scheduler.joins.borrow_mut();
        joins.iter_mut().for_each(|join| join.left.retain(|left| *left != cid));
        let done = joins.iter().filter(|join| join.left.is_empty()).map(|join| join.ticket).collect();
        joins.retain(|join| !join.left.is_empty());
        done
    });
    done.into_iter().for_each(|ticket| wake_soon(ticket, Woken::Happened));
}

/// As [`wake`], but when the loop comes to it.
pub(crate) fn wake_soon(ticket: Ticket, woken: Woken) {
    with(|scheduler| scheduler.ready.borrow_mut().push_back((ticket, woken)));
}

/// The wait that a coroutine is in, and what for.
pub(crate) fn waits(cid: i64) -> Option<(Ticket, Wait)> {
    with(|scheduler| scheduler.suspended.borrow().get(&cid).map(|entry| (entry.ticket, entry.wait)))
}

/// Does somebody wait for this context to end, so that the loop is not its business?
pub(crate) fn has_back() -> bool {
    with(|scheduler| scheduler.current.borrow().as_ref().is_some_and(|context| context.back.borrow().is_some()))
}
