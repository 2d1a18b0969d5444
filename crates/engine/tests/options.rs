//! The option table against its page: `UPDATE=1 cargo test -p wirewool-engine --test options` writes the page anew.

use std::env;
use std::fs;
use std::path::Path;
use wirewool_engine::options;

#[test]
fn the_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/options.md");
    let wanted = options::page();
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &wanted).expect("docs/options.md can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = wanted.lines().zip(found.lines().chain(std::iter::repeat(""))).position(|(want, have)| want != have);
    if found != wanted {
        let line = differs.unwrap_or_else(|| wanted.lines().count());
        panic!(
            "docs/options.md:{}: not what crates/engine/src/options.rs says\n  found:  {}\n  wanted: {}\n\
             write the page anew: UPDATE=1 cargo test -p wirewool-engine --test options",
            line + 1,
            found.lines().nth(line).unwrap_or("nothing"),
            wanted.lines().nth(line).unwrap_or("nothing"),
        );
    }
}
