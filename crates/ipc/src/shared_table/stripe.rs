//! Turns a lock that is held into the rows it guards: found, written, linked, and mended after a death.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::key::Key;
use super::plan::{self, Plan};
use super::value::Value;
use super::{SharedTable, step, store};
use crate::lock::{self, Held};

/// So many rows are asked whether they are free before the table is asked whether any is.
const GLANCE_ROWS: usize = 256;

/// A stripe whose lock is held as long as this lives.
pub(super) struct Stripe<'a> {
    table: &'a SharedTable,
    number: usize,
    words: &'a [AtomicU64],
    _held: Held<'a>,
}

/// A row, and the word that points to it.
#[derive(Clone, Copy)]
struct Link<'a> {
    pointer: &'a AtomicU64,
    row: usize,
}

impl<'a> Stripe<'a> {
    /// The stripe `number`, whose lock is `held`; mended if it was inherited.
    pub(super) fn new(table: &'a SharedTable, number: usize, held: Held<'a>) -> Stripe<'a> {
        let is_inherited = held.is_inherited;
        let words = table.plan.stripe(&table.region, number);
        let stripe = Stripe { table, number, words, _held: held };
        if is_inherited {
            stripe.mend();
        }
        stripe
    }

    fn plan(&self) -> &'a Plan {
        &self.table.plan
    }

    fn states(&self) -> &'a [AtomicU64] {
        self.plan().states(&self.table.region)
    }

    fn body(&self, row: usize) -> &'a [AtomicU64] {
        self.plan().body(&self.table.region, row)
    }

    fn head(&self, bucket: usize) -> &'a AtomicU64 {
        &self.plan().heads(&self.table.region)[bucket]
    }

    /// Whether the row is one of this stripe's.
    fn owns(&self, row: usize) -> bool {
        self.states()[row].load(Acquire) & !plan::SECOND == Plan::claimed(self.number)
    }

    /// The row that `pointer` points to, if it is one of this stripe's: what else it says is damage.
    fn follow(&self, pointer: &'a AtomicU64) -> Option<Link<'a>> {
        let row = self.plan().row(pointer.load(Acquire))?;
        self.owns(row).then_some(Link { pointer, row })
    }

    /// The rows of a bucket, in order. Damage can make a circle of it: it ends after as many as there are.
    fn links(&self, bucket: usize) -> impl Iterator<Item = Link<'a>> {
        let next = |link: &Link<'a>| self.follow(&self.body(link.row)[plan::NEXT]);
        std::iter::successors(self.follow(self.head(bucket)), next).take(self.plan().rows)
    }

    fn link(&self, bucket: usize, key: &Key) -> Option<Link<'a>> {
        self.links(bucket).find(|link| key.is(&self.body(link.row)[plan::KEY..]))
    }

    /// The row of this key.
    pub(super) fn find(&self, bucket: usize, key: &Key) -> Option<usize> {
        self.link(bucket, key).map(|link| link.row)
    }

    /// The keys of a bucket.
    pub(super) fn keys(&self, bucket: usize) -> Vec<Key> {
        self.links(bucket).filter_map(|link| Key::load(&self.body(link.row)[plan::KEY..])).collect()
    }

    /// What is in a column of a row.
    pub(super) fn value(&self, row: usize, column: usize) -> Value {
        let state = self.states()[row].load(Acquire);
        let [counts, _] = self.plan().column(self.body(row), state, column);
        self.plan().kinds[column].load(counts)
    }

    /// What is in all columns of a row.
    pub(super) fn values(&self, row: usize) -> Vec<Value> {
        (0..self.plan().kinds.len()).map(|column| self.value(row, column)).collect()
    }

    /// Writes columns of a row.
    pub(super) fn update(&self, row: usize, changes: &[(usize, Value)]) {
        let (state, body) = (&self.states()[row], self.body(row));
        let before = state.load(Relaxed);
        for (column, kind) in self.plan().kinds.iter().enumerate() {
            let [counts, other] = self.plan().column(body, before, column);
            match changes.iter().rfind(|(changed, _)| *changed == column) {
                Some((_, value)) => kind.store(value, other),
                None => kind.copy(counts, other),
            }
        }
        store(state, before ^ plan::SECOND, Release);
        self.add_to(plan::UPDATES, 1);
    }

    /// Writes a number to a row: one store, so that its other columns need not be copied.
    pub(super) fn overwrite(&self, row: usize, column: usize, number: &Value) {
        let state = self.states()[row].load(Relaxed);
        let [counts, _] = self.plan().column(self.body(row), state, column);
        self.plan().kinds[column].store(number, counts);
        self.add_to(plan::UPDATES, 1);
    }

    /// Makes a row; none if there is no room.
    pub(super) fn insert(&self, bucket: usize, key: &Key, changes: &[(usize, Value)]) -> Option<()> {
        let row = self.claim()?;
        let body = self.body(row);
        key.store(&body[plan::KEY..]);
        for (column, kind) in self.plan().kinds.iter().enumerate() {
            let [counts, _] = self.plan().column(body, Plan::claimed(self.number), column);
            let given = changes.iter().rfind(|(changed, _)| *changed == column);
            kind.store(given.map_or(&kind.zero(), |(_, value)| value), counts);
        }
        let place_rows = 1 + self.links(bucket).count() as u64;
        store(&body[plan::NEXT], self.head(bucket).load(Relaxed), Relaxed);
        store(self.head(bucket), Plan::pointer(row), Release);
        self.add_to(plan::ROWS, 1);
        self.add_to(plan::INSERTS, 1);
        if place_rows > 1 {
            self.add_to(plan::CONFLICTS, 1);
        }
        if place_rows > self.words[plan::PLACE_ROWS_MAX].load(Relaxed) {
            store(&self.words[plan::PLACE_ROWS_MAX], place_rows, Relaxed);
        }
        Some(())
    }

    /// Removes a row. Whether there was such a one.
    pub(super) fn remove(&self, bucket: usize, key: &Key) -> bool {
        let Some(Link { pointer, row }) = self.link(bucket, key) else { return false };
        store(pointer, self.body(row)[plan::NEXT].load(Relaxed), Release);
        store(&self.states()[row], plan::FREE, Release);
        self.look_for_free_from(row);
        self.add_to(plan::ROWS, u64::MAX);
        self.add_to(plan::REMOVALS, 1);
        true
    }

    fn add_to(&self, place: usize, by: u64) {
        let word = &self.words[place];
        store(word, word.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Claims a free row; none if there is none, not even one that a dead process had claimed.
    fn claim(&self) -> Option<usize> {
        if let Some(row) = self.claim_if_any() {
            return Some(row);
        }
        // No waiting for other stripes with this one held, or two might wait for each other.
        for number in (0..self.plan().stripes).filter(|number| *number != self.number) {
            let lock = &self.plan().stripe(&self.table.region, number)[plan::LOCK];
            if let Some(held) = lock::inherit(lock) {
                drop(Stripe::new(self.table, number, held));
            }
        }
        self.claim_if_any()
    }

    fn claim_if_any(&self) -> Option<usize> {
        let (states, rows) = (self.states(), self.plan().rows);
        // Each stripe begins elsewhere, so that they do not meet.
        let even = self.number * (rows / self.plan().stripes);
        let from = even + self.words[plan::FREE_FROM].load(Relaxed) as usize % rows;
        for step in 0..rows {
            if step == GLANCE_ROWS && self.table.is_full() {
                return None;
            }
            let row = (from + step) % rows;
            if states[row].load(Relaxed) == plan::FREE && claim(&states[row], Plan::claimed(self.number)) {
                self.look_for_free_from(row + 1);
                return Some(row);
            }
        }
        None
    }

    fn look_for_free_from(&self, row: usize) {
        let rows = self.plan().rows;
        let even = self.number * (rows / self.plan().stripes);
        store(&self.words[plan::FREE_FROM], ((row + rows - even) % rows) as u64, Relaxed);
    }

    /// Frees what a dead process had claimed and not linked, or unlinked and not freed, and counts again. A pointer that
    /// death cannot have left, but damage, is cut.
    fn mend(&self) {
        let mut linked = vec![false; self.plan().rows];
        let mut count = 0;
        for bucket in (self.number..self.plan().buckets).step_by(self.plan().stripes) {
            let mut pointer = self.head(bucket);
            while let Some(link) = self.follow(pointer).filter(|link| !linked[link.row]) {
                linked[link.row] = true;
                count += 1;
                pointer = &self.body(link.row)[plan::NEXT];
            }
            if pointer.load(Relaxed) != 0 {
                store(pointer, 0, Release);
            }
        }
        for row in (0..linked.len()).filter(|row| !linked[*row] && self.owns(*row)) {
            store(&self.states()[row], plan::FREE, Release);
        }
        store(&self.words[plan::ROWS], count, Relaxed);
    }
}

/// Claims a row for whom `claimed` names, unless another stripe was faster.
fn claim(state: &AtomicU64, claimed: u64) -> bool {
    step();
    state.compare_exchange(plan::FREE, claimed, Acquire, Relaxed).is_ok()
}
