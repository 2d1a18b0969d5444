//! Turns shared memory into a queue of records from one process or thread to one other, which survives either's death.
//!
//! | module | holds |
//! |---|---|
//! | [`writer`] | the one who pushes records, keeps what has no room yet, and hands on what a dead reader left |
//! | [`reader`] | the one who takes them out, whole |
//!
//! **Nobody sleeps here.** Ring the other side's doorbell whenever `must_ring` says so, and ask after each batch. Before
//! a wait for one's own doorbell stands `sleep`, and its answer may be that there is something to do.
//!
//! **Either side may be killed at any instruction.** What is not published does not exist: an index moves in one store,
//! after the bytes it speaks of. A record has been *begun* when the read index has passed its end, so of all records
//! each is begun, or can still be given to a successor, never both. A bell that the dead owed is never rung: whoever
//! reaps them rings for them.
//!
//! **Nothing in the memory is trusted.** Each side keeps its own index to itself. Every word is loaded once and then
//! checked, and payload is copied out before anybody looks at it; so a process that writes while it is copied spoils
//! the bytes of its own records, and nothing else. All accesses are to atomic words, payload included: a copy of words
//! costs as much as one by `memcpy` where it matters (some 10 GB/s), and has no data race to argue away.

use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::region::Region;
use crate::sync::{AtomicU64, fence};

mod bytes;
mod header;
#[cfg(all(test, loom))]
mod orders;
pub mod reader;
#[cfg(all(test, not(loom)))]
mod steps;
#[cfg(all(test, not(loom)))]
mod tests;
pub mod writer;

// Layout, in lines of 64 bytes, so that no two sides write to the same one:
//
//   line 0   word 0   write index: bytes written since the reset          the writer's
//   line 1   word 0   read index: bytes begun, or taken in pieces         the reader's
//            word 1   how many records were begun
//   line 2   word 0   1 while the reader sleeps, until it is rung         both
//   line 3   word 0   which read index the writer waits for, and 1 added; both
//                     0 while it waits for none
//   line 4   word 0   the epoch; 0 while the ring is reset                whoever resets
//   line 5 ...        records, `capacity` bytes, a power of two; the byte at index i is at i modulo capacity
//
//   a record          a word of header, see `header`, then the payload, padded to a multiple of 8 bytes; so every
//                     index is one, and a header is never cut by the end of the ring, while a payload may be
//
// Between read and write index lie whole records, or pieces of one, never more than `capacity`. The rest is free.

const WORD_BYTES: u64 = 8;
const LINE_BYTES: usize = 64;
const WRITE_LINE: usize = 0;
const READ_LINE: usize = 1;
const ASLEEP_LINE: usize = 2;
const WAITING_LINE: usize = 3;
const EPOCH_LINE: usize = 4;
const RECORDS_LINE: usize = 5;

/// The smallest and the largest ring, in bytes of records.
pub const CAPACITY_MIN: usize = 64;
/// See [`CAPACITY_MIN`].
pub const CAPACITY_MAX: usize = 16 << 20;

/// No index gets there by honest means: at 10 GB/s it would take 29 years.
const INDEX_MAX: u64 = 1 << 63;

const RESETTING: u64 = 0;

#[cfg(not(loom))]
const _: () = assert!(size_of::<AtomicU64>() as u64 == WORD_BYTES);
const _: () = assert!((LINE_BYTES as u64).is_multiple_of(WORD_BYTES));
const _: () = assert!(CAPACITY_MIN.is_power_of_two() && CAPACITY_MAX.is_power_of_two());
const _: () = assert!(CAPACITY_MAX < u32::MAX as usize);
const _: () = assert!(INDEX_MAX.checked_add(2 * CAPACITY_MAX as u64).is_some());

/// Why a ring can no longer be used from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// What is in the memory cannot be true: the other side is broken, and not to be talked to. Says what was found.
    Corrupt(&'static str),
    /// The ring was reset: it belongs to a successor.
    Stale,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::Corrupt(found) => write!(f, "the ring is corrupt: {found}"),
            RingError::Stale => f.write_str("the ring was reset for a successor"),
        }
    }
}

impl Error for RingError {}

/// A ring's place in shared memory. Whoever has it, after a fork or in a thread, opens the one end or the other.
#[derive(Clone)]
pub struct Ring {
    region: Arc<Region>,
    byte_offset: usize,
    capacity: usize,
}

impl Ring {
    /// How many bytes of a region a ring with `capacity` bytes of records takes.
    pub const fn bytes(capacity: usize) -> usize {
        RECORDS_LINE * LINE_BYTES + capacity
    }

    /// The ring at `byte_offset` of `region`, a multiple of 64, with `capacity` bytes for records: a power of two from
    /// [`CAPACITY_MIN`] to [`CAPACITY_MAX`]. It can be opened once it was [`reset`](Ring::reset).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for other numbers, or if it does not lie inside the region.
    pub fn new(region: Arc<Region>, byte_offset: usize, capacity: usize) -> io::Result<Ring> {
        let right = capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity);
        let fits = right && byte_offset.checked_add(Ring::bytes(capacity)).is_some_and(|end| end <= region.bytes());
        if !fits || !byte_offset.is_multiple_of(LINE_BYTES) {
            let message = format!("no ring of {capacity} bytes fits at byte {byte_offset} of {}", region.bytes());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Ring { region, byte_offset, capacity })
    }

    /// Empties the ring, for whoever opens it as `epoch`, which it never was before. All its other readers and writers
    /// find out at their next step; but one that is amidst a step of its own may spoil the ring for its successors, so
    /// it should be dead, or have closed its end.
    pub fn reset(&self, epoch: NonZeroU64) {
        self.epoch().store(RESETTING, Relaxed);
        // No reader or writer that finds the old epoch has seen anything of the following.
        fence(Release);
        for line in [WRITE_LINE, READ_LINE, ASLEEP_LINE, WAITING_LINE] {
            self.line(line).store(0, Relaxed);
        }
        self.begun().store(0, Relaxed);
        self.epoch().store(epoch.get(), Release);
    }

    /// The bytes for records.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn capacity_bytes(&self) -> u64 {
        self.capacity as u64
    }

    /// Is it still `epoch`? To be asked before something is believed that was loaded, and before something is stored.
    fn check_epoch(&self, epoch: NonZeroU64) -> Result<(), RingError> {
        fence(Acquire);
        if self.epoch().load(Acquire) == epoch.get() { Ok(()) } else { Err(RingError::Stale) }
    }

    /// The read and the write index for someone who opens an end, if they can be true.
    fn indices(&self, epoch: NonZeroU64) -> Result<(u64, u64), RingError> {
        self.check_epoch(epoch)?;
        let read = self.read().load(Acquire);
        let written = self.written().load(Acquire);
        self.check_epoch(epoch)?;
        self.check_indices(read, written)?;
        Ok((read, written))
    }

    fn check_indices(&self, read: u64, written: u64) -> Result<(), RingError> {
        if !read.is_multiple_of(WORD_BYTES) || !written.is_multiple_of(WORD_BYTES) {
            return Err(RingError::Corrupt("an index inside a word"));
        }
        if written > INDEX_MAX {
            return Err(RingError::Corrupt("a write index that nobody reaches"));
        }
        match written.checked_sub(read) {
            None => Err(RingError::Corrupt("a read index ahead of the write index")),
            Some(unread) if unread > self.capacity_bytes() => {
                Err(RingError::Corrupt("more unread than the ring holds"))
            }
            Some(_) => Ok(()),
        }
    }

    fn written(&self) -> &AtomicU64 {
        self.line(WRITE_LINE)
    }

    fn read(&self) -> &AtomicU64 {
        self.line(READ_LINE)
    }

    fn begun(&self) -> &AtomicU64 {
        &self.region.u64s(self.byte_offset + READ_LINE * LINE_BYTES, 2)[1]
    }

    fn asleep(&self) -> &AtomicU64 {
        self.line(ASLEEP_LINE)
    }

    fn waiting(&self) -> &AtomicU64 {
        self.line(WAITING_LINE)
    }

    fn epoch(&self) -> &AtomicU64 {
        self.line(EPOCH_LINE)
    }

    fn line(&self, line: usize) -> &AtomicU64 {
        &self.region.u64s(self.byte_offset + line * LINE_BYTES, 1)[0]
    }

    fn records(&self) -> &[AtomicU64] {
        let words = self.capacity / WORD_BYTES as usize;
        self.region.u64s(self.byte_offset + RECORDS_LINE * LINE_BYTES, words)
    }
}
