//! Turns the name of an option and a value into a setting, or into what is wrong with them.

mod not_built;
mod ports;
mod rows;
mod service;
mod sockets;
mod values;

use crate::config::{Config, ConfigError, ConfigErrors};
use crate::options::not_built::NOT_BUILT;
use crate::options::ports::OF_PORTS;
use std::fmt;

/// A value as a script gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Text that is not UTF-8.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// Values under names.
    Map(Vec<(String, Value)>),
    /// Something that no option takes.
    Other(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Float(value) => value.fmt(f),
            Value::Text(value) => write!(f, "{value:?}"),
            Value::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(values) => {
                f.write_str("[")?;
                for (i, (name, value)) in values.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{name:?} => {value}")?;
                }
                f.write_str("]")
            }
            Value::Other(kind) => f.write_str(kind),
        }
    }
}

/// An option.
pub struct OptionRow {
    /// Its names in PHP; the first is the usual one.
    pub names: &'static [&'static str],
    /// How a Rust program sets it, if it can.
    pub rust: Option<Rust>,
    /// What it takes.
    pub wanted: &'static str,
    /// Its default, in words.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Sets it; false if the value is none that it takes.
    set: fn(&mut Config, &Value) -> bool,
}

/// An option as a Rust program has it.
pub struct Rust {
    /// The method of [`Builder`](crate::builder::Builder) that sets it, and behind a dot the field of what that takes.
    pub name: &'static str,
    /// What it is set to; nothing if its type admits nothing wrong.
    value: fn(&Config) -> Value,
}

/// Why an option was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Nobody knows it.
    #[error("unknown option [{name}]{}", .nearest.map(|nearest| format!(": did you mean [{nearest}]?")).unwrap_or_default())]
    Unknown {
        /// What it was called.
        name: String,
        /// The option whose name is most like it.
        nearest: Option<&'static str>,
    },
    /// It is known, but this version has nothing that it could change.
    #[error("option [{name}] is not built in this version and has no effect: {reason}")]
    NotBuilt {
        /// Its name.
        name: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A port has no value of its own for it.
    #[error("option [{0}] is the server's, not a port's: set it with Server::set()")]
    NotOfPorts(&'static str),
    /// The value is none that it takes.
    #[error("option [{name}] is {value}: wanted {wanted}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it wants.
        wanted: &'static str,
    },
}

/// All options that this version has.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    rows::OPTIONS.iter().chain(ports::OPTIONS).chain(sockets::OPTIONS).chain(service::OPTIONS)
}

/// The names of those that it does not build, each with the reason.
pub fn not_built() -> impl Iterator<Item = (&'static str, &'static str)> {
    NOT_BUILT.iter().map(|option| (option.name, option.reason))
}

/// Sets the option called `name`.
///
/// # Errors
/// The option is unknown or not built, or the value is none that it takes: then nothing has changed.
pub fn set(config: &mut Config, name: &str, value: &Value) -> Result<(), OptionError> {
    if let Some(row) = rows().find(|row| row.names.contains(&name)) {
        let mut changed = config.clone();
        if (row.set)(&mut changed, value) {
            *config = changed;
            return Ok(());
        }
        return Err(OptionError::Invalid { name: row.names[0], value: value.to_string(), wanted: row.wanted });
    }
    if let Some(option) = NOT_BUILT.iter().find(|option| option.name == name) {
        let (name, reason) = (option.name, option.reason);
        return if option.is_so(value) { Ok(()) } else { Err(OptionError::NotBuilt { name, reason }) };
    }
    let known = rows().flat_map(|row| row.names).copied().chain(NOT_BUILT.iter().map(|option| option.name));
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    Err(OptionError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, known)| known) })
}

impl OptionError {
    /// Would a server that starts all the same tell packets apart in another way than its clients do?
    pub fn is_fatal(&self) -> bool {
        matches!(self, OptionError::Invalid { name: "package_eof" | "package_length_type", .. })
    }
}

/// The configuration of a Rust program, each setting within its option's bounds.
///
/// # Errors
/// All settings that are not.
pub fn checked(config: &Config) -> Result<Config, ConfigErrors> {
    let mut checked = config.clone();
    let mut wrong = Vec::new();
    for row in rows() {
        let Some(rust) = &row.rust else { continue };
        let value = (rust.value)(config);
        if value != Value::Null && !(row.set)(&mut checked, &value) {
            wrong.push(ConfigError { option: rust.name, value: value.to_string(), wanted: row.wanted.to_owned() });
        }
    }
    wrong.extend(clashes(config));
    if wrong.is_empty() { Ok(checked) } else { Err(ConfigErrors(wrong)) }
}

/// The settings that are not possible together, though each is by itself.
pub fn clashes(config: &Config) -> Vec<ConfigError> {
    let most = config.buffer_high_watermark.unwrap_or(config.outbox_bytes_max / 5 * 4);
    let rows: [(&'static str, usize, bool, &str); 2] = [
        ("buffer_high_watermark", most, most <= config.outbox_bytes_max, "at most socket_buffer_size"),
        (
            "buffer_low_watermark",
            config.buffer_low_watermark,
            config.buffer_low_watermark < most,
            "less than buffer_high_watermark",
        ),
    ];
    let wrong = rows.into_iter().filter(|(_, _, is_possible, _)| !is_possible);
    wrong
        .map(|(option, value, _, wanted)| ConfigError { option, value: value.to_string(), wanted: wanted.to_owned() })
        .collect()
}

/// As [`set`], for one port: only what a port may have a value of its own for.
///
/// # Errors
/// As [`set`]; the option is the server's.
pub fn set_of_port(config: &mut Config, name: &str, value: &Value) -> Result<(), OptionError> {
    match rows().find(|row| row.names.contains(&name)) {
        Some(row) if !is_of_ports(row) => Err(OptionError::NotOfPorts(row.names[0])),
        _ => set(config, name, value),
    }
}

/// May each port have a value of its own for it?
fn is_of_ports(row: &OptionRow) -> bool {
    row.names.iter().any(|name| OF_PORTS.contains(name))
}

/// The page that `docs/options.md` is.
pub fn page() -> String {
    let mut page = String::from(
        "# Options\n\nWhat `$server->set([...])` takes, and the methods of Rust's `Builder` that set the same. Sizes are bytes, in PHP \
         also text such as \"2M\"; times are seconds, fractions allowed, in Rust a `Duration`.\n\n\
         Those marked ◇ are a port's: `$server->set()` sets them for the primary port, and for those whose own `set()` is never\n\
         called.\n\n\
         | option | in Rust | takes | default | meaning |\n|---|---|---|---|---|\n",
    );
    for row in rows() {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        let rust = row.rust.as_ref().map(|rust| format!("`{}`", rust.name));
        let port = if is_of_ports(row) { " ◇" } else { "" };
        let names = names.join(", ") + port;
        let cells = [&names, &rust.unwrap_or_default(), row.wanted, row.default, row.meaning];
        page += &format!("| {} |\n", cells.map(|cell| if cell.is_empty() { "–" } else { cell }).join(" | "));
    }
    page += "\n## Not built\n\nSwoole has these; setting one here warns and has no effect. Where it asks for no more than there \
              is, such as false for what is off, it does not warn.\n\n| option | why not |\n|---|---|\n";
    for group in NOT_BUILT.chunk_by(|one, other| one.reason == other.reason) {
        let names: Vec<String> = group.iter().map(|option| format!("`{}`", option.name)).collect();
        page += &format!("| {} | {} |\n", names.join(", "), group[0].reason);
    }
    page
}
