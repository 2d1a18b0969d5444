//! Until when each connection may keep the server waiting: at most one deadline a connection, no search, no allocation
//! per change.
//!
//! Every wait of one kind takes equally long, so that a list a kind, in the order of setting, is sorted by itself.

use crate::time::Moment;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// A request's head, or the next piece of its body.
    Head,
    /// The answer to an upgrade request.
    Handshake,
    /// The next request of a connection that is kept alive.
    KeepAlive,
    /// A closing peer that takes what it is owed.
    Flush,
    /// The peer's end of the stream.
    Close,
}

/// How many kinds there are.
pub const WAITS: usize = 5;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    at: Moment,
    before: u32,
    behind: u32,
    /// `None`: no deadline.
    wait: Option<Wait>,
}

const FREE: Link = Link { at: Moment(0), before: NONE, behind: NONE, wait: None };

/// The deadlines of all rows.
#[derive(Debug)]
pub struct Deadlines {
    links: Vec<Link>,
    first: [u32; WAITS],
    last: [u32; WAITS],
    durations_ms: [u64; WAITS],
}

impl Deadlines {
    /// No deadlines; `durations_ms` by [`Wait`].
    pub fn new(durations_ms: [u64; WAITS]) -> Deadlines {
        Deadlines { links: Vec::new(), first: [NONE; WAITS], last: [NONE; WAITS], durations_ms }
    }

    /// From `now` on, `row` is waited for; a deadline that it had is replaced.
    pub fn set(&mut self, row: u32, wait: Wait, now: Moment) {
        self.clear(row);
        if self.links.len() <= row as usize {
            self.links.resize(row as usize + 1, FREE);
        }
        let kind = wait as usize;
        let before = std::mem::replace(&mut self.last[kind], row);
        self.links[row as usize] = Link { at: now + self.durations_ms[kind], before, behind: NONE, wait: Some(wait) };
        match before {
            NONE => self.first[kind] = row,
            before => self.links[before as usize].behind = row,
        }
    }

    /// `row` is not waited for any more.
    pub fn clear(&mut self, row: u32) {
        let Some(link) = self.links.get_mut(row as usize) else { return };
        let Link { before, behind, wait: Some(wait), .. } = std::mem::replace(link, FREE) else { return };
        match before {
            NONE => self.first[wait as usize] = behind,
            before => self.links[before as usize].behind = behind,
        }
        match behind {
            NONE => self.last[wait as usize] = before,
            behind => self.links[behind as usize].before = before,
        }
    }

    /// What `row` is waited for.
    pub fn wait(&self, row: u32) -> Option<Wait> {
        self.links.get(row as usize)?.wait
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Moment> {
        self.heads().map(|row| self.links[row as usize].at).min()
    }

    /// A row whose deadline has come, taken out.
    pub fn take_expired(&mut self, now: Moment) -> Option<(u32, Wait)> {
        let row = self.heads().find(|row| self.links[*row as usize].at <= now)?;
        let wait = self.links[row as usize].wait?;
        self.clear(row);
        Some((row, wait))
    }

    fn heads(&self) -> impl Iterator<Item = u32> {
        self.first.iter().copied().filter(|row| *row != NONE)
    }
}

#[cfg(test)]
mod tests {
    use crate::deadlines::{Deadlines, Wait};
    use crate::time::Moment;
    use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
    use std::collections::HashMap;

    const DURATIONS_MS: [u64; 5] = [10, 7, 30, 5, 2];

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in proptest::collection::vec((0u32..8, prop_oneof![Just(Some(Wait::Head)), Just(Some(Wait::Close)), Just(Some(Wait::KeepAlive)), Just(None)], 0u64..4, any::<bool>()), 0..200)) {
            let mut deadlines = Deadlines::new(DURATIONS_MS);
            let mut model: HashMap<u32, (u64, Wait)> = HashMap::new();
            let mut now = 0;
            for (row, wait, pause, expire) in ops {
                now += pause;
                match wait {
                    Some(wait) => {
                        deadlines.set(row, wait, Moment(now));
                        model.insert(row, (now + DURATIONS_MS[wait as usize], wait));
                    }
                    None => {
                        deadlines.clear(row);
                        model.remove(&row);
                    }
                }
                prop_assert_eq!(deadlines.next(), model.values().map(|(at, _)| Moment(*at)).min());
                while expire && let Some((row, wait)) = deadlines.take_expired(Moment(now)) {
                    let expected = model.remove(&row);
                    prop_assert_eq!(expected.map(|(at, wait)| (at <= now, wait)), Some((true, wait)));
                }
                if expire {
                    prop_assert_eq!(model.values().filter(|(at, _)| *at <= now).count(), 0);
                }
            }
        }
    }
}
