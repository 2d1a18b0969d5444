//! Waits for connections that have something for the load.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event};
use rustix::fd::OwnedFd;
use std::time::Duration;

/// A server that says nothing for so long has lost a message.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Fills `ready`, up to its capacity.
///
/// # Errors
/// Not one `what` came for so long.
pub(crate) fn wait(epoll: &OwnedFd, ready: &mut Vec<Event>, what: &str) -> Result<(), String> {
    let timeout = Timespec::try_from(SILENCE_MAX).map_err(|error| error.to_string())?;
    ready.clear();
    epoll::wait(epoll, spare_capacity(ready), Some(&timeout)).map_err(|error| error.to_string())?;
    match ready.is_empty() {
        true => Err(format!("not one {what} for {} s", SILENCE_MAX.as_secs())),
        false => Ok(()),
    }
}
