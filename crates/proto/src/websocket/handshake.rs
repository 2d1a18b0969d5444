//! The server's side of the opening handshake (RFC 6455 §4.2).

use crate::http::head::{Framing, Head, Version};
use crate::http::response::Response;
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
    supported.into_iter().find(|name| {
        let lines = head.header_all("sec-websocket-protocol");
        lines.flat_map(|line| line.split(|byte| *byte == b',')).any(|offer| offer.trim_ascii() == name.as_bytes())
    })
}

/// Appends the 101 that accepts `head`, an upgrade request that [`check`] passed.
///
/// `extra` are whole header lines, each with its CRLF, in front of `Server`.
pub fn encode_acceptance(head: &Head, protocol: Option<&str>, extra: &[u8], out: &mut Vec<u8>) {
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
    out.extend_from_slice(b"Server: wirewool\r\n\r\n");
}
