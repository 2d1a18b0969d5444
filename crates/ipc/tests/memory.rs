//! Turns processes that are killed while they write into checks of what is left of the shared memory.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

#[allow(dead_code, reason = "masks are for the tests of signals")]
mod children;

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use wirewool_ipc::atomics::Atomics;
use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::process::{Ended, kill};
use wirewool_ipc::shared_table::SharedTable;
use wirewool_ipc::shared_table::cursor::Cursor;
use wirewool_ipc::shared_table::key::Key;
use wirewool_ipc::shared_table::value::{Kind, Value};
use wirewool_ipc::signal::Signal;

use children::{Child, PATIENCE_S, readable, spawn};

const CHECKS: [(&str, fn()); 6] = [
    ("counters of several processes add up", counters_add_up),
    ("rows of several processes add up", rows_add_up),
    ("a process is woken by another one", waiters_are_woken),
    ("a number made after the fork is another one", later_numbers_are_not_shared),
    ("a killed waiter does not keep the others waiting", killed_waiters_are_no_harm),
    ("writers that are killed leave a whole table", killed_writers_leave_whole_tables),
];

const LONG: Option<Duration> = Some(Duration::from_secs(PATIENCE_S.unsigned_abs()));

fn main() {
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
}

fn counters_add_up() {
    const TURNS: u32 = 50_000;
    let mut atomics = Atomics::default();
    let (small, large) = (atomics.u32(u32::MAX - 1000).unwrap(), atomics.i64(0).unwrap());
    let children = [0; 4].map(|_| {
        spawn(|_| {
            for _ in 0..TURNS {
                small.add(1);
                large.add(-1);
            }
        })
    });
    children.into_iter().for_each(|child| assert_eq!(child.join().1, Ended::Exited(0)));
    assert_eq!(small.get(), (u32::MAX - 1000).wrapping_add(4 * TURNS));
    assert_eq!(large.get(), -4 * i64::from(TURNS));
}

fn rows_add_up() {
    const TURNS: i64 = 20_000;
    let table = SharedTable::new(64, 0.2, vec![Kind::Int, Kind::Float]).unwrap();
    let children = [0; 4].map(|_| {
        spawn(|_| {
            for turn in 0..TURNS {
                table.add(&key(format!("{}", turn % 10)), 0, &Value::Int(1)).unwrap();
                table.add(&key("all"), 1, &Value::Float(0.5)).unwrap();
            }
        })
    });
    children.into_iter().for_each(|child| assert_eq!(child.join().1, Ended::Exited(0)));
    for number in 0..10 {
        assert_eq!(table.value(&key(format!("{number}")), 0), Ok(Some(Value::Int(4 * TURNS / 10))));
    }
    assert_eq!(table.value(&key("all"), 1), Ok(Some(Value::Float(2.0 * TURNS as f64))));
    assert_eq!(table.count(), Ok(11));
}

fn waiters_are_woken() {
    let mut atomics = Atomics::default();
    let (there, back) = (atomics.u32(0).unwrap(), atomics.u32(0).unwrap());
    let child = spawn(|_| {
        for _ in 0..1000 {
            assert!(there.wait(LONG));
            back.wake(1);
        }
    });
    for _ in 0..1000 {
        there.wake(1);
        assert!(back.wait(LONG));
    }
    assert_eq!(child.join().1, Ended::Exited(0));
}

fn later_numbers_are_not_shared() {
    let mut atomics = Atomics::default();
    let shared = atomics.u32(0).unwrap();
    let child = spawn(|mut answer| {
        let own = atomics.u32(7).unwrap();
        shared.wake(1);
        own.wait(None);
        write!(answer, "{}", own.add(35)).unwrap();
    });
    assert!(shared.wait(LONG));
    let own = atomics.u32(100).unwrap();
    assert_eq!((child.join().0.as_str(), own.get()), ("41", 100));
}

fn killed_waiters_are_no_harm() {
    let number = Atomics::default().u32(0).unwrap();
    let waiting = Doorbell::new().unwrap();
    let wait = |_| {
        waiting.ring();
        number.wait(None);
    };
    let killed = [0; 3].map(|_| spawn(wait));
    for child in killed {
        assert!(readable(&waiting));
        kill_now(child);
    }
    let child = spawn(|_| assert!(number.wait(LONG)));
    number.wake(1);
    assert_eq!(child.join().1, Ended::Exited(0));
    assert_eq!(number.get(), 0);
}

fn kill_now(child: Child) {
    kill(child.pid, Signal::Kill).unwrap();
    assert_eq!(child.join().1, Ended::Killed(9));
}

fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name.as_ref()).unwrap()
}

// ---- a table and its writers ----

const NAMES: u64 = 60;
const KINDS: [Kind; 4] = [Kind::Int, Kind::Text { bytes_max: 100 }, Kind::Float, Kind::Int];
const WRITERS: u64 = 3;
const ROUNDS: u64 = 200;

/// What a row holds says whether it is whole: all of it follows from one number.
fn values(number: i64) -> Vec<(usize, Value)> {
    let length = number.unsigned_abs() as usize % 101;
    let text = vec![b'a' + (number % 26) as u8; length];
    vec![(0, Value::Int(number)), (1, Value::Text(text)), (2, Value::Float(number as f64 / 4.0))]
}

fn is_whole(row: &[Value]) -> bool {
    let Value::Int(number) = row[0] else { return false };
    values(number).iter().all(|(column, value)| row[*column] == *value)
}

/// Names for `writer` alone, so that it knows what must be there.
fn own_name(writer: u64, number: u64) -> Key {
    key(format!("writer {writer} number {number}"))
}

/// Writes until it is killed.
fn write_for_ever(table: &SharedTable, writer: u64, mut seed: u64) {
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    loop {
        let shared = key(format!("shared {}", random(NAMES)));
        let own = own_name(writer, random(NAMES));
        let number = random(1 << 30) as i64;
        table.set(&shared, &values(number)).unwrap();
        table.set(&own, &values(number)).unwrap();
        table.add(&key("sum"), 0, &Value::Int(1)).unwrap();
        table.add(&own, 3, &Value::Int(1)).unwrap();
        assert!(table.get(&own).unwrap().is_some_and(|row| is_whole(&row)));
        if random(2) == 0 {
            table.remove(&shared).unwrap();
        }
        if random(3) == 0 {
            assert!(table.remove(&own).unwrap());
        }
        assert!(table.get(&shared).unwrap().is_none_or(|row| is_whole(&row)));
    }
}

fn rows(table: &SharedTable) -> BTreeMap<Vec<u8>, Vec<Value>> {
    let mut rows = BTreeMap::new();
    let mut cursor = Cursor::default();
    while let Some((key, row)) = cursor.next(table).unwrap() {
        assert!(rows.insert(key.bytes().to_vec(), row).is_none(), "a row comes twice");
    }
    rows
}

/// Few buckets, so that chains are long and locks contended; enough room for all.
fn killed_writers_leave_whole_tables() {
    let table = SharedTable::new(256, 0.2, KINDS.to_vec()).unwrap();
    for number in 0..20 {
        table.set(&key(format!("untouched {number}")), &values(number)).unwrap();
    }
    let spawn_writer = |writer, round| spawn(|_| write_for_ever(&table, writer, writer << 32 | round));
    let mut writers: Vec<Child> = (0..WRITERS).map(|writer| spawn_writer(writer, 0)).collect();
    let mut sum = 0;
    for round in 1..=ROUNDS {
        let before = progress(&table, sum);
        let writer = round % WRITERS;
        kill_now(writers.remove(writer as usize));
        // The others go on whatever the dead one held, and no row of anybody's is torn.
        sum = progress(&table, before);
        for (name, row) in rows(&table) {
            assert!(name == b"sum" || is_whole(&row), "{}: {row:?}", name.escape_ascii());
        }
        writers.insert(writer as usize, spawn_writer(writer, round));
    }
    writers.into_iter().for_each(kill_now);
    check_at_rest(&table);
}

/// Waits until the sum has grown by more than one writer may have left to do, and returns it.
fn progress(table: &SharedTable, from: i64) -> i64 {
    let deadline = Instant::now() + LONG.unwrap();
    loop {
        match table.value(&key("sum"), 0).unwrap() {
            Some(Value::Int(sum)) if sum > from + 5 => return sum,
            _ => assert!(Instant::now() < deadline, "nobody writes any more"),
        }
        thread::yield_now();
    }
}

fn check_at_rest(table: &SharedTable) {
    let count = table.count().unwrap();
    let found = rows(table);
    assert_eq!(found.len(), count);
    for number in 0..20 {
        let row = &found[format!("untouched {number}").as_bytes()];
        assert!(is_whole(row) && row[0] == Value::Int(number));
    }
    // No row has leaked: as many as there can be fit in, and not one more.
    let most = table.stats().unwrap().rows_max;
    for number in count..most {
        table.set(&key(format!("filler {number}")), &values(1)).unwrap();
    }
    assert!(table.set(&key("one too many"), &values(1)).is_err());
    for name in rows(table).keys() {
        assert!(table.remove(&key(name)).unwrap());
    }
    assert_eq!((table.count().unwrap(), rows(table).len()), (0, 0));
}
