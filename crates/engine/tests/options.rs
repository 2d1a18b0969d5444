//! The option table against its page, the names that Swoole has, and Rust's builder: `UPDATE=1 cargo test -p wirewool-engine --test options` writes the page anew.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;
use wirewool_engine::config::{Config, DispatchMode};
use wirewool_engine::options::{self, OptionError, Value};
use wirewool_proto::websocket::extension::Compression;

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
    let source = ["builder", "crew/task"]
        .map(|part| fs::read_to_string(format!("src/{part}.rs")).expect("a part of the builder"));
    let source = source.concat();
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

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn map(name: &str, value: Value) -> Value {
    Value::Map(vec![(name.into(), value)])
}

#[test]
fn what_is_taken() {
    let list = Value::List(vec![text("b"), text("a")]);
    type Row<'a> = (&'a str, Value, fn(&Config) -> bool);
    let rows: &[Row<'_>] = &[
        ("worker_num", Value::Int(3), |config| config.workers == 3),
        ("worker_num", text(" 3 "), |config| config.workers == 3),
        ("worker_num", Value::Float(3.0), |config| config.workers == 3),
        ("worker_num", Value::Int(0), |config| config.workers >= 1),
        ("reactor_num", Value::Int(64), |config| config.reactors == 64),
        ("dispatch_mode", Value::Int(5), |config| config.dispatch == DispatchMode::User),
        ("max_conn", Value::Int(7), |config| config.max_connection == 7),
        ("package_max_length", text("64k"), |config| config.message_bytes_max == 64 << 10),
        ("output_buffer_size", text("3 M"), |config| config.push_bytes_max == 3 << 20),
        ("buffer_output_size", text("4G"), |config| config.push_bytes_max == 1 << 32),
        ("socket_buffer_size", Value::Int(0), |config| config.outbox_bytes_max == 1 << 32),
        ("max_wait_time", text("1.5"), |config| config.max_wait_time == Duration::from_millis(1500)),
        ("send_timeout", Value::Float(0.5), |config| config.send_timeout == Some(Duration::from_millis(500))),
        ("send_timeout", Value::Int(0), |config| config.send_timeout.is_none()),
        ("heartbeat_idle_time", Value::Int(60), |config| config.heartbeat() == Some(Duration::from_secs(60))),
        ("heartbeat_check_interval", text("0.5"), |config| config.heartbeat() == Some(Duration::from_secs(1))),
        ("heartbeat_check_interval", Value::Bool(false), |config| config.heartbeat().is_none()),
        ("max_idle_time", Value::Int(86_400), |config| config.max_idle_time == Some(Duration::from_secs(86_400))),
        ("websocket_ping_interval", Value::Float(0.0), |config| config.ping_interval.is_none()),
        ("max_coro_num", Value::Int(9), |config| config.coroutines_max == 9),
        ("websocket_subprotocol", text("chat"), |config| config.subprotocols == ["chat"]),
        ("websocket_subprotocol", list, |config| config.subprotocols == ["b", "a"]),
        ("websocket_compression", Value::Bool(true), |config| config.compression == Some(Compression::default())),
        ("websocket_compression", Value::Null, |config| config.compression.is_none()),
        ("websocket_compression", map("threshold", text("1K")), |config| {
            config.compression == Some(Compression { threshold: Some(1024), ..Compression::default() })
        }),
        // As PHP takes them for true or false.
        ("open_websocket_close_frame", Value::Int(1), |config| config.close_events),
        ("open_websocket_ping_frame", text("false"), |config| config.ping_events),
        ("open_websocket_pong_frame", Value::Float(0.1), |config| config.pong_events),
        ("open_tcp_nodelay", text("0"), |config| !config.tcp_nodelay),
        ("reload_async", Value::Null, |config| !config.reload_async),
        ("enable_coroutine", text(""), |config| !config.coroutines),
    ];
    for (name, value, holds) in rows {
        let mut config = Config::default();
        assert_eq!(options::set(&mut config, name, value), Ok(()), "{name} {value}");
        assert!(holds(&config), "{name} {value}: {config:?}");
    }
}

#[test]
fn what_is_refused_changes_nothing_and_is_named() {
    let rows = [
        ("worker_num", Value::Int(-1)),
        ("worker_num", Value::Int(1001)),
        ("worker_num", Value::Float(1.5)),
        ("worker_num", text("many")),
        ("worker_num", Value::Null),
        ("worker_num", Value::List(Vec::new())),
        ("dispatch_mode", Value::Int(0)),
        ("dispatch_mode", Value::Int(6)),
        ("package_max_length", Value::Int(124)),
        ("output_buffer_size", text("5G")),
        ("output_buffer_size", text("9223372036854775807G")),
        ("output_buffer_size", text("M")),
        ("output_buffer_size", text("")),
        ("socket_buffer_size", Value::Int(1023)),
        ("max_wait_time", Value::Float(0.5)),
        ("max_wait_time", Value::Float(f64::NAN)),
        ("send_timeout", Value::Int(3601)),
        ("heartbeat_idle_time", Value::Int(-1)),
        ("heartbeat_check_interval", Value::Float(0.009)),
        ("max_idle_time", Value::Int(86_401)),
        ("websocket_ping_interval", text("often")),
        ("websocket_subprotocol", text("two words")),
        ("websocket_subprotocol", text("a,b")),
        ("websocket_subprotocol", text("")),
        ("websocket_subprotocol", Value::List(vec![Value::Int(1)])),
        ("websocket_compression", map("window", Value::Int(15))),
        ("websocket_compression", map("server_max_window_bits", Value::Int(8))),
        ("websocket_compression", map("level", Value::Int(0))),
        ("websocket_compression", Value::Other("an object")),
        ("open_websocket_ping_frame", Value::List(vec![Value::Bool(true)])),
        ("log_level", Value::Int(7)),
    ];
    for (name, value) in rows {
        let mut config = Config::default();
        let refused = options::set(&mut config, name, &value);
        let Err(OptionError::Invalid { name: named, value: shown, wanted }) = refused else {
            panic!("{name} {value}: {refused:?}")
        };
        assert_eq!((named, shown), (name, value.to_string()));
        assert!(!wanted.is_empty());
        assert_eq!(config, Config::default(), "{name} {value}");
    }
}

#[test]
fn what_nobody_knows() {
    let rows = [
        ("worker_nun", Some("worker_num")),
        ("websocket_compresion", Some("websocket_compression")),
        ("Worker_Num", Some("worker_num")),
        ("my_own_thing", None),
        ("", None),
    ];
    for (name, nearest) in rows {
        let refused = options::set(&mut Config::default(), name, &Value::Int(1));
        assert_eq!(refused, Err(OptionError::Unknown { name: name.into(), nearest }));
    }
    let refused = options::set(&mut Config::default(), "ssl_cert_file", &text("a"));
    assert!(matches!(refused, Err(OptionError::NotBuilt { name: "ssl_cert_file", .. })));
}
