//! `Swoole\Atomic` and `Swoole\Atomic\Long`: numbers that the processes forked later share.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::time::{Duration, Instant};

use wirewool_ipc::atomics::{Atomics, SharedI64, SharedU32};

use crate::coroutine::context::is_blocked;
use crate::coroutine::methods;
use crate::coroutine::registry::{self, Wait, Woken};
use crate::exception;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::warning;
use crate::zend::ffi::{Class, Family};

/// How long a coroutine waits before it looks again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(8);

thread_local! {
    static ATOMICS: RefCell<Atomics> = RefCell::default();
}

/// The state of an `Atomic`; empty until its constructor has run.
#[derive(Default)]
pub(crate) struct Atomic(OnceCell<SharedU32>);

impl Native for Atomic {
    const FAMILY: Family = Family::Atomic;
}

/// The state of an `Atomic\Long`; empty until its constructor has run.
#[derive(Default)]
pub(crate) struct AtomicLong(OnceCell<SharedI64>);

impl Native for AtomicLong {
    const FAMILY: Family = Family::AtomicLong;
}

fn no_memory(error: io::Error) -> Stop {
    exception::throw(Class::Exception, 0, &format!("no shared memory for another number: {error}"))
}

fn not_constructed() -> Stop {
    exception::throw(Class::PhpError, 0, "the number does not exist: its constructor was not called")
}

/// The number of `$this`.
fn small<'a>(call: &Call<'a>) -> Result<&'a SharedU32, Stop> {
    call.state::<Atomic>()?.0.get().ok_or_else(not_constructed)
}

/// Waits as a coroutine does, without blocking the process: it looks every few milliseconds.
///
/// # Errors
/// As for any wait.
fn wait(number: &SharedU32, longest: Option<Duration>) -> Result<bool, Stop> {
    let deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
    let waiter = number.waiter();
    let mut pause = PAUSE_MIN;
    while !waiter.take() {
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(false);
        }
        let until = deadline.map_or(now + pause, |deadline| deadline.min(now + pause));
        if methods::wait(Wait::Other, Some(until), |_| {})? != Woken::TimedOut {
            return Ok(false);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(true)
}

/// As [`small`].
fn large<'a>(call: &Call<'a>) -> Result<&'a SharedI64, Stop> {
    call.state::<AtomicLong>()?.0.get().ok_or_else(not_constructed)
}

/// Argument `index`, modulo 2³².
fn u32(call: &Call<'_>, index: usize, default: u32) -> Result<u32, Stop> {
    Ok(call.long(index)?.map_or(default, |long| long as u32))
}

methods! {
    fn zim_Swoole_Atomic___construct(call) {
        call.count(0, 1)?;
        let value = u32(call, 0, 0)?;
        let state = call.state::<Atomic>()?;
        let fresh = ATOMICS.with_borrow_mut(|atomics| atomics.u32(value)).map_err(no_memory)?;
        // Constructed twice, it stays the number that others may have already.
        state.0.get_or_init(|| fresh).set(value);
        Ok(())
    }

    fn zim_Swoole_Atomic_add(call) {
        call.count(0, 1)?;
        let sum = small(call)?.add(u32(call, 0, 1)?);
        call.give_long(sum.into());
        Ok(())
    }

    fn zim_Swoole_Atomic_sub(call) {
        call.count(0, 1)?;
        let difference = small(call)?.add(u32(call, 0, 1)?.wrapping_neg());
        call.give_long(difference.into());
        Ok(())
    }

    fn zim_Swoole_Atomic_get(call) {
        call.count(0, 0)?;
        let value = small(call)?.get();
        call.give_long(value.into());
        Ok(())
    }

    fn zim_Swoole_Atomic_set(call) {
        call.count(1, 1)?;
        small(call)?.set(u32(call, 0, 0)?);
        Ok(())
    }

    fn zim_Swoole_Atomic_cmpset(call) {
        call.count(2, 2)?;
        let replaced = small(call)?.replace(u32(call, 0, 0)?, u32(call, 1, 0)?);
        call.give_bool(replaced);
        Ok(())
    }

    fn zim_Swoole_Atomic_wait(call) {
        call.count(0, 1)?;
        let seconds = call.double(0)?.unwrap_or(1.0);
        // What is negative, or more than time has, is for ever; what is no number is no time.
        let longest = if seconds.is_nan() { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() };
        let number = small(call)?;
        let taken = if registry::cid() != 0 && !is_blocked() { wait(number, longest)? } else { number.wait(longest) };
        call.give_bool(taken);
        Ok(())
    }

    fn zim_Swoole_Atomic_wakeup(call) {
        call.count(0, 1)?;
        let count = call.long(0)?.unwrap_or(1);
        let number = small(call)?;
        if count < 1 {
            warning::warn(&format!("cannot wake {count} processes, wanted at least 1"))?;
        } else {
            number.wake(u32::try_from(count).unwrap_or(u32::MAX));
        }
        call.give_bool(count >= 1);
        Ok(())
    }

    fn zim_Swoole_Atomic_Long___construct(call) {
        call.count(0, 1)?;
        let value = call.long(0)?.unwrap_or(0);
        let state = call.state::<AtomicLong>()?;
        let fresh = ATOMICS.with_borrow_mut(|atomics| atomics.i64(value)).map_err(no_memory)?;
        state.0.get_or_init(|| fresh).set(value);
        Ok(())
    }

    fn zim_Swoole_Atomic_Long_add(call) {
        call.count(0, 1)?;
        let sum = large(call)?.add(call.long(0)?.unwrap_or(1));
        call.give_long(sum);
        Ok(())
    }

    fn zim_Swoole_Atomic_Long_sub(call) {
        call.count(0, 1)?;
        let difference = large(call)?.add(call.long(0)?.unwrap_or(1).wrapping_neg());
        call.give_long(difference);
        Ok(())
    }

    fn zim_Swoole_Atomic_Long_get(call) {
        call.count(0, 0)?;
        let value = large(call)?.get();
        call.give_long(value);
        Ok(())
    }

    fn zim_Swoole_Atomic_Long_set(call) {
        call.count(1, 1)?;
        large(call)?.set(call.long(0)?.unwrap_or(0));
        Ok(())
    }

    fn zim_Swoole_Atomic_Long_cmpset(call) {
        call.count(2, 2)?;
        let replaced = large(call)?.replace(call.long(0)?.unwrap_or(0), call.long(1)?.unwrap_or(0));
        call.give_bool(replaced);
        Ok(())
    }
}
