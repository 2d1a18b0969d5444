//! Turns rings between real processes into checks of what arrives, also when one of them is killed.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

#[allow(dead_code, reason = "the other tests need more of it")]
mod children;

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::process::{Ended, kill};
use wirewool_ipc::region::Region;
use wirewool_ipc::ring::Ring;
use wirewool_ipc::ring::reader::{Reader, Record};
use wirewool_ipc::ring::writer::{Limits, Pushed, Writer};
use wirewool_ipc::signal::Signal;

use children::{Child, readable, spawn};

const MIB: usize = 1 << 20;
const LIMITS: Limits = Limits { record_bytes_max: 16 * MIB, kept_bytes_max: 40 * MIB };

const CHECKS: [(&str, fn()); 3] = [
    ("messages of any size cross two rings and come back", messages_come_back),
    ("a process that writes anything anywhere stops nobody", vandals_are_survived),
    ("a killed reader's successor gets what it had not begun", successors_go_on),
];

fn main() {
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
}

fn ring(capacity: usize) -> Ring {
    let region = Region::new(Ring::bytes(capacity)).unwrap();
    let ring = Ring::new(Arc::new(region), 0, capacity).unwrap();
    ring.reset(epoch(1));
    ring
}

fn epoch(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// One process's ends of two rings, and the doorbells of both.
struct Link<'a> {
    writer: Writer,
    reader: Reader,
    own: &'a Doorbell,
    other: &'a Doorbell,
}

impl<'a> Link<'a> {
    fn open(out: &Ring, back: &Ring, own: &'a Doorbell, other: &'a Doorbell) -> Link<'a> {
        let writer = Writer::open(out.clone(), epoch(1), LIMITS).unwrap();
        let reader = Reader::open(back.clone(), epoch(1), LIMITS.record_bytes_max).unwrap();
        Link { writer, reader, own, other }
    }

    /// Flushes and reads until `handle` says that it has seen the last record, and the other side has begun with all
    /// that was pushed.
    fn run(&mut self, mut handle: impl FnMut(&mut Writer, Record<'_>) -> bool) {
        let mut goes_on = true;
        while goes_on || !self.writer.flush().unwrap() {
            while goes_on && let Some(peeked) = self.reader.peek().unwrap() {
                goes_on = handle(&mut self.writer, peeked.begin().unwrap());
                self.ring();
            }
            let _ = self.writer.flush().unwrap();
            self.ring();
            let may_sleep = self.writer.sleep().unwrap() & (!goes_on || self.reader.sleep().unwrap());
            if goes_on && may_sleep {
                assert!(readable(self.own), "no bell rings");
                self.own.clear();
            }
        }
        self.ring();
    }

    fn ring(&mut self) {
        if self.writer.must_ring() | self.reader.must_ring() {
            self.other.ring();
        }
    }
}

fn checksum(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(payload);
    hasher.finish()
}

fn messages_come_back() {
    let sizes = [0, 1, 100, 16 * MIB, 1000, 65528, 65536, 16 * MIB, 70_000, 5, MIB, 16 * MIB - 1, 3];
    let (there, back) = (ring(64 << 10), ring(64 << 10));
    let (parents, childs) = (Doorbell::new().unwrap(), Doorbell::new().unwrap());
    let child = spawn(|_| {
        let mut left = sizes.len();
        Link::open(&back, &there, &childs, &parents).run(|writer, record| {
            assert_ne!(writer.push(record.tag, &[record.payload]), Ok(Pushed::Full));
            left -= 1;
            left > 0
        });
    });
    let mut link = Link::open(&there, &back, &parents, &childs);
    let mut random = Random(7);
    let mut sums = Vec::new();
    let mut next = 0;
    // Two of the large ones at most are on their way: that is what each side may keep.
    let mut push = |writer: &mut Writer, sums: &mut Vec<u64>| {
        if let Some(size) = sizes.get(next) {
            let payload: Vec<u8> =
                (0..size.div_ceil(8)).flat_map(|_| random.next().to_ne_bytes()).take(*size).collect();
            sums.push(checksum(&payload));
            let (head, tail) = payload.split_at(size / 3);
            assert!(matches!(writer.push(next as u16, &[head, tail]), Ok(Pushed::Whole | Pushed::Kept)));
            next += 1;
        }
    };
    push(&mut link.writer, &mut sums);
    push(&mut link.writer, &mut sums);
    let mut seen = 0;
    link.run(|writer, record| {
        assert_eq!((usize::from(record.tag), record.payload.len()), (seen, sizes[seen]));
        assert_eq!(checksum(record.payload), sums[seen], "message {seen}");
        seen += 1;
        push(writer, &mut sums);
        seen < sizes.len()
    });
    assert_eq!(child.join().1, Ended::Exited(0));
}

/// The tag of the last record.
const END: u16 = 1;

fn successors_go_on() {
    const RECORDS: usize = 4000;
    const DEATHS: u64 = 40;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let ring = ring(4096);
    let bells = [Doorbell::new().unwrap(), Doorbell::new().unwrap()];
    let open = |number| Writer::open(ring.clone(), epoch(number), LIMITS).unwrap();
    let mut writer = open(1);
    let mut begun: Vec<usize> = Vec::new();
    let mut next = 0;
    for number in 1..=DEATHS {
        let child = spawn(|answer| read_and_tell(&ring, number, &bells, answer));
        let turns = random.next() % 2000;
        for _ in 0..turns {
            // Keeps some records waiting, in the ring and behind it.
            while writer.kept_bytes() < 10_000 && next < RECORDS {
                let size = random.next() as usize % [30, 30, 300, 10_000][random.next() as usize % 4];
                let payload = vec![next as u8; size];
                assert_ne!(writer.push(0, &[&next.to_ne_bytes(), &payload]), Ok(Pushed::Full));
                next += 1;
            }
            let _ = writer.flush().unwrap();
            if writer.must_ring() {
                bells[1].ring();
            }
        }
        kill(child.pid, Signal::Kill).unwrap();
        let died = collect(child, &mut begun);
        assert_eq!(died, Ended::Killed(9), "seed {seed}");
        let undelivered = writer.take_undelivered();
        assert_eq!(undelivered.lost, None);
        // It can have died between its beginning with a record and its telling of that.
        let told = begun.last().map_or(0, |last| last + 1);
        let first = undelivered.records.first().map_or(next, |record| number_of(&record.payload));
        assert!(first == told || first == told + 1, "told of {told}, but {first} comes next; seed {seed}");
        if first > told {
            begun.push(told);
        }
        let numbers: Vec<usize> = undelivered.records.iter().map(|record| number_of(&record.payload)).collect();
        assert_eq!(numbers, (first..next).collect::<Vec<_>>(), "seed {seed}");
        ring.reset(epoch(number + 1));
        writer = open(number + 1);
        writer.resume(undelivered.records).unwrap();
    }
    let child = spawn(|answer| read_and_tell(&ring, DEATHS + 1, &bells, answer));
    let _ = writer.push(END, &[]).unwrap();
    while !writer.flush().unwrap() {
        if writer.must_ring() {
            bells[1].ring();
        }
        if writer.sleep().unwrap() {
            assert!(readable(&bells[0]));
            bells[0].clear();
        }
    }
    if writer.must_ring() {
        bells[1].ring();
    }
    assert_eq!(collect(child, &mut begun), Ended::Exited(0));
    assert_eq!(begun, (0..next).collect::<Vec<_>>(), "seed {seed}");
}

/// A child that has gone mad, while its parent uses a ring in the same memory.
fn vandals_are_survived() {
    const CAPACITY: usize = 1024;
    const RECORD_BYTES_MAX: usize = 5000;
    let limits = Limits { record_bytes_max: RECORD_BYTES_MAX, kept_bytes_max: 20_000 };
    let region = Arc::new(Region::new(Ring::bytes(CAPACITY)).unwrap());
    let ring = Ring::new(region.clone(), 0, CAPACITY).unwrap();
    let child = spawn(|_| {
        let words = region.u64s(0, region.bytes() / 8);
        let mut random = Random(3);
        loop {
            let word = &words[random.next() as usize % words.len()];
            // Values that are likely to be taken for an index or a header, among others.
            let value = match random.next() % 4 {
                0 => word.load(Relaxed).wrapping_add_signed(8 * (random.next() % 9) as i64 - 32),
                1 => 8 * (random.next() % 300),
                2 => ((random.next() % 2000) << 32) | (random.next() % 4),
                _ => random.next(),
            };
            word.store(value, Relaxed);
        }
    });
    let mut random = Random(5);
    let (mut arrived, mut errors) = (0, 0);
    for number in 1.. {
        // On a busy machine the child may not have begun yet.
        if number > 3000 && arrived > 0 && errors > 0 {
            break;
        }
        assert!(number < 10_000_000, "{arrived} records arrived, {errors} errors");
        ring.reset(epoch(number));
        let Ok(mut writer) = Writer::open(ring.clone(), epoch(number), limits) else { continue };
        let Ok(mut reader) = Reader::open(ring.clone(), epoch(number), RECORD_BYTES_MAX) else { continue };
        for _ in 0..20 {
            let pushed = writer.push(7, &[&[1; 3000][..random.next() as usize % 3000]]);
            for _ in 0..100 {
                match reader.peek() {
                    Ok(Some(peeked)) => {
                        assert!(peeked.payload().len() <= RECORD_BYTES_MAX);
                        arrived += usize::from(peeked.begin().is_ok());
                    }
                    Ok(None) => break,
                    Err(_) => errors += 1,
                }
            }
            let _ = (writer.flush(), writer.must_ring(), reader.must_ring(), writer.sleep(), reader.sleep());
            errors += usize::from(pushed.is_err());
            assert!(writer.kept_bytes() <= limits.kept_bytes_max);
        }
        let kept_bytes = writer.kept_bytes();
        let undelivered = writer.take_undelivered();
        let bytes: usize = undelivered.records.iter().map(|record| record.payload.len()).sum();
        assert!(bytes <= CAPACITY + kept_bytes);
    }
    kill(child.pid, Signal::Kill).unwrap();
    assert_eq!(child.join().1, Ended::Killed(9));
}

fn number_of(payload: &[u8]) -> usize {
    let (number, rest) = payload.split_first_chunk().unwrap();
    let number = usize::from_ne_bytes(*number);
    assert!(rest.iter().all(|byte| *byte == number as u8), "what was in record {number} is spoilt");
    number
}

/// Begins with one record after another and tells of each, until the last or its death.
fn read_and_tell(ring: &Ring, number: u64, bells: &[Doorbell; 2], mut answer: impl Write) {
    let mut reader = Reader::open(ring.clone(), epoch(number), LIMITS.record_bytes_max).unwrap();
    loop {
        while let Some(peeked) = reader.peek().unwrap() {
            let record = peeked.begin().unwrap();
            if record.tag == END {
                return;
            }
            // In one write, of which nobody sees half.
            answer.write_all(format!("{}\n", number_of(record.payload)).as_bytes()).unwrap();
        }
        if reader.must_ring() {
            bells[0].ring();
        }
        if reader.sleep().unwrap() {
            assert!(readable(&bells[1]));
            bells[1].clear();
        }
    }
}

fn collect(child: Child, begun: &mut Vec<usize>) -> Ended {
    let (answer, end) = child.join();
    begun.extend(answer.lines().map(|line| line.parse::<usize>().unwrap()));
    end
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
