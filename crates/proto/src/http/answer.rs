//! The head of a response as a client reads it: a checked status line and header lines (RFC 9112, sections 4 and 6.3).

use std::ops::Deref;

use crate::http::fields::{Fields, with_slots};
use crate::http::grammar::cookie_pair;
use crate::http::head::{Framing, HeadError, Parse, Version};

/// What was asked for, as far as the end of its answer depends on it (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD: there is never a body.
    Head,
    /// CONNECT: behind a 2xx the connection is a tunnel.
    Connect,
    /// GET with an Upgrade header: behind a 101 the connection speaks another protocol.
    Upgrade,
    /// Anything else.
    Other,
}

/// A response head that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    fields: Fields,
    version: Version,
    status: u16,
}

impl AnswerHead {
    /// The version of the response.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status, three digits.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The cookies of all Set-Cookie headers: name and value, in order, not decoded, quotes kept, attributes left out. A
    /// line without a name, or without `=`, sets none (RFC 6265, section 5.2) and is left out. The whole lines are
    /// `header_all("set-cookie")`.
    pub fn cookies(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pairs = self.header_all("set-cookie").map(|line| line.split(|&byte| byte == b';').next().unwrap_or(line));
        pairs.filter_map(cookie_pair)
    }

    /// Whether bytes behind the head belong to another protocol: a tunnel, or the one that was asked for.
    pub fn is_switching(&self, asked: Asked) -> bool {
        match asked {
            Asked::Connect => (200..300).contains(&self.status),
            Asked::Upgrade => self.status == 101,
            Asked::Head | Asked::Other => false,
        }
    }

    /// How the end of the body is found (RFC 9112, section 6.3).
    ///
    /// # Errors
    ///
    /// A Transfer-Encoding other than chunked, or a Content-Length that is no number or repeated: the connection must
    /// end.
    pub fn framing(&self, asked: Asked) -> Result<Framing, HeadError> {
        let bodiless = asked == Asked::Head || matches!(self.status, 100..200 | 204 | 304);
        if bodiless || self.is_switching(asked) {
            return Ok(Framing::None);
        }
        match (self.header("transfer-encoding"), self.header("content-length")) {
            // "If a message is received with both a Transfer-Encoding and a Content-Length header field, the
            // Transfer-Encoding overrides the Content-Length."
            (Some(_), _) => self.fields.check_encoding(self.version).map(|()| Framing::Chunked),
            (None, Some(_)) => self.fields.length().map(Framing::Length),
            (None, None) => Ok(Framing::ToEnd),
        }
    }

    /// Whether the connection takes another request behind this answer, once its body is complete (RFC 9112, section
    /// 9.3): not behind both a Transfer-Encoding and a Content-Length, which two readers may have understood as two
    /// different bodies (section 6.3).
    pub fn keep_alive(&self, asked: Asked) -> bool {
        let ambiguous = self.header("transfer-encoding").is_some() && self.header("content-length").is_some();
        let ended = self.framing(asked).is_ok_and(|framing| framing != Framing::ToEnd);
        ended && !ambiguous && !self.is_switching(asked) && self.fields.keep_alive(self.version)
    }
}

/// A head is its header lines, with a first line before them.
impl Deref for AnswerHead {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl Parse for AnswerHead {
    fn parse(bytes: &[u8], headers_max: usize) -> Result<Option<Self>, HeadError> {
        with_slots(headers_max, |slots| {
            let mut response = httparse::Response::new(&mut []);
            match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, slots) {
                Ok(httparse::Status::Complete(_)) => Self::from_parsed(bytes, &response).map(Some),
                Ok(httparse::Status::Partial) => Ok(None),
                Err(httparse::Error::Version) if bytes.starts_with(b"HTTP/") => Err(HeadError::Version),
                Err(httparse::Error::Version | httparse::Error::Token | httparse::Error::Status) => {
                    Err(HeadError::StatusLine)
                }
                Err(error) => Err(HeadError::of_lines(error, headers_max)),
            }
        })
    }
}

impl AnswerHead {
    fn from_parsed(bytes: &[u8], response: &httparse::Response<'_, '_>) -> Result<Self, HeadError> {
        let (Some(minor), Some(status)) = (response.version, response.code) else { return Err(HeadError::StatusLine) };
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        // RFC 9110, section 15: "Values outside the range 100..599 are invalid." Those from 600 on are in use.
        if status < 100 {
            return Err(HeadError::StatusLine);
        }
        Ok(Self { fields: Fields::new(bytes, response.headers), version, status })
    }
}

#[cfg(test)]
mod tests {
    use crate::http::answer::{AnswerHead, Asked};
    use crate::http::head::{Framing, HeadError, HeadLimits, HeadReader, Version};

    type Outcome = Result<Option<(usize, AnswerHead)>, HeadError>;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut reader = HeadReader::new(HeadLimits { bytes_max: 200, headers_max: 2 });
        let mut before = 0;
        for piece in pieces {
            if let Some((used, head)) = reader.next(piece)? {
                return Ok(Some((before + used, head)));
            }
            before += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn heads() {
        type Seen = Result<(u16, Version), HeadError>;
        let rows: &[(&str, Seen)] = &[
            ("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n", Ok((101, Version::Http11))),
            ("HTTP/1.0 404 \r\n\r\n", Ok((404, Version::Http10))),
            ("HTTP/1.1 200\r\n\r\n", Ok((200, Version::Http11))),
            ("HTTP/1.1 999 Odd\r\n\r\n", Ok((999, Version::Http11))),
            ("HTTP/1.1 099 Odd\r\n\r\n", Err(HeadError::StatusLine)),
            ("HTTP/1.1 20 OK\r\n\r\n", Err(HeadError::StatusLine)),
            ("HTTP/1.1 2000 OK\r\n\r\n", Err(HeadError::StatusLine)),
            ("HTTP/2.0 200 OK\r\n\r\n", Err(HeadError::Version)),
            ("GET / HTTP/1.1\r\n\r\n", Err(HeadError::StatusLine)),
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", Err(HeadError::BareLineFeed)),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Err(HeadError::HeaderName)),
            ("HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n", Err(HeadError::HeaderValue)),
            ("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n\r\n", Err(HeadError::TooManyHeaders { headers_max: 2 })),
        ];
        for (text, wanted) in rows {
            let bytes = text.as_bytes();
            let whole = read([bytes]);
            let seen = whole.clone().map(|found| found.map(|(_, head)| (head.status(), head.version())));
            assert_eq!(seen, wanted.map(Some), "{text:?}");
            for cut in 0..=bytes.len() {
                assert_eq!(read([&bytes[..cut], &bytes[cut..]]), whole, "{text:?} cut at {cut}");
            }
            assert_eq!(read(bytes.chunks(1)), whole, "{text:?} byte by byte");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(200));
        assert_eq!(read([endless.as_bytes()]), Err(HeadError::TooLarge { bytes_max: 200 }));
    }

    fn head(start: &str, lines: &str) -> AnswerHead {
        let text = format!("{start}\r\n{lines}\r\n");
        let found = HeadReader::new(HeadLimits::default()).next(text.as_bytes());
        found.expect("accepted").expect("whole").1
    }

    #[test]
    fn bodies_and_what_comes_behind_them() {
        use Asked::{Connect, Head, Other, Upgrade};
        const LENGTH: &str = "Content-Length: 5\r\n";
        const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
        let both = [LENGTH, CHUNKED].concat();
        let twice = LENGTH.repeat(2);
        type Found = Result<Framing, HeadError>;
        let rows: &[(Asked, &str, &str, Found, bool)] = &[
            (Other, "1.1 200", LENGTH, Ok(Framing::Length(5)), true),
            (Other, "1.1 200", CHUNKED, Ok(Framing::Chunked), true),
            (Other, "1.1 200", "", Ok(Framing::ToEnd), false),
            (Other, "1.1 200", &both, Ok(Framing::Chunked), false),
            (Other, "1.1 200", "Content-Length: 5\r\nConnection: close\r\n", Ok(Framing::Length(5)), false),
            (Other, "1.0 200", LENGTH, Ok(Framing::Length(5)), false),
            (Other, "1.0 200", "Content-Length: 5\r\nConnection: keep-alive\r\n", Ok(Framing::Length(5)), true),
            (Other, "1.0 200", CHUNKED, Err(HeadError::EncodingVersion), false),
            (Other, "1.1 200", "Transfer-Encoding: gzip, chunked\r\n", Err(HeadError::EncodingUnsupported), false),
            (Other, "1.1 200", "Transfer-Encoding: gzip\r\n", Err(HeadError::EncodingUnframed), false),
            (Other, "1.1 200", &twice, Err(HeadError::LengthRepeated), false),
            (Other, "1.1 200", "Content-Length: +5\r\n", Err(HeadError::Length), false),
            (Other, "1.1 204", LENGTH, Ok(Framing::None), true),
            (Other, "1.1 304", &both, Ok(Framing::None), false),
            (Other, "1.1 103", "", Ok(Framing::None), true),
            (Other, "1.1 404", LENGTH, Ok(Framing::Length(5)), true),
            (Head, "1.1 200", LENGTH, Ok(Framing::None), true),
            (Head, "1.1 200", CHUNKED, Ok(Framing::None), true),
            (Head, "1.1 200", "", Ok(Framing::None), true),
            (Connect, "1.1 200", LENGTH, Ok(Framing::None), false),
            (Connect, "1.1 407", LENGTH, Ok(Framing::Length(5)), true),
            (Upgrade, "1.1 101", CHUNKED, Ok(Framing::None), false),
            (Upgrade, "1.1 200", LENGTH, Ok(Framing::Length(5)), true),
        ];
        for (asked, start, lines, framing, keep_alive) in rows {
            let head = head(&format!("HTTP/{start} X"), lines);
            let found = (head.framing(*asked), head.keep_alive(*asked));
            assert_eq!(found, (*framing, *keep_alive), "{asked:?} {start} {lines}");
        }
    }

    #[test]
    fn cookies() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("Set-Cookie: a=1\r\n", &[("a", "1")]),
            ("Set-Cookie: a=1; Path=/; HttpOnly\r\nset-cookie: b = \"x=y\" ;c=2\r\n", &[("a", "1"), ("b", "\"x=y\"")]),
            ("Set-Cookie: a=\r\nSet-Cookie: a=%20, b=2\r\n", &[("a", ""), ("a", "%20, b=2")]),
            ("Set-Cookie: a\r\nSet-Cookie: =b\r\nSet-Cookie:\r\nSet-Cookie: ; a=1\r\nCookie: a=1\r\n", &[]),
        ];
        for &(lines, cookies) in rows {
            let head = head("HTTP/1.1 200 OK", lines);
            let cookies: Vec<_> = cookies.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            assert_eq!(head.cookies().collect::<Vec<_>>(), cookies, "{lines}");
        }
    }
}
