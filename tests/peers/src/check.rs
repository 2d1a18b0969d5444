//! Holds what comes back against what was sent.

use crate::plan::{Kind, Message, Piece};
use std::collections::VecDeque;

/// What a driver has seen so far.
#[derive(Debug, Default)]
pub struct Check {
    count: usize,
    /// The pings that were not answered yet, oldest first.
    pings: VecDeque<Vec<u8>>,
}

impl Check {
    /// To be told of each batch before it is sent.
    pub fn will_send(&mut self, batch: &[Message]) {
        for piece in batch.iter().flat_map(Message::pieces) {
            if let Piece::Ping(payload) = piece {
                self.pings.push_back(payload.to_vec());
            }
        }
    }

    /// A message came.
    ///
    /// # Errors
    /// It is not `expected`.
    pub fn message(&mut self, expected: &Message, kind: Kind, payload: &[u8]) -> Result<(), String> {
        let place = format!("message {} ({:?}, {} bytes)", self.count + 1, expected.kind, expected.payload.len());
        if kind != expected.kind {
            return Err(format!("{place} came back as {kind:?}"));
        }
        if payload.len() != expected.payload.len() {
            return Err(format!("{place} came back with {} bytes", payload.len()));
        }
        if let Some(at) = expected.payload.iter().zip(payload).position(|(sent, came)| sent != came) {
            return Err(format!("{place} came back with byte {at} as {}, not {}", payload[at], expected.payload[at]));
        }
        self.count += 1;
        Ok(())
    }

    /// A pong came. "an endpoint [...] MAY elect to send a Pong frame for only the most recently processed Ping frame"
    /// (RFC 6455, section 5.5.3), so earlier pings may have gone unanswered.
    ///
    /// # Errors
    /// No ping asked for it.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), String> {
        match self.pings.iter().position(|ping| ping == payload) {
            Some(at) => {
                self.pings.drain(..=at);
                Ok(())
            }
            None => Err(format!("a pong of {} bytes that no ping asked for", payload.len())),
        }
    }

    /// The close frame came, with this code if it has one. Returns the closing line; `extensions` is what the server
    /// agreed to.
    ///
    /// # Errors
    /// It is not the end that was asked for, or the last ping has no answer.
    pub fn closed(&self, code: Option<u16>, extensions: &str) -> Result<String, String> {
        if code != Some(1000) {
            return Err(format!("closed with {code:?}, not 1000, after {} messages", self.count));
        }
        if !self.pings.is_empty() {
            return Err("closed without a pong for the last ping".to_owned());
        }
        let agreed = if extensions.is_empty() { "no extension" } else { extensions };
        Ok(format!("{} messages came back, close 1000, {agreed}", self.count))
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Check;
    use crate::plan::{Kind, Message};
    use fastrand::Rng;

    #[test]
    fn what_differs_is_named() {
        let sent = Message::random(&mut Rng::with_seed(1), Kind::Text, b"hello".to_vec());
        let mut check = Check::default();
        let rows = [
            (Kind::Text, "hello", None),
            (Kind::Binary, "hello", Some("message 2 (Text, 5 bytes) came back as Binary")),
            (Kind::Text, "hell", Some("message 2 (Text, 5 bytes) came back with 4 bytes")),
            (Kind::Text, "hallo", Some("message 2 (Text, 5 bytes) came back with byte 1 as 97, not 101")),
        ];
        for (kind, payload, wanted) in rows {
            assert_eq!(check.message(&sent, kind, payload.as_bytes()).err().as_deref(), wanted);
        }
        assert!(check.pong(b"?").is_err());
        assert!(check.closed(Some(1001), "").is_err());
        assert_eq!(check.closed(Some(1000), "").as_deref(), Ok("1 messages came back, close 1000, no extension"));
    }
}
