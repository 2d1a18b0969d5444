//! Events and commands as bytes, and back, for handlers in another process than the connections.
//!
//! A record is a tag, the fd in eight bytes, and the rest: short things first, the one long thing last, so that whoever
//! reads it borrows that. Numbers are little-endian. There is one form for each value, and what comes from elsewhere is
//! checked: a decoded value is one that could have been encoded. Text alone is not looked at again.

use crate::command::{After, Command, Push};
use crate::event::{Closed, Ending, Event, Status};
use crate::fd::Fd;
use wirewool_proto::http::head::{Head, HeadError, HeadLimits, HeadReader};
use wirewool_proto::http::request::Request;
use wirewool_proto::packets::PacketError;
use wirewool_proto::websocket::close::{Close, CloseCode};
use wirewool_proto::websocket::extension::{AGREEMENT_BYTES, Agreement};
use wirewool_proto::websocket::frame::{CONTROL_BYTES_MAX, Opcode};
use wirewool_proto::websocket::message::{Kind, Message, Payload};
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::violation::Violation;

/// Tags from here on are never those of an event or a command: they are the engine's, for what it says to itself.
pub const ENGINE_TAG_MIN: u16 = 0x100;

/// The tag of [`Command::Push`].
pub const PUSH_TAG: u16 = Tag::Push as u16;

/// What a record is: an event below 0x80, a command from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum Tag {
    Connected = 0x01,
    Received = 0x02,
    Request = 0x03,
    Upgrade = 0x04,
    Text = 0x05,
    Binary = 0x06,
    /// A message that came compressed.
    DeflatedText = 0x07,
    DeflatedBinary = 0x08,
    Ping = 0x09,
    Pong = 0x0a,
    CloseFrame = 0x0b,
    Violation = 0x0c,
    Closed = 0x0d,
    BufferFull = 0x0e,
    BufferEmpty = 0x0f,
    BadPacket = 0x10,
    Push = 0x80,
    Send = 0x81,
    Answer = 0x82,
    Disconnect = 0x83,
    Close = 0x84,
    Finish = 0x85,
    Forget = 0x86,
}

impl Tag {
    fn from_number(number: u16) -> Option<Tag> {
        Some(match number {
            0x01 => Tag::Connected,
            0x02 => Tag::Received,
            0x03 => Tag::Request,
            0x04 => Tag::Upgrade,
            0x05 => Tag::Text,
            0x06 => Tag::Binary,
            0x07 => Tag::DeflatedText,
            0x08 => Tag::DeflatedBinary,
            0x09 => Tag::Ping,
            0x0a => Tag::Pong,
            0x0b => Tag::CloseFrame,
            0x0c => Tag::Violation,
            0x0d => Tag::Closed,
            0x0e => Tag::BufferFull,
            0x0f => Tag::BufferEmpty,
            0x10 => Tag::BadPacket,
            0x80 => Tag::Push,
            0x81 => Tag::Send,
            0x82 => Tag::Answer,
            0x83 => Tag::Disconnect,
            0x84 => Tag::Close,
            0x85 => Tag::Finish,
            0x86 => Tag::Forget,
            _ => return None,
        })
    }
}

/// A record that nobody can have encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No event, or no command, has this tag.
    #[error("the tag {0:#x}: wanted that of an event, or of a command")]
    Tag(u16),
    /// It ends too early.
    #[error("a record that ends {0} bytes too early")]
    TooShort(usize),
    /// Something is behind its end.
    #[error("a record with {0} bytes behind its end")]
    TooLong(usize),
    /// The fd is 0.
    #[error("the fd 0: wanted one from 1 on")]
    Fd,
    /// A number that stands for nothing.
    #[error("{number} as {what}")]
    Number {
        /// What it should be.
        what: &'static str,
        /// What it is.
        number: u8,
    },
    /// The head of a request is not one, or not alone.
    #[error("a request's head that {0}")]
    Head(&'static str),
    /// The head of a request is none that is accepted.
    #[error("a request's head: {0}")]
    HeadRefused(#[from] HeadError),
    /// A control frame's payload is longer than 125 bytes (RFC 6455 §5.5).
    #[error("a control frame of {0} bytes: wanted at most 125")]
    ControlTooLong(usize),
    /// A close frame's payload is not legal.
    #[error("a close frame: {0}")]
    CloseFrame(Violation),
    /// A close code that a server does not send.
    #[error("the close code {0}: wanted one that a server sends")]
    CloseCode(u16),
    /// A close reason that is not UTF-8.
    #[error("a close reason that is not UTF-8")]
    Reason,
    /// A violation with numbers that it does not have.
    #[error("a violation of kind {0} with numbers that it does not have")]
    Violation(u8),
    /// What cannot have been agreed on about compression.
    #[error("an agreement on compression that cannot be")]
    Agreement,
}

// ---- to bytes ----

/// The short things of a record: the longest are those of a violation.
struct Front {
    bytes: [u8; Front::BYTES_MAX],
    len: usize,
}

impl Front {
    const BYTES_MAX: usize = FD_BYTES + VIOLATION_BYTES;

    #[inline]
    fn new(fd: Fd) -> Front {
        let mut front = Front { bytes: [0; Front::BYTES_MAX], len: 0 };
        front.put(fd.get().to_le_bytes());
        front
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }
}

const FD_BYTES: usize = 8;

/// Gives `write` the record of an event: its tag, and its bytes in parts.
#[inline]
pub fn encode_event<R>(fd: Fd, event: &Event<'_>, write: impl FnOnce(u16, &[&[u8]]) -> R) -> R {
    let mut front = Front::new(fd);
    let none: &[u8] = &[];
    let (tag, rest) = match event {
        Event::Connected => (Tag::Connected, [none; 2]),
        Event::Received(bytes) => (Tag::Received, [*bytes, none]),
        Event::Request(request) => (Tag::Request, put_request(request, &mut front)),
        Event::Upgrade(request) => (Tag::Upgrade, put_request(request, &mut front)),
        Event::Message(Message { kind, payload, compressed }) => {
            let tag = match (kind, compressed) {
                (Kind::Text, false) => Tag::Text,
                (Kind::Binary, false) => Tag::Binary,
                (Kind::Text, true) => Tag::DeflatedText,
                (Kind::Binary, true) => Tag::DeflatedBinary,
            };
            (tag, [payload.bytes(), none])
        }
        Event::Ping(payload) => (Tag::Ping, [*payload, none]),
        Event::Pong(payload) => (Tag::Pong, [*payload, none]),
        Event::Ending(Ending::CloseFrame(payload)) => (Tag::CloseFrame, [*payload, none]),
        Event::Ending(Ending::Violation(violation)) => {
            put_numbers(violation_numbers(*violation), &mut front);
            (Tag::Violation, [none; 2])
        }
        Event::Ending(Ending::Packet(error)) => {
            put_numbers(packet_numbers(*error), &mut front);
            (Tag::BadPacket, [none; 2])
        }
        Event::BufferFull => (Tag::BufferFull, [none; 2]),
        Event::BufferEmpty => (Tag::BufferEmpty, [none; 2]),
        Event::Closed(Closed { by_server, status }) => {
            front.put([u8::from(*by_server), *status as u8]);
            (Tag::Closed, [none; 2])
        }
    };
    write(tag as u16, &[&front.bytes[..front.len], rest[0], rest[1]])
}

/// Gives `write` the record of a command: its tag, and its bytes in parts.
#[inline]
pub fn encode_command<R>(fd: Fd, command: &Command<'_>, write: impl FnOnce(u16, &[&[u8]]) -> R) -> R {
    let mut front = Front::new(fd);
    let none: &[u8] = &[];
    let (tag, rest) = match command {
        Command::Push(Push { opcode, fin, compress, payload }) => {
            let flags = if *fin { FIN } else { 0 } | if *compress { COMPRESS } else { 0 };
            front.put([*opcode as u8 | flags]);
            (Tag::Push, payload.bytes())
        }
        Command::Send(bytes) => (Tag::Send, *bytes),
        Command::Answer { bytes, after } => {
            put_after(*after, &mut front);
            (Tag::Answer, *bytes)
        }
        Command::Disconnect { code, reason } => {
            front.put(code.get().to_le_bytes());
            (Tag::Disconnect, reason.as_bytes())
        }
        Command::Close { reset } => {
            front.put([u8::from(*reset)]);
            (Tag::Close, none)
        }
        Command::Finish => (Tag::Finish, none),
        Command::Forget => (Tag::Forget, none),
    };
    write(tag as u16, &[&front.bytes[..front.len], rest])
}

/// Beside the opcode of what is pushed.
const FIN: u8 = 0x80;
const COMPRESS: u8 = 0x40;

/// A head goes as it came, with its length before it: the other side parses it once more.
fn put_request<'a>(Request { head, body }: &'a Request, front: &mut Front) -> [&'a [u8]; 2] {
    // `HeadReader` keeps heads within 32 bits, so nothing is cut off here.
    front.put((head.raw().len() as u32).to_le_bytes());
    [head.raw(), body]
}

/// What comes behind an answer, and if that is WebSocket frames, how they are compressed.
fn put_after(after: After, front: &mut Front) {
    let (kind, agreement) = match after {
        After::More => (0, None),
        After::KeepAlive => (1, None),
        After::Close => (2, None),
        After::Upgrade(None) => (3, None),
        After::Upgrade(Some(agreement)) => (4, Some(agreement)),
    };
    front.put([kind]);
    front.put(agreement.map_or([0; AGREEMENT_BYTES], Agreement::to_bytes));
}

/// Its kind, and two numbers.
const VIOLATION_BYTES: usize = 1 + 2 * 8;

fn put_numbers((kind, [one, two]): (u8, [u64; 2]), front: &mut Front) {
    front.put([kind]);
    front.put(one.to_le_bytes());
    front.put(two.to_le_bytes());
}

fn packet_numbers(error: PacketError) -> (u8, [u64; 2]) {
    match error {
        PacketError::TooLong { announced, limit } => (0, [announced, limit]),
        PacketError::TooShort { announced } => (1, [announced as u64, 0]),
        PacketError::Endless { limit } => (2, [limit, 0]),
    }
}

fn violation_numbers(violation: Violation) -> (u8, [u64; 2]) {
    match violation {
        Violation::Unmasked => (0, [0, 0]),
        Violation::Masked => (1, [0, 0]),
        Violation::ReservedBits(bits) => (2, [bits.into(), 0]),
        Violation::ReservedOpcode(opcode) => (3, [opcode.into(), 0]),
        Violation::LengthNotMinimal(len) => (4, [len, 0]),
        Violation::LengthTopBit => (5, [0, 0]),
        Violation::ControlFragmented(opcode) => (6, [opcode.into(), 0]),
        Violation::ControlTooLong(opcode) => (7, [opcode.into(), 0]),
        Violation::NothingToContinue => (8, [0, 0]),
        Violation::NotContinued => (9, [0, 0]),
        Violation::CloseTooShort => (10, [0, 0]),
        Violation::CloseCodeInvalid(code) => (11, [code.into(), 0]),
        Violation::TextNotUtf8 => (12, [0, 0]),
        Violation::Corrupt => (13, [0, 0]),
        Violation::ReasonNotUtf8 => (14, [0, 0]),
        Violation::MessageTooBig { announced, limit } => (15, [announced, limit]),
    }
}

// ---- and back ----

/// The event that a record is, and whose it is. It borrows from `payload` what is long.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn decode_event(tag: u16, payload: &[u8]) -> Result<(Fd, Event<'_>), Malformed> {
    let (fd, rest) = take_fd(payload)?;
    let message = |kind, compressed| Event::Message(Message { kind, payload: Payload::Borrowed(rest), compressed });
    let event = match Tag::from_number(tag).ok_or(Malformed::Tag(tag))? {
        Tag::Text => message(Kind::Text, false),
        Tag::Binary => message(Kind::Binary, false),
        Tag::DeflatedText => message(Kind::Text, true),
        Tag::DeflatedBinary => message(Kind::Binary, true),
        Tag::Connected => nothing(rest).map(|()| Event::Connected)?,
        Tag::Received => Event::Received(rest),
        Tag::Request => Event::Request(request(rest)?),
        Tag::Upgrade => Event::Upgrade(request(rest)?),
        Tag::Ping => Event::Ping(control(rest)?),
        Tag::Pong => Event::Pong(control(rest)?),
        Tag::CloseFrame => {
            Close::parse(control(rest)?).map_err(Malformed::CloseFrame)?;
            Event::Ending(Ending::CloseFrame(rest))
        }
        Tag::Violation => Event::Ending(Ending::Violation(violation(rest)?)),
        Tag::BadPacket => Event::Ending(Ending::Packet(bad_packet(rest)?)),
        Tag::BufferFull => nothing(rest).map(|()| Event::BufferFull)?,
        Tag::BufferEmpty => nothing(rest).map(|()| Event::BufferEmpty)?,
        Tag::Closed => {
            let ([by_server, status], rest) = take(rest)?;
            nothing(rest)?;
            Event::Closed(Closed { by_server: flag("by whom it was closed", by_server)?, status: from_status(status)? })
        }
        Tag::Push | Tag::Send | Tag::Answer | Tag::Disconnect | Tag::Close | Tag::Finish | Tag::Forget => {
            return Err(Malformed::Tag(tag));
        }
    };
    Ok((fd, event))
}

/// The command that a record is, and for whom. It borrows from `payload` what is long.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn decode_command(tag: u16, payload: &[u8]) -> Result<(Fd, Command<'_>), Malformed> {
    let (fd, rest) = take_fd(payload)?;
    let command = match Tag::from_number(tag).ok_or(Malformed::Tag(tag))? {
        Tag::Push => Command::Push(push(rest)?),
        Tag::Send => Command::Send(rest),
        Tag::Answer => {
            let ([kind], rest) = take(rest)?;
            let (agreement, bytes) = take(rest)?;
            Command::Answer { bytes, after: from_after(kind, agreement)? }
        }
        Tag::Disconnect => {
            let (code, reason) = take(rest)?;
            let code = u16::from_le_bytes(code);
            let code = CloseCode::sendable(code, Role::Server).ok_or(Malformed::CloseCode(code))?;
            Command::Disconnect { code, reason: str::from_utf8(reason).map_err(|_| Malformed::Reason)? }
        }
        Tag::Close => {
            let ([reset], rest) = take(rest)?;
            nothing(rest)?;
            Command::Close { reset: flag("how it is closed", reset)? }
        }
        Tag::Finish => nothing(rest).map(|()| Command::Finish)?,
        Tag::Forget => nothing(rest).map(|()| Command::Forget)?,
        _ => return Err(Malformed::Tag(tag)),
    };
    Ok((fd, command))
}

#[inline]
fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Malformed> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Malformed::TooShort(N - bytes.len().min(N)))?;
    Ok((*taken, rest))
}

#[inline]
fn take_fd(payload: &[u8]) -> Result<(Fd, &[u8]), Malformed> {
    let (fd, rest) = take::<FD_BYTES>(payload)?;
    Ok((Fd::new(u64::from_le_bytes(fd)).ok_or(Malformed::Fd)?, rest))
}

fn nothing(rest: &[u8]) -> Result<(), Malformed> {
    if rest.is_empty() { Ok(()) } else { Err(Malformed::TooLong(rest.len())) }
}

fn flag(what: &'static str, number: u8) -> Result<bool, Malformed> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Number { what, number }),
    }
}

fn control(payload: &[u8]) -> Result<&[u8], Malformed> {
    if payload.len() > CONTROL_BYTES_MAX { Err(Malformed::ControlTooLong(payload.len())) } else { Ok(payload) }
}

fn request(rest: &[u8]) -> Result<Request, Malformed> {
    let (len, rest) = take(rest)?;
    let len = u32::from_le_bytes(len) as usize;
    let (raw, body) = rest.split_at_checked(len).ok_or(Malformed::TooShort(len - rest.len().min(len)))?;
    // Its sender has kept its own limits.
    let headers_max = raw.iter().filter(|byte| **byte == b'\n').count();
    let limits = HeadLimits { bytes_max: raw.len() + 1, headers_max };
    let Some((_, head)) = HeadReader::<Head>::new(limits).next(raw)? else {
        return Err(Malformed::Head("does not end"));
    };
    if head.raw().len() != raw.len() {
        return Err(Malformed::Head("has something before or behind it"));
    }
    Ok(Request { head, body: body.to_vec() })
}

fn from_status(number: u8) -> Result<Status, Malformed> {
    Ok(match number {
        0 => Status::Plain,
        1 => Status::Upgrading,
        2 => Status::OwnHandshake,
        3 => Status::Active,
        4 => Status::Closing,
        _ => return Err(Malformed::Number { what: "how far a connection had come", number }),
    })
}

#[inline]
fn push(rest: &[u8]) -> Result<Push<'_>, Malformed> {
    let ([byte], payload) = take(rest)?;
    let number = byte & !(FIN | COMPRESS);
    let opcode = Opcode::from_number(number).filter(|opcode| *opcode != Opcode::Close);
    let opcode = opcode.ok_or(Malformed::Number { what: "the opcode of what is pushed", number })?;
    let (fin, compress) = (byte & FIN != 0, byte & COMPRESS != 0);
    Ok(Push { opcode, fin, compress, payload: Payload::Borrowed(payload) })
}

fn from_after(kind: u8, agreement: [u8; AGREEMENT_BYTES]) -> Result<After, Malformed> {
    if kind == 4 {
        return Ok(After::Upgrade(Some(Agreement::from_bytes(agreement).ok_or(Malformed::Agreement)?)));
    }
    let after = match kind {
        0 => After::More,
        1 => After::KeepAlive,
        2 => After::Close,
        3 => After::Upgrade(None),
        _ => return Err(Malformed::Number { what: "what comes behind an answer", number: kind }),
    };
    if agreement == [0; AGREEMENT_BYTES] { Ok(after) } else { Err(Malformed::Agreement) }
}

fn take_numbers(rest: &[u8]) -> Result<(u8, [u64; 2]), Malformed> {
    let ([kind], rest) = take(rest)?;
    let (one, rest) = take(rest)?;
    let (two, rest) = take(rest)?;
    nothing(rest)?;
    Ok((kind, [u64::from_le_bytes(one), u64::from_le_bytes(two)]))
}

fn bad_packet(rest: &[u8]) -> Result<PacketError, Malformed> {
    let (kind, numbers @ [one, two]) = take_numbers(rest)?;
    let error = match kind {
        0 => PacketError::TooLong { announced: one, limit: two },
        1 => PacketError::TooShort { announced: one as i64 },
        2 => PacketError::Endless { limit: one },
        _ => return Err(Malformed::Number { what: "what is wrong with a packet", number: kind }),
    };
    if packet_numbers(error) == (kind, numbers) { Ok(error) } else { Err(Malformed::Violation(kind)) }
}

fn violation(rest: &[u8]) -> Result<Violation, Malformed> {
    let (kind, numbers @ [one, two]) = take_numbers(rest)?;
    // Whatever is cut off here is missing below.
    let (byte, short) = (one as u8, one as u16);
    let violation = match kind {
        0 => Violation::Unmasked,
        1 => Violation::Masked,
        2 => Violation::ReservedBits(byte),
        3 => Violation::ReservedOpcode(byte),
        4 => Violation::LengthNotMinimal(one),
        5 => Violation::LengthTopBit,
        6 => Violation::ControlFragmented(byte),
        7 => Violation::ControlTooLong(byte),
        8 => Violation::NothingToContinue,
        9 => Violation::NotContinued,
        10 => Violation::CloseTooShort,
        11 => Violation::CloseCodeInvalid(short),
        12 => Violation::TextNotUtf8,
        13 => Violation::Corrupt,
        14 => Violation::ReasonNotUtf8,
        15 => Violation::MessageTooBig { announced: one, limit: two },
        _ => return Err(Malformed::Number { what: "the kind of a violation", number: kind }),
    };
    if violation_numbers(violation) == (kind, numbers) { Ok(violation) } else { Err(Malformed::Violation(kind)) }
}

#[cfg(test)]
mod tests {
    use crate::codec::{
        ENGINE_TAG_MIN, Malformed, Tag, decode_command, decode_event, encode_command, encode_event, violation_numbers,
    };
    use crate::command::{After, Command, Push};
    use crate::event::{Closed, Ending, Event, Status};
    use crate::fd::Fd;
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};
    use wirewool_proto::http::head::{HeadError, HeadLimits, HeadReader};
    use wirewool_proto::http::request::Request;
    use wirewool_proto::packets::PacketError;
    use wirewool_proto::websocket::close::CloseCode;
    use wirewool_proto::websocket::extension::Agreement;
    use wirewool_proto::websocket::frame::Opcode;
    use wirewool_proto::websocket::message::{Kind, Message, Payload};
    use wirewool_proto::websocket::role::Role;
    use wirewool_proto::websocket::violation::Violation;

    fn fd(number: u64) -> Fd {
        Fd::new(number).expect("not zero")
    }

    fn record(tag: u16, parts: &[&[u8]]) -> (u16, Vec<u8>) {
        (tag, parts.concat())
    }

    /// It comes out as it went in, and nothing shorter does.
    fn check_event(number: u64, event: &Event<'_>) {
        let (tag, payload) = encode_event(fd(number), event, record);
        let decoded = decode_event(tag, &payload).map(|(fd, event)| (fd.get(), format!("{event:?}")));
        assert_eq!(decoded, Ok((number, format!("{event:?}"))));
        assert_eq!(decode_command(tag, &payload).err(), Some(Malformed::Tag(tag)));
        for end in 0..8 {
            assert!(decode_event(tag, &payload[..end]).is_err(), "{event:?} with {end} bytes");
        }
    }

    fn check_command(number: u64, command: &Command<'_>) {
        let (tag, payload) = encode_command(fd(number), command, record);
        let decoded = decode_command(tag, &payload).map(|(fd, command)| (fd.get(), format!("{command:?}")));
        assert_eq!(decoded, Ok((number, format!("{command:?}"))));
        assert_eq!(decode_event(tag, &payload).err(), Some(Malformed::Tag(tag)));
    }

    fn a_request(lines: usize, body: &[u8]) -> Request {
        let mut text = "POST /é?a=b HTTP/1.1\r\nHost: h\r\n".to_owned();
        (0..lines).for_each(|line| text += &format!("X-{line}:  \u{e9} \r\n"));
        text += "\r\n";
        let limits = HeadLimits { headers_max: 1000, ..HeadLimits::default() };
        let (_, head) = HeadReader::new(limits).next(text.as_bytes()).expect("accepted").expect("whole");
        Request { head, body: body.to_vec() }
    }

    fn an_agreement(bits: u8) -> Agreement {
        Agreement::from_bytes([bits & 7, 8 + (bits >> 3) % 8, [0, 8, 9, 15][usize::from(bits >> 6)]]).expect("legal")
    }

    const VIOLATIONS: [Violation; 16] = [
        Violation::Unmasked,
        Violation::Masked,
        Violation::ReservedBits(7),
        Violation::ReservedOpcode(15),
        Violation::LengthNotMinimal(u64::MAX),
        Violation::LengthTopBit,
        Violation::ControlFragmented(9),
        Violation::ControlTooLong(10),
        Violation::NothingToContinue,
        Violation::NotContinued,
        Violation::CloseTooShort,
        Violation::CloseCodeInvalid(u16::MAX),
        Violation::TextNotUtf8,
        Violation::Corrupt,
        Violation::ReasonNotUtf8,
        Violation::MessageTooBig { announced: u64::MAX, limit: 1 },
    ];

    const PACKET_ERRORS: [PacketError; 3] = [
        PacketError::TooLong { announced: u64::MAX, limit: 1 },
        PacketError::TooShort { announced: -1 },
        PacketError::Endless { limit: 1 << 20 },
    ];

    const STATUSES: [Status; 5] =
        [Status::Plain, Status::Upgrading, Status::OwnHandshake, Status::Active, Status::Closing];

    #[test]
    fn every_event() {
        let message =
            |kind, compressed| Event::Message(Message { kind, payload: Payload::Borrowed(b"hello"), compressed });
        let mut rows = vec![
            Event::Connected,
            Event::Received(b""),
            Event::Received(b"\0\xff"),
            Event::Request(a_request(0, b"")),
            Event::Request(a_request(200, &[b'x'; 100_000])),
            Event::Upgrade(a_request(3, b"")),
            message(Kind::Text, false),
            message(Kind::Text, true),
            message(Kind::Binary, false),
            message(Kind::Binary, true),
            Event::Ping(b"ping"),
            Event::Pong(&[b'p'; 125]),
            Event::Ending(Ending::CloseFrame(b"")),
            Event::Ending(Ending::CloseFrame(b"\x03\xe8bye")),
            Event::BufferFull,
            Event::BufferEmpty,
        ];
        rows.extend(PACKET_ERRORS.map(|error| Event::Ending(Ending::Packet(error))));
        rows.extend(VIOLATIONS.map(|violation| Event::Ending(Ending::Violation(violation))));
        for status in STATUSES {
            rows.extend([true, false].map(|by_server| Event::Closed(Closed { by_server, status })));
        }
        for (at, event) in rows.iter().enumerate() {
            check_event(u64::MAX - at as u64, event);
        }
    }

    #[test]
    fn every_command() {
        let long = "é".repeat(1000);
        let mut rows = vec![
            Command::Send(b""),
            Command::Send(b"\0\xff"),
            Command::Disconnect { code: CloseCode::NORMAL, reason: "" },
            Command::Disconnect { code: CloseCode::GOING_AWAY, reason: &long },
            Command::Close { reset: false },
            Command::Close { reset: true },
            Command::Finish,
            Command::Forget,
        ];
        for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong] {
            for (fin, compress) in [(false, false), (false, true), (true, false), (true, true)] {
                rows.push(Command::Push(Push { opcode, fin, compress, payload: Payload::Borrowed(b"\xffno text") }));
            }
        }
        let afters = [After::More, After::KeepAlive, After::Close, After::Upgrade(None)];
        let upgrades = (0..=255).map(|bits| After::Upgrade(Some(an_agreement(bits))));
        rows.extend(afters.into_iter().chain(upgrades).map(|after| Command::Answer { bytes: b"HTTP/1.1 200", after }));
        for (at, command) in rows.iter().enumerate() {
            check_command(at as u64 + 1, command);
        }
    }

    #[test]
    fn kinds_of_violations_are_their_own() {
        for (kind, violation) in VIOLATIONS.iter().enumerate() {
            assert_eq!(usize::from(violation_numbers(*violation).0), kind);
        }
    }

    #[test]
    fn tags_below_the_engines_are_their_own() {
        let known: Vec<u16> = (0..=u16::MAX).filter(|number| Tag::from_number(*number).is_some()).collect();
        assert!(known.iter().all(|number| Tag::from_number(*number).is_some_and(|tag| tag as u16 == *number)));
        assert!(known.iter().all(|number| *number < ENGINE_TAG_MIN));
        for tag in known {
            let is = |error: Option<Malformed>| error == Some(Malformed::Tag(tag));
            assert_eq!(is(decode_event(tag, &[1; 8]).err()), tag >= 0x80);
            assert_eq!(is(decode_command(tag, &[1; 8]).err()), tag < 0x80);
        }
    }

    #[test]
    fn malformed_events() {
        let number = |what, number| Malformed::Number { what, number };
        let violation = |kind: u8, one: u64, two: u64| [&[kind][..], &one.to_le_bytes(), &two.to_le_bytes()].concat();
        let request = |len: u32, text: &str| [&len.to_le_bytes()[..], text.as_bytes()].concat();
        let get = "GET / HTTP/1.0\r\n\r\n";
        let rows: &[(Tag, Vec<u8>, Malformed)] = &[
            (Tag::Connected, b"x".to_vec(), Malformed::TooLong(1)),
            (Tag::Request, vec![1, 0, 0], Malformed::TooShort(1)),
            (Tag::Request, request(20, get), Malformed::TooShort(2)),
            (Tag::Request, request(u32::MAX, ""), Malformed::TooShort(u32::MAX as usize)),
            (Tag::Request, request(0, ""), Malformed::Head("does not end")),
            (Tag::Upgrade, request(16, get), Malformed::Head("does not end")),
            (Tag::Upgrade, request(20, &format!("{get}\r\n")), Malformed::Head("has something before or behind it")),
            (Tag::Upgrade, request(20, &format!("\r\n{get}")), Malformed::Head("has something before or behind it")),
            (Tag::Upgrade, request(18, &get.replace("1.0", "1.1")), HeadError::HostMissing.into()),
            (Tag::Upgrade, request(18, &get.replace("1.0", "2.0")), HeadError::Version.into()),
            (Tag::Ping, vec![0; 126], Malformed::ControlTooLong(126)),
            (Tag::Pong, vec![0; 126], Malformed::ControlTooLong(126)),
            (Tag::CloseFrame, vec![3; 126], Malformed::ControlTooLong(126)),
            (Tag::CloseFrame, vec![3], Malformed::CloseFrame(Violation::CloseTooShort)),
            (Tag::CloseFrame, vec![3, 237], Malformed::CloseFrame(Violation::CloseCodeInvalid(1005))),
            (Tag::CloseFrame, vec![3, 232, 255], Malformed::CloseFrame(Violation::ReasonNotUtf8)),
            (Tag::Violation, violation(2, 256, 0), Malformed::Violation(2)),
            (Tag::Violation, violation(11, 65_536, 0), Malformed::Violation(11)),
            (Tag::Violation, violation(0, 0, 1), Malformed::Violation(0)),
            (Tag::BadPacket, violation(1, 0, 1), Malformed::Violation(1)),
            (Tag::BadPacket, violation(3, 0, 0), number("what is wrong with a packet", 3)),
            (Tag::Violation, violation(16, 0, 0), number("the kind of a violation", 16)),
            (Tag::Violation, violation(0, 0, 0)[1..].to_vec(), Malformed::TooShort(1)),
            (Tag::Violation, [violation(0, 0, 0), vec![0]].concat(), Malformed::TooLong(1)),
            (Tag::BufferFull, vec![0], Malformed::TooLong(1)),
            (Tag::BufferEmpty, vec![0], Malformed::TooLong(1)),
            (Tag::Closed, vec![0], Malformed::TooShort(1)),
            (Tag::Closed, vec![0, 0, 0], Malformed::TooLong(1)),
            (Tag::Closed, vec![2, 0], number("by whom it was closed", 2)),
            (Tag::Closed, vec![1, 5], number("how far a connection had come", 5)),
        ];
        for (tag, rest, wanted) in rows {
            let payload = [&[7; 8][..], rest].concat();
            assert_eq!(decode_event(*tag as u16, &payload).err(), Some(*wanted), "{tag:?} {rest:?}");
        }
        assert_eq!(decode_event(Tag::Connected as u16, &[0; 8]).err(), Some(Malformed::Fd));
        assert_eq!(decode_event(Tag::Connected as u16, &[1; 7]).err(), Some(Malformed::TooShort(1)));
        assert_eq!(decode_event(ENGINE_TAG_MIN, &[1; 8]).err(), Some(Malformed::Tag(ENGINE_TAG_MIN)));
    }

    #[test]
    fn malformed_commands() {
        let number = |what, number| Malformed::Number { what, number };
        let opcode = |opcode| number("the opcode of what is pushed", opcode);
        let rows: &[(Tag, &[u8], Malformed)] = &[
            (Tag::Push, b"", Malformed::TooShort(1)),
            (Tag::Push, &[0x83], opcode(3)),
            (Tag::Push, &[0x88], opcode(8)),
            (Tag::Push, &[0x91], opcode(0x11)),
            (Tag::Answer, &[0, 0, 0], Malformed::TooShort(1)),
            (Tag::Answer, &[0, 0, 0, 1], Malformed::Agreement),
            (Tag::Answer, &[5, 0, 0, 0], number("what comes behind an answer", 5)),
            (Tag::Answer, &[4, 8, 15, 15], Malformed::Agreement),
            (Tag::Answer, &[4, 0, 7, 15], Malformed::Agreement),
            (Tag::Answer, &[4, 0, 15, 16], Malformed::Agreement),
            (Tag::Disconnect, &[232], Malformed::TooShort(1)),
            (Tag::Disconnect, &[237, 3], Malformed::CloseCode(1005)),
            (Tag::Disconnect, &[242, 3], Malformed::CloseCode(1010)),
            (Tag::Disconnect, &[232, 3, 255], Malformed::Reason),
            (Tag::Close, &[2], number("how it is closed", 2)),
            (Tag::Close, &[0, 0], Malformed::TooLong(1)),
            (Tag::Close, &[], Malformed::TooShort(1)),
            (Tag::Finish, &[0], Malformed::TooLong(1)),
            (Tag::Forget, &[0], Malformed::TooLong(1)),
        ];
        for (tag, rest, wanted) in rows {
            let payload = [&[7; 8][..], rest].concat();
            assert_eq!(decode_command(*tag as u16, &payload).err(), Some(*wanted), "{tag:?} {rest:?}");
        }
        assert_eq!(decode_command(Tag::Forget as u16, &[0; 8]).err(), Some(Malformed::Fd));
    }

    proptest! {
        #[test]
        fn any_event(number in 1u64.., kind in 0u8..9, which in any::<u8>(), bytes in vec(any::<u8>(), 0..300)) {
            let short = &bytes[..bytes.len().min(125)];
            let text = format!("{}é", "x".repeat(usize::from(which) % 121));
            let close = [&(3000 + u16::from(which)).to_be_bytes()[..], text.as_bytes()].concat();
            let compressed = which % 2 == 0;
            let payload = Payload::Borrowed(&bytes);
            let event = match kind {
                0 => Event::Received(&bytes),
                1 => Event::Request(a_request(usize::from(which), &bytes)),
                2 => Event::Message(Message { kind: Kind::Text, payload, compressed }),
                3 => Event::Message(Message { kind: Kind::Binary, payload, compressed }),
                4 => Event::Ping(short),
                5 => Event::Pong(short),
                6 => Event::Ending(Ending::CloseFrame(&close)),
                7 => Event::Ending(Ending::Violation(VIOLATIONS[usize::from(which) % VIOLATIONS.len()])),
                _ => Event::Upgrade(a_request(usize::from(which), b"")),
            };
            check_event(number, &event);
        }

        #[test]
        fn any_command(number in 1u64.., kind in 0u8..4, which in any::<u8>(), bytes in vec(any::<u8>(), 0..300)) {
            let opcodes = [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong];
            let opcode = opcodes[usize::from(which) % opcodes.len()];
            let (fin, compress) = (which & 64 == 0, which & 128 == 0);
            let code = CloseCode::sendable(3000 + u16::from(which), Role::Server).expect("sendable");
            let reason = String::from_utf8_lossy(&bytes);
            let command = match kind {
                0 => Command::Push(Push { opcode, fin, compress, payload: Payload::Borrowed(&bytes) }),
                1 => Command::Send(&bytes),
                2 => Command::Answer { bytes: &bytes, after: After::Upgrade(Some(an_agreement(which))) },
                _ => Command::Disconnect { code, reason: &reason },
            };
            check_command(number, &command);
        }

        #[test]
        fn noise(tag in 0u16..0x90, bytes in vec(prop_oneof![3 => 0..10u8, 1 => any::<u8>()], 0..40)) {
            if let Ok((fd, event)) = decode_event(tag, &bytes) {
                prop_assert_eq!(encode_event(fd, &event, record), (tag, bytes.clone()));
            }
            if let Ok((fd, command)) = decode_command(tag, &bytes) {
                prop_assert_eq!(encode_command(fd, &command, record), (tag, bytes));
            }
        }
    }
}
