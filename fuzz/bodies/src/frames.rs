//! Frame headers, and streams of frames into a receiver.

use crate::choices::{Choices, Cuts};
use wirewool_proto::block::{BLOCK_BYTES_MIN, Pool};
use wirewool_proto::websocket::close::Close;
use wirewool_proto::websocket::deflate::Inflaters;
use wirewool_proto::websocket::frame::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Opcode, decode, encode, header_bytes};
use wirewool_proto::websocket::mask::{self, Key};
use wirewool_proto::websocket::message::{Kind, Payload};
use wirewool_proto::websocket::receiver::{Event, Means, Receiver};
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::violation::Violation;

/// A decoded header encodes to the bytes it came from; a beginning of it needs more; a mistake stays one.
pub fn frame_header(data: &[u8]) {
    let found = decode(data);
    let mut before = Ok(None);
    for end in 0..=data.len().min(HEADER_BYTES_MAX) {
        let now = decode(&data[..end]);
        assert!(before == Ok(None) || before == now, "{before:?}, with a byte more {now:?}");
        before = now;
    }
    assert_eq!(before, found, "a header ends within {HEADER_BYTES_MAX} bytes");
    match found {
        Ok(Some(header)) => {
            assert_eq!(header.size, header_bytes(data[1]));
            let len = usize::try_from(header.len).expect("64 bits");
            let encoded = encode(header.opcode, header.fin, header.rsv, len, header.key);
            assert_eq!(encoded.bytes(), &data[..header.size]);
            assert!(!header.opcode.is_control() || header.fin && len <= CONTROL_BYTES_MAX);
        }
        Ok(None) => assert!(data.len() < data.get(1).map_or(2, |second| header_bytes(*second))),
        Err(_) => assert!(data.len() >= 2),
    }
}

/// The same events, and the same mistake at the end of them, however the bytes are cut and whether or not they are read
/// straight into their message, on either side; nothing beyond the limit.
pub fn receiver(data: &[u8]) {
    let mut choices = Choices::new(data);
    let sides = choices.byte();
    let role = if sides & 2 == 0 { Role::Server } else { Role::Client };
    let inflating = (sides & 1 == 1).then(|| (choices.flag(), choices.within(8..=15)));
    let (raw, bytes_max) = (choices.flag(), choices.one_of(&[1000, 0, 130, 1 << 16, 1 << 20]));
    let least = usize::from(choices.byte());
    let mut cuts = Cuts::new(choices.byte());
    let stream = if raw { choices.rest().to_vec() } else { frames(role, choices) };
    let reader = Reader { role, inflating, bytes_max, direct_bytes_min: None };
    let direct = Reader { direct_bytes_min: Some(least), ..reader };
    let whole = reader.read(&[&stream]);
    let pieces = cuts.pieces(&stream);
    assert_eq!(reader.read(&pieces), whole, "cut");
    assert_eq!(direct.read(&[&stream]), whole, "with direct reads");
    assert_eq!(direct.read(&pieces), whole, "cut, with direct reads");
}

/// The frames that the choices describe, most of them legal for this receiver.
pub(crate) fn frames(role: Role, mut choices: Choices<'_>) -> Vec<u8> {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
    let mut stream = Vec::new();
    while !choices.is_empty() {
        let opcode = choices.one_of(&[Text, Binary, Continuation, Ping, Pong, Close]);
        let (fin, rsv, as_it_must) = (choices.flag(), choices.one_of(&[0, 4, 0, 4, 2]), choices.byte() != 255);
        let masked = as_it_must == (role == Role::Server);
        let payload = choices.some().repeat(usize::from(choices.one_of(&[1u8, 1, 2, 9, 200])));
        let key = [choices.byte(), choices.byte(), 0, 3];
        append_frame(opcode, Bits { fin, rsv, key: masked.then_some(key) }, &payload, &mut stream);
    }
    stream
}

/// What a header says beside opcode and length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) key: Option<Key>,
}

pub(crate) fn append_frame(opcode: Opcode, bits: Bits, payload: &[u8], stream: &mut Vec<u8>) {
    stream.extend_from_slice(encode(opcode, bits.fin, bits.rsv, payload.len(), bits.key).bytes());
    let start = stream.len();
    stream.extend_from_slice(payload);
    if let Some(key) = bits.key {
        mask::apply(&mut stream[start..], key);
    }
}

/// What came out of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Message { kind: Kind, payload: Vec<u8>, compressed: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
    Broke(Violation),
}

/// A way to read a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) role: Role,
    /// Context takeover and window bits, if messages may be compressed.
    pub(crate) inflating: Option<(bool, u8)>,
    pub(crate) bytes_max: usize,
    /// From so many missing bytes on, a read goes straight into its message.
    pub(crate) direct_bytes_min: Option<usize>,
}

/// A loop's spare memory.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    pool: Pool,
    inflaters: Inflaters,
}

impl Reader {
    /// All events up to a close frame or a mistake.
    pub(crate) fn read(self, pieces: &[&[u8]]) -> Vec<Seen> {
        self.read_with(pieces, &mut Spares::default())
    }

    /// As [`Reader::read`], with what other connections of the same loop left.
    pub(crate) fn read_with(self, pieces: &[&[u8]], spares: &mut Spares) -> Vec<Seen> {
        let mut receiver = Receiver::new(self.role);
        if let Some((takeover, window_bits)) = self.inflating {
            receiver = receiver.inflating(takeover, window_bits);
        }
        let Spares { pool, inflaters } = spares;
        let mut all = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while !input.is_empty() {
                let (used, event) = match self.step(&mut receiver, input, pool, inflaters) {
                    Ok(step) => step,
                    Err(violation) => return [all, vec![Seen::Broke(violation)]].concat(),
                };
                all.extend(event);
                if matches!(all.last(), Some(Seen::Close(_))) {
                    return all;
                }
                input = &mut input[used..];
                receiver.recycle(pool);
            }
        }
        all
    }

    /// Takes some of the input, directly if that can be: how much, and what came of it.
    fn step(
        self,
        receiver: &mut Receiver,
        input: &mut [u8],
        pool: &mut Pool,
        inflaters: &mut Inflaters,
    ) -> Result<(usize, Option<Seen>), Violation> {
        if let Some(least) = self.direct_bytes_min
            && let Some(room) = receiver.direct(least.max(1))
        {
            assert!(!room.is_empty() && room.len() <= self.bytes_max.max(BLOCK_BYTES_MIN));
            let n = room.len().min(input.len());
            room[..n].copy_from_slice(&input[..n]);
            let event = receiver.filled(n)?;
            return Ok((n, event.map(|event| self.seen(event))));
        }
        let length = input.len();
        let mut means = Means { pool, inflaters, message_bytes_max: self.bytes_max };
        let Some((used, event)) = receiver.next(input, &mut means)? else { return Ok((length, None)) };
        assert!((1..=length).contains(&used));
        Ok((used, Some(self.seen(event))))
    }

    fn seen(self, event: Event<'_>) -> Seen {
        match event {
            Event::Message(message) => {
                let payload = message.payload.bytes().to_vec();
                assert!(payload.len() <= self.bytes_max);
                assert!(message.kind == Kind::Binary || std::str::from_utf8(&payload).is_ok());
                assert!(!message.compressed || self.inflating.is_some());
                if let Payload::Whole(block) = &message.payload {
                    assert!(block.capacity() <= self.bytes_max, "{} bytes", block.capacity());
                }
                Seen::Message { kind: message.kind, payload, compressed: message.compressed }
            }
            Event::Ping(payload) => Seen::Ping(control(payload)),
            Event::Pong(payload) => Seen::Pong(control(payload)),
            Event::Close(payload) => {
                assert!(Close::parse(payload).is_ok());
                Seen::Close(control(payload))
            }
        }
    }
}

fn control(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= CONTROL_BYTES_MAX);
    payload.to_vec()
}
