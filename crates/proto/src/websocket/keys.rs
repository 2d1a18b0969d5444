//! Masking keys and nonces that nobody can foresee (RFC 6455 §5.3, §10.3).

use crate::websocket::mask::Key;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;

/// A cryptographically strong stream of keys.
///
/// RFC 6455 §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source
/// of entropy".
pub struct Keys(StdRng);

impl Keys {
    /// The keys of this seed, which must come from a strong source of entropy and be used once.
    pub fn from_seed(seed: [u8; 32]) -> Keys {
        Keys(StdRng::from_seed(seed))
    }

    /// The key of the next frame.
    pub fn key(&mut self) -> Key {
        self.0.next_u32().to_ne_bytes()
    }

    /// What a handshake's `Sec-WebSocket-Key` encodes (RFC 6455 §4.1).
    pub fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests {
    use crate::websocket::keys::Keys;
    use std::collections::HashSet;

    #[test]
    fn no_key_is_the_other() {
        let mut keys = Keys::from_seed([7; 32]);
        let seen: HashSet<_> = (0..1000).map(|_| keys.key()).collect();
        // Two of a thousand are the same once in nine thousand seeds; not with this one.
        assert_eq!(seen.len(), 1000);
        assert_ne!(keys.nonce(), keys.nonce());
        assert_ne!(Keys::from_seed([8; 32]).nonce(), Keys::from_seed([7; 32]).nonce());
    }
}
