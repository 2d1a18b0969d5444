//! Turns pages of shared memory into numbers that processes count with, and wait for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

use crate::futex;
use crate::region::Region;

// Layout of a page, in words of 8 bytes and lines of 64, a cell to each line but the first:
//
//   line 0       word 0   the cells that were handed out; more than there are once it is full
//   line 1 ...   word 0   the number; of one of 32 bits the low half, whatever is above it
//                word 1   how many wait for it, and how many died waiting
//
// A cell is handed out once. Were it used again, then by one process of a fork only, and for the other ones it would
// still be the old number. The page goes with its last cell.

const PAGE_BYTES: usize = 4096;
const WORD_BYTES: usize = size_of::<AtomicU64>();
const LINE_BYTES: usize = 64;
const CELL_WORDS: usize = 2;
const CELLS: u64 = (PAGE_BYTES / LINE_BYTES - 1) as u64;

const _: () = assert!(WORD_BYTES == 8);
const _: () = assert!(CELL_WORDS * WORD_BYTES <= LINE_BYTES);
const _: () = assert!(CELLS == 63);

/// A waiter looks so often by itself, in case that whoever was to wake it has died on the way.
const SLICE: Duration = Duration::from_millis(100);

/// Where numbers come from: those made before a fork are shared by both sides, those made later are not.
#[derive(Default)]
pub struct Atomics {
    page: Option<Arc<Region>>,
}

impl Atomics {
    /// A number of 32 bits that begins as `value`.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub fn u32(&mut self, value: u32) -> io::Result<SharedU32> {
        let number = SharedU32(self.cell()?);
        number.set(value);
        Ok(number)
    }

    /// A number of 64 bits that begins as `value`.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub fn i64(&mut self, value: i64) -> io::Result<SharedI64> {
        let number = SharedI64(self.cell()?);
        number.set(value);
        Ok(number)
    }

    fn cell(&mut self) -> io::Result<Cell> {
        if let Some(cell) = self.page.as_ref().and_then(Cell::of) {
            return Ok(cell);
        }
        let page = Arc::new(Region::new(PAGE_BYTES)?);
        let cell = Cell::of(&page).expect("the first of a page");
        self.page = Some(page);
        Ok(cell)
    }
}

struct Cell {
    page: Arc<Region>,
    byte_offset: usize,
}

impl Cell {
    fn of(page: &Arc<Region>) -> Option<Cell> {
        let number = page.u64s(0, 1)[0].fetch_add(1, Relaxed);
        let byte_offset = (number < CELLS).then_some((number as usize + 1) * LINE_BYTES)?;
        Some(Cell { page: Arc::clone(page), byte_offset })
    }

    fn words(&self) -> &[AtomicU64] {
        self.page.u64s(self.byte_offset, CELL_WORDS)
    }

    fn value(&self) -> &AtomicU64 {
        &self.words()[0]
    }

    fn waiters(&self) -> &AtomicU64 {
        &self.words()[1]
    }
}

/// A number of 64 bits in shared memory. It wraps around.
pub struct SharedI64(Cell);

impl SharedI64 {
    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.value().load(SeqCst).cast_signed()
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.value().store(value.cast_unsigned(), SeqCst);
    }

    /// Adds `by`, and returns the sum.
    pub fn add(&self, by: i64) -> i64 {
        self.0.value().fetch_add(by.cast_unsigned(), SeqCst).cast_signed().wrapping_add(by)
    }

    /// Sets it to `to` if it is `from`. Whether it was.
    pub fn replace(&self, from: i64, to: i64) -> bool {
        self.0.value().compare_exchange(from.cast_unsigned(), to.cast_unsigned(), SeqCst, SeqCst).is_ok()
    }
}

/// A number of 32 bits in shared memory, which processes may wait for. It wraps around.
pub struct SharedU32(Cell);

impl SharedU32 {
    /// Its value.
    pub fn get(&self) -> u32 {
        self.0.value().load(SeqCst) as u32
    }

    /// Sets it. Nobody is woken.
    pub fn set(&self, value: u32) {
        self.0.value().store(value.into(), SeqCst);
    }

    /// Adds `by`, and returns the sum. To subtract, add the negation.
    pub fn add(&self, by: u32) -> u32 {
        // What is carried into the high half is nobody's.
        (self.0.value().fetch_add(by.into(), SeqCst) as u32).wrapping_add(by)
    }

    /// Sets it to `to` if it is `from`. Whether it was.
    pub fn replace(&self, from: u32, to: u32) -> bool {
        self.change(|value| (value == from).then_some(to))
    }

    fn change(&self, to: impl Fn(u32) -> Option<u32>) -> bool {
        self.0.value().fetch_update(SeqCst, SeqCst, |value| to(value as u32).map(u64::from)).is_ok()
    }

    /// Waits until it is not 0, and takes 1 of it; what is there is taken at once. False if `longest` is over, or never
    /// if there is none. Signals do not end it.
    pub fn wait(&self, longest: Option<Duration>) -> bool {
        let deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
        let waiter = self.waiter();
        loop {
            if waiter.take() {
                return true;
            }
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            futex::wait(self.0.value(), 0, left.min(SLICE));
        }
    }

    /// Somebody who waits without blocking: one that [`SharedU32::wake`] counts, and who looks for himself.
    pub fn waiter(&self) -> Waiter<'_> {
        self.0.waiters().fetch_add(1, SeqCst);
        Waiter(self)
    }

    /// Sets it to 1 if it is 0, and wakes one of those who wait. With a larger `count` as many are let go, but not more
    /// than wait.
    pub fn wake(&self, count: u32) {
        let waiters = u32::try_from(self.0.waiters().load(SeqCst)).unwrap_or(u32::MAX);
        let let_go = count.min(waiters).max(1);
        self.change(|value| (value == 0).then_some(let_go));
        futex::wake(self.0.value(), count);
    }
}

/// One who waits for a number not to be 0, until dropped.
pub struct Waiter<'a>(&'a SharedU32);

impl Waiter<'_> {
    /// Takes 1 of it if it is not 0.
    pub fn take(&self) -> bool {
        self.0.change(|value| value.checked_sub(1))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.0.waiters().fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{Atomics, CELLS};

    const LONG: Option<Duration> = Some(Duration::from_secs(20));

    #[test]
    fn wraps_around() {
        let mut atomics = Atomics::default();
        let small = atomics.u32(u32::MAX).unwrap();
        assert_eq!((small.add(2), small.get()), (1, 1));
        assert_eq!((small.add(2u32.wrapping_neg()), small.get()), (u32::MAX, u32::MAX));
        assert!(!small.replace(1, 5) && small.replace(u32::MAX, 5));
        assert_eq!(small.get(), 5);
        let large = atomics.i64(i64::MAX).unwrap();
        assert_eq!((large.add(1), large.get()), (i64::MIN, i64::MIN));
        assert!(!large.replace(1, 5) && large.replace(i64::MIN, -5));
        assert_eq!(large.get(), -5);
    }

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let mut atomics = Atomics::default();
        let numbers: Vec<_> = (0..3 * CELLS as u32).map(|value| atomics.u32(value).unwrap()).collect();
        for number in &numbers {
            number.add(1000);
        }
        assert!(numbers.iter().map(|number| number.get()).eq(1000..1000 + 3 * CELLS as u32));
        // A process that was forked may still have those that are gone here.
        let first = atomics.u32(0).unwrap();
        let place = first.0.byte_offset;
        drop(first);
        assert_ne!(atomics.u32(0).unwrap().0.byte_offset, place);
    }

    #[test]
    fn waits_for_what_is_not_there() {
        let number = Atomics::default().u32(1).unwrap();
        assert!(number.wait(LONG), "it is there");
        assert!(!number.wait(Some(Duration::ZERO)));
        let began = Instant::now();
        assert!(!number.wait(Some(Duration::from_millis(150))));
        assert!(began.elapsed() >= Duration::from_millis(150));
        number.wake(5);
        assert_eq!(number.get(), 1, "nobody waits");
        number.wake(1);
        assert_eq!(number.get(), 1, "it is there already");
        number.set(0);
        thread::scope(|scope| {
            let waiters = [(); 3].map(|()| scope.spawn(|| number.wait(LONG)));
            while number.0.waiters().load(super::SeqCst) < 3 {
                thread::yield_now();
            }
            number.wake(3);
            assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
        });
        assert_eq!(number.get(), 0);
    }

    #[test]
    fn nobody_is_let_go_twice() {
        const TURNS: usize = 2000;
        let number = Atomics::default().u32(1).unwrap();
        let inside = Atomics::default().i64(0).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..TURNS {
                        assert!(number.wait(None));
                        assert_eq!(inside.add(1), 1);
                        inside.add(-1);
                        number.wake(1);
                    }
                });
            }
        });
        assert_eq!(number.get(), 1);
    }
}
