//! PHP's warnings. A warning is a call into PHP: the script's error handler may throw, exit, or suspend.

use crate::exception;
use crate::guard::{Stop, guard};
use crate::zend::ffi;

/// How loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Level {
    Error = 1 << 0,
    Warning = 1 << 1,
    UserWarning = 1 << 9,
}

/// Raises `E_WARNING`; PHP puts `Class::method(): ` before the text.
///
/// # Errors
/// [`Stop`] when the script's error handler throws, exits or ends fatally.
pub(crate) fn warn(text: &str) -> Result<(), Stop> {
    raise(Level::Warning, text)
}

/// Raises `E_USER_WARNING`: the script's mistake, not the call's.
///
/// # Errors
/// As for [`warn`].
pub(crate) fn warn_user(text: &str) -> Result<(), Stop> {
    raise(Level::UserWarning, text)
}

/// Raises `E_ERROR`, which ends the script with exit status 255.
pub(crate) fn fatal(text: &str) -> Stop {
    raise(Level::Error, text).err().unwrap_or(Stop::Bailout)
}

fn raise(level: Level, text: &str) -> Result<(), Stop> {
    let (start, length) = (text.as_ptr(), text.len());
    // SAFETY: `length` bytes begin at `start`; the closure's frame has no destructors.
    guard(|| unsafe { ffi::ww_warning(level as i32, start, length) })?;
    exception::check()
}
