//! The names of a connection: the one users see, and the one that the loop finds it by.

use std::fmt;
use std::num::NonZeroU64;

/// A connection's session id: counted from 1 for the whole server, never used again soon.
///
/// It is not the descriptor of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fd(NonZeroU64);

impl Fd {
    /// The id with this number; 0 is none.
    pub fn new(number: u64) -> Option<Fd> {
        NonZeroU64::new(number).map(Fd)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A connection's place in its loop. The generation makes a stale one miss, once the row serves another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The index of its row.
    pub row: u32,
    /// How often the row was given out before.
    pub generation: u32,
}

impl Place {
    /// One number, for the poller.
    pub fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.row)
    }

    /// The inverse of [`Place::pack`].
    pub fn unpack(packed: u64) -> Place {
        Place { row: packed as u32, generation: (packed >> 32) as u32 }
    }

    /// The row as an index.
    pub fn index(self) -> usize {
        self.row as usize
    }
}
