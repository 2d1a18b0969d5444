//! Turns any write to a table into the last one of a process, for tests that try them all.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

struct Death;

thread_local! {
    /// The writes that are left to this thread, if it is to die.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

pub(super) fn step() {
    match LEFT.get() {
        None => {}
        Some(0) => resume_unwind(Box::new(Death)),
        Some(left) => LEFT.set(Some(left - 1)),
    }
}

/// What `work` returns if it needs no more than so many writes; none if it died before the next one. The locks that it
/// held then stay taken.
pub(super) fn dying_after<R>(writes: usize, work: impl FnOnce() -> R) -> Option<R> {
    LEFT.set(Some(writes));
    let done = catch_unwind(AssertUnwindSafe(work));
    LEFT.set(None);
    match done {
        Ok(result) => Some(result),
        Err(death) if death.is::<Death>() => None,
        Err(panic) => resume_unwind(panic),
    }
}
