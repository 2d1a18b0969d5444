//! What the occupants of seats count, each for itself.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::exchange::{COUNT_WORD, Exchange, QUEUED_WORD, TOTAL_WORD};

/// What the occupant of a seat counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Events that it began with.
    Begun,
    /// Messages and requests among them.
    Requests,
    /// What it pushed, sent and answered.
    Responses,
    /// Tasks that it began with.
    Tasks,
    /// 1 while it handles something, and twice as many as wait within a handler.
    Busy,
}

impl Count {
    /// Those that can be summed up. They come first.
    pub(super) const SUMMED: [Count; 4] = [Count::Begun, Count::Requests, Count::Responses, Count::Tasks];

    pub(super) const ALL: [Count; 5] = [Count::Begun, Count::Requests, Count::Responses, Count::Tasks, Count::Busy];
}

impl Exchange {
    /// A counter of a seat's occupant, who alone writes to it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn count(&self, seat: usize, count: Count) -> &AtomicU64 {
        &self.seat(seat)[COUNT_WORD + count as usize]
    }

    /// How much others have sent the occupant of a seat that it is to do and has not begun with. All of them write to it;
    /// whoever dies in between leaves it wrong until the seat is given away.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn queued(&self, seat: usize) -> &AtomicU64 {
        &self.seat(seat)[QUEUED_WORD]
    }

    /// Does the occupant of a seat handle something now, and how many wait there within a handler?
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn busy(&self, seat: usize) -> (bool, usize) {
        let word = self.count(seat, Count::Busy).load(Relaxed);
        (word & 1 != 0, usize::try_from(word >> 1).unwrap_or(usize::MAX))
    }

    /// Says so of oneself.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    #[inline]
    pub fn set_busy(&self, seat: usize, busy: bool, waiting: usize) {
        self.count(seat, Count::Busy).store((waiting as u64) << 1 | u64::from(busy), Relaxed);
    }

    /// The sum of a counter over all occupants there were; 0 for [`Count::Busy`].
    pub fn total(&self, count: Count) -> u64 {
        if !Count::SUMMED.contains(&count) {
            return 0;
        }
        let before = self.server()[TOTAL_WORD + count as usize].load(SeqCst);
        let alive = (0..self.seats).filter(|seat| self.is_alive(*seat));
        alive.fold(before, |sum, seat| sum.wrapping_add(self.count(seat, count).load(SeqCst)))
    }
}
