//! A client's end of a WebSocket: bytes become events, messages become bytes, with no socket and no clock.

use crate::block::Pool;
use crate::websocket::close::{self, Close, CloseCode};
use crate::websocket::deflate::Inflaters;
use crate::websocket::deflation::{Deflaters, Deflation};
use crate::websocket::extension::Agreement;
use crate::websocket::frame::{self, CONTROL_BYTES_MAX, Opcode, RSV1};
use crate::websocket::keys::Keys;
use crate::websocket::mask;
use crate::websocket::message::Kind;
use crate::websocket::receiver::{Event, Means, Receiver};
use crate::websocket::role::Role;
use crate::websocket::sender::{Admission, OutOfSequence, Sequence};
use crate::websocket::violation::Violation;

/// While more than this waits to be sent, pings are not answered: RFC 6455 §5.5.3 allows to answer the latest only.
const PONG_BACKLOG_BYTES_MAX: usize = 64 << 10;

/// A message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Text or binary.
    pub kind: Kind,
    /// Its bytes; text must be UTF-8.
    pub payload: &'a [u8],
    /// Compress it, if that was agreed on.
    pub compress: bool,
    /// The longest payload of a frame; a longer one is fragmented. At least 1.
    pub fragment_bytes_max: usize,
}

impl<'a> Outgoing<'a> {
    /// A text in one frame, not compressed.
    pub fn text(text: &'a str) -> Outgoing<'a> {
        Outgoing { kind: Kind::Text, ..Outgoing::binary(text.as_bytes()) }
    }

    /// Bytes in one frame, not compressed.
    pub fn binary(payload: &'a [u8]) -> Outgoing<'a> {
        Outgoing { kind: Kind::Binary, payload, compress: false, fragment_bytes_max: usize::MAX }
    }

    /// The same, compressed if that was agreed on.
    #[must_use]
    pub fn compressed(self) -> Outgoing<'a> {
        Outgoing { compress: true, ..self }
    }
}

/// A frame that is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// RFC 6455 §5.5.1: nothing follows a close frame, or one that was answered.
    #[error("a close frame was sent or received before")]
    Closing,
    /// RFC 6455 §5.5.
    #[error("a control frame of {0} bytes: at most 125 are allowed")]
    ControlTooLong(usize),
    /// RFC 6455 §5.5.1.
    #[error("a close frame that the peer would refuse: {0}")]
    Close(Violation),
    /// RFC 6455 §5.6.
    #[error("a text that is not UTF-8")]
    TextNotUtf8,
    /// RFC 6455 §5.4.
    #[error(transparent)]
    OutOfSequence(#[from] OutOfSequence),
}

/// What a client answers by itself. What it does not, it leaves to the caller, who sees the frame in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// A ping, with a pong (RFC 6455 §5.5.2). Default true.
    pub pings: bool,
    /// The peer's close frame, with one that has the same code (RFC 6455 §5.5.1). Default true.
    pub closes: bool,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers { pings: true, closes: true }
    }
}

/// How far the end has come.
///
/// ```text
/// Open ─┬─ close sent ──► Closing ── close received ─► Closed
///       ├─ close received, answered ─────────────────►   │
///       ├─ close received ──► Answering ── close sent ►  │
///       └─ the peer broke the protocol, told so ─────►   │
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Answering,
    Closed,
}

/// A client's end of a WebSocket whose handshake is done.
///
/// ```
/// use wirewool_proto::websocket::client::{Client, Outgoing};
/// use wirewool_proto::websocket::keys::Keys;
/// use wirewool_proto::websocket::receiver::Event;
///
/// let mut client = Client::new(None, 1 << 20, Keys::from_seed([7; 32]));
/// client.send(Outgoing::text("hello")).unwrap();
/// let sent = client.take_output(); // The caller writes it to its socket …
/// assert_eq!(sent.len(), 2 + 4 + 5);
/// let mut read = *b"\x81\x02hi"; // … and reads from there.
/// let Some((4, Event::Message(message))) = client.next(&mut read).unwrap() else { panic!() };
/// assert_eq!(message.payload.bytes(), b"hi");
/// ```
#[derive(Debug)]
pub struct Client {
    state: State,
    receiver: Receiver,
    sequence: Sequence,
    deflation: Option<Deflation>,
    deflate_level: u8,
    answers: Answers,
    message_bytes_max: usize,
    pool: Pool,
    inflaters: Inflaters,
    deflaters: Deflaters,
    writer: Writer,
}

impl Client {
    /// The end of a handshake that came to this agreement; messages beyond so many bytes are refused with 1009.
    pub fn new(agreement: Option<Agreement>, message_bytes_max: usize, keys: Keys) -> Client {
        let deflation = agreement.map(|agreement| Deflation::new(Role::Client, &agreement));
        let receiver = deflation.as_ref().map_or_else(|| Receiver::new(Role::Client), Deflation::receiver);
        Client {
            state: State::Open,
            receiver,
            sequence: Sequence::Between,
            deflation,
            deflate_level: 1,
            answers: Answers::default(),
            message_bytes_max,
            pool: Pool::default(),
            inflaters: Inflaters::default(),
            deflaters: Deflaters::default(),
            writer: Writer { keys, is_masking: true, output: Vec::new() },
        }
    }

    /// Compresses with this level, 1 to 9, from the first message on; 1 if nothing is said.
    #[must_use]
    pub fn with_deflate_level(self, level: u8) -> Client {
        Client { deflate_level: level.clamp(1, 9), ..self }
    }

    /// Answers no more than this by itself; all, if nothing is said.
    #[must_use]
    pub fn with_answers(self, answers: Answers) -> Client {
        Client { answers, ..self }
    }

    /// Sends frames as they are, for a server that is known to take them. RFC 6455 §5.1: "a client MUST mask all frames
    /// that it sends", so others close the connection.
    #[must_use]
    pub fn without_masking(self) -> Client {
        Client { writer: Writer { is_masking: false, ..self.writer }, ..self }
    }

    /// The next event in `input`, and how many bytes it used up. `None`: all was used, more is needed; or the end was
    /// reached and nothing more counts.
    ///
    /// Pings and the peer's close frame are answered, unless [`Answers`] says otherwise: see [`Client::take_output`]
    /// after each call.
    ///
    /// # Errors
    /// The peer broke the protocol. It is told so by a close frame; the caller sends that and closes the connection.
    pub fn next<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Option<(usize, Event<'a>)>, Violation> {
        self.receiver.recycle(&mut self.pool);
        if matches!(self.state, State::Answering | State::Closed) {
            return Ok(None);
        }
        let means = &mut Means {
            pool: &mut self.pool,
            inflaters: &mut self.inflaters,
            message_bytes_max: self.message_bytes_max,
        };
        let writer = &mut self.writer;
        let next = self.receiver.next(input, means).inspect_err(|violation| {
            if self.state == State::Open {
                writer.frame(Opcode::Close, true, 0, &close::payload(violation.close_code(), ""));
            }
            self.state = State::Closed;
        })?;
        match &next {
            Some((_, Event::Ping(payload)))
                if self.answers.pings && self.state == State::Open && writer.output.len() <= PONG_BACKLOG_BYTES_MAX =>
            {
                writer.frame(Opcode::Pong, true, 0, payload);
            }
            Some((_, Event::Close(_))) if self.state == State::Open && !self.answers.closes => {
                self.state = State::Answering;
            }
            Some((_, Event::Close(payload))) => {
                if self.state == State::Open {
                    // RFC 6455 §5.5.1: "the endpoint typically echos the status code it received".
                    writer.frame(Opcode::Close, true, 0, &payload[..payload.len().min(2)]);
                }
                self.state = State::Closed;
            }
            _ => {}
        }
        Ok(next)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When nothing can be sent any more, when a fragmented message is under way, or a text is not UTF-8.
    pub fn send(&mut self, message: Outgoing<'_>) -> Result<(), NotSent> {
        self.check_open()?;
        let Outgoing { kind, payload, compress, fragment_bytes_max } = message;
        if kind == Kind::Text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(NotSent::TextNotUtf8);
        }
        if self.sequence.admit(kind.opcode(), true)? == Admission::Later {
            return Err(OutOfSequence::NotFinished.into());
        }
        let deflation = self.deflation.as_mut().filter(|_| compress && !payload.is_empty());
        let deflated = deflation.and_then(|it| it.deflate(payload, self.deflate_level, &mut self.deflaters));
        let writer = &mut self.writer;
        let mut rest = deflated.as_deref().unwrap_or(payload);
        let mut rsv = if deflated.is_some() { RSV1 } else { 0 };
        let mut opcode = kind.opcode();
        let most = fragment_bytes_max.max(1);
        while rest.len() > most {
            let (fragment, more) = rest.split_at(most);
            writer.frame(opcode, false, rsv, fragment);
            (opcode, rsv, rest) = (Opcode::Continuation, 0, more);
        }
        writer.frame(opcode, true, rsv, rest);
        Ok(())
    }

    /// Sends one frame: a fragment, which is not compressed, or a control frame. Whether the fragments of a text are
    /// UTF-8 together is the caller's affair.
    ///
    /// # Errors
    /// When nothing can be sent any more, or the frame does not fit what was sent before.
    pub fn send_frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), NotSent> {
        self.check_open()?;
        if opcode.is_control() && payload.len() > CONTROL_BYTES_MAX {
            return Err(NotSent::ControlTooLong(payload.len()));
        }
        if opcode == Opcode::Close {
            Close::parse(payload).map_err(NotSent::Close)?;
            self.state = if self.state == State::Answering { State::Closed } else { State::Closing };
        }
        let fin = fin || opcode.is_control();
        if self.sequence.admit(opcode, fin)? == Admission::Later {
            return Err(OutOfSequence::NotFinished.into());
        }
        self.writer.frame(opcode, fin, 0, payload);
        Ok(())
    }

    /// Sends a close frame, with as much of the reason as fits. What the peer sent before it answers that still comes.
    ///
    /// # Errors
    /// When a close frame was sent or received before.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), NotSent> {
        self.send_frame(Opcode::Close, true, &close::payload(code, reason))
    }

    /// What is to be written to the socket, in order. It is not kept.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.writer.output)
    }

    /// Were both close frames exchanged, or the connection failed? Then the socket is to be closed, best once the
    /// server has (RFC 6455 §7.1.1).
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What was agreed on about compression.
    pub fn is_compressing(&self) -> bool {
        self.deflation.is_some()
    }

    fn check_open(&self) -> Result<(), NotSent> {
        // RFC 6455 §5.5.1: whoever received a close frame may send what is left of a message before it answers.
        if matches!(self.state, State::Open | State::Answering) { Ok(()) } else { Err(NotSent::Closing) }
    }
}

/// Writes frames, masked unless that was switched off.
#[derive(Debug)]
struct Writer {
    keys: Keys,
    is_masking: bool,
    output: Vec<u8>,
}

impl Writer {
    fn frame(&mut self, opcode: Opcode, fin: bool, rsv: u8, payload: &[u8]) {
        let key = self.is_masking.then(|| self.keys.key());
        let header = frame::encode(opcode, fin, rsv, payload.len(), key);
        self.output.extend_from_slice(header.bytes());
        let start = self.output.len();
        self.output.extend_from_slice(payload);
        if let Some(key) = key {
            mask::apply(&mut self.output[start..], key);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::head::{Head, HeadLimits, HeadReader};
    use crate::websocket::client::{Answers, Client, NotSent, Outgoing};
    use crate::websocket::close::CloseCode;
    use crate::websocket::extension::{Agreement, Compression, agree};
    use crate::websocket::frame::{Opcode, RSV1, decode, encode};
    use crate::websocket::keys::Keys;
    use crate::websocket::mask;
    use crate::websocket::message::Kind;
    use crate::websocket::receiver::Event;
    use crate::websocket::sender::OutOfSequence;
    use crate::websocket::violation::Violation;

    fn client(agreement: Option<Agreement>) -> Client {
        Client::new(agreement, 1000, Keys::from_seed([3; 32]))
    }

    /// What a server answers to whoever wants all.
    fn agreement(answer: &str) -> Option<Agreement> {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n");
        let (_, head): (usize, Head) = HeadReader::new(HeadLimits::default()).next(text.as_bytes()).unwrap().unwrap();
        let all =
            Compression { server_context_takeover: true, client_context_takeover: true, ..Compression::default() };
        agree(&head, Some(&all)).expect("acceptable")
    }

    /// The frames that a server sees: opcode, fin, RSV1, payload; all masked, each with a key of its own.
    fn sent(client: &mut Client) -> Vec<(Opcode, bool, bool, Vec<u8>)> {
        let output = client.take_output();
        let (mut rest, mut frames, mut keys) = (&output[..], Vec::new(), Vec::new());
        while let Some(header) = decode(rest).expect("a legal header") {
            let key = header.key.expect("masked");
            assert!(!keys.contains(&key), "a key is used once");
            keys.push(key);
            let mut payload = rest[header.size..header.size + header.len as usize].to_vec();
            mask::apply(&mut payload, key);
            frames.push((header.opcode, header.fin, header.rsv == RSV1, payload));
            rest = &rest[header.size + header.len as usize..];
        }
        assert!(rest.is_empty());
        frames
    }

    fn from_server(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        [encode(opcode, true, 0, payload.len(), None).bytes(), payload].concat()
    }

    /// All events as text.
    fn feed(client: &mut Client, mut input: Vec<u8>) -> Result<Vec<String>, Violation> {
        let (mut at, mut events) = (0, Vec::new());
        while let Some((used, event)) = client.next(&mut input[at..])? {
            at += used;
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            events.push(match event {
                Event::Message(message) => format!("{:?} {}", message.kind, text(message.payload.bytes())),
                Event::Ping(payload) => format!("ping {}", text(payload)),
                Event::Pong(payload) => format!("pong {}", text(payload)),
                Event::Close(payload) => format!("close {}", text(payload)),
            });
        }
        Ok(events)
    }

    #[test]
    fn pings_are_answered() {
        let mut client = client(None);
        let input = [from_server(Opcode::Ping, b"a"), from_server(Opcode::Text, b"b"), from_server(Opcode::Pong, b"c")];
        assert_eq!(feed(&mut client, input.concat()).unwrap(), ["ping a", "Text b", "pong c"]);
        assert_eq!(sent(&mut client), [(Opcode::Pong, true, false, b"a".to_vec())]);
        let flood = from_server(Opcode::Ping, &[0; 125]).repeat(10_000);
        assert_eq!(feed(&mut client, flood).unwrap().len(), 10_000);
        assert!(client.take_output().len() < 65 << 10, "they do not pile up");
    }

    #[test]
    fn answers_are_left_to_the_caller() {
        let mut client = client(None).with_answers(Answers { pings: false, closes: false });
        assert_eq!(feed(&mut client, from_server(Opcode::Ping, b"a")).unwrap(), ["ping a"]);
        assert!(sent(&mut client).is_empty());
        client.send_frame(Opcode::Pong, true, b"b").unwrap();
        let input = [from_server(Opcode::Close, b"\x03\xe8"), from_server(Opcode::Text, b"late")].concat();
        assert_eq!(feed(&mut client, input).unwrap(), ["close \\x03\\xe8"], "nothing after it counts");
        assert!(!client.is_closed());
        client.send(Outgoing::text("rest")).unwrap();
        client.close(CloseCode::GOING_AWAY, "").unwrap();
        let frame = |opcode, payload: &[u8]| (opcode, true, false, payload.to_vec());
        let wanted = [frame(Opcode::Pong, b"b"), frame(Opcode::Text, b"rest"), frame(Opcode::Close, b"\x03\xe9")];
        assert_eq!(sent(&mut client), wanted);
        assert!(client.is_closed());
        assert_eq!(client.send(Outgoing::text("late")), Err(NotSent::Closing));
    }

    #[test]
    fn a_violation_is_told_whatever_is_left_to_the_caller() {
        let mut client = client(None).with_answers(Answers { pings: false, closes: false });
        assert_eq!(feed(&mut client, vec![0x83, 0]), Err(Violation::ReservedOpcode(3)));
        assert_eq!(sent(&mut client), [(Opcode::Close, true, false, b"\x03\xea".to_vec())]);
        assert!(client.is_closed());
    }

    #[test]
    fn masking_can_be_switched_off() {
        let mut client = client(None).without_masking();
        client.send(Outgoing::text("hello")).unwrap();
        assert_eq!(feed(&mut client, from_server(Opcode::Ping, b"a")).unwrap(), ["ping a"]);
        assert_eq!(client.take_output(), b"\x81\x05hello\x8a\x01a");
    }

    #[test]
    fn messages_are_fragmented() {
        let mut client = client(None);
        let message = Outgoing { fragment_bytes_max: 2, ..Outgoing::text("hello") };
        assert_eq!(client.send(message), Ok(()));
        let frame = |opcode, fin, payload: &[u8]| (opcode, fin, false, payload.to_vec());
        let wanted = [
            frame(Opcode::Text, false, b"he"),
            frame(Opcode::Continuation, false, b"ll"),
            frame(Opcode::Continuation, true, b"o"),
        ];
        assert_eq!(sent(&mut client), wanted);
        assert_eq!(client.send(Outgoing { fragment_bytes_max: 0, ..Outgoing::binary(b"ab") }), Ok(()));
        assert_eq!(sent(&mut client).len(), 2);
    }

    #[test]
    fn the_order_of_frames_is_kept() {
        let mut client = client(None);
        assert_eq!(client.send_frame(Opcode::Text, false, b"a"), Ok(()));
        let busy = Err(NotSent::OutOfSequence(OutOfSequence::NotFinished));
        assert_eq!(client.send(Outgoing::text("b")), busy);
        assert_eq!(client.send_frame(Opcode::Text, true, b"b"), busy);
        assert_eq!(client.send_frame(Opcode::Ping, false, b"p"), Ok(()));
        assert_eq!(client.send_frame(Opcode::Continuation, true, b"c"), Ok(()));
        let nothing = Err(NotSent::OutOfSequence(OutOfSequence::NothingToContinue));
        assert_eq!(client.send_frame(Opcode::Continuation, true, b"d"), nothing);
        assert_eq!(client.send_frame(Opcode::Ping, true, &[0; 126]), Err(NotSent::ControlTooLong(126)));
        assert_eq!(client.send_frame(Opcode::Close, true, b"\x03"), Err(NotSent::Close(Violation::CloseTooShort)));
        let text = Outgoing { kind: Kind::Text, ..Outgoing::binary(b"\xff") };
        assert_eq!(client.send(text), Err(NotSent::TextNotUtf8));
        let opcodes: Vec<(Opcode, bool)> =
            sent(&mut client).into_iter().map(|(opcode, fin, ..)| (opcode, fin)).collect();
        assert_eq!(opcodes, [(Opcode::Text, false), (Opcode::Ping, true), (Opcode::Continuation, true)]);
    }

    #[test]
    fn compression_as_agreed() {
        let words = "the same words, and once more the same words";
        // The answer; is it compressed, and does the second message refer to the first?
        let rows = [
            ("permessage-deflate", true, true),
            ("permessage-deflate; client_no_context_takeover", true, false),
            ("permessage-deflate; client_max_window_bits=9", true, true),
            // No compressor here has such a small window.
            ("permessage-deflate; client_max_window_bits=8", false, false),
            ("", false, false),
        ];
        for (answer, compressed, refers) in rows {
            let mut client = client(agreement(answer));
            for _ in 0..2 {
                client.send(Outgoing::text(words).compressed()).unwrap();
            }
            client.send(Outgoing::text(words)).unwrap();
            client.send(Outgoing::text("").compressed()).unwrap();
            let sent = sent(&mut client);
            let flags: Vec<bool> = sent.iter().map(|(_, _, rsv1, _)| *rsv1).collect();
            assert_eq!(flags, [compressed, compressed, false, false], "{answer}");
            assert_eq!(sent[1].3.len() < sent[0].3.len(), refers, "{answer}");
        }
    }

    #[test]
    fn the_peer_closes() {
        for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9bye"] {
            let mut client = client(None);
            let input = [from_server(Opcode::Close, payload), from_server(Opcode::Text, b"late")].concat();
            assert_eq!(feed(&mut client, input).unwrap().len(), 1, "nothing after it counts");
            assert_eq!(sent(&mut client), [(Opcode::Close, true, false, payload[..payload.len().min(2)].to_vec())]);
            assert!(client.is_closed());
            assert_eq!(client.send(Outgoing::text("late")), Err(NotSent::Closing));
            assert_eq!(client.close(CloseCode::NORMAL, ""), Err(NotSent::Closing));
        }
    }

    #[test]
    fn this_side_closes() {
        let mut client = client(None);
        client.close(CloseCode::NORMAL, "done").unwrap();
        assert_eq!(sent(&mut client), [(Opcode::Close, true, false, b"\x03\xe8done".to_vec())]);
        assert_eq!(client.send_frame(Opcode::Ping, true, b""), Err(NotSent::Closing));
        let input = [from_server(Opcode::Text, b"still"), from_server(Opcode::Ping, b"p")].concat();
        assert_eq!(feed(&mut client, input).unwrap(), ["Text still", "ping p"]);
        assert!(!client.is_closed());
        assert_eq!(feed(&mut client, from_server(Opcode::Close, b"\x03\xe8")).unwrap(), ["close \\x03\\xe8"]);
        assert!(client.is_closed() && sent(&mut client).is_empty(), "one close frame is enough");
    }

    #[test]
    fn the_peer_breaks_the_protocol() {
        let rows: [(&[u8], Violation, u16); 4] = [
            (&[0x81, 0x81, 1, 2, 3, 4, b'x'], Violation::Masked, 1002),
            (&[0x81, 0x01, 0xff], Violation::TextNotUtf8, 1007),
            (&[0xc1, 0x01, b'x'], Violation::ReservedBits(4), 1002),
            (&[0x82, 126, 0x03, 0xe9], Violation::MessageTooBig { announced: 1001, limit: 1000 }, 1009),
        ];
        for (bytes, violation, code) in rows {
            for closing in [false, true] {
                let mut client = client(None);
                if closing {
                    client.close(CloseCode::NORMAL, "").unwrap();
                    client.take_output();
                }
                assert_eq!(feed(&mut client, bytes.to_vec()), Err(violation));
                let told =
                    if closing { vec![] } else { vec![(Opcode::Close, true, false, code.to_be_bytes().to_vec())] };
                assert_eq!(sent(&mut client), told);
                assert!(client.is_closed());
                assert_eq!(feed(&mut client, from_server(Opcode::Text, b"late")), Ok(vec![]));
            }
        }
    }
}
