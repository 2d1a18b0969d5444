//! UTF-8 in pieces, and the payload of close frames.

use crate::choices::{Choices, Cuts};
use std::str::from_utf8;
use wirewool_proto::websocket::close::{Close, CloseCode, REASON_BYTES_MAX, payload};
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::utf8::{NotUtf8, Utf8};
use wirewool_proto::websocket::violation::Violation;

/// Any split agrees with the standard library, and the mistake is found at the byte that makes it.
pub fn utf8(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut cuts = Cuts::new(choices.byte());
    let bytes = choices.rest();
    let right = from_utf8(bytes).is_ok();
    assert_eq!(check([bytes]).is_ok(), right, "in one piece");
    assert_eq!(check(cuts.pieces(bytes)).is_ok(), right, "cut");

    let mut state = Utf8::default();
    let found = bytes.iter().position(|byte| state.push(&[*byte]).is_err());
    assert_eq!(found, first_mistake(bytes), "the first byte that cannot be right");
}

fn check<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), NotUtf8> {
    let mut state = Utf8::default();
    for piece in pieces {
        state.push(piece)?;
    }
    state.finish()
}

fn first_mistake(bytes: &[u8]) -> Option<usize> {
    let start = from_utf8(bytes).err().filter(|error| error.error_len().is_some())?.valid_up_to();
    let is_wrong = |end: &usize| from_utf8(&bytes[start..*end]).is_err_and(|error| error.error_len().is_some());
    (start + 1..=bytes.len()).find(is_wrong).map(|end| end - 1)
}

/// What is accepted is what would be written; what is refused has the mistake that it is refused for.
pub fn close_payload(data: &[u8]) {
    let number = data.first_chunk().map(|code| u16::from_be_bytes(*code));
    let reason = data.get(2..).unwrap_or_default();
    let sendable = number.and_then(|number| CloseCode::sendable(number, Role::Client));
    match Close::parse(data) {
        Ok(Close { code: None, reason }) => assert!(data.is_empty() && reason.is_empty()),
        Ok(Close { code: Some(code), reason: text }) => {
            assert_eq!((Some(code), text.as_bytes()), (sendable, reason));
            let written = payload(code, text);
            assert!(written.len() <= 2 + REASON_BYTES_MAX && data.starts_with(&written));
            assert!(written == data || data.len() > 2 + REASON_BYTES_MAX);
            assert!(Close::parse(&written).is_ok(), "a reason is cut where a character ends");
        }
        Err(Violation::CloseTooShort) => assert_eq!(data.len(), 1),
        Err(Violation::CloseCodeInvalid(code)) => assert_eq!((Some(code), sendable), (number, None)),
        Err(violation) => {
            assert_eq!(violation, Violation::ReasonNotUtf8);
            assert!(sendable.is_some() && from_utf8(reason).is_err());
        }
    }
}
