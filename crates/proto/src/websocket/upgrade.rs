//! The client's side of the opening handshake (RFC 6455 §4.1).

use crate::http::answer::AnswerHead;
use crate::http::head::{HeadError, HeadLimits, HeadReader};
use crate::websocket::extension::{self, Agreement, Compression, Unacceptable};
use crate::websocket::handshake::{self, Refusal};
use crate::websocket::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How many interim answers (RFC 9110 §15.2) are passed over before the one that counts.
const INTERIM_MAX: u8 = 16;

/// What a client asks a server for.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The value of `Host`: a host, with a port unless it is the scheme's own.
    pub host: &'a str,
    /// The path and the query, from the first `/` on.
    pub target: &'a str,
    /// More header lines: `Origin`, `Cookie`, `Authorization` …
    pub headers: &'a [(&'a str, &'a str)],
    /// The subprotocols that the client speaks, the best one first.
    pub protocols: &'a [&'a str],
    /// What it wants of compression, if it offers any.
    pub compression: Option<Compression>,
}

/// A request that cannot be sent as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A host, target, name or value that breaks the head.
    #[error("the upgrade request would be refused: {0}")]
    Head(#[from] HeadError),
    /// A line that the handshake itself needs was set again.
    #[error("the upgrade request would be refused: {0}")]
    Handshake(#[from] Refusal),
    /// Something in it ends a line.
    #[error("a host, target, subprotocol or header of the upgrade request has an end of line in it")]
    EndOfLine,
}

/// Why there is no WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The answer is not HTTP.
    #[error("the answer to the upgrade request cannot be read: {0}")]
    Head(#[from] HeadError),
    /// It has another status. A body may follow.
    #[error("the server answered with status {}, wanted 101", .0.status())]
    Status(Box<AnswerHead>),
    /// RFC 6455 §4.1, item 2.
    #[error("the header Upgrade of the answer must be \"websocket\"")]
    Upgrade,
    /// RFC 6455 §4.1, item 3.
    #[error("the header Connection of the answer must contain \"Upgrade\"")]
    Connection,
    /// RFC 6455 §4.1, item 4: it is what tells a WebSocket server from one that repeats what it is sent.
    #[error("the header Sec-WebSocket-Accept of the answer must be \"{wanted}\", once")]
    Accept {
        /// What belongs to the key that was sent.
        wanted: String,
    },
    /// RFC 6455 §4.1, item 5.
    #[error(transparent)]
    Extension(#[from] Unacceptable),
    /// RFC 6455 §4.1, item 6.
    #[error(
        "the header Sec-WebSocket-Protocol of the answer must be one of the subprotocols asked for, or not be there"
    )]
    Protocol,
}

/// A server's acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The whole answer.
    pub head: AnswerHead,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
    /// The compression that both agreed on.
    pub agreement: Option<Agreement>,
}

/// A handshake that waits for its answer.
///
/// ```text
/// request ──► 1xx other than 101: passed over ──► 101 with the right headers: Accepted
///                                             └─► anything else: UpgradeError
/// ```
#[derive(Debug)]
pub struct Upgrade {
    accept: String,
    protocols: Vec<String>,
    compression: Option<Compression>,
    reader: HeadReader<AnswerHead>,
    interim: u8,
}

impl Upgrade {
    /// The bytes to send, and what reads the answer, with a head of so many bytes and lines at most.
    ///
    /// # Errors
    /// When what was asked for does not fit a request.
    pub fn begin(
        request: &UpgradeRequest<'_>,
        limits: HeadLimits,
        keys: &mut Keys,
    ) -> Result<(Upgrade, Vec<u8>), RequestError> {
        let key = STANDARD.encode(keys.nonce());
        let protocols = request.protocols.join(", ");
        let offer = request.compression.as_ref().map(extension::offer);
        let mut lines = vec![
            ("Host", request.host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", &*key),
            ("Sec-WebSocket-Version", "13"),
        ];
        lines.extend((!protocols.is_empty()).then_some(("Sec-WebSocket-Protocol", &*protocols)));
        lines.extend(offer.as_deref().map(|offer| ("Sec-WebSocket-Extensions", offer)));
        lines.extend(request.headers);
        let mut text = format!("GET {} HTTP/1.1\r\n", request.target);
        for (name, value) in &lines {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text += "\r\n";
        check(text.as_bytes(), lines.len())?;
        let accept = handshake::accept(key.as_bytes()).map(char::from).iter().collect();
        let protocols = request.protocols.iter().map(|&name| name.to_owned()).collect();
        let reader = HeadReader::new(limits);
        Ok((Upgrade { accept, protocols, compression: request.compression, reader, interim: 0 }, text.into_bytes()))
    }

    /// Takes the next piece of the answer. Returns what was agreed on, and how many bytes of this piece belong to the
    /// answer: the rest is frames. None means that the whole piece was taken and more is needed.
    ///
    /// # Errors
    /// When it is no acceptance of the request: the connection must end.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, Accepted)>, UpgradeError> {
        let mut at = 0;
        while let Some((used, head)) = self.reader.next(&input[at..])? {
            at += used;
            if head.status() == 101 {
                return self.accepted(head).map(|accepted| Some((at, accepted)));
            }
            self.interim += 1;
            if !(100..200).contains(&head.status()) || self.interim > INTERIM_MAX {
                return Err(UpgradeError::Status(Box::new(head)));
            }
        }
        Ok(None)
    }

    fn accepted(&self, head: AnswerHead) -> Result<Accepted, UpgradeError> {
        let mut upgrades = head.header_all("upgrade");
        if !upgrades.next().is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) || upgrades.next().is_some() {
            return Err(UpgradeError::Upgrade);
        }
        if !head.has_token("connection", "upgrade") {
            return Err(UpgradeError::Connection);
        }
        let mut accepts = head.header_all("sec-websocket-accept");
        if accepts.next() != Some(self.accept.as_bytes()) || accepts.next().is_some() {
            return Err(UpgradeError::Accept { wanted: self.accept.clone() });
        }
        let agreement = extension::agree(&head, self.compression.as_ref())?;
        let mut chosen = head.header_all("sec-websocket-protocol");
        let protocol = match (chosen.next(), chosen.next()) {
            (None, _) => None,
            (Some(name), None) => {
                let asked = self.protocols.iter().find(|asked| asked.as_bytes() == name);
                Some(asked.ok_or(UpgradeError::Protocol)?.clone())
            }
            _ => return Err(UpgradeError::Protocol),
        };
        drop((upgrades, accepts, chosen));
        Ok(Accepted { head, protocol, agreement })
    }
}

/// Checks a request with a server's eyes: it is one head with so many lines, and asks for a WebSocket.
fn check(request: &[u8], lines: usize) -> Result<(), RequestError> {
    let limits = HeadLimits { bytes_max: usize::MAX, headers_max: lines };
    let mut reader: HeadReader = HeadReader::new(limits);
    match reader.next(request) {
        Ok(Some((used, head))) if used == request.len() && head.headers().count() == lines => {
            Ok(handshake::check(&head)?)
        }
        Ok(_) | Err(HeadError::TooManyHeaders { .. }) => Err(RequestError::EndOfLine),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::http::head::{Head, HeadError, HeadLimits, HeadReader};
    use crate::websocket::extension::{Compression, Unacceptable, negotiate};
    use crate::websocket::handshake::{self, Refusal};
    use crate::websocket::keys::Keys;
    use crate::websocket::upgrade::{Accepted, RequestError, Upgrade, UpgradeError, UpgradeRequest};

    const REQUEST: UpgradeRequest<'_> = UpgradeRequest {
        host: "example.com:8080",
        target: "/chat?room=1",
        headers: &[("Origin", "http://example.com")],
        protocols: &["chat", "superchat"],
        compression: None,
    };

    fn begin(request: &UpgradeRequest<'_>) -> Result<(Upgrade, Vec<u8>), RequestError> {
        Upgrade::begin(request, HeadLimits::default(), &mut Keys::from_seed([1; 32]))
    }

    /// The answer of a server that accepts, with one part replaced; `{accept}` stands for what belongs to the key.
    fn answered(request: &UpgradeRequest<'_>, from: &str, to: &str) -> Result<Accepted, UpgradeError> {
        let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: {accept}\r\n\r\n";
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let mut outcome = None;
        for size in [1, 3, 1000] {
            let (mut upgrade, _) = begin(request).expect("a legal request");
            let text = text.replace("{accept}", &upgrade.accept) + "frames";
            let mut found = Ok(None);
            let mut before = 0;
            for piece in text.as_bytes().chunks(size) {
                found = upgrade.next(piece);
                if found != Ok(None) {
                    break;
                }
                before += piece.len();
            }
            let accepted = found.map(|found| {
                let (used, accepted) = found.expect("all of it");
                assert_eq!(before + used, text.len() - "frames".len(), "{size}");
                accepted
            });
            assert!(outcome.is_none_or(|outcome| outcome == accepted), "in pieces of {size}");
            outcome = Some(accepted);
        }
        outcome.expect("a size")
    }

    #[test]
    fn a_server_understands_the_request() {
        let (mut upgrade, bytes) = begin(&REQUEST).expect("a legal request");
        let (used, head): (usize, Head) = HeadReader::new(HeadLimits::default()).next(&bytes).unwrap().unwrap();
        assert_eq!((used, head.target()), (bytes.len(), "/chat?room=1"));
        assert_eq!(
            (head.header("host"), head.header("origin")),
            (Some(&b"example.com:8080"[..]), Some(&b"http://example.com"[..]))
        );
        assert_eq!(handshake::check(&head), Ok(()));
        let protocol = handshake::choose_protocol(&head, ["superchat"]);
        let mut answer = Vec::new();
        handshake::encode_acceptance(&head, protocol, None, b"", &mut answer);
        let (used, accepted) = upgrade.next(&answer).unwrap().unwrap();
        assert_eq!((used, accepted.protocol.as_deref(), accepted.agreement), (answer.len(), Some("superchat"), None));
    }

    #[test]
    fn compression_is_agreed_on() {
        let request = UpgradeRequest { compression: Some(Compression::default()), ..REQUEST };
        let (mut upgrade, bytes) = begin(&request).expect("a legal request");
        let (_, head): (usize, Head) = HeadReader::new(HeadLimits::default()).next(&bytes).unwrap().unwrap();
        let agreement = negotiate(&head, &Compression::default());
        let mut answer = Vec::new();
        handshake::encode_acceptance(&head, None, agreement.as_ref(), b"", &mut answer);
        let (_, accepted) = upgrade.next(&answer).unwrap().unwrap();
        assert!(accepted.agreement.is_some());
    }

    #[test]
    fn each_handshake_has_its_own_key() {
        let mut keys = Keys::from_seed([1; 32]);
        let mut begin = || Upgrade::begin(&REQUEST, HeadLimits::default(), &mut keys).expect("a legal request").1;
        assert_ne!(begin(), begin());
    }

    #[test]
    fn what_is_accepted() {
        let status = |status: &str| answered(&REQUEST, "101 Switching Protocols", status).map(|_| ());
        for wrong in ["200 OK", "301 Moved", "401 Unauthorized", "426 Upgrade Required", "500 Oh"] {
            let found = status(wrong);
            assert!(matches!(&found, Err(UpgradeError::Status(head)) if wrong.starts_with(&head.status().to_string())));
        }
        let accept = || {
            let (upgrade, _) = begin(&REQUEST).expect("a legal request");
            Err(UpgradeError::Accept { wanted: upgrade.accept })
        };
        let line = "Sec-WebSocket-Accept: {accept}\r\n";
        let extension = |error| Err(UpgradeError::Extension(error));
        let foreign = || extension(Unacceptable::NotOffered("permessage-deflate".to_owned()));
        type Chosen = Result<Option<&'static str>, UpgradeError>;
        let rows: &[(&str, &str, Chosen)] = &[
            (": websocket", ": WebSocket", Ok(None)),
            (": Upgrade", ": keep-alive, upgrade", Ok(None)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", Ok(Some("chat"))),
            ("HTTP/1.1", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1", Ok(None)),
            ("Upgrade: websocket\r\n", "", Err(UpgradeError::Upgrade)),
            (": websocket", ": h2c", Err(UpgradeError::Upgrade)),
            (": websocket", ": websocket\r\nUpgrade: websocket", Err(UpgradeError::Upgrade)),
            ("Connection: Upgrade\r\n", "", Err(UpgradeError::Connection)),
            (": Upgrade", ": close", Err(UpgradeError::Connection)),
            (line, "", accept()),
            ("{accept}", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept()),
            ("{accept}", "{accept}x", accept()),
            (line, "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Accept: {accept}\r\n", accept()),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: other\r\n\r\n", Err(UpgradeError::Protocol)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n", Err(UpgradeError::Protocol)),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
                Err(UpgradeError::Protocol),
            ),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", foreign()),
            ("HTTP/1.1", "HTTP/3.1", Err(UpgradeError::Head(HeadError::Version))),
            ("HTTP/1.1", "SSH-2.0", Err(UpgradeError::Head(HeadError::StatusLine))),
        ];
        for (from, to, wanted) in rows {
            let found = answered(&REQUEST, from, to);
            let found = found.as_ref().map(|accepted| accepted.protocol.as_deref());
            assert_eq!(found, wanted.as_ref().map(|protocol| *protocol), "{from:?} became {to:?}");
        }
    }

    #[test]
    fn interim_answers_have_an_end() {
        let (mut upgrade, _) = begin(&REQUEST).expect("a legal request");
        let endless = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17);
        assert!(matches!(upgrade.next(&endless), Err(UpgradeError::Status(head)) if head.status() == 103));
    }

    #[test]
    fn what_cannot_be_sent() {
        let header = |name, value| -> &'static [(&str, &str)] { Box::leak(Box::new([(name, value)])) };
        let host = |host| UpgradeRequest { host, ..REQUEST };
        let target = |target| UpgradeRequest { target, ..REQUEST };
        let headers = |name, value| UpgradeRequest { headers: header(name, value), ..REQUEST };
        let rows = [
            (host("a b"), RequestError::Head(HeadError::Host)),
            (host("a\r\nX: y"), RequestError::EndOfLine),
            (target("chat"), RequestError::Head(HeadError::Target)),
            (target(""), RequestError::Head(HeadError::RequestLine)),
            (target("/a b"), RequestError::Head(HeadError::RequestLine)),
            (target("/ HTTP/1.1\r\nX: y\r\nZ:"), RequestError::EndOfLine),
            (headers("X", "a\r\nY: b"), RequestError::EndOfLine),
            (headers("X", "a\r\n\r\nGET / HTTP/1.1"), RequestError::EndOfLine),
            (headers("X", "a\nY: b"), RequestError::Head(HeadError::BareLineFeed)),
            (headers("X Y", "a"), RequestError::Head(HeadError::HeaderName)),
            (headers("X", "a\0"), RequestError::Head(HeadError::HeaderValue)),
            (headers("Host", "b"), RequestError::Head(HeadError::HostRepeated)),
            (headers("Sec-WebSocket-Key", "b"), RequestError::Handshake(Refusal::Key)),
            (headers("Content-Length", "5"), RequestError::Handshake(Refusal::Body)),
            (UpgradeRequest { protocols: &["a\r\nX: y"], ..REQUEST }, RequestError::EndOfLine),
        ];
        for (request, wanted) in rows {
            assert_eq!(begin(&request).err(), Some(wanted), "{request:?}");
        }
    }
}
