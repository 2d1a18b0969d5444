//! Turns random steps of a ring's two sides, and deaths between them, into everything once, in order and whole.

use std::collections::VecDeque;

use proptest::prelude::{Strategy, any};
use proptest::test_runner::TestCaseError;
use proptest::{collection, prop_assert, prop_assert_eq, prop_oneof, proptest};

use crate::ring::Ring;
use crate::ring::reader::Reader;
use crate::ring::tests::{LIMITS, ends, epoch, next, pair, payload};
use crate::ring::writer::{Kept, Pushed, Writer};

#[derive(Clone, Debug)]
enum Step {
    Push { tag: u16, length: usize, cut: usize },
    Flush,
    Peek,
    Begin,
    Sleep,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![3 => 0..60usize, 1 => 60..260usize, 1 => 240..1024usize];
    prop_oneof![
        6 => (any::<u16>(), length, 0..1024usize).prop_map(|(tag, length, cut)| Step::Push { tag, length, cut }),
        3 => proptest::strategy::Just(Step::Flush),
        2 => proptest::strategy::Just(Step::Peek),
        5 => proptest::strategy::Just(Step::Begin),
        2 => proptest::strategy::Just(Step::Sleep),
        1 => proptest::strategy::Just(Step::Crash),
    ]
}

/// Both ends, and what is under way.
struct Model {
    ring: Ring,
    epoch: u64,
    writer: Writer,
    reader: Reader,
    under_way: VecDeque<Kept>,
    pushed: usize,
    writer_sleeps: bool,
    reader_sleeps: bool,
}

impl Model {
    fn new(capacity: usize) -> Model {
        let (ring, writer, reader) = pair(capacity);
        let under_way = VecDeque::new();
        Model { ring, epoch: 1, writer, reader, under_way, pushed: 0, writer_sleeps: false, reader_sleeps: false }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push { tag, length, cut } => {
                self.pushed += 1;
                self.writer_sleeps = false;
                let record = Kept { tag, payload: payload(self.pushed, length) };
                let (head, tail) = record.payload.split_at(cut.min(length));
                let before = self.writer.kept_bytes();
                match self.writer.push(tag, &[head, tail]).unwrap() {
                    Pushed::Whole | Pushed::Kept => self.under_way.push_back(record),
                    Pushed::Full => prop_assert!(before + length + 64 > LIMITS.kept_bytes_max),
                    Pushed::TooLong => prop_assert!(false, "too long"),
                }
                // What a dead reader left may count more.
                prop_assert!(self.writer.kept_bytes() <= before.max(LIMITS.kept_bytes_max));
            }
            Step::Flush => {
                let _ = self.writer.flush().unwrap();
                self.writer_sleeps = false;
            }
            Step::Peek => {
                if let Some(peeked) = self.reader.peek().unwrap() {
                    let first = self.under_way.front().unwrap();
                    prop_assert_eq!((peeked.tag(), peeked.payload()), (first.tag, &first.payload[..]));
                }
                self.reader_sleeps = false;
            }
            Step::Begin => {
                if let Some(record) = next(&mut self.reader) {
                    prop_assert_eq!(Some(record), self.under_way.pop_front());
                }
                self.reader_sleeps = false;
            }
            Step::Sleep => {
                self.reader_sleeps = self.reader.sleep().unwrap();
                self.writer_sleeps = self.writer.sleep().unwrap();
            }
            Step::Crash => {
                let (ring, number) = (self.ring.clone(), self.epoch + 1);
                let spare = Writer::open(ring.clone(), epoch(self.epoch), LIMITS).unwrap();
                let undelivered = std::mem::replace(&mut self.writer, spare).take_undelivered();
                prop_assert_eq!(undelivered.lost, None);
                prop_assert_eq!(&undelivered.records, &self.under_way.iter().cloned().collect::<Vec<_>>());
                ring.reset(epoch(number));
                (self.writer, self.reader) = ends(&ring, number);
                self.epoch = number;
                self.writer.resume(undelivered.records).unwrap();
                (self.writer_sleeps, self.reader_sleeps) = (false, false);
            }
        }
        self.ring_bells();
        Ok(())
    }

    fn ring_bells(&mut self) {
        self.reader_sleeps &= !self.writer.must_ring();
        self.writer_sleeps &= !self.reader.must_ring();
    }

    /// Each side steps only when it does not sleep; so a bell that is missing would stop them.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        while !self.under_way.is_empty() {
            prop_assert!(!self.reader_sleeps || !self.writer_sleeps, "both sleep");
            if !self.reader_sleeps {
                match next(&mut self.reader) {
                    Some(record) => prop_assert_eq!(Some(record), self.under_way.pop_front()),
                    None => {
                        self.ring_bells();
                        self.reader_sleeps = self.reader.sleep().unwrap();
                    }
                }
            }
            if !self.writer_sleeps {
                let _ = self.writer.flush().unwrap();
                self.ring_bells();
                self.writer_sleeps = self.writer.sleep().unwrap();
            }
        }
        prop_assert!(next(&mut self.reader).is_none());
        prop_assert!(self.writer.flush().unwrap());
        prop_assert_eq!(self.writer.kept_bytes(), 0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn everything_arrives_once_in_order_and_whole(
        steps in collection::vec(step(), 0..200),
        capacity in prop_oneof![64..65usize, 256..257usize, 1024..1025usize],
    ) {
        let mut model = Model::new(capacity);
        for step in steps {
            model.take(step)?;
        }
        model.drain()?;
    }
}
