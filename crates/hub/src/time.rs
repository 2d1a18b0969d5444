//! Time as the hub sees it: an argument.

use std::ops::Add;

/// Milliseconds since the loop began; never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// So many microseconds after the loop began.
    pub fn from_micros(micros: u64) -> Moment {
        Moment(micros / 1000)
    }
}

impl Add<u64> for Moment {
    type Output = Moment;

    fn add(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }
}
