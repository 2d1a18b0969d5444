//! Turns keys into upgrade requests and answers, and a server's answer into a verdict.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What a client asks for with the upgrade.
pub const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The longest head of an answer that is waited for.
pub const HEAD_BYTES_MAX: usize = 4096;

const END: &[u8] = b"\r\n\r\n";

/// An upgrade request, and the value that proves that its key was read.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// The bytes to send.
    pub request: Vec<u8>,
    accept: String,
    deflate: bool,
}

impl Upgrade {
    /// The request number `number`: each has a key of its own.
    pub fn new(number: u64, deflate: bool) -> Upgrade {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce[8..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let key = STANDARD.encode(nonce);
        let extension = if deflate { format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n") } else { String::new() };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
        );
        Upgrade { request: request.into_bytes(), accept: accept(key.as_bytes()), deflate }
    }

    /// Where the answer's head ends; `None` as long as it is not all there.
    ///
    /// # Errors
    /// What is wrong with the answer, in words.
    pub fn check(&self, answer: &[u8]) -> Result<Option<usize>, String> {
        let Some(end) = find(answer, END) else {
            return match answer.len() > HEAD_BYTES_MAX {
                true => Err(format!("an answer to the upgrade of more than {HEAD_BYTES_MAX} bytes")),
                false => Ok(None),
            };
        };
        let head = &answer[..end];
        let shown = || String::from_utf8_lossy(head).into_owned();
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("the upgrade was not answered with 101 but: {}", shown()));
        }
        if find(head, self.accept.as_bytes()).is_none() {
            return Err(format!("the answer to the upgrade lacks {}: {}", self.accept, shown()));
        }
        if self.deflate && find(head, b"server_no_context_takeover").is_none() {
            return Err(format!("compression without kept contexts was not agreed on: {}", shown()));
        }
        Ok(Some(end + END.len()))
    }
}

/// The answer to an upgrade request's head, for the floor server; `None` if the head is not all there, or has no key.
pub fn answer(head: &[u8], deflate: bool) -> Option<(usize, String)> {
    let end = find(head, END)? + END.len();
    const NAME: &[u8] = b"\r\nsec-websocket-key:";
    let begin = head[..end].windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))? + NAME.len();
    let key = head[begin..end].split(|&byte| byte == b'\r').next()?.trim_ascii();
    let accept = accept(key);
    let extension = if deflate { format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n") } else { String::new() };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extension}\r\n"
    );
    Some((end, answer))
}

/// RFC 6455, 4.2.2.
fn accept(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_s_own_example() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn both_sides_agree() {
        for deflate in [false, true] {
            let upgrade = Upgrade::new(7, deflate);
            assert_eq!(answer(&upgrade.request[..upgrade.request.len() - 1], deflate), None);
            let (end, text) = answer(&upgrade.request, deflate).unwrap();
            assert_eq!(end, upgrade.request.len());
            assert_eq!(upgrade.check(text.as_bytes()), Ok(Some(text.len())));
            assert_eq!(upgrade.check(&text.as_bytes()[..text.len() - 1]), Ok(None));
            assert!(Upgrade::new(8, deflate).check(text.as_bytes()).is_err());
        }
    }
}
