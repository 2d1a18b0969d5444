//! Close codes and the payload of close frames (RFC 6455 §5.5.1, §7.4).

use crate::websocket::role::Role;
use crate::websocket::violation::Violation;
use std::fmt;

/// The longest reason that fits a close frame beside its code, in bytes (RFC 6455 §5.5: 125 in all).
pub const REASON_BYTES_MAX: usize = 123;

/// Why a WebSocket connection was closed (RFC 6455 §7.4, IANA WebSocket Close Code Number Registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose was fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// 1005: there was no code; never on the wire.
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// 1006: there was no close frame; never on the wire.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1007: text that is not UTF-8, or a payload that does not fit its kind.
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    /// 1008: against the endpoint's policy.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// 1009: the message is too big.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// 1010: the client wanted an extension that the server did not negotiate; sent by clients only.
    pub const EXTENSION_MISSING: CloseCode = CloseCode(1010);
    /// 1011: the server failed.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1012: the server restarts.
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// 1013: the server is overloaded.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// The code `code`, if `sender` may put it on the wire.
    ///
    /// Those are 1000–1003, 1007–1009, 1011–1014 and 3000–4999, for a client 1010 as well. RFC 6455 §7.4 and the IANA
    /// registry reserve the others, or keep them for use inside an endpoint.
    pub fn sendable(code: u16, sender: Role) -> Option<CloseCode> {
        let sendable = match code {
            1000..=1003 | 1007..=1009 | 1011..=1014 | 3000..=4999 => true,
            1010 => sender == Role::Client,
            _ => false,
        };
        sendable.then_some(CloseCode(code))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a received close frame said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code, if there was one.
    pub code: Option<CloseCode>,
    /// The reason, "" if there was none.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the payload of a client's close frame.
    ///
    /// # Errors
    /// One byte, a code that must not be sent (1002), a reason that is not UTF-8 (1007).
    pub fn parse(payload: &'a [u8]) -> Result<Close<'a>, Violation> {
        match payload {
            [] => Ok(Close { code: None, reason: "" }),
            [_] => Err(Violation::CloseTooShort),
            [high, low, reason @ ..] => {
                let number = u16::from_be_bytes([*high, *low]);
                let code = CloseCode::sendable(number, Role::Client).ok_or(Violation::CloseCodeInvalid(number))?;
                let reason = simdutf8::basic::from_utf8(reason).map_err(|_| Violation::ReasonNotUtf8)?;
                Ok(Close { code: Some(code), reason })
            }
        }
    }
}

/// A close frame's payload: the code and as much of `reason` as fits, cut where a character ends.
pub fn payload(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.0.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

#[cfg(test)]
mod tests {
    use crate::websocket::close::{Close, CloseCode, payload};
    use crate::websocket::role::Role;
    use crate::websocket::violation::Violation;

    #[test]
    fn codes() {
        let rows = [
            (0, false, false),
            (999, false, false),
            (1000, true, true),
            (1003, true, true),
            (1004, false, false),
            (1005, false, false),
            (1006, false, false),
            (1007, true, true),
            (1009, true, true),
            (1010, true, false),
            (1011, true, true),
            (1014, true, true),
            (1015, false, false),
            (1016, false, false),
            (2999, false, false),
            (3000, true, true),
            (4999, true, true),
            (5000, false, false),
            (65535, false, false),
        ];
        for (code, client, server) in rows {
            assert_eq!(CloseCode::sendable(code, Role::Client).is_some(), client, "{code} by a client");
            assert_eq!(CloseCode::sendable(code, Role::Server).is_some(), server, "{code} by a server");
        }
    }

    #[test]
    fn payloads() {
        let code = |n| CloseCode::sendable(n, Role::Client);
        let rows: &[(&[u8], Result<Close<'_>, Violation>)] = &[
            (b"", Ok(Close { code: None, reason: "" })),
            (b"\x03", Err(Violation::CloseTooShort)),
            (b"\x03\xe8", Ok(Close { code: code(1000), reason: "" })),
            (b"\x0f\xa0bye", Ok(Close { code: code(4000), reason: "bye" })),
            (b"\x03\xed", Err(Violation::CloseCodeInvalid(1005))),
            (b"\x03\xe8\xff", Err(Violation::ReasonNotUtf8)),
        ];
        for (bytes, wanted) in rows {
            assert_eq!(Close::parse(bytes), *wanted, "{bytes:?}");
        }
    }

    #[test]
    fn a_reason_is_cut_where_a_character_ends() {
        let long = "é".repeat(70);
        let bytes = payload(CloseCode::NORMAL, &long);
        assert_eq!(bytes.len(), 2 + 122);
        assert_eq!(Close::parse(&bytes).map(|close| close.reason), Ok(&long[..122]));
    }
}
