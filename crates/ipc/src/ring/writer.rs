//! Turns records, given in parts, into what a ring has room for, and keeps the rest.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use crate::ring::bytes::{Sink, copy_out, word};
use crate::ring::header::{Header, PAYLOAD_BYTES_MAX, framed};
use crate::ring::{Ring, RingError};
use crate::sync::{AtomicU64, fence};

/// What a kept record costs besides its payload: its place in a queue, and in the allocator's books.
const KEPT_BYTES: usize = 64;

/// How much is compared in one go; a multiple of a word.
const COMPARED_BYTES: usize = 1024;

/// What a writer may take of memory, and of its reader's.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest record, in bytes of payload; at most 4 GiB, less a byte.
    pub record_bytes_max: usize,
    /// How much the writer keeps of what has no room in the ring, and of what the reader has in pieces, in bytes. Each
    /// record counts 64 more than its payload. One for which the ring has no room in one piece fits only here.
    pub kept_bytes_max: usize,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it may have been refused"]
pub enum Pushed {
    /// The ring has it.
    Whole,
    /// The writer keeps it, or what is left of it, and [`flush`](Writer::flush) writes it.
    Kept,
    /// Refused, without a trace: the writer keeps as much as it may.
    Full,
    /// Refused, without a trace: no record may be that long.
    TooLong,
}

/// A record in the writer's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the writer called it.
    pub tag: u16,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What a dead reader has not begun.
#[derive(Debug)]
pub struct Undelivered {
    /// In the order in which it was pushed.
    pub records: Vec<Kept>,
    /// Why some of it may be missing: the dead has left the ring in disorder.
    pub lost: Option<RingError>,
}

/// The writing end of a ring.
///
/// A record goes into the ring in one piece if that has room for it. One that has to wait does so until it fits; but if
/// it is longer than half the ring it goes in pieces, of a quarter of the ring each at most, as room comes. The reader
/// takes those before it can begin with the record, so the writer keeps it until then.
pub struct Writer {
    ring: Ring,
    epoch: NonZeroU64,
    limits: Limits,
    /// The write index; what the memory says is for the reader.
    written: u64,
    /// The read index as it was last seen.
    read: u64,
    /// Records that went in pieces, all of them: the reader begins with one when it passes the index beside it.
    in_pieces: VecDeque<(u64, Kept)>,
    /// Records of which something has to be written still. All but the first are untouched.
    waiting: VecDeque<Kept>,
    /// How much of the first one's payload is in the ring.
    sent_bytes: usize,
    /// What all these count.
    kept_bytes: usize,
    /// Where the payload of the record that was written last begins, and how long it is, if it went in one piece.
    last: Option<(u64, u32)>,
    /// Was something published since it was asked whether to ring?
    owes_bell: bool,
}

impl Writer {
    /// Opens the writing end of `ring`, which was reset as `epoch`. Each of its ends has one owner at a time.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`] if it is not in this epoch, [`RingError::Corrupt`].
    pub fn open(ring: Ring, epoch: NonZeroU64, limits: Limits) -> Result<Writer, RingError> {
        let (read, written) = ring.indices(epoch)?;
        let (in_pieces, waiting) = (VecDeque::new(), VecDeque::new());
        // A former owner may have died before it rang.
        let owes_bell = written > 0;
        let (sent_bytes, kept_bytes) = (0, 0);
        Ok(Writer {
            ring,
            epoch,
            limits,
            written,
            read,
            in_pieces,
            waiting,
            sent_bytes,
            kept_bytes,
            last: None,
            owes_bell,
        })
    }

    /// Sends a record, the payload of which is all `parts`, behind all that were pushed before.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`]. The record was refused then.
    pub fn push(&mut self, tag: u16, parts: &[&[u8]]) -> Result<Pushed, RingError> {
        let longest = self.limits.record_bytes_max.min(PAYLOAD_BYTES_MAX);
        let length = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        if length > longest {
            return Ok(Pushed::TooLong);
        }
        if self.flush()? && self.has_room(framed(length as u64))? {
            self.write(Header { length: length as u32, tag, first: true, last: true }, parts);
            return Ok(Pushed::Whole);
        }
        if self.kept_bytes.saturating_add(length + KEPT_BYTES) > self.limits.kept_bytes_max {
            return Ok(Pushed::Full);
        }
        self.keep(Kept { tag, payload: parts.concat() });
        // It is accepted: what goes wrong now is for the next call to say.
        Ok(if self.flush() == Ok(true) { Pushed::Whole } else { Pushed::Kept })
    }

    /// Puts what a dead reader has not begun into its successor's ring, before anything else is pushed there. It was
    /// kept already, so it is taken whatever it counts.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`]. All of it is kept.
    pub fn resume(&mut self, records: Vec<Kept>) -> Result<(), RingError> {
        records.into_iter().for_each(|record| self.keep(record));
        self.flush()?;
        Ok(())
    }

    /// Writes of what is kept as much as the ring has room for. Is everything written?
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`].
    pub fn flush(&mut self) -> Result<bool, RingError> {
        self.ring.check_epoch(self.epoch)?;
        if !self.in_pieces.is_empty() {
            self.look()?;
        }
        while let Some(header) = self.next_piece(self.free()) {
            if !self.has_room(header.framed())? {
                return Ok(false);
            }
            self.write_next(header);
        }
        Ok(true)
    }

    /// Is the reader to be rung, because there is something for it and it sleeps? To be asked after each batch.
    #[must_use = "the reader may be asleep"]
    pub fn must_ring(&mut self) -> bool {
        if !std::mem::take(&mut self.owes_bell) {
            return false;
        }
        // The reader says that it sleeps and looks at the write index then: one of us sees the other.
        fence(SeqCst);
        let must_ring = self.ring.asleep().load(Relaxed) != 0;
        if must_ring {
            self.ring.asleep().store(0, Relaxed);
        }
        must_ring
    }

    /// Says that it waits for its doorbell if it keeps anything: for room, or for a reader that begins with what went
    /// in pieces. Returns whether it may; if not, there is something to flush. Clear the doorbell after the wait, then
    /// flush.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`].
    ///
    /// # Panics
    ///
    /// If [`must_ring`](Writer::must_ring) was not asked since the last push or flush: both could sleep for ever.
    pub fn sleep(&mut self) -> Result<bool, RingError> {
        self.ring.check_epoch(self.epoch)?;
        assert!(!self.owes_bell, "a writer asks whether to ring before it sleeps");
        let Some((needed, worthwhile)) = self.waits_for() else { return Ok(true) };
        // An index and 1: see the layout.
        self.ring.waiting().store(worthwhile + 1, Relaxed);
        // The reader moves its index and looks at this word then: one of us sees the other.
        fence(SeqCst);
        self.look()?;
        let may_sleep = self.read < needed;
        if !may_sleep {
            self.ring.waiting().store(0, Relaxed);
        }
        Ok(may_sleep)
    }

    /// Is the payload of the record that was pushed last, from its byte `skip` on, the same as all `parts`? Also false
    /// if its bytes are not at hand any more.
    pub fn last_is(&self, tag: u16, skip: usize, parts: &[&[u8]]) -> bool {
        let length = parts.iter().fold(skip, |sum, part| sum.saturating_add(part.len()));
        let kept = self.waiting.back().or(match self.in_pieces.back() {
            Some((end, record)) if *end == self.written => Some(record),
            _ => None,
        });
        if let Some(kept) = kept {
            return kept.tag == tag && kept.payload.len() == length && is_all(&kept.payload[skip..], parts);
        }
        match self.last {
            Some((at, last)) if last as usize == length => {
                let header = Header::parse(word(self.ring.records(), at), self.written - at);
                header.is_ok_and(|header| header.tag == tag)
                    && bytes_are(self.ring.records(), at + Header::BYTES, length, skip, parts)
            }
            _ => false,
        }
    }

    /// How many records the reader has begun with, by its own account: any number, if it is broken.
    pub fn begun(&self) -> u64 {
        self.ring.begun().load(Acquire)
    }

    /// How many bytes it keeps, by the count of [`Limits::kept_bytes_max`].
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// What the reader, which must be dead, has not begun. The ring is to be reset then.
    pub fn take_undelivered(mut self) -> Undelivered {
        let mut records = Vec::new();
        let lost = match self.look() {
            Ok(()) => self.reread(&mut records).err(),
            // It cannot be known what was begun: nothing comes twice.
            Err(error) => {
                self.in_pieces.clear();
                Some(error)
            }
        };
        records.extend(self.in_pieces.into_iter().map(|(_, record)| record));
        records.extend(self.waiting);
        Undelivered { records, lost }
    }

    /// Takes what was not begun from the ring, and for what went in pieces, from memory.
    fn reread(&mut self, records: &mut Vec<Kept>) -> Result<(), RingError> {
        let mut at = self.read;
        while at < self.written {
            let header = Header::parse(word(self.ring.records(), at), self.written - at)?;
            let end = at + header.framed();
            if header.first && header.last {
                let mut payload = vec![0; header.length as usize];
                copy_out(self.ring.records(), at + Header::BYTES, &mut payload);
                self.ring.check_epoch(self.epoch)?;
                records.push(Kept { tag: header.tag, payload });
            } else if header.last {
                let in_pieces = self.in_pieces.front().is_some_and(|(its_end, _)| *its_end == end);
                let record = if in_pieces { self.in_pieces.pop_front() } else { None };
                let (_, record) = record.ok_or(RingError::Corrupt("the end of a record that nobody wrote"))?;
                records.push(record);
            }
            at = end;
        }
        Ok(())
    }

    /// The read index at which something can be flushed, and the one from which it is worth a bell: half of the ring
    /// is free then, so that two who are both fast do not ring for each piece.
    fn waits_for(&self) -> Option<(u64, u64)> {
        let capacity = self.ring.capacity_bytes();
        let index = |room: u64| (self.written + room).saturating_sub(capacity);
        match self.next_piece(0) {
            Some(header) => {
                let room = header.framed();
                Some((index(room), index(room.max(capacity / 2))))
            }
            None => self.in_pieces.front().map(|(end, _)| (*end, *end)),
        }
    }

    /// What would be written next of the first record that waits, if so many bytes are free at least.
    fn next_piece(&self, free: u64) -> Option<Header> {
        let Kept { tag, payload } = self.waiting.front()?;
        let capacity = self.ring.capacity();
        let first = self.sent_bytes == 0;
        let left = payload.len() - self.sent_bytes;
        let whole = first && framed(left as u64) <= free.max(capacity as u64 / 2);
        let length = if whole { left } else { left.min(capacity / 4 - Header::BYTES as usize) };
        Some(Header { length: length as u32, tag: *tag, first, last: length == left })
    }

    fn write_next(&mut self, header: Header) {
        let Some(record) = self.waiting.pop_front() else { return };
        let sent_bytes = self.sent_bytes + header.length as usize;
        self.write(header, &[&record.payload[self.sent_bytes..sent_bytes]]);
        self.sent_bytes = if header.last { 0 } else { sent_bytes };
        match (header.first, header.last) {
            (true, true) => self.forget(&record),
            (false, true) => self.in_pieces.push_back((self.written, record)),
            (_, false) => self.waiting.push_front(record),
        }
    }

    /// Writes a record or a piece, for which there is room, and publishes it.
    fn write(&mut self, header: Header, parts: &[&[u8]]) {
        let mut sink = Sink::new(self.ring.records(), self.written);
        sink.put_word(header.word());
        parts.iter().for_each(|part| sink.put(part));
        sink.finish();
        self.last = (header.first && header.last).then_some((self.written, header.length));
        self.written += header.framed();
        self.ring.written().store(self.written, Release);
        self.owes_bell = true;
    }

    fn keep(&mut self, record: Kept) {
        self.kept_bytes += record.payload.len() + KEPT_BYTES;
        self.waiting.push_back(record);
    }

    fn forget(&mut self, record: &Kept) {
        self.kept_bytes -= record.payload.len() + KEPT_BYTES;
    }

    /// Is there room for so many bytes?
    fn has_room(&mut self, framed_bytes: u64) -> Result<bool, RingError> {
        if framed_bytes > self.free() {
            self.look()?;
        }
        Ok(framed_bytes <= self.free())
    }

    fn free(&self) -> u64 {
        self.ring.capacity_bytes() - (self.written - self.read)
    }

    /// Sees how far the reader is, and forgets what it has begun.
    fn look(&mut self) -> Result<(), RingError> {
        let read = self.ring.read().load(Acquire);
        // Were it reset, its indices would look wrong.
        self.ring.check_epoch(self.epoch)?;
        self.ring.check_indices(read, self.written)?;
        if read < self.read {
            return Err(RingError::Corrupt("a read index that went back"));
        }
        self.read = read;
        while let Some((end, record)) = self.in_pieces.pop_front() {
            if end > read {
                self.in_pieces.push_front((end, record));
                break;
            }
            self.forget(&record);
        }
        Ok(())
    }
}

/// Are these the bytes of all `parts`, one behind the other?
fn is_all(mut bytes: &[u8], parts: &[&[u8]]) -> bool {
    parts.iter().all(|part| match bytes.split_at_checked(part.len()) {
        Some((first, rest)) => {
            bytes = rest;
            first == *part
        }
        None => false,
    })
}

/// The same for `length` bytes from the index `at` on, of which the first `skip` do not matter.
fn bytes_are(words: &[AtomicU64], at: u64, length: usize, skip: usize, parts: &[&[u8]]) -> bool {
    let mut chunk = [0; COMPARED_BYTES];
    let (mut parts, mut part) = (parts.iter(), &[][..]);
    let mut from = 0;
    while from < length {
        let count = (length - from).min(COMPARED_BYTES);
        copy_out(words, at + from as u64, &mut chunk[..count]);
        let mut bytes = &chunk[skip.saturating_sub(from).min(count)..count];
        while !bytes.is_empty() {
            if part.is_empty() {
                let Some(next) = parts.next() else { return false };
                part = next;
                continue;
            }
            let both = bytes.len().min(part.len());
            if bytes[..both] != part[..both] {
                return false;
            }
            (bytes, part) = (&bytes[both..], &part[both..]);
        }
        from += count;
    }
    true
}
