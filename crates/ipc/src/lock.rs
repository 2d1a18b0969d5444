//! Turns a word of shared memory into a lock that outlives whoever holds it.

use std::error::Error;
use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::thread::panicking;
use std::time::{Duration, Instant};

use crate::futex;
use crate::owner::Owner;

// The word: 0 while it is free, else
//
//   63 ... 32              | 31                  | 30 ... 0
//   when its holder began  | somebody may sleep  | the holder's thread

const FREE: u64 = 0;
/// Somebody may sleep. The futex is the low half, which has this bit.
const WAITED_FOR: u64 = 1 << 31;
/// Its holder left by a panic: no thread has the id 0.
const ABANDONED: u64 = 1 << 32;

/// So often it is looked at before sleeping: what is done under it takes less.
const SPINS: usize = 200;
/// How long a holder is taken to be alive without asking, and how long a wake-up that never came costs.
const SLICE: Duration = Duration::from_millis(5);
/// Whoever holds it that long has been stopped.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A lock in shared memory is held, by a process that is alive, for longer than is waited (10 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another process has held its lock for {} s: it is stopped", WAIT_MAX.as_secs())
    }
}

impl Error for Busy {}

/// The lock is held as long as this lives.
pub(crate) struct Held<'a> {
    word: &'a AtomicU64,
    /// The last holder died with it: what it guards is to be mended first. If this one dies before it has done so, the
    /// next one is told again.
    pub(crate) is_inherited: bool,
}

/// Takes the lock. It is taken from a holder that is gone; the caller's own thread counts as that, since nobody takes a
/// lock twice.
///
/// # Errors
///
/// [`Busy`] after 10 s.
pub(crate) fn take(word: &AtomicU64) -> Result<Held<'_>, Busy> {
    let me = Owner::me();
    for _ in 0..SPINS {
        if word.load(Relaxed) == FREE && seize(word, FREE, me.bits()) {
            return Ok(Held { word, is_inherited: false });
        }
        spin_loop();
    }
    sleep_for(word, me)
}

fn seize(word: &AtomicU64, seen: u64, mine: u64) -> bool {
    word.compare_exchange(seen, mine, Acquire, Relaxed).is_ok()
}

fn sleep_for(word: &AtomicU64, me: Owner) -> Result<Held<'_>, Busy> {
    let deadline = Instant::now() + WAIT_MAX;
    // Others may sleep as well: that is known only once it was let go by somebody who woke nobody.
    let mine = me.bits() | WAITED_FOR;
    loop {
        let seen = word.load(Relaxed);
        if seen == FREE {
            if seize(word, FREE, mine) {
                return Ok(Held { word, is_inherited: false });
            }
            continue;
        }
        let waited_for = seen | WAITED_FOR;
        if seen != waited_for && word.compare_exchange(seen, waited_for, Relaxed, Relaxed).is_err() {
            continue;
        }
        futex::wait(word, waited_for as u32, SLICE);
        let is_left = word.load(Relaxed) == waited_for && is_left(waited_for, me);
        if is_left && seize(word, waited_for, mine) {
            return Ok(Held { word, is_inherited: true });
        }
        if Instant::now() >= deadline {
            return Err(Busy);
        }
    }
}

/// Takes the lock if its holder is gone; does not wait.
pub(crate) fn inherit(word: &AtomicU64) -> Option<Held<'_>> {
    let (seen, me) = (word.load(Relaxed), Owner::me());
    let inherited = seen != FREE && is_left(seen, me) && seize(word, seen, me.bits() | WAITED_FOR);
    inherited.then_some(Held { word, is_inherited: true })
}

fn is_left(bits: u64, me: Owner) -> bool {
    let holder = Owner::from_bits(bits);
    holder == me || holder.is_gone()
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let me = Owner::me().bits();
        let left = if panicking() { ABANDONED } else { FREE };
        if self.word.compare_exchange(me, left, Release, Relaxed).is_ok() {
            return;
        }
        // One that is somebody else's by now stays theirs.
        if self.word.compare_exchange(me | WAITED_FOR, left, Release, Relaxed).is_ok() {
            futex::wake(self.word, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::thread;
    use std::time::Duration;

    use super::{FREE, inherit, take};
    use crate::owner::Owner;

    /// A thread that has ended for the kernel too: to join it is possible a little before.
    fn gone() -> Owner {
        let thread = thread::spawn(Owner::me).join().unwrap();
        for _ in 0..10_000 {
            if thread.is_gone() {
                return thread;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("a thread that was joined runs on");
    }

    #[test]
    fn lets_one_in_at_a_time() {
        let (lock, inside) = (AtomicU64::new(FREE), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..5000 {
                        let held = take(&lock).unwrap();
                        assert!(!held.is_inherited);
                        let before = inside.load(Relaxed);
                        if turn % 64 == 0 {
                            thread::yield_now();
                        }
                        inside.store(before + 1, Relaxed);
                    }
                });
            }
        });
        assert_eq!((inside.load(Relaxed), lock.load(Relaxed)), (20_000, FREE));
    }

    #[test]
    fn is_taken_from_those_who_are_gone_only() {
        #[rustfmt::skip]
        let cases = [
            ("a thread that has ended",  gone().bits()),
            ("itself, by mistake",       Owner::me().bits()),
            ("damage",                   0xdead_beef_dead_beef),
            ("damage that names nobody", 1 << 40),
        ];
        for (what, bits) in cases {
            let lock = AtomicU64::new(bits);
            assert!(inherit(&lock).is_some_and(|held| held.is_inherited), "{what}");
            lock.store(bits, Relaxed);
            assert!(take(&lock).unwrap().is_inherited, "{what}");
            assert!(inherit(&lock).is_none(), "it is free");
            assert!(!take(&lock).unwrap().is_inherited);
        }
        let lock = AtomicU64::new(FREE);
        let held = take(&lock).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| assert!(inherit(&lock).is_none(), "its holder is alive"));
        });
        drop(held);
    }

    #[test]
    fn is_left_to_be_mended_by_a_panic() {
        let lock = AtomicU64::new(FREE);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = take(&lock).unwrap();
            panic!("in the middle");
        }));
        assert!(panicked.is_err());
        assert!(take(&lock).unwrap().is_inherited);
        assert!(!take(&lock).unwrap().is_inherited);
    }
}
