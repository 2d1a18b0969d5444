//! A PHP callable that Rust holds and calls.

use std::ptr::{NonNull, null_mut};

use crate::guard::{Stop, guard, owe_bailout};
use crate::zend::ffi::{self, RawCallback};
use crate::zend::layout::{ZendString, Zval};
use crate::zend::value::{Owned, PhpString};

/// A callable, with what PHP has found out about it, so that a call need not look it up.
pub(crate) struct Callback(NonNull<RawCallback>);

/// How a call ended.
pub(crate) enum Outcome {
    /// It returned.
    Returned,
    /// An exception is pending.
    Threw,
    /// The script called `exit`; that is pending like an exception.
    Exited,
    /// PHP has ended the request: this process is to end.
    Bailout,
}

impl Callback {
    /// Holds `callable`. If it is not callable, `Err` with the name PHP has for it.
    ///
    /// # Errors
    /// [`Stop`] when loading its class throws or ends fatally.
    pub(crate) fn new(callable: &Zval) -> Result<Result<Callback, PhpString>, Stop> {
        let mut name: *mut ZendString = null_mut();
        let to = &raw mut name;
        // SAFETY: the value is held by the caller; the closure's frame has no destructors.
        let callback = guard(|| unsafe { ffi::ww_callback_new(callable, to) })?;
        match (NonNull::new(callback), NonNull::new(name)) {
            (Some(callback), _) => Ok(Ok(Callback(callback))),
            // SAFETY: the shim has made the name for us.
            (None, Some(name)) => Ok(Err(unsafe { PhpString::from_raw(name) })),
            (None, None) => Err(Stop::Thrown),
        }
    }

    /// Calls it on this stack. Nothing borrowed may be alive, and of the caller's own things only what survives
    /// anything PHP does: it may call any method, and suspend.
    pub(crate) fn call(&self, arguments: &mut [Owned]) -> Outcome {
        self.call_for(arguments, &mut Owned::undefined())
    }

    /// As [`Callback::call`]; what it returns is put into `result`, which is empty before.
    pub(crate) fn call_for(&self, arguments: &mut [Owned], result: &mut Owned) -> Outcome {
        let (count, first) = (arguments.len() as u32, arguments.as_mut_ptr().cast::<Zval>());
        // SAFETY: `Owned` is a value in memory; the shim catches the longjmp, so none passes this frame.
        let status = unsafe { ffi::ww_callback_call(self.0, count, first, result.raw_mut()) };
        match status {
            ffi::OK => Outcome::Returned,
            ffi::THREW => Outcome::Threw,
            ffi::EXIT => Outcome::Exited,
            _ => Outcome::Bailout,
        }
    }

    /// The callable as it was given: for getCallback(), and for PHP's cycle collector.
    pub(crate) fn callable(&self) -> *mut Zval {
        // SAFETY: the callback is alive.
        unsafe { ffi::ww_callback_callable(self.0) }.as_ptr()
    }

    /// Another reference to the callable.
    pub(crate) fn value(&self) -> Owned {
        // SAFETY: the callback holds the value, and nothing runs while it is copied.
        Owned::copy(unsafe { &*self.callable() })
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // SAFETY: this is the last use of it; the closure's frame has no destructors.
        if guard(|| unsafe { ffi::ww_callback_free(self.0) }).is_err() {
            owe_bailout();
        }
    }
}
