//! The rules of STYLE.md that a machine can check, against every file of the repository.

use std::fs;
use std::path::Path;

const FILE_LINES_MAX: usize = 500;
const MAP_LINES_MAX: usize = 60;

/// Which crates of the workspace a crate may depend on.
const ARROWS: [(&str, &[&str]); 7] = [
    ("proto", &[]),
    ("client", &["proto"]),
    ("ipc", &[]),
    ("hub", &["proto"]),
    ("engine", &["hub", "ipc", "proto"]),
    ("cli", &["engine", "proto"]),
    ("php", &["engine", "hub", "ipc", "proto"]),
];

const SAFE_CRATES: [&str; 5] = ["proto", "hub", "engine", "client", "cli"];

/// One script for each example of the manual's WebSocket page.
const SEED_SCRIPTS: [&str; 15] = [
    "first",
    "handshake",
    "handshake_defer",
    "request_procedural",
    "request_object",
    "on_disconnect",
    "raw_pack",
    "subprotocol",
    "close_frame",
    "ping_frame",
    "pong_frame",
    "server_ping",
    "compression",
    "client_compression",
    "client_ping",
];

/// Each file of crates/proto that reads what a peer sent, and the fuzz target that tries it.
const DECODERS: [(&str, &str); 23] = [
    ("http/answer", "upgrade"),
    ("http/answer_reader", "answer"),
    ("http/body", "request_body"),
    ("http/coding", "answer"),
    ("http/fields", "request_head"),
    ("http/grammar", "request_head"),
    ("http/head", "request_head"),
    ("http/request", "request_head"),
    ("inflate", "inflate"),
    ("packets", "packets"),
    ("websocket/client", "client"),
    ("websocket/close", "close_payload"),
    ("websocket/deflate", "inflate"),
    ("websocket/deflation", "round_trip"),
    ("websocket/extension", "handshake"),
    ("websocket/frame", "frame_header"),
    ("websocket/handshake", "handshake"),
    ("websocket/mask", "receiver"),
    ("websocket/message", "receiver"),
    ("websocket/receiver", "receiver"),
    ("websocket/sender", "round_trip"),
    ("websocket/upgrade", "upgrade"),
    ("websocket/utf8", "utf8"),
];

/// Its other files: they decode nothing.
const NO_DECODERS: [&str; 11] = [
    "block",
    "lib",
    "http/client_request",
    "http/form",
    "http/lines",
    "http/mod",
    "http/response",
    "websocket/keys",
    "websocket/mod",
    "websocket/role",
    "websocket/violation",
];

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 7] = ["target", "build", "node_modules", "__pycache__", ".git", ".venv", ".venv-autobahn"];

const TEXT_FILES: [&str; 16] =
    ["rs", "toml", "md", "php", "phpt", "py", "ini", "txt", "mjs", "json", "html", "sh", "yml", "c", "h", "inc"];

const TEXT_NAMES: [&str; 3] = ["Makefile", "run", ".gitignore"];

/// A text file: its path from the root of the repository, and what is in it.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_source(&self) -> bool {
        self.path.starts_with("crates/") && self.path.contains("/src/") && self.is_rust()
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn complain(&self, line: usize, wanted: impl AsRef<str>) -> String {
        format!("{}:{line}: {}", self.path, wanted.as_ref())
    }
}

type Rule = fn(&File) -> Vec<String>;

// ---- the rules ----

fn first_line(file: &File) -> Vec<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let is_sentence = first.strip_prefix("//! ").is_some_and(|sentence| sentence.len() > 10);
    match file.is_rust() && !is_sentence {
        true => vec![file.complain(1, "wanted a `//!` sentence that says what the file is for")],
        false => Vec::new(),
    }
}

fn length(file: &File) -> Vec<String> {
    if !file.is_source() {
        return Vec::new();
    }
    let lines = file.text.lines().take_while(|line| line.trim_start() != "#[cfg(test)]").count();
    let is_map = file.path.ends_with("/src/lib.rs");
    let most = if is_map { MAP_LINES_MAX } else { FILE_LINES_MAX };
    match lines > most {
        true => vec![file.complain(most + 1, format!("{lines} lines without its tests, wanted at most {most}"))],
        false => Vec::new(),
    }
}

fn arrows(file: &File) -> Vec<String> {
    let name = file.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"));
    let Some(name) = name else { return Vec::new() };
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![file.complain(1, "a crate that tests/tidy.rs does not know: wanted a row in ARROWS")];
    };
    let mut complaints = Vec::new();
    let mut table = "";
    for (number, line) in file.text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
        }
        // `[dependencies]` with keys, `[dependencies.name]`, and both for one platform; not those of tests.
        if table.contains("dev-dependencies") || !table.contains("dependencies") {
            continue;
        }
        let key = if line.starts_with('[') { table.rsplit('.').next().unwrap_or_default() } else { line };
        let used = key.trim().strip_prefix("wirewool-").map(|rest| rest.split(['.', ' ', '=']).next().unwrap_or(rest));
        if let Some(used) = used
            && !allowed.contains(&used)
        {
            let wanted = format!("{name} depends on {used}, wanted at most {allowed:?}: arrows point down only");
            complaints.push(file.complain(number + 1, wanted));
        }
    }
    complaints
}

fn safe(file: &File) -> Vec<String> {
    let is_root = SAFE_CRATES.iter().any(|name| file.path == format!("crates/{name}/src/lib.rs"));
    match is_root && !file.text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
        true => vec![file.complain(1, "wanted `#![forbid(unsafe_code)]`: unsafe code is for ipc and php")],
        false => Vec::new(),
    }
}

/// Items come from the module that defines them: `use crate::module::Item`. A crate's tests, like the examples, are its
/// users and come through the front door.
fn imports(file: &File) -> Vec<String> {
    if !file.is_source() {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut lines = file.text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        let visible = line.strip_prefix("pub").map_or(line, |rest| rest.trim_start_matches("(crate)").trim_start());
        let Some(import) = visible.strip_prefix("use ") else { continue };
        let mut import = import.to_owned();
        while !import.contains(';') {
            let Some((_, more)) = lines.next() else { break };
            import += more.trim();
        }
        let Some((root, rest)) = import.split_once("::") else { continue };
        if root != "crate" && !root.starts_with("wirewool_") {
            continue;
        }
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => top_level(group),
            None => vec![rest],
        };
        for name in names.iter().map(|name| name.trim()).filter(|name| name.starts_with(char::is_uppercase)) {
            let name = name.trim_end_matches([';', '}']);
            let wanted = format!("`{name}` from the root of `{root}`, wanted from the module that defines it");
            complaints.push(file.complain(number + 1, wanted));
        }
    }
    complaints
}

/// The names in `a, b::{c, d}, e}`, without looking into inner braces.
fn top_level(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let outside = move |character: char| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    };
    group.split(outside).collect()
}

fn leftovers(file: &File) -> Vec<String> {
    // In two pieces, or this file would complain about itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let debugging = concat!("dbg", "!");
    let mut complaints = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut words = line.split(|character: char| !character.is_alphanumeric() && character != '_');
        if let Some(word) = words.find(|word| marks.contains(word)) {
            complaints.push(file.complain(number + 1, format!("{word}: wanted done, or in the issue tracker")));
        }
        if file.is_rust() && line.contains(debugging) {
            complaints.push(file.complain(number + 1, format!("{debugging} is for the desk, wanted gone")));
        }
    }
    complaints
}

fn trailing_whitespace(file: &File) -> Vec<String> {
    // Expected output is what it is, and the manual's text stays untouched.
    if file.path.ends_with(".phpt") || file.path.starts_with("tests/seed/") {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate().filter(|(_, line)| line.trim_end().len() < line.len());
    lines.map(|(number, _)| file.complain(number + 1, "trailing whitespace, wanted none")).collect()
}

fn machine_paths(file: &File) -> Vec<String> {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let mut complaints = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if let Some(path) = paths.iter().find(|path| line.contains(**path)) {
            let wanted = format!("{path}: a path of one machine, wanted one that starts at the repository");
            complaints.push(file.complain(number + 1, wanted));
        }
    }
    complaints
}

// ---- against the repository ----

/// Cargo runs a test in the folder of its package, crates/cli.
fn root() -> &'static Path {
    Path::new("../..")
}

fn read_folder(folder: &Path, path: &str, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{path}: {error}"));
    for entry in entries.map(|entry| entry.expect("the folder can be read")) {
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().expect("its type is known");
        if kind.is_dir() && !FOREIGN.contains(&name.as_str()) {
            read_folder(&entry.path(), &path, files);
        }
        let is_text = name.rsplit_once('.').is_some_and(|(_, ending)| TEXT_FILES.contains(&ending));
        if kind.is_file()
            && (is_text || TEXT_NAMES.contains(&name.as_str()))
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(File { path, text });
        }
    }
}

fn repository() -> Vec<File> {
    let mut files = Vec::new();
    read_folder(root(), "", &mut files);
    assert!(files.iter().any(|file| file.path == "crates/engine/src/lib.rs"), "this is not the repository");
    files
}

fn check(rule: Rule) {
    let mut complaints: Vec<String> = repository().iter().flat_map(rule).collect();
    complaints.sort();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn files_say_what_they_are_for() {
    check(first_line);
}

#[test]
fn files_are_short() {
    check(length);
}

#[test]
fn arrows_point_down() {
    check(arrows);
}

#[test]
fn unsafe_code_has_its_place() {
    check(safe);
}

#[test]
fn imports_come_from_the_defining_module() {
    check(imports);
}

#[test]
fn nothing_is_left_over() {
    check(leftovers);
}

#[test]
fn lines_end_where_they_end() {
    check(trailing_whitespace);
}

#[test]
fn no_machine_is_special() {
    check(machine_paths);
}

#[test]
fn every_example_of_the_manual_is_run() {
    let runner = fs::read_to_string(root().join("tests/test_seed.py")).expect("tests/test_seed.py can be read");
    for name in SEED_SCRIPTS {
        assert!(
            root().join(format!("tests/seed/{name}.php")).is_file(),
            "tests/seed/{name}.php:1: wanted, one script for each example of the manual"
        );
        assert!(runner.contains(&format!("\"{name}\"")), "tests/test_seed.py:1: wanted a test that runs \"{name}\"");
    }
}

#[test]
fn every_decoder_is_fuzzed() {
    for file in repository() {
        let name = file.path.strip_prefix("crates/proto/src/").and_then(|path| path.strip_suffix(".rs"));
        let Some(name) = name.filter(|name| !NO_DECODERS.contains(name)) else { continue };
        let row = DECODERS.iter().find(|(decoder, _)| *decoder == name);
        let Some((_, target)) = row else {
            panic!("{}", file.complain(1, "wanted a row in DECODERS, or in NO_DECODERS, of tests/tidy.rs"));
        };
        let found = root().join(format!("fuzz/fuzz_targets/{target}.rs")).is_file();
        assert!(found, "{}", file.complain(1, format!("wanted the fuzz target {target}")));
    }
}

// ---- the rules against what they are for ----

#[test]
fn each_rule_finds_what_it_is_for() {
    let long = format!("//! A file that is too long.\n{}", "\n".repeat(FILE_LINES_MAX));
    let tested = format!("//! A file with many tests.\n#[cfg(test)]\n{}", "\n".repeat(FILE_LINES_MAX));
    let unfinished = format!("first\n// {}: second\n", concat!("TO", "DO"));
    let debugged = format!("let x = {}(1);\n", concat!("dbg", "!"));
    let path = format!("see {}notes\n", concat!("/wo", "rk/"));
    let up = "[package]\nname = \"wirewool-hub\"\n[dependencies]\nwirewool-engine.workspace = true\n";
    let up_alone = "[dependencies.wirewool-ipc]\npath = \"../ipc\"\n";
    let for_tests = "[dev-dependencies]\nwirewool-engine.workspace = true\n";
    let spread = "use crate::{\n    hub,\n    Fd,\n};\n";
    let rows: &[(Rule, &str, &str, Option<usize>)] = &[
        (first_line, "examples/a.rs", "use std::io;\n", Some(1)),
        (first_line, "examples/a.rs", "", Some(1)),
        (first_line, "examples/a.rs", "//! Shows what this is for.\n", None),
        (first_line, "examples/a.php", "<?php\n", None),
        (length, "crates/hub/src/a.rs", &long, Some(FILE_LINES_MAX + 1)),
        (length, "crates/hub/src/a.rs", &tested, None),
        (length, "crates/hub/tests/a.rs", &long, None),
        (length, "crates/hub/src/lib.rs", &long, Some(MAP_LINES_MAX + 1)),
        (arrows, "crates/hub/Cargo.toml", up, Some(4)),
        (arrows, "crates/engine/Cargo.toml", "[dependencies]\nwirewool-hub.workspace = true\n", None),
        (arrows, "crates/hub/Cargo.toml", up_alone, Some(1)),
        (arrows, "crates/hub/Cargo.toml", for_tests, None),
        (arrows, "crates/new/Cargo.toml", "", Some(1)),
        (safe, "crates/hub/src/lib.rs", "//! Many connections.\n", Some(1)),
        (safe, "crates/ipc/src/lib.rs", "//! Shared memory.\n", None),
        (imports, "crates/php/src/a.rs", "use std::io;\nuse wirewool_hub::Fd;\n", Some(2)),
        (imports, "crates/php/src/a.rs", "pub(crate) use crate::Fd;\n", Some(1)),
        (imports, "crates/php/src/a.rs", spread, Some(1)),
        (imports, "crates/php/src/a.rs", "use crate::{hub::{Hub, Target}, wire};\n", None),
        (imports, "crates/php/src/a.rs", "use wirewool_hub::fd::Fd;\n", None),
        (imports, "examples/a.rs", "use wirewool_engine::Server;\n", None),
        (imports, "crates/engine/tests/a.rs", "use wirewool_engine::Server;\n", None),
        (leftovers, "README.md", &unfinished, Some(2)),
        (leftovers, "examples/a.rs", &debugged, Some(1)),
        (leftovers, "scripts/a.sh", "mktemp -d wirewool.XXXXXX\n", None),
        (trailing_whitespace, "README.md", "one\ntwo \n", Some(2)),
        (trailing_whitespace, "Makefile", "one\n\ttwo\t\n", Some(2)),
        (trailing_whitespace, "tests/seed/a.php", "two \n", None),
        (machine_paths, "docs/a.md", &path, Some(1)),
        (machine_paths, "docs/a.md", "crates/workers/src\n", None),
    ];
    for (number, (rule, path, text, line)) in rows.iter().enumerate() {
        let file = File { path: (*path).to_owned(), text: (*text).to_owned() };
        let found = rule(&file);
        let wanted = line.map(|line| format!("{path}:{line}: "));
        let agrees = match (&wanted, found.as_slice()) {
            (None, []) => true,
            (Some(start), [complaint]) => complaint.starts_with(start.as_str()),
            _ => false,
        };
        assert!(agrees, "row {number}: wanted {wanted:?}, found {found:?}");
    }
}
