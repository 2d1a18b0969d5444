//! Turns a table into what a plain map would say: after calls at random, after deaths at every write, after damage.

use std::collections::HashMap;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::cursor::Cursor;
use super::key::Key;
use super::plan::{self, Plan};
use super::steps::dying_after;
use super::value::{Kind, Value};
use super::{Refused, SharedTable};

const KINDS: [Kind; 3] = [Kind::Int, Kind::Text { bytes_max: 20 }, Kind::Float];

/// A lock word whose holder is gone.
const DEAD: u64 = 1 << 32;

fn table(size: usize) -> SharedTable {
    SharedTable::new(size, 0.2, KINDS.to_vec()).unwrap()
}

fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name.as_ref()).unwrap()
}

fn values(number: i64) -> Vec<Value> {
    let length = number.unsigned_abs() as usize % 21;
    vec![Value::Int(number), Value::Text(vec![b'a' + (number % 26) as u8; length]), Value::Float(number as f64 / 2.0)]
}

fn changes(number: i64) -> Vec<(usize, Value)> {
    values(number).into_iter().enumerate().collect()
}

type Model = HashMap<Vec<u8>, Vec<Value>>;

fn rows(table: &SharedTable) -> Model {
    let mut cursor = Cursor::default();
    let mut rows = Model::new();
    while let Some((key, values)) = cursor.next(table).unwrap() {
        assert!(rows.insert(key.bytes().to_vec(), values).is_none(), "a row comes twice");
    }
    rows
}

/// All that can be asked agrees with the model, and there is room for the rest.
fn check(table: &SharedTable, model: &Model) {
    // A dead one is noticed by whoever counts, before the walk takes each lock.
    assert_eq!(table.count().unwrap(), model.len());
    assert_eq!(&rows(table), model);
    for (name, values) in model {
        assert!(table.contains(&key(name)).unwrap());
        assert_eq!(table.get(&key(name)).unwrap().as_ref(), Some(values));
        assert_eq!(table.value(&key(name), 0).unwrap().as_ref(), Some(&values[0]));
    }
    let free = table.stats().unwrap().rows_max - model.len();
    for number in 0..free {
        assert_eq!(table.set(&key(format!("filler {number}")), &changes(1)), Ok(()), "{number} of {free}");
    }
    assert_eq!(table.set(&key("one too many"), &[]), Err(Refused::Full));
    assert_eq!(table.add(&key("one too many"), 0, &Value::Int(1)), Err(Refused::Full));
    for number in 0..free {
        assert!(table.remove(&key(format!("filler {number}"))).unwrap());
    }
    assert_eq!(table.count().unwrap(), model.len());
}

#[test]
fn keeps_what_is_not_written() {
    let table = table(64);
    let name = key("row");
    assert_eq!(table.get(&name), Ok(None));
    table.set(&name, &[(1, Value::Text(b"text".to_vec()))]).unwrap();
    let expected = vec![Value::Int(0), Value::Text(b"text".to_vec()), Value::Float(0.0)];
    assert_eq!(table.get(&name), Ok(Some(expected)));
    table.set(&name, &[(0, Value::Int(1)), (0, Value::Int(2))]).unwrap();
    assert_eq!(table.value(&name, 0), Ok(Some(Value::Int(2))), "the last one counts");
    assert_eq!(table.value(&name, 1), Ok(Some(Value::Text(b"text".to_vec()))));
    assert_eq!(table.add(&name, 0, &Value::Int(i64::MAX)), Ok(Value::Int(i64::MIN + 1)));
    assert_eq!(table.add(&name, 2, &Value::Float(0.5)), Ok(Value::Float(0.5)));
    assert_eq!(table.add(&key("new"), 0, &Value::Int(-7)), Ok(Value::Int(-7)));
    assert!(table.remove(&name).unwrap() && !table.remove(&name).unwrap());
    let stats = table.stats().unwrap();
    assert_eq!((stats.rows, stats.inserts, stats.updates, stats.removals), (1, 2, 3, 1));
}

#[test]
fn holds_all_its_rows_whatever_their_places() {
    for size in [1, 2, 64, 1000] {
        let table = table(size);
        let most = table.stats().unwrap().rows_max;
        assert_eq!(most, (size.next_power_of_two() as f64 * 1.2).ceil() as usize);
        let model: Model = (0..most).map(|number| (format!("{number}").into(), values(number as i64))).collect();
        for (number, name) in (0..most).map(|number| (number as i64, key(format!("{number}")))) {
            table.set(&name, &changes(number)).unwrap();
        }
        check(&table, &model);
        let stats = table.stats().unwrap();
        assert!(stats.conflicts > 0 && stats.place_rows_max > 1);
    }
}

/// One call. Keys are few, so that they meet.
#[derive(Clone, Debug)]
enum Call {
    Set(u8, i64),
    SetSome(u8, usize, i64),
    Add(u8, i64),
    Remove(u8),
}

impl Call {
    fn of_any() -> impl Strategy<Value = Call> {
        let name = 0..40u8;
        prop_oneof![
            (name.clone(), 0..1000i64).prop_map(|(name, number)| Call::Set(name, number)),
            (name.clone(), 0..3usize, 0..1000i64)
                .prop_map(|(name, column, number)| Call::SetSome(name, column, number)),
            (name.clone(), any::<i64>()).prop_map(|(name, by)| Call::Add(name, by)),
            name.prop_map(Call::Remove),
        ]
    }

    fn run(&self, table: &SharedTable) -> Result<(), Refused> {
        match *self {
            Call::Set(name, number) => table.set(&key([name]), &changes(number)),
            Call::SetSome(name, column, number) => table.set(&key([name]), &[(column, values(number)[column].clone())]),
            Call::Add(name, by) => table.add(&key([name]), 0, &Value::Int(by)).map(|_| ()),
            Call::Remove(name) => Ok(table.remove(&key([name])).map(|_| ())?),
        }
    }

    fn model(&self, model: &mut Model) {
        let zeroes = || KINDS.map(Kind::zero).to_vec();
        match *self {
            Call::Set(name, number) => drop(model.insert(vec![name], values(number))),
            Call::SetSome(name, column, number) => {
                model.entry(vec![name]).or_insert_with(zeroes)[column] = values(number)[column].clone();
            }
            Call::Add(name, by) => {
                let row = model.entry(vec![name]).or_insert_with(zeroes);
                row[0] = row[0].plus(&Value::Int(by)).unwrap();
            }
            Call::Remove(name) => drop(model.remove(&vec![name])),
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn agrees_with_a_map(size in 1..64usize, calls in prop::collection::vec(Call::of_any(), 0..200)) {
        let table = table(size);
        let mut model = Model::new();
        let most = table.stats().unwrap().rows_max;
        for call in calls {
            let mut after = model.clone();
            call.model(&mut after);
            match call.run(&table) {
                Ok(()) => model = after,
                Err(refused) => assert!(refused == Refused::Full && after.len() > most),
            }
        }
        check(&table, &model);
    }
}

/// Each call, made where it does each of the things that it can do, and let die at each of its writes: what was there
/// before is there, and what it was at has happened or not.
#[test]
fn a_death_at_any_write_leaves_a_whole_table() {
    let calls = [
        Call::Set(0, 7),
        Call::Set(2, 20),
        Call::Set(99, 3),
        Call::SetSome(3, 1, 19),
        Call::SetSome(99, 2, 19),
        Call::Add(1, 5),
        Call::Add(99, 5),
        Call::Remove(0),
        Call::Remove(2),
        Call::Remove(4),
    ];
    for size in [1, 4, 16] {
        for call in &calls {
            let deaths = (0..).take_while(|writes| !survives(size, call, *writes)).count();
            assert!(size < 16 || deaths >= 2, "{call:?} has {deaths} writes");
        }
    }
}

/// Whether the call needs no more than so many writes.
fn survives(size: usize, call: &Call, writes: usize) -> bool {
    let prepare = || {
        let table = table(size);
        let mut before = Model::new();
        let rows = (table.stats().unwrap().rows_max - 1).min(5) as u8;
        for call in (0..rows).map(|name| Call::Set(name, 100 + i64::from(name))) {
            call.run(&table).unwrap();
            call.model(&mut before);
        }
        (table, before)
    };
    let examine = |table: &SharedTable, before: &Model| {
        let mut after = before.clone();
        call.model(&mut after);
        let found = rows(table);
        assert!(found == *before || found == after, "{call:?} after {writes} writes: {found:?}");
        check(table, &found);
    };

    let (table, before) = prepare();
    let survived = dying_after(writes, || call.run(&table)).is_some();
    examine(&table, &before);
    // Whoever mends it may die as well, at each of its own writes.
    for mending_writes in 0.. {
        let (table, before) = prepare();
        dying_after(writes, || call.run(&table));
        let mended = dying_after(mending_writes, || table.count().unwrap()).is_some();
        examine(&table, &before);
        if mended {
            break;
        }
    }
    survived
}

#[test]
fn a_full_table_takes_back_what_the_dead_have_claimed() {
    let table = table(16);
    // Whatever the stripe: the dead one has claimed a row there, and the living does not come by.
    let claimed =
        (0..).find(|number| dying_after(3, || table.set(&key(format!("dead {number}")), &changes(1))).is_none());
    assert!(claimed.is_some());
    let most = table.stats().unwrap().rows_max;
    let model: Model = (0..most).map(|number| (format!("{number}").into(), values(1))).collect();
    for number in 0..most {
        table.set(&key(format!("{number}")), &changes(1)).unwrap();
    }
    check(&table, &model);
}

#[test]
fn threads_do_not_tear_rows() {
    const TURNS: i64 = 2000;
    let table = table(8);
    thread::scope(|scope| {
        for writer in 0..3 {
            let table = &table;
            scope.spawn(move || {
                for turn in 0..TURNS {
                    let name = key([(turn % 5) as u8]);
                    match turn % 7 {
                        0 => drop(table.remove(&name).unwrap()),
                        _ => table.set(&name, &changes(turn * 3 + writer)).unwrap(),
                    }
                    table.add(&key("sum"), 0, &Value::Int(1)).unwrap();
                    if let Some(row) = table.get(&name).unwrap() {
                        let Value::Int(number) = row[0] else { panic!("{row:?}") };
                        assert_eq!(row, values(number));
                    }
                }
            });
        }
    });
    assert_eq!(table.value(&key("sum"), 0), Ok(Some(Value::Int(3 * TURNS))));
    assert_eq!(table.count().unwrap(), rows(&table).len());
}

/// Whatever is in the memory, every call returns, and nothing is reached that lies outside.
#[test]
fn damage_does_no_harm() {
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 20
    };
    let odd = [0, 1, 2, u64::MAX, 1 << 31, 1 << 32, 0xdead_beef_0000_0001];
    for round in 0..100 {
        let table = table(1 << (round % 5));
        for number in 0..table.size() as i64 {
            table.set(&key(format!("{number}")), &changes(number)).unwrap();
        }
        let words: &[AtomicU64] = table.region.u64s(0, table.bytes() / 8);
        for _ in 0..=round % 40 {
            let value = match random() % 3 {
                0 => odd[random() as usize % odd.len()],
                1 => random() % 64,
                _ => Plan::claimed(random() as usize % 4),
            };
            let place = random() as usize % words.len();
            // A lock that names somebody who is alive would be waited for.
            let is_lock = place < 8 * table.plan.stripes && place % 8 == plan::LOCK;
            words[place].store(if is_lock { DEAD | value << 33 } else { value }, Relaxed);
        }
        for number in 0..40 {
            let name = key(format!("{number}"));
            let _ = (table.get(&name).unwrap(), table.set(&name, &changes(number)), table.remove(&name).unwrap());
            let _ = table.add(&name, 0, &Value::Int(1));
        }
        let most = table.stats().unwrap().rows_max * table.size();
        assert!(walk(&table) <= most);
        // Once all locks were inherited, it is whole again.
        for number in 0..table.plan.stripes {
            table.plan.stripe(&table.region, number)[plan::LOCK].store(DEAD, Relaxed);
        }
        let count = table.count().unwrap();
        assert!(walk(&table) <= count && count <= table.stats().unwrap().rows_max);
    }
}

/// How many rows a walk finds, each as often as it does.
fn walk(table: &SharedTable) -> usize {
    let mut cursor = Cursor::default();
    iter::from_fn(|| cursor.next(table).unwrap()).count()
}
