//! Turns the name of a row into the words that it takes in shared memory.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::store;

/// The words of a key: a byte for its length, its bytes, zeroes.
pub(super) const WORDS: usize = 8;

const WORD_BYTES: usize = size_of::<u64>();

/// The name of a row: 1 to 63 bytes of any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; WORDS * WORD_BYTES]);

impl Key {
    /// The bytes that a key has at most.
    pub const BYTES_MAX: usize = WORDS * WORD_BYTES - 1;

    /// The key of these bytes; none if there are none, or too many.
    pub fn new(bytes: &[u8]) -> Option<Key> {
        let length = u8::try_from(bytes.len()).ok()?;
        if bytes.is_empty() || bytes.len() > Key::BYTES_MAX {
            return None;
        }
        let mut all = [0; WORDS * WORD_BYTES];
        all[0] = length;
        all[1..=bytes.len()].copy_from_slice(bytes);
        Some(Key(all))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0[1..=self.length()]
    }

    fn length(&self) -> usize {
        usize::from(self.0[0])
    }

    /// As many words as say anything.
    fn words(&self) -> impl Iterator<Item = u64> {
        let (chunks, _) = self.0.as_chunks();
        chunks.iter().take((1 + self.length()).div_ceil(WORD_BYTES)).map(|chunk| u64::from_ne_bytes(*chunk))
    }

    /// Whether it is the one in `words`.
    pub(super) fn is(&self, words: &[AtomicU64]) -> bool {
        self.words().zip(words).all(|(own, word)| own == word.load(Relaxed))
    }

    pub(super) fn store(&self, words: &[AtomicU64]) {
        for (own, word) in self.words().zip(words) {
            store(word, own, Relaxed);
        }
    }

    /// The key in `words`; none if there cannot be such a one.
    pub(super) fn load(words: &[AtomicU64]) -> Option<Key> {
        let mut all = [0; WORDS * WORD_BYTES];
        let (chunks, _) = all.as_chunks_mut();
        for (chunk, word) in chunks.iter_mut().zip(words) {
            *chunk = word.load(Relaxed).to_ne_bytes();
        }
        let length = usize::from(all[0]);
        Key::new(all.get(1..=length)?)
    }
}

#[cfg(test)]
mod tests {
    use std::array::from_fn;
    use std::sync::atomic::AtomicU64;

    use super::{Key, WORDS};

    #[test]
    fn comes_back_as_it_was_whatever_was_there() {
        let bytes: Vec<u8> = (0..64).map(|byte| byte * 3).collect();
        for length in 1..=63 {
            let words: [_; WORDS] = from_fn(|_| AtomicU64::new(u64::MAX));
            let key = Key::new(&bytes[..length]).unwrap();
            assert!(!key.is(&words));
            key.store(&words);
            assert!(key.is(&words) && Key::load(&words) == Some(key), "{length}");
            assert_eq!(key.bytes(), &bytes[..length]);
            let shorter = Key::new(&bytes[..length - 1]);
            assert!(shorter.is_none_or(|shorter| !shorter.is(&words)));
        }
        assert!(Key::new(b"").is_none() && Key::new(&bytes).is_none());
    }

    #[test]
    fn damage_is_no_key() {
        for length in [0u8, 64, 200, 255] {
            let words: [_; WORDS] = from_fn(|_| AtomicU64::new(u64::from_ne_bytes([length; 8])));
            assert!(Key::load(&words).is_none(), "{length}");
        }
    }
}
