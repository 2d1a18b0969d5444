//! Turns the bytes of one peer into messages and control frames, in order (RFC 6455 §5, §8.1).

use crate::block::{Block, Pool};
use crate::inflate::InflateError;
use crate::websocket::close::Close;
use crate::websocket::deflate::{Inflater, Inflaters};
use crate::websocket::frame::{self, CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, RSV1};
use crate::websocket::mask::{self, Key};
use crate::websocket::message::{Kind, Message, Payload};
use crate::websocket::role::Role;
use crate::websocket::utf8::Utf8;
use crate::websocket::violation::Violation;

/// What a peer sent.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// A ping and its payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// A pong and its payload, at most 125 bytes.
    Pong(&'a [u8]),
    /// A close frame and its payload, which [`Close::parse`] accepts. Nothing after it counts.
    Close(&'a [u8]),
}

/// A loop's spare memory, and the limit of a message.
#[derive(Debug)]
pub struct Means<'a> {
    /// Blocks to put messages together in.
    pub pool: &'a mut Pool,
    /// Inflaters for connections that keep none.
    pub inflaters: &'a mut Inflaters,
    /// The longest message, fragments added up and decompressed, in bytes.
    pub message_bytes_max: usize,
}

/// How a connection's compressed messages are read.
#[derive(Debug)]
struct Inflation {
    /// Messages may refer back to earlier ones: then the inflater is the connection's own.
    context_takeover: bool,
    window_bits: u8,
    own: Option<Inflater>,
}

/// The receiving half of one WebSocket connection.
///
/// ```text
/// idle ── whole frame in the input ──► event, still idle        (the usual case: nothing is kept or copied)
///   │
///   └── anything else ──► Partial: header → payload → header …  ──► event ──► idle again, once recycled
/// ```
///
/// An idle connection owns no buffer.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    partial: Option<Box<Partial>>,
    inflation: Option<Box<Inflation>>,
}

/// What is under way: part of a header, of a control frame, or of a message.
#[derive(Debug)]
struct Partial {
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    frame: Option<Frame>,
    message: Option<Assembly>,
    control: [u8; CONTROL_BYTES_MAX],
    control_len: u8,
    /// An event was handed out and nothing else is under way.
    done: bool,
}

impl Default for Partial {
    fn default() -> Self {
        Partial {
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            message: None,
            control: [0; CONTROL_BYTES_MAX],
            control_len: 0,
            done: false,
        }
    }
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    key: Option<Key>,
    remaining: u64,
}

/// The message that is being put together.
#[derive(Debug)]
struct Assembly {
    kind: Kind,
    block: Block,
    utf8: Utf8,
    /// What its frames' payloads add up to so far, as they were declared.
    declared: u64,
    /// It is compressed, and this is what reads it.
    inflater: Option<Inflater>,
}

impl Assembly {
    /// Takes what was just appended from `start` on: unmasks and checks it.
    fn take_in(&mut self, start: usize, key: Option<Key>) -> Result<(), Violation> {
        unmask(self.block.bytes_from_mut(start), key);
        self.check(start)
    }

    /// Takes a compressed piece, unmasked; or, if there is none, the message's end.
    fn inflate(&mut self, piece: Option<&[u8]>, bytes_max: usize) -> Result<(), Violation> {
        let Some(inflater) = &mut self.inflater else { return Ok(()) };
        let start = self.block.len();
        let result = match piece {
            Some(piece) => inflater.inflate(piece, &mut self.block, bytes_max),
            None => inflater.finish(&mut self.block, bytes_max),
        };
        // What came before the mistake is looked at first: where the bytes were cut must not matter.
        self.check(start)?;
        result.map_err(|error| match error {
            InflateError::TooBig => {
                Violation::MessageTooBig { announced: bytes_max as u64 + 1, limit: bytes_max as u64 }
            }
            InflateError::Corrupt => Violation::Corrupt,
        })
    }

    fn check(&mut self, start: usize) -> Result<(), Violation> {
        if self.kind == Kind::Text {
            self.utf8.push(&self.block.bytes()[start..]).map_err(|_| Violation::TextNotUtf8)?;
        }
        Ok(())
    }
}

impl Receiver {
    /// The receiver of this side: a server's peer masks its frames, a client's does not.
    pub fn new(role: Role) -> Receiver {
        Receiver { role, partial: None, inflation: None }
    }

    /// It also takes messages that are compressed, with windows of up to this many bits.
    #[must_use]
    pub fn inflating(mut self, context_takeover: bool, window_bits: u8) -> Receiver {
        self.inflation = Some(Box::new(Inflation { context_takeover, window_bits, own: None }));
        self
    }

    /// The next event in `input`, and how many bytes it used up. `None`: all was used, more is needed.
    ///
    /// Call [`Receiver::recycle`] after each event.
    ///
    /// # Errors
    /// The first thing that no continuation could make right. The receiver must not be used after that.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut [u8],
        means: &mut Means<'_>,
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        if self.partial.is_none()
            && let Some(header) = frame::decode(input)?
            && let Some(end) = whole_frame(&header, input.len(), means.message_bytes_max)
        {
            let key = self.role.masking_key(&header)?;
            let payload = &mut input[header.size..end];
            unmask(payload, key);
            let event = match header.opcode {
                Opcode::Text => {
                    simdutf8::basic::from_utf8(payload).map_err(|_| Violation::TextNotUtf8)?;
                    Event::Message(Message { kind: Kind::Text, payload: Payload::Borrowed(payload), compressed: false })
                }
                Opcode::Binary => Event::Message(Message {
                    kind: Kind::Binary,
                    payload: Payload::Borrowed(payload),
                    compressed: false,
                }),
                Opcode::Ping => Event::Ping(payload),
                Opcode::Pong => Event::Pong(payload),
                Opcode::Close => closing(payload)?,
                Opcode::Continuation => return Err(Violation::NothingToContinue),
            };
            return Ok(Some((end, event)));
        }
        if input.is_empty() {
            return Ok(None);
        }
        self.partial.get_or_insert_default().next(self.role, input, self.inflation.as_deref_mut(), means)
    }

    /// Is nothing under way?
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Takes a delivered message's block back, unless its reader took it.
    #[inline]
    pub fn recycle(&mut self, pool: &mut Pool) {
        if self.partial.as_ref().is_some_and(|partial| partial.done)
            && let Some(partial) = self.partial.take()
            && let Some(message) = partial.message
        {
            pool.give(message.block);
        }
    }

    /// Where the next read may go straight, when at least `least` bytes of a message's frame are missing: room for
    /// those bytes and not one more.
    pub fn direct(&mut self, least: usize) -> Option<&mut [u8]> {
        let partial = self.partial.as_mut()?;
        let frame = partial.frame.as_ref()?;
        if frame.opcode.is_control() || frame.remaining < least as u64 {
            return None;
        }
        let wanted = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
        let message = partial.message.as_mut().filter(|message| message.inflater.is_none())?;
        Some(message.block.spare(wanted))
    }

    /// Takes the `n` bytes that were read into [`Receiver::direct`].
    ///
    /// # Errors
    /// As [`Receiver::next`].
    ///
    /// # Panics
    /// When nothing was lent.
    pub fn filled(&mut self, n: usize) -> Result<Option<Event<'_>>, Violation> {
        let partial = self.partial.as_mut().expect("a direct read was lent");
        let frame = partial.frame.as_mut().expect("a frame is under way");
        let message = partial.message.as_mut().expect("a message is under way");
        let start = message.block.len();
        message.block.fill(n);
        message.take_in(start, frame.key)?;
        frame.key = frame.key.map(|key| mask::rotate(key, n));
        frame.remaining -= n as u64;
        if frame.remaining > 0 {
            return Ok(None);
        }
        let fin = frame.fin;
        partial.frame = None;
        if fin { partial.whole(None).map(Some) } else { Ok(None) }
    }
}

impl Partial {
    #[cold]
    #[inline(never)]
    fn next<'a>(
        &'a mut self,
        role: Role,
        input: &'a mut [u8],
        mut inflation: Option<&mut Inflation>,
        means: &mut Means<'_>,
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        let mut used = 0;
        loop {
            if self.frame.is_none() {
                let Some(header) = self.read_header(input, &mut used)? else { return Ok(None) };
                self.begin(role, &header, inflation.as_deref_mut(), means)?;
            }
            let complete = self.read_payload(&mut input[used..], &mut used, means.message_bytes_max)?;
            let Some(frame) = self.frame.take_if(|_| complete) else { return Ok(None) };
            if frame.opcode.is_control() {
                return self.control(frame.opcode).map(|event| Some((used, event)));
            }
            if frame.fin {
                return self.whole(Some((inflation, means))).map(|event| Some((used, event)));
            }
        }
    }

    /// Reads a header, byte by byte only when it is spread over several reads.
    fn read_header(&mut self, input: &[u8], used: &mut usize) -> Result<Option<Header>, Violation> {
        if self.header_len == 0
            && let Some(header) = frame::decode(&input[*used..])?
        {
            *used += header.size;
            return Ok(Some(header));
        }
        while let Some(byte) = input.get(*used) {
            self.header[usize::from(self.header_len)] = *byte;
            self.header_len += 1;
            *used += 1;
            if let Some(header) = frame::decode(&self.header[..usize::from(self.header_len)])? {
                self.header_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks a frame against what is under way (RFC 6455 §5.4) and against the limit.
    fn begin(
        &mut self,
        role: Role,
        header: &Header,
        inflation: Option<&mut Inflation>,
        means: &mut Means<'_>,
    ) -> Result<(), Violation> {
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            _ => None,
        };
        // RFC 7692 §6: RSV1 says of a message's first frame, and of no other, that the message is compressed.
        let compressed = header.rsv == RSV1 && kind.is_some() && inflation.is_some();
        if header.rsv != 0 && !compressed {
            return Err(Violation::ReservedBits(header.rsv));
        }
        let key = role.masking_key(header)?;
        match (&self.message, kind) {
            (Some(_), Some(_)) => return Err(Violation::NotContinued),
            (None, None) if header.opcode == Opcode::Continuation => return Err(Violation::NothingToContinue),
            _ => {}
        }
        if let Some(kind) = kind {
            let inflater = inflation.filter(|_| compressed).map(|inflation| inflation.take(means.inflaters));
            let block = means.pool.take();
            self.message = Some(Assembly { kind, block, utf8: Utf8::default(), declared: 0, inflater });
        }
        if let Some(message) = self.message.as_mut().filter(|_| !header.opcode.is_control()) {
            message.declared = message.declared.saturating_add(header.len);
            let limit = means.message_bytes_max as u64;
            if message.declared > limit {
                return Err(Violation::MessageTooBig { announced: message.declared, limit });
            }
        }
        self.control_len = 0;
        self.frame = Some(Frame { fin: header.fin, opcode: header.opcode, key, remaining: header.len });
        Ok(())
    }

    /// Takes as much of the payload as is there; is it complete?
    fn read_payload(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        message_bytes_max: usize,
    ) -> Result<bool, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(false) };
        let n = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len());
        let piece = &mut input[..n];
        if frame.opcode.is_control() {
            unmask(piece, frame.key);
            let start = usize::from(self.control_len);
            self.control[start..start + n].copy_from_slice(piece);
            self.control_len += n as u8;
        } else if let Some(message) = self.message.as_mut().filter(|message| message.inflater.is_some()) {
            unmask(piece, frame.key);
            message.inflate(Some(piece), message_bytes_max)?;
        } else if let Some(message) = &mut self.message {
            let start = message.block.len();
            message.block.append(piece);
            message.take_in(start, frame.key)?;
        }
        frame.key = frame.key.map(|key| mask::rotate(key, n));
        frame.remaining -= n as u64;
        *used += n;
        Ok(frame.remaining == 0)
    }

    fn control(&mut self, opcode: Opcode) -> Result<Event<'_>, Violation> {
        self.done = self.message.is_none();
        let payload = &self.control[..usize::from(self.control_len)];
        match opcode {
            Opcode::Ping => Ok(Event::Ping(payload)),
            Opcode::Pong => Ok(Event::Pong(payload)),
            _ => closing(payload),
        }
    }

    /// The message is complete. `inflation` and `means` are needed if it is compressed.
    fn whole(&mut self, compression: Option<(Option<&mut Inflation>, &mut Means<'_>)>) -> Result<Event<'_>, Violation> {
        let message = self.message.as_mut().expect("a data frame belongs to a message");
        let compressed = message.inflater.is_some();
        if let Some((Some(inflation), means)) = compression {
            message.inflate(None, means.message_bytes_max)?;
            if let Some(inflater) = message.inflater.take() {
                inflation.give(inflater, means.inflaters);
            }
        }
        if message.kind == Kind::Text {
            message.utf8.finish().map_err(|_| Violation::TextNotUtf8)?;
        }
        self.done = true;
        Ok(Event::Message(Message { kind: message.kind, payload: Payload::Whole(&mut message.block), compressed }))
    }
}

impl Inflation {
    /// What reads the next message.
    fn take(&mut self, inflaters: &mut Inflaters) -> Inflater {
        match self.own.take() {
            Some(inflater) => inflater,
            None if self.context_takeover => Inflater::new(self.window_bits),
            None => inflaters.take(),
        }
    }

    /// A message is complete.
    fn give(&mut self, inflater: Inflater, inflaters: &mut Inflaters) {
        if self.context_takeover {
            self.own = Some(inflater);
        } else {
            inflaters.give(inflater);
        }
    }
}

/// Where the frame ends that begins the input, if all of it is there and it is a message or control frame on its own.
#[inline]
fn whole_frame(header: &Header, input_len: usize, message_bytes_max: usize) -> Option<usize> {
    let fits = header.fin && header.rsv == 0 && header.len <= message_bytes_max.max(CONTROL_BYTES_MAX) as u64;
    if !fits || ((input_len - header.size) as u64) < header.len {
        return None;
    }
    let too_big = !header.opcode.is_control() && header.len > message_bytes_max as u64;
    (!too_big).then_some(header.size + header.len as usize)
}

impl Role {
    /// The masking key of a frame that this side received (RFC 6455 §5.1): "a server MUST close the connection upon
    /// receiving a frame that is not masked", "a client MUST close a connection if it detects a masked frame".
    #[inline]
    fn masking_key(self, header: &Header) -> Result<Option<Key>, Violation> {
        match (self, header.key) {
            (Role::Server, None) => Err(Violation::Unmasked),
            (Role::Client, Some(_)) => Err(Violation::Masked),
            (_, key) => Ok(key),
        }
    }
}

#[inline]
fn unmask(payload: &mut [u8], key: Option<Key>) {
    if let Some(key) = key {
        mask::apply(payload, key);
    }
}

/// A close frame whose payload is legal.
fn closing(payload: &[u8]) -> Result<Event<'_>, Violation> {
    Close::parse(payload)?;
    Ok(Event::Close(payload))
}

#[cfg(test)]
mod tests {
    use crate::block::Pool;
    use crate::websocket::deflate::{Deflater, Inflaters};
    use crate::websocket::frame::{Opcode, RSV1, encode};
    use crate::websocket::mask;
    use crate::websocket::message::Kind;
    use crate::websocket::receiver::{Event, Means, Receiver};
    use crate::websocket::role::Role;
    use crate::websocket::violation::Violation;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    const LIMIT: usize = 1000;

    /// A client's frame.
    fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        frame_rsv(opcode, fin, 0, payload)
    }

    fn frame_rsv(opcode: Opcode, fin: bool, rsv: u8, payload: &[u8]) -> Vec<u8> {
        Frame { opcode, fin, rsv, payload: payload.to_vec() }.to(Role::Server)
    }

    #[derive(Debug, Clone)]
    struct Frame {
        opcode: Opcode,
        fin: bool,
        rsv: u8,
        payload: Vec<u8>,
    }

    impl Frame {
        /// Its bytes on the way to this side.
        fn to(&self, receiver: Role) -> Vec<u8> {
            let key = (receiver == Role::Server).then_some([7, 77, 177, 1]);
            let mut bytes = encode(self.opcode, self.fin, self.rsv, self.payload.len(), key).bytes().to_vec();
            let start = bytes.len();
            bytes.extend_from_slice(&self.payload);
            key.into_iter().for_each(|key| mask::apply(&mut bytes[start..], key));
            bytes
        }
    }

    #[derive(Debug, PartialEq, Eq, Clone)]
    enum Seen {
        Message(Kind, Vec<u8>),
        Ping(Vec<u8>),
        Pong(Vec<u8>),
        Close(Vec<u8>),
        Broke(Violation),
    }

    fn seen(event: &Event<'_>) -> Seen {
        match event {
            Event::Message(message) => Seen::Message(message.kind, message.payload.bytes().to_vec()),
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(payload) => Seen::Close(payload.to_vec()),
        }
    }

    /// All that comes out when the input arrives in these pieces; with `direct`, large rests are read in place.
    fn run(pieces: &[&[u8]], direct: bool) -> Vec<Seen> {
        run_with(Receiver::new(Role::Server), pieces, direct)
    }

    fn run_with(mut receiver: Receiver, pieces: &[&[u8]], direct: bool) -> Vec<Seen> {
        let (mut pool, mut inflaters, mut all) = (Pool::default(), Inflaters::default(), Vec::new());
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut at = 0;
            while at < piece.len() {
                if direct && let Some(room) = receiver.direct(16) {
                    let n = room.len().min(piece.len() - at);
                    room[..n].copy_from_slice(&piece[at..at + n]);
                    at += n;
                    match receiver.filled(n) {
                        Ok(Some(event)) => all.push(seen(&event)),
                        Ok(None) => {}
                        Err(violation) => return [all, vec![Seen::Broke(violation)]].concat(),
                    }
                    receiver.recycle(&mut pool);
                    continue;
                }
                let mut means = Means { pool: &mut pool, inflaters: &mut inflaters, message_bytes_max: LIMIT };
                match receiver.next(&mut piece[at..], &mut means) {
                    Ok(Some((used, event))) => {
                        at += used;
                        let event = seen(&event);
                        let last = matches!(event, Seen::Close(_));
                        all.push(event);
                        if last {
                            return all;
                        }
                    }
                    Ok(None) => break,
                    Err(violation) => return [all, vec![Seen::Broke(violation)]].concat(),
                }
                receiver.recycle(&mut pool);
            }
        }
        all
    }

    #[test]
    fn table() {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        let text = |bytes: &[u8]| Seen::Message(Kind::Text, bytes.to_vec());
        let rows: Vec<(Vec<Vec<u8>>, Vec<Seen>)> = vec![
            (vec![frame(Text, true, b"hello")], vec![text(b"hello")]),
            (vec![frame(Text, true, b"")], vec![text(b"")]),
            (vec![frame(Binary, true, &[255; LIMIT])], vec![Seen::Message(Kind::Binary, vec![255; LIMIT])]),
            (
                vec![frame(Binary, true, &[255; LIMIT + 1])],
                vec![Seen::Broke(Violation::MessageTooBig { announced: 1001, limit: 1000 })],
            ),
            (
                vec![
                    frame(Text, false, b"a"),
                    frame(Ping, true, b"p"),
                    frame(Continuation, false, b""),
                    frame(Continuation, true, b"b"),
                ],
                vec![Seen::Ping(b"p".to_vec()), text(b"ab")],
            ),
            (
                vec![frame(Text, false, "é".as_bytes().split_at(1).0), frame(Continuation, true, b"\xa9")],
                vec![text("é".as_bytes())],
            ),
            (
                vec![frame(Text, true, b"ok"), frame(Text, true, b"\xc3")],
                vec![text(b"ok"), Seen::Broke(Violation::TextNotUtf8)],
            ),
            (vec![frame(Text, false, b"\xff")], vec![Seen::Broke(Violation::TextNotUtf8)]),
            (vec![frame(Continuation, true, b"x")], vec![Seen::Broke(Violation::NothingToContinue)]),
            (vec![frame(Continuation, false, b"x")], vec![Seen::Broke(Violation::NothingToContinue)]),
            (vec![frame(Text, false, b"x"), frame(Text, true, b"y")], vec![Seen::Broke(Violation::NotContinued)]),
            (
                vec![frame(Binary, false, &[0; 600]), frame(Continuation, true, &[0; 401])],
                vec![Seen::Broke(Violation::MessageTooBig { announced: 1001, limit: 1000 })],
            ),
            (vec![vec![0x81, 0x01, b'x']], vec![Seen::Broke(Violation::Unmasked)]),
            (vec![vec![0xc1, 0x81, 0, 0, 0, 0, b'x']], vec![Seen::Broke(Violation::ReservedBits(4))]),
            (
                vec![frame(Pong, true, b"late"), frame(Close, true, b""), frame(Text, true, b"x")],
                vec![Seen::Pong(b"late".to_vec()), Seen::Close(vec![])],
            ),
            (vec![frame(Close, true, b"\x03\xe8bye")], vec![Seen::Close(b"\x03\xe8bye".to_vec())]),
            (vec![frame(Close, true, b"\x03")], vec![Seen::Broke(Violation::CloseTooShort)]),
        ];
        for (frames, wanted) in rows {
            let bytes = frames.concat();
            assert_eq!(run(&[&bytes], false), wanted, "{bytes:x?}");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(run(&single, false), wanted, "byte by byte: {bytes:x?}");
        }
    }

    #[test]
    fn a_length_that_is_only_declared_costs_nothing() {
        let (mut receiver, mut pool, mut inflaters) =
            (Receiver::new(Role::Server), Pool::default(), Inflaters::default());
        let mut means = Means { pool: &mut pool, inflaters: &mut inflaters, message_bytes_max: usize::MAX };
        let mut head = encode(Opcode::Binary, true, 0, 1 << 40, Some([0; 4])).bytes().to_vec();
        assert!(matches!(receiver.next(&mut head, &mut means), Ok(None)));
        assert_eq!(receiver.direct(1).map(|room| room.len()), Some(crate::block::BLOCK_BYTES_MIN));
    }

    /// The message, compressed as the first of its connection.
    fn deflated(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Deflater::new(6, 15).deflate(message, &mut bytes);
        bytes
    }

    fn inflating(takeover: bool, bits: u8) -> Receiver {
        Receiver::new(Role::Server).inflating(takeover, bits)
    }

    #[test]
    fn who_masks() {
        let frame = Frame { opcode: Opcode::Text, fin: true, rsv: 0, payload: b"hello".to_vec() };
        let text = vec![Seen::Message(Kind::Text, b"hello".to_vec())];
        let rows = [
            (Role::Server, frame.to(Role::Server), text.clone()),
            (Role::Server, frame.to(Role::Client), vec![Seen::Broke(Violation::Unmasked)]),
            (Role::Client, frame.to(Role::Client), text),
            (Role::Client, frame.to(Role::Server), vec![Seen::Broke(Violation::Masked)]),
            // A key of zeros is a key.
            (Role::Client, vec![0x81, 0x81, 0, 0, 0, 0, b'x'], vec![Seen::Broke(Violation::Masked)]),
            (Role::Client, vec![0x80, 0x81, 0, 0, 0, 0, b'x'], vec![Seen::Broke(Violation::Masked)]),
        ];
        for (role, bytes, wanted) in rows {
            assert_eq!(run_with(Receiver::new(role), &[&bytes], false), wanted, "{role:?} {bytes:x?}");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(run_with(Receiver::new(role), &single, true), wanted, "{role:?} bytewise {bytes:x?}");
        }
    }

    #[test]
    fn compressed() {
        use Opcode::{Binary, Close, Continuation, Ping, Text};
        let text = |bytes: &[u8]| Seen::Message(Kind::Text, bytes.to_vec());
        let hello = deflated(b"hello");
        let (one, two) = hello.split_at(3);
        let too_big = Seen::Broke(Violation::MessageTooBig { announced: 1001, limit: 1000 });
        let rows: Vec<(Vec<Vec<u8>>, Vec<Seen>)> = vec![
            (vec![frame_rsv(Text, true, RSV1, &hello)], vec![text(b"hello")]),
            (
                vec![frame_rsv(Text, true, RSV1, &hello), frame(Text, true, b"plain")],
                vec![text(b"hello"), text(b"plain")],
            ),
            (
                vec![frame_rsv(Text, false, RSV1, one), frame(Ping, true, b"p"), frame(Continuation, true, two)],
                vec![Seen::Ping(b"p".to_vec()), text(b"hello")],
            ),
            (vec![frame_rsv(Text, false, RSV1, b""), frame(Continuation, true, &hello)], vec![text(b"hello")]),
            (vec![frame_rsv(Text, true, RSV1, b"\0")], vec![text(b"")]),
            (vec![frame_rsv(Text, true, RSV1, b"")], vec![text(b"")]),
            (vec![frame_rsv(Text, true, RSV1, &deflated(b"ab\xff"))], vec![Seen::Broke(Violation::TextNotUtf8)]),
            (vec![frame_rsv(Text, true, RSV1, &deflated(b"ab\xc3"))], vec![Seen::Broke(Violation::TextNotUtf8)]),
            (vec![frame_rsv(Binary, true, RSV1, &[0xff; 9])], vec![Seen::Broke(Violation::Corrupt)]),
            (
                vec![frame_rsv(Binary, true, RSV1, &deflated(&[0; 1000]))],
                vec![Seen::Message(Kind::Binary, vec![0; 1000])],
            ),
            (vec![frame_rsv(Binary, true, RSV1, &deflated(&[0; 1001]))], vec![too_big.clone()]),
            (
                vec![frame_rsv(Binary, false, RSV1, &[0; 600]), frame(Continuation, true, &[0; 401])],
                vec![Seen::Broke(Violation::Corrupt)],
            ),
            (
                vec![frame_rsv(Text, false, RSV1, one), frame_rsv(Continuation, true, RSV1, two)],
                vec![Seen::Broke(Violation::ReservedBits(4))],
            ),
            (vec![frame_rsv(Ping, true, RSV1, b"")], vec![Seen::Broke(Violation::ReservedBits(4))]),
            (vec![frame_rsv(Close, true, RSV1, b"")], vec![Seen::Broke(Violation::ReservedBits(4))]),
            (vec![frame_rsv(Text, true, 6, &hello)], vec![Seen::Broke(Violation::ReservedBits(6))]),
            (vec![frame_rsv(Text, true, 2, &hello)], vec![Seen::Broke(Violation::ReservedBits(2))]),
        ];
        for (frames, wanted) in rows {
            let bytes = frames.concat();
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            for takeover in [false, true] {
                assert_eq!(run_with(inflating(takeover, 15), &[&bytes], false), wanted, "{bytes:x?}");
                assert_eq!(run_with(inflating(takeover, 15), &single, false), wanted, "bytewise {bytes:x?}");
            }
        }
    }

    #[test]
    fn contexts() {
        let mut deflater = Deflater::new(6, 9);
        let frames: Vec<Vec<u8>> = (0..5)
            .map(|_| {
                let mut bytes = Vec::new();
                deflater.deflate(b"the same words once more", &mut bytes);
                frame_rsv(Opcode::Text, true, RSV1, &bytes)
            })
            .collect();
        let message = Seen::Message(Kind::Text, b"the same words once more".to_vec());
        // A peer's 8 is read with a larger window; so is everything.
        for bits in [8, 9, 15] {
            assert_eq!(run_with(inflating(true, bits), &[&frames.concat()], false), vec![message.clone(); 5]);
        }
        // Without takeover, a reference to an earlier message leads nowhere.
        let seen = run_with(inflating(false, 15), &[&frames.concat()], false);
        assert_eq!(seen, vec![message, Seen::Broke(Violation::Corrupt)]);
    }

    fn any_role() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Server), Just(Role::Client)]
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let opcode = prop_oneof![
            Just(Opcode::Continuation),
            Just(Opcode::Text),
            Just(Opcode::Binary),
            Just(Opcode::Ping),
            Just(Opcode::Pong),
            Just(Opcode::Close)
        ];
        let payload =
            prop_oneof!["[a-zé€𝄞]{0,90}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..300)];
        (opcode, any::<bool>(), payload).prop_map(|(opcode, fin, payload)| {
            let control = opcode.is_control();
            let most = if control { 125 } else { payload.len() };
            Frame { opcode, fin: fin || control, rsv: 0, payload: payload[..payload.len().min(most)].to_vec() }
        })
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same(role in any_role(), frames in proptest::collection::vec(any_frame(), 1..6), noise: Option<(u16, u8)>, cuts: Vec<u16>, direct: bool) {
            let mut bytes = frames.iter().map(|frame| frame.to(role)).collect::<Vec<_>>().concat();
            if let Some((at, byte)) = noise {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(run_with(Receiver::new(role), &pieces, direct), run_with(Receiver::new(role), &[&bytes], false));
        }

        #[test]
        fn every_split_of_compressed_frames_gives_the_same(
            role in any_role(),
            messages in proptest::collection::vec((any::<bool>(), "[a-dé€]{1,300}", 0u8..4), 1..5),
            noise: Option<(u16, u8)>,
            cuts: Vec<u16>,
            takeover: bool,
        ) {
            let mut deflater = Deflater::new(3, 15);
            let mut bytes = Vec::new();
            for (compress, text, fragments) in messages {
                let mut payload = Vec::new();
                if compress {
                    deflater.deflate(text.as_bytes(), &mut payload);
                    if !takeover {
                        deflater.reset();
                    }
                } else {
                    payload = text.into_bytes();
                }
                let size = payload.len() / (usize::from(fragments) + 1) + 1;
                let count = payload.chunks(size).count();
                for (i, piece) in payload.chunks(size).enumerate() {
                    let (opcode, rsv) = if i == 0 { (Opcode::Text, if compress { RSV1 } else { 0 }) } else { (Opcode::Continuation, 0) };
                    let frame = Frame { opcode, fin: i + 1 == count, rsv, payload: piece.to_vec() };
                    bytes.extend(frame.to(role));
                }
            }
            if let Some((at, byte)) = noise {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let receiver = || Receiver::new(role).inflating(takeover, 15);
            let whole = run_with(receiver(), &[&bytes], false);
            prop_assert_eq!(run_with(receiver(), &pieces, true), whole);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut: u8) {
            let pieces: Vec<&[u8]> = bytes.chunks(usize::from(cut) + 1).collect();
            prop_assert!(run(&pieces, true).len() <= bytes.len());
        }
    }
}
