//! Turns moments into what is due at them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a time is waited for under: in the order of the times, then of the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    at: Instant,
    number: u64,
}

/// Things that are due at a moment each.
pub(crate) struct Timers<T> {
    waiting: BTreeMap<Key, T>,
    last: u64,
}

impl<T> Timers<T> {
    pub(crate) const fn new() -> Timers<T> {
        Timers { waiting: BTreeMap::new(), last: 0 }
    }

    /// `what` is due at `at`, behind all that were inserted for that moment before.
    pub(crate) fn insert(&mut self, at: Instant, what: T) -> Key {
        self.last += 1;
        let key = Key { at, number: self.last };
        self.waiting.insert(key, what);
        key
    }

    /// It is not waited for any more; none if it was due already.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.waiting.remove(&key)
    }

    /// How long it is from `now` to the next one.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        self.waiting.first_key_value().map(|(key, _)| key.at.saturating_duration_since(now))
    }

    /// Takes the next one out that is due by `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.waiting.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_of_their_times_then_of_insertion() {
        let mut timers = Timers::new();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        timers.insert(at(20), 'c');
        timers.insert(at(10), 'a');
        let gone = timers.insert(at(10), 'x');
        timers.insert(at(10), 'b');
        assert_eq!(timers.remove(gone), Some('x'));
        assert_eq!(timers.remove(gone), None);
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.pause(at(4)), Some(Duration::from_millis(6)));
        assert_eq!(
            [timers.take_due(at(15)), timers.take_due(at(15)), timers.take_due(at(15))],
            [Some('a'), Some('b'), None]
        );
        assert_eq!(timers.take_due(at(20)), Some('c'));
        assert!(timers.is_empty() && timers.pause(start).is_none());
    }
}
