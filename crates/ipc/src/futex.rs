//! Turns a word of shared memory into a place to sleep at until another process has changed it.

use std::ptr::{from_ref, null};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Where the half of a word lies that the kernel looks at: futexes have 32 bits, our words 64.
const LOW_HALF_AT: usize = if cfg!(target_endian = "little") { 0 } else { 4 };

fn low_half(word: &AtomicU64) -> *const u32 {
    from_ref(word).wrapping_byte_add(LOW_HALF_AT).cast()
}

/// Sleeps until somebody wakes the word, for at most `longest`. Returns at once if the low half of it is not `seen`,
/// and early if a signal comes or for no reason: whoever waits looks again.
pub(crate) fn wait(word: &AtomicU64, seen: u32, longest: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(longest.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: longest.subsec_nanos().into(),
    };
    let (place, timeout) = (low_half(word), from_ref(&timeout));
    // SAFETY: The kernel reads four bytes of a word that is borrowed and a time-out that is on this stack, no more.
    unsafe { libc::syscall(libc::SYS_futex, place, libc::FUTEX_WAIT, seen, timeout, null::<u32>(), 0) };
}

/// Wakes at most `count` of those who sleep at the word, in whatever process.
pub(crate) fn wake(word: &AtomicU64, count: u32) {
    let (place, count) = (low_half(word), count.min(i32::MAX.unsigned_abs()));
    // SAFETY: The kernel only takes the address of a word that is borrowed as the name of a queue.
    unsafe { libc::syscall(libc::SYS_futex, place, libc::FUTEX_WAKE, count, null::<u32>(), null::<u32>(), 0) };
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{wait, wake};

    #[test]
    fn sleeps_until_it_is_woken() {
        let word = AtomicU64::new(7 << 32);
        thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(SeqCst) as u32 == 0 {
                    wait(&word, 0, Duration::from_secs(20));
                }
            });
            word.store(1, SeqCst);
            wake(&word, 1);
        });
    }

    #[test]
    fn returns_when_the_time_is_over_or_the_word_is_another() {
        let word = AtomicU64::new(3);
        let began = Instant::now();
        wait(&word, 4, Duration::from_secs(20));
        assert!(began.elapsed() < Duration::from_secs(10));
        wait(&word, 3, Duration::from_millis(5));
        assert!(began.elapsed() >= Duration::from_millis(5));
    }
}
