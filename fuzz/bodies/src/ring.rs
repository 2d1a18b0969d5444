//! A ring between two sides that step in any order, and one side that writes what it should not.

use crate::choices::Choices;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wirewool_ipc::region::Region;
use wirewool_ipc::ring::reader::{Reader, Record};
use wirewool_ipc::ring::writer::{Kept, Limits, Pushed, Undelivered, Writer};
use wirewool_ipc::ring::{Ring, RingError};

const RECORD_BYTES_MAX: usize = 3000;
const LIMITS: Limits = Limits { record_bytes_max: RECORD_BYTES_MAX, kept_bytes_max: 8000 };

/// An input has done enough after so many steps.
const STEPS: usize = 400;

/// What a kept record counts besides its payload.
const KEPT_BYTES: usize = 64;

/// The words of a ring before its records, of which the first of each line is used.
const HEADER_WORDS: usize = Ring::bytes(0) / 8;
const LINE_WORDS: usize = 8;

/// Either both sides are honest, die and are succeeded, and everything arrives; or somebody writes into the memory
/// between their steps, and then each step ends, with an error at worst.
pub fn ring(data: &[u8]) {
    let mut choices = Choices::new(data);
    let hostile = choices.flag();
    let capacity = choices.one_of(&[64, 256, 1024, 4096]);
    let mut ends = Ends::open(capacity);
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        if hostile { ends.step_among_enemies(&mut choices) } else { ends.step(&mut choices) }
    }
    if !hostile {
        ends.drain();
    }
}

fn epoch(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).expect("epochs count from 1")
}

struct Ends {
    region: Arc<Region>,
    ring: Ring,
    epoch: u64,
    /// `None` only while one is succeeded.
    writer: Option<Writer>,
    reader: Reader,
    pushed: usize,
    /// What was accepted and not begun, if both are honest.
    under_way: VecDeque<Kept>,
    writer_waits: bool,
    reader_sleeps: bool,
}

impl Ends {
    fn open(capacity: usize) -> Ends {
        let region = Arc::new(Region::new(Ring::bytes(capacity)).expect("there is memory"));
        let ring = Ring::new(region.clone(), 0, capacity).expect("it fits");
        ring.reset(epoch(1));
        let writer = Writer::open(ring.clone(), epoch(1), LIMITS).expect("it is new");
        let reader = Reader::open(ring.clone(), epoch(1), RECORD_BYTES_MAX).expect("it is new");
        let (writer, under_way) = (Some(writer), VecDeque::new());
        Ends { region, ring, epoch: 1, writer, reader, pushed: 0, under_way, writer_waits: false, reader_sleeps: false }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("it was succeeded")
    }

    fn record(&mut self, choices: &mut Choices<'_>) -> Kept {
        self.pushed += 1;
        let tag = u16::from(choices.byte());
        // Up to 3060 bytes: twelve too many for any record, and eighty or so for the ring.
        let length = usize::from(choices.byte()) * choices.one_of(&[1, 1, 3, 12]);
        let payload = (0..length).map(|place| (self.pushed + place * 7) as u8).collect();
        Kept { tag, payload }
    }

    // ---- both are honest ----

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 8 {
            0..=2 => self.push(choices),
            3 => {
                let _ = self.writer().flush().expect("the reader is honest");
                self.writer_waits = false;
            }
            4 | 5 => drop(self.begin()),
            6 => {
                self.writer_waits = self.writer().sleep().expect("the reader is honest");
                self.reader_sleeps = self.reader.sleep().expect("the writer is honest");
            }
            _ => self.succeed(),
        }
        self.ring_bells();
    }

    fn push(&mut self, choices: &mut Choices<'_>) {
        let record = self.record(choices);
        let (head, tail) = record.payload.split_at(usize::from(choices.byte()).min(record.payload.len()));
        let writer = self.writer.as_mut().expect("it was succeeded");
        let before = writer.kept_bytes();
        let length = record.payload.len();
        match writer.push(record.tag, &[head, tail]).expect("the reader is honest") {
            Pushed::Whole | Pushed::Kept => {
                assert!(length <= RECORD_BYTES_MAX);
                self.under_way.push_back(record);
            }
            Pushed::Full => assert!(before + length + KEPT_BYTES > LIMITS.kept_bytes_max, "there was room"),
            Pushed::TooLong => assert!(length > RECORD_BYTES_MAX),
        }
        // What a dead reader left may count more.
        assert!(writer.kept_bytes() <= before.max(LIMITS.kept_bytes_max));
        self.writer_waits = false;
    }

    /// Was there a record?
    fn begin(&mut self) -> bool {
        self.reader_sleeps = false;
        let Some(peeked) = self.reader.peek().expect("the writer is honest") else { return false };
        let Record { tag, payload, .. } = peeked.begin().expect("nobody reset it");
        let expected = self.under_way.pop_front().expect("somebody pushed it");
        assert_eq!((tag, payload), (expected.tag, &expected.payload[..]));
        true
    }

    /// The reader dies, and another one goes on where it was.
    fn succeed(&mut self) {
        let writer = self.writer.take().expect("it is put back below");
        let Undelivered { records, lost } = writer.take_undelivered();
        assert_eq!((&records, lost), (&Vec::from(self.under_way.clone()), None));
        self.epoch += 1;
        self.ring.reset(epoch(self.epoch));
        assert_eq!(self.reader.peek().err(), Some(RingError::Stale));
        let mut writer = Writer::open(self.ring.clone(), epoch(self.epoch), LIMITS).expect("it was reset");
        writer.resume(records).expect("it was reset");
        self.writer = Some(writer);
        self.reader = Reader::open(self.ring.clone(), epoch(self.epoch), RECORD_BYTES_MAX).expect("it was reset");
        (self.writer_waits, self.reader_sleeps) = (false, false);
    }

    fn ring_bells(&mut self) {
        self.reader_sleeps &= !self.writer().must_ring();
        self.writer_waits &= !self.reader.must_ring();
    }

    /// Each steps only while it is awake, so a bell that is missing would stop them.
    fn drain(&mut self) {
        while !self.under_way.is_empty() {
            assert!(!self.reader_sleeps || !self.writer_waits, "both wait for the other");
            if !self.reader_sleeps && !self.begin() {
                self.ring_bells();
                self.reader_sleeps = self.reader.sleep().expect("the writer is honest");
            }
            if !self.writer_waits {
                let _ = self.writer().flush().expect("the reader is honest");
                self.ring_bells();
                self.writer_waits = self.writer().sleep().expect("the reader is honest");
            }
        }
        assert!(!self.begin(), "nobody pushed that");
        assert_eq!((self.writer().flush(), self.writer().kept_bytes()), (Ok(true), 0));
    }

    // ---- one is not ----

    fn step_among_enemies(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 12 {
            0 | 1 => {
                let record = self.record(choices);
                let writer = self.writer();
                let before = writer.kept_bytes();
                let _ = writer.push(record.tag, &[&record.payload]);
                assert!(writer.kept_bytes() <= before.max(LIMITS.kept_bytes_max));
            }
            2 => drop(self.writer().flush()),
            3 | 4 => {
                let mut count = 0;
                while let Ok(Some(peeked)) = self.reader.peek() {
                    assert!(peeked.payload().len() <= RECORD_BYTES_MAX);
                    let _ = peeked.begin();
                    count += 1;
                    assert!(count <= 2 * self.ring.capacity() / 8, "the ring does not hold so many");
                }
            }
            5 => {
                let _ = (self.writer().must_ring(), self.reader.must_ring());
                let _ = (self.writer().sleep(), self.reader.sleep());
            }
            6 => drop((self.writer().must_ring(), self.reader.must_ring())),
            7 => self.succeed_somehow(),
            8 | 9 => self.write_an_index(choices),
            10 => self.write_a_header(choices),
            _ => {
                let (place, value) = (usize::from(choices.byte()), u64::from(choices.byte()) << 32 | 3);
                let records = self.records();
                records[place % records.len()].store(value, Relaxed);
            }
        }
    }

    /// Nothing is expected of it but an end, and not more than the ring and the writer can have held.
    fn succeed_somehow(&mut self) {
        let writer = self.writer.take().expect("it is put back below");
        let bound = self.ring.capacity() + writer.kept_bytes();
        let Undelivered { records, .. } = writer.take_undelivered();
        assert!(records.iter().map(|record| record.payload.len()).sum::<usize>() <= bound);
        self.epoch += 1;
        self.ring.reset(epoch(self.epoch));
        let mut writer = Writer::open(self.ring.clone(), epoch(self.epoch), LIMITS).expect("it was reset");
        writer.resume(records).expect("it was reset");
        self.writer = Some(writer);
        self.reader = Reader::open(self.ring.clone(), epoch(self.epoch), RECORD_BYTES_MAX).expect("it was reset");
    }

    /// Writes one of the words before the records: anything, or a little more or less than what is there.
    fn write_an_index(&self, choices: &mut Choices<'_>) {
        let lines = HEADER_WORDS / LINE_WORDS;
        let word = &self.region.u64s(0, HEADER_WORDS)[usize::from(choices.byte()) % lines * LINE_WORDS];
        let amount = i64::from(choices.byte() as i8);
        let value = word.load(Relaxed);
        let value = match choices.byte() % 4 {
            0 => value.wrapping_add_signed(amount),
            1 => value.wrapping_add_signed(8 * amount),
            2 => amount.unsigned_abs() << 56,
            _ => amount as u64,
        };
        word.store(value, Relaxed);
    }

    /// Writes a header where the reader looks for one next, and more that may be read.
    fn write_a_header(&self, choices: &mut Choices<'_>) {
        let indices = self.region.u64s(0, HEADER_WORDS);
        let (written, read) = (&indices[0], &indices[LINE_WORDS]);
        let records = self.records();
        let length = u64::from(choices.byte()) * choices.one_of(&[1, 1, 8, 255]);
        let flags = u64::from(choices.byte() % 5);
        let place = (read.load(Relaxed) / 8) as usize % records.len();
        records[place].store(length << 32 | u64::from(choices.byte() % 2) << 16 | flags, Relaxed);
        if choices.flag() {
            let more = 8 + length.next_multiple_of(8);
            written.store(read.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    fn records(&self) -> &[AtomicU64] {
        self.region.u64s(8 * HEADER_WORDS, self.ring.capacity() / 8)
    }
}
