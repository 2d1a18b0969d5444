//! Measures the walk over 100 connections in a table for 10,000 and in one for 1,000,000: it is to cost what is alive.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use wirewool_ipc::table::Table;
use wirewool_ipc::table::facts::Origin;

const LIVE: usize = 100;
const ROUNDS: usize = 2000;
const WALKS_PER_ROUND: u32 = 20;

fn main() {
    for (name, apart) in [("next to each other", false), ("as far apart as can be", true)] {
        let tables = [10_000, 1_000_000].map(|max_connection| table(max_connection, apart));
        let mut best = [Duration::MAX; 2];
        // In turns, so that what else the machine does meets both.
        for _ in 0..ROUNDS {
            for (table, best) in tables.iter().zip(&mut best) {
                *best = time(table).min(*best);
            }
        }
        let [small, large] = best.map(|time| time.as_nanos() as f64 / f64::from(WALKS_PER_ROUND));
        println!("{LIVE} connections {name}");
        println!("  of    10,000: {small:7.0} ns");
        println!("  of 1,000,000: {large:7.0} ns, {:.2} times as long", large / small);
    }
}

/// A table with `LIVE` connections.
fn table(max_connection: usize, apart: bool) -> Table {
    let table = Table::new(4, max_connection).expect("there is memory");
    let step = if apart { (2 * max_connection).next_power_of_two() / LIVE } else { 1 };
    for _ in 0..LIVE {
        table.claim(1, Origin::UNKNOWN, 0).expect("there is room");
        for _ in 1..step {
            let (fd, _) = table.claim(2, Origin::UNKNOWN, 0).expect("there is room");
            table.release(fd);
        }
    }
    assert_eq!(table.all().count(), LIVE);
    table
}

fn time(table: &Table) -> Duration {
    let began = Instant::now();
    for _ in 0..WALKS_PER_ROUND {
        let walked = black_box(table).all().inspect(|connection| {
            black_box(connection);
        });
        assert_eq!(walked.count(), LIVE);
    }
    began.elapsed()
}
