//! The option table against its page: `UPDATE=1 cargo test -p wirewool-engine --test options` writes the page anew.

use std::env;
use std::fs;
use std::path::Path;
use wirewool_engine::options;

/// How much of the first difference is shown.
const SHOWN_CHARS: usize = 80;

#[test]
fn the_page_is_the_table() {
    // Cargo runs a test in the folder of its package.
    let path = Path::new("../../docs/options.md");
    let wanted = options::page();
    if env::var_os("UPDATE").is_some() {
        fs::write(path, &wanted).expect("docs/options.md can be written");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let same = wanted.chars().zip(found.chars()).take_while(|(want, have)| want == have).count();
    let line = wanted.chars().take(same).filter(|character| *character == '\n').count() + 1;
    let rest = |page: &str| page.chars().skip(same).take(SHOWN_CHARS).collect::<String>();
    assert!(
        found == wanted,
        "docs/options.md:{line}: not what crates/engine/src/options/rows.rs says\n  found:  {:?}\n  wanted: {:?}\n\
         write the page anew: UPDATE=1 cargo test -p wirewool-engine --test options",
        rest(&found),
        rest(&wanted),
    );
}
