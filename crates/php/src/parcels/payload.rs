//! PHP values as bytes that go from process to process: strings as they are, everything else serialized.

use std::ptr::NonNull;

use crate::exception;
use crate::guard::{Stop, guard};
use crate::zend::ffi;
use crate::zend::layout::Zval;
use crate::zend::value::{Owned, PhpString};

/// What is said about a payload.
pub(crate) mod flag {
    /// It is serialized.
    pub(crate) const SERIALIZED: u8 = 1;
    /// Whoever has sent the task waits for its result, or has a callback for it: it is for nobody else.
    pub(crate) const AWAITED: u8 = 2;
    /// There is one.
    pub(crate) const PRESENT: u8 = 4;
    /// The task could not be read, and was not begun.
    pub(crate) const UNREAD: u8 = 8;
}

/// A value as bytes, and what is said about them.
///
/// # Errors
/// [`Stop::Thrown`] when it cannot be serialized: a closure, or what a `__serialize` throws.
pub(crate) fn encode(value: &Zval) -> Result<(u8, PhpString), Stop> {
    if value.as_bytes().is_some() {
        return Ok((0, PhpString::cast(value)?));
    }
    let held = Owned::copy(value);
    let from = held.raw();
    // SAFETY: `held` outlives the call; the closure's frame has no destructors.
    let text = NonNull::new(guard(|| unsafe { ffi::ww_serialize(from) })?);
    // SAFETY: the shim has made the string for us.
    let text = text.map(|text| unsafe { PhpString::from_raw(text) });
    exception::check()?;
    text.map(|text| (flag::SERIALIZED, text)).ok_or(Stop::Thrown)
}

/// The value that bytes are; none if they are none.
///
/// # Errors
/// [`Stop::Thrown`]: what an `__unserialize` throws.
pub(crate) fn decode(flags: u8, bytes: &[u8]) -> Result<Option<Owned>, Stop> {
    if flags & flag::SERIALIZED == 0 {
        return Owned::string(bytes).map(Some);
    }
    let (start, length) = (bytes.as_ptr(), bytes.len());
    let mut done = false;
    let to_done = &raw mut done;
    let value = Owned::made(|to| {
        // SAFETY: `to` is an empty value, `length` bytes begin at `start`; the closure's frame has no destructors.
        let is_done = unsafe { ffi::ww_unserialize(to, start, length) };
        // SAFETY: it points to a local of the caller's, which waits for this call.
        unsafe { to_done.write(is_done) };
    })?;
    exception::check()?;
    Ok(done.then_some(value))
}
