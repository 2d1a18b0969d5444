//! What a process of the server asks of PHP about itself: output, exit status, forking, its title.

use std::ffi::{CStr, CString};

use wirewool_ipc::process::leave_at_once;

use crate::exception;
use crate::guard::{Stop, guard};
use crate::zend::ffi;
use crate::zend::value::PhpString;

/// Writes out what PHP has buffered. Before a fork: the child would write it a second time.
///
/// # Errors
/// [`Stop`] when an output callback throws or ends fatally.
pub(crate) fn flush_output() -> Result<(), Stop> {
    // SAFETY: the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_output_flush() })?;
    exception::check()
}

/// Prints, as `echo` does.
///
/// # Errors
/// [`Stop`] when an output callback throws or ends fatally.
pub(crate) fn print(text: &[u8]) -> Result<(), Stop> {
    let (start, length) = (text.as_ptr(), text.len());
    // SAFETY: `length` bytes begin at `start`; the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_print(start, length) })?;
    exception::check()
}

/// When the script comes to its end, this function or static method is called.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn call_at_shutdown(callable: &str) -> Result<bool, Stop> {
    let (start, length) = (callable.as_ptr(), callable.len());
    // SAFETY: `length` bytes begin at `start`; the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_at_shutdown(start, length) })
}

/// Writes out what a coroutine left in output buffers of its own.
///
/// # Errors
/// [`Stop`] when an output callback throws or ends fatally.
pub(crate) fn end_output() -> Result<(), Stop> {
    // SAFETY: reads a global.
    if unsafe { ffi::ww_output_level() } == 0 {
        return Ok(());
    }
    // SAFETY: the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_output_end_to(0) })?;
    exception::check()
}

/// Has PHP ended this request by a fatal error?
pub(crate) fn has_failed() -> bool {
    // SAFETY: reads a global.
    unsafe { ffi::ww_has_failed() }
}

/// Makes PHP a process of its own: to be called in a child right after the fork.
pub(crate) fn forked() {
    // SAFETY: resets globals and timers of PHP; a child has one thread.
    unsafe { ffi::ww_forked() }
}

/// Sets the status this process will exit with.
pub(crate) fn set_exit_status(status: i32) {
    // SAFETY: writes a global.
    unsafe { ffi::ww_exit_status_set(status) }
}

/// In a child that does not go back to where its parent was: it ends with [`leave`], as nobody but itself.
pub(crate) fn begin_anew() {
    set_exit_status(0);
    // SAFETY: writes a global.
    unsafe { ffi::ww_shutdown_functions_forget() }
}

/// Ends this process at once, with the status that PHP has for it: what it has registered for the end of the script is
/// called, and what it has printed is written. Whatever it shares with its parent is released by the parent alone, without
/// a destructor here that would do so twice.
pub(crate) fn leave() -> ! {
    // Each may end fatally; then the status says so.
    // SAFETY: the closure's frame has no destructors.
    let _ = guard(|| unsafe { ffi::ww_shutdown_functions_call() });
    let _ = end_output();
    let _ = flush_output();
    // SAFETY: reads a global.
    leave_at_once(unsafe { ffi::ww_exit_status() })
}

/// How PHP was started: `cli`, `fpm-fcgi`, …
pub(crate) fn sapi_name() -> &'static str {
    // SAFETY: PHP sets the name before it loads extensions.
    let name = unsafe { ffi::ww_sapi_name() };
    // SAFETY: the name is a constant of the SAPI's.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().unwrap_or("unknown")
}

/// Sets what `ps` shows for this process.
///
/// # Errors
/// [`Stop`] when PHP's function for it warns and the script's error handler throws or ends fatally.
pub(crate) fn set_title(title: &[u8]) -> Result<bool, Stop> {
    let title = PhpString::new(title)?;
    let raw = title.raw();
    // SAFETY: `title` outlives the call; the closure's frame has no destructors.
    let done = guard(|| unsafe { ffi::ww_process_title(raw) })?;
    exception::check()?;
    Ok(done)
}

/// Does `open_basedir` let the script have this file? If not, PHP has warned.
///
/// # Errors
/// [`Stop`] when the script's error handler throws or ends fatally.
pub(crate) fn is_path_allowed(path: &[u8]) -> Result<bool, Stop> {
    let Ok(path) = CString::new(path) else { return Ok(false) };
    let start = path.as_ptr();
    // SAFETY: the path outlives the call; the closure's frame has no destructors.
    let is_allowed = guard(|| unsafe { ffi::ww_path_allowed(start) })?;
    exception::check()?;
    Ok(is_allowed)
}
