//! The option table against its page, the names that Swoole has, and Rust's builder: `UPDATE=1 cargo test -p wirewool-engine --test options` writes the page anew.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::Path;
use wirewool_engine::config::Config;
use wirewool_engine::options::{self, OptionError, Value};

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

/// The names that Swoole has and `Swoole\Constant` has not.
const MORE_NAMES: [&str; 1] = ["websocket_ping_interval"];

/// The names of all options: those of `Swoole\Constant`, and some more.
fn names() -> HashSet<String> {
    let stub = fs::read_to_string("../../stubs/constant.stub.php").expect("the stub of Swoole\\Constant");
    let constants = stub.lines().filter(|line| line.contains("const OPTION_"));
    let names = constants.map(|line| line.split('\'').nth(1).expect("a constant has a value").to_owned());
    names.chain(MORE_NAMES.map(str::to_owned)).collect()
}

#[test]
fn every_name_is_in_one_of_the_tables() {
    let names = names();
    assert!(names.len() > 150, "only {} constants were found", names.len());
    let (mut built, mut others) = (HashSet::new(), HashSet::new());
    for name in options::rows().flat_map(|row| row.names) {
        assert!(built.insert((*name).to_owned()), "{name} is there twice");
    }
    for (name, reason) in options::not_built() {
        assert!(others.insert(name.to_owned()), "{name} is there twice");
        assert!(!built.contains(name), "{name} is built, and said not to be");
        assert!(!reason.is_empty(), "{name} has no reason");
    }
    for name in &names {
        assert!(built.contains(name) || others.contains(name), "{name} is in neither table");
    }
    for name in built.union(&others) {
        assert!(names.contains(name), "{name} is no constant of Swoole\\Constant");
    }
}

#[test]
fn none_is_ignored_in_silence() {
    // No option takes this.
    let odd = Value::Other("an object");
    for name in names() {
        let mut config = Config::default();
        let refused = options::set(&mut config, &name, &odd);
        let is_named = refused.as_ref().is_err_and(|error| error.to_string().contains(&format!("[{name}]")))
            || matches!(&refused, Err(OptionError::Invalid { name: usual, .. })
                if options::rows().any(|row| row.names[..].first() == Some(usual) && row.names.contains(&&*name)));
        assert!(is_named, "{name}: {refused:?}");
        assert!(!matches!(refused, Err(OptionError::Unknown { .. })), "{name}: {refused:?}");
        assert_eq!(config, Config::default(), "{name} has changed something");
    }
}

#[test]
fn what_is_not_built_may_be_asked_to_stay_off() {
    let set = |name, value| options::set(&mut Config::default(), name, &value);
    assert_eq!(set("open_http2_protocol", Value::Bool(false)), Ok(()));
    assert!(matches!(set("open_http2_protocol", Value::Bool(true)), Err(OptionError::NotBuilt { .. })));
    assert_eq!(set("http_parse_post", Value::Bool(true)), Ok(()));
    assert!(matches!(set("http_parse_post", Value::Bool(false)), Err(OptionError::NotBuilt { .. })));
    assert!(matches!(set("ssl_verify_peer", Value::Bool(false)), Err(OptionError::NotBuilt { .. })));
}

#[test]
fn the_names_in_rust_are_methods_of_the_builder() {
    let source = fs::read_to_string("src/builder.rs").expect("the builder");
    let fields = fs::read_to_string("src/tcp.rs").expect("what sockets are told");
    for rust in options::rows().filter_map(|row| row.rust.as_ref()) {
        let (method, field) = rust.name.split_once('.').unwrap_or((rust.name, ""));
        assert!(field.is_empty() || fields.contains(&format!("    pub {field}: ")), "Tcp has no {field}");
        let found = ["(", "<"].iter().any(|next| source.contains(&format!("    pub fn {method}{next}")));
        assert!(found, "Builder has no {}", rust.name);
    }
}

#[test]
fn every_default_is_within_its_bounds() {
    assert_eq!(options::checked(&Config::default()).map(|checked| checked == Config::default()), Ok(true));
}
