//! The header lines of a head, kept in one copy of its bytes (RFC 9110, section 5).

use std::mem::MaybeUninit;

use crate::http::grammar::parse_length;
use crate::http::head::{HeadError, Version};

/// A range of a head's bytes. Four bytes a side: a head keeps two of these per header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part`, borrowed from `whole`, lies in it.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        // `HeadReader::new` keeps `bytes_max` within 32 bits, so nothing is cut off here.
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }
}

/// A head's bytes, and where its header lines are in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    raw: Box<[u8]>,
    lines: Box<[(Span, Span)]>,
}

impl Fields {
    /// Copies what httparse found in `raw`.
    pub(super) fn new(raw: &[u8], lines: &[httparse::Header<'_>]) -> Self {
        let span = |part| Span::of(part, raw);
        Self {
            raw: raw.into(),
            lines: lines.iter().map(|line| (span(line.name.as_bytes()), span(line.value))).collect(),
        }
    }

    /// All header lines in the order they came: the name as sent, and the value without the white space around it.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|&(name, value)| (self.text(name), self.bytes(value)))
    }

    /// The value of the first header line of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.header_all(name).next()
    }

    /// The values of all header lines of this name, in any case and in the order they came.
    pub fn header_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |line| self.bytes(line.0).eq_ignore_ascii_case(name.as_bytes()))
            .map(|line| self.bytes(line.1))
    }

    /// Whether a comma-separated list, over all header lines of this name, has the token, in any case
    /// (RFC 9110, section 5.6.1).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let is_token = |element: &[u8]| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
        self.header_all(name).any(|value| value.split(|&byte| byte == b',').any(is_token))
    }

    /// The head's bytes, from its first line to the empty line that ends it.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether the connection stays open behind a message of this version (RFC 9112, section 9.3).
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        if self.has_token("connection", "close") {
            return false;
        }
        version == Version::Http11 || self.has_token("connection", "keep-alive")
    }

    /// What the Content-Length says, which is there.
    pub(super) fn length(&self) -> Result<u64, HeadError> {
        let mut lengths = self.header_all("content-length");
        match (lengths.next(), lengths.next()) {
            (Some(value), None) => parse_length(value).ok_or(HeadError::Length),
            _ => Err(HeadError::LengthRepeated),
        }
    }

    /// Checks that the Transfer-Encoding, which is there, is chunked.
    pub(super) fn check_encoding(&self, version: Version) -> Result<(), HeadError> {
        // RFC 9112, section 6.1: such a message has faulty framing.
        if version == Version::Http10 {
            return Err(HeadError::EncodingVersion);
        }
        let (mut lines, mut last) = (0, &b""[..]);
        for line in self.header_all("transfer-encoding") {
            (lines, last) = (lines + 1, line);
        }
        if lines == 1 && last.eq_ignore_ascii_case(b"chunked") {
            return Ok(());
        }
        // RFC 9112, section 6.3: "If a Transfer-Encoding header field is present in a request and the chunked transfer
        // coding is not the final encoding, the message body length cannot be determined reliably; the server MUST
        // respond with the 400 (Bad Request) status code and then close the connection." That of a response would go on
        // until the connection ends, in a coding that is not implemented.
        let coding = last.rsplit(|&byte| byte == b',').next().unwrap_or(last);
        let framed = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        Err(if framed { HeadError::EncodingUnsupported } else { HeadError::EncodingUnframed })
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        &self.raw[span.start as usize..span.end as usize]
    }

    /// For what httparse has found to be UTF-8: names, a method, a target.
    pub(super) fn text(&self, span: Span) -> &str {
        str::from_utf8(self.bytes(span)).expect("checked when the head was parsed")
    }
}

/// Lends slots for so many header lines. They are not initialised, so that a short head does not pay for many.
pub(super) fn with_slots<'a, T>(
    headers_max: usize,
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'a>>]) -> T,
) -> T {
    let mut few = [const { MaybeUninit::uninit() }; 128];
    if headers_max <= few.len() {
        return parse(&mut few[..headers_max]);
    }
    let mut many = Vec::new();
    many.resize_with(headers_max, MaybeUninit::uninit);
    parse(&mut many)
}
