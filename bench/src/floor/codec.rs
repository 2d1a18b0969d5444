//! Turns compressed messages into messages compressed again: one inflater and one compressor, without contexts.

use crate::floor::reframe::Reframed;
use crate::frame::{COMPRESSED, decode, encode, mask};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// What every compressed message ends with, and no frame carries: RFC 7692, 7.2.1.
pub const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The level of every server in the comparison that has levels.
pub const LEVEL: u32 = 1;

const GROWTH_BYTES: usize = 16 << 10;

/// Inflates and deflates one message at a time.
#[derive(Debug)]
pub struct Codec {
    inflater: Decompress,
    deflater: Compress,
    message: Vec<u8>,
    deflated: Vec<u8>,
    /// The answers to what was reframed last.
    pub out: Vec<u8>,
}

impl Codec {
    /// With windows of 32 KiB.
    pub fn new(level: u32) -> Codec {
        Codec {
            inflater: Decompress::new(false),
            deflater: Compress::new(Compression::new(level), false),
            message: Vec::new(),
            deflated: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Answers every whole frame; the answers are in `out`, not in the buffer.
    pub fn reframe(&mut self, buffer: &mut [u8]) -> Reframed {
        let mut done = Reframed::default();
        self.out.clear();
        while let Some(header) = decode(&buffer[done.used..]) {
            if buffer.len() - done.used < header.frame_bytes() {
                done.wanted = header.frame_bytes();
                break;
            }
            let begin = done.used + header.bytes;
            done.used += header.frame_bytes();
            let payload = &mut buffer[begin..done.used];
            mask(payload, header.key);
            // It serves compressed messages, and nothing else.
            if header.first & COMPRESSED == 0 || self.inflate(payload).is_err() {
                done.closing = true;
                break;
            }
            self.deflate();
            let (answer, bytes) = encode(header.first, self.deflated.len());
            self.out.extend_from_slice(&answer[..bytes]);
            self.out.extend_from_slice(&self.deflated);
        }
        done
    }

    /// What a compressed payload says.
    ///
    /// # Errors
    /// It is not what RFC 7692 makes of a message.
    pub fn inflate(&mut self, payload: &[u8]) -> Result<&[u8], flate2::DecompressError> {
        self.inflater.reset(false);
        self.message.clear();
        for mut part in [payload, &TAIL] {
            loop {
                if self.message.capacity() == self.message.len() {
                    self.message.reserve(GROWTH_BYTES);
                }
                let before = self.inflater.total_in();
                self.inflater.decompress_vec(part, &mut self.message, FlushDecompress::Sync)?;
                part = &part[(self.inflater.total_in() - before) as usize..];
                if part.is_empty() && self.message.len() < self.message.capacity() {
                    break;
                }
            }
        }
        Ok(&self.message)
    }

    /// Compresses a message; for who makes the load.
    pub fn deflate_message(&mut self, message: &[u8]) -> &[u8] {
        self.message.clear();
        self.message.extend_from_slice(message);
        self.deflate();
        &self.deflated
    }

    fn deflate(&mut self) {
        self.deflater.reset();
        self.deflated.clear();
        let mut part = self.message.as_slice();
        loop {
            if self.deflated.capacity() == self.deflated.len() {
                self.deflated.reserve(GROWTH_BYTES);
            }
            let before = self.deflater.total_in();
            let status = self.deflater.compress_vec(part, &mut self.deflated, FlushCompress::Sync);
            status.expect("a compressor that was just reset can compress");
            part = &part[(self.deflater.total_in() - before) as usize..];
            if part.is_empty() && self.deflated.len() < self.deflated.capacity() {
                break;
            }
        }
        self.deflated.truncate(self.deflated.len() - TAIL.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back() {
        let mut codec = Codec::new(LEVEL);
        for length in [1, 100, 1024, 100_000] {
            let message: Vec<u8> = (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
            let deflated = codec.deflate_message(&message).to_vec();
            assert_eq!(codec.inflate(&deflated).unwrap(), message);
        }
    }
}
