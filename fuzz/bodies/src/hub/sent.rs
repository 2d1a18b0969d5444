//! Holds the bytes that went out against what was accepted for sending, in order.

use flate2::{Decompress, FlushDecompress};
use wirewool_proto::websocket::extension::Agreement;
use wirewool_proto::websocket::frame::{CONTROL_BYTES_MAX, Header, Opcode, RSV1, decode, encode};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Something that was accepted for sending.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    Frame(Frame),
}

/// A frame that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    /// It was to be compressed, if that was agreed on.
    pub(crate) compress: bool,
    pub(crate) payload: Vec<u8>,
}

/// What the hub itself may have said between the pieces and behind them.
#[derive(Debug, Default)]
pub(crate) struct OwnWords<'a> {
    /// Pings that it answers.
    pub(crate) pings: Vec<&'a [u8]>,
    /// It may have asked for the body of a request.
    pub(crate) interim: bool,
    /// It may have refused a request.
    pub(crate) refusal: bool,
    /// The payloads of close frames.
    pub(crate) farewells: Vec<Vec<u8>>,
}

impl Piece {
    /// The most that it can be, in bytes.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Frame(frame) => frame.payload.len() + frame.payload.len() / 1_000 + 64,
        }
    }
}

/// How far the bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// All pieces are in them.
    pub(crate) whole: bool,
    /// So many bytes are behind the pieces.
    pub(crate) behind: usize,
    /// Their last frame is a close frame.
    pub(crate) closed: bool,
    /// How many pings are answered by the hub itself.
    pub(crate) pongs: usize,
    /// How many frames are compressed.
    pub(crate) compressed: usize,
}

/// Checks what went out to one connection.
pub(crate) fn check(sent: &[u8], pieces: &[Piece], agreement: Option<Agreement>, own: &OwnWords<'_>) -> Extent {
    let window = agreement.map(|agreement| (agreement, Window::new(agreement.server_max_window_bits)));
    let extent = Extent { whole: true, behind: 0, closed: false, pongs: 0, compressed: 0 };
    let mut checker = Checker { rest: sent, pings: &own.pings, own, window, within: false, extent };
    for piece in pieces {
        checker.own_words();
        if checker.is_cut_in_interim() {
            checker.extent.whole = false;
            return checker.extent;
        }
        let found = match piece {
            Piece::Bytes(bytes) => checker.bytes(bytes),
            Piece::Frame(frame) => checker.frame(frame),
        };
        if found.is_none() {
            checker.extent.whole = false;
            return checker.extent;
        }
    }
    checker.own_words();
    checker.last_words();
    checker.extent
}

struct Checker<'a> {
    rest: &'a [u8],
    pings: &'a [&'a [u8]],
    own: &'a OwnWords<'a>,
    window: Option<(Agreement, Window)>,
    /// A fragmented message is under way.
    within: bool,
    extent: Extent,
}

impl<'a> Checker<'a> {
    /// Takes bytes as they are; none if they are cut off.
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let n = bytes.len().min(self.rest.len());
        assert!(self.rest[..n] == bytes[..n], "{} instead of {}", self.rest.escape_ascii(), bytes.escape_ascii());
        self.rest = &self.rest[n..];
        (n == bytes.len()).then_some(())
    }

    fn frame(&mut self, wanted: &Frame) -> Option<()> {
        let (header, payload) = self.next_frame()?;
        let kind = if self.within { Opcode::Continuation } else { wanted.opcode };
        assert!(wanted.opcode.is_control() || wanted.opcode == kind, "{:?} within a message", wanted.opcode);
        assert_eq!((header.opcode, header.fin), (wanted.opcode, wanted.fin), "another frame was due");
        match wanted.opcode {
            Opcode::Close => self.extent.closed = true,
            Opcode::Ping | Opcode::Pong => {}
            _ => self.within = !wanted.fin,
        }
        let compress = wanted.compress && wanted.fin && matches!(wanted.opcode, Opcode::Text | Opcode::Binary);
        match (&mut self.window, header.rsv) {
            (Some((agreement, window)), RSV1) => {
                assert!(compress, "compressed without being asked");
                assert!(window.inflate(payload, wanted.payload.len()) == wanted.payload, "inflates to something else");
                if !agreement.server_context_takeover {
                    assert!(payload.len() < wanted.payload.len(), "compressed for nothing");
                    window.kept.clear();
                }
                self.extent.compressed += 1;
            }
            (agreed, rsv) => {
                let must = agreed.as_ref().is_some_and(|(agreement, _)| agreement.server_context_takeover);
                assert!(rsv == 0 && !(must && compress && !wanted.payload.is_empty()), "reserved bits {rsv}");
                assert!(payload == wanted.payload, "another payload");
            }
        }
        Some(())
    }

    /// Takes the next frame; none if it is cut off.
    fn next_frame(&mut self) -> Option<(Header, &'a [u8])> {
        let (header, payload) = self.look_at_frame()?;
        self.rest = &self.rest[header.size + payload.len()..];
        Some((header, payload))
    }

    fn look_at_frame(&self) -> Option<(Header, &'a [u8])> {
        assert!(!self.extent.closed || self.rest.is_empty(), "a frame behind a close frame");
        let header = decode(self.rest).expect("a legal header")?;
        assert!(header.key.is_none(), "a server masks nothing");
        assert!(!header.opcode.is_control() || header.len <= CONTROL_BYTES_MAX as u64);
        let end = header.size.checked_add(usize::try_from(header.len).expect("64 bits"))?;
        Some((header, self.rest.get(header.size..end)?))
    }

    /// Pongs and interim answers, which the hub sends by itself; the pieces are none of them.
    fn own_words(&mut self) {
        while self.own.interim && self.rest.starts_with(CONTINUE) {
            self.rest = &self.rest[CONTINUE.len()..];
        }
        while self.rest.starts_with(&[0x80 | Opcode::Pong as u8])
            && !self.pings.is_empty()
            && let Some((header, payload)) = self.look_at_frame()
            && header.fin
            && let Some(at) = self.pings.iter().position(|ping| *ping == payload)
        {
            // Those in front of it found no room.
            self.extent.pongs += 1;
            self.pings = &self.pings[at + 1..];
            self.rest = &self.rest[header.size + payload.len()..];
        }
    }

    /// Does all end within an interim answer? A piece that begins like one is cut off as well then.
    fn is_cut_in_interim(&self) -> bool {
        let is_short = (1..CONTINUE.len()).contains(&self.rest.len());
        self.own.interim && is_short && self.agrees_with(CONTINUE)
    }

    /// Behind all pieces: a refusal, or a close frame, or part of one of them or of the hub's words in between.
    fn last_words(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        self.extent.behind = self.rest.len();
        let refused =
            [&b"HTTP/1.1 4"[..], b"HTTP/1.1 500 ", b"HTTP/1.1 503 "].iter().any(|refusal| self.agrees_with(refusal));
        if self.own.refusal && refused || self.is_cut_in_interim() {
            return;
        }
        if self.pings.iter().any(|ping| self.agrees_with(&control(Opcode::Pong, ping))) {
            return;
        }
        let farewell = self.own.farewells.iter().map(|payload| control(Opcode::Close, payload));
        let found = farewell.into_iter().find(|frame| self.rest.len() <= frame.len() && self.agrees_with(frame));
        let found = found.unwrap_or_else(|| panic!("out of nothing: {}", self.rest.escape_ascii()));
        self.extent.closed = self.rest.len() == found.len();
    }

    /// Is one the beginning of the other?
    fn agrees_with(&self, bytes: &[u8]) -> bool {
        self.rest.iter().zip(bytes).all(|(a, b)| a == b)
    }
}

/// A server's control frame.
fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    [encode(opcode, true, 0, payload.len(), None).bytes(), payload].concat()
}

/// What a strict peer inflates with: it keeps no more of earlier messages than its window.
struct Window {
    stream: Decompress,
    bytes_max: usize,
    kept: Vec<u8>,
}

impl Window {
    fn new(bits: u8) -> Window {
        Window { stream: Decompress::new(false), bytes_max: 1 << bits, kept: Vec::new() }
    }

    /// Inflates a message of at most so many bytes.
    fn inflate(&mut self, payload: &[u8], bytes_max: usize) -> Vec<u8> {
        self.stream.reset(false);
        if !self.kept.is_empty() {
            self.stream.set_dictionary(&self.kept).expect("a stream begins with what is kept");
        }
        // RFC 7692 §7.2.2
        let input = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut bytes = vec![0; bytes_max + 1];
        let result = self.stream.decompress(&input, &mut bytes, FlushDecompress::Sync);
        assert!(result.is_ok() && self.stream.total_in() == input.len() as u64, "not inflated: {result:?}");
        bytes.truncate(self.stream.total_out() as usize);
        self.kept.extend_from_slice(&bytes);
        self.kept.drain(..self.kept.len().saturating_sub(self.bytes_max));
        bytes
    }
}
