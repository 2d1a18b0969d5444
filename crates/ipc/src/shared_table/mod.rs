//! Turns a shared mapping into rows of typed columns under names, which all processes read and write.
//!
//! | module | holds |
//! |---|---|
//! | `plan` | where in the mapping everything lies |
//! | [`key`] | the name of a row |
//! | [`value`] | what is in its columns |
//! | `stripe` | the rows that one lock guards: found, written, linked, mended |
//! | [`cursor`] | a walk over all rows |

use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{self, Acquire, Relaxed},
};

use crate::lock::{self, Busy};
use crate::region::Region;

pub mod cursor;
pub mod key;
mod plan;
#[cfg(test)]
mod steps;
mod stripe;
#[cfg(test)]
mod tests;
pub mod value;

use key::Key;
use plan::Plan;
use stripe::Stripe;
use value::{Kind, Value};

/// All stores to the mapping, those to the locks apart.
fn store(word: &AtomicU64, value: u64, order: Ordering) {
    step();
    word.store(value, order);
}

/// Comes before every write to the mapping: where a test can let the process die.
#[inline]
fn step() {
    #[cfg(test)]
    steps::step();
}

/// A table in shared memory. It is made before a fork, and every process that has it sees the same rows.
///
/// Each call is atomic for all processes. One that is killed in the middle of a call leaves no lock behind, no row half
/// written and no other row touched: what it was at has either happened or not. Whoever comes next to the lock that it
/// held mends what is left (`stripe`). What is in the memory is not trusted: after any damage to it every call returns,
/// and no index leaves its range.
pub struct SharedTable {
    region: Region,
    plan: Plan,
    hasher: RandomState,
}

/// Why a row was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All rows are in use.
    Full,
    /// See [`Busy`].
    Busy,
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Refused {
        Refused::Busy
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Full => f.write_str("all its rows are in use"),
            Refused::Busy => Busy.fmt(f),
        }
    }
}

impl Error for Refused {}

/// What a table has seen, all processes together. A process that is killed may take one of each with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The rows there are.
    pub rows: usize,
    /// The most rows there can be.
    pub rows_max: usize,
    /// Rows that were made.
    pub inserts: u64,
    /// Writes to rows that were there.
    pub updates: u64,
    /// Rows that were removed.
    pub removals: u64,
    /// Rows that were made where another one was already.
    pub conflicts: u64,
    /// The most rows that were in one place.
    pub place_rows_max: u64,
}

impl SharedTable {
    /// A table with places for `size` rows, rounded up to a power of two, and room for `conflict` times as many (0 to 1)
    /// beside them; together that is how many rows it holds. `kinds` are its columns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if that is no row, or more than memory can have addresses; those of [`Region::new`].
    pub fn new(size: usize, conflict: f64, kinds: Vec<Kind>) -> io::Result<SharedTable> {
        let too_large =
            || io::Error::new(io::ErrorKind::InvalidInput, "it has no rows, or more than memory has addresses");
        let plan = Plan::new(size, conflict, kinds).ok_or_else(too_large)?;
        Ok(SharedTable { region: Region::new(plan.bytes())?, plan, hasher: RandomState::new() })
    }

    /// The bytes that such a table takes; none if it cannot be.
    pub fn bytes_of(size: usize, conflict: f64, kinds: &[Kind]) -> Option<usize> {
        Plan::new(size, conflict, kinds.to_vec()).map(|plan| plan.bytes())
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.region.bytes()
    }

    /// The places for rows.
    pub fn size(&self) -> usize {
        self.plan.buckets
    }

    fn bucket(&self, key: &Key) -> usize {
        self.hasher.hash_one(key) as usize & (self.plan.buckets - 1)
    }

    /// The stripe of a bucket, with its lock.
    fn stripe(&self, bucket: usize) -> Result<Stripe<'_>, Busy> {
        let number = self.plan.stripe_of(bucket);
        let held = lock::take(&self.plan.stripe(&self.region, number)[plan::LOCK])?;
        Ok(Stripe::new(self, number, held))
    }

    /// The values of a row; none if there is no such row.
    ///
    /// # Errors
    ///
    /// [`Busy`]; so do all calls.
    pub fn get(&self, key: &Key) -> Result<Option<Vec<Value>>, Busy> {
        let bucket = self.bucket(key);
        let stripe = self.stripe(bucket)?;
        Ok(stripe.find(bucket, key).map(|row| stripe.values(row)))
    }

    /// What is in a column of a row; none if there is no such row.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    ///
    /// # Panics
    ///
    /// If there is no such column.
    pub fn value(&self, key: &Key, column: usize) -> Result<Option<Value>, Busy> {
        let bucket = self.bucket(key);
        let stripe = self.stripe(bucket)?;
        Ok(stripe.find(bucket, key).map(|row| stripe.value(row, column)))
    }

    /// Whether there is such a row.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn contains(&self, key: &Key) -> Result<bool, Busy> {
        let bucket = self.bucket(key);
        Ok(self.stripe(bucket)?.find(bucket, key).is_some())
    }

    /// Writes columns of a row: all of them or, if it is refused, none. The other columns stay; those of a new row are
    /// 0 or empty. Texts that are too long are cut.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    ///
    /// # Panics
    ///
    /// If there is no such column, or it is of another kind.
    pub fn set(&self, key: &Key, changes: &[(usize, Value)]) -> Result<(), Refused> {
        for (column, value) in changes {
            assert!(self.plan.kinds[*column].holds(value), "column {column} does not hold {value:?}");
        }
        let bucket = self.bucket(key);
        let stripe = self.stripe(bucket)?;
        match stripe.find(bucket, key) {
            Some(row) => stripe.update(row, changes),
            None => stripe.insert(bucket, key, changes).ok_or(Refused::Full)?,
        }
        Ok(())
    }

    /// Adds `by` to a number of a row, which is made if it is not there, and returns the sum. Integers wrap around.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    ///
    /// # Panics
    ///
    /// If there is no such column, or it is of another kind, or `by` is no number.
    pub fn add(&self, key: &Key, column: usize, by: &Value) -> Result<Value, Refused> {
        let kind = self.plan.kinds[column];
        assert!(kind.holds(by), "column {column} does not hold {by:?}");
        let bucket = self.bucket(key);
        let stripe = self.stripe(bucket)?;
        let row = stripe.find(bucket, key);
        let before = row.map_or(kind.zero(), |row| stripe.value(row, column));
        let sum = before.plus(by).expect("only numbers have a sum");
        match row {
            Some(row) => stripe.overwrite(row, column, &sum),
            None => stripe.insert(bucket, key, &[(column, sum.clone())]).ok_or(Refused::Full)?,
        }
        Ok(sum)
    }

    /// Removes a row. Whether there was such a one.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn remove(&self, key: &Key) -> Result<bool, Busy> {
        let bucket = self.bucket(key);
        let stripe = self.stripe(bucket)?;
        Ok(stripe.remove(bucket, key))
    }

    /// The number of rows.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn count(&self) -> Result<usize, Busy> {
        Ok(self.stats()?.rows)
    }

    /// What it has seen.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn stats(&self) -> Result<Stats, Busy> {
        let mut stats = Stats { rows_max: self.plan.rows, ..Stats::default() };
        for number in 0..self.plan.stripes {
            let words = self.plan.stripe(&self.region, number);
            // Whoever has it may be dead, and in the middle of changing them.
            let held = if words[plan::LOCK].load(Acquire) == 0 { None } else { Some(self.stripe(number)?) };
            let word = |place: usize| words[place].load(Relaxed);
            stats.rows = stats.rows.saturating_add(word(plan::ROWS) as usize);
            stats.inserts = stats.inserts.wrapping_add(word(plan::INSERTS));
            stats.updates = stats.updates.wrapping_add(word(plan::UPDATES));
            stats.removals = stats.removals.wrapping_add(word(plan::REMOVALS));
            stats.conflicts = stats.conflicts.wrapping_add(word(plan::CONFLICTS));
            stats.place_rows_max = stats.place_rows_max.max(word(plan::PLACE_ROWS_MAX));
            drop(held);
        }
        stats.rows = stats.rows.min(stats.rows_max);
        Ok(stats)
    }

    /// Whether all rows are in use, as far as can be seen without a lock.
    fn is_full(&self) -> bool {
        let rows = |number| self.plan.stripe(&self.region, number)[plan::ROWS].load(Relaxed) as usize;
        (0..self.plan.stripes).map(rows).fold(0, usize::saturating_add) >= self.plan.rows
    }

    /// The keys in a bucket.
    fn keys(&self, bucket: usize) -> Result<Vec<Key>, Busy> {
        // Most are empty, and that needs no lock: the word says so, or a row has just come or gone.
        if self.plan.heads(&self.region)[bucket].load(Relaxed) == 0 {
            return Ok(Vec::new());
        }
        Ok(self.stripe(bucket)?.keys(bucket))
    }
}
