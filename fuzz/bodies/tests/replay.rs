//! Replays the seeds, among them the inputs of all crashes that fuzzing has found.

use std::fs;
use wirewool_fuzz_bodies::TARGETS;
use wirewool_fuzz_bodies::hub::{self, Reached};

/// A larger one belongs in a corpus.
const SEED_BYTES_MAX: usize = 1 << 10;

#[test]
fn every_target_has_seeds_that_pass() {
    for (target, body) in TARGETS {
        let folder = fs::read_dir(format!("../seeds/{target}")).unwrap_or_else(|error| panic!("{target}: {error}"));
        let mut seeds = 0;
        for entry in folder.map(|entry| entry.expect("the folder can be read")) {
            let bytes = fs::read(entry.path()).expect("a seed can be read");
            assert!(bytes.len() <= SEED_BYTES_MAX, "{}: a seed is small", entry.path().display());
            let result = std::panic::catch_unwind(|| body(&bytes));
            assert!(result.is_ok(), "{}: see the panic above", entry.path().display());
            seeds += 1;
        }
        assert!(seeds > 0, "fuzz/seeds/{target} has no seeds");
    }
}

#[test]
fn every_target_is_listed() {
    let folder = fs::read_dir("../fuzz_targets").expect("the folder can be read");
    let names = folder.map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"));
    let mut found: Vec<String> = names.collect();
    found.sort_unstable();
    let mut listed = TARGETS.map(|(target, _)| format!("{target}.rs"));
    listed.sort_unstable();
    assert_eq!(found, listed);
}

/// Looks at one of the things that an input can reach.
type Count = fn(&Reached) -> usize;

#[test]
fn the_seeds_of_the_hub_go_deep() {
    let rows: [(&str, Count, usize); 17] = [
        ("compressed_messages", |reached| reached.inflated, 3),
        ("compressed_messages", |reached| reached.deflated, 5),
        ("no_context_kept", |reached| reached.deflated, 4),
        ("fragments_and_what_is_held", |reached| reached.fragments, 4),
        ("backlog_and_back_pressure", |reached| reached.backlogs, 10),
        ("backlog_and_back_pressure", |reached| reached.expired, 1),
        ("marks_crossed", |reached| reached.filled, 3),
        ("a_handler_that_is_behind", |reached| reached.stalled, 3),
        ("a_handler_that_dies", |reached| reached.abandoned, 2),
        ("deadlines", |reached| reached.expired, 3),
        ("deadlines", |reached| reached.stale, 6),
        ("deadlines", |reached| reached.reused, 2),
        ("requests_and_bodies", |reached| reached.bodies, 2),
        ("direct_reads", |reached| reached.direct_reads, 10),
        ("close_handshakes", |reached| reached.close_frames, 1),
        ("close_handshakes", |reached| reached.violations, 1),
        ("close_handshakes", |reached| reached.farewells, 3),
    ];
    for (seed, count, wanted) in rows {
        let bytes = fs::read(format!("../seeds/hub/{seed}")).expect("a seed can be read");
        let reached = hub::run(&bytes);
        assert!(count(&reached) >= wanted, "{seed}: wanted {wanted}, reached {reached:?}");
    }
}
