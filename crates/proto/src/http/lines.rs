//! Writes header lines, after a look at whether a peer would read them as they are meant (RFC 9112, section 5).

use memchr::memchr3;
use thiserror::Error;

use crate::http::grammar::is_token;

/// A header line that would be read as something else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// A name that is not a token (RFC 9110, section 5.6.2).
    #[error("header name {0:?}: must be letters, digits and !#$%&'*+-.^_`|~ only")]
    Name(String),
    /// A value with a byte that would end the line, and so begin another header. It has the header's name.
    #[error("value of header {0:?}: must have no CR, LF or NUL")]
    Value(String),
    /// The Content-Length that was set is not the body's: what comes behind it would be read at the wrong place.
    #[error("Content-Length {declared:?}: must be the body's length, {body_bytes}, and set once")]
    Length {
        /// The value that was set.
        declared: String,
        /// The body's length in bytes.
        body_bytes: usize,
    },
}

/// Names, and values as they go out, in order.
pub(super) type Lines<'a> = [(&'a str, &'a [u8])];

/// The first line that cannot be sent.
pub(super) fn check(lines: &Lines<'_>) -> Result<(), LineError> {
    for (name, value) in lines {
        if !is_token(name) {
            return Err(LineError::Name((*name).to_owned()));
        }
        if ends_line(value) {
            return Err(LineError::Value((*name).to_owned()));
        }
    }
    Ok(())
}

/// A Content-Length among these lines must be the body's.
pub(super) fn check_length<'a>(
    lines: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body_bytes: usize,
) -> Result<(), LineError> {
    let lengths = lines.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    for (line, (_, declared)) in lengths.enumerate() {
        if line > 0 || declared != body_bytes.to_string().as_bytes() {
            let declared = String::from_utf8_lossy(declared).into_owned();
            return Err(LineError::Length { declared, body_bytes });
        }
    }
    Ok(())
}

/// Appends lines that [`check`] passed, and the empty one behind them.
pub(super) fn write(lines: &Lines<'_>, out: &mut Vec<u8>) {
    for (name, value) in lines {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a line with these bytes in it would be two, or be cut off.
pub(super) fn ends_line(bytes: &[u8]) -> bool {
    memchr3(b'\r', b'\n', 0, bytes).is_some()
}
