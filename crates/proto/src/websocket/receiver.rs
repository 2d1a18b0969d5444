//! Turns the bytes of one client into messages and control frames, in order (RFC 6455 §5, §8.1).

use crate::block::{Block, Pool};
use crate::websocket::close::Close;
use crate::websocket::frame::{self, CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode};
use crate::websocket::mask::{self, Key};
use crate::websocket::message::{Kind, Message, Payload};
use crate::websocket::utf8::Utf8;
use crate::websocket::violation::Violation;

/// What a client sent.
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

/// The receiving half of one WebSocket connection.
///
/// ```text
/// idle ── whole frame in the input ──► event, still idle        (the usual case: nothing is kept or copied)
///   │
///   └── anything else ──► Partial: header → payload → header …  ──► event ──► idle again, once recycled
/// ```
///
/// An idle connection owns no buffer.
#[derive(Debug, Default)]
pub struct Receiver {
    partial: Option<Box<Partial>>,
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
    key: Key,
    remaining: u64,
}

/// The message that is being put together.
#[derive(Debug)]
struct Assembly {
    kind: Kind,
    block: Block,
    utf8: Utf8,
}

impl Assembly {
    /// Takes what was just appended from `start` on: unmasks and checks it.
    fn take_in(&mut self, start: usize, key: Key) -> Result<(), Violation> {
        let piece = self.block.bytes_from_mut(start);
        mask::apply(piece, key);
        if self.kind == Kind::Text {
            self.utf8.push(piece).map_err(|_| Violation::TextNotUtf8)?;
        }
        Ok(())
    }
}

impl Receiver {
    /// The next event in `input`, and how many bytes it used up. `None`: all was used, more is needed.
    ///
    /// `message_bytes_max` bounds a message, fragments added up. Call [`Receiver::recycle`] after each event.
    ///
    /// # Errors
    /// The first thing that no continuation could make right. The receiver must not be used after that.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut [u8],
        message_bytes_max: usize,
        pool: &mut Pool,
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        if self.partial.is_none()
            && let Some(header) = frame::decode(input)?
            && let Some(end) = whole_frame(&header, input.len(), message_bytes_max)
        {
            let key = masking_key(&header)?;
            let payload = &mut input[header.size..end];
            mask::apply(payload, key);
            let event = match header.opcode {
                Opcode::Text => {
                    simdutf8::basic::from_utf8(payload).map_err(|_| Violation::TextNotUtf8)?;
                    Event::Message(Message { kind: Kind::Text, payload: Payload::Borrowed(payload) })
                }
                Opcode::Binary => Event::Message(Message { kind: Kind::Binary, payload: Payload::Borrowed(payload) }),
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
        self.partial.get_or_insert_default().next(input, message_bytes_max, pool)
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
        Some(partial.message.as_mut()?.block.spare(wanted))
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
        frame.key = mask::rotate(frame.key, n);
        frame.remaining -= n as u64;
        if frame.remaining > 0 {
            return Ok(None);
        }
        let fin = frame.fin;
        partial.frame = None;
        if fin { partial.whole().map(Some) } else { Ok(None) }
    }
}

impl Partial {
    #[cold]
    #[inline(never)]
    fn next<'a>(
        &'a mut self,
        input: &'a mut [u8],
        message_bytes_max: usize,
        pool: &mut Pool,
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        let mut used = 0;
        loop {
            if self.frame.is_none() {
                let Some(header) = self.read_header(input, &mut used)? else { return Ok(None) };
                self.begin(&header, message_bytes_max, pool)?;
            }
            let complete = self.read_payload(&mut input[used..], &mut used)?;
            let Some(frame) = self.frame.take_if(|_| complete) else { return Ok(None) };
            if frame.opcode.is_control() {
                return self.control(frame.opcode).map(|event| Some((used, event)));
            }
            if frame.fin {
                return self.whole().map(|event| Some((used, event)));
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
    fn begin(&mut self, header: &Header, message_bytes_max: usize, pool: &mut Pool) -> Result<(), Violation> {
        let key = masking_key(header)?;
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            _ => None,
        };
        match (&self.message, kind) {
            (Some(_), Some(_)) => return Err(Violation::NotContinued),
            (None, None) if header.opcode == Opcode::Continuation => return Err(Violation::NothingToContinue),
            _ => {}
        }
        if !header.opcode.is_control() {
            let so_far = self.message.as_ref().map_or(0, |message| message.block.len() as u64);
            let announced = so_far.saturating_add(header.len);
            if announced > message_bytes_max as u64 {
                return Err(Violation::MessageTooBig { announced, limit: message_bytes_max as u64 });
            }
        }
        if let Some(kind) = kind {
            self.message = Some(Assembly { kind, block: pool.take(), utf8: Utf8::default() });
        }
        self.control_len = 0;
        self.frame = Some(Frame { fin: header.fin, opcode: header.opcode, key, remaining: header.len });
        Ok(())
    }

    /// Takes as much of the payload as is there; is it complete?
    fn read_payload(&mut self, input: &mut [u8], used: &mut usize) -> Result<bool, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(false) };
        let n = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len());
        let piece = &mut input[..n];
        if frame.opcode.is_control() {
            mask::apply(piece, frame.key);
            let start = usize::from(self.control_len);
            self.control[start..start + n].copy_from_slice(piece);
            self.control_len += n as u8;
        } else if let Some(message) = &mut self.message {
            let start = message.block.len();
            message.block.append(piece);
            message.take_in(start, frame.key)?;
        }
        frame.key = mask::rotate(frame.key, n);
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

    fn whole(&mut self) -> Result<Event<'_>, Violation> {
        let message = self.message.as_mut().expect("a data frame belongs to a message");
        if message.kind == Kind::Text {
            message.utf8.finish().map_err(|_| Violation::TextNotUtf8)?;
        }
        self.done = true;
        Ok(Event::Message(Message { kind: message.kind, payload: Payload::Whole(&mut message.block) }))
    }
}

/// Where the frame ends that begins the input, if all of it is there and it is a message or control frame on its own.
#[inline]
fn whole_frame(header: &Header, input_len: usize, message_bytes_max: usize) -> Option<usize> {
    let fits = header.fin && header.len <= message_bytes_max.max(CONTROL_BYTES_MAX) as u64;
    if !fits || ((input_len - header.size) as u64) < header.len {
        return None;
    }
    let too_big = !header.opcode.is_control() && header.len > message_bytes_max as u64;
    (!too_big).then_some(header.size + header.len as usize)
}

/// The masking key; a client's frame has one, and no reserved bit set (RFC 6455 §5.1, §5.2).
#[inline]
fn masking_key(header: &Header) -> Result<Key, Violation> {
    if header.rsv != 0 {
        return Err(Violation::ReservedBits(header.rsv));
    }
    header.key.ok_or(Violation::Unmasked)
}

/// A close frame whose payload is legal.
fn closing(payload: &[u8]) -> Result<Event<'_>, Violation> {
    Close::parse(payload)?;
    Ok(Event::Close(payload))
}

#[cfg(test)]
mod tests {
    use crate::block::Pool;
    use crate::websocket::frame::{Opcode, encode};
    use crate::websocket::mask;
    use crate::websocket::message::Kind;
    use crate::websocket::receiver::{Event, Receiver};
    use crate::websocket::violation::Violation;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    const LIMIT: usize = 1000;

    /// A client's frame.
    fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        let key = [7, 77, 177, 1];
        let mut bytes = encode(opcode, fin, 0, payload.len(), Some(key)).bytes().to_vec();
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        mask::apply(&mut bytes[start..], key);
        bytes
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
        let (mut receiver, mut pool, mut all) = (Receiver::default(), Pool::default(), Vec::new());
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
                match receiver.next(&mut piece[at..], LIMIT, &mut pool) {
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
        let (mut receiver, mut pool) = (Receiver::default(), Pool::default());
        let mut head = encode(Opcode::Binary, true, 0, 1 << 40, Some([0; 4])).bytes().to_vec();
        assert!(matches!(receiver.next(&mut head, usize::MAX, &mut pool), Ok(None)));
        assert_eq!(receiver.direct(1).map(|room| room.len()), Some(crate::block::BLOCK_BYTES_MIN));
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
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
            frame(opcode, fin || control, if control { &payload[..payload.len().min(125)] } else { &payload })
        })
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same(frames in proptest::collection::vec(any_frame(), 1..6), noise: Option<(u16, u8)>, cuts: Vec<u16>, direct: bool) {
            let mut bytes = frames.concat();
            if let Some((at, byte)) = noise {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(run(&pieces, direct), run(&[&bytes], false));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut: u8) {
            let pieces: Vec<&[u8]> = bytes.chunks(usize::from(cut) + 1).collect();
            prop_assert!(run(&pieces, true).len() <= bytes.len());
        }
    }
}
