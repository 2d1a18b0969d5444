//! Turns slices of bytes into the words of a ring, across its end, and back.

use std::sync::atomic::Ordering::Relaxed;

use crate::ring::WORD_BYTES;
use crate::sync::AtomicU64;

const WORD: usize = WORD_BYTES as usize;

/// Where the index `at`, a multiple of 8, lies among `words`, a power of two of them.
fn place(words: &[AtomicU64], at: u64) -> usize {
    // The low bits are the same whatever the width of usize.
    (at / WORD_BYTES) as usize & (words.len() - 1)
}

/// The word at the index `at`.
pub(crate) fn word(words: &[AtomicU64], at: u64) -> u64 {
    words[place(words, at)].load(Relaxed)
}

/// Copies out what lies from the index `at` on, at most a ring full.
pub(crate) fn copy_out(words: &[AtomicU64], at: u64, into: &mut [u8]) {
    let (lap, straight) = words.split_at(place(words, at));
    let (before_end, after_end) = into.split_at_mut(into.len().min(straight.len() * WORD));
    copy_straight(straight, before_end);
    copy_straight(lap, after_end);
}

fn copy_straight(words: &[AtomicU64], into: &mut [u8]) {
    let (chunks, rest) = into.as_chunks_mut();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.load(Relaxed).to_ne_bytes();
    }
    // Not one word more: the next may be the other side's.
    if let (false, Some(word)) = (rest.is_empty(), words.get(chunks.len())) {
        rest.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..rest.len()]);
    }
}

/// Writes words from an index on; bytes that do not fill one wait for the next.
pub(crate) struct Sink<'a> {
    words: &'a [AtomicU64],
    place: usize,
    partial: [u8; WORD],
    filled: usize,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(words: &'a [AtomicU64], at: u64) -> Sink<'a> {
        Sink { words, place: place(words, at), partial: [0; WORD], filled: 0 }
    }

    pub(crate) fn put_word(&mut self, word: u64) {
        self.words[self.place].store(word, Relaxed);
        self.place = (self.place + 1) & (self.words.len() - 1);
    }

    pub(crate) fn put(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 {
            let count = bytes.len().min(WORD - self.filled);
            let (head, rest) = bytes.split_at(count);
            self.partial[self.filled..self.filled + count].copy_from_slice(head);
            self.filled += count;
            bytes = rest;
            if self.filled < WORD {
                return;
            }
            self.put_word(u64::from_ne_bytes(self.partial));
        }
        // At most twice around: up to the end of the ring, and from its beginning on.
        while bytes.len() >= WORD {
            let count = (bytes.len() / WORD).min(self.words.len() - self.place);
            let (straight, rest) = bytes.split_at(count * WORD);
            let (chunks, _) = straight.as_chunks();
            for (word, chunk) in self.words[self.place..].iter().zip(chunks) {
                word.store(u64::from_ne_bytes(*chunk), Relaxed);
            }
            self.place = (self.place + count) & (self.words.len() - 1);
            bytes = rest;
        }
        self.partial[..bytes.len()].copy_from_slice(bytes);
        self.filled = bytes.len();
    }

    /// Pads what is left to a word.
    pub(crate) fn finish(mut self) {
        if self.filled > 0 {
            self.partial[self.filled..].fill(0);
            self.put_word(u64::from_ne_bytes(self.partial));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Sink, copy_out, word};
    use crate::sync::AtomicU64;

    #[test]
    fn comes_out_as_it_went_in() {
        let bytes: Vec<u8> = (1..=64).collect();
        for place in 0..8 {
            for length in 0..=64 {
                for cut in 0..=length {
                    let words: [AtomicU64; 8] = std::array::from_fn(|_| AtomicU64::new(u64::MAX));
                    let at = 64 * 5 + 8 * place;
                    let mut sink = Sink::new(&words, at);
                    sink.put(&bytes[..cut]);
                    sink.put(&[]);
                    sink.put(&bytes[cut..length]);
                    sink.finish();
                    let mut out = vec![0; length];
                    copy_out(&words, at, &mut out);
                    assert_eq!(out, bytes[..length], "at {at}, cut at {cut}");
                    if !length.is_multiple_of(8) {
                        let last = word(&words, at + length as u64 / 8 * 8).to_ne_bytes();
                        assert!(last[length % 8..].iter().all(|byte| *byte == 0), "padded with zeroes");
                    }
                    let untouched = (length.div_ceil(8) as u64..8).map(|index| word(&words, at + 8 * index));
                    assert!(untouched.into_iter().all(|word| word == u64::MAX), "and no further");
                }
            }
        }
    }
}
