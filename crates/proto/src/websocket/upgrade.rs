//! The client's side of the opening handshake (RFC 6455 §4.1).

use crate::http::answer::{AnswerHead, Asked};
use crate::http::answer_reader::{AnswerError, AnswerReader, AnswerSettings, Part};
use crate::http::client_request::{self, ClientRequest};
use crate::http::head::HeadLimits;
use crate::websocket::extension::{self, Agreement, Compression, Unacceptable};
use crate::websocket::handshake::{self, Refusal};
use crate::websocket::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The lines that the handshake makes itself (RFC 6455 §4.1): those of the request are left out.
const OWN: [&str; 5] =
    ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"];

/// What a client asks a server for.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The request that it comes with: a GET without a body. Of its headers, those that the handshake itself needs are
    /// left out; a Sec-WebSocket-Protocol adds to the subprotocols.
    pub request: ClientRequest<'a>,
    /// The subprotocols that the client speaks, the best one first.
    pub protocols: &'a [&'a str],
    /// What it wants of compression, if it offers any.
    pub compression: Option<Compression>,
}

impl<'a> UpgradeRequest<'a> {
    /// The plain request: for this value of `Host`, and the path and query from the first `/` on.
    pub fn new(host: &'a str, target: &'a str) -> UpgradeRequest<'a> {
        UpgradeRequest { request: ClientRequest::new("GET", host, target), protocols: &[], compression: None }
    }
}

/// A request that cannot be sent as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A host, target, name or value that breaks the request.
    #[error(transparent)]
    Request(#[from] client_request::RequestError),
    /// It does not ask for a WebSocket: another method, a body.
    #[error("the upgrade request would be refused: {0}")]
    Handshake(#[from] Refusal),
}

/// Why there is no WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The answer is not HTTP, or says of its body what cannot be.
    #[error("the answer to the upgrade request cannot be read: {0}")]
    Answer(#[from] AnswerError),
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
///
/// Whoever wants the body of a refusal as well reads the answer with an [`AnswerReader`] of its own, for
/// [`Asked::Upgrade`], and gives a head with status 101 to [`Upgrade::accept`]: the end of such an answer comes right
/// behind its head, and what is left are frames.
#[derive(Debug)]
pub struct Upgrade {
    wanted: String,
    protocols: Vec<String>,
    compression: Option<Compression>,
    reader: AnswerReader,
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
        let mut lines: Vec<(&str, &[u8])> = vec![
            ("Upgrade", b"websocket"),
            ("Connection", b"Upgrade"),
            ("Sec-WebSocket-Key", key.as_bytes()),
            ("Sec-WebSocket-Version", b"13"),
        ];
        lines.extend((!protocols.is_empty()).then_some(("Sec-WebSocket-Protocol", protocols.as_bytes())));
        lines.extend(offer.as_deref().map(|offer| ("Sec-WebSocket-Extensions", offer.as_bytes())));
        let is_own = |name: &str| OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
        lines.extend(request.request.headers.iter().filter(|(name, _)| !is_own(name)));
        let mut bytes = Vec::new();
        let head = ClientRequest { headers: &lines, ..request.request }.encode(&mut bytes)?;
        handshake::check(&head)?;
        let settings = AnswerSettings { head: limits, ..AnswerSettings::default() };
        let upgrade = Upgrade {
            wanted: handshake::accept(key.as_bytes()).map(char::from).iter().collect(),
            protocols: handshake::offered_protocols(&head).map(|name| String::from_utf8_lossy(name).into()).collect(),
            compression: request.compression,
            reader: AnswerReader::new(Asked::Upgrade, settings),
        };
        Ok((upgrade, bytes))
    }

    /// Takes the next piece of the answer. Returns what was agreed on, and how many bytes of this piece belong to the
    /// answer: the rest is frames. None means that the whole piece was taken and more is needed.
    ///
    /// # Errors
    /// When it is no acceptance of the request: the connection must end.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, Accepted)>, UpgradeError> {
        match self.reader.next(input)? {
            Some((used, Part::Head(head))) => self.accept(head).map(|accepted| Some((used, accepted))),
            _ => Ok(None),
        }
    }

    /// What was agreed on, by a head that an [`AnswerReader`] has read.
    ///
    /// # Errors
    /// When it is no acceptance of the request.
    pub fn accept(&self, head: AnswerHead) -> Result<Accepted, UpgradeError> {
        if head.status() != 101 {
            return Err(UpgradeError::Status(Box::new(head)));
        }
        let mut upgrades = head.header_all("upgrade");
        if !upgrades.next().is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) || upgrades.next().is_some() {
            return Err(UpgradeError::Upgrade);
        }
        if !head.has_token("connection", "upgrade") {
            return Err(UpgradeError::Connection);
        }
        let mut accepts = head.header_all("sec-websocket-accept");
        if accepts.next() != Some(self.wanted.as_bytes()) || accepts.next().is_some() {
            return Err(UpgradeError::Accept { wanted: self.wanted.clone() });
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

#[cfg(test)]
mod tests {
    use crate::http::answer_reader::AnswerError;
    use crate::http::client_request::{self, ClientRequest};
    use crate::http::head::{Head, HeadError, HeadLimits, HeadReader};
    use crate::http::lines::LineError;
    use crate::websocket::extension::{Compression, Unacceptable, negotiate};
    use crate::websocket::handshake::{self, Refusal};
    use crate::websocket::keys::Keys;
    use crate::websocket::upgrade::{Accepted, RequestError, Upgrade, UpgradeError, UpgradeRequest};

    fn request() -> UpgradeRequest<'static> {
        const HEADERS: &[(&str, &[u8])] = &[("Origin", b"http://example.com")];
        let request =
            ClientRequest { headers: HEADERS, ..ClientRequest::new("GET", "example.com:8080", "/chat?room=1") };
        UpgradeRequest { request, protocols: &["chat", "superchat"], compression: None }
    }

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
            let text = text.replace("{accept}", &upgrade.wanted) + "frames";
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
        let (mut upgrade, bytes) = begin(&request()).expect("a legal request");
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
        let request = UpgradeRequest { compression: Some(Compression::default()), ..request() };
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
        let mut begin = || Upgrade::begin(&request(), HeadLimits::default(), &mut keys).expect("a legal request").1;
        assert_ne!(begin(), begin());
    }

    #[test]
    fn what_is_accepted() {
        let status = |status: &str| answered(&request(), "101 Switching Protocols", status).map(|_| ());
        for wrong in ["200 OK", "301 Moved", "401 Unauthorized", "426 Upgrade Required", "500 Oh"] {
            let found = status(wrong);
            assert!(matches!(&found, Err(UpgradeError::Status(head)) if wrong.starts_with(&head.status().to_string())));
        }
        let accept = || {
            let (upgrade, _) = begin(&request()).expect("a legal request");
            Err(UpgradeError::Accept { wanted: upgrade.wanted })
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
            ("HTTP/1.1", "HTTP/3.1", Err(AnswerError::Head(HeadError::Version).into())),
            ("HTTP/1.1", "SSH-2.0", Err(AnswerError::Head(HeadError::StatusLine).into())),
        ];
        for (from, to, wanted) in rows {
            let found = answered(&request(), from, to);
            let found = found.as_ref().map(|accepted| accepted.protocol.as_deref());
            assert_eq!(found, wanted.as_ref().map(|protocol| *protocol), "{from:?} became {to:?}");
        }
    }

    #[test]
    fn interim_answers_have_an_end() {
        let (mut upgrade, _) = begin(&request()).expect("a legal request");
        let endless = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17);
        assert_eq!(upgrade.next(&endless), Err(AnswerError::TooManyInterim.into()));
    }

    #[test]
    fn the_handshake_makes_its_own_lines() {
        let headers: &[(&str, &[u8])] = &[
            ("Host", b"other"),
            ("connection", b"keep-alive"),
            ("upgrade", b"h2c"),
            ("Sec-WebSocket-Key", b"b"),
            ("sec-websocket-version", b"8"),
            ("Sec-WebSocket-Extensions", b"foo"),
            ("Sec-WebSocket-Protocol", b"mine, other"),
        ];
        let plain = request().request;
        let cookies: &[(&[u8], &[u8])] = &[(b"a", b"b")];
        let request = UpgradeRequest { request: ClientRequest { headers, cookies, ..plain }, ..request() };
        let (mut upgrade, bytes) = begin(&request).expect("a legal request");
        let (_, head): (usize, Head) = HeadReader::new(HeadLimits::default()).next(&bytes).unwrap().unwrap();
        assert_eq!(handshake::check(&head), Ok(()));
        assert_eq!((head.header("host"), head.header("cookie")), (Some(&b"other"[..]), Some(&b"a=b"[..])));
        assert_eq!((head.header_all("connection").count(), head.header("sec-websocket-extensions")), (1, None));
        let mut answer = Vec::new();
        handshake::encode_acceptance(&head, handshake::choose_protocol(&head, ["mine"]), None, b"", &mut answer);
        let (_, accepted) = upgrade.next(&answer).unwrap().unwrap();
        assert_eq!(accepted.protocol.as_deref(), Some("mine"));
    }

    #[test]
    fn what_cannot_be_sent() {
        let plain = request().request;
        let of = |plain| UpgradeRequest { request: plain, ..request() };
        let body = |body| of(ClientRequest { body, ..plain });
        let header = |line: &'static [(&'static str, &'static [u8])]| of(ClientRequest { headers: line, ..plain });
        let refused = |error: client_request::RequestError| RequestError::Request(error);
        let value = |name: &str| refused(LineError::Value(name.to_owned()).into());
        let rows = [
            (of(ClientRequest { host: "a b", ..plain }), refused(HeadError::Host.into())),
            (of(ClientRequest { target: "chat", ..plain }), refused(HeadError::Target.into())),
            (of(ClientRequest { method: "POST", ..plain }), RequestError::Handshake(Refusal::Method)),
            (body(b"x"), RequestError::Handshake(Refusal::Body)),
            (header(&[("Transfer-Encoding", b"chunked")]), RequestError::Handshake(Refusal::Body)),
            (header(&[("X", b"a\r\nY: b")]), value("X")),
            (UpgradeRequest { protocols: &["a\r\nX: y"], ..request() }, value("Sec-WebSocket-Protocol")),
        ];
        for (request, wanted) in rows {
            assert_eq!(begin(&request).err(), Some(wanted), "{request:?}");
        }
    }
}
