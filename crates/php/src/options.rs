//! Turns the array given to `set()` into options of the engine.

use wirewool_engine::config::Config;
use wirewool_engine::options::{self, Value};

use crate::array::{Array, Key};
use crate::guard::Stop;
use crate::warning;
use crate::zend::layout::{Kind, Zval};
use crate::zend::value::Owned;

/// Lists deeper than this are none: one that contains itself has no end.
const DEPTH_MAX: usize = 8;

/// Sets each option of the array; one that cannot be set is named in a warning, and changes nothing.
///
/// # Errors
/// As for a warning.
pub(crate) fn apply(config: &mut Config, array: &Array) -> Result<(), Stop> {
    for (key, value) in array.elements() {
        let name = match key {
            Key::Index(index) => index.to_string(),
            Key::Name(name) => String::from_utf8_lossy(&name).into_owned(),
        };
        if let Err(error) = options::set(config, &name, &read(&value, 0)) {
            warning::warn_user(&error.to_string())?;
        }
    }
    Ok(())
}

/// A value without PHP in it. Runs no PHP code.
fn read(value: &Zval, depth: usize) -> Value {
    match value.kind() {
        Kind::Null | Kind::Undefined => Value::Null,
        Kind::False => Value::Bool(false),
        Kind::True => Value::Bool(true),
        Kind::Long => value.as_long().map_or(Value::Other("a number"), Value::Int),
        Kind::Double => value.as_double().map_or(Value::Other("a number"), Value::Float),
        Kind::String => match value.as_bytes().map(str::from_utf8) {
            Some(Ok(text)) => Value::Text(text.to_owned()),
            _ => Value::Other("text that is not UTF-8"),
        },
        Kind::Array if depth < DEPTH_MAX => match Array::of(Owned::copy(value)) {
            Some(array) => Value::List(array.elements().map(|(_, value)| read(&value, depth + 1)).collect()),
            None => Value::Other("an array"),
        },
        Kind::Array => Value::Other("an array"),
        Kind::Object => Value::Other("an object"),
        Kind::Other => Value::Other("a resource"),
    }
}
