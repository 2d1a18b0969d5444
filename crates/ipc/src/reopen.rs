//! Turns the signals that ask for it into a number that all processes of a server see: how often logs were to be reopened.

use std::ffi::c_int;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;

use crate::region::Region;
use crate::signal::Signal;

/// One word, mapped before the first fork.
static ASKED: OnceLock<Region> = OnceLock::new();

/// From now on SIGUSR1, SIGWINCH and SIGRTMIN are counted where [`Signals`](crate::signal::Signals) watches them, for this
/// process and all that it forks together.
///
/// # Errors
///
/// Those of [`Region::new`].
pub fn share() -> io::Result<()> {
    if ASKED.get().is_none() {
        // If somebody was quicker, it is as well.
        let _ = ASKED.set(Region::new(size_of::<u64>())?);
    }
    Ok(())
}

/// How often it was asked for. Whoever finds another number than the last time reopens its log.
pub fn asked() -> u64 {
    ASKED.get().map_or(0, |region| region.u64s(0, 1)[0].load(SeqCst))
}

/// A watched signal has come. Async-signal-safe: atomics.
pub(crate) fn note(number: c_int) {
    let asks = [Signal::Usr1, Signal::Winch, Signal::Rtmin].iter().any(|signal| signal.number() == number);
    if let Some(region) = ASKED.get().filter(|_| asks) {
        region.u64s(0, 1)[0].fetch_add(1, SeqCst);
    }
}
