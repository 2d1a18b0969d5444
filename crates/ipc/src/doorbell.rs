//! Turns "there is something for you" into a descriptor that becomes readable.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd, nonblocking and close-on-exec. A fork or an `Arc` shares it: whoever has it may ring, one side polls
/// it for readability and clears it.
///
/// Ringing many times before the clear is ringing once.
pub struct Doorbell {
    descriptor: OwnedFd,
}

impl Doorbell {
    /// A doorbell that is silent.
    ///
    /// # Errors
    ///
    /// Those of eventfd(2): no descriptor or memory left.
    pub fn new() -> io::Result<Doorbell> {
        let descriptor = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Doorbell { descriptor })
    }

    /// Makes the descriptor readable until the next [`clear`](Doorbell::clear). Never blocks.
    pub fn ring(&self) {
        ring(self.descriptor.as_fd());
    }

    /// Makes it silent. To miss nothing, clear first and look for work afterwards.
    pub fn clear(&self) {
        // The only error is EAGAIN: it was silent.
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Async-signal-safe: one write(2).
pub(crate) fn ring(descriptor: BorrowedFd<'_>) {
    // The only error is EAGAIN, a full counter: it is ringing already.
    let _ = rustix::io::write(descriptor, &1u64.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::Doorbell;

    fn rings_within(doorbell: &Doorbell, seconds: i64) -> bool {
        let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut [PollFd::new(doorbell, PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn rings_until_cleared() {
        let doorbell = Doorbell::new().unwrap();
        assert!(!rings_within(&doorbell, 0));
        doorbell.clear();
        doorbell.ring();
        doorbell.ring();
        assert!(rings_within(&doorbell, 0));
        assert!(rings_within(&doorbell, 0));
        doorbell.clear();
        assert!(!rings_within(&doorbell, 0));
    }

    #[test]
    fn wakes_another_thread() {
        let doorbell = Doorbell::new().unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rings_within(&doorbell, 10));
            doorbell.ring();
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn a_full_counter_still_rings() {
        let doorbell = Doorbell::new().unwrap();
        rustix::io::write(&doorbell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        doorbell.ring();
        assert!(rings_within(&doorbell, 0));
        doorbell.clear();
        assert!(!rings_within(&doorbell, 0));
    }

    #[test]
    fn is_closed_on_exec() {
        let doorbell = Doorbell::new().unwrap();
        assert!(fcntl_getfd(&doorbell).unwrap().contains(FdFlags::CLOEXEC));
    }
}
