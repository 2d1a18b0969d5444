//! Turns each meeting of a ring's two sides into all the orders in which their loads and stores can take effect.
//!
//! `make loom` runs these. No side waits for the other here: what it may have missed is looked at when both are done.

use std::num::NonZeroU64;
use std::sync::Arc;

use loom::model;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use crate::region::Region;
use crate::ring::reader::Reader;
use crate::ring::writer::{Limits, Pushed, Writer};
use crate::ring::{CAPACITY_MIN, Ring, RingError};

const LIMITS: Limits = Limits { record_bytes_max: 64, kept_bytes_max: 1000 };

/// So many records of a word each fill the ring.
const FULL: u64 = CAPACITY_MIN as u64 / 16;

fn epoch(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

fn pair() -> (Ring, Writer, Reader) {
    open(Region::with_owned(Ring::bytes(0), Ring::bytes(CAPACITY_MIN)))
}

fn open(region: Region) -> (Ring, Writer, Reader) {
    let ring = Ring::new(Arc::new(region), 0, CAPACITY_MIN).unwrap();
    ring.reset(epoch(1));
    let writer = Writer::open(ring.clone(), epoch(1), LIMITS).unwrap();
    let reader = Reader::open(ring.clone(), epoch(1), LIMITS.record_bytes_max).unwrap();
    (ring, writer, reader)
}

fn push(writer: &mut Writer, number: u64) -> Pushed {
    writer.push(number as u16, &[&number.to_ne_bytes()]).unwrap()
}

fn next(reader: &mut Reader) -> Option<u64> {
    let record = reader.peek().unwrap()?.begin().unwrap();
    let number = u64::from_ne_bytes(record.payload.try_into().unwrap());
    assert_eq!(number as u16, record.tag);
    Some(number)
}

#[test]
fn what_is_published_is_there() {
    model(|| {
        let (_, mut writer, mut reader) = pair();
        let pushing = thread::spawn(move || {
            assert_eq!(push(&mut writer, 1), Pushed::Whole);
            assert_eq!(push(&mut writer, 2), Pushed::Whole);
        });
        let mut found: Vec<u64> = (0..2).filter_map(|_| next(&mut reader)).collect();
        pushing.join().unwrap();
        found.extend(std::iter::from_fn(|| next(&mut reader)));
        assert_eq!(found, [1, 2]);
    });
}

#[test]
fn room_is_free_when_its_record_was_read() {
    model(|| {
        let (_, mut writer, mut reader) = pair();
        (1..=FULL).for_each(|number| assert_eq!(push(&mut writer, number), Pushed::Whole));
        let pushing = thread::spawn(move || {
            let _ = push(&mut writer, FULL + 1);
            let _ = push(&mut writer, FULL + 2);
            writer
        });
        let mut found: Vec<u64> = (0..2).filter_map(|_| next(&mut reader)).collect();
        let mut writer = pushing.join().unwrap();
        assert!(writer.flush().unwrap());
        found.extend(std::iter::from_fn(|| next(&mut reader)));
        assert_eq!(found, (1..=FULL + 2).collect::<Vec<_>>());
    });
}

#[test]
fn pieces_make_a_whole() {
    model(|| {
        let (_, mut writer, mut reader) = pair();
        let pushing = thread::spawn(move || {
            let _ = writer.push(7, &[b"in pieces: two rings", b" full, or nearly so, of a text of 64 bytes"]).unwrap();
            writer
        });
        let early = reader.peek().unwrap().is_some();
        let mut writer = pushing.join().unwrap();
        assert!(!early, "the ring has no room for all of it");
        while reader.peek().unwrap().is_none() {
            let _ = writer.flush().unwrap();
        }
        let record = reader.peek().unwrap().unwrap().begin().unwrap();
        assert_eq!(record.payload, b"in pieces: two rings full, or nearly so, of a text of 64 bytes");
    });
}

#[test]
fn a_reader_does_not_sleep_through_a_record() {
    model(|| {
        let (_, mut writer, mut reader) = pair();
        let _ = push(&mut writer, 1);
        let bell = Arc::new(AtomicBool::new(false));
        let ringing = thread::spawn({
            let bell = bell.clone();
            move || {
                let _ = push(&mut writer, 2);
                if writer.must_ring() {
                    bell.store(true, Relaxed);
                }
            }
        });
        assert_eq!(next(&mut reader), Some(1));
        assert!(!reader.must_ring());
        let sleeps = reader.sleep().unwrap();
        ringing.join().unwrap();
        assert!(!sleeps || bell.load(Relaxed), "it sleeps, and nobody rings");
        assert_eq!(next(&mut reader), Some(2));
    });
}

#[test]
fn a_writer_does_not_wait_for_room_that_is_there() {
    model(|| {
        let (_, mut writer, mut reader) = pair();
        (1..=FULL).for_each(|number| assert_eq!(push(&mut writer, number), Pushed::Whole));
        assert_eq!(push(&mut writer, FULL + 1), Pushed::Kept);
        let bell = Arc::new(AtomicBool::new(false));
        let ringing = thread::spawn({
            let bell = bell.clone();
            move || {
                for number in 1..=FULL {
                    assert_eq!(next(&mut reader), Some(number));
                }
                if reader.must_ring() {
                    bell.store(true, Relaxed);
                }
                reader
            }
        });
        assert!(!writer.must_ring());
        let waits = writer.sleep().unwrap();
        let mut reader = ringing.join().unwrap();
        assert!(!waits || bell.load(Relaxed), "it waits, and nobody rings");
        assert!(writer.flush().unwrap());
        assert_eq!(next(&mut reader), Some(FULL + 1));
    });
}

#[test]
fn an_old_epoch_reads_nothing_of_a_new_one() {
    model(|| {
        // Who resets does not wait for the readers: they look at the epoch when they are done.
        let (ring, mut writer, mut reader) = open(Region::new(Ring::bytes(CAPACITY_MIN)).unwrap());
        let _ = push(&mut writer, 1);
        let resetting = thread::spawn(move || {
            ring.reset(epoch(2));
            let mut writer = Writer::open(ring, epoch(2), LIMITS).unwrap();
            let _ = push(&mut writer, 2);
        });
        match reader.peek() {
            Ok(Some(record)) => assert_eq!(record.payload(), 1u64.to_ne_bytes()),
            Ok(None) => panic!("there was one"),
            Err(error) => assert_eq!(error, RingError::Stale),
        }
        resetting.join().unwrap();
    });
}
