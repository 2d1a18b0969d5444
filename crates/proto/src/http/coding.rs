//! Takes a body out of its content coding, gzip or deflate (RFC 9110, section 8.4).

use std::fmt;

use flate2::Decompress;

use crate::block::Block;
use crate::http::answer::AnswerHead;
use crate::inflate::{self, InflateError, Inflated};

/// What a client that decodes says in Accept-Encoding.
pub const ACCEPT_ENCODING: &str = "gzip, deflate";

/// The window of gzip, and the largest one of deflate, in bits.
const WINDOW_BITS: u8 = 15;

/// A gzip body may be several, one after the other (RFC 1952, section 2.2). Each costs a new stream, so that many tiny
/// ones would keep a reader busy.
const MEMBERS_MAX: u32 = 1024;

/// A content coding that is understood here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950; without its header, which RFC 9110, section 8.4.1.2, knows to be sent, RFC 1951.
    Deflate,
}

impl Coding {
    /// The coding of this response's body. None if it has no coding, several, or one that is not understood, and for a
    /// part of a coded whole (206): then the body is handed on as it comes.
    pub fn of(head: &AnswerHead) -> Option<Coding> {
        let mut lines = head.header_all("content-encoding");
        let (Some(coding), None) = (lines.next(), lines.next()) else { return None };
        if head.status() == 206 {
            return None;
        }
        match coding {
            _ if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => Some(Coding::Gzip),
            _ if coding.eq_ignore_ascii_case(b"deflate") => Some(Coding::Deflate),
            _ => None,
        }
    }
}

/// Decodes one body that comes in pieces.
pub struct Decoder {
    coding: Coding,
    state: State,
    /// Whole gzip bodies so far.
    members: u32,
}

/// ```text
/// Empty ──gzip────────────────► Within ──end of the stream──► Ended ──gzip, more bytes──► Within
///   └──deflate──► First ──2nd byte──┘
/// ```
enum State {
    Empty,
    /// Whether deflate has its header is seen at the second byte; this is the first.
    First(u8),
    // Elsewhere: it is large.
    Within(Box<Decompress>),
    Ended,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({:?})", self.coding)
    }
}

impl Decoder {
    /// A decoder that has seen nothing. It owns no memory until a body comes.
    pub fn new(coding: Coding) -> Decoder {
        Decoder { coding, state: State::Empty, members: 0 }
    }

    /// The coding that it takes bodies out of.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Appends what `input`, the next piece of the body, says; `out` has at most `bytes_max` bytes then.
    ///
    /// # Errors
    /// More than that, found out while inflating; or what is not in this coding. The decoder is of no more use then.
    pub fn decode(&mut self, mut input: &[u8], out: &mut Block, bytes_max: usize) -> Result<(), InflateError> {
        while let [next, rest @ ..] = input {
            self.state = match (&mut self.state, self.coding) {
                (State::Within(stream), _) => match inflate::append(stream, &mut input, out, bytes_max)? {
                    Inflated::More => continue,
                    Inflated::StreamEnd => State::Ended,
                },
                (State::Empty | State::Ended, Coding::Gzip) => {
                    self.members += 1;
                    if self.members > MEMBERS_MAX {
                        return Err(InflateError::Corrupt);
                    }
                    State::Within(Box::new(Decompress::new_gzip(WINDOW_BITS)))
                }
                (State::First(first), _) => {
                    let mut stream = Box::new(Decompress::new(is_zlib_header([*first, *next])));
                    inflate::append(&mut stream, &mut &[*first][..], out, bytes_max)?;
                    State::Within(stream)
                }
                (State::Empty, Coding::Deflate) => {
                    input = rest;
                    State::First(*next)
                }
                (State::Ended, Coding::Deflate) => return Err(InflateError::Corrupt),
            };
        }
        Ok(())
    }

    /// Whether the body is whole. One without a byte is: that is how some servers say that there is nothing.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Empty | State::Ended)
    }
}

/// RFC 1950, section 2.2. The first byte of deflate without it would have to be of a stored block whose padding is not
/// zero, or of a reserved kind.
fn is_zlib_header(bytes: [u8; 2]) -> bool {
    bytes[0] & 15 == 8 && u16::from_be_bytes(bytes).is_multiple_of(31)
}

#[cfg(test)]
mod tests {
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    use super::{Coding, Decoder, MEMBERS_MAX};
    use crate::block::Block;
    use crate::http::answer::AnswerHead;
    use crate::http::head::{HeadLimits, HeadReader};
    use crate::inflate::InflateError;

    const LEVEL: flate2::Compression = flate2::Compression::new(6);

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), LEVEL);
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), LEVEL);
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
    }

    /// What the body says, and whether it is whole; the same however it is cut.
    fn decode(coding: Coding, body: &[u8], bytes_max: usize) -> Result<(Vec<u8>, bool), InflateError> {
        let of = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut decoder, mut out) = (Decoder::new(coding), Block::default());
            for piece in pieces {
                decoder.decode(piece, &mut out, bytes_max)?;
            }
            assert!(out.capacity() <= bytes_max);
            Ok((out.bytes().to_vec(), decoder.is_whole()))
        };
        let outcome = of(&mut [body].into_iter());
        assert_eq!(of(&mut body.chunks(1)), outcome);
        for cut in 0..=body.len().min(60) {
            assert_eq!(of(&mut [&body[..cut], &body[cut..]].into_iter()), outcome, "cut at {cut}");
        }
        outcome
    }

    #[test]
    fn bodies_come_out_whole() {
        let text = b"the same words, and once more the same words".repeat(20);
        let noise: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for content in [&b""[..], b"x", &text, &noise] {
            for (coding, body) in
                [(Coding::Gzip, gzip(content)), (Coding::Deflate, zlib(content)), (Coding::Deflate, raw(content))]
            {
                assert_eq!(decode(coding, &body, content.len()), Ok((content.to_vec(), true)));
                for end in (1..body.len()).take(40).chain([body.len() - 1]) {
                    let whole = decode(coding, &body[..end], content.len()).map(|(_, whole)| whole);
                    assert_eq!(whole, Ok(false), "{coding:?} cut off at {end}");
                }
                if !content.is_empty() {
                    assert_eq!(decode(coding, &body, content.len() - 1), Err(InflateError::TooBig));
                }
            }
        }
        assert_eq!(decode(Coding::Gzip, b"", 0), Ok((vec![], true)));
        assert_eq!(decode(Coding::Deflate, b"", 0), Ok((vec![], true)));
    }

    #[test]
    fn several_gzip_bodies_are_one() {
        let two = [gzip(b"one, "), gzip(b"two")].concat();
        assert_eq!(decode(Coding::Gzip, &two, 100), Ok((b"one, two".to_vec(), true)));
        let most = gzip(b"").repeat(MEMBERS_MAX as usize);
        let decode = |body: &[u8]| Decoder::new(Coding::Gzip).decode(body, &mut Block::default(), 100);
        assert_eq!(decode(&most), Ok(()));
        assert_eq!(decode(&[most, gzip(b"")].concat()), Err(InflateError::Corrupt));
    }

    #[test]
    fn what_is_corrupt() {
        let mut wrong_sum = gzip(b"hello");
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        let mut wrong_zlib_sum = zlib(b"hello");
        *wrong_zlib_sum.last_mut().expect("a sum") ^= 1;
        let rows: &[(Coding, Vec<u8>)] = &[
            (Coding::Gzip, b"hello, no gzip".to_vec()),
            (Coding::Gzip, zlib(b"hello")),
            (Coding::Gzip, wrong_sum),
            (Coding::Gzip, [gzip(b"hello"), b"behind".to_vec()].concat()),
            (Coding::Deflate, b"\xff\xff\xff".to_vec()),
            (Coding::Deflate, wrong_zlib_sum),
            (Coding::Deflate, [zlib(b"hello"), b"behind".to_vec()].concat()),
            (Coding::Deflate, [raw(b"hello"), b"behind".to_vec()].concat()),
        ];
        for (coding, body) in rows {
            assert_eq!(decode(*coding, body, 1000), Err(InflateError::Corrupt), "{coding:?} {body:x?}");
        }
    }

    #[test]
    fn a_bomb_ends_in_an_error() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 70 << 10);
        let mut out = Block::default();
        assert_eq!(Decoder::new(Coding::Gzip).decode(&bomb, &mut out, 1 << 20), Err(InflateError::TooBig));
        assert!(out.capacity() <= 1 << 20);
    }

    #[test]
    fn codings() {
        let rows = [
            ("200", "", None),
            ("200", "Content-Encoding: gzip\r\n", Some(Coding::Gzip)),
            ("404", "content-encoding: X-GZip\r\n", Some(Coding::Gzip)),
            ("200", "Content-Encoding: deflate\r\n", Some(Coding::Deflate)),
            ("206", "Content-Encoding: gzip\r\n", None),
            ("200", "Content-Encoding: identity\r\n", None),
            ("200", "Content-Encoding: br\r\n", None),
            ("200", "Content-Encoding: gzip, deflate\r\n", None),
            ("200", "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", None),
        ];
        for (status, lines, coding) in rows {
            let text = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
            let found = HeadReader::<AnswerHead>::new(HeadLimits::default()).next(text.as_bytes());
            let (_, head) = found.expect("accepted").expect("whole");
            assert_eq!(Coding::of(&head), coding, "{status} {lines}");
        }
    }
}
