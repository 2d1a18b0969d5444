//! Turns a wait into another context that goes on.
//!
//! The loop moves, not the callback: a callback runs on the loop's own stack, and only if it waits does the loop go on
//! in another context. So a callback that does not wait costs no switch.
//!
//! ```text
//!   root ── run() ──► loop ── callback waits ──► an idle context is the loop
//!    ▲                 ▲                              │ the callback's time has come
//!    │                 └── the callback's stack goes on, the loop waits as its `back`, and goes on when it ends
//!    └── the loop is over
//! ```
//!
//! Whoever creates or resumes a coroutine is its `back`: it goes on when that one ends or waits. A context without a
//! `back` is the loop's. The root, on which `start()` or `run()` was called, never runs a coroutine itself.
//!
//! No borrow of the scheduler, nor of anything else, lives across a switch.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;

use crate::coroutine::context::{Context, Job};
use crate::coroutine::registry::{
    Suspended, Ticket, Wait, Woken, current, has_back, has_room, is_root, stack_bytes, tell_joined, with, with_current,
};
use crate::event_loop;
use crate::exception;
use crate::guard::{Stop, guard};
use crate::process;
use crate::zend::ffi::{self, Class, RawContext};

/// The exit status of a process that met an error of our own: that of a fatal error of PHP's.
const PANIC_STATUS: i32 = 255;

/// So many contexts are kept for later.
const IDLE_MAX: usize = 256;

/// The request is over: nothing of PHP's is held any more. What still waits after a fatal error is not unwound.
pub(crate) fn forget_all() {
    if !process::has_failed() {
        end_idle();
    }
    for_each_left(Context::abandon);
    drop(with(|scheduler| {
        scheduler.is_expected.set(false);
        (scheduler.options.take(), scheduler.current.take(), scheduler.root.take())
    }));
}

/// Goes on in `to`; comes back when somebody goes on here.
fn switch_to(to: &Rc<Context>) {
    let from = current();
    with(|scheduler| scheduler.current.replace(Some(to.clone())));
    from.switch(to);
    // Whoever went on here has made it the current one. What ended there can be freed now.
    drop(with(|scheduler| scheduler.dead.take()));
}

/// Another context: an idle one, or a new one; none if the process cannot have more.
fn another() -> Result<Option<Rc<Context>>, Stop> {
    match with(|scheduler| scheduler.idle.borrow_mut().pop()) {
        Some(context) => Ok(Some(context)),
        None => Context::new(stack_bytes()),
    }
}

/// Is there a context that is used for nothing?
pub(crate) fn has_idle() -> bool {
    with(|scheduler| !scheduler.idle.borrow().is_empty())
}

/// Is there a context to go on in should the next callback wait? The loop asks before it takes an event.
///
/// # Errors
/// PHP's memory ran out.
pub(crate) fn has_spare() -> Result<bool, Stop> {
    if has_idle() {
        return Ok(true);
    }
    match Context::new(stack_bytes())? {
        Some(context) => {
            with(|scheduler| scheduler.idle.borrow_mut().push(context));
            Ok(true)
        }
        None => Ok(false),
    }
}

/// A coroutine begins on `context`.
fn begin(context: &Context, parent: i64, cid: i64) {
    let coroutine = &context.coroutine;
    coroutine.cid.set(cid);
    coroutine.parent.set(parent);
    coroutine.began.set(Some(event_loop::now()));
    coroutine.canceled.set(false);
}

fn next_cid() -> i64 {
    with(|scheduler| {
        let cid = scheduler.last_cid.get() + 1;
        scheduler.last_cid.set(cid);
        let alive = scheduler.alive.get() + 1;
        scheduler.alive.set(alive);
        scheduler.peak.set(scheduler.peak.get().max(alive));
        cid
    })
}

/// The coroutine on `context` has run: what it put off is run, and what it held is released.
fn finish(context: &Context, ran: Result<(), Stop>) -> Result<(), Stop> {
    let coroutine = &context.coroutine;
    let mut ended = ran;
    while ended.is_ok() {
        let Some(callback) = coroutine.defers.borrow_mut().pop() else { break };
        ended = event_loop::call_plainly(&callback, &mut []);
    }
    drop(coroutine.defers.take());
    drop(coroutine.things.take());
    if ended != Err(Stop::Bailout) {
        ended = process::end_output().and(ended).and(exception::settle());
        if exception::pending() {
            // What unwound it has done its work.
            ended = exception::clear().and(ended);
        }
    }
    let cid = coroutine.cid.replace(0);
    if with(|scheduler| !scheduler.joins.borrow().is_empty()) {
        tell_joined(cid);
    }
    with(|scheduler| scheduler.alive.set(scheduler.alive.get().saturating_sub(1)));
    ended
}

/// Runs `job` as a coroutine of its own, where callbacks of the loop run: on its stack if it is the loop that asks.
///
/// # Errors
/// It did not return: this process is to end.
pub(crate) fn run_callback(job: impl FnOnce() -> Result<(), Stop> + 'static) -> Result<(), Stop> {
    if !with(|scheduler| scheduler.enabled.get()) {
        return job();
    }
    let context = current();
    if context.coroutine.cid.get() != 0 || is_root(&context) {
        return match create(Box::new(job))? {
            Ok(_) => Ok(()),
            // What the server has to say is said, coroutine or not.
            Err(job) => job(),
        };
    }
    begin(&context, 0, next_cid());
    let ran = job();
    finish(&context, ran)
}

/// Runs `job` as a coroutine until it first waits: its id, or the job once more if there can be no more coroutines.
///
/// # Errors
/// It did not return: this process is to end.
pub(crate) fn create(job: Job) -> Result<Result<i64, Job>, Stop> {
    if !has_room() {
        return Ok(Err(job));
    }
    let creator = current();
    let parent = creator.coroutine.cid.get();
    let Some(context) = another()? else { return Ok(Err(job)) };
    let cid = next_cid();
    begin_on(&context, creator, parent, cid, job);
    check_failed()?;
    Ok(Ok(cid))
}

fn begin_on(context: &Rc<Context>, creator: Rc<Context>, parent: i64, cid: i64, job: Job) {
    begin(context, parent, cid);
    context.job.replace(Some(job));
    context.back.replace(Some(creator));
    switch_to(context);
}

/// A coroutine that did not return ends whoever had begun it or let it go on, too.
fn check_failed() -> Result<(), Stop> {
    with(|scheduler| scheduler.failed.get()).map_or(Ok(()), Err)
}

fn fail(stop: Stop) {
    with(|scheduler| {
        if scheduler.failed.get() != Some(Stop::Bailout) {
            scheduler.failed.set(Some(stop));
        }
    });
}

/// Waits, in a coroutine, until somebody wakes it or `until` has come. What wakes it is told the ticket first.
///
/// # Errors
/// The process ends, or PHP's memory ran out.
pub(crate) fn wait(wait: Wait, until: Option<Instant>, told: impl FnOnce(Ticket)) -> Result<Woken, Stop> {
    let context = current();
    let cid = context.coroutine.cid.get();
    assert!(cid > 0, "only a coroutine waits");
    let back = context.back.take();
    let next = match back {
        Some(back) => back,
        None => match another()? {
            Some(next) => next,
            None => return Ok(Woken::Refused),
        },
    };
    let number = with(|scheduler| {
        scheduler.last_wait.set(scheduler.last_wait.get() + 1);
        scheduler.last_wait.get()
    });
    let ticket = Ticket { cid, number };
    let timer = until.map(|at| event_loop::wake_at(at, ticket));
    context.coroutine.canceled.set(false);
    told(ticket);
    let entry = Suspended { context: context.clone(), wait, ticket, timer };
    with(|scheduler| scheduler.suspended.borrow_mut().insert(cid, entry));
    switch_to(&next);
    let woken = with(|scheduler| scheduler.woken.take()).unwrap_or(Woken::Ending);
    context.coroutine.canceled.set(woken == Woken::Canceled);
    if woken == Woken::Ending {
        return Err(throw_graceful_exit());
    }
    Ok(woken)
}

/// Lets a coroutine go on now; whoever calls goes on when that one ends or waits again. False if it does not wait so.
///
/// # Errors
/// A coroutine did not return: this process is to end.
pub(crate) fn wake(ticket: Ticket, woken: Woken) -> Result<bool, Stop> {
    let waits = with(|scheduler| scheduler.suspended.borrow().get(&ticket.cid).is_some_and(|it| it.ticket == ticket));
    if !waits {
        return Ok(false);
    }
    let Some(entry) = with(|scheduler| scheduler.suspended.borrow_mut().remove(&ticket.cid)) else { return Ok(false) };
    if let Some(timer) = entry.timer {
        event_loop::forget_wake(timer);
    }
    with(|scheduler| scheduler.woken.set(Some(woken)));
    entry.context.back.replace(Some(current()));
    switch_to(&entry.context);
    check_failed()?;
    Ok(true)
}

/// Does the next thing that is ready; false if there was none.
///
/// # Errors
/// A coroutine did not return: this process is to end.
pub(crate) fn do_ready() -> Result<bool, Stop> {
    match with(|scheduler| scheduler.ready.borrow_mut().pop_front()) {
        None => Ok(false),
        Some((ticket, woken)) => wake(ticket, woken).map(|_| true),
    }
}

/// Runs the loop, which begins with `first`, until it is over. On the root only.
///
/// # Errors
/// A callback did not return: this process is to end.
pub(crate) fn run(first: VecDeque<Job>) -> Result<(), Stop> {
    let root = current();
    assert!(is_root(&root), "the loop begins at the root");
    let Some(context) = another()? else {
        return Err(exception::throw(Class::PhpError, 0, "there is no memory for a context"));
    };
    with(|scheduler| scheduler.is_looping.set(true));
    event_loop::begin(first);
    switch_to(&context);
    with(|scheduler| scheduler.is_looping.set(false));
    let failed = with(|scheduler| scheduler.failed.get());
    failed.map_or(Ok(()), Err)
}

/// Ends what waits, as far as the process can still run PHP, and all contexts. On the root only.
///
/// # Errors
/// What unwound did not return: this process is to end.
pub(crate) fn end() -> Result<(), Stop> {
    if with(|scheduler| scheduler.failed.get()) == Some(Stop::Bailout) {
        return Ok(());
    }
    with(|scheduler| scheduler.is_ending.set(true));
    drop(with(|scheduler| scheduler.ready.take()));
    loop {
        let first = with(|scheduler| scheduler.suspended.borrow().values().next().map(|entry| entry.ticket));
        let Some(ticket) = first else { break };
        if wake(ticket, Woken::Ending) == Err(Stop::Bailout) {
            return Err(Stop::Bailout);
        }
    }
    end_idle();
    with(|scheduler| {
        scheduler.is_ending.set(false);
        scheduler.failed.set(None);
    });
    Ok(())
}

/// Ends the contexts on which nobody is. On the root only.
fn end_idle() {
    let root = current();
    while let Some(context) = with(|scheduler| scheduler.idle.borrow_mut().pop()) {
        context.is_to_end.set(true);
        context.back.replace(Some(root.clone()));
        switch_to(&context);
    }
}

/// Empties the lists of what waits or is spare, without unwinding anything.
fn for_each_left(mut leave: impl FnMut(Rc<Context>)) {
    let (suspended, idle) = with(|scheduler| {
        scheduler.alive.set(0);
        scheduler.peak.set(0);
        scheduler.last_cid.set(0);
        scheduler.failed.set(None);
        scheduler.joins.take();
        scheduler.ready.take();
        (scheduler.suspended.take(), scheduler.idle.take())
    });
    suspended.into_values().for_each(|entry| leave(entry.context));
    idle.into_iter().for_each(leave);
}

/// In a child process: whatever waited does so in its parent. Where this is called is the root from now on, though it may
/// be a coroutine of the parent's, whose end is the parent's as well.
pub(crate) fn forked() {
    for_each_left(std::mem::forget);
    with(|scheduler| {
        std::mem::forget((scheduler.current.take(), scheduler.root.take()));
        scheduler.is_looping.set(false);
        scheduler.is_ending.set(false);
    });
}

/// Nobody has counted on a loop yet.
pub(crate) fn expect_none() {
    with(|scheduler| scheduler.is_expected.set(false));
}

/// Lets somebody else go on; comes back when this context is used again. False if it is to end instead.
fn park(next: &Rc<Context>) -> bool {
    let context = current();
    let is_kept = !context.is_to_end.get()
        && with(|scheduler| {
            let mut idle = scheduler.idle.borrow_mut();
            let has_room = idle.len() < IDLE_MAX;
            if has_room {
                idle.push(context.clone());
            }
            has_room
        });
    if is_kept {
        drop(context);
        switch_to(next);
        return true;
    }
    context.ends_in(next);
    with(|scheduler| {
        scheduler.current.replace(Some(next.clone()));
        scheduler.dead.borrow_mut().push(context);
    });
    false
}

/// What a context does all its life: begins coroutines for others, and is the loop when nobody waits for it.
fn live() {
    loop {
        let job = with_current(|context| context.job.take());
        if let Some(job) = job {
            let context = current();
            let ran = job();
            if let Err(stop) = finish(&context, ran) {
                fail(stop);
            }
        }
        if let Some(back) = with_current(|context| context.back.take()) {
            if !park(&back) {
                return;
            }
            continue;
        }
        match event_loop::turn() {
            Ok(event_loop::Turn::GoOn) => {}
            Ok(event_loop::Turn::Over) => leave(),
            Err(stop) => {
                // Whoever waits for this one has not returned either.
                if !with(|scheduler| scheduler.is_ending.get()) {
                    fail(stop);
                }
                if !has_back() {
                    leave();
                }
            }
        }
    }
}

/// The loop is over: the root goes on.
fn leave() {
    let root = with(|scheduler| scheduler.root.borrow().clone()).expect("a loop has a root");
    with_current(|context| context.back.replace(Some(root)));
}

#[unsafe(no_mangle)]
extern "C" fn ww_context_main(_: *mut RawContext) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(live)) {
        drop(panic);
        process::set_exit_status(PANIC_STATUS);
        fail(Stop::Bailout);
        if !has_back() {
            leave();
        }
    }
}

/// There was no memory for a context's first frame.
#[unsafe(no_mangle)]
extern "C" fn ww_context_bailed_out(_: *mut RawContext) {
    fail(Stop::Bailout);
    let context = current();
    let root = with(|scheduler| scheduler.root.borrow().clone()).expect("a context has a root");
    let next = context.back.take().unwrap_or(root);
    context.is_to_end.set(true);
    park(&next);
}

/// Throws what ends a coroutine whose process ends: `finally` runs, nothing catches it.
pub(crate) fn throw_graceful_exit() -> Stop {
    // SAFETY: the closure's frame has no destructors.
    let thrown = guard(|| unsafe { ffi::ww_graceful_exit() });
    thrown.err().unwrap_or(Stop::Thrown)
}
