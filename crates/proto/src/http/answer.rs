//! The head of a response as a client reads it: a checked status line and header lines (RFC 9112, section 4).

use std::ops::Deref;

use crate::http::fields::{Fields, with_slots};
use crate::http::head::{HeadError, Parse, Version};

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
    use crate::http::answer::AnswerHead;
    use crate::http::head::{HeadError, HeadLimits, HeadReader, Version};

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
}
