//! Turns the shape of a table into the places of its parts in shared memory.

use std::sync::atomic::AtomicU64;

use super::key;
use super::value::Kind;
use crate::region::Region;

// Layout, in words of 8 bytes and lines of 64. B is the number of buckets, a power of two; a key is in the bucket of its
// hash. S is that of stripes, B or 64; bucket b belongs to stripe b modulo S. R is that of rows, B and the room beside
// them; V the words of a row's values.
//
//   stripes    S lines             word 0   the lock of all that belongs to the stripe
//                                  word 1   the rows that it has
//                                  word 2   where it looks for a free row first
//                                  word 3   rows that were made
//                                  word 4   writes to rows that were there
//                                  word 5   rows that were removed
//                                  word 6   rows that were made in a bucket with another one
//                                  word 7   the most rows that one of its buckets had
//
//   heads      B words             the first row of the bucket, counted from 1; 0 if it has none
//
//   states     R words             0 if the row is free, else
//                                  63 ... 8          | 1                  | 0
//                                  stripe, from 1    | which copy counts  | 0
//
//   bodies     R × (9 + 2V) words  word 0       the next row of the bucket, counted from 1; 0 if it is the last
//                                  words 1 ...  the key: a byte for its length, its bytes, zeroes
//                                  words 9 ...  two copies of the values; an integer is a word, a number its bits, a
//                                               text a word for its length and as many as its bytes fill
//
// Everything of a stripe is written under its lock, and by nobody else a free row may be claimed: by compare-and-swap of
// its state, from whatever stripe. What has happened is decided by one store each, and every death leaves what was
// before or behind it:
//
//   a row is made      claimed, written, then the head of its bucket is set to it
//   a row is written   the other copy is written, then its state says that it counts; a single number is one store
//   a row is removed   whoever points to it is set to its successor, then it is freed
//
// So all that a death can leave are rows that are claimed and in no bucket, and a count that is off by one.
// `Stripe::mend` frees them and counts again.
//
// Only what was used is touched: a page that nobody wrote to takes no memory.

pub(super) const LOCK: usize = 0;
pub(super) const ROWS: usize = 1;
pub(super) const FREE_FROM: usize = 2;
pub(super) const INSERTS: usize = 3;
pub(super) const UPDATES: usize = 4;
pub(super) const REMOVALS: usize = 5;
pub(super) const CONFLICTS: usize = 6;
pub(super) const PLACE_ROWS_MAX: usize = 7;

pub(super) const NEXT: usize = 0;
pub(super) const KEY: usize = 1;
const VALUES: usize = KEY + key::WORDS;

/// Of a state: the row is free.
pub(super) const FREE: u64 = 0;
/// Of a state: the second copy of the values counts.
pub(super) const SECOND: u64 = 1 << 1;
/// Of a state: where the stripe's number begins.
const STRIPE_AT: u32 = 8;

const WORD_BYTES: usize = size_of::<AtomicU64>();
const LINE_WORDS: usize = 8;
const STRIPES_MAX: usize = 64;

const _: () = assert!(WORD_BYTES == 8);
const _: () = assert!(PLACE_ROWS_MAX + 1 == LINE_WORDS);
const _: () = assert!(VALUES == 9);
const _: () = assert!(STRIPES_MAX.is_power_of_two());
const _: () = assert!(SECOND < 1 << STRIPE_AT);

/// A part of the mapping.
#[derive(Clone, Copy)]
struct Part {
    byte_offset: usize,
    words: usize,
}

impl Part {
    /// The part behind this one, on a line of its own; none if memory has no addresses for it.
    fn then(self, words: usize) -> Option<Part> {
        let line = self.words.checked_next_multiple_of(LINE_WORDS)?;
        let byte_offset = line.checked_mul(WORD_BYTES)?.checked_add(self.byte_offset)?;
        Some(Part { byte_offset, words })
    }
}

/// Where everything lies. Each process has its own: nothing of it is read from the mapping.
pub(super) struct Plan {
    pub(super) kinds: Vec<Kind>,
    /// Where the column's value begins in a copy of the values.
    columns: Vec<usize>,
    value_words: usize,
    pub(super) buckets: usize,
    pub(super) stripes: usize,
    pub(super) rows: usize,
    heads: Part,
    states: Part,
    bodies: Part,
    bytes: usize,
}

impl Plan {
    /// As [`SharedTable::new`](super::SharedTable::new) says; none if it cannot be.
    pub(super) fn new(size: usize, conflict: f64, kinds: Vec<Kind>) -> Option<Plan> {
        let buckets = if size == 0 { None } else { size.checked_next_power_of_two() }?;
        let beside = (buckets as f64 * conflict.clamp(0.0, 1.0)).ceil() as usize;
        let rows = buckets.checked_add(beside)?;
        let stripes = buckets.min(STRIPES_MAX);
        let mut value_words = 0;
        let mut columns = Vec::with_capacity(kinds.len());
        for kind in &kinds {
            columns.push(value_words);
            value_words = kind.words().checked_add(value_words)?;
        }
        let body_words = value_words.checked_mul(2)?.checked_add(VALUES)?;
        let heads = Part { byte_offset: 0, words: stripes * LINE_WORDS }.then(buckets)?;
        let states = heads.then(rows)?;
        let bodies = states.then(rows.checked_mul(body_words)?)?;
        let bytes = bodies.then(0)?.byte_offset;
        isize::try_from(bytes).ok()?;
        Some(Plan { kinds, columns, value_words, buckets, stripes, rows, heads, states, bodies, bytes })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn stripe_of(&self, bucket: usize) -> usize {
        bucket & (self.stripes - 1)
    }

    /// The line of a stripe.
    pub(super) fn stripe<'a>(&self, region: &'a Region, number: usize) -> &'a [AtomicU64] {
        region.u64s(number * LINE_WORDS * WORD_BYTES, LINE_WORDS)
    }

    pub(super) fn heads<'a>(&self, region: &'a Region) -> &'a [AtomicU64] {
        region.u64s(self.heads.byte_offset, self.heads.words)
    }

    pub(super) fn states<'a>(&self, region: &'a Region) -> &'a [AtomicU64] {
        region.u64s(self.states.byte_offset, self.states.words)
    }

    /// The words of a row.
    pub(super) fn body<'a>(&self, region: &'a Region, row: usize) -> &'a [AtomicU64] {
        let words = VALUES + 2 * self.value_words;
        region.u64s(self.bodies.byte_offset + row * words * WORD_BYTES, words)
    }

    /// Of the words of a row, those of a column: in the copy that counts, and in the other one.
    pub(super) fn column<'a>(&self, body: &'a [AtomicU64], state: u64, column: usize) -> [&'a [AtomicU64]; 2] {
        let (first, second) = body[VALUES..].split_at(self.value_words);
        let begin = self.columns[column];
        let end = begin + self.kinds[column].words();
        let (counts, other) = if state & SECOND == 0 { (first, second) } else { (second, first) };
        [&counts[begin..end], &other[begin..end]]
    }

    /// The state of a row of a stripe whose first copy counts.
    pub(super) fn claimed(number: usize) -> u64 {
        (number as u64 + 1) << STRIPE_AT
    }

    /// The row that a word of the mapping points to; none if it is 0 or damaged.
    pub(super) fn row(&self, pointer: u64) -> Option<usize> {
        usize::try_from(pointer).ok()?.checked_sub(1).filter(|row| *row < self.rows)
    }

    /// The word that points to a row.
    pub(super) fn pointer(row: usize) -> u64 {
        row as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Plan};

    #[test]
    fn counts_rows_and_bytes() {
        #[rustfmt::skip]
        let cases = [
            // size, conflict, buckets, stripes, rows
            (1,      0.0,      1,       1,       1),
            (3,      0.2,      4,       4,       5),
            (64,     0.2,      64,      64,      77),
            (1000,   0.2,      1024,    64,      1229),
            (1024,   1.0,      1024,    64,      2048),
            (1024,   7.0,      1024,    64,      2048),
            (1024,   -1.0,     1024,    64,      1024),
            (1024,   f64::NAN, 1024,    64,      1024),
        ];
        for (size, conflict, buckets, stripes, rows) in cases {
            let plan = Plan::new(size, conflict, vec![Kind::Int, Kind::Text { bytes_max: 12 }]).unwrap();
            assert_eq!((plan.buckets, plan.stripes, plan.rows), (buckets, stripes, rows), "{size} {conflict}");
            let line = |words: usize| words.next_multiple_of(8);
            let words = 8 * stripes + line(buckets) + line(rows) + line(rows * (9 + 2 * 4));
            assert_eq!(plan.bytes(), 8 * words, "{size} {conflict}");
        }
    }

    #[test]
    fn refuses_what_has_no_addresses() {
        let wide = |columns| vec![Kind::Text { bytes_max: u32::MAX }; columns];
        let cases =
            [(0, wide(0)), (usize::MAX, wide(0)), (usize::MAX / 2, wide(0)), (1 << 40, wide(1)), (1 << 20, wide(4096))];
        for (size, kinds) in cases {
            assert!(Plan::new(size, 0.2, kinds).is_none(), "{size}");
        }
    }
}
