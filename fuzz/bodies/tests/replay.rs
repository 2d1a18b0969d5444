//! Replays the seeds, among them the inputs of all crashes that fuzzing has found.

use std::fs;
use wirewool_fuzz_bodies::TARGETS;

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
