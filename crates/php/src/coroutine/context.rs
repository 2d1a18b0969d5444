//! A stack that PHP code runs on, with the coroutine that is on it.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;
use std::time::Instant;

use crate::callback::Callback;
use crate::guard::{Stop, guard};
use crate::zend::ffi::{self, RawContext};
use crate::zend::value::Owned;

/// What a fresh or pooled context begins with.
pub(crate) type Job = Box<dyn FnOnce() -> Result<(), Stop>>;

/// The coroutine that is on a context.
#[derive(Default)]
pub(crate) struct Coroutine {
    /// Its id, from 1; 0 while there is none.
    pub(crate) cid: Cell<i64>,
    pub(crate) parent: Cell<i64>,
    pub(crate) began: Cell<Option<Instant>>,
    pub(crate) canceled: Cell<bool>,
    /// What it runs at its end, the last one first.
    pub(crate) defers: RefCell<Vec<Rc<Callback>>>,
    /// Its `Coroutine\Context`.
    pub(crate) things: RefCell<Option<Owned>>,
}

/// A stack, and who waits for it.
pub(crate) struct Context {
    raw: NonNull<RawContext>,
    /// Who goes on when what runs here ends or is suspended; none if that is the loop's business.
    pub(crate) back: RefCell<Option<Rc<Context>>>,
    pub(crate) job: RefCell<Option<Job>>,
    pub(crate) is_to_end: Cell<bool>,
    pub(crate) coroutine: Coroutine,
}

impl Context {
    fn around(raw: *mut RawContext) -> Option<Rc<Context>> {
        Some(Rc::new(Context {
            raw: NonNull::new(raw)?,
            back: RefCell::new(None),
            job: RefCell::new(None),
            is_to_end: Cell::new(false),
            coroutine: Coroutine::default(),
        }))
    }

    /// A new one; none when the process cannot have another stack.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when PHP's memory runs out.
    pub(crate) fn new(stack_bytes: usize) -> Result<Option<Rc<Context>>, Stop> {
        // SAFETY: a fresh context; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_context_new(stack_bytes) }).map(Context::around)
    }

    /// The one that this code runs on, which PHP has made.
    pub(crate) fn adopt() -> Option<Rc<Context>> {
        // SAFETY: reads a global and allocates.
        Context::around(unsafe { ffi::ww_context_adopt() })
    }

    /// Goes on in `to`, and comes back when somebody goes on here.
    pub(crate) fn switch(&self, to: &Context) {
        // SAFETY: both are alive: the scheduler holds whoever runs, and the caller `to`. Nothing of this side is
        // borrowed meanwhile: that is the scheduler's rule.
        unsafe { ffi::ww_context_switch(self.raw, to.raw) }
    }

    /// It will never go on: what its stack holds is lost, the stack itself is given back.
    pub(crate) fn abandon(self: Rc<Context>) {
        // SAFETY: the context is alive, it is not the one that runs, and nobody goes on there any more.
        unsafe { ffi::ww_context_abandon(self.raw) };
        // Its frames hold a reference that they cannot drop any more.
        std::mem::forget(self);
    }

    /// Goes on in `then` once the main function of this one returns.
    pub(crate) fn ends_in(&self, then: &Context) {
        // SAFETY: both are alive, and `then` stays so as long as it is suspended.
        unsafe { ffi::ww_context_ends_in(self.raw, then.raw) }
    }

    /// The calls that it is in, as `debug_backtrace()` shows them.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn trace(&self, options: i64, limit: i64) -> Result<Owned, Stop> {
        // SAFETY: the context is alive; the closure's frame has no destructors.
        Owned::made(|to| unsafe { ffi::ww_context_trace(self.raw, to, options, limit) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: this is the last use; the stack is gone, was never entered, or belongs to PHP.
        unsafe { ffi::ww_context_free(self.raw) }
    }
}

/// Does PHP forbid to leave the code that runs, a destructor for one?
pub(crate) fn is_blocked() -> bool {
    // SAFETY: reads a global.
    unsafe { ffi::ww_context_is_blocked() }
}
