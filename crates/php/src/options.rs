//! Turns the array given to `set()` into options of the engine.

use wirewool_engine::config::Config;
use wirewool_engine::options::{self, OptionError, Value};

use crate::array::{Array, Key};
use crate::guard::Stop;
use crate::warning;
use crate::zend::layout::{Kind, Zval};
use crate::zend::value::Owned;

/// Lists deeper than this are none: one that contains itself has no end.
const DEPTH_MAX: usize = 8;

/// Sets each option of the array; those that cannot be set are all named in one warning, and change nothing.
///
/// # Errors
/// As for a warning; one of them is such that the server must not start.
pub(crate) fn apply(config: &mut Config, array: &Array) -> Result<(), Stop> {
    apply_with(config, array, options::set)
}

/// As [`apply`], for one port.
///
/// # Errors
/// As [`apply`].
pub(crate) fn apply_to_port(config: &mut Config, array: &Array) -> Result<(), Stop> {
    apply_with(config, array, options::set_of_port)
}

fn apply_with(
    config: &mut Config,
    array: &Array,
    set: fn(&mut Config, &str, &Value) -> Result<(), OptionError>,
) -> Result<(), Stop> {
    let errors = array.elements().filter_map(|(key, value)| set(config, &name(key), &read(&value, 0)).err());
    let errors: Vec<OptionError> = errors.collect();
    let text = errors.iter().map(OptionError::to_string).collect::<Vec<_>>().join("; ");
    match &errors[..] {
        [] => Ok(()),
        errors if errors.iter().any(OptionError::is_fatal) => Err(warning::fatal(&text)),
        _ => warning::warn_user(&text),
    }
}

/// As [`apply_to_port`], without a warning: somebody else has warned, or it is no port's.
pub(crate) fn set_quietly(config: &mut Config, array: &Array) {
    for (key, value) in array.elements() {
        let _ = options::set_of_port(config, &name(key), &read(&value, 0));
    }
}

/// An array with a name in it is a map, any other a list.
fn read_array(array: &Array, depth: usize) -> Value {
    let elements = array.elements().map(|(key, value)| (key, read(&value, depth)));
    let elements: Vec<(Key, Value)> = elements.collect();
    if elements.iter().all(|(key, _)| matches!(key, Key::Index(_))) {
        return Value::List(elements.into_iter().map(|(_, value)| value).collect());
    }
    let named = elements.into_iter().map(|(key, value)| (name(key), value));
    Value::Map(named.collect())
}

fn name(key: Key) -> String {
    match key {
        Key::Index(index) => index.to_string(),
        Key::Name(name) => String::from_utf8_lossy(&name).into_owned(),
    }
}

/// A value without PHP in it. Runs no PHP code.
fn read(value: &Zval, depth: usize) -> Value {
    match value.kind() {
        Kind::Null | Kind::Undefined => Value::Null,
        Kind::False => Value::Bool(false),
        Kind::True => Value::Bool(true),
        Kind::Long => value.as_long().map_or(Value::Other("a number"), Value::Int),
        Kind::Double => value.as_double().map_or(Value::Other("a number"), Value::Float),
        Kind::String => match value.as_bytes().map(|bytes| (bytes, str::from_utf8(bytes))) {
            Some((_, Ok(text))) => Value::Text(text.to_owned()),
            Some((bytes, Err(_))) => Value::Bytes(bytes.to_owned()),
            None => Value::Other("text"),
        },
        Kind::Array if depth < DEPTH_MAX => match Array::of(Owned::copy(value)) {
            Some(array) => read_array(&array, depth + 1),
            None => Value::Other("an array"),
        },
        Kind::Array => Value::Other("an array"),
        Kind::Object => Value::Other("an object"),
        Kind::Other => Value::Other("a resource"),
    }
}
