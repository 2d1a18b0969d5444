//! Turns what `cookie()` and `rawcookie()` are given into the value of a Set-Cookie header.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wirewool_proto::http::response::date;

/// A cookie to be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Seconds since 1970; 0 for a cookie of the session.
    pub(crate) expires: i64,
    /// Left out when empty, like all that follow.
    pub(crate) path: &'a [u8],
    pub(crate) domain: &'a [u8],
    pub(crate) same_site: &'a [u8],
    pub(crate) priority: &'a [u8],
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) partitioned: bool,
}

/// How the value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Raw,
    /// As PHP's `urlencode()` writes it.
    Url,
}

/// What is wrong with a cookie. Nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieError {
    /// No name, or a byte in it that ends one.
    Name,
    /// A byte in the value, or in an attribute, that ends it.
    Value,
}

impl std::fmt::Display for CookieError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CookieError::Name => {
                "cookie names must not be empty and cannot contain any of the following '=,; \\t\\r\\n\\013\\014'"
            }
            CookieError::Value => {
                "cookie values and attributes cannot contain any of the following ',; \\t\\r\\n\\013\\014'"
            }
        })
    }
}

impl Cookie<'_> {
    /// The header's value. An empty value deletes the cookie at the browser.
    ///
    /// # Errors
    /// What a browser would read as something else.
    pub(crate) fn encode(&self, coding: Coding) -> Result<Vec<u8>, CookieError> {
        if self.name.is_empty() || self.name.iter().any(|byte| ends_name(*byte)) {
            return Err(CookieError::Name);
        }
        let attributes = [self.path, self.domain, self.same_site, self.priority];
        let ends_value = |byte: &u8| *byte != b'=' && ends_name(*byte);
        let raw = if coding == Coding::Raw { self.value } else { b"" };
        if raw.iter().any(ends_value) || attributes.iter().copied().flatten().any(|byte| ends_attribute(*byte)) {
            return Err(CookieError::Value);
        }
        let mut text = [self.name, b"="].concat();
        let expires = if self.value.is_empty() {
            text.extend_from_slice(b"deleted");
            1
        } else {
            match coding {
                Coding::Raw => text.extend_from_slice(self.value),
                Coding::Url => url_encode(self.value, &mut text),
            }
            self.expires
        };
        if expires > 0 {
            text.extend_from_slice(b"; expires=");
            append_expiry(expires, &mut text);
        }
        self.append_attributes(&mut text);
        Ok(text)
    }

    fn append_attributes(&self, text: &mut Vec<u8>) {
        let mut attribute = |name: &str, value: &[u8]| {
            if !value.is_empty() {
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(value);
            }
        };
        attribute("; path=", self.path);
        attribute("; domain=", self.domain);
        attribute("; ", if self.secure { b"secure" } else { b"" });
        attribute("; ", if self.http_only { b"httponly" } else { b"" });
        attribute("; samesite=", self.same_site);
        attribute("; priority=", self.priority);
        attribute("; ", if self.partitioned { b"Partitioned" } else { b"" });
    }
}

fn ends_name(byte: u8) -> bool {
    matches!(byte, b'=' | b',' | b';' | b' ' | b'\t' | b'\r' | b'\n' | 0 | 0x0b | 0x0c)
}

fn ends_attribute(byte: u8) -> bool {
    byte == b';' || byte.is_ascii_control()
}

/// The Date format with dashes, as cookies have had it from the start: `Thu, 01-Jan-1970 00:00:01 GMT`.
fn append_expiry(seconds: i64, text: &mut Vec<u8>) {
    let time = u64::try_from(seconds).ok().and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s)));
    let start = text.len();
    date(time.unwrap_or(SystemTime::UNIX_EPOCH), text);
    text[start + 7] = b'-';
    text[start + 11] = b'-';
}

/// PHP's `urlencode()`.
fn url_encode(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(byte),
            b' ' => text.push(b'+'),
            _ => text.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}
