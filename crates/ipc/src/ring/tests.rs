//! Turns pushes, reads, deaths and damage into what each side says about them, case by case.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::region::Region;
use crate::ring::reader::Reader;
use crate::ring::writer::{Kept, Limits, Pushed, Writer};
use crate::ring::{CAPACITY_MAX, CAPACITY_MIN, Ring, RingError};

const RECORD_BYTES_MAX: usize = 2000;
pub(super) const LIMITS: Limits = Limits { record_bytes_max: RECORD_BYTES_MAX, kept_bytes_max: 4000 };

pub(super) fn epoch(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

fn ring(capacity: usize) -> Ring {
    let region = Region::new(Ring::bytes(capacity)).unwrap();
    let ring = Ring::new(Arc::new(region), 0, capacity).unwrap();
    ring.reset(epoch(1));
    ring
}

pub(super) fn ends(ring: &Ring, number: u64) -> (Writer, Reader) {
    let writer = Writer::open(ring.clone(), epoch(number), LIMITS).unwrap();
    (writer, Reader::open(ring.clone(), epoch(number), RECORD_BYTES_MAX).unwrap())
}

pub(super) fn pair(capacity: usize) -> (Ring, Writer, Reader) {
    let ring = ring(capacity);
    let (writer, reader) = ends(&ring, 1);
    (ring, writer, reader)
}

/// A payload that tells its number, its length and each place in it.
pub(super) fn payload(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|place| (number + length + place * 7) as u8).collect()
}

fn record(tag: u16, length: usize) -> Kept {
    Kept { tag, payload: payload(usize::from(tag), length) }
}

fn push(writer: &mut Writer, record: &Kept) -> Pushed {
    writer.push(record.tag, &[&record.payload]).unwrap()
}

pub(super) fn next(reader: &mut Reader) -> Option<Kept> {
    let record = reader.peek().unwrap()?.begin().unwrap();
    Some(Kept { tag: record.tag, payload: record.payload.to_vec() })
}

#[test]
fn has_its_place_in_a_region() {
    let region = Arc::new(Region::new(64 + Ring::bytes(256)).unwrap());
    let opened = |offset, capacity| Ring::new(region.clone(), offset, capacity).is_ok();
    #[rustfmt::skip]
    let cases = [
        // offset, capacity, accepted
        (0,          256,              true),
        (64,         256,              true),
        (64,         CAPACITY_MIN,     true),
        (128,        256,              false),
        (8,          64,               false),
        (0,          512,              false),
        (0,          0,                false),
        (0,          32,               false),
        (0,          96,               false),
        (usize::MAX, 64,               false),
        (0,          2 * CAPACITY_MAX, false),
        (0,          1 << 63,          false),
    ];
    for (offset, capacity, expected) in cases {
        assert_eq!(opened(offset, capacity), expected, "{capacity} bytes at {offset}");
    }
}

#[test]
fn a_record_of_any_length_arrives_at_any_place() {
    let (_, mut writer, mut reader) = pair(256);
    for length in 0..RECORD_BYTES_MAX {
        let sent = record(length as u16, length);
        let mut pushed = push(&mut writer, &sent);
        assert_eq!(pushed == Pushed::Whole, length <= 248, "{length}: {pushed:?}");
        while pushed == Pushed::Kept {
            assert!(reader.peek().unwrap().is_none());
            pushed = if writer.flush().unwrap() { Pushed::Whole } else { Pushed::Kept };
        }
        assert_eq!(reader.peek().unwrap().unwrap().payload(), sent.payload);
        assert_eq!(next(&mut reader), Some(sent));
        assert!(next(&mut reader).is_none() && writer.flush().unwrap());
        assert_eq!(writer.kept_bytes(), 0);
    }
}

#[test]
fn a_record_can_come_in_parts() {
    let (_, mut writer, mut reader) = pair(256);
    for parts in [&[][..], &[&b""[..], b""], &[b"a", b"", b"bcdefghij"], &[b"abcdefgh", b"ij"], &[b"abc", b"de", b"f"]]
    {
        assert_eq!(writer.push(7, parts), Ok(Pushed::Whole));
        assert_eq!(next(&mut reader), Some(Kept { tag: 7, payload: parts.concat() }));
    }
    assert_eq!(writer.push(7, &[&[1; 200], &[2; 200], &[3; 1]]), Ok(Pushed::Kept));
    while !writer.flush().unwrap() {
        assert!(reader.peek().unwrap().is_none());
    }
    assert_eq!(next(&mut reader).unwrap().payload, [&[1; 200][..], &[2; 200], &[3]].concat());
}

#[test]
fn what_is_kept_has_a_bound() {
    let (_, mut writer, mut reader) = pair(256);
    assert_eq!(writer.push(0, &[&[0; 1000], &[0; 1001]]), Ok(Pushed::TooLong));
    assert_eq!(push(&mut writer, &record(1, 248)), Pushed::Whole);
    assert_eq!(writer.kept_bytes(), 0);
    // 4000 bytes, 64 of them for the record.
    assert_eq!(push(&mut writer, &record(2, 1936)), Pushed::Kept);
    assert_eq!(push(&mut writer, &record(3, 1937)), Pushed::Full);
    assert_eq!(push(&mut writer, &record(4, 1936)), Pushed::Kept);
    assert_eq!(writer.kept_bytes(), 4000);
    assert_eq!(push(&mut writer, &record(5, 0)), Pushed::Full);
    for expected in [record(1, 248), record(2, 1936), record(4, 1936)] {
        let mut found = next(&mut reader);
        while found.is_none() {
            let _ = writer.flush().unwrap();
            found = next(&mut reader);
        }
        assert_eq!(found, Some(expected));
    }
    assert!(writer.flush().unwrap() && writer.kept_bytes() == 0);
    assert_eq!(push(&mut writer, &record(6, 0)), Pushed::Whole);
}

#[test]
fn a_large_buffer_is_not_kept() {
    let (_, mut writer, mut reader) = pair(256);
    assert_eq!(push(&mut writer, &record(1, 2000)), Pushed::Kept);
    while next(&mut reader).is_none() {
        let _ = writer.flush().unwrap();
    }
    assert_eq!(push(&mut writer, &record(2, 100)), Pushed::Whole);
    assert_eq!(next(&mut reader), Some(record(2, 100)));
    assert!(reader.buffer_bytes() <= 512, "{} bytes", reader.buffer_bytes());
}

#[test]
fn a_bell_is_owed_to_who_sleeps() {
    let (_, mut writer, mut reader) = pair(256);
    let _ = push(&mut writer, &record(1, 8));
    assert!(!writer.must_ring(), "nobody sleeps");
    assert_eq!(reader.sleep(), Ok(false), "there is a record");
    assert!(!writer.must_ring());
    assert!(next(&mut reader).is_some());
    assert!(!reader.must_ring(), "nobody waits for room");
    assert_eq!(reader.sleep(), Ok(true));
    let _ = push(&mut writer, &record(2, 8));
    assert!(writer.must_ring());
    let _ = push(&mut writer, &record(3, 8));
    assert!(!writer.must_ring(), "once is enough");
    assert_eq!(reader.sleep(), Ok(false));
    // Peeked at, but not begun.
    assert!(next(&mut reader).is_some() && reader.peek().unwrap().is_some());
    assert!(!reader.must_ring());
    assert_eq!(reader.sleep(), Ok(false));
    assert!(next(&mut reader).is_some() && !reader.must_ring());
    assert_eq!(reader.sleep(), Ok(true));
    assert!(reader.peek().unwrap().is_none(), "woken by somebody else");
    let _ = push(&mut writer, &record(3, 8));
    assert!(!writer.must_ring());
}

#[test]
fn a_bell_is_owed_to_who_waits_for_room() {
    let (_, mut writer, mut reader) = pair(256);
    assert_eq!(writer.sleep(), Ok(true), "it waits for nothing");
    for tag in 0..8 {
        assert_eq!(push(&mut writer, &record(tag, 24)), Pushed::Whole);
    }
    assert_eq!(push(&mut writer, &record(8, 24)), Pushed::Kept);
    assert!(!writer.must_ring() && !reader.must_ring());
    assert_eq!(writer.sleep(), Ok(true));
    for tag in 0..8 {
        assert_eq!(next(&mut reader), Some(record(tag, 24)));
        assert_eq!(reader.must_ring(), tag == 3, "when half of the ring is free");
    }
    assert_eq!(writer.sleep(), Ok(false), "there is room");
    assert_eq!(writer.flush(), Ok(true));
    assert!(!writer.must_ring() && !reader.must_ring());
    assert_eq!(writer.sleep(), Ok(true));
}

#[test]
fn a_bell_is_owed_for_what_went_in_pieces() {
    let (_, mut writer, mut reader) = pair(256);
    assert_eq!(push(&mut writer, &record(1, 300)), Pushed::Kept);
    assert!(!writer.must_ring());
    assert_eq!(writer.sleep(), Ok(true));
    assert!(reader.peek().unwrap().is_none());
    assert!(reader.must_ring());
    assert_eq!(writer.flush(), Ok(true));
    assert_eq!(writer.kept_bytes(), 364);
    assert!(!writer.must_ring());
    assert_eq!(writer.sleep(), Ok(true));
    assert!(reader.peek().unwrap().is_some());
    assert!(!reader.must_ring());
    assert!(next(&mut reader).is_some());
    assert!(reader.must_ring());
    assert_eq!(writer.flush(), Ok(true));
    assert_eq!(writer.kept_bytes(), 0);
}

#[test]
#[should_panic = "a writer asks whether to ring before it sleeps"]
fn a_writer_does_not_forget_its_reader() {
    let (_, mut writer, _) = pair(256);
    let _ = push(&mut writer, &record(1, 8));
    let _ = writer.sleep();
}

#[test]
#[should_panic = "a reader asks whether to ring before it sleeps"]
fn a_reader_does_not_forget_its_writer() {
    let (_, mut writer, mut reader) = pair(256);
    let _ = push(&mut writer, &record(1, 8));
    assert!(next(&mut reader).is_some());
    let _ = reader.sleep();
}

#[test]
fn an_old_epoch_stops() {
    let (ring, mut writer, mut reader) = pair(256);
    let _ = push(&mut writer, &record(1, 8));
    let peeked = reader.peek().unwrap().unwrap();
    ring.reset(epoch(2));
    assert_eq!(peeked.begin(), Err(RingError::Stale));
    assert_eq!(reader.peek().err(), Some(RingError::Stale));
    assert_eq!(reader.sleep(), Err(RingError::Stale));
    assert_eq!(writer.push(2, &[]), Err(RingError::Stale));
    assert_eq!(writer.flush(), Err(RingError::Stale));
    assert_eq!(writer.sleep(), Err(RingError::Stale));
    assert_eq!(writer.take_undelivered().lost, Some(RingError::Stale));
    assert_eq!(Writer::open(ring.clone(), epoch(1), LIMITS).err(), Some(RingError::Stale));
    assert_eq!(Reader::open(ring.clone(), epoch(3), 9).err(), Some(RingError::Stale));
    let (mut writer, mut reader) = ends(&ring, 2);
    assert!(next(&mut reader).is_none());
    let _ = push(&mut writer, &record(3, 8));
    // Each end can pass to another owner.
    let (_, mut reader) = ends(&ring, 2);
    assert_eq!(next(&mut reader), Some(record(3, 8)));
}

#[test]
fn damage_is_found() {
    let whole = |length: u64| length << 32 | 3;
    #[rustfmt::skip]
    let cases = [
        // the words from the write index on, and what the write index is set to, from 0
        (vec![],                       256 + 8,            "more unread than the ring holds"),
        (vec![],                       4,                  "an index inside a word"),
        (vec![],                       u64::MAX - 7,       "a write index that nobody reaches"),
        (vec![],                       1 << 62,            "more unread than the ring holds"),
        (vec![whole(0) | 4],           8,                  "no header where one should be"),
        (vec![u64::MAX],               8,                  "no header where one should be"),
        (vec![whole(1)],               8,                  "a record that is longer than what was written"),
        (vec![whole(249)],             256,                "a record that is longer than what was written"),
        (vec![whole(u32::MAX.into())], 256,                "a record that is longer than what was written"),
        (vec![whole(201)],             256,                "a record that is longer than any may be"),
        (vec![1],                      8,                  "an empty piece"),
        (vec![0],                      8,                  "a piece of another record"),
        (vec![2],                      8,                  "a piece of another record"),
        (vec![8 << 32 | 1, 0, 3],      24,                 "a piece of another record"),
        (vec![8 << 32 | 1, 0, 1 << 32 | 1 << 16 | 2, 0], 32, "a piece of another record"),
        (vec![8 << 32 | 1, 0, 2],      24,                 "an empty piece"),
        (vec![199 << 32 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 32 | 2, 0],
                                       224,                "a record that is longer than any may be"),
    ];
    for (words, written, expected) in cases {
        let ring = ring(256);
        let mut reader = Reader::open(ring.clone(), epoch(1), 200).unwrap();
        for (word, value) in ring.records().iter().zip(&words) {
            word.store(*value, Relaxed);
        }
        ring.written().store(written, Relaxed);
        // And it stays like that.
        for _ in 0..2 {
            assert_eq!(reader.peek().err(), Some(RingError::Corrupt(expected)), "{words:x?}");
        }
    }
}

#[test]
fn the_writer_finds_damage() {
    #[rustfmt::skip]
    let cases = [
        // what the read index is set to: it was at 32, and the write index is at 256 + 32
        (0,            "more unread than the ring holds"),
        (24,           "more unread than the ring holds"),
        (33,           "an index inside a word"),
        (256 + 40,     "a read index ahead of the write index"),
        (u64::MAX - 7, "a read index ahead of the write index"),
    ];
    for (read, expected) in cases {
        let (ring, mut writer, mut reader) = pair(256);
        let _ = push(&mut writer, &record(0, 24));
        assert!(next(&mut reader).is_some());
        for tag in 0..8 {
            assert_eq!(push(&mut writer, &record(tag, 24)), Pushed::Whole);
        }
        assert_eq!(push(&mut writer, &record(8, 24)), Pushed::Kept);
        ring.read().store(read, Relaxed);
        let error = RingError::Corrupt(expected);
        assert_eq!(writer.flush(), Err(error), "{read}");
        assert_eq!(writer.push(9, &[]), Err(error));
        assert!(!writer.must_ring());
        assert_eq!(writer.sleep(), Err(error));
        let undelivered = writer.take_undelivered();
        assert_eq!((undelivered.records, undelivered.lost), (vec![record(8, 24)], Some(error)));
    }
    let (ring, mut writer, mut reader) = pair(256);
    for length in [240, 40] {
        assert_eq!(push(&mut writer, &record(0, length)), Pushed::Whole);
        assert!(next(&mut reader).is_some());
    }
    // It had seen 248 when it wrote the second.
    ring.read().store(64, Relaxed);
    assert_eq!(writer.push(0, &[&[0; 240]]), Err(RingError::Corrupt("a read index that went back")));
}

#[test]
fn what_may_have_been_begun_does_not_come_again() {
    let (ring, mut writer, mut reader) = pair(256);
    assert_eq!(push(&mut writer, &record(1, 300)), Pushed::Kept);
    while !writer.flush().unwrap() {
        assert!(reader.peek().unwrap().is_none());
    }
    assert!(next(&mut reader).is_some());
    ring.read().store(u64::MAX, Relaxed);
    let undelivered = writer.take_undelivered();
    assert_eq!((undelivered.records, undelivered.lost), (vec![], Some(RingError::Corrupt("an index inside a word"))));
}

#[test]
fn undelivered_records_have_not_been_begun() {
    let all = [record(1, 10), record(2, 300), record(3, 5), record(4, 700), record(5, 0), record(6, 30)];
    // Dies after so many steps, at any place of the ring.
    for place in [0, 17, 200] {
        for steps in 0.. {
            let (ring, mut writer, mut reader) = pair(256);
            let _ = push(&mut writer, &record(0, place));
            assert!(next(&mut reader).is_some());
            assert!(all.iter().all(|record| push(&mut writer, record) != Pushed::Full));
            let mut begun = 0;
            for step in 0..steps {
                if reader.peek().unwrap().is_some() && step % 2 == 0 {
                    assert_eq!(next(&mut reader).as_ref(), all.get(begun));
                    begun += 1;
                }
                let _ = writer.flush().unwrap();
            }
            let undelivered = writer.take_undelivered();
            assert_eq!((&undelivered.records[..], undelivered.lost), (&all[begun..], None), "after {steps} steps");
            ring.reset(epoch(2));
            let (mut writer, mut reader) = ends(&ring, 2);
            writer.resume(undelivered.records).unwrap();
            while begun < all.len() {
                match next(&mut reader) {
                    Some(found) => {
                        assert_eq!(found, all[begun]);
                        begun += 1;
                    }
                    None => assert!(writer.flush().is_ok()),
                }
            }
            if steps > 100 {
                break;
            }
        }
    }
}

#[test]
fn the_last_record_is_known_again() {
    let (_, mut writer, mut reader) = pair(256);
    assert!(!writer.last_is(1, 0, &[b""]));
    // In the ring, across its end, waiting, and in pieces: wherever the last one is.
    for length in [0, 1, 8, 40, 90, 90, 200, 1500, 1900] {
        let bytes = payload(3, length);
        let pushed = writer.push(3, &[&bytes]).unwrap();
        let (head, tail) = bytes.split_at(length / 3);
        for skip in [0, head.len() / 2, head.len()] {
            assert!(writer.last_is(3, skip, &[&head[skip..], &[], tail]), "{length} from {skip}: {pushed:?}");
            assert!(!writer.last_is(4, skip, &[&head[skip..], tail]));
            assert!(!writer.last_is(3, skip, &[&head[skip..], tail, b"x"]));
            let mut other = bytes.clone();
            if let Some(last) = other.last_mut() {
                *last ^= 1;
                assert!(!writer.last_is(3, skip, &[&other[skip..]]));
            }
        }
        while !writer.flush().unwrap() || reader.has_unread() || next(&mut reader).is_some() {
            next(&mut reader);
        }
    }
}
