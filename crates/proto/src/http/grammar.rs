//! Says whether bytes are what the grammar of HTTP and URIs calls them, where httparse is more lenient or not asked.

/// RFC 9112, section 3.2: origin, asterisk, absolute or authority form. None of them has a fragment.
pub(super) fn is_target(method: &str, target: &str) -> bool {
    if target.contains('#') {
        return false;
    }
    match method {
        "CONNECT" => true,
        "OPTIONS" if target == "*" => true,
        _ => target.starts_with('/') || target.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)),
    }
}

/// RFC 3986, section 3.1.
pub(super) fn is_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

/// A byte of `uri-host [ ":" port ]` (RFC 3986, section 3.2).
pub(super) fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// Digits only: the number parser of the standard library takes a `+` as well.
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// `name=value`, not decoded, quotes kept, white space around both cut off. Without a name, or without `=`, it is no
/// cookie (RFC 6265, sections 4.2.1 and 5.2).
pub(super) fn cookie_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', pair)?;
    let name = pair[..equals].trim_ascii();
    (!name.is_empty()).then(|| (name, pair[equals + 1..].trim_ascii()))
}
