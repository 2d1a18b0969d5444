//! Turns lengths into frame headers and back, and masks: as little of RFC 6455 as a measurement takes.

/// The opcode of a whole text message, and of a whole binary one.
pub const TEXT: u8 = 1;
/// See [`TEXT`].
pub const BINARY: u8 = 2;
/// The opcode of a close frame, of a ping, and of its answer.
pub const CLOSE: u8 = 8;
/// See [`CLOSE`].
pub const PING: u8 = 9;
/// See [`CLOSE`].
pub const PONG: u8 = 10;
/// The bit of a frame's last fragment, and that of a compressed message.
pub const FIN: u8 = 0x80;
/// See [`FIN`].
pub const COMPRESSED: u8 = 0x40;

const MASKED: u8 = 0x80;

/// What stands in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// Its own length, the key included.
    pub bytes: usize,
    /// How long the payload is.
    pub payload_bytes: usize,
    /// What the payload is masked with; zeros if it is not.
    pub key: [u8; 4],
}

impl Header {
    /// Text, binary, close and so on.
    pub fn opcode(&self) -> u8 {
        self.first & 15
    }

    /// Of header and payload together.
    pub fn frame_bytes(&self) -> usize {
        self.bytes + self.payload_bytes
    }
}

/// The header at the beginning of `input`; `None` as long as it is not all there.
#[inline]
pub fn decode(input: &[u8]) -> Option<Header> {
    let &[first, second, ..] = input else { return None };
    let (payload_bytes, mut bytes) = match second & 127 {
        126 => (usize::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*input.get(2..)?.first_chunk()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let mut key = [0; 4];
    if second & MASKED != 0 {
        key = *input.get(bytes..)?.first_chunk()?;
        bytes += key.len();
    }
    Some(Header { first, bytes, payload_bytes, key })
}

/// A server's header, which has no key: its bytes, and how many of them count.
#[inline]
pub fn encode(first: u8, payload_bytes: usize) -> ([u8; 10], usize) {
    let mut header = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if payload_bytes < 126 {
        header[1] = payload_bytes as u8;
        return (header, 2);
    }
    if let Ok(length) = u16::try_from(payload_bytes) {
        header[1] = 126;
        header[2..4].copy_from_slice(&length.to_be_bytes());
        return (header, 4);
    }
    header[1] = 127;
    header[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
    (header, 10)
}

/// Appends a client's frame: masked.
pub fn append_masked(frames: &mut Vec<u8>, first: u8, key: [u8; 4], payload: &[u8]) {
    let (mut header, length) = encode(first, payload.len());
    header[1] |= MASKED;
    frames.extend_from_slice(&header[..length]);
    frames.extend_from_slice(&key);
    let begin = frames.len();
    frames.extend_from_slice(payload);
    mask(&mut frames[begin..], key);
}

/// Masks or unmasks in place; the inner loops have a fixed length, so that the compiler makes vectors of them.
#[inline]
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    let mut wide = [0; 64];
    for (at, byte) in wide.iter_mut().enumerate() {
        *byte = key[at & 3];
    }
    let (blocks, rest) = payload.as_chunks_mut::<64>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_frame_comes_back() {
        for length in [0, 1, 20, 125, 126, 1024, 65_535, 65_536, 100_003] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut frame = Vec::new();
            append_masked(&mut frame, FIN | BINARY, [1, 2, 3, 4], &payload);
            let header = decode(&frame).unwrap();
            assert_eq!((header.first, header.payload_bytes, header.frame_bytes()), (0x82, length, frame.len()));
            assert_eq!(decode(&frame[..header.bytes - 1]), None);
            mask(&mut frame[header.bytes..], header.key);
            assert_eq!(frame[header.bytes..], payload);
            let (answer, bytes) = encode(FIN | BINARY, length);
            assert_eq!(decode(&answer[..bytes]).unwrap().payload_bytes, length);
        }
    }
}
