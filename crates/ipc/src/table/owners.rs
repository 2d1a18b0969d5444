//! What each loop leaves for the others: that it is there, a connection handed over, and its counters.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use rustix::process::Pid;

use super::{LINE_WORDS, Table};

pub(super) const WORDS: usize = 2 * LINE_WORDS;

const COUNT: usize = 0;
const PID: usize = 1;
const HANDED_OVER: usize = 2;
const ACCEPTED: usize = 3;
const CLOSED: usize = 4;
const LOOK: usize = 5;
const ABORTED: usize = 6;
const RECEIVED: usize = LINE_WORDS;
const SENT: usize = LINE_WORDS + 1;

const _: () = assert!(ABORTED < LINE_WORDS && SENT < WORDS);

impl Table {
    /// Puts a process into an owner's place, from where [`least_loaded`](Table::least_loaded) sees it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn attach(&self, owner: usize, pid: Pid) {
        self.of(owner, PID).store(u64::from(pid.as_raw_pid().unsigned_abs()), SeqCst);
    }

    /// Takes an owner out of its place and frees everything it still owns. It must be dead, and nobody else claim or
    /// release in its name meanwhile.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn detach(&self, owner: usize) {
        self.of(owner, PID).store(0, SeqCst);
        self.free_all(owner);
        self.of(owner, COUNT).store(0, SeqCst);
        self.of(owner, HANDED_OVER).store(0, SeqCst);
        self.of(owner, LOOK).store(0, SeqCst);
        // Whatever it was doing: all that it accepted is over.
        let accepted = self.of(owner, ACCEPTED).load(SeqCst);
        self.of(owner, CLOSED).store(accepted, SeqCst);
    }

    /// Takes an owner out of its place, though it has connections still: no more are handed over to it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn retire(&self, owner: usize) {
        self.of(owner, PID).store(0, SeqCst);
    }

    /// Leaves word for `owner` that a connection waits at the listener for it; its doorbell is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn hand_over(&self, owner: usize) {
        self.of(owner, HANDED_OVER).store(1, SeqCst);
    }

    /// Takes the word of [`hand_over`](Table::hand_over): was there one? To miss none, clear the doorbell first.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn take_hand_over(&self, owner: usize) -> bool {
        self.of(owner, HANDED_OVER).swap(0, SeqCst) != 0
    }

    /// Leaves word for `owner` that somebody was silent for too long; its doorbell is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn want_look(&self, owner: usize) {
        self.of(owner, LOOK).store(1, SeqCst);
    }

    /// Takes the word of [`want_look`](Table::want_look): was there one? To miss none, clear the doorbell first.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn take_want_look(&self, owner: usize) -> bool {
        let word = self.of(owner, LOOK);
        word.load(SeqCst) != 0 && word.swap(0, SeqCst) != 0
    }

    /// The process in an owner's place.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn pid(&self, owner: usize) -> Option<Pid> {
        let raw = i32::try_from(self.of(owner, PID).load(SeqCst)).ok()?;
        Pid::from_raw(raw)
    }

    /// The connections of all owners.
    pub fn connections(&self) -> usize {
        (0..self.owners).fold(0, |sum, owner| sum.saturating_add(self.load(owner)))
    }

    /// The connections of `owner`.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn load(&self, owner: usize) -> usize {
        usize::try_from(self.of(owner, COUNT).load(SeqCst)).unwrap_or(usize::MAX)
    }

    /// The attached owner with the fewest connections, and how many it has; `None` if none is attached.
    pub fn least_loaded(&self) -> Option<(usize, usize)> {
        let attached = (0..self.owners).filter(|&owner| self.pid(owner).is_some());
        attached.map(|owner| (owner, self.load(owner))).min_by_key(|&(_, load)| load)
    }

    /// How many connections there were, those that are over included.
    pub fn accepted(&self) -> u64 {
        self.sum(ACCEPTED)
    }

    /// How many connections are over.
    pub fn closed(&self) -> u64 {
        self.sum(CLOSED)
    }

    /// How many were accepted and dropped at once.
    pub fn aborted(&self) -> u64 {
        self.sum(ABORTED)
    }

    /// How many bytes all owners have received.
    pub fn received_bytes(&self) -> u64 {
        self.sum(RECEIVED)
    }

    /// How many bytes all owners have sent.
    pub fn sent_bytes(&self) -> u64 {
        self.sum(SENT)
    }

    /// `owner`, which alone may say so, has accepted one and dropped it at once.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn count_aborted(&self, owner: usize) {
        add(self.of(owner, ABORTED), 1);
    }

    /// `owner`, which alone may say so, has received so many bytes more.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn count_received(&self, owner: usize, bytes: u64) {
        add(self.of(owner, RECEIVED), bytes);
    }

    /// `owner`, which alone may say so, has sent so many bytes more.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn count_sent(&self, owner: usize, bytes: u64) {
        add(self.of(owner, SENT), bytes);
    }

    pub(super) fn count_accepted(&self, owner: usize) {
        self.of(owner, ACCEPTED).fetch_add(1, SeqCst);
    }

    pub(super) fn count_closed(&self, owner: usize) {
        self.of(owner, CLOSED).fetch_add(1, SeqCst);
    }

    pub(super) fn count_up(&self, owner: usize) {
        self.of(owner, COUNT).fetch_add(1, SeqCst);
    }

    /// One connection less, but never less than none: the memory may say 0 wrongly.
    pub(super) fn count_down(&self, owner: usize) {
        let _ = self.of(owner, COUNT).fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
    }

    fn sum(&self, word: usize) -> u64 {
        (0..self.owners).fold(0, |sum, owner| sum.wrapping_add(self.of(owner, word).load(Relaxed)))
    }

    pub(super) fn of(&self, owner: usize, word: usize) -> &AtomicU64 {
        assert!(owner < self.owners, "owner {owner} of {}", self.owners);
        &self.part(self.owner_lines)[owner * WORDS + word]
    }
}

/// With a single writer there is nothing to lose between the load and the store.
fn add(word: &AtomicU64, more: u64) {
    word.store(word.load(Relaxed).wrapping_add(more), Relaxed);
}
