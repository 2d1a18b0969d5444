//! Turns a descriptor that is not ready into a coroutine that waits for it.

use std::os::fd::RawFd;
use std::time::Instant;

use crate::coroutine::methods;
use crate::coroutine::registry::{self, Ticket, Wait, Woken};
use crate::event_loop::{self, Watched, Watcher};
use crate::exception;
use crate::guard::Stop;
use crate::last_error;
use crate::zend::ffi::Class;

/// What a descriptor is to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

/// Throws: another coroutine is at it.
pub(crate) fn bound(what: &str) -> Stop {
    let message = format!("{what} has already been bound to another coroutine");
    exception::throw(Class::Error, last_error::CO_HAS_BEEN_BOUND, &message)
}

fn slot(watched: &mut Watched, interest: Interest) -> (&mut Option<Watcher>, &mut bool) {
    match interest {
        Interest::Read => (&mut watched.read, &mut watched.reads),
        Interest::Write => (&mut watched.write, &mut watched.writes),
    }
}

/// Waits until a descriptor is ready, or `until` has come.
///
/// # Errors
/// [`Stop::Thrown`] outside of a coroutine, when somebody else waits for the same, and as for any wait.
pub(crate) fn ready(descriptor: RawFd, interest: Interest, until: Option<Instant>) -> Result<Woken, Stop> {
    let is_taken = event_loop::watched(descriptor, |watched| {
        watched.is_some_and(|it| if interest == Interest::Read { it.read.is_some() } else { it.write.is_some() })
    });
    if is_taken {
        return Err(bound(&format!("descriptor {descriptor}")));
    }
    let mut failed = None;
    let woken = methods::wait(Wait::Other, until, |ticket: Ticket| {
        let watched = event_loop::watch(descriptor, |watched| {
            let (watcher, asks) = slot(watched, interest);
            *watcher = Some(Watcher::Coroutine(ticket));
            *asks = true;
        });
        if let Err(error) = watched {
            failed = Some(error);
            // What cannot be watched is always ready, or says itself that it is not open.
            registry::wake_soon(ticket, Woken::Happened);
        }
    });
    if failed.is_none() {
        let _ = event_loop::watch(descriptor, |watched| {
            let (watcher, asks) = slot(watched, interest);
            *watcher = None;
            *asks = false;
        });
    }
    woken
}
