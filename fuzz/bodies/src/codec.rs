//! Records from another process, which may be anything.

use crate::choices::Choices;
use wirewool_hub::codec::{decode_command, decode_event, encode_command, encode_event};

/// What is accepted is encoded to the same bytes; a record is an event or a command, never both.
pub fn codec(data: &[u8]) {
    let mut choices = Choices::new(data);
    let tag = u16::from(choices.byte());
    let payload = choices.rest();
    let event = decode_event(tag, payload);
    let command = decode_command(tag, payload);
    assert!(event.is_err() || command.is_err());
    if let Ok((fd, event)) = event {
        encode_event(fd, &event, |number, parts| check(tag, payload, number, parts));
    }
    if let Ok((fd, command)) = command {
        encode_command(fd, &command, |number, parts| check(tag, payload, number, parts));
    }
}

fn check(tag: u16, payload: &[u8], number: u16, parts: &[&[u8]]) {
    assert_eq!((number, &parts.concat()[..]), (tag, payload));
}
