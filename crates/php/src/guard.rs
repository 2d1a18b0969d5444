//! Turns a bailout, PHP's way of ending a request by longjmp, into an error value.

use std::ffi::c_void;
use std::ptr::from_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::zend::ffi;

/// Why a body must return at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An exception is pending, `exit` included: PHP goes on with it when the method returns.
    Thrown,
    /// PHP has ended the request (a fatal error, out of memory): this process is to end.
    Bailout,
}

/// Runs `run`, whose calls into PHP may leave by longjmp.
///
/// A longjmp skips destructors. So `run` captures nothing that has one (`Copy` says so), and nothing in it may have
/// one when such a call is made; each `unsafe` call in a guarded closure vouches for that.
///
/// # Errors
/// [`Stop::Bailout`] when PHP left by longjmp.
pub(crate) fn guard<R: Copy, F: FnOnce() -> R + Copy>(run: F) -> Result<R, Stop> {
    struct Job<R, F> {
        run: F,
        result: Option<R>,
    }

    unsafe extern "C" fn run_job<R: Copy, F: FnOnce() -> R + Copy>(job: *mut c_void) {
        // SAFETY: `guard` passes its own job, which nothing else touches meanwhile.
        let job = unsafe { &mut *job.cast::<Job<R, F>>() };
        job.result = Some((job.run)());
    }

    let mut job = Job { run, result: None };
    let data = from_mut(&mut job).cast::<c_void>();
    // SAFETY: `run_job` is given the data it expects, and the frames up to the longjmp have no destructors.
    unsafe { ffi::ww_guard(run_job::<R, F>, data) };
    job.result.ok_or(Stop::Bailout)
}

/// A destructor cannot return an error: the bailout it met is owed until the method ends.
static OWED: AtomicBool = AtomicBool::new(false);

/// Notes that a bailout happened where no error can be returned.
pub(crate) fn owe_bailout() {
    OWED.store(true, Ordering::Relaxed);
}

/// Whether a bailout is owed; it is not any more.
pub(crate) fn take_owed_bailout() -> bool {
    OWED.swap(false, Ordering::Relaxed)
}
