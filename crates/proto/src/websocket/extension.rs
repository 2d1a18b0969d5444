//! Negotiates permessage-deflate, as a server from what a client offers, as a client from what a server answers
//! (RFC 7692 §5, §7; RFC 6455 §9.1).

use crate::http::fields::Fields;
use std::fmt;

/// The smallest window that can be asked of the compressor, in bits. RFC 7692 allows 8, zlib does not.
pub const WINDOW_BITS_MIN: u8 = 9;

/// The largest window, and the one that holds when nothing is said.
pub const WINDOW_BITS_MAX: u8 = 15;

/// How many bytes an [`Agreement`] is between two processes of one server.
pub const AGREEMENT_BYTES: usize = 3;

const NAME: &str = "permessage-deflate";

const HEADER: &str = "sec-websocket-extensions";

/// What this side wants of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// Messages to the client may refer back to earlier ones: smaller, for memory that each connection keeps.
    pub server_context_takeover: bool,
    /// Messages from the client may refer back to earlier ones.
    pub client_context_takeover: bool,
    /// The largest window of messages to the client, 9 to 15 bits. A client that wants less than 15 insists on it.
    pub server_max_window_bits: u8,
    /// The largest window of messages from the client, 9 to 15 bits; a server asks it only of clients that let
    /// themselves be asked.
    pub client_max_window_bits: u8,
    /// A client lets itself be asked for a window smaller than that. A server does not look at it.
    pub client_window_negotiable: bool,
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
            client_window_negotiable: true,
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

impl Agreement {
    /// As bytes, for another process: flags, the server's window, the client's or 0.
    pub fn to_bytes(self) -> [u8; AGREEMENT_BYTES] {
        let flags = [self.server_context_takeover, self.client_context_takeover, self.server_bits_offered];
        let flags = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag));
        [flags, self.server_max_window_bits, self.client_max_window_bits.unwrap_or(0)]
    }

    /// The inverse of [`Agreement::to_bytes`]; none for what cannot have been agreed on.
    pub fn from_bytes([flags, server_bits, client_bits]: [u8; AGREEMENT_BYTES]) -> Option<Agreement> {
        let possible = 8..=WINDOW_BITS_MAX;
        let client_max_window_bits = (client_bits != 0).then_some(client_bits);
        let legal = flags < 8
            && possible.contains(&server_bits)
            && client_max_window_bits.is_none_or(|bits| possible.contains(&bits));
        legal.then_some(Agreement {
            server_context_takeover: flags & 1 != 0,
            client_context_takeover: flags & 2 != 0,
            server_max_window_bits: server_bits,
            client_max_window_bits,
            server_bits_offered: flags & 4 != 0,
        })
    }
}

/// An answer to this client's offer that it cannot accept: it fails the connection (RFC 6455 §4.1, RFC 7692 §7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// RFC 6455 §9.1: the list cannot be read.
    #[error("the header Sec-WebSocket-Extensions must be a list of extensions with parameters")]
    Malformed,
    /// RFC 6455 §4.1: the server took what was not offered, or took it twice.
    #[error("the server accepted the extension {0:?}: must be one that was offered, and once")]
    NotOffered(String),
    /// RFC 7692 §7.1: a parameter that is unknown, repeated, out of range, or not allowed in an answer.
    #[error("the server accepted permessage-deflate with parameters that it does not have in an answer")]
    Parameters,
    /// RFC 7692 §7.1.1.1: it was asked to forget, and did not promise to.
    #[error("the server did not accept server_no_context_takeover")]
    Takeover,
    /// RFC 7692 §7.1.2.1: it was asked for a smaller window, and did not promise one.
    #[error("the server did not accept server_max_window_bits={0}")]
    ServerWindow(u8),
    /// RFC 7692 §7.1.2.2: it asks for a window that was not offered, or for a larger one.
    #[error("the server answered client_max_window_bits={answered}: at most {offered} were offered")]
    ClientWindow {
        /// What it answered, in bits.
        answered: u8,
        /// What was offered, in bits.
        offered: u8,
    },
}

impl fmt::Display for Agreement {
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
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
pub fn negotiate(head: &Fields, wanted: &Compression) -> Option<Agreement> {
    let mut accepted = None;
    for offer in extensions(head)? {
        if accepted.is_none() && offer.is_deflate() {
            accepted = Parameters::read(&offer).and_then(|offered| accept(offered, wanted));
        }
    }
    accepted
}

/// The list over all header lines; none if it cannot be read.
fn extensions(head: &Fields) -> Option<Vec<Offer<'_>>> {
    let mut extensions = Vec::new();
    for line in head.header_all(HEADER) {
        let mut rest = Scanner(line);
        loop {
            rest.skip_list_separators();
            if rest.is_empty() {
                break;
            }
            extensions.push(rest.extension()?);
        }
    }
    Some(extensions)
}

/// The value of `Sec-WebSocket-Extensions` with which a client offers what it wants.
pub fn offer(wanted: &Compression) -> String {
    let mut text = NAME.to_owned();
    if !wanted.client_context_takeover {
        text += "; client_no_context_takeover";
    }
    if !wanted.server_context_takeover {
        text += "; server_no_context_takeover";
    }
    if wanted.server_max_window_bits < WINDOW_BITS_MAX {
        text += &format!("; server_max_window_bits={}", wanted.server_max_window_bits);
    }
    if wanted.client_window_negotiable {
        text += "; client_max_window_bits";
        if wanted.client_max_window_bits < WINDOW_BITS_MAX {
            text += &format!("={}", wanted.client_max_window_bits);
        }
    }
    text
}

/// What the server made of this client's offer; none if it declined, or if nothing was offered.
///
/// # Errors
/// An answer that the offer does not allow.
pub fn agree(head: &Fields, offered: Option<&Compression>) -> Result<Option<Agreement>, Unacceptable> {
    let mut answers = extensions(head).ok_or(Unacceptable::Malformed)?.into_iter();
    let Some(answer) = answers.next() else { return Ok(None) };
    let foreign = |answer: &Offer<'_>| Unacceptable::NotOffered(String::from_utf8_lossy(answer.name).into_owned());
    let Some(offered) = offered.filter(|_| answer.is_deflate()) else { return Err(foreign(&answer)) };
    if let Some(second) = answers.next() {
        return Err(foreign(&second));
    }
    let answered = Parameters::read(&answer).ok_or(Unacceptable::Parameters)?;
    if !offered.server_context_takeover && !answered.server_no_context_takeover {
        return Err(Unacceptable::Takeover);
    }
    let server_bits = answered.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX);
    if server_bits > offered.server_max_window_bits {
        return Err(Unacceptable::ServerWindow(offered.server_max_window_bits));
    }
    let client_bits = match answered.client_max_window_bits {
        None => None,
        // §7.1.2.2: in an answer it has a value, and is there only if it was offered.
        Some(None) => return Err(Unacceptable::Parameters),
        Some(_) if !offered.client_window_negotiable => return Err(Unacceptable::Parameters),
        Some(Some(answered)) if answered > offered.client_max_window_bits => {
            return Err(Unacceptable::ClientWindow { answered, offered: offered.client_max_window_bits });
        }
        Some(bits) => bits,
    };
    Ok(Some(Agreement {
        server_context_takeover: !answered.server_no_context_takeover,
        client_context_takeover: offered.client_context_takeover && !answered.client_no_context_takeover,
        server_max_window_bits: server_bits,
        // What the client said of its window is a promise, whether or not it was repeated.
        client_max_window_bits: Some(client_bits.unwrap_or(offered.client_max_window_bits)),
        server_bits_offered: answered.server_max_window_bits.is_some(),
    }))
}

/// One extension of the list.
#[derive(Debug)]
struct Offer<'a> {
    name: &'a [u8],
    parameters: Vec<(&'a [u8], Option<Vec<u8>>)>,
}

impl Offer<'_> {
    fn is_deflate(&self) -> bool {
        self.name.eq_ignore_ascii_case(NAME.as_bytes())
    }
}

/// The parameters of permessage-deflate, each there or not (RFC 7692 §7.1).
#[derive(Debug, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// It may stand without a value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// None if one of them is unknown, repeated or out of range.
    fn read(extension: &Offer<'_>) -> Option<Parameters> {
        let mut read = Parameters::default();
        for (name, value) in &extension.parameters {
            let twice = match (*name, value) {
                (b"server_no_context_takeover", None) => std::mem::replace(&mut read.server_no_context_takeover, true),
                (b"client_no_context_takeover", None) => std::mem::replace(&mut read.client_no_context_takeover, true),
                (b"server_max_window_bits", Some(value)) => {
                    read.server_max_window_bits.replace(window_bits(value)?).is_some()
                }
                (b"client_max_window_bits", None) => read.client_max_window_bits.replace(None).is_some(),
                (b"client_max_window_bits", Some(value)) => {
                    read.client_max_window_bits.replace(Some(window_bits(value)?)).is_some()
                }
                _ => return None,
            };
            if twice {
                return None;
            }
        }
        Some(read)
    }
}

fn accept(offered: Parameters, wanted: &Compression) -> Option<Agreement> {
    // RFC 7692 §7.1.2.1: the answer must not be more than what was offered.
    let server_max_window_bits =
        wanted.server_max_window_bits.min(offered.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX));
    if server_max_window_bits < WINDOW_BITS_MIN {
        return None;
    }
    Some(Agreement {
        server_context_takeover: wanted.server_context_takeover && !offered.server_no_context_takeover,
        client_context_takeover: wanted.client_context_takeover && !offered.client_no_context_takeover,
        server_max_window_bits,
        // §7.1.2.2: not answered unless it was offered.
        client_max_window_bits: offered
            .client_max_window_bits
            .map(|bits| wanted.client_max_window_bits.min(bits.unwrap_or(WINDOW_BITS_MAX))),
        server_bits_offered: offered.server_max_window_bits.is_some(),
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
    use crate::websocket::extension::{Agreement, Compression, Unacceptable, agree, negotiate, offer};

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
        client_window_negotiable: true,
        level: 1,
        threshold: None,
    };

    const NONE: Compression =
        Compression { server_context_takeover: false, client_context_takeover: false, ..TAKEOVER };
    const SMALL: Compression = Compression { server_max_window_bits: 10, client_max_window_bits: 11, ..TAKEOVER };

    const FIXED: Compression = Compression { client_window_negotiable: false, ..NONE };

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

    #[test]
    fn what_a_client_offers() {
        let bits = |server_max_window_bits, client_max_window_bits| Compression {
            server_max_window_bits,
            client_max_window_bits,
            ..TAKEOVER
        };
        let rows = [
            (TAKEOVER, "permessage-deflate; client_max_window_bits"),
            (
                NONE,
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits",
            ),
            (FIXED, "permessage-deflate; client_no_context_takeover; server_no_context_takeover"),
            (bits(9, 15), "permessage-deflate; server_max_window_bits=9; client_max_window_bits"),
            (bits(15, 12), "permessage-deflate; client_max_window_bits=12"),
        ];
        for (wanted, text) in rows {
            assert_eq!(offer(&wanted), text);
            assert!(negotiate(&head(&[text]), &TAKEOVER).is_some(), "{text}");
        }
    }

    /// Takeover of the server's and the client's context, and the two windows.
    fn terms(agreement: Agreement) -> (bool, bool, u8, Option<u8>) {
        let Agreement { server_context_takeover, client_context_takeover, .. } = agreement;
        let (server_bits, client_bits) = (agreement.server_max_window_bits, agreement.client_max_window_bits);
        (server_context_takeover, client_context_takeover, server_bits, client_bits)
    }

    #[test]
    fn what_a_client_accepts() {
        type Terms = Option<(bool, bool, u8, Option<u8>)>;
        let foreign = |name: &str| Err(Unacceptable::NotOffered(name.to_owned()));
        let window = |answered, offered| Err(Unacceptable::ClientWindow { answered, offered });
        let rows: &[(&str, Option<&Compression>, Result<Terms, Unacceptable>)] = &[
            ("", Some(&TAKEOVER), Ok(None)),
            ("", None, Ok(None)),
            ("permessage-deflate", None, foreign("permessage-deflate")),
            ("foo", Some(&TAKEOVER), foreign("foo")),
            ("permessage-deflate, foo", Some(&TAKEOVER), foreign("foo")),
            ("permessage-deflate, permessage-deflate", Some(&TAKEOVER), foreign("permessage-deflate")),
            ("permessage-deflate;", Some(&TAKEOVER), Err(Unacceptable::Malformed)),
            ("permessage-deflate", Some(&TAKEOVER), Ok(Some((true, true, 15, Some(15))))),
            ("permessage-deflate; server_no_context_takeover", Some(&TAKEOVER), Ok(Some((false, true, 15, Some(15))))),
            ("permessage-deflate; client_no_context_takeover", Some(&TAKEOVER), Ok(Some((true, false, 15, Some(15))))),
            ("permessage-deflate; server_max_window_bits=8", Some(&TAKEOVER), Ok(Some((true, true, 8, Some(15))))),
            ("permessage-deflate; client_max_window_bits=8", Some(&TAKEOVER), Ok(Some((true, true, 15, Some(8))))),
            ("permessage-deflate; client_max_window_bits", Some(&TAKEOVER), Err(Unacceptable::Parameters)),
            ("permessage-deflate; server_max_window_bits=16", Some(&TAKEOVER), Err(Unacceptable::Parameters)),
            ("permessage-deflate; foo", Some(&TAKEOVER), Err(Unacceptable::Parameters)),
            ("permessage-deflate", Some(&NONE), Err(Unacceptable::Takeover)),
            ("permessage-deflate; server_no_context_takeover", Some(&NONE), Ok(Some((false, false, 15, Some(15))))),
            ("permessage-deflate; server_no_context_takeover", Some(&FIXED), Ok(Some((false, false, 15, Some(15))))),
            (
                "permessage-deflate; server_no_context_takeover; client_max_window_bits=15",
                Some(&FIXED),
                Err(Unacceptable::Parameters),
            ),
            ("permessage-deflate", Some(&SMALL), Err(Unacceptable::ServerWindow(10))),
            ("permessage-deflate; server_max_window_bits=11", Some(&SMALL), Err(Unacceptable::ServerWindow(10))),
            ("permessage-deflate; server_max_window_bits=10", Some(&SMALL), Ok(Some((true, true, 10, Some(11))))),
            (
                "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
                Some(&SMALL),
                Ok(Some((true, true, 9, Some(9)))),
            ),
            ("permessage-deflate; server_max_window_bits=10; client_max_window_bits=12", Some(&SMALL), window(12, 11)),
        ];
        for (answer, offered, wanted) in rows {
            assert_eq!(agree(&head(&[answer]), *offered).map(|agreed| agreed.map(terms)), *wanted, "{answer:?}");
        }
    }

    #[test]
    fn both_sides_agree() {
        let all = [TAKEOVER, NONE, SMALL, Compression { client_context_takeover: false, ..SMALL }];
        for client in all {
            for server in all {
                let answered = negotiate(&head(&[&offer(&client)]), &server).expect("nothing keeps them from it");
                let agreed = agree(&head(&[&answered.to_string()]), Some(&client)).expect("acceptable");
                assert_eq!(agreed.map(terms), Some(terms(answered)), "{client:?} {server:?}");
            }
        }
    }

    #[test]
    fn as_bytes() {
        let mut legal = 0;
        for flags in 0..=255 {
            for server_bits in 0..=255 {
                for client_bits in [0, 1, 7, 8, 9, 15, 16, 255] {
                    let bytes = [flags, server_bits, client_bits];
                    let is_legal = flags < 8 && (8..16).contains(&server_bits) && matches!(client_bits, 0 | 8 | 9 | 15);
                    assert_eq!(Agreement::from_bytes(bytes).map(Agreement::to_bytes), is_legal.then_some(bytes));
                    legal += usize::from(is_legal);
                }
            }
        }
        assert_eq!(legal, 8 * 8 * 4);
        for (offered, wanted, _) in OFFERS {
            let agreement = negotiate(&head(&[offered]), wanted);
            assert_eq!(agreement.and_then(|agreement| Agreement::from_bytes(agreement.to_bytes())), agreement);
        }
    }
}
