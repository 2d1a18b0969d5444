//! Negotiates permessage-deflate from the list of extensions that a client offers (RFC 7692 §5, §7; RFC 6455 §9.1).

use crate::http::head::Head;
use std::fmt;

/// The smallest window that can be asked of the compressor, in bits. RFC 7692 allows 8, zlib does not.
pub const WINDOW_BITS_MIN: u8 = 9;

/// The largest window, and the one that holds when nothing is said.
pub const WINDOW_BITS_MAX: u8 = 15;

const NAME: &[u8] = b"permessage-deflate";

/// What this side wants of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// Messages to the client may refer back to earlier ones: smaller, for memory that each connection keeps.
    pub server_context_takeover: bool,
    /// Messages from the client may refer back to earlier ones.
    pub client_context_takeover: bool,
    /// The largest window of messages to the client, 9 to 15 bits.
    pub server_max_window_bits: u8,
    /// The largest window of messages from the client, 9 to 15 bits; only asked of clients that let themselves be asked.
    pub client_max_window_bits: u8,
    /// From 1, fast, to 9, small.
    pub level: u8,
    /// Messages of so many bytes and more are compressed without being asked for one by one.
    pub threshold: Option<usize>,
}

impl Default for Compression {
    /// No context is kept: an idle connection costs nothing for it.
    fn default() -> Self {
        Compression {
            server_context_takeover: false,
            client_context_takeover: false,
            server_max_window_bits: WINDOW_BITS_MAX,
            client_max_window_bits: WINDOW_BITS_MAX,
            level: 1,
            threshold: None,
        }
    }
}

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Messages to the client may refer back to earlier ones.
    pub server_context_takeover: bool,
    /// Messages from the client may refer back to earlier ones.
    pub client_context_takeover: bool,
    /// The window of messages to the client, in bits; answered if the client limited it, or this side does.
    pub server_max_window_bits: u8,
    /// The window of messages from the client, in bits; none if the client did not offer to limit it.
    pub client_max_window_bits: Option<u8>,
    /// The client limited the server's window: the answer must say which it is.
    server_bits_offered: bool,
}

impl fmt::Display for Agreement {
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if !self.server_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if !self.client_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if self.server_bits_offered || self.server_max_window_bits < WINDOW_BITS_MAX {
            write!(f, "; server_max_window_bits={}", self.server_max_window_bits)?;
        }
        if let Some(bits) = self.client_max_window_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

/// The first offer of permessage-deflate that can be accepted, and what it comes to.
///
/// Offers with parameters that are unknown, repeated or out of range are declined (RFC 7692 §7), and so is one for a
/// server window of 8 bits; the next one in the list is the client's fallback. A list that cannot be read is none.
pub fn negotiate(head: &Head, wanted: &Compression) -> Option<Agreement> {
    let mut accepted = None;
    for line in head.header_all("sec-websocket-extensions") {
        let mut rest = Scanner(line);
        loop {
            rest.skip_list_separators();
            if rest.is_empty() {
                break;
            }
            let offer = rest.extension()?;
            if accepted.is_none() && offer.name.eq_ignore_ascii_case(NAME) {
                accepted = accept(&offer, wanted);
            }
        }
    }
    accepted
}

/// One extension of the list.
#[derive(Debug)]
struct Offer<'a> {
    name: &'a [u8],
    parameters: Vec<(&'a [u8], Option<Vec<u8>>)>,
}

fn accept(offer: &Offer<'_>, wanted: &Compression) -> Option<Agreement> {
    let (mut server_no, mut client_no) = (false, false);
    let (mut server_bits, mut client_bits): (Option<u8>, Option<Option<u8>>) = (None, None);
    for (name, value) in &offer.parameters {
        let twice = match (*name, value) {
            (b"server_no_context_takeover", None) => std::mem::replace(&mut server_no, true),
            (b"client_no_context_takeover", None) => std::mem::replace(&mut client_no, true),
            (b"server_max_window_bits", Some(value)) => server_bits.replace(window_bits(value)?).is_some(),
            (b"client_max_window_bits", None) => client_bits.replace(None).is_some(),
            (b"client_max_window_bits", Some(value)) => client_bits.replace(Some(window_bits(value)?)).is_some(),
            _ => return None,
        };
        if twice {
            return None;
        }
    }
    // RFC 7692 §7.1.2.1: the answer must not be more than what was offered.
    let server_max_window_bits = wanted.server_max_window_bits.min(server_bits.unwrap_or(WINDOW_BITS_MAX));
    if server_max_window_bits < WINDOW_BITS_MIN {
        return None;
    }
    Some(Agreement {
        server_context_takeover: wanted.server_context_takeover && !server_no,
        client_context_takeover: wanted.client_context_takeover && !client_no,
        server_max_window_bits,
        // §7.1.2.2: not answered unless it was offered.
        client_max_window_bits: client_bits
            .map(|bits| wanted.client_max_window_bits.min(bits.unwrap_or(WINDOW_BITS_MAX))),
        server_bits_offered: server_bits.is_some(),
    })
}

/// RFC 7692 §7.1.2: "a decimal integer value without leading zeroes between 8 to 15".
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// What is left of a header line.
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn skip_spaces(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn skip_list_separators(&mut self) {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.skip_spaces();
        match self.0 {
            [byte, rest @ ..] if *byte == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let end = self.0.iter().position(|byte| !is_token(*byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `name; parameter; parameter=value`, up to the next comma or the end.
    fn extension(&mut self) -> Option<Offer<'a>> {
        let mut offer = Offer { name: self.token()?, parameters: Vec::new() };
        while self.take(b';') {
            let name = self.token()?;
            let value = if self.take(b'=') { Some(self.value()?) } else { None };
            offer.parameters.push((name, value));
        }
        self.skip_spaces();
        matches!(self.0, [] | [b',', ..]).then_some(offer)
    }

    /// A token, or one in quotes (RFC 6455 §9.1: "the value after quoted-string unescaping MUST conform to the token").
    fn value(&mut self) -> Option<Vec<u8>> {
        if !self.take(b'"') {
            return self.token().map(<[u8]>::to_vec);
        }
        let mut value = Vec::new();
        loop {
            let (byte, rest) = match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return (!value.is_empty()).then_some(value);
                }
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
                [] => return None,
            };
            if !is_token(byte) {
                return None;
            }
            value.push(byte);
            self.0 = rest;
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use crate::http::head::{Head, HeadLimits, HeadReader};
    use crate::websocket::extension::{Compression, negotiate};

    fn head(lines: &[&str]) -> Head {
        let mut text = "GET / HTTP/1.1\r\nHost: x\r\n".to_owned();
        for line in lines {
            text += &format!("Sec-WebSocket-Extensions: {line}\r\n");
        }
        text += "\r\n";
        HeadReader::new(HeadLimits::default()).next(text.as_bytes()).unwrap().unwrap().1
    }

    const TAKEOVER: Compression = Compression {
        server_context_takeover: true,
        client_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
        level: 1,
        threshold: None,
    };

    const NONE: Compression =
        Compression { server_context_takeover: false, client_context_takeover: false, ..TAKEOVER };
    const SMALL: Compression = Compression { server_max_window_bits: 10, client_max_window_bits: 11, ..TAKEOVER };

    /// What is offered, what this side wants, and the answer.
    const OFFERS: &[(&str, Compression, Option<&str>)] = &[
        ("permessage-deflate", TAKEOVER, Some("permessage-deflate")),
        (
            "permessage-deflate",
            NONE,
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        ("PERMESSAGE-DEFLATE", TAKEOVER, Some("permessage-deflate")),
        (
            "permessage-deflate; server_no_context_takeover",
            TAKEOVER,
            Some("permessage-deflate; server_no_context_takeover"),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            TAKEOVER,
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        ("permessage-deflate; client_max_window_bits", TAKEOVER, Some("permessage-deflate; client_max_window_bits=15")),
        (
            "permessage-deflate; client_max_window_bits",
            SMALL,
            Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=11"),
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            SMALL,
            Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            TAKEOVER,
            Some("permessage-deflate; client_max_window_bits=8"),
        ),
        (
            "permessage-deflate; server_max_window_bits=12",
            TAKEOVER,
            Some("permessage-deflate; server_max_window_bits=12"),
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            TAKEOVER,
            Some("permessage-deflate; server_max_window_bits=15"),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"12\"",
            TAKEOVER,
            Some("permessage-deflate; server_max_window_bits=12"),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"1\\2\"",
            TAKEOVER,
            Some("permessage-deflate; server_max_window_bits=12"),
        ),
        ("permessage-deflate; server_max_window_bits=8", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", TAKEOVER, Some("permessage-deflate")),
        (
            "foo, permessage-deflate ;  client_max_window_bits , bar; baz=\"7\"",
            TAKEOVER,
            Some("permessage-deflate; client_max_window_bits=15"),
        ),
        (", ,permessage-deflate,", TAKEOVER, Some("permessage-deflate")),
        ("permessage-deflate; server_max_window_bits", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=08", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=7", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=16", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=+9", TAKEOVER, None),
        ("permessage-deflate; server_no_context_takeover=1", TAKEOVER, None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", TAKEOVER, None),
        ("permessage-deflate; client_max_window_bits=9; client_max_window_bits", TAKEOVER, None),
        ("permessage-deflate; unknown", TAKEOVER, None),
        ("permessage-deflate; unknown, permessage-deflate", TAKEOVER, Some("permessage-deflate")),
        ("x-webkit-deflate-frame", TAKEOVER, None),
        ("permessage-deflate; ", TAKEOVER, None),
        ("permessage-deflate; server_max_window_bits=\"12", TAKEOVER, None),
        ("permessage-deflate foo", TAKEOVER, None),
        ("", TAKEOVER, None),
    ];

    #[test]
    fn offers_and_answers() {
        for (offer, wanted, answer) in OFFERS {
            let agreed = negotiate(&head(&[offer]), wanted).map(|agreement| agreement.to_string());
            assert_eq!(agreed.as_deref(), *answer, "{offer:?}");
        }
        let agreed = negotiate(&head(&["foo", "permessage-deflate"]), &TAKEOVER);
        assert!(agreed.is_some(), "a list over two lines is one list");
        assert_eq!(negotiate(&head(&[]), &TAKEOVER), None);
    }
}
