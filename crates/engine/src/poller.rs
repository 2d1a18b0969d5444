//! Waits for many descriptors at once: level-triggered epoll.
//!
//! Level-triggered, because then nothing has to be drained until it would block, and no event can be lost.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// How many descriptors one wait returns at most.
const READY_MAX: usize = 1024;

/// What is ready, and what for.
pub type Ready = Event;

/// What to wait for.
pub type Flags = EventFlags;

/// Waits for many descriptors at once.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// One that waits for nothing yet.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn new() -> io::Result<Poller> {
        Ok(Poller { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Waits for `flags` of `fd` from now on, under `token`.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn add(&self, fd: impl AsFd, token: u64, flags: Flags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    /// Waits for other flags of `fd`.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn modify(&self, fd: impl AsFd, token: u64, flags: Flags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    /// Waits for `fd` no more.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until something is ready, a signal comes, or the time is over; without a time, for ever.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        ready.reserve(READY_MAX);
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match epoll::wait(&self.epoll, spare_capacity(ready), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Itself readable when something is ready: one poller may wait for another.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
