//! Turns a shared mapping into what every process of a server may ask about every connection, and who owns it.
//!
//! | module | holds |
//! |---|---|
//! | [`word`] | one connection in one word: whose it is and how far it has come |
//! | [`facts`] | the rest of what is known of it, one line of the processor's cache |
//! | `owners` | what each loop leaves for the others: that it is there, and its counters |
//! | `bitmap` | which rows are taken, so that a walk costs what is alive |

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::region::Region;

mod bitmap;
pub mod facts;
mod owners;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
pub mod word;

use bitmap::Bitmap;
use facts::{Facts, Origin, Record};
use word::{Connection, FD_MAX, OWNER_BITS, STATUS_MAX, Word};

// Layout, in words of 8 bytes and lines of 64; every part begins on a line of its own, so that no two owners write to
// the same one. R is `capacity`, the number of rows, a power of two; the row of an fd is fd modulo R.
//
//   next fd      1 line            word 0   the next fd, before it is cut to its bits
//
//   owners       2 lines each      line 0   of many writers, looked at when somebody accepts
//                                  word 0   connections
//                                  word 1   process id, 0 while there is none
//                                  word 2   1 when a connection was handed over, until the owner looks
//                                  word 3   connections there were, those that are over included
//                                  word 4   connections that are over
//                                  word 5   1 when somebody was silent for too long, until the owner looks
//                                  word 6   connections that were accepted and dropped at once
//                                  line 1   written by the owner alone, all the time
//                                  word 0   bytes received
//                                  word 1   bytes sent
//
//   tops         R / 64³ words     bit i    word i of the middles is not 0
//   middles      R / 64² words     bit i    word i of the leaves is not 0
//   leaves       R / 64 words      bit i    row i is published
//
//   row words    R words           63 ... 18 | 17 ... 6 | 5 ... 3 | 2       | 1         | 0
//                                     fd     |  owner   | status  | closing | protected | published
//
//   facts        R lines           word 0   63 ... 32 |  31 ... 16  | 15 ... 8          | 7 ... 0
//                                           descriptor| peer's port | index of the port | family: 0, 4 or 6
//                                  word 1   the peer's address, its first 8 bytes, big-endian
//                                  word 2   its other 8 bytes
//                                  word 3   63 ... 56    | 55 ... 0
//                                           why it broke | opened, in milliseconds since 1970
//                                  word 4   received from last, in milliseconds so too
//                                  word 5   sent to last, so too
//                                  word 6   bytes that it is owed
//                                  word 7   63 ... 32      | 31 ... 0
//                                           lap of the fd  | uid
//
// A row whose word holds no fd of that row, or an owner that does not exist, is free; 0 is such a word. One that is
// claimed and not published is being written, or being freed: nobody sees it, and nobody takes it.
//
// Only what was used is touched: a page that nobody wrote to takes no memory.

const WORD_BYTES: usize = size_of::<AtomicU64>();
const LINE_WORDS: usize = 8;
const OWNERS_MAX: usize = 1 << OWNER_BITS;
const CONNECTIONS_MAX: usize = 1_000_000;
const ROWS_MAX: usize = (2 * CONNECTIONS_MAX).next_power_of_two();

const _: () = assert!(WORD_BYTES == 8);
const _: () = assert!(align_of::<AtomicU64>() <= WORD_BYTES);
const _: () = assert!(OWNERS_MAX == 4096);
const _: () = assert!(facts::WORDS == LINE_WORDS);
const _: () = assert!(owners::WORDS == 2 * LINE_WORDS);
// A row's number fits `Row`, and the lap of an fd its half of a word.
const _: () = assert!(ROWS_MAX <= 1 << 32);
// All of it together can be counted.
const _: () = assert!(ROWS_MAX < usize::MAX / (64 * WORD_BYTES));

/// The row of a connection that its owner has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(u32);

impl Row {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// When a connection was alive, as its owner noted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// When something was read from it last, or it was accepted, in milliseconds since 1970.
    pub received_at_ms: u64,
    /// When something was sent to it last, or it was accepted.
    pub sent_at_ms: u64,
    /// It is not closed for its silence.
    pub protected: bool,
}

/// A part of the table.
#[derive(Clone, Copy)]
struct Part {
    byte_offset: usize,
    words: usize,
}

impl Part {
    /// The part behind this one, on a line of its own.
    fn then(self, words: usize) -> Part {
        let line = self.words.next_multiple_of(LINE_WORDS);
        Part { byte_offset: self.byte_offset + line * WORD_BYTES, words }
    }
}

/// The connections of one server and the loops that own them.
///
/// It is mapped before the first fork, or shared behind an `Arc` by threads. A connection is called by its *fd*: a
/// number from 1, counted up for the whole server, which is not used again before 2⁴⁶ others were. An *owner* is a loop
/// that has sockets; a worker and its successor may be two. What is in the memory is not trusted: after any damage to
/// it every call returns, and no index leaves its range.
pub struct Table {
    region: Region,
    owners: usize,
    max_connection: usize,
    capacity: usize,
    owner_lines: Part,
    /// Leaves, middles, tops.
    bits: [Part; bitmap::LEVELS],
    words: Part,
    records: Part,
    began: Instant,
    /// In milliseconds since 1970.
    began_ms: u64,
}

impl Table {
    /// A table for `owners` (1..=4096), none of them attached, with together at most `max_connection` (1..=1,000,000)
    /// connections.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a number outside its range; those of [`Region::new`].
    pub fn new(owners: usize, max_connection: usize) -> io::Result<Table> {
        if !(1..=OWNERS_MAX).contains(&owners) || !(1..=CONNECTIONS_MAX).contains(&max_connection) {
            let message = format!("no table holds {max_connection} connections of {owners} owners");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // Half of the rows stay free, so that a free one is soon found.
        let capacity = (2 * max_connection).next_power_of_two();
        let next_fd = Part { byte_offset: 0, words: 1 };
        let owner_lines = next_fd.then(owners * owners::WORDS);
        let [leaf_words, middle_words, top_words] = bitmap::sizes(capacity);
        let tops = owner_lines.then(top_words);
        let middles = tops.then(middle_words);
        let leaves = middles.then(leaf_words);
        let words = leaves.then(capacity);
        let records = words.then(capacity * facts::WORDS);
        let region = Region::new(records.then(0).byte_offset)?;
        let bits = [leaves, middles, tops];
        let began_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let began = Instant::now();
        let table =
            Table { region, owners, max_connection, capacity, owner_lines, bits, words, records, began, began_ms };
        table.next_fd().store(1, SeqCst);
        Ok(table)
    }

    /// The time of day in milliseconds since 1970, by a clock that all of its processes share and nobody sets: only times
    /// by the same clock can be compared.
    pub fn now_ms(&self) -> u64 {
        self.began_ms + self.began.elapsed().as_millis() as u64
    }

    /// The first connection is to have this fd (1..=[`FD_MAX`](word::FD_MAX)), not 1. Before there is any.
    pub fn begin_at(&self, fd: u64) {
        self.next_fd().store(fd, SeqCst);
    }

    /// A new connection of `owner`: its fd, and its row for what is noted often. `None` if the server has
    /// `max_connection` of them. Costs a load per owner. Two processes that race for the last one may both get `None`,
    /// but never both an fd.
    ///
    /// # Panics
    ///
    /// If there is no such owner.
    pub fn claim(&self, owner: usize, origin: Origin, now_ms: u64) -> Option<(u64, Row)> {
        // Counted first and looked at afterwards: of two that do so at once, one at least sees both.
        self.count_up(owner);
        let claimed = if self.connections() <= self.max_connection { self.claim_row(owner) } else { None };
        let Some((word, index)) = claimed else {
            self.count_down(owner);
            return None;
        };
        self.record(index).begin(self.lap(word.fd()), origin, now_ms);
        // Who sees it published sees its facts.
        self.words()[index].store(word.publish().0, SeqCst);
        self.bitmap().set(index);
        self.count_accepted(owner);
        Some((word.fd(), Row(index as u32)))
    }

    fn claim_row(&self, owner: usize) -> Option<(Word, usize)> {
        // One lap: at least half of the rows are free, unless the memory was damaged.
        for _ in 0..self.capacity {
            let fd = self.next_fd().fetch_add(1, SeqCst) & FD_MAX;
            if fd == 0 {
                continue;
            }
            let index = self.index(fd);
            let row = &self.words()[index];
            let word = row.load(SeqCst);
            let claimed = Word::claimed(fd, owner);
            if !self.is_taken(index, Word(word)) && row.compare_exchange(word, claimed.0, SeqCst, SeqCst).is_ok() {
                return Some((claimed, index));
            }
        }
        None
    }

    /// Frees `fd`: the connection is closed. Without effect if there is no such connection.
    pub fn release(&self, fd: u64) {
        if let Some((index, word)) = self.update(fd, |word| Some(word.unpublish())) {
            self.free(index, word.unpublish());
            self.count_closed(word.owner());
            self.count_down(word.owner());
        }
    }

    /// Frees a row that nobody sees any more. Its bit goes first: the next one to take the row sets its own.
    fn free(&self, index: usize, word: Word) {
        self.bitmap().clear(index);
        // It fails if the memory was damaged meanwhile.
        let _ = self.words()[index].compare_exchange(word.0, 0, SeqCst, SeqCst);
    }

    /// What the word of `fd`, any number, says: one load. `None` if there is no such connection.
    pub fn connection(&self, fd: u64) -> Option<Connection> {
        self.find(fd).map(|(_, word)| word.connection())
    }

    /// All that is known of `fd`; `None` if there is no such connection.
    pub fn facts(&self, fd: u64) -> Option<Facts> {
        self.look(fd, |record| record.facts(self.lap(fd)))
    }

    /// The index of the port that accepted `fd`; `None` if there is no such connection. One of [`Table::facts`], for less.
    pub fn port(&self, fd: u64) -> Option<u8> {
        self.look(fd, |record| record.port())
    }

    /// How many bytes `fd` is owed; `None` if there is no such connection. One of [`Table::facts`], for less.
    pub fn owed_bytes(&self, fd: u64) -> Option<usize> {
        self.look(fd, |record| record.owed_bytes())
    }

    /// Looks at a connection's facts. The row's word is their seqlock: whoever writes all of them has changed it
    /// before, and an fd does not come back.
    fn look<T>(&self, fd: u64, look: impl Fn(Record<'_>) -> T) -> Option<T> {
        let (index, _) = self.find(fd)?;
        let found = look(self.record(index));
        facts::looked();
        self.find(fd).map(|_| found)
    }

    /// Something was read from a connection. Only for the owner, until it releases the connection, as are the two that
    /// follow.
    #[inline]
    pub fn received(&self, row: Row, now_ms: u64) {
        self.record(row.index()).received(now_ms);
    }

    /// When it was alive, and whether it may be closed for its silence.
    pub fn signs(&self, row: Row) -> Signs {
        let word = Word(self.words()[row.index()].load(SeqCst));
        let (received_at_ms, sent_at_ms) = self.record(row.index()).times();
        Signs { received_at_ms, sent_at_ms, protected: word.connection().protected }
    }

    /// Something was sent to it.
    #[inline]
    pub fn sent(&self, row: Row, now_ms: u64) {
        self.record(row.index()).sent(now_ms);
    }

    /// It is broken, by a system's error of this number; 0: none that is known.
    pub fn broke(&self, row: Row, errno: u8) {
        self.record(row.index()).broke(errno);
    }

    /// So many bytes wait until its peer takes them.
    #[inline]
    pub fn owes(&self, row: Row, bytes: usize) {
        self.record(row.index()).owes(bytes);
    }

    /// Notes how far `fd` has come: a WebSocket's status, 0..=7, of which higher bits are dropped. Without effect if
    /// there is no such connection.
    pub fn set_status(&self, fd: u64, status: u8) {
        self.update(fd, |word| Some(word.with_status(status & STATUS_MAX)));
    }

    /// Notes that nothing more can be sent to `fd`; false if there is no such connection, or that was noted before.
    pub fn begin_closing(&self, fd: u64) -> bool {
        self.update(fd, |word| (!word.connection().closing).then(|| word.with_closing())).is_some()
    }

    /// Notes whether `fd` is protected from being closed for its silence; false if there is no such connection.
    pub fn protect(&self, fd: u64, protected: bool) -> bool {
        self.update(fd, |word| Some(word.with_protected(protected))).is_some()
    }

    /// Gives `fd` the id of a user of the application, once; false for 0, if there is no such connection, or it has one.
    pub fn bind(&self, fd: u64, uid: u32) -> bool {
        let Some((index, _)) = self.find(fd) else { return false };
        // Were the row another fd's by now, this would fail, for its lap is another one.
        uid != 0 && self.record(index).bind(self.lap(fd), uid) && self.find(fd).is_some()
    }

    /// All connections there are, in the order of their rows, each as it is when the walk gets to it. It costs what is
    /// alive, however large the table is.
    ///
    /// One that comes while its row's neighbours go may be missed for a moment, and if the process that lets them go is
    /// killed just then, until that one is detached.
    pub fn all(&self) -> impl Iterator<Item = (u64, Connection)> {
        self.published(self.bitmap().walk())
    }

    /// Those behind `fd` in that order, or all for 0; `None` if there is no such connection.
    pub fn after(&self, fd: u64) -> Option<impl Iterator<Item = (u64, Connection)>> {
        let walk = match fd {
            0 => self.bitmap().walk(),
            _ => self.find(fd).map(|(index, _)| self.bitmap().walk_after(index))?,
        };
        Some(self.published(walk))
    }

    /// All connections of which nothing was received for so long, but for those that are protected or close. It costs
    /// what is alive.
    pub fn silent(&self, ms: u64) -> impl Iterator<Item = (u64, Connection)> {
        let now_ms = self.now_ms();
        let waits = move |(fd, connection): &(u64, Connection)| {
            let received_at_ms = self.look(*fd, |record| record.times().0);
            let is_late = received_at_ms.is_some_and(|at| at.saturating_add(ms) <= now_ms);
            is_late && !connection.protected && !connection.closing
        };
        self.all().filter(waits)
    }

    /// The fd that was given last, over all owners; 0 before the first.
    pub fn last_fd(&self) -> u64 {
        self.next_fd().load(SeqCst).wrapping_sub(1) & FD_MAX
    }

    fn published(&self, rows: impl Iterator<Item = usize>) -> impl Iterator<Item = (u64, Connection)> {
        let words = self.words();
        rows.filter_map(|index| {
            let word = Word(words.get(index)?.load(SeqCst));
            (self.is_taken(index, word) && word.is_published()).then(|| (word.fd(), word.connection()))
        })
    }

    /// Frees all rows of an owner, seen or not, and mends what it left half-done in the bitmap.
    fn free_all(&self, owner: usize) {
        let used = self.used();
        for (index, row) in self.words().iter().enumerate().take(used) {
            let word = Word(row.load(SeqCst));
            if !self.is_taken(index, word) || word.owner() != owner {
                continue;
            }
            let unpublished = word.unpublish();
            // Were it another owner's by now, this would fail, rightly.
            if row.compare_exchange(word.0, unpublished.0, SeqCst, SeqCst).is_ok() {
                self.free(index, unpublished);
            }
        }
        self.bitmap().repair(used);
    }

    /// How many rows can have been used: fds count up from 1, so before the first lap the rest never was.
    fn used(&self) -> usize {
        usize::try_from(self.next_fd().load(SeqCst)).map_or(self.capacity, |next| next.min(self.capacity))
    }

    /// The row and the word of `fd`, if it can be seen.
    fn find(&self, fd: u64) -> Option<(usize, Word)> {
        let index = self.index(fd);
        let word = Word(self.words()[index].load(SeqCst));
        (word.fd() == fd && word.is_published() && self.is_taken(index, word)).then_some((index, word))
    }

    /// Replaces the word of `fd`, if it can be seen, by what `change` makes of it, and returns its row and former word.
    fn update(&self, fd: u64, change: impl Fn(Word) -> Option<Word>) -> Option<(usize, Word)> {
        let (index, mut word) = self.find(fd)?;
        loop {
            let changed = change(word)?;
            match self.words()[index].compare_exchange(word.0, changed.0, SeqCst, SeqCst) {
                Ok(_) => return Some((index, word)),
                Err(_) => (_, word) = self.find(fd)?,
            }
        }
    }

    /// Does somebody have this row, if the word can be true?
    fn is_taken(&self, index: usize, word: Word) -> bool {
        word.fd() != 0 && self.index(word.fd()) == index && word.owner() < self.owners
    }

    fn index(&self, fd: u64) -> usize {
        // A power of two: the low bits are the same whatever the width of usize.
        fd as usize & (self.capacity - 1)
    }

    /// Which of the fds that share a row this one is. Those with the same lap are 2³² of them apart.
    fn lap(&self, fd: u64) -> u32 {
        (fd >> self.capacity.trailing_zeros()) as u32
    }

    fn next_fd(&self) -> &AtomicU64 {
        &self.region.u64s(0, 1)[0]
    }

    fn words(&self) -> &[AtomicU64] {
        self.part(self.words)
    }

    #[inline]
    fn record(&self, index: usize) -> Record<'_> {
        let line = facts::WORDS * WORD_BYTES * (index & (self.capacity - 1));
        Record(self.region.u64s(self.records.byte_offset + line, facts::WORDS))
    }

    fn bitmap(&self) -> Bitmap<'_> {
        Bitmap(self.bits.map(|part| self.part(part)))
    }

    fn part(&self, part: Part) -> &[AtomicU64] {
        self.region.u64s(part.byte_offset, part.words)
    }
}
