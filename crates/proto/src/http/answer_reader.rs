//! Turns what a server sends back, in pieces of any size, into the answer to one request (RFC 9112, sections 4 to 9).

use thiserror::Error;

use crate::block::Block;
use crate::http::answer::{AnswerHead, Asked};
use crate::http::body::{BodyError, Deframer};
use crate::http::coding::{Coding, Decoder};
use crate::http::head::{Framing, HeadError, HeadLimits, HeadReader};
use crate::inflate::InflateError;

/// How much of an answer is accepted, and what is done with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Of its head, and of each interim one before it.
    pub head: HeadLimits,
    /// Bytes of its body, as it comes without its framing, and decoded. Default 64 MiB.
    pub body_bytes_max: usize,
    /// Whether gzip and deflate are decoded. Default true.
    pub decode: bool,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { head: HeadLimits::default(), body_bytes_max: 64 << 20, decode: true }
    }
}

/// An answer that cannot be used. The connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Its head was refused.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its body was refused, or is cut short.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Its body is not in the coding that Content-Encoding names.
    #[error("malformed body: must be in the {0:?} coding that Content-Encoding names, to its end")]
    Coding(Coding),
    /// RFC 9110, section 15.2.2.
    #[error("status 101: must be the answer to a request with an Upgrade header")]
    Switching,
    /// Interim answers that go on and on.
    #[error("too many interim answers: must be at most {INTERIM_MAX}")]
    TooManyInterim,
    /// The connection ended before the head did.
    #[error("no answer: the connection ended before a whole head came")]
    NoAnswer,
}

/// What an [`AnswerReader`] has found. Every answer is a head, data in any number of pieces, and the end.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The head of the answer; interim ones are passed over.
    Head(AnswerHead),
    /// The next bytes of the body, decoded, never empty. Of a coded body at most about 1 MiB at once.
    Data(&'a [u8]),
    /// The answer is complete.
    End {
        /// The connection takes another request. Bytes behind the answer belong to nothing then.
        keep_alive: bool,
    },
}

/// Reads one answer.
///
/// ```text
/// Head ─┬─► Body ──last byte, or end of the connection──► Done
/// │  ▲  └──nothing behind the head────────────────────────►│
/// └──┘ 1xx: passed over
/// ```
///
/// ```
/// use wirewool_proto::http::answer::Asked;
/// use wirewool_proto::http::answer_reader::{AnswerSettings, AnswerReader, Part};
///
/// let mut reader = AnswerReader::new(Asked::Other, AnswerSettings::default());
/// let mut input = &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore"[..];
/// let mut body = Vec::new();
/// while let Some((used, part)) = reader.next(input).unwrap() {
///     input = &input[used..];
///     match part {
///         Part::Head(head) => assert_eq!(head.status(), 200),
///         Part::Data(data) => body.extend_from_slice(data),
///         Part::End { keep_alive } => {
///             assert!(keep_alive);
///             break;
///         }
///     }
/// }
/// assert_eq!((&*body, input), (&b"hello"[..], &b"more"[..]));
/// ```
#[derive(Debug)]
pub struct AnswerReader {
    asked: Asked,
    settings: AnswerSettings,
    state: State,
    heads: HeadReader<AnswerHead>,
    interim: u8,
    keep_alive: bool,
    deframer: Deframer,
    decoder: Option<Decoder>,
    /// What the decoder made of the last piece.
    decoded: Block,
    decoded_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body,
    Done,
}

/// How many interim answers (RFC 9110, section 15.2) are passed over before the one that counts.
const INTERIM_MAX: u8 = 16;

/// How much of a coded body is decoded at once, in bytes: deflate makes at most some thousand times as much of it.
const CODED_BYTES_MAX: usize = 1024;

impl AnswerReader {
    /// A reader for the answer to what was asked. It owns no memory until the answer comes.
    pub fn new(asked: Asked, settings: AnswerSettings) -> Self {
        Self {
            asked,
            settings,
            state: State::Head,
            heads: HeadReader::new(settings.head),
            interim: 0,
            keep_alive: false,
            deframer: Deframer::default(),
            decoder: None,
            decoded: Block::default(),
            decoded_bytes: 0,
        }
    }

    /// The next part of the answer that is in `input`, and how many bytes that used up. None: all was used and more is
    /// needed, or the answer is complete, and what is left belongs to the next one or to another protocol.
    ///
    /// # Errors
    ///
    /// The answer is refused: the connection must end, and the reader is of no more use.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<(usize, Part<'a>)>, AnswerError> {
        match self.state {
            State::Head => Ok(self.next_head(input)?.map(|(used, head)| (used, Part::Head(head)))),
            State::Body => self.next_data(input),
            State::Done => Ok(None),
        }
    }

    /// The connection has ended. Whether that completes the answer, if it was not yet: a body may go on until then.
    ///
    /// # Errors
    ///
    /// [`AnswerError::NoAnswer`], or what is wrong with a body that ends here (RFC 9112, section 8).
    pub fn end(&mut self) -> Result<(), AnswerError> {
        match self.state {
            State::Head => return Err(AnswerError::NoAnswer),
            State::Body => {
                self.deframer.end()?;
                self.finish()?;
            }
            State::Done => {}
        }
        Ok(())
    }

    /// Whether no answer has begun. If a connection that was kept ends like that, the server may have closed it before it
    /// saw the request; an idempotent one may be sent again (RFC 9112, section 9.3.1).
    pub fn is_empty(&self) -> bool {
        self.state == State::Head && self.interim == 0 && self.heads.is_empty()
    }

    fn next_head(&mut self, input: &[u8]) -> Result<Option<(usize, AnswerHead)>, AnswerError> {
        let mut at = 0;
        while let Some((used, head)) = self.heads.next(&input[at..])? {
            at += used;
            if !(100..200).contains(&head.status()) || head.is_switching(self.asked) {
                self.begin_body(&head)?;
                return Ok(Some((at, head)));
            }
            if head.status() == 101 {
                return Err(AnswerError::Switching);
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(AnswerError::TooManyInterim);
            }
        }
        Ok(None)
    }

    fn begin_body(&mut self, head: &AnswerHead) -> Result<(), AnswerError> {
        let framing = head.framing(self.asked)?;
        self.keep_alive = head.keep_alive(self.asked);
        self.deframer = Deframer::new(framing, self.settings.body_bytes_max)?;
        let coding = Coding::of(head).filter(|_| self.settings.decode && framing != Framing::None);
        self.decoder = coding.map(Decoder::new);
        self.state = State::Body;
        Ok(())
    }

    fn next_data<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<(usize, Part<'a>)>, AnswerError> {
        let mut at = 0;
        while !self.deframer.is_done() {
            let rest = &input[at..];
            let most = if self.decoder.is_some() { CODED_BYTES_MAX } else { usize::MAX };
            let (used, data) = self.deframer.next(&rest[..rest.len().min(most)])?;
            at += used;
            if data.is_empty() && at == input.len() && !self.deframer.is_done() {
                return Ok(None);
            }
            if self.decoder.is_none() && !data.is_empty() {
                return Ok(Some((at, Part::Data(data))));
            }
            if self.decode(data)? {
                return Ok(Some((at, Part::Data(self.decoded.bytes()))));
            }
        }
        self.finish()?;
        Ok(Some((at, Part::End { keep_alive: self.keep_alive })))
    }

    /// Decodes a piece, if there is something to decode; does it come to anything?
    fn decode(&mut self, data: &[u8]) -> Result<bool, AnswerError> {
        let Some(decoder) = &mut self.decoder else { return Ok(false) };
        let bytes_max = self.settings.body_bytes_max;
        self.decoded.clear();
        decoder.decode(data, &mut self.decoded, bytes_max - self.decoded_bytes).map_err(|error| match error {
            InflateError::TooBig => BodyError::TooLarge { bytes_max }.into(),
            InflateError::Corrupt => AnswerError::Coding(decoder.coding()),
        })?;
        self.decoded_bytes += self.decoded.len();
        Ok(!self.decoded.is_empty())
    }

    fn finish(&mut self) -> Result<(), AnswerError> {
        match self.decoder.take().filter(|decoder| !decoder.is_whole()) {
            Some(decoder) => Err(AnswerError::Coding(decoder.coding())),
            None => {
                self.state = State::Done;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;
    use proptest::prelude::{any, prop, proptest};
    use proptest::{prop_assert, prop_assert_eq};
    use std::io::Write;

    use super::{AnswerError, AnswerReader, AnswerSettings, CODED_BYTES_MAX, INTERIM_MAX, Part};
    use crate::http::answer::Asked;
    use crate::http::body::BodyError;
    use crate::http::coding::Coding;
    use crate::http::head::{HeadError, HeadLimits};
    use crate::http::response::{LAST_CHUNK, chunk};

    const SETTINGS: AnswerSettings =
        AnswerSettings { head: HeadLimits { bytes_max: 300, headers_max: 8 }, body_bytes_max: 64, decode: true };

    /// A whole answer: its status, its body, whether the connection is kept, and how many bytes were used.
    type Outcome = Result<Option<(u16, Vec<u8>, bool, usize)>, AnswerError>;

    /// Feeds the pieces; with `ends` the connection ends behind them.
    fn read<'a>(
        asked: Asked,
        settings: AnswerSettings,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        ends: bool,
    ) -> Outcome {
        let mut reader = AnswerReader::new(asked, settings);
        let (mut total, mut status, mut body) = (0, 0, Vec::new());
        for mut piece in pieces {
            while let Some((used, part)) = reader.next(piece)? {
                (piece, total) = (&piece[used..], total + used);
                match part {
                    Part::Head(head) => status = head.status(),
                    Part::Data(data) => body.extend_from_slice(data),
                    Part::End { keep_alive } => {
                        assert_eq!(reader.next(piece), Ok(None), "nothing behind the end is looked at");
                        assert_eq!(reader.end(), Ok(()));
                        return Ok(Some((status, body, keep_alive, total)));
                    }
                }
                assert!(body.len() <= settings.body_bytes_max);
            }
            total += piece.len();
        }
        assert_eq!(reader.is_empty(), total == 0);
        if ends {
            reader.end()?;
            return Ok(Some((status, body, false, total)));
        }
        Ok(None)
    }

    /// The outcome, which must not depend on where the bytes are cut.
    fn read_cut(asked: Asked, bytes: &[u8], ends: bool) -> Outcome {
        let outcome = read(asked, SETTINGS, [bytes], ends);
        assert_eq!(read(asked, SETTINGS, bytes.chunks(1), ends), outcome, "byte by byte");
        for cut in 0..=bytes.len() {
            assert_eq!(read(asked, SETTINGS, [&bytes[..cut], &bytes[cut..]], ends), outcome, "cut at {cut}");
        }
        outcome
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(9));
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
    }

    #[test]
    fn answers() {
        use Asked::{Connect, Head, Other, Upgrade};
        let rows: &[(Asked, &str, u16, &str, bool)] = &[
            (Other, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello|", 200, "hello", true),
            (Other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n|", 200, "", true),
            (
                Other,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n|",
                200,
                "hello!",
                true,
            ),
            (Other, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n|", 204, "", true),
            (
                Other,
                "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n|",
                304,
                "",
                true,
            ),
            (Other, "HTTP/1.0 404 None\r\nContent-Length: 1\r\n\r\nx|", 404, "x", false),
            (Other, "\r\nHTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx|", 500, "x", false),
            (Head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n|", 200, "", true),
            (Head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n|", 200, "", true),
            (Connect, "HTTP/1.1 200 OK\r\n\r\n|", 200, "", false),
            (Upgrade, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n|", 101, "", false),
            (Upgrade, "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno|", 400, "no", true),
        ];
        for &(asked, text, status, body, keep_alive) in rows {
            let (used, text) = (text.len() - 1, text.trim_end_matches('|'));
            let wanted = Ok(Some((status, body.as_bytes().to_vec(), keep_alive, used)));
            assert_eq!(read_cut(asked, text.as_bytes(), true), wanted, "{text:?}");
            assert_eq!(read_cut(asked, format!("{text}HTTP/1.1").as_bytes(), false), wanted, "{text:?} and more");
            assert_eq!(read_cut(asked, &text.as_bytes()[..used - 1], false), Ok(None), "{text:?}, most of it");
            assert!(read_cut(asked, &text.as_bytes()[..used - 1], true).is_err(), "{text:?}, cut short");
        }
    }

    #[test]
    fn the_connection_ends_the_body() {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";
        let whole = Ok(Some((200, b"hello".to_vec(), false, text.len())));
        assert_eq!(read_cut(Asked::Other, text.as_bytes(), true), whole);
        assert_eq!(read_cut(Asked::Other, text.as_bytes(), false), Ok(None));
        let coded = [b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n", &*gzip(b"hello")].concat();
        assert_eq!(read_cut(Asked::Other, &coded, true), Ok(Some((200, b"hello".to_vec(), false, coded.len()))));
        let cut_short = read_cut(Asked::Other, &coded[..coded.len() - 1], true);
        assert_eq!(cut_short, Err(AnswerError::Coding(Coding::Gzip)));
    }

    #[test]
    fn what_is_refused() {
        let length = |length: usize, body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        let coded = |body: &str| {
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let too_large = AnswerError::Body(BodyError::TooLarge { bytes_max: 64 });
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let rows: &[(String, AnswerError)] = &[
            (String::new(), AnswerError::NoAnswer),
            ("HTTP/1.1 200".to_owned(), AnswerError::NoAnswer),
            (interim.to_owned(), AnswerError::NoAnswer),
            ("SSH-2.0-x\r\n".to_owned(), HeadError::StatusLine.into()),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), HeadError::EncodingUnframed.into()),
            ("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n".to_owned(), AnswerError::Switching),
            (interim.repeat(usize::from(INTERIM_MAX) + 1), AnswerError::TooManyInterim),
            (length(65, ""), too_large),
            (length(5, "hell"), BodyError::CutShort.into()),
            (format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(65)), too_large),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n".to_owned(), too_large),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx".to_owned(), BodyError::ChunkSize.into()),
            (coded("no deflate"), AnswerError::Coding(Coding::Deflate)),
        ];
        for (text, error) in rows {
            assert_eq!(read_cut(Asked::Other, text.as_bytes(), true), Err(*error), "{text:?}");
        }
        let most = interim.repeat(usize::from(INTERIM_MAX)) + &length(64, &"x".repeat(64));
        assert!(read(Asked::Other, SETTINGS, [most.as_bytes()], false).is_ok_and(|found| found.is_some()));
    }

    #[test]
    fn a_bomb_ends_in_an_error() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
        let bytes = [head.as_bytes(), &bomb].concat();
        let read = |body_bytes_max, decode| {
            read(Asked::Other, AnswerSettings { body_bytes_max, decode, ..SETTINGS }, [&*bytes], false)
        };
        let bytes_max = 10 << 20;
        assert_eq!(read(bytes_max - 1, true), Err(BodyError::TooLarge { bytes_max: bytes_max - 1 }.into()));
        let Ok(Some((200, body, true, used))) = read(bytes_max, true) else { panic!("accepted") };
        assert!(body.len() == bytes_max && body.iter().all(|&byte| byte == 0) && used == bytes.len());
        assert_eq!(read(bytes_max, false), Ok(Some((200, bomb, true, bytes.len()))), "left as it is");
        let mut reader = AnswerReader::new(Asked::Other, AnswerSettings { body_bytes_max: usize::MAX, ..SETTINGS });
        let mut rest = &bytes[..];
        while let Some((used, part)) = reader.next(rest).expect("accepted") {
            rest = &rest[used..];
            assert!(
                !matches!(part, Part::Data(data) if data.len() > 1032 * CODED_BYTES_MAX + 1000),
                "handed on in pieces"
            );
        }
        assert!(reader.decoded.capacity() <= 2 << 20);
    }

    proptest! {
        #[test]
        fn every_split_is_the_same(
            body in prop::collection::vec(any::<u8>(), 0..60), is_coded: bool, is_chunked: bool, garbled: Option<(prop::sample::Index, u8)>,
            cuts in prop::collection::vec(0_usize..100, 0..6), ends: bool,
        ) {
            let content = if is_coded { gzip(&body) } else { body.clone() };
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            bytes.extend_from_slice(if is_coded { b"Content-Encoding: gzip\r\n" } else { b"" });
            if is_chunked {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                content.chunks(7).for_each(|part| chunk(part, &mut bytes));
                bytes.extend_from_slice(LAST_CHUNK);
            } else {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
                bytes.extend_from_slice(&content);
            }
            if let Some((at, byte)) = garbled {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let settings = AnswerSettings { body_bytes_max: 100, ..SETTINGS };
            let outcome = read(Asked::Other, settings, [&*bytes], ends);
            if garbled.is_none() {
                prop_assert_eq!(&outcome, &Ok(Some((200, body, true, bytes.len()))));
            }
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut % (rest.len() + 1));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let cut = read(Asked::Other, settings, pieces, ends);
            // Where an unfinished head is cut moves the moment of an error, not its kind.
            let late = |found| matches!((&outcome, found), (Err(AnswerError::Head(_)), Ok(None) | Err(AnswerError::NoAnswer)));
            prop_assert!(cut == outcome || late(cut));
            let by_bytes = read(Asked::Other, settings, bytes.chunks(1), ends);
            prop_assert!(by_bytes == outcome || late(by_bytes));
        }
    }
}
