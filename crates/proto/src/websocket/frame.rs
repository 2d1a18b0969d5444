//! The frame header: decoding, encoding, and what of it is legal (RFC 6455 §5.2).

use crate::websocket::mask::Key;
use crate::websocket::violation::Violation;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The longest header: two bytes, a 64-bit length, a masking key.
pub const HEADER_BYTES_MAX: usize = 14;

/// RSV1 as [`Header::rsv`] has it: with permessage-deflate, the message is compressed (RFC 7692 §6).
pub const RSV1: u8 = 4;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is (RFC 6455 §5.2, §11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a fragmented message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Any bytes.
    Binary = 2,
    /// The last frame of a side.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    /// The opcode with this number; 3–7 and 11–15 are reserved.
    #[inline]
    pub fn from_number(number: u8) -> Option<Opcode> {
        Some(match number {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong.
    #[inline]
    pub fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    pub rsv: u8,
    /// What it is.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked.
    pub key: Option<Key>,
    /// The header's own length in bytes.
    pub size: usize,
    /// The payload's length in bytes, as declared.
    pub len: u64,
}

/// Reads the header at the start of `input`; `None` when it needs more bytes.
///
/// # Errors
/// What is wrong whoever sends it: reserved opcodes, fragmented or long control frames, a length that is not in its
/// shortest form. Whether masking and the reserved bits are right depends on the connection: its reader checks that.
#[inline]
pub fn decode(input: &[u8]) -> Result<Option<Header>, Violation> {
    let &[first, second, ..] = input else { return Ok(None) };
    let opcode = Opcode::from_number(first & 15).ok_or(Violation::ReservedOpcode(first & 15))?;
    let fin = first & FIN != 0;
    let short = second & !MASKED;
    if opcode.is_control() {
        if !fin {
            return Err(Violation::ControlFragmented(opcode as u8));
        }
        if usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Violation::ControlTooLong(opcode as u8));
        }
    }
    let (at, len) = match short {
        126 => match input.first_chunk::<4>() {
            Some(&[_, _, a, b]) => (4, u64::from(u16::from_be_bytes([a, b]))),
            None => return Ok(None),
        },
        127 => match input.first_chunk::<10>() {
            Some(&[_, _, ref len @ ..]) => (10, u64::from_be_bytes(*len)),
            None => return Ok(None),
        },
        len => (2, u64::from(len)),
    };
    check_length(short, len)?;
    let header = Header { fin, rsv: (first & RSV) >> 4, opcode, key: None, size: at, len };
    if second & MASKED == 0 {
        return Ok(Some(header));
    }
    Ok(input[at..].first_chunk().map(|key| Header { key: Some(*key), size: at + 4, ..header }))
}

/// RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length", "the most significant bit MUST be 0".
#[inline]
fn check_length(short: u8, len: u64) -> Result<(), Violation> {
    match short {
        127 if len >> 63 != 0 => Err(Violation::LengthTopBit),
        127 if len <= 0xffff => Err(Violation::LengthNotMinimal(len)),
        126 if len < 126 => Err(Violation::LengthNotMinimal(len)),
        _ => Ok(()),
    }
}

/// How many bytes a header has whose second byte is `second`.
pub fn header_bytes(second: u8) -> usize {
    let length = match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & MASKED != 0 { 4 } else { 0 }
}

/// An encoded header.
#[derive(Debug, Clone, Copy)]
pub struct Encoded {
    bytes: [u8; HEADER_BYTES_MAX],
    size: u8,
}

impl Encoded {
    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }
}

/// The header of a frame: `rsv` as in [`Header`], the length in its shortest form.
#[inline]
pub fn encode(opcode: Opcode, fin: bool, rsv: u8, len: usize, key: Option<Key>) -> Encoded {
    let mut bytes = [0u8; HEADER_BYTES_MAX];
    bytes[0] = if fin { FIN } else { 0 } | (rsv & 7) << 4 | opcode as u8;
    let mut size = if len < 126 {
        bytes[1] = len as u8;
        2
    } else if let Ok(len) = u16::try_from(len) {
        bytes[1] = 126;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        bytes[1] = 127;
        bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        10
    };
    if let Some(key) = key {
        bytes[1] |= MASKED;
        bytes[size..size + 4].copy_from_slice(&key);
        size += 4;
    }
    Encoded { bytes, size: size as u8 }
}

#[cfg(test)]
mod tests {
    use crate::websocket::frame::{Header, Opcode, decode, encode, header_bytes};
    use crate::websocket::violation::Violation;

    #[test]
    fn what_is_encoded_is_decoded() {
        let opcodes = [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
        for opcode in opcodes {
            for len in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
                for (fin, key) in [(true, None), (false, None), (true, Some([1, 2, 3, 4])), (false, Some([0; 4]))] {
                    if opcode.is_control() && (!fin || len > 125) {
                        continue;
                    }
                    let encoded = encode(opcode, fin, 4, len, key);
                    let bytes = encoded.bytes();
                    let wanted = Header { fin, rsv: 4, opcode, key, size: bytes.len(), len: len as u64 };
                    assert_eq!(decode(bytes), Ok(Some(wanted)));
                    assert_eq!(header_bytes(bytes[1]), bytes.len());
                    for short in 0..bytes.len() {
                        assert_eq!(decode(&bytes[..short]), Ok(None), "{short} of {bytes:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_nobody_may_send() {
        let rows: &[(&[u8], Violation)] = &[
            (b"\x83\x80", Violation::ReservedOpcode(3)),
            (b"\x8f\x00", Violation::ReservedOpcode(15)),
            (b"\x08\x80", Violation::ControlFragmented(8)),
            (b"\x09\x80", Violation::ControlFragmented(9)),
            (b"\x89\xfe", Violation::ControlTooLong(9)),
            (b"\x8a\xff", Violation::ControlTooLong(10)),
            (b"\x81\xfe\x00\x7d", Violation::LengthNotMinimal(125)),
            (b"\x81\xff\0\0\0\0\0\0\xff\xff", Violation::LengthNotMinimal(65535)),
            (b"\x81\xff\x80\0\0\0\0\0\0\0", Violation::LengthTopBit),
        ];
        for (bytes, wanted) in rows {
            assert_eq!(decode(bytes), Err(*wanted), "{bytes:x?}");
        }
    }
}
