//! Turns the name of an option and a value into a setting, or into what is wrong with them.

mod rows;
mod values;

use crate::config::Config;
use crate::options::rows::{NOT_BUILT, OF_PORTS, OPTIONS};
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
    /// Its names; the first is the usual one.
    pub names: &'static [&'static str],
    /// What it takes.
    pub wanted: &'static str,
    /// Its default, in words.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Sets it; false if the value is none that it takes.
    set: fn(&mut Config, &Value) -> bool,
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
    #[error("option [{0}] is not available yet and has no effect")]
    NotBuilt(&'static str),
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

/// Sets the option called `name`.
///
/// # Errors
/// The option is unknown or not built, or the value is none that it takes: then nothing has changed.
pub fn set(config: &mut Config, name: &str, value: &Value) -> Result<(), OptionError> {
    if let Some(row) = OPTIONS.iter().find(|row| row.names.contains(&name)) {
        let mut changed = config.clone();
        if (row.set)(&mut changed, value) {
            *config = changed;
            return Ok(());
        }
        return Err(OptionError::Invalid { name: row.names[0], value: value.to_string(), wanted: row.wanted });
    }
    if let Some(name) = NOT_BUILT.iter().find(|known| **known == name) {
        return Err(OptionError::NotBuilt(name));
    }
    let known = OPTIONS.iter().flat_map(|row| row.names).chain(NOT_BUILT);
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    Err(OptionError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, known)| known) })
}

/// As [`set`], for one port: only what a port may have a value of its own for.
///
/// # Errors
/// As [`set`]; the option is the server's.
pub fn set_of_port(config: &mut Config, name: &str, value: &Value) -> Result<(), OptionError> {
    match OPTIONS.iter().find(|row| row.names.contains(&name)) {
        Some(row) if !OF_PORTS.contains(&row.names[0]) => Err(OptionError::NotOfPorts(row.names[0])),
        _ => set(config, name, value),
    }
}

/// The page that `docs/options.md` is.
pub fn page() -> String {
    let mut page = String::from(
        "# Options\n\nWhat `$server->set([...])` takes. Sizes are bytes, or text such as \"2M\"; times are seconds, fractions allowed.\n\n\
         Those marked ◇ are a port's: `$server->set()` sets them for the primary port, and for those whose own `set()` is never\n\
         called.\n\n\
         | option | takes | default | meaning |\n|---|---|---|---|\n",
    );
    for row in OPTIONS {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        let port = if OF_PORTS.contains(&row.names[0]) { " ◇" } else { "" };
        page += &format!("| {}{port} | {} | {} | {} |\n", names.join(", "), row.wanted, row.default, row.meaning);
    }
    page += "\n## Known, not available yet\n\nSetting one of these warns and has no effect.\n\n";
    let names: Vec<String> = NOT_BUILT.iter().map(|name| format!("`{name}`")).collect();
    page + &names.join(", ") + "\n"
}
