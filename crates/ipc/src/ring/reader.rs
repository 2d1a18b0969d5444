//! Turns a ring back into records, each whole, and each the reader's from the moment that it begins with it.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use crate::ring::bytes::{copy_out, word};
use crate::ring::header::Header;
use crate::ring::{Ring, RingError};
use crate::sync::fence;

/// A record that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the writer called it.
    pub tag: u16,
    /// Its bytes: a copy that nobody else can reach.
    pub payload: &'a [u8],
    /// There was something behind it, when the reader last looked.
    pub more: bool,
}

/// The reading end of a ring.
///
/// A record stays in the ring, or with the writer, until it is [begun](Peeked::begin); then its room is free again.
pub struct Reader {
    ring: Ring,
    epoch: NonZeroU64,
    record_bytes_max: usize,
    /// The read index; what the memory says is for the writer.
    read: u64,
    /// How many records were begun in this epoch.
    begun: u64,
    /// The write index as it was last seen.
    written: u64,
    next: Next,
    /// The payload of `next` so far is in the first `filled` bytes. It grows with what comes.
    buffer: Vec<u8>,
    filled: usize,
    /// Did it say that it sleeps?
    asleep: bool,
    /// Was room made since it was asked whether to ring?
    owes_bell: bool,
}

/// How much of the next record is here.
///
/// ```text
/// Nothing ─┬─► Pieces ─┐
///    ▲     └───────────┴─► Whole ─┐
///    └─────────── begun ──────────┘
/// ```
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    /// Its first pieces, which have left the ring.
    Pieces {
        tag: u16,
    },
    /// All of it. It, or its last piece, ends at the index `end` and has not left the ring.
    Whole {
        tag: u16,
        end: u64,
    },
}

impl Reader {
    /// Opens the reading end of `ring`, which was reset as `epoch`. Each of its ends has one owner at a time. A record
    /// with more than `record_bytes_max` bytes of payload is an error.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`] if it is not in this epoch, [`RingError::Corrupt`].
    pub fn open(ring: Ring, epoch: NonZeroU64, record_bytes_max: usize) -> Result<Reader, RingError> {
        let (read, written) = ring.indices(epoch)?;
        let begun = ring.begun().load(Relaxed);
        Ok(Reader {
            ring,
            epoch,
            record_bytes_max,
            read,
            begun,
            written,
            next: Next::Nothing,
            buffer: Vec::new(),
            filled: 0,
            asleep: false,
            // A former owner may have died before it rang.
            owes_bell: read > 0,
        })
    }

    /// The next record, if all of it is here; the same one until it is begun. Copies it out of the ring, or as many of
    /// its pieces as are there: at most two rings full.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`].
    pub fn peek(&mut self) -> Result<Option<Peeked<'_>>, RingError> {
        self.ring.check_epoch(self.epoch)?;
        self.wake();
        let Some((tag, end)) = self.take_pieces()? else { return Ok(None) };
        Ok(Some(Peeked { reader: self, tag, end }))
    }

    /// Was there more behind what was peeked at last, when it last looked? Costs no look.
    pub fn has_unread(&self) -> bool {
        self.read < self.written
    }

    /// Is the writer to be rung, because there is room now that it waits for? To be asked after each batch of records,
    /// also if it ended amidst one.
    #[must_use = "the writer may wait for room"]
    pub fn must_ring(&mut self) -> bool {
        if !std::mem::take(&mut self.owes_bell) {
            return false;
        }
        // The writer says what it waits for and looks at the read index then: one of us sees the other.
        fence(SeqCst);
        let waiting = self.ring.waiting().load(Relaxed);
        // An index and 1: see the layout.
        let must_ring = waiting != 0 && waiting <= self.read + 1;
        if must_ring {
            self.ring.waiting().store(0, Relaxed);
        }
        must_ring
    }

    /// Says that it waits for its doorbell. Returns whether it may; if not, there is more to read. Clear the doorbell
    /// after the wait, then peek.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`], [`RingError::Corrupt`].
    ///
    /// # Panics
    ///
    /// If [`must_ring`](Reader::must_ring) was not asked since the last peek or beginning: both could sleep for ever.
    pub fn sleep(&mut self) -> Result<bool, RingError> {
        self.ring.check_epoch(self.epoch)?;
        assert!(!self.owes_bell, "a reader asks whether to ring before it sleeps");
        self.asleep = true;
        self.ring.asleep().store(1, Relaxed);
        // The writer moves its index and looks at this word then: one of us sees the other.
        fence(SeqCst);
        self.written = self.load_written()?;
        let may_sleep = self.read == self.written;
        if !may_sleep {
            self.wake();
        }
        Ok(may_sleep)
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    fn wake(&mut self) {
        if self.asleep {
            self.asleep = false;
            self.ring.asleep().store(0, Relaxed);
        }
    }

    /// Takes the pieces of the next record up to its last, and says what it is if that one is there.
    fn take_pieces(&mut self) -> Result<Option<(u16, u64)>, RingError> {
        if let Next::Whole { tag, end } = self.next {
            return Ok(Some((tag, end)));
        }
        if matches!(self.next, Next::Nothing) {
            self.trim();
        }
        let mut has_looked = false;
        loop {
            if self.read == self.written {
                // Once only: a writer that is as fast as we are would keep us here.
                if has_looked {
                    return Ok(None);
                }
                has_looked = true;
                self.written = self.load_written()?;
                continue;
            }
            let header = Header::parse(word(self.ring.records(), self.read), self.written - self.read)?;
            self.check_sequence(header)?;
            self.copy_payload(header)?;
            let (tag, end) = (header.tag, self.read + header.framed());
            if header.last {
                self.next = Next::Whole { tag, end };
                return Ok(Some((tag, end)));
            }
            self.next = Next::Pieces { tag };
            self.move_to(end);
        }
    }

    /// May this come next?
    fn check_sequence(&self, header: Header) -> Result<(), RingError> {
        let fits = match self.next {
            Next::Pieces { tag } => !header.first && header.tag == tag,
            _ => header.first,
        };
        if !fits {
            return Err(RingError::Corrupt("a piece of another record"));
        }
        // What announces more and brings nothing would cost time and never come to an end.
        if header.length == 0 && !(header.first && header.last) {
            return Err(RingError::Corrupt("an empty piece"));
        }
        match (self.filled as u64) + u64::from(header.length) > self.record_bytes_max as u64 {
            true => Err(RingError::Corrupt("a record that is longer than any may be")),
            false => Ok(()),
        }
    }

    /// Copies the payload behind what is in the buffer. It lies in the ring, so what this asks of memory was received.
    fn copy_payload(&mut self, header: Header) -> Result<(), RingError> {
        let filled = self.filled + header.length as usize;
        if self.buffer.len() < filled {
            self.buffer.resize(filled, 0);
        }
        let payload_at = self.read + Header::BYTES;
        copy_out(self.ring.records(), payload_at, &mut self.buffer[self.filled..filled]);
        // If it was reset meanwhile, these may be a successor's bytes.
        self.ring.check_epoch(self.epoch)?;
        self.filled = filled;
        Ok(())
    }

    /// A buffer that was needed for a large record is not kept for the small ones.
    fn trim(&mut self) {
        if self.buffer.capacity() > 2 * self.ring.capacity() {
            self.buffer = Vec::new();
        }
    }

    fn move_to(&mut self, index: u64) {
        self.read = index;
        // The writer writes there only after it has seen this, so after our loads.
        self.ring.read().store(index, Release);
        self.owes_bell = true;
    }

    fn load_written(&self) -> Result<u64, RingError> {
        let written = self.ring.written().load(Acquire);
        // Were it reset, its indices would look wrong.
        self.ring.check_epoch(self.epoch)?;
        self.ring.check_indices(self.read, written)?;
        Ok(written)
    }
}

/// A record that is whole and was not begun.
pub struct Peeked<'a> {
    reader: &'a mut Reader,
    tag: u16,
    end: u64,
}

impl<'a> Peeked<'a> {
    /// What the writer called it.
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Its bytes: a copy that nobody else can reach.
    pub fn payload(&self) -> &[u8] {
        &self.reader.buffer[..self.reader.filled]
    }

    /// Begins with it: from now on no successor will get it.
    ///
    /// # Errors
    ///
    /// [`RingError::Stale`]: it was given to a successor.
    pub fn begin(self) -> Result<Record<'a>, RingError> {
        let Peeked { reader, tag, end } = self;
        reader.ring.check_epoch(reader.epoch)?;
        reader.begun = reader.begun.wrapping_add(1);
        reader.ring.begun().store(reader.begun, Relaxed);
        reader.move_to(end);
        reader.next = Next::Nothing;
        let payload_bytes = std::mem::take(&mut reader.filled);
        let more = reader.read < reader.written;
        Ok(Record { tag, payload: &reader.buffer[..payload_bytes], more })
    }
}
