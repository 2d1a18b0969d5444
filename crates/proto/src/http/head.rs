//! Turns bytes, in pieces of any size, into a checked request head (RFC 9112, sections 2 to 6).

use std::marker::PhantomData;
use std::ops::Deref;

use memchr::memchr_iter;
use thiserror::Error;

use crate::http::fields::{Fields, Span, with_slots};
use crate::http::grammar::{is_host_byte, is_scheme, is_target};

/// How much of a request head is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of a head, from its first byte (empty lines before it included) to the empty line that ends it.
    /// Default 65 536; 4 GiB at most, more counts as that.
    pub bytes_max: usize,
    /// Header lines of a head. Default 128.
    pub headers_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes_max: 64 * 1024, headers_max: 128 }
    }
}

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl Version {
    /// The version as it stands in a request line: `HTTP/1.0` or `HTTP/1.1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body: a request with neither Content-Length nor Transfer-Encoding, a response that cannot have one.
    None,
    /// Content-Length, in bytes.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// The body of a response with neither: it ends with the connection.
    ToEnd,
}

/// A head that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// The first line has another shape, or a byte that it cannot have.
    #[error("malformed request line: must be method, target and version with one space between")]
    RequestLine,
    /// The first line of a response has another shape.
    #[error("malformed status line: must be version, three digits from 100 on, and a reason, with one space between")]
    StatusLine,
    /// The version is none that is spoken here.
    #[error("unsupported version: must be HTTP/1.0 or HTTP/1.1")]
    Version,
    /// A target of none of the four forms of RFC 9112, section 3.2.
    #[error("malformed target: must begin with \"/\" or a scheme, or be \"*\" for OPTIONS, and have no fragment")]
    Target,
    /// A header name with a byte that is not of a token, a space before the colon, or a folded line.
    #[error("malformed header name: must be a token at the start of a line, with the colon right after it")]
    HeaderName,
    /// A control byte in a header value.
    #[error("malformed header value: must have no control byte except tab")]
    HeaderValue,
    /// A CR without its LF, or more after the version.
    #[error("malformed end of line: must be CR LF")]
    LineEnd,
    /// An LF without its CR.
    #[error("line feed without carriage return: a line must end in CR LF")]
    BareLineFeed,
    /// [`HeadLimits::bytes_max`] bytes came and the head has not ended.
    #[error("head too large: must end within {bytes_max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// More lines than [`HeadLimits::headers_max`].
    #[error("too many headers: must be at most {headers_max} lines")]
    TooManyHeaders {
        /// The limit, in lines.
        headers_max: usize,
    },
    /// No Host in HTTP/1.1.
    #[error("no Host header: HTTP/1.1 must have one")]
    HostMissing,
    /// More than one Host line.
    #[error("repeated Host header: must be one line")]
    HostRepeated,
    /// A Host with a byte that no host and port has.
    #[error("malformed Host header: must be a host, with or without a port")]
    Host,
    /// Both ways of framing at once: the classic of request smuggling.
    #[error("both Content-Length and Transfer-Encoding: must be one of them")]
    LengthAndEncoding,
    /// More than one Content-Length line.
    #[error("repeated Content-Length header: must be one line")]
    LengthRepeated,
    /// A sign, a space, a list, nothing at all, or a number beyond 64 bits.
    #[error("malformed Content-Length: must be decimal digits for a number below 2^64")]
    Length,
    /// Transfer-Encoding, which HTTP/1.0 does not have.
    #[error("Transfer-Encoding in HTTP/1.0: must be HTTP/1.1, or Content-Length")]
    EncodingVersion,
    /// The end of the body cannot be known.
    #[error("Transfer-Encoding without chunked at its end: must be \"chunked\"")]
    EncodingUnframed,
    /// Chunked, over a coding that is not implemented, or twice.
    #[error("unsupported Transfer-Encoding: must be \"chunked\" alone")]
    EncodingUnsupported,
}

impl HeadError {
    /// What httparse minds below the first line.
    pub(super) fn of_lines(error: httparse::Error, headers_max: usize) -> Self {
        match error {
            httparse::Error::HeaderValue => Self::HeaderValue,
            httparse::Error::NewLine => Self::LineEnd,
            httparse::Error::TooManyHeaders => Self::TooManyHeaders { headers_max },
            _ => Self::HeaderName,
        }
    }

    /// The status of a server's answer to it; the connection closes behind it.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::EncodingUnsupported => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}

/// A request head that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    fields: Fields,
    method: Span,
    target: Span,
    version: Version,
    framing: Framing,
}

impl Head {
    /// The method as sent; it is case-sensitive (RFC 9110, section 9.1).
    pub fn method(&self) -> &str {
        self.fields.text(self.method)
    }

    /// The target as sent: `/path?query`, `http://host/path?query`, `*`, or `host:port` for CONNECT
    /// (RFC 9112, section 3.2). Beyond the RFC, UTF-8 is accepted in it.
    pub fn target(&self) -> &str {
        self.fields.text(self.target)
    }

    /// The target's path, not decoded, without query, scheme and host; `/` where the target has none. `*`, and the
    /// target of CONNECT, stay as they are.
    pub fn path(&self) -> &str {
        self.path_and_query().0
    }

    /// What follows the target's first `?`, not decoded. None without a `?`.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().1
    }

    /// The version of the request.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection stays open after the response (RFC 9112, section 9.3).
    pub fn keep_alive(&self) -> bool {
        self.fields.keep_alive(self.version)
    }

    /// How the end of the body is found.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the peer waits for `100 Continue` before it sends the body. Never in HTTP/1.0 and never without a body
    /// (RFC 9110, section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11
            && !matches!(self.framing, Framing::None | Framing::Length(0))
            && self.has_token("expect", "100-continue")
    }

    fn path_and_query(&self) -> (&str, Option<&str>) {
        let target = self.target();
        if self.method() == "CONNECT" {
            return (target, None);
        }
        let local = match target.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => rest.find(['/', '?']).map_or("", |start| &rest[start..]),
            _ => target,
        };
        let (path, query) = local.split_once('?').map_or((local, None), |(path, query)| (path, Some(query)));
        (if path.is_empty() { "/" } else { path }, query)
    }

    /// Copies what httparse found in `raw` and adds the checks that it does not make.
    fn from_parsed(raw: &[u8], request: &httparse::Request<'_, '_>) -> Result<Self, HeadError> {
        let span = |part: &str| Span::of(part.as_bytes(), raw);
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(HeadError::RequestLine);
        };
        let mut head = Self {
            fields: Fields::new(raw, request.headers),
            method: span(method),
            target: span(target),
            version: if minor == 0 { Version::Http10 } else { Version::Http11 },
            framing: Framing::None,
        };
        if !is_target(method, target) {
            return Err(HeadError::Target);
        }
        head.check_host()?;
        head.framing = head.find_framing()?;
        Ok(head)
    }

    /// RFC 9112, section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
    /// message that lacks a Host header field and to any request message that contains more than one Host header
    /// field line or a Host header field with an invalid field value."
    fn check_host(&self) -> Result<(), HeadError> {
        let mut hosts = self.header_all("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http11 => Err(HeadError::HostMissing),
            (_, Some(_)) => Err(HeadError::HostRepeated),
            (Some(host), None) if !host.iter().all(|&byte| is_host_byte(byte)) => Err(HeadError::Host),
            _ => Ok(()),
        }
    }

    fn find_framing(&self) -> Result<Framing, HeadError> {
        match (self.header("content-length"), self.header("transfer-encoding")) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(HeadError::LengthAndEncoding),
            (Some(_), None) => self.fields.length().map(Framing::Length),
            (None, Some(_)) => self.fields.check_encoding(self.version).map(|()| Framing::Chunked),
        }
    }
}

/// A head is its header lines, with a first line before them.
impl Deref for Head {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

/// What a [`HeadReader`] makes of the lines it has found.
pub trait Parse: Sized {
    /// None: nothing is wrong so far, and more is needed.
    ///
    /// # Errors
    ///
    /// What no continuation could make right.
    fn parse(bytes: &[u8], headers_max: usize) -> Result<Option<Self>, HeadError>;
}

/// Finds heads in bytes that come in pieces of any size, in time linear to their number.
///
/// A head that is whole in the first piece is parsed from it; otherwise the pieces are gathered, and each is searched
/// once for the end. To notice at once that somebody speaks another protocol, httparse sees what there is at the first
/// piece and whenever that has doubled. Where the bytes were cut moves the moment of an error, not its kind.
///
/// ```
/// use wirewool_proto::http::head::{HeadLimits, HeadReader};
///
/// let mut reader: HeadReader = HeadReader::new(HeadLimits::default());
/// assert_eq!(reader.next(b"GET /chat?room=1 HTTP/1.1\r\nHo"), Ok(None));
/// let (used, head) = reader.next(b"st: example.com\r\n\r\nmore").unwrap().unwrap();
/// assert_eq!((used, head.path(), head.query()), (19, "/chat", Some("room=1")));
/// ```
#[derive(Debug)]
pub struct HeadReader<H = Head> {
    limits: HeadLimits,
    of: PhantomData<H>,
    /// Bytes of the empty lines before the request line; odd between a CR and its LF.
    skipped: usize,
    /// Empty until a piece did not hold a whole head.
    buffer: Vec<u8>,
    lines: LineScan,
    /// How many bytes httparse saw the last time.
    tried: usize,
}

impl<H: Parse> HeadReader<H> {
    /// A reader that has seen nothing. It owns no memory until a head comes in pieces.
    pub fn new(limits: HeadLimits) -> Self {
        let bytes_max = limits.bytes_max.min(u32::MAX as usize);
        let limits = HeadLimits { bytes_max, ..limits };
        Self { limits, of: PhantomData, skipped: 0, buffer: Vec::new(), lines: LineScan::default(), tried: 0 }
    }

    /// Takes the next piece. Returns the head that ends in it, and how many bytes of this piece belong to that head:
    /// the rest is the body, or the next request. None means that the whole piece was taken and more is needed.
    /// After a head, the reader is as new.
    ///
    /// # Errors
    ///
    /// The head is refused: the connection must end, and the reader is of no more use.
    #[expect(clippy::missing_panics_doc, reason = "it never panics: a head with its end is whole")]
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, H)>, HeadError> {
        let skipped = self.skip_empty_lines(input)?;
        let room = self.limits.bytes_max - self.skipped - self.buffer.len();
        let piece = &input[skipped..];
        let piece = &piece[..piece.len().min(room)];
        let before = self.buffer.len();
        if before > 0 {
            self.buffer.extend_from_slice(piece);
        }
        let bytes = if before > 0 { &self.buffer } else { piece };
        match self.lines.find_end(bytes) {
            Found::End(end) => {
                let head = H::parse(&bytes[..end], self.limits.headers_max)?;
                let head = head.expect("httparse needs no more than the empty line");
                *self = Self::new(self.limits);
                return Ok(Some((skipped + end - before, head)));
            }
            Found::BareLineFeed(at) => {
                // Whatever httparse minds before it comes first, as it would have if the bytes were cut elsewhere.
                H::parse(&bytes[..at], self.limits.headers_max)?;
                return Err(HeadError::BareLineFeed);
            }
            Found::Nothing => {}
        }
        let full = piece.len() == room;
        if full || bytes.len() >= 2 * self.tried {
            H::parse(bytes, self.limits.headers_max)?;
            self.tried = bytes.len();
        }
        if full {
            return Err(HeadError::TooLarge { bytes_max: self.limits.bytes_max });
        }
        if before == 0 {
            self.buffer.extend_from_slice(piece);
        }
        Ok(None)
    }

    /// Whether no head has begun, so that an idle connection can drop the reader and make a new one later.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.skipped.is_multiple_of(2)
    }

    /// Skips the empty lines before a request line and returns their bytes in this piece. RFC 9112, section 2.2: "a
    /// server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
    /// received prior to the request-line." They count for `bytes_max`, or they could go on for ever.
    fn skip_empty_lines(&mut self, input: &[u8]) -> Result<usize, HeadError> {
        if !self.buffer.is_empty() {
            return Ok(0);
        }
        let before = self.skipped;
        for &byte in &input[..input.len().min(self.limits.bytes_max - before)] {
            match (self.skipped % 2, byte) {
                (0, b'\r') | (1, b'\n') => self.skipped += 1,
                (0, _) => break,
                _ => return Err(HeadError::LineEnd),
            }
        }
        Ok(self.skipped - before)
    }
}

/// How far the lines of a head have been looked at. All positions count from the head's first byte.
#[derive(Debug, Default)]
struct LineScan {
    /// No line feed before this one is left to look at.
    searched: usize,
    line_start: usize,
}

/// What [`LineScan`] came upon.
enum Found {
    Nothing,
    /// The head ends before this position.
    End(usize),
    BareLineFeed(usize),
}

impl LineScan {
    /// Goes on where it stopped; `bytes` are all bytes of the head so far.
    fn find_end(&mut self, bytes: &[u8]) -> Found {
        for offset in memchr_iter(b'\n', &bytes[self.searched..]) {
            let at = self.searched + offset;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Found::BareLineFeed(at);
            }
            if at - 1 == self.line_start {
                return Found::End(at + 1);
            }
            self.line_start = at + 1;
        }
        self.searched = bytes.len();
        Found::Nothing
    }
}

impl Parse for Head {
    fn parse(bytes: &[u8], headers_max: usize) -> Result<Option<Self>, HeadError> {
        with_slots(headers_max, |slots| {
            let mut request = httparse::Request::new(&mut []);
            match request.parse_with_uninit_headers(bytes, slots) {
                Ok(httparse::Status::Complete(_)) => Head::from_parsed(bytes, &request).map(Some),
                Ok(httparse::Status::Partial) => Ok(None),
                Err(httparse::Error::Version) if has_version(bytes) => Err(HeadError::Version),
                Err(httparse::Error::Version | httparse::Error::Token | httparse::Error::Status) => {
                    Err(HeadError::RequestLine)
                }
                Err(error) => Err(HeadError::of_lines(error, headers_max)),
            }
        })
    }
}

/// Tells a version that is not spoken from a request line that has something else in its third place.
fn has_version(bytes: &[u8]) -> bool {
    bytes.split(|&byte| byte == b' ').nth(2).is_some_and(|third| third.starts_with(b"HTTP/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};
    use proptest::test_runner::TestCaseError;
    use proptest::{prop_assert, prop_assert_eq};

    use super::{Framing, Head, HeadError, HeadLimits, HeadReader, Version};

    /// What a stream of bytes comes to: the head and how many bytes it took, or the error, or nothing yet.
    type Outcome = Result<Option<(usize, Head)>, HeadError>;

    /// Feeds the bytes cut at these positions, and checks on the way that the buffer keeps its limit.
    fn read<'a>(limits: HeadLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut reader = HeadReader::new(limits);
        let mut before = 0;
        for piece in pieces {
            let found = reader.next(piece)?;
            assert!(reader.buffer.len() <= limits.bytes_max);
            if let Some((used, head)) = found {
                assert!(reader.is_empty());
                return Ok(Some((before + used, head)));
            }
            before += piece.len();
        }
        Ok(None)
    }

    fn parse(bytes: &[u8]) -> Outcome {
        read(HeadLimits::default(), [bytes])
    }

    /// The head of a request that must be accepted, all bytes of it used, however it is cut.
    fn accept(bytes: &[u8]) -> Head {
        let outcome = parse(bytes);
        for cut in 0..=bytes.len() {
            assert_eq!(read(HeadLimits::default(), [&bytes[..cut], &bytes[cut..]]), outcome, "cut at {cut}");
        }
        assert_eq!(read(HeadLimits::default(), bytes.chunks(1)), outcome);
        let (used, head) = outcome.expect("accepted").expect("whole");
        assert_eq!(used, bytes.len());
        head
    }

    #[test]
    fn a_head_is_read() {
        let raw = b"GET /chat?a=1&b=?2 HTTP/1.1\r\nHost: example.com:8080\r\nAccept: a\r\nX-Raw: \xff\xfe \t\r\n\
            aCCept:\tb\r\nEmpty:\r\n\r\n";
        let head = accept(raw);
        assert_eq!((head.method(), head.target(), head.version()), ("GET", "/chat?a=1&b=?2", Version::Http11));
        assert_eq!((head.path(), head.query()), ("/chat", Some("a=1&b=?2")));
        let headers: Vec<(&str, &[u8])> = vec![
            ("Host", b"example.com:8080"),
            ("Accept", b"a"),
            ("X-Raw", b"\xff\xfe"),
            ("aCCept", b"b"),
            ("Empty", b""),
        ];
        assert_eq!(head.headers().collect::<Vec<_>>(), headers);
        assert_eq!(head.header("ACCEPT"), Some(&b"a"[..]));
        assert_eq!(head.header_all("accept").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(head.header("accep"), None);
        assert_eq!((head.framing(), head.raw()), (Framing::None, &raw[..]));
    }

    #[test]
    fn targets() {
        let rows = [
            ("GET /", "/", None),
            ("GET /?", "/", Some("")),
            ("GET //a/../b", "//a/../b", None),
            ("GET /a?u=http://b/c", "/a", Some("u=http://b/c")),
            ("GET http://host", "/", None),
            ("GET HTTPS://host:1/p/q?r", "/p/q", Some("r")),
            ("GET ws://host?r=/", "/", Some("r=/")),
            ("GET /\u{fc}", "/\u{fc}", None),
            ("OPTIONS *", "*", None),
            ("CONNECT host:443", "host:443", None),
        ];
        for (line, path, query) in rows {
            let head = accept(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            assert_eq!((head.path(), head.query()), (path, query), "{line}");
        }
        for line in ["GET *", "GET a", "GET host:80", "GET 1http://host", "GET ://host", "GET /a#b", "CONNECT h#"] {
            let head = format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(parse(head.as_bytes()), Err(HeadError::Target), "{line}");
        }
    }

    #[test]
    fn tokens_and_keep_alive() {
        let rows = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Upgrade ,CLOSE\t\r\n", false),
            ("1.1", "Connection: Upgrade\r\nConnection: keep-alive, close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: Keep-Alive, close\r\n", false),
        ];
        for (version, lines, keep_alive) in rows {
            let head = accept(format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n").as_bytes());
            assert_eq!(head.keep_alive(), keep_alive, "{version} {lines}");
        }
        let head = accept(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: a, ,WebSocket\r\nUpgrade: b c\r\n\r\n");
        for (token, present) in [("websocket", true), ("A", true), ("b", false), ("b c", true), ("web", false)] {
            assert_eq!(head.has_token("upgrade", token), present, "{token}");
        }
    }

    #[test]
    fn expectations() {
        let rows = [
            ("1.1", "Expect: 100-Continue\r\nContent-Length: 1", true),
            ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked", true),
            ("1.1", "Expect: 100-continue\r\nContent-Length: 0", false),
            ("1.1", "Expect: 100-continue", false),
            ("1.1", "Content-Length: 1", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 1", false),
        ];
        for (version, lines, expects) in rows {
            let head = accept(format!("POST / HTTP/{version}\r\nHost: h\r\n{lines}\r\n\r\n").as_bytes());
            assert_eq!(head.expects_continue(), expects, "{version} {lines}");
        }
    }

    #[test]
    fn framing_that_is_accepted() {
        let rows = [
            ("1.1", "X: y", Framing::None),
            ("1.1", "Content-Length: 0", Framing::Length(0)),
            ("1.1", "content-length:\t 005 ", Framing::Length(5)),
            ("1.0", "Content-Length: 18446744073709551615", Framing::Length(u64::MAX)),
            ("1.1", "Transfer-Encoding: chunked", Framing::Chunked),
            ("1.1", "tRANSFER-eNCODING:\tCHUNKED\t", Framing::Chunked),
        ];
        for (version, line, framing) in rows {
            let head = accept(format!("POST / HTTP/{version}\r\nHost: h\r\n{line}\r\n\r\n").as_bytes());
            assert_eq!(head.framing(), framing, "{line}");
        }
    }

    /// Header lines that servers and proxies have been made to disagree about.
    #[test]
    fn smuggling_is_refused() {
        let rows: &[(&str, HeadError)] = &[
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", HeadError::LengthAndEncoding),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", HeadError::LengthAndEncoding),
            ("Transfer-Encoding: identity\r\nContent-Length: 5", HeadError::LengthAndEncoding),
            ("Transfer-Encoding:\r\nContent-Length: 0", HeadError::LengthAndEncoding),
            ("Content-Length: +5", HeadError::Length),
            ("Content-Length: -5", HeadError::Length),
            ("Content-Length: 5, 5", HeadError::Length),
            ("Content-Length:  0x5", HeadError::Length),
            ("Content-Length: 5 5", HeadError::Length),
            ("Content-Length: 5_0", HeadError::Length),
            ("Content-Length: 5.0", HeadError::Length),
            ("Content-Length: \"5\"", HeadError::Length),
            ("Content-Length: \u{665}", HeadError::Length),
            ("Content-Length:", HeadError::Length),
            ("Content-Length: 18446744073709551616", HeadError::Length),
            ("Content-Length: 5\r\nContent-Length: 5", HeadError::LengthRepeated),
            ("Content-Length: 5\r\ncontent-length: 6", HeadError::LengthRepeated),
            ("Content-Length : 5", HeadError::HeaderName),
            ("Content-Length: 5\x0b", HeadError::HeaderValue),
            ("Transfer-Encoding: xchunked", HeadError::EncodingUnframed),
            ("Transfer-Encoding: identity", HeadError::EncodingUnframed),
            ("Transfer-Encoding: gzip", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked, gzip", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked;q=1", HeadError::EncodingUnframed),
            ("Transfer-Encoding: \"chunked\"", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked,", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked\u{a0}", HeadError::EncodingUnframed),
            ("Transfer-Encoding:", HeadError::EncodingUnframed),
            ("Transfer-Encoding: chunked, chunked", HeadError::EncodingUnsupported),
            ("Transfer-Encoding: gzip, chunked", HeadError::EncodingUnsupported),
            ("Transfer-Encoding: , chunked", HeadError::EncodingUnsupported),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", HeadError::EncodingUnsupported),
            ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", HeadError::EncodingUnsupported),
            ("Transfer-Encoding: \x0bchunked", HeadError::HeaderValue),
            ("Transfer-Encoding: chunked\0", HeadError::HeaderValue),
            ("Transfer-Encoding: chunked\r", HeadError::HeaderValue),
            ("Transfer-Encoding: chu\rnked", HeadError::HeaderValue),
            ("Transfer-Encoding : chunked", HeadError::HeaderName),
            ("Transfer-Encoding\t: chunked", HeadError::HeaderName),
            ("Transfer-Encoding\x0b: chunked", HeadError::HeaderName),
            ("Transfer\0-Encoding: chunked", HeadError::HeaderName),
            (" Transfer-Encoding: chunked", HeadError::HeaderName),
            ("X: y\r\n Transfer-Encoding: chunked", HeadError::HeaderName),
            ("Transfer-Encoding:\r\n chunked", HeadError::HeaderName),
            ("X: y\r\n\tz", HeadError::HeaderName),
            ("X: y\nTransfer-Encoding: chunked", HeadError::BareLineFeed),
            ("X: y\n\nGET / HTTP/1.1", HeadError::BareLineFeed),
            ("X: y\n", HeadError::BareLineFeed),
            ("X: y\r\n\n", HeadError::BareLineFeed),
            ("X: y\rTransfer-Encoding: chunked", HeadError::HeaderValue),
            ("\rX: y", HeadError::LineEnd),
        ];
        for &(lines, error) in rows {
            let head = format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
            refuse(head.as_bytes(), error);
        }
        refuse(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::EncodingVersion);
    }

    /// The error must come, whatever the cut.
    fn refuse(bytes: &[u8], error: HeadError) {
        let shown = bytes.escape_ascii();
        assert_eq!(parse(bytes), Err(error), "{shown}");
        assert_eq!(read(HeadLimits::default(), bytes.chunks(1)), Err(error), "{shown}");
        for cut in 0..=bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            assert_eq!(read(HeadLimits::default(), pieces), Err(error), "{shown} cut at {cut}");
        }
    }

    #[test]
    fn malformed_heads_are_refused() {
        let rows: &[(&str, HeadError, u16)] = &[
            ("GET /\r\n\r\n", HeadError::RequestLine, 400),
            ("GET / \r\n\r\n", HeadError::RequestLine, 400),
            ("GET  / HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET /  HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET /a b HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET\t/ HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("G(T / HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            (" GET / HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET /\0 HTTP/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET / http/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET / ICY/1.1\r\n\r\n", HeadError::RequestLine, 400),
            ("GET / HTTP/1.1 \r\n\r\n", HeadError::LineEnd, 400),
            ("GET / HTTP/1.10\r\n\r\n", HeadError::LineEnd, 400),
            ("GET / HTTP/1.2\r\n\r\n", HeadError::Version, 505),
            ("GET / HTTP/0.9\r\n\r\n", HeadError::Version, 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::Version, 505),
            ("\nGET / HTTP/1.1\r\n\r\n", HeadError::BareLineFeed, 400),
            ("\r\rGET / HTTP/1.1\r\n\r\n", HeadError::LineEnd, 400),
            ("GET / HTTP/1.1\nHost: h\r\n\r\n", HeadError::BareLineFeed, 400),
            ("GET / HTTP/1.1\r\n\r\n", HeadError::HostMissing, 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HeadError::HostRepeated, 400),
            ("GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", HeadError::HostRepeated, 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HeadError::Host, 400),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HeadError::Host, 400),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", HeadError::Host, 400),
            ("GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n", HeadError::HeaderName, 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", HeadError::HeaderName, 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nX: \x7f\r\n\r\n", HeadError::HeaderValue, 400),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: a, chunked\r\n\r\n",
                HeadError::EncodingUnsupported,
                501,
            ),
        ];
        for &(head, error, status) in rows {
            refuse(head.as_bytes(), error);
            assert_eq!(error.status(), status);
        }
        for head in ["Host:", "Host: [::1]:80", "Host: a.example", "Host: x%20y"] {
            accept(format!("GET / HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
        }
        accept(b"GET / HTTP/1.0\r\n\r\n");
    }

    #[test]
    fn limits_are_reached() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        let read = |bytes_max, headers_max, bytes: &[u8]| {
            let limits = HeadLimits { bytes_max, headers_max };
            let outcome = read(limits, [bytes]);
            assert_eq!(read(limits, bytes.chunks(1)), outcome);
            outcome.map(|found| found.map(|(used, _)| used))
        };
        let too_large = |bytes_max| Err(HeadError::TooLarge { bytes_max });
        assert_eq!(read(head.len(), 2, head), Ok(Some(head.len())));
        assert_eq!(read(head.len() - 1, 2, head), too_large(head.len() - 1));
        assert_eq!(read(head.len(), 1, head), Err(HeadError::TooManyHeaders { headers_max: 1 }));
        assert_eq!(read(head.len(), 1000, head), Ok(Some(head.len())));
        assert_eq!(read(8, 8, &[b'A'; 8]), too_large(8));
        assert_eq!(read(0, 0, b"G"), too_large(0));
        assert_eq!(read(6, 8, &b"\r\n".repeat(3)), too_large(6));
        let late = [b"\r\n\r\n", &head[..]].concat();
        assert_eq!(read(late.len(), 2, &late), Ok(Some(late.len())));
        assert_eq!(read(late.len() - 1, 2, &late), too_large(late.len() - 1));
        assert_eq!((HeadError::TooLarge { bytes_max: 8 }).status(), 431);
        assert_eq!((HeadError::TooManyHeaders { headers_max: 8 }).status(), 431);
    }

    #[test]
    fn another_protocol_is_noticed_early() {
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        assert_eq!(parse(hello), Err(HeadError::RequestLine));
        assert_eq!(parse(&hello[..1]), Err(HeadError::RequestLine));
        // A byte at a time: at the latest when what came has doubled.
        let mut reader = HeadReader::<Head>::new(HeadLimits::default());
        let bytes = [&b"GET /a"[..], &[0; 16]].concat();
        let taken = bytes.chunks(1).take_while(|piece| reader.next(piece) == Ok(None)).count();
        assert!((6..14).contains(&taken), "{taken}");
    }

    #[test]
    fn requests_in_a_row() {
        let first = &b"\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n"[..];
        let bytes = [first, b"\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        for size in 1..bytes.len() {
            let mut reader = HeadReader::<Head>::new(HeadLimits::default());
            let mut paths = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some((used, head)) = reader.next(piece).expect("accepted") {
                    paths.push(head.path().to_owned());
                    piece = &piece[used..];
                }
            }
            assert_eq!(paths, ["/1", "/2"]);
            assert!(reader.is_empty());
        }
        let mut reader = HeadReader::<Head>::new(HeadLimits::default());
        for (piece, is_empty) in [("", true), ("\r", false), ("\n", true), ("G", false)] {
            assert_eq!(reader.next(piece.as_bytes()), Ok(None));
            assert_eq!(reader.is_empty(), is_empty, "{piece:?}");
        }
    }

    /// Streams made of what heads are made of, so that many get far, with other bytes in between.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "GET ",
            "POST / HTTP/1.1\r\n",
            "/a?b ",
            "HTTP/1.1",
            "HTTP/1.0",
            "HTTP/2.0",
            "\r\n",
            "\r\n\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            ":",
            "Host: h\r\n",
            "Content-Length: ",
            "Transfer-Encoding: ",
            "chunked",
            "5",
            ",",
            "\0",
            "\u{fc}",
        ]);
        let part = proptest::prop_oneof![
            20 => words.prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        let start = prop::sample::select(vec!["", "\r\n", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: h\r\n"]);
        (start, prop::collection::vec(part, 0..12))
            .prop_map(|(start, parts)| [start.as_bytes(), &parts.concat()].concat())
    }

    /// Cuts a stream, padded so that every one comes to an end, and compares with the stream in one piece.
    fn same_for_every_split(mut bytes: Vec<u8>, bytes_max: usize, cuts: &[usize]) -> Result<(), TestCaseError> {
        let limits = HeadLimits { bytes_max, headers_max: 3 };
        bytes.resize(bytes.len().max(bytes_max), b'a');
        let outcome = read(limits, [&bytes[..]]);
        prop_assert!(outcome != Ok(None));
        prop_assert_eq!(&read(limits, bytes.chunks(1)), &outcome);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut % (rest.len() + 1));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&read(limits, pieces), &outcome);
        Ok(())
    }

    proptest! {
        #[test]
        fn every_split_is_the_same(
            bytes in stream(), bytes_max in 1_usize..200, cuts in prop::collection::vec(0_usize..64, 0..6),
        ) {
            same_for_every_split(bytes, bytes_max, &cuts)?;
        }

        #[test]
        fn any_bytes_keep_the_limit(
            bytes in prop::collection::vec(any::<u8>(), 0..300), bytes_max in 1_usize..200,
            cuts in prop::collection::vec(0_usize..64, 0..6),
        ) {
            same_for_every_split(bytes, bytes_max, &cuts)?;
        }
    }
}
