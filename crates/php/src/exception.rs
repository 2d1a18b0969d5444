//! PHP's exceptions: thrown, looked for, reported.

use std::mem::ManuallyDrop;

use crate::guard::{Stop, guard, take_owed_bailout};
use crate::method::methods;
use crate::zend::ffi::{self, Class};
use crate::zend::value::Owned;

/// Whether one is pending, `exit` included.
pub(crate) fn pending() -> bool {
    // SAFETY: reads a global.
    unsafe { ffi::ww_exception_pending() != ffi::OK }
}

/// Whether one is pending that is not what `exit` throws.
fn uncaught() -> bool {
    // SAFETY: reads a global.
    unsafe { ffi::ww_exception_pending() == ffi::THREW }
}

/// What is left when PHP code has run with no frame of the script's to go on in: an exception is reported.
///
/// # Errors
/// There was one, or an `exit`, or a destructor ended fatally: this process is to end.
pub(crate) fn settle() -> Result<(), Stop> {
    if take_owed_bailout() {
        return Err(Stop::Bailout);
    }
    if uncaught() {
        if !exits()? {
            report_uncaught()?;
        }
        return Err(Stop::Thrown);
    }
    check()
}

/// Nobody caught what `exit()` throws in a coroutine or a server: the process does what it asked for, and ends.
fn exits() -> Result<bool, Stop> {
    let mut status = ManuallyDrop::new(Owned::undefined());
    let to = status.raw_mut();
    // SAFETY: `to` is an empty value; the closure's frame has no destructors.
    let is_exit = guard(|| unsafe { ffi::ww_exit_take_status(to) })?;
    if is_exit {
        tracing::warn!("the script has called exit(): this process ends");
        // SAFETY: the value is alive; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_exit_with(to) })?;
    }
    drop(ManuallyDrop::into_inner(status));
    Ok(is_exit)
}

/// Turns a pending exception into an error.
///
/// # Errors
/// [`Stop::Thrown`] when there is one.
pub(crate) fn check() -> Result<(), Stop> {
    if pending() { Err(Stop::Thrown) } else { Ok(()) }
}

/// Throws, and returns what the body is to return.
pub(crate) fn throw(class: Class, code: i64, message: &str) -> Stop {
    let (start, length) = (message.as_ptr(), message.len());
    // SAFETY: `length` bytes begin at `start`; the closure's frame has no destructors.
    let thrown = guard(|| unsafe { ffi::ww_exception_throw(class, start, length, code) });
    thrown.err().unwrap_or(Stop::Thrown)
}

/// Reports the pending exception as PHP does at the end of the main script: the script's handler, else
/// `Fatal error: Uncaught …` and exit status 255. None is pending afterwards.
///
/// # Errors
/// [`Stop::Bailout`] when the script's handler ends fatally.
fn report_uncaught() -> Result<(), Stop> {
    // SAFETY: the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_exception_report() })?;
    clear()
}

/// Forgets the pending exception.
///
/// # Errors
/// [`Stop::Bailout`] when its destructor ends fatally.
pub(crate) fn clear() -> Result<(), Stop> {
    // SAFETY: the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_exception_clear() })
}

/// Takes the pending exception: its class, what it says, and where it was thrown. None is pending afterwards.
///
/// # Errors
/// It was an `exit`, which is done as it asked for, or PHP ended fatally: this process is to end.
pub(crate) fn take_text() -> Result<String, Stop> {
    if !uncaught() || exits()? {
        return Err(Stop::Thrown);
    }
    // SAFETY: `to` is an empty value; the closure's frame has no destructors.
    let exception = Owned::made(|to| unsafe {
        ffi::ww_exception_take(to);
    })?;
    let Some(object) = exception.as_object() else { return Ok(String::new()) };
    let field = |name: &str| object.property_named(name);
    let (message, file, line) = (field("message")?, field("file")?, field("line")?);
    let text = |value: &Owned| String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned();
    let line = line.as_long().unwrap_or_default();
    // Behind a zero, the name of an anonymous class has where it stands.
    let class = object.class_name().split('\0').next().unwrap_or_default();
    Ok(format!("{class}: {} in {}:{line}", text(&message), text(&file)))
}

/// Throws what `exit` throws: the script's frames unwind, shutdown functions and destructors run. A child process
/// leaves `start()` so.
pub(crate) fn unwind_exit() -> Stop {
    // SAFETY: the closure's frame has no destructors.
    let thrown = guard(|| unsafe { ffi::ww_unwind_exit() });
    thrown.err().unwrap_or(Stop::Thrown)
}

methods! {
    fn zim_Swoole_ExitException_getFlags(call) {
        call.count(0, 0)?;
        let flags = call.this().property_named("flags")?;
        call.give(flags);
        Ok(())
    }

    fn zim_Swoole_ExitException_getStatus(call) {
        call.count(0, 0)?;
        let status = call.this().property_named("status")?;
        call.give(status);
        Ok(())
    }
}
