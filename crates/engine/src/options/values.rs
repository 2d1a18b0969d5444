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

/// As a script would give it.
pub(crate) fn compression_value(compression: Compression) -> Value {
    let bits = |bits: u8| Value::Int(bits.into());
    let mut settings = vec![
        ("server_context_takeover".to_owned(), Value::Bool(compression.server_context_takeover)),
        ("client_context_takeover".to_owned(), Value::Bool(compression.client_context_takeover)),
        ("server_max_window_bits".to_owned(), bits(compression.server_max_window_bits)),
        ("client_max_window_bits".to_owned(), bits(compression.client_max_window_bits)),
        ("level".to_owned(), bits(compression.level)),
    ];
    settings.extend(compression.threshold.map(|bytes| ("threshold".to_owned(), whole_value(bytes as u64))));
    Value::Map(settings)
}

/// Names without spaces and commas (RFC 6455 §4.1).
pub(crate) fn set_subprotocols(config: &mut Config, names: Vec<String>) -> bool {
    let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    let good = names.iter().all(is_name);
    put(&mut config.subprotocols, good.then_some(names))
}

/// As a script would give it; what is beyond its numbers is beyond any bound.
pub(crate) fn whole_value(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
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
pub(crate) fn length(value: &Value) -> Option<Number> {
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

/// As a script would give it.
pub(crate) fn interval_value(interval: Option<Duration>) -> Value {
    Value::Float(interval.map_or(0.0, |interval| interval.as_secs_f64()))
}

/// How often something is done, in seconds; `Some(None)` for 0: never.
pub(crate) fn interval(value: &Value) -> Option<Option<Duration>> {
    match whole(value, 0, 0) {
        Some(_) => Some(None),
        None => {
            number(value).filter(|seconds| (0.01..=86400.0).contains(seconds)).map(Duration::from_secs_f64).map(Some)
        }
    }
}

/// A time in seconds within bounds.
pub(crate) fn seconds(value: &Value, least: f64) -> Option<Duration> {
    number(value).filter(|seconds| (least..=3600.0).contains(seconds)).map(Duration::from_secs_f64)
}

fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    })
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

/// A path.
pub(crate) fn path(value: &Value) -> Option<String> {
    match value {
        Value::Text(path) if !path.is_empty() && !path.contains('\0') => Some(path.clone()),
        _ => None,
    }
}

/// The name of a user or a group, or its number.
pub(crate) fn name(value: &Value) -> Option<String> {
    match value {
        Value::Int(number) => u32::try_from(*number).ok().map(|number| number.to_string()),
        value => path(value),
    }
}

/// As a script would give it.
pub(crate) fn text_value(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.clone()))
}

/// As a script would give it.
pub(crate) fn optional_value(number: Option<usize>) -> Value {
    number.map_or(Value::Null, |number| whole_value(number as u64))
}

/// What comes behind a percent sign: all that strftime(3) and the crate chrono have in common, but what ends a line.
const CONVERSIONS: &str = "aAbBcCdDeFgGhHIjklmMpPrRsSTuUVwWxXyYzZ%";

const DATE_FORMAT_BYTES_MAX: usize = 100;

/// How a date is written.
pub(crate) fn date_format(value: &Value) -> Option<String> {
    let Value::Text(format) = value else { return None };
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        let good = match character {
            '%' => characters.next().is_some_and(|conversion| CONVERSIONS.contains(conversion)),
            other => !other.is_control(),
        };
        if !good {
            return None;
        }
    }
    (1..=DATE_FORMAT_BYTES_MAX).contains(&format.len()).then(|| format.clone())
}
