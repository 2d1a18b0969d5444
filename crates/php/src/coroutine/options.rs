//! `Swoole\Coroutine::set()`: what holds for all coroutines of a process.

use std::ops::RangeInclusive;

use crate::array::{Array, Key};
use crate::coroutine::registry;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::warning;
use crate::zend::value::{Owned, to_long};

/// How large stacks may be: less does not hold PHP's own frames, and more is a mistake.
const STACK_BYTES: RangeInclusive<usize> = 256 << 10..=256 << 20;

/// Sets options of all coroutines.
///
/// # Errors
/// [`Stop::Thrown`]: a TypeError, or what the script's error handler throws.
pub(crate) fn set(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let Some(options) = call.array(0)?.and_then(|options| Array::of(Owned::copy(options))) else { return Ok(()) };
    for (key, value) in options.elements() {
        let Key::Name(name) = key else { continue };
        match name.as_slice() {
            b"max_coroutine" | b"max_coro_num" => match usize::try_from(to_long(&value)?) {
                Ok(max) if max > 0 => registry::set_max(max),
                _ => warning::warn("option [max_coroutine]: wanted at least 1")?,
            },
            b"c_stack_size" | b"stack_size" => match usize::try_from(to_long(&value)?) {
                Ok(bytes) if STACK_BYTES.contains(&bytes) => registry::set_stack_bytes(bytes),
                _ => warning::warn(&format!(
                    "option [c_stack_size]: wanted {} to {} bytes",
                    STACK_BYTES.start(),
                    STACK_BYTES.end()
                ))?,
            },
            _ => {}
        }
    }
    let merged = match registry::options().and_then(Array::of) {
        Some(mut merged) => {
            merged.merge(&options.into_value())?;
            merged
        }
        None => options,
    };
    registry::set_options(merged.into_value());
    Ok(())
}

/// Gives the options as they were set.
///
/// # Errors
/// [`Stop::Thrown`] for arguments, of which there are none.
pub(crate) fn options(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    call.give(registry::options().unwrap_or(Owned::null()));
    Ok(())
}

methods! {
    fn zim_Swoole_Coroutine_set(call) { set(call) }
    fn zim_Swoole_Coroutine_getOptions(call) { options(call) }
    fn zim_Swoole_Coroutine_Scheduler_set(call) { set(call) }
    fn zim_Swoole_Coroutine_Scheduler_getOptions(call) { options(call) }
}
