//! The header lines of a head, kept in one copy of its bytes (RFC 9110, section 5).

use std::mem::MaybeUninit;

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
