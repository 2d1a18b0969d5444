//! Turns the bytes behind a head, in pieces of any size, into the body (RFC 9112, sections 6 and 7).

use thiserror::Error;

use crate::http::head::Framing;

/// A body that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is declared to be, or has become, larger than the limit.
    #[error("body too large: must be at most {bytes_max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// A chunk that does not begin with its size.
    #[error("malformed chunk size: must be 1 to 16 hexadecimal digits, with CR LF or \";\" right after them")]
    ChunkSize,
    /// A chunk whose data goes on beyond its size.
    #[error("malformed chunk: CR LF must follow its data")]
    ChunkEnd,
    /// A control byte, an LF alone included, in a chunk extension or a trailer.
    #[error("control byte in a chunk extension or trailer: a line must end in CR LF and have none but tab")]
    ControlByte,
    /// Chunk extensions that outweigh the data.
    #[error("chunk extensions too large: must be at most {EXTENSION_BYTES_MAX} bytes more than the data before them")]
    ExtensionTooLarge,
    /// More trailers than anybody needs.
    #[error("trailers too large: must be at most {TRAILER_BYTES_MAX} bytes")]
    TrailersTooLarge,
    /// The connection ended before the body did (RFC 9112, section 8).
    #[error("body cut short: must come to its end before the connection does")]
    CutShort,
}

impl BodyError {
    /// The status of a server's answer to it; the connection closes behind it.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::TrailersTooLarge => 431,
            _ => 400,
        }
    }
}

/// Gathers one body. What it keeps grows with the bytes received, never with a length declared.
///
/// ```
/// use wirewool_proto::http::{body::BodyReader, head::Framing};
///
/// let mut reader = BodyReader::new(Framing::Chunked, 1024).unwrap();
/// assert_eq!(reader.next(b"5\r\nhel"), Ok((6, false)));
/// assert_eq!(reader.next(b"lo\r\n0\r\n\r\nGET"), Ok((9, true)));
/// assert_eq!(reader.into_bytes(), b"hello");
/// ```
#[derive(Debug)]
pub struct BodyReader {
    deframer: Deframer,
    body: Vec<u8>,
}

impl BodyReader {
    /// A reader for the body that the head announced, of at most `body_bytes_max` bytes after decoding.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] if the declared length is beyond the limit.
    pub fn new(framing: Framing, body_bytes_max: usize) -> Result<Self, BodyError> {
        Ok(Self { deframer: Deframer::new(framing, body_bytes_max)?, body: Vec::new() })
    }

    /// Takes the next piece. Returns how many of its bytes belong to this body, and whether the body is complete; until
    /// it is, that is all of them. A complete body takes nothing more; an empty piece asks whether one is to come.
    ///
    /// # Errors
    ///
    /// The body is refused: the connection must end, and the reader is of no more use.
    pub fn next(&mut self, input: &[u8]) -> Result<(usize, bool), BodyError> {
        let mut used = 0;
        while used < input.len() && !self.deframer.is_done() {
            let (taken, data) = self.deframer.next(&input[used..])?;
            self.body.extend_from_slice(data);
            used += taken;
        }
        Ok((used, self.deframer.is_done()))
    }

    /// The body gathered so far: whole once [`next`](Self::next) has said so.
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }
}

/// Finds a body's data among what frames it, and its end. It keeps no data. The default one is of no body.
///
/// ```
/// use wirewool_proto::http::{body::Deframer, head::Framing};
///
/// let mut deframer = Deframer::new(Framing::Chunked, 1024).unwrap();
/// assert_eq!(deframer.next(b"5\r\nhello\r\n"), Ok((8, &b"hello"[..])));
/// assert_eq!(deframer.next(b"\r\n0\r\n\r\nHTTP"), Ok((7, &b""[..])));
/// assert!(deframer.is_done());
/// ```
#[derive(Debug, Default)]
pub struct Deframer {
    state: State,
    /// Bytes of data so far.
    body_bytes: usize,
    body_bytes_max: usize,
    /// Bytes of all chunk extensions together.
    extension_bytes: usize,
    /// Bytes of all trailer lines together, their ends included.
    trailer_bytes: usize,
}

/// What the next byte belongs to.
///
/// ```text
/// Fixed ──last byte──► Done                                    (Content-Length)
/// ToEnd ──end of the connection──► Done                        (a response with neither)
///
/// Size ──CR──► SizeEnd ──LF, size > 0──► Data ──last byte──► DataCr ──CR──► DataLf ──LF──► Size
///  │ ;            ▲ └───LF, size = 0──► TrailerStart ──CR──► LastLf ──LF──► Done
///  ▼              │CR                    │ other  ▲ LF
/// Extension ──────┘                      ▼        │
///                                      Trailer ──CR──► TrailerLf
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    Fixed {
        left: u64,
    },
    ToEnd,
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    #[default]
    Done,
}

impl State {
    const SIZE: Self = Self::Size { size: 0, digits: 0 };
}

/// Chunk extensions mean nothing here. All those of a body together may have this many bytes more than the data
/// before them, so that reading a body costs no more than in proportion to `body_bytes_max`.
const EXTENSION_BYTES_MAX: usize = 1024;

/// Trailers are read past (RFC 9110, section 6.5.1, allows that); this many bytes of them.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Sixteen hexadecimal digits fill 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

impl Deframer {
    /// What finds the body that the head announced, of at most `body_bytes_max` bytes without its framing.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] if the declared length is beyond the limit.
    pub fn new(framing: Framing, body_bytes_max: usize) -> Result<Self, BodyError> {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > body_bytes_max as u64 => {
                return Err(BodyError::TooLarge { bytes_max: body_bytes_max });
            }
            Framing::Length(left) => State::Fixed { left },
            Framing::Chunked => State::SIZE,
            Framing::ToEnd => State::ToEnd,
        };
        Ok(Self { state, body_bytes: 0, body_bytes_max, extension_bytes: 0, trailer_bytes: 0 })
    }

    /// Looks for data in the next piece. Returns how many bytes of the piece were used up, and the data at their end:
    /// empty once the piece is used up or the body is complete.
    ///
    /// # Errors
    ///
    /// The body is refused: the connection must end, and the deframer is of no more use.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), BodyError> {
        let mut used = 0;
        while used < input.len() && self.state != State::Done {
            let rest = &input[used..];
            let data = match self.state {
                State::Fixed { left } => self.take(left, rest, |left| State::Fixed { left }, State::Done),
                State::Data { left } => self.take(left, rest, |left| State::Data { left }, State::DataCr),
                State::ToEnd => self.take_any(rest)?,
                _ => {
                    self.step(rest[0])?;
                    used += 1;
                    continue;
                }
            };
            return Ok((used + data.len(), data));
        }
        Ok((used, b""))
    }

    /// Whether the body is complete. It takes nothing more then.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The connection has ended, which completes a body that goes on until then.
    ///
    /// # Errors
    ///
    /// [`BodyError::CutShort`] if more was to come (RFC 9112, section 8).
    pub fn end(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::ToEnd => self.state = State::Done,
            _ => return Err(BodyError::CutShort),
        }
        Ok(())
    }

    /// Takes one byte that is no data.
    fn step(&mut self, byte: u8) -> Result<(), BodyError> {
        self.state = match (self.state, byte) {
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
            (State::Size { size, digits: 1.. }, b';') => self.extend(size)?,
            (State::Size { size, digits }, _) => add_digit(size, digits, byte)?,
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { size }, _) if !is_control(byte) => self.extend(size)?,
            (State::SizeEnd { size }, b'\n') => self.begin_chunk(size)?,
            (State::SizeEnd { .. }, _) => return Err(BodyError::ChunkSize),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::SIZE,
            (State::DataCr | State::DataLf, _) => return Err(BodyError::ChunkEnd),
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => self.pass_trailer(State::TrailerLf)?,
            (State::TrailerStart | State::Trailer, _) if !is_control(byte) => self.pass_trailer(State::Trailer)?,
            (State::TrailerLf, b'\n') => self.pass_trailer(State::TrailerStart)?,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(BodyError::ControlByte),
        };
        Ok(())
    }

    /// Takes up to `left` bytes of data, and is then where more is wanted or where none is.
    fn take<'a>(&mut self, left: u64, input: &'a [u8], more: fn(u64) -> State, none: State) -> &'a [u8] {
        let length = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.body_bytes += length;
        let left = left - length as u64;
        self.state = if left > 0 { more(left) } else { none };
        &input[..length]
    }

    /// Takes as much as the limit leaves.
    fn take_any<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], BodyError> {
        let length = input.len().min(self.body_bytes_max - self.body_bytes);
        if length == 0 {
            return Err(BodyError::TooLarge { bytes_max: self.body_bytes_max });
        }
        self.body_bytes += length;
        Ok(&input[..length])
    }

    fn begin_chunk(&mut self, size: u64) -> Result<State, BodyError> {
        if size > (self.body_bytes_max - self.body_bytes) as u64 {
            return Err(BodyError::TooLarge { bytes_max: self.body_bytes_max });
        }
        Ok(if size > 0 { State::Data { left: size } } else { State::TrailerStart })
    }

    fn extend(&mut self, size: u64) -> Result<State, BodyError> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX + self.body_bytes {
            return Err(BodyError::ExtensionTooLarge);
        }
        Ok(State::Extension { size })
    }

    fn pass_trailer(&mut self, next: State) -> Result<State, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailersTooLarge);
        }
        Ok(next)
    }
}

/// No white space and no sign: what RFC 9112 lets a sender write is digits, and others read such things differently.
fn add_digit(size: u64, digits: u8, byte: u8) -> Result<State, BodyError> {
    let digit = char::from(byte).to_digit(16).ok_or(BodyError::ChunkSize)?;
    if digits == SIZE_DIGITS_MAX {
        return Err(BodyError::ChunkSize);
    }
    Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};
    use proptest::test_runner::TestCaseError;
    use proptest::{prop_assert, prop_assert_eq};

    use super::{BodyError, BodyReader, EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};
    use crate::http::head::Framing;

    /// Bytes used, whether the body is complete, and the body.
    type Outcome = Result<(usize, bool, Vec<u8>), BodyError>;

    fn read<'a>(framing: Framing, bytes_max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut reader = BodyReader::new(framing, bytes_max)?;
        let (mut total, mut complete) = (0, false);
        // With an empty piece at the end: what is complete must stay so, and be so without a byte.
        for piece in pieces.into_iter().chain([&b""[..]]) {
            let (used, done) = reader.next(piece)?;
            assert!(reader.body.len() <= bytes_max);
            assert!(done || used == piece.len());
            assert!(!complete || used == 0);
            (total, complete) = (total + used, done);
        }
        Ok((total, complete, reader.into_bytes()))
    }

    /// The outcome of the bytes, which must not depend on where they are cut.
    fn read_cut(framing: Framing, bytes_max: usize, bytes: &[u8]) -> Outcome {
        let outcome = read(framing, bytes_max, [bytes]);
        assert_eq!(read(framing, bytes_max, bytes.chunks(1)), outcome);
        for cut in 0..=bytes.len().min(100) {
            assert_eq!(read(framing, bytes_max, [&bytes[..cut], &bytes[cut..]]), outcome, "cut at {cut}");
        }
        outcome
    }

    #[test]
    fn fixed_lengths() {
        let rows: &[(Framing, &str, usize, bool)] = &[
            (Framing::None, "", 0, true),
            (Framing::None, "GET", 0, true),
            (Framing::Length(0), "GET", 0, true),
            (Framing::Length(5), "hello", 5, true),
            (Framing::Length(5), "helloGET", 5, true),
            (Framing::Length(5), "hell", 4, false),
            (Framing::Length(8), "12345678", 8, true),
            (Framing::ToEnd, "", 0, false),
            (Framing::ToEnd, "12345678", 8, false),
        ];
        for &(framing, bytes, used, done) in rows {
            let outcome = Ok((used, done, bytes.as_bytes()[..used].to_vec()));
            assert_eq!(read_cut(framing, 8, bytes.as_bytes()), outcome, "{framing:?} {bytes}");
        }
        for length in [9, u64::MAX] {
            assert_eq!(read(Framing::Length(length), 8, []), Err(BodyError::TooLarge { bytes_max: 8 }));
        }
        assert_eq!(BodyError::TooLarge { bytes_max: 8 }.status(), 413);
        assert_eq!(read_cut(Framing::ToEnd, 8, b"123456789"), Err(BodyError::TooLarge { bytes_max: 8 }));
    }

    #[test]
    fn the_connection_ends() {
        let rows = [
            (Framing::None, "", Ok(())),
            (Framing::Length(5), "hello", Ok(())),
            (Framing::Length(5), "hell", Err(BodyError::CutShort)),
            (Framing::Chunked, "0\r\n\r\n", Ok(())),
            (Framing::Chunked, "1\r\nx\r\n", Err(BodyError::CutShort)),
            (Framing::Chunked, "", Err(BodyError::CutShort)),
            (Framing::ToEnd, "", Ok(())),
            (Framing::ToEnd, "hello", Ok(())),
        ];
        for (framing, bytes, outcome) in rows {
            let mut reader = BodyReader::new(framing, 8).expect("within the limit");
            reader.next(bytes.as_bytes()).expect("accepted");
            assert_eq!(reader.deframer.end(), outcome, "{framing:?} {bytes:?}");
            assert_eq!(reader.deframer.is_done(), outcome.is_ok());
        }
    }

    #[test]
    fn a_declared_length_reserves_nothing() {
        let mut reader = BodyReader::new(Framing::Length(1 << 40), 1 << 40).expect("within the limit");
        assert_eq!(reader.next(b"x"), Ok((1, false)));
        assert!(reader.body.capacity() < 64);
        let mut reader = BodyReader::new(Framing::Chunked, 1 << 40).expect("within the limit");
        assert_eq!(reader.next(b"ffffffffff\r\nx"), Ok((13, false)));
        assert!(reader.body.capacity() < 64);
    }

    #[test]
    fn chunks() {
        let rows: &[(&str, &str)] = &[
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("2\r\n\r\n\r\n1\r\n0\r\n000\r\n\r\n", "\r\n0"),
            ("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
            ("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"),
            ("5;a=b;c=\"\t;\"\r\nhello\r\n0;\r\n\r\n", "hello"),
            ("1\r\nx\r\n0\r\nTrailer: a\r\nContent-Length: 5\r\n\r\n", "x"),
        ];
        for &(bytes, body) in rows {
            let outcome = Ok((bytes.len(), true, body.as_bytes().to_vec()));
            assert_eq!(read_cut(Framing::Chunked, 64, bytes.as_bytes()), outcome, "{bytes:?}");
            let more = [bytes, "GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read_cut(Framing::Chunked, 64, more.as_bytes()), outcome, "{more:?}");
            for end in 0..bytes.len() {
                let (used, done, _) = read(Framing::Chunked, 64, [&bytes.as_bytes()[..end]]).expect("accepted");
                assert_eq!((used, done), (end, false), "{bytes:?} cut off at {end}");
            }
        }
    }

    /// Chunks that servers and proxies have been made to disagree about.
    #[test]
    fn malformed_chunks_are_refused() {
        let rows: &[(&str, BodyError)] = &[
            ("0x5\r\nhello\r\n0\r\n\r\n", BodyError::ChunkSize),
            ("5 \r\nhello\r\n0\r\n\r\n", BodyError::ChunkSize),
            ("5 ;a\r\nhello\r\n0\r\n\r\n", BodyError::ChunkSize),
            (" 5\r\nhello\r\n0\r\n\r\n", BodyError::ChunkSize),
            ("5\t\r\nhello", BodyError::ChunkSize),
            ("-1\r\nhello", BodyError::ChunkSize),
            ("+5\r\nhello", BodyError::ChunkSize),
            ("5_0\r\nhello", BodyError::ChunkSize),
            ("\r\nhello", BodyError::ChunkSize),
            (";a\r\nhello", BodyError::ChunkSize),
            ("00000000000000005\r\nhello", BodyError::ChunkSize),
            ("fffffffffffffffff\r\nhello", BodyError::ChunkSize),
            ("g\r\n", BodyError::ChunkSize),
            ("5\nhello\n0\n\n", BodyError::ChunkSize),
            ("5\r\r\nhello", BodyError::ChunkSize),
            ("5\rhello", BodyError::ChunkSize),
            ("5;a\rb\r\nhello", BodyError::ChunkSize),
            ("5\r\nhello0\r\n\r\n", BodyError::ChunkEnd),
            ("5\r\nhello\n0\r\n\r\n", BodyError::ChunkEnd),
            ("5\r\nhello\r0\r\n\r\n", BodyError::ChunkEnd),
            ("5\r\nhello!\r\n0\r\n\r\n", BodyError::ChunkEnd),
            ("5;a\nhello", BodyError::ControlByte),
            ("5;\0\r\nhello", BodyError::ControlByte),
            ("0\r\n\n", BodyError::ControlByte),
            ("0\r\nA: b\n\r\n", BodyError::ControlByte),
            ("0\r\nA: b\rc\r\n\r\n", BodyError::ControlByte),
            ("0\r\n\rx", BodyError::ControlByte),
            ("41\r\n", BodyError::TooLarge { bytes_max: 64 }),
            ("ffffffffffffffff\r\n", BodyError::TooLarge { bytes_max: 64 }),
            ("1\r\nx\r\n40\r\n", BodyError::TooLarge { bytes_max: 64 }),
        ];
        for &(bytes, error) in rows {
            assert_eq!(read_cut(Framing::Chunked, 64, bytes.as_bytes()), Err(error), "{bytes:?}");
            assert_eq!(error.status(), if matches!(error, BodyError::TooLarge { .. }) { 413 } else { 400 });
        }
    }

    #[test]
    fn limits_are_reached() {
        let extended = |length: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(length - 1));
        let twice = |length: usize| format!("5;e\r\nhello\r\n1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length - 3));
        // The "A: " and the CR LF of the line count, the CR LF that ends the trailers does not.
        let trailed = |length: usize| format!("0\r\nA: {}\r\n\r\n", "t".repeat(length - 5));
        let rows = [
            (extended(EXTENSION_BYTES_MAX), None),
            (extended(EXTENSION_BYTES_MAX + 1), Some(BodyError::ExtensionTooLarge)),
            (twice(EXTENSION_BYTES_MAX + 5), None),
            (twice(EXTENSION_BYTES_MAX + 6), Some(BodyError::ExtensionTooLarge)),
            (trailed(TRAILER_BYTES_MAX), None),
            (trailed(TRAILER_BYTES_MAX + 1), Some(BodyError::TrailersTooLarge)),
        ];
        for (bytes, error) in rows {
            assert_eq!(read_cut(Framing::Chunked, 64, bytes.as_bytes()).err(), error);
        }
        assert_eq!(BodyError::ExtensionTooLarge.status(), 400);
        assert_eq!(BodyError::TrailersTooLarge.status(), 431);
        let full = "20\r\n0123456789abcdef0123456789abcdef\r\n".repeat(2) + "0\r\n\r\n";
        assert_eq!(read_cut(Framing::Chunked, 64, full.as_bytes()).map(|outcome| outcome.2.len()), Ok(64));
    }

    /// Streams made of what chunked bodies are made of, with other bytes in between.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "5\r\nhello\r\n",
            "1;a=b\r\nx\r\n",
            "0\r\n",
            "\r\n",
            "\r",
            "\n",
            "5",
            "0",
            "ff",
            ";",
            "x",
            "A: b\r\n",
            " ",
            "\0",
        ]);
        let part = proptest::prop_oneof![
            20 => words.prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    fn same_for_every_split(
        framing: Framing,
        bytes: &[u8],
        bytes_max: usize,
        cuts: &[usize],
    ) -> Result<(), TestCaseError> {
        let outcome = read(framing, bytes_max, [bytes]);
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for cut in cuts {
            let (piece, after) = rest.split_at(cut % (rest.len() + 1));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&read(framing, bytes_max, pieces), &outcome);
        prop_assert_eq!(&read(framing, bytes_max, bytes.chunks(1)), &outcome);
        prop_assert!(outcome.is_err() || outcome.is_ok_and(|(used, ..)| used <= bytes.len()));
        Ok(())
    }

    proptest! {
        #[test]
        fn every_split_is_the_same(
            bytes in stream(), bytes_max in 0_usize..40, cuts in prop::collection::vec(0_usize..64, 0..6),
        ) {
            same_for_every_split(Framing::Chunked, &bytes, bytes_max, &cuts)?;
        }

        #[test]
        fn any_bytes_keep_the_limit(
            bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0_u64..50, bytes_max in 0_usize..40,
            cuts in prop::collection::vec(0_usize..64, 0..6),
        ) {
            same_for_every_split(Framing::Chunked, &bytes, bytes_max, &cuts)?;
            same_for_every_split(Framing::Length(length), &bytes, bytes_max, &cuts)?;
            same_for_every_split(Framing::ToEnd, &bytes, bytes_max, &cuts)?;
        }
    }
}
