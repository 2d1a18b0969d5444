//! Turns a value as a script gives it into what an option takes, within bounds.

use crate::config::Config;
use crate::options::Value;
use std::time::Duration;
use wirewool_proto::packets::{Mark, Number};
use wirewool_proto::websocket::extension::Compression;

/// The settings of `websocket_compression`; none if one of them is unknown or out of range.
pub(crate) fn compression(settings: &[(String, Value)]) -> Option<Compression> {
    let mut compression = Compression::default();
    for (name, value) in settings {
        match name.as_str() {
            "server_context_takeover" => compression.server_context_takeover = truth(value)?,
            "client_context_takeover" => compression.client_context_takeover = truth(value)?,
            "server_max_window_bits" => compression.server_max_window_bits = whole(value, 9, 15)? as u8,
            "client_max_window_bits" => compression.client_max_window_bits = whole(value, 9, 15)? as u8,
            "level" => compression.level = whole(value, 1, 9)? as u8,
            "threshold" => compression.threshold = Some(size(value, 0)?),
            _ => return None,
        }
    }
    Some(compression)
}

pub(crate) fn set_subprotocols(config: &mut Config, names: Vec<String>) -> bool {
    config.subprotocols = names;
    config.check().is_ok()
}

/// What `package_eof` is: any bytes.
pub(crate) fn mark(value: &Value) -> Option<Mark> {
    match value {
        Value::Text(text) => Mark::new(text.as_bytes()),
        Value::Bytes(bytes) => Mark::new(bytes),
        _ => None,
    }
}

/// What `package_length_type` is: one letter.
pub(crate) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Text(text) if text.len() == 1 => Number::from_letter(text.as_bytes()[0]),
        _ => None,
    }
}

pub(crate) fn put<T>(to: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            *to = value;
            true
        }
        None => false,
    }
}

/// A whole number within bounds.
pub(crate) fn whole(value: &Value, least: i64, most: i64) -> Option<i64> {
    let number = match value {
        Value::Int(number) => *number,
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => *number as i64,
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (least..=most).contains(&number).then_some(number)
}

/// A size in bytes, also as text with the suffix K, M or G.
pub(crate) fn size(value: &Value, least: i64) -> Option<usize> {
    let most = 1 << 32;
    let Value::Text(text) = value else { return whole(value, least, most).map(|bytes| bytes as usize) };
    let text = text.trim();
    let (digits, shift) = match text.bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let bytes = digits.trim().parse::<i64>().ok()?.checked_mul(1 << shift)?;
    (least..=most).contains(&bytes).then_some(bytes as usize)
}

/// A time in seconds within bounds.
pub(crate) fn seconds(value: &Value, least: f64) -> Option<Duration> {
    let seconds = match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (least..=3600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Anything is true or false, as in PHP.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    Some(match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Text(text) => !text.is_empty() && text != "0",
        Value::Bytes(_) => true,
        Value::List(_) | Value::Map(_) | Value::Other(_) => return None,
    })
}
