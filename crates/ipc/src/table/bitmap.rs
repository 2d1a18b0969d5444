//! Turns one bit a row, and two levels of summaries above it, into a walk that costs what is set.
//!
//! A bit of a summary says that a word below it is not 0. Whoever sets a bit sets those above it afterwards. Whoever
//! clears the last bit of a word clears the one above it and looks again: if the word is not 0 any more, it sets all
//! above it, in case that the other one came by before it cleared. So when nobody is at work, none is missing. One that
//! is set above a word of 0 only costs a look.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub(super) const LEVELS: usize = 3;

const BITS: usize = u64::BITS as usize;

/// How many words each level has, the leaves first.
pub(super) fn sizes(rows: usize) -> [usize; LEVELS] {
    let leaves = rows.div_ceil(BITS);
    let middles = leaves.div_ceil(BITS);
    [leaves, middles, middles.div_ceil(BITS)]
}

/// The levels, the leaves first.
#[derive(Clone, Copy)]
pub(super) struct Bitmap<'a>(pub(super) [&'a [AtomicU64]; LEVELS]);

impl<'a> Bitmap<'a> {
    /// Sets the bit of a row.
    pub(super) fn set(self, row: usize) {
        self.set_from(0, row);
    }

    /// Sets a bit of a level, and what is above it.
    fn set_from(self, level: usize, mut bit: usize) {
        for words in &self.0[level..] {
            words[bit / BITS].fetch_or(mask(bit), SeqCst);
            bit /= BITS;
        }
    }

    /// Clears the bit of a row.
    pub(super) fn clear(self, row: usize) {
        let mut bit = row;
        for (level, words) in self.0.iter().enumerate() {
            let before = words[bit / BITS].fetch_and(!mask(bit), SeqCst);
            if level > 0 && self.0[level - 1][bit].load(SeqCst) != 0 {
                return self.set_from(level, bit);
            }
            if before & !mask(bit) != 0 {
                return;
            }
            bit /= BITS;
        }
    }

    /// Sets the summaries that are missing above the first `rows`, since a process was killed before it did.
    pub(super) fn repair(self, rows: usize) {
        let [leaves, ..] = self.0;
        for (bit, leaf) in leaves.iter().enumerate().take(rows.div_ceil(BITS)) {
            if leaf.load(SeqCst) != 0 {
                self.set_from(1, bit);
            }
        }
    }

    /// The rows whose bits are set, in order; what comes and goes meanwhile may or may not be among them. One of them
    /// may be past the last row if the memory was damaged.
    pub(super) fn walk(self) -> Walk<'a> {
        let first = self.0[LEVELS - 1][0].load(SeqCst);
        Walk { levels: self.0, at: [0; LEVELS], rest: [0, 0, first] }
    }

    /// Those behind a row.
    pub(super) fn walk_after(self, row: usize) -> Walk<'a> {
        let mut walk = self.walk();
        let mut bit = row;
        for (level, words) in self.0.iter().enumerate() {
            walk.at[level] = bit / BITS;
            // All bits above this one.
            walk.rest[level] = words[bit / BITS].load(SeqCst) & (!1 << (bit % BITS));
            bit /= BITS;
        }
        walk
    }
}

/// The rows whose bits are set. It goes only up, so it ends whatever the memory says.
pub(super) struct Walk<'a> {
    levels: [&'a [AtomicU64]; LEVELS],
    /// The word of each level that it is in.
    at: [usize; LEVELS],
    /// What is left of that word.
    rest: [u64; LEVELS],
}

impl Walk<'_> {
    /// The next bit that is left of a level's word.
    #[inline]
    fn take(&mut self, level: usize) -> usize {
        let bit = self.at[level] * BITS + self.rest[level].trailing_zeros() as usize;
        self.rest[level] &= self.rest[level] - 1;
        bit
    }

    /// Goes on in another word of a level, unless that is past the last one: the memory may say that there is more.
    #[inline]
    fn enter(&mut self, level: usize, at: usize) -> Option<()> {
        self.rest[level] = self.levels[level].get(at)?.load(SeqCst);
        self.at[level] = at;
        Some(())
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.rest[0] == 0 {
            while self.rest[1] == 0 {
                while self.rest[2] == 0 {
                    self.enter(2, self.at[2] + 1)?;
                }
                let middle = self.take(2);
                self.enter(1, middle)?;
            }
            let leaf = self.take(1);
            self.enter(0, leaf)?;
        }
        Some(self.take(0))
    }
}

fn mask(bit: usize) -> u64 {
    1 << (bit % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;

    use proptest::prelude::{any, proptest};
    use proptest::{collection, prop_assert, prop_assert_eq};

    use super::{BITS, Bitmap, LEVELS, sizes};

    struct Levels([Vec<AtomicU64>; LEVELS]);

    impl Levels {
        fn new(rows: usize) -> Levels {
            Levels(sizes(rows).map(|words| (0..words).map(|_| AtomicU64::new(0)).collect()))
        }

        fn bitmap(&self) -> Bitmap<'_> {
            Bitmap(self.0.each_ref().map(Vec::as_slice))
        }

        /// Is each word that is not 0 told of by the bit above it?
        fn is_told(&self) -> bool {
            let told = |level: usize, at: usize| self.0[level][at / BITS].load(SeqCst) >> (at % BITS) & 1 != 0;
            (1..LEVELS).all(|level| {
                let mut below = self.0[level - 1].iter().enumerate();
                below.all(|(at, word)| word.load(SeqCst) == 0 || told(level, at))
            })
        }
    }

    #[test]
    fn has_as_many_words_as_it_takes() {
        #[rustfmt::skip]
        let cases = [
            // rows, words of each level
            (2,       [1,      1,   1]),
            (64,      [1,      1,   1]),
            (128,     [2,      1,   1]),
            (8192,    [128,    2,   1]),
            (1 << 21, [32_768, 512, 8]),
        ];
        for (rows, expected) in cases {
            assert_eq!(sizes(rows), expected, "{rows} rows");
        }
    }

    proptest! {
        #[test]
        fn does_what_a_set_does(flips in collection::vec(0..(1usize << 19), 0..300), wide in any::<bool>()) {
            let levels = Levels::new(1 << 19);
            let bitmap = levels.bitmap();
            let mut model = BTreeSet::new();
            for flip in flips {
                // Narrow, so that they meet in words.
                let row = if wide { flip } else { flip & 0x4_10ff };
                if model.remove(&row) {
                    bitmap.clear(row);
                } else {
                    model.insert(row);
                    bitmap.set(row);
                }
                let behind = model.range(row + 1..).copied().collect::<Vec<_>>();
                prop_assert_eq!(bitmap.walk_after(row).collect::<Vec<_>>(), behind);
            }
            prop_assert!(levels.is_told());
            prop_assert_eq!(bitmap.walk().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            model.into_iter().for_each(|row| bitmap.clear(row));
            prop_assert!(levels.0.iter().flatten().all(|word| word.load(SeqCst) == 0));
        }

        #[test]
        fn a_walk_over_anything_ends(words in collection::vec(any::<u64>(), 8), row in 0..8192usize) {
            let levels = Levels::new(8192);
            for (word, value) in levels.0.iter().flatten().zip(words.iter().cycle()) {
                word.store(*value, SeqCst);
            }
            let bitmap = levels.bitmap();
            prop_assert!(bitmap.walk().count() <= 8192 && bitmap.walk_after(row).count() <= 8192);
            bitmap.set(row);
            bitmap.clear(row);
            bitmap.repair(8192);
        }
    }

    #[test]
    fn no_summary_is_missing_after_a_race() {
        for round in 0..200 {
            let levels = Levels::new(8192);
            let bitmap = levels.bitmap();
            thread::scope(|scope| {
                for racer in 0..4 {
                    scope.spawn(move || {
                        // Each has bits of its own, in words that all of them share.
                        for turn in 0..500 {
                            let row = 64 * (turn % 3) + 4096 * (turn % 2) + racer;
                            bitmap.set(row);
                            if turn + 6 < 500 || (round + turn + racer) % 3 != 0 {
                                bitmap.clear(row);
                            }
                        }
                    });
                }
            });
            assert!(levels.is_told(), "round {round}");
            let set = levels.0[0].iter().map(|word| word.load(SeqCst).count_ones() as usize).sum::<usize>();
            assert_eq!(bitmap.walk().count(), set);
        }
    }

    #[test]
    fn what_a_killed_process_left_is_repaired() {
        for row in [0, 63, 64, 4095, 4096, 8191] {
            for missing in 1..LEVELS {
                let levels = Levels::new(8192);
                levels.bitmap().set(row);
                levels.0[missing].iter().for_each(|word| word.store(0, SeqCst));
                levels.bitmap().repair(row + 1);
                assert_eq!(levels.bitmap().walk().collect::<Vec<_>>(), [row]);
            }
        }
    }
}
