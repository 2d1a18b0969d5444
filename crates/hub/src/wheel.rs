//! Rows by the time when they are to be looked at: whoever turns the wheel visits those whose time has come, and no others.
//!
//! A list a slot, and a slot a span of time. Nothing is touched when a connection is heard: its row is visited at the time
//! that was expected before, and put back to where it belongs by then.

use crate::time::Moment;

/// How many slots there are. What is later than all of them is visited with the last one, and put back.
const SLOTS: u64 = 512;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    /// The number of its slot; none: it is not on the wheel.
    slot: Option<u64>,
    before: u32,
    behind: u32,
}

const FREE: Link = Link { slot: None, before: NONE, behind: NONE };

/// Rows on a wheel, each at most once.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// What a slot spans. Slot `n` is due at `n` times that, and has what is to be visited then or in the span before.
    span_ms: u64,
    heads: Vec<u32>,
    links: Vec<Link>,
    len: usize,
    /// The slots before this one are empty.
    turned: u64,
    /// No slot before this one has a row, and this one may.
    next: u64,
}

impl Wheel {
    /// An empty one; what is on it is visited up to `span_ms` (at least 1) late.
    pub(crate) fn new(span_ms: u64) -> Wheel {
        Wheel {
            span_ms: span_ms.max(1),
            heads: vec![NONE; SLOTS as usize],
            links: Vec::new(),
            len: 0,
            turned: 0,
            next: 0,
        }
    }

    /// `row` is to be visited at `at`, or else behind `now`; a time that it had is replaced.
    pub(crate) fn set(&mut self, row: u32, at: Moment, now: Moment) {
        self.clear(row);
        if self.links.len() <= row as usize {
            self.links.resize(row as usize + 1, FREE);
        }
        if self.len == 0 {
            self.next = u64::MAX;
        }
        let due = now.0 / self.span_ms;
        if self.next > due {
            self.turned = due + 1;
        }
        let at = at.0.max(now.0 + 1);
        let slot = at.div_ceil(self.span_ms).clamp(self.turned, self.turned + SLOTS - 1);
        let head = &mut self.heads[(slot % SLOTS) as usize];
        let behind = std::mem::replace(head, row);
        self.links[row as usize] = Link { slot: Some(slot), before: NONE, behind };
        if behind != NONE {
            self.links[behind as usize].before = row;
        }
        self.len += 1;
        self.next = self.next.min(slot);
    }

    /// `row` is not to be visited any more.
    pub(crate) fn clear(&mut self, row: u32) {
        let Some(link) = self.links.get_mut(row as usize) else { return };
        let Link { slot: Some(slot), before, behind } = std::mem::replace(link, FREE) else { return };
        match before {
            NONE => self.heads[(slot % SLOTS) as usize] = behind,
            before => self.links[before as usize].behind = behind,
        }
        if behind != NONE {
            self.links[behind as usize].before = before;
        }
        self.len -= 1;
    }

    /// When there is something to visit, at the earliest.
    pub(crate) fn next(&self) -> Option<Moment> {
        (self.len > 0).then(|| Moment(self.next.saturating_mul(self.span_ms)))
    }

    /// A row that is to be visited by now, taken off.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<u32> {
        let due = now.0 / self.span_ms;
        while self.len > 0 && self.next <= due {
            match self.heads[(self.next % SLOTS) as usize] {
                NONE => self.skip_empty(),
                row => {
                    self.turned = self.next;
                    self.clear(row);
                    return Some(row);
                }
            }
        }
        None
    }

    /// The slot that is next is empty: looks for the next one that is not. One round has them all.
    fn skip_empty(&mut self) {
        let from = self.next.max(self.turned);
        let slots = (from..from + SLOTS).find(|slot| self.heads[(slot % SLOTS) as usize] != NONE);
        self.next = slots.unwrap_or(u64::MAX);
        self.turned = from;
    }
}

#[cfg(test)]
mod tests {
    use crate::time::Moment;
    use crate::wheel::{SLOTS, Wheel};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(
            span in 1u64..9,
            ops in proptest::collection::vec((0u32..8, prop_oneof![0u64..50, 0u64..10_000], 0u64..40, any::<bool>(), any::<bool>()), 0..200),
        ) {
            let mut wheel = Wheel::new(span);
            let mut model: HashMap<u32, u64> = HashMap::new();
            let mut now = 0;
            for (row, wait, pause, sets, turns) in ops {
                now += pause;
                if sets {
                    wheel.set(row, Moment(now + wait), Moment(now));
                    model.insert(row, now + wait);
                } else {
                    wheel.clear(row);
                    model.remove(&row);
                }
                prop_assert_eq!(wheel.len, model.len());
                while turns && let Some(row) = wheel.take_due(Moment(now)) {
                    let at = model.remove(&row);
                    prop_assert!(at.is_some());
                    if let Some(at) = at.filter(|at| *at > now) {
                        model.insert(row, at);
                        wheel.set(row, Moment(at), Moment(now));
                    }
                }
                let earliest = model.values().min();
                prop_assert_eq!(wheel.next().is_some(), earliest.is_some());
                if turns && let (Some(next), Some(earliest)) = (wheel.next(), earliest) {
                    // It is woken for nothing at most where something was cleared.
                    prop_assert!(next.0 > now && next.0 < earliest.max(&(now + 1)) + span, "{next:?} for {earliest} at {now}");
                }
            }
        }
    }

    fn visits(wheel: &mut Wheel, now: u64) -> usize {
        std::iter::from_fn(|| wheel.take_due(Moment(now))).count()
    }

    #[test]
    fn only_what_is_due_is_visited() {
        let mut wheel = Wheel::new(10);
        for row in 0..100 {
            wheel.set(row, Moment(u64::from(row) * 10 + 2995), Moment(0));
        }
        assert_eq!((visits(&mut wheel, 2999), wheel.next()), (0, Some(Moment(3000))));
        assert_eq!(visits(&mut wheel, 3000), 1);
        assert_eq!(visits(&mut wheel, 3049), 4);
        assert_eq!((visits(&mut wheel, 3049), wheel.next()), (0, Some(Moment(3050))));
    }

    #[test]
    fn what_is_later_than_all_slots_is_visited_with_the_last_one() {
        let mut wheel = Wheel::new(10);
        wheel.set(7, Moment(1_000_000), Moment(25));
        let last = Moment((3 + SLOTS - 1) * 10);
        assert_eq!(wheel.next(), Some(last));
        assert_eq!((wheel.take_due(Moment(last.0 - 1)), wheel.take_due(last)), (None, Some(7)));
    }
}
