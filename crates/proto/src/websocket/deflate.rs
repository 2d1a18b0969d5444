//! Compresses and decompresses message payloads (RFC 7692 §7.2).

use crate::block::Block;
use crate::inflate::{self, InflateError, Inflated};
use crate::websocket::extension::{WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use flate2::{Compress, Compression as Level, Decompress, FlushCompress};
use std::fmt;

/// What ends each flush, and is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How far back a message may refer, in bytes.
const HISTORY_BYTES_MAX: usize = 32 << 10;

/// How many blocks of one message may be marked as the last one. A sender needs one for each flush; each costs a new
/// stream with its history, so that many would keep the loop busy.
const LAST_BLOCKS_MAX: u32 = 64;

/// How many idle inflaters a loop keeps.
const INFLATERS_MAX: usize = 8;

/// The most that compressing may add to a payload, in bytes: a stored block's header for each 16 KiB, and the flush.
pub fn growth_max(len: usize) -> usize {
    len / (16 << 10) * 5 + 32
}

/// Compresses messages.
pub struct Deflater {
    // Elsewhere: a connection that has none yet should not have room for it.
    stream: Box<Compress>,
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

impl Deflater {
    /// A compressor of this level, 1 to 9, and window, 9 to 15 bits.
    ///
    /// # Panics
    /// When either is out of range.
    pub fn new(level: u8, window_bits: u8) -> Deflater {
        assert!((1..=9).contains(&level), "a level from 1 to 9");
        assert!((WINDOW_BITS_MIN..=WINDOW_BITS_MAX).contains(&window_bits), "a window of 9 to 15 bits");
        Deflater { stream: Box::new(Compress::new_with_window_bits(Level::new(level.into()), false, window_bits)) }
    }

    /// Appends the compressed message. What was compressed before is referred to, until [`Deflater::reset`].
    ///
    /// # Panics
    /// When `payload` is empty: nothing is not worth compressing.
    pub fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        assert!(!payload.is_empty(), "an empty message is sent as it is");
        let (start, before) = (out.len(), self.stream.total_in());
        out.reserve(payload.len() / 2 + 64);
        loop {
            let used = (self.stream.total_in() - before) as usize;
            let status = self.stream.compress_vec(&payload[used..], out, FlushCompress::Sync);
            assert!(status.is_ok(), "a compressor fails only when it is misused");
            // With room left, everything is out (zlib's manual, on Z_SYNC_FLUSH).
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len() - start);
        }
        assert!(out.ends_with(&TAIL), "a flush ends with an empty block");
        out.truncate(out.len() - TAIL.len());
    }

    /// Forgets what was compressed before.
    pub fn reset(&mut self) {
        self.stream.reset();
    }
}

/// Decompresses messages.
pub struct Inflater {
    // As for the compressor.
    stream: Box<Decompress>,
    /// How many blocks of the message so far were marked as the last one.
    last_blocks: u32,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

impl Inflater {
    /// A decompressor for windows of up to this many bits. One for 8 is one for 9: zlib knows no smaller one, and a
    /// larger window reads all that a smaller one wrote.
    pub fn new(window_bits: u8) -> Inflater {
        let bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        Inflater { stream: Box::new(Decompress::new_with_window_bits(false, bits)), last_blocks: 0 }
    }

    /// Appends what `input`, a piece of a message, says; at most `bytes_max` bytes in all.
    ///
    /// # Errors
    /// More than that, found out while inflating; or a corrupt stream. The inflater is of no more use then.
    pub fn inflate(&mut self, mut input: &[u8], out: &mut Block, bytes_max: usize) -> Result<(), InflateError> {
        while inflate::append(&mut self.stream, &mut input, out, bytes_max)? == Inflated::StreamEnd {
            self.begin_anew(out)?;
        }
        Ok(())
    }

    /// The message is complete: appends what is still inside.
    ///
    /// # Errors
    /// As [`Inflater::inflate`].
    pub fn finish(&mut self, out: &mut Block, bytes_max: usize) -> Result<(), InflateError> {
        let result = self.inflate(&TAIL, out, bytes_max);
        self.last_blocks = 0;
        result
    }

    /// A block was marked as the last one, which a message may have in it (RFC 7692 §7.2.3.4): the next one begins a new
    /// stream, which may refer back to what its message said so far. (What earlier messages said is lost to it.)
    fn begin_anew(&mut self, out: &Block) -> Result<(), InflateError> {
        self.last_blocks += 1;
        if self.last_blocks > LAST_BLOCKS_MAX {
            return Err(InflateError::Corrupt);
        }
        self.stream.reset(false);
        let history = &out.bytes()[out.len().saturating_sub(HISTORY_BYTES_MAX)..];
        if !history.is_empty() {
            // A raw stream takes a dictionary at its start: this cannot fail, and a reference into nothing would be
            // found when it is met.
            let _ = self.stream.set_dictionary(history);
        }
        Ok(())
    }

    /// Forgets what was decompressed before.
    pub fn reset(&mut self) {
        self.stream.reset(false);
        self.last_blocks = 0;
    }
}

/// A loop's idle inflaters, for connections that keep no context between messages.
#[derive(Debug, Default)]
pub struct Inflaters {
    free: Vec<Inflater>,
}

impl Inflaters {
    /// An inflater for any window.
    pub fn take(&mut self) -> Inflater {
        self.free.pop().unwrap_or_else(|| Inflater::new(WINDOW_BITS_MAX))
    }

    /// Takes an inflater for any window back; one too many is freed.
    pub fn give(&mut self, mut inflater: Inflater) {
        if self.free.len() < INFLATERS_MAX {
            inflater.reset();
            self.free.push(inflater);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::block::Block;
    use crate::inflate::InflateError;
    use crate::websocket::deflate::{Deflater, Inflater};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    const LIMIT: usize = 1 << 20;

    fn inflate(inflater: &mut Inflater, pieces: &[&[u8]], limit: usize) -> Result<Vec<u8>, InflateError> {
        let mut out = Block::default();
        for piece in pieces {
            inflater.inflate(piece, &mut out, limit)?;
        }
        inflater.finish(&mut out, limit)?;
        Ok(out.bytes().to_vec())
    }

    #[test]
    fn examples_of_rfc_7692() {
        // §7.2.3.1 to §7.2.3.5
        let rows: &[(&[&[u8]], &[u8])] = &[
            (&[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]], b"Hello"),
            (&[&[0xf2, 0x48, 0xcd], &[0xc9, 0xc9, 0x07, 0x00]], b"Hello"),
            (&[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]], b"Hello"),
            (&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]], b"Hello"),
            (&[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]], b"Hello"),
            (&[&[0x00]], b""),
        ];
        for (pieces, wanted) in rows {
            let mut inflater = Inflater::new(15);
            assert_eq!(inflate(&mut inflater, pieces, LIMIT), Ok(wanted.to_vec()), "{pieces:x?}");
        }
        // §7.2.3.2: the second message refers to the first.
        let mut inflater = Inflater::new(15);
        assert_eq!(
            inflate(&mut inflater, &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]], LIMIT),
            Ok(b"Hello".to_vec())
        );
        assert_eq!(inflate(&mut inflater, &[&[0xf2, 0x00, 0x11, 0x00, 0x00]], LIMIT), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let mut bytes = Vec::new();
        Deflater::new(9, 15).deflate(&vec![0; 64 << 20], &mut bytes);
        assert!(bytes.len() < 128 << 10);
        let mut out = Block::default();
        assert_eq!(Inflater::new(15).inflate(&bytes, &mut out, LIMIT), Err(InflateError::TooBig));
        assert_eq!((out.len(), out.capacity()), (LIMIT, LIMIT));
    }

    #[test]
    fn exactly_the_limit_is_fine() {
        for size in [1, 1000, LIMIT - 1, LIMIT] {
            let mut bytes = Vec::new();
            Deflater::new(1, 15).deflate(&vec![7; size], &mut bytes);
            assert_eq!(inflate(&mut Inflater::new(15), &[&bytes], size).map(|out| out.len()), Ok(size));
            assert_eq!(inflate(&mut Inflater::new(15), &[&bytes], size - 1), Err(InflateError::TooBig));
        }
    }

    #[test]
    fn garbage_is_corrupt() {
        // So many last blocks are no message, but work without end.
        let last_blocks = [0x03, 0x00].repeat(65);
        for bytes in [&[0xff; 9][..], &[0x06, 0x07, 0x08], &[0x00, 0x05, 0x00, 0x00, 0x00], &last_blocks] {
            assert_eq!(inflate(&mut Inflater::new(15), &[bytes], LIMIT), Err(InflateError::Corrupt), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8), level in 1u8..=9, bits in 9u8..=15, more in 0u8..=6, takeover: bool, cut in any::<proptest::sample::Index>(), repeat in 1usize..20) {
            let mut deflater = Deflater::new(level, bits);
            let mut inflater = Inflater::new((bits + more).min(15));
            for message in messages {
                let message = message.repeat(repeat);
                if message.is_empty() {
                    continue;
                }
                let mut bytes = Vec::new();
                deflater.deflate(&message, &mut bytes);
                let at = cut.index(bytes.len() + 1);
                prop_assert_eq!(inflate(&mut inflater, &[&bytes[..at], &bytes[at..]], message.len()), Ok(message));
                if !takeover {
                    deflater.reset();
                    inflater.reset();
                }
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut in any::<proptest::sample::Index>()) {
            let at = cut.index(bytes.len() + 1);
            let whole = inflate(&mut Inflater::new(15), &[&bytes], 1000);
            prop_assert_eq!(inflate(&mut Inflater::new(15), &[&bytes[..at], &bytes[at..]], 1000), whole);
        }
    }
}
