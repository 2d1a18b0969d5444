//! The server's side of the opening handshake (RFC 6455 §4.2).

use crate::http::head::{Framing, Head, Version};
use crate::http::response::Response;
use crate::websocket::extension::Agreement;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The base64 text of a 16-byte nonce.
const KEY_CHARS: usize = 24;

/// An upgrade request that RFC 6455 does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// §4.2.1: the method is GET.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// §4.2.1: HTTP/1.1 or later.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    HttpVersion,
    /// §4.2.1: `Connection` has the token `Upgrade`.
    #[error("the header Connection must contain \"Upgrade\"")]
    Connection,
    /// §4.2.1, §4.2.2: version 13.
    #[error("the header Sec-WebSocket-Version must be 13")]
    Version,
    /// §4.2.1: `Sec-WebSocket-Key` is 16 bytes in base64, once.
    #[error("the header Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    /// §4.2.1 allows no body: bytes that follow the head are frames.
    #[error("a WebSocket handshake has no body")]
    Body,
}

impl Refusal {
    /// The answer: 405, 426 with the version that is spoken (RFC 6455 §4.4), else 400. The connection closes behind it.
    pub fn response(self) -> Response {
        let response = match self {
            Refusal::Method => Response::new(405).header("Allow", "GET"),
            Refusal::Version => Response::new(426).header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13"),
            _ => Response::new(400),
        };
        response.header("Content-Type", "text/plain; charset=UTF-8").body(format!("{self}\n"))
    }
}

/// Does the request ask for a WebSocket? Only its `Upgrade` header is looked at.
pub fn is_upgrade(head: &Head) -> bool {
    head.has_token("upgrade", "websocket")
}

/// Checks an upgrade request as RFC 6455 §4.2.1 says.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(head: &Head) -> Result<(), Refusal> {
    if head.method() != "GET" {
        return Err(Refusal::Method);
    }
    if head.version() != Version::Http11 {
        return Err(Refusal::HttpVersion);
    }
    if !head.has_token("connection", "upgrade") {
        return Err(Refusal::Connection);
    }
    let mut versions = head.header_all("sec-websocket-version");
    if versions.next() != Some(b"13") || versions.next().is_some() {
        return Err(Refusal::Version);
    }
    if key(head).is_none() {
        return Err(Refusal::Key);
    }
    check_bodiless(head)
}

/// Checks that bytes behind the head can only be frames, whoever answers the request.
///
/// # Errors
/// When a body was announced.
pub fn check_bodiless(head: &Head) -> Result<(), Refusal> {
    match head.framing() {
        Framing::None | Framing::Length(0) => Ok(()),
        _ => Err(Refusal::Body),
    }
}

/// The key, if there is exactly one and it decodes to 16 bytes.
fn key(head: &Head) -> Option<&[u8]> {
    let mut keys = head.header_all("sec-websocket-key");
    let key = keys.next()?;
    let decoded = if key.len() == KEY_CHARS { STANDARD.decode(key).ok()? } else { return None };
    (decoded.len() == 16 && keys.next().is_none()).then_some(key)
}

/// The value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2, item 5.4).
#[expect(clippy::missing_panics_doc, reason = "it never panics: a digest is 20 bytes")]
pub fn accept(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut text = [0; 28];
    STANDARD.encode_slice(digest, &mut text).expect("20 bytes are 28 characters");
    text
}

/// The first of `supported`, in the server's order of preference, that the client offered.
///
/// RFC 6455 §4.2.2: a subprotocol that the client did not offer must not be answered.
pub fn choose_protocol<'a>(head: &Head, supported: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    supported.into_iter().find(|name| offered_protocols(head).any(|offer| offer == name.as_bytes()))
}

/// The subprotocols of a request, in the order in which they were offered.
pub fn offered_protocols(head: &Head) -> impl Iterator<Item = &[u8]> {
    let offers = head.header_all("sec-websocket-protocol").flat_map(|line| line.split(|byte| *byte == b','));
    offers.map(<[u8]>::trim_ascii).filter(|offer| !offer.is_empty())
}

/// Appends the 101 that accepts `head`, an upgrade request that [`check`] passed.
///
/// `agreement` is what [`extension::negotiate`](crate::websocket::extension::negotiate) made of its offers; `extra` are
/// whole header lines, each with its CRLF, in front of `Server`.
pub fn encode_acceptance(
    head: &Head,
    protocol: Option<&str>,
    agreement: Option<&Agreement>,
    extra: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept(head.header("sec-websocket-key").unwrap_or_default()));
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n");
    if let Some(protocol) = protocol {
        out.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(extra);
    if let Some(agreement) = agreement {
        out.extend_from_slice(format!("Sec-WebSocket-Extensions: {agreement}\r\n").as_bytes());
    }
    out.extend_from_slice(b"Server: wirewool\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use crate::http::head::{Head, HeadLimits, HeadReader};
    use crate::websocket::handshake::{Refusal, accept, check, choose_protocol, encode_acceptance, is_upgrade};

    /// The request of RFC 6455 §1.2, with its key from §1.3.
    const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn head(text: &str) -> Head {
        let found = HeadReader::new(HeadLimits::default()).next(text.as_bytes());
        found.expect("accepted").expect("whole").1
    }

    /// The request with one part replaced.
    fn changed(from: &str, to: &str) -> Head {
        assert!(REQUEST.contains(from), "{from}");
        head(&REQUEST.replacen(from, to, 1))
    }

    #[test]
    fn what_is_checked() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let twice = &*key.repeat(2);
        let rows: &[(&str, &str, Result<(), Refusal>)] = &[
            ("/chat", "/", Ok(())),
            ("Upgrade: websocket", "upgrade: h2c, WebSocket", Ok(())),
            ("Connection: Upgrade", "Connection: keep-alive, upgrade", Ok(())),
            ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: UPGRADE", Ok(())),
            ("Origin: http://example.com", "Content-Length: 0", Ok(())),
            ("GET", "POST", Err(Refusal::Method)),
            ("GET", "get", Err(Refusal::Method)),
            ("HTTP/1.1", "HTTP/1.0", Err(Refusal::HttpVersion)),
            ("Connection: Upgrade", "Connection: close", Err(Refusal::Connection)),
            ("Connection: Upgrade", "Connection: Upgrades", Err(Refusal::Connection)),
            ("Connection: Upgrade\r\n", "", Err(Refusal::Connection)),
            ("Version: 13", "Version: 8", Err(Refusal::Version)),
            ("Version: 13", "Version: 13, 8", Err(Refusal::Version)),
            ("Version: 13", "Version: 013", Err(Refusal::Version)),
            ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13", Err(Refusal::Version)),
            ("Sec-WebSocket-Version: 13\r\n", "", Err(Refusal::Version)),
            (key, "", Err(Refusal::Key)),
            (key, twice, Err(Refusal::Key)),
            ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key:", Err(Refusal::Key)),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", Err(Refusal::Key)),
            // 24 characters, but 17 and 18 bytes; then not base64; then bits behind the last byte.
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZTE=", Err(Refusal::Key)),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZTEy", Err(Refusal::Key)),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j*Q==", Err(Refusal::Key)),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", Err(Refusal::Key)),
            ("Origin: http://example.com", "Content-Length: 1", Err(Refusal::Body)),
            ("Origin: http://example.com", "Transfer-Encoding: chunked", Err(Refusal::Body)),
        ];
        for (from, to, wanted) in rows {
            let head = changed(from, to);
            assert!(is_upgrade(&head));
            assert_eq!(check(&head), *wanted, "{from} became {to}");
        }
    }

    #[test]
    fn what_asks_for_an_upgrade() {
        let rows = [
            ("Upgrade: websocket", true),
            ("Upgrade: WEBSOCKET", true),
            ("Upgrade: h2c,websocket", true),
            ("Upgrade: h2c\r\nUpgrade: websocket", true),
            ("Upgrade: websocket/13", false),
            ("Upgrade: web socket", false),
            ("Upgrade:", false),
            ("X-Upgrade: websocket", false),
        ];
        for (line, wanted) in rows {
            assert_eq!(is_upgrade(&changed("Upgrade: websocket", line)), wanted, "{line}");
        }
    }

    #[test]
    fn refusals() {
        let rows = [
            (Refusal::Method, 405),
            (Refusal::HttpVersion, 400),
            (Refusal::Connection, 400),
            (Refusal::Version, 426),
            (Refusal::Key, 400),
            (Refusal::Body, 400),
        ];
        for (refusal, status) in rows {
            assert_eq!(refusal.response().status(), status, "{refusal}");
        }
    }

    /// RFC 6455 §1.3: "the server would ... giving the value `s3pPLMBiTxaQ9kYGzzhZRbK+xOo=`".
    #[test]
    fn the_example_of_the_rfc() {
        let accepted = accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(std::str::from_utf8(&accepted), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let mut out = b"before".to_vec();
        encode_acceptance(&head(REQUEST), Some("chat"), None, b"Set-Cookie: a=b\r\n", &mut out);
        let wanted = "beforeHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\nServer: wirewool\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn protocols() {
        let rows: &[(&str, &[&str], Option<&str>)] = &[
            ("Sec-WebSocket-Protocol: chat, superchat", &["chat"], Some("chat")),
            ("Sec-WebSocket-Protocol: chat, superchat", &["superchat", "chat"], Some("superchat")),
            ("Sec-WebSocket-Protocol: chat ,\tsuperchat ", &["x", "superchat"], Some("superchat")),
            ("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b", &["b"], Some("b")),
            // Case counts, a part is not the whole, and what was not offered is not answered.
            ("Sec-WebSocket-Protocol: Chat", &["chat"], None),
            ("Sec-WebSocket-Protocol: superchat", &["chat"], None),
            ("Sec-WebSocket-Protocol: chat", &[], None),
            ("Sec-WebSocket-Protocol:", &["chat"], None),
            ("Sec-WebSocket-Protocol: a,,b", &["", "b"], Some("b")),
            ("X: chat", &["chat"], None),
        ];
        for (line, supported, wanted) in rows {
            let head = changed("Sec-WebSocket-Protocol: chat, superchat", line);
            assert_eq!(choose_protocol(&head, supported.iter().copied()), *wanted, "{line}, {supported:?}");
        }
    }
}
