//! Turns the values of a row into words of shared memory, and back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::store;

const WORD_BYTES: usize = size_of::<u64>();

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer; 0 to begin with. Takes a word.
    Int,
    /// A floating-point number; 0 to begin with. Takes a word.
    Float,
    /// Bytes, at most so many; none to begin with. Takes a word, and as many as they fill.
    Text {
        /// What is longer is cut.
        bytes_max: u32,
    },
}

/// What is in a column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In a column of [`Kind::Int`].
    Int(i64),
    /// In a column of [`Kind::Float`].
    Float(f64),
    /// In a column of [`Kind::Text`].
    Text(Vec<u8>),
}

impl Kind {
    /// The words that it takes.
    pub(super) fn words(self) -> usize {
        match self {
            Kind::Int | Kind::Float => 1,
            Kind::Text { bytes_max } => 1 + (bytes_max as usize).div_ceil(WORD_BYTES),
        }
    }

    /// What a new row has.
    pub(super) fn zero(self) -> Value {
        match self {
            Kind::Int => Value::Int(0),
            Kind::Float => Value::Float(0.0),
            Kind::Text { .. } => Value::Text(Vec::new()),
        }
    }

    /// Whether a column of this kind holds such values.
    pub(super) fn holds(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Kind::Int, Value::Int(_)) | (Kind::Float, Value::Float(_)) | (Kind::Text { .. }, Value::Text(_))
        )
    }

    /// The words that say anything, for what is in `words`: a text's length may be anything there.
    fn used(self, words: &[AtomicU64]) -> usize {
        match self {
            Kind::Int | Kind::Float => 1,
            Kind::Text { bytes_max } => 1 + length(&words[0], bytes_max).div_ceil(WORD_BYTES),
        }
    }

    /// The value in `words`.
    pub(super) fn load(self, words: &[AtomicU64]) -> Value {
        let first = words[0].load(Relaxed);
        match self {
            Kind::Int => Value::Int(first.cast_signed()),
            Kind::Float => Value::Float(f64::from_bits(first)),
            Kind::Text { bytes_max } => {
                let length = length(&words[0], bytes_max);
                let used = &words[1..self.used(words)];
                let mut bytes: Vec<u8> = used.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
                // Not more than there are: the length may have changed since `used` looked.
                bytes.truncate(length);
                Value::Text(bytes)
            }
        }
    }

    /// Writes `value`, which this holds, to `words`. A text that is too long is cut.
    pub(super) fn store(self, value: &Value, words: &[AtomicU64]) {
        match (self, value) {
            (Kind::Text { bytes_max }, Value::Text(bytes)) => {
                let bytes = &bytes[..bytes.len().min(bytes_max as usize)];
                store(&words[0], bytes.len() as u64, Relaxed);
                for (chunk, word) in bytes.chunks(WORD_BYTES).zip(&words[1..]) {
                    let mut padded = [0; WORD_BYTES];
                    padded[..chunk.len()].copy_from_slice(chunk);
                    store(word, u64::from_ne_bytes(padded), Relaxed);
                }
            }
            (_, Value::Int(int)) => store(&words[0], int.cast_unsigned(), Relaxed),
            (_, Value::Float(float)) => store(&words[0], float.to_bits(), Relaxed),
            (_, Value::Text(_)) => unreachable!("a text in a column of numbers"),
        }
    }

    /// Copies what is in `from` to `to`.
    pub(super) fn copy(self, from: &[AtomicU64], to: &[AtomicU64]) {
        for (from, to) in from.iter().zip(to).take(self.used(from)) {
            store(to, from.load(Relaxed), Relaxed);
        }
    }
}

impl Value {
    /// The sum of two numbers of a kind; integers wrap around.
    pub(super) fn plus(&self, other: &Value) -> Option<Value> {
        match (self, other) {
            (Value::Int(own), Value::Int(other)) => Some(Value::Int(own.wrapping_add(*other))),
            (Value::Float(own), Value::Float(other)) => Some(Value::Float(own + other)),
            _ => None,
        }
    }
}

fn length(word: &AtomicU64, bytes_max: u32) -> usize {
    word.load(Relaxed).min(bytes_max.into()) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::{Kind, Value};

    fn room(kind: Kind) -> Vec<AtomicU64> {
        (0..kind.words()).map(|_| AtomicU64::new(u64::MAX)).collect()
    }

    #[test]
    fn comes_back_as_it_was() {
        let text = |bytes: &[u8]| Value::Text(bytes.to_vec());
        #[rustfmt::skip]
        let cases = [
            // kind,                       words, put in,                 comes out
            (Kind::Int,                    1,     Value::Int(i64::MIN),   Value::Int(i64::MIN)),
            (Kind::Float,                  1,     Value::Float(-0.5),     Value::Float(-0.5)),
            (Kind::Text { bytes_max: 1 },  2,     text(b""),              text(b"")),
            (Kind::Text { bytes_max: 1 },  2,     text(b"ab"),            text(b"a")),
            (Kind::Text { bytes_max: 8 },  2,     text(b"abcdefgh"),      text(b"abcdefgh")),
            (Kind::Text { bytes_max: 9 },  3,     text(b"abcdefgh"),      text(b"abcdefgh")),
            (Kind::Text { bytes_max: 9 },  3,     text(b"abcdefghi\0"),   text(b"abcdefghi")),
            (Kind::Text { bytes_max: 20 }, 4,     text(b"a\0b"),          text(b"a\0b")),
        ];
        for (kind, words, put_in, comes_out) in cases {
            let (here, there) = (room(kind), room(kind));
            assert_eq!(here.len(), words, "{kind:?}");
            kind.store(&put_in, &here);
            assert_eq!(kind.load(&here), comes_out, "{kind:?}");
            kind.copy(&here, &there);
            assert_eq!(kind.load(&there), comes_out, "{kind:?}");
            kind.store(&kind.zero(), &here);
            assert_eq!(kind.load(&here), kind.zero());
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_the_longest() {
        let kind = Kind::Text { bytes_max: 11 };
        let words = room(kind);
        for length in [11, 12, u64::MAX] {
            words[0].store(length, Relaxed);
            assert_eq!(kind.load(&words), Value::Text(vec![255; 11]));
            kind.copy(&words, &room(kind));
        }
    }
}
