//! Turns a single WebSocket frame into bytes and back, with no connection: `pack()` and `unpack()`.

use wirewool_proto::block::Block;
use wirewool_proto::websocket::close::REASON_BYTES_MAX;
use wirewool_proto::websocket::deflate::{Deflater, Inflater};
use wirewool_proto::websocket::extension::{Compression, WINDOW_BITS_MAX};
use wirewool_proto::websocket::frame::{self, CONTROL_BYTES_MAX, Opcode};
use wirewool_proto::websocket::mask::{self, Key};

/// `SWOOLE_WEBSOCKET_FLAG_*`.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const COMPRESS: u8 = 2;
    pub(crate) const RSV1: u8 = 4;
    pub(crate) const RSV2: u8 = 8;
    pub(crate) const RSV3: u8 = 16;
    pub(crate) const MASK: u8 = 32;
    /// Any other bit is masked off.
    pub(crate) const ALL: u8 = 63;
}

/// What a compressed frame may come to when it is unpacked, in bytes.
const INFLATED_BYTES_MAX: usize = 64 << 20;

/// Why a frame cannot be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackError {
    /// An opcode that no frame has.
    Opcode(i64),
    /// A control frame with more than 125 bytes.
    ControlTooLong,
    /// A close reason with more than 125 bytes; 124 and 125 are cut.
    ReasonTooLong,
}

impl std::fmt::Display for PackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PackError::Opcode(opcode) => write!(f, "opcode[{opcode}] is invalid: must be 0, 1, 2, 8, 9 or 10"),
            PackError::ControlTooLong => {
                write!(f, "websocket control frame payload must not exceed {CONTROL_BYTES_MAX} bytes")
            }
            PackError::ReasonTooLong => write!(f, "the max length of close reason is {CONTROL_BYTES_MAX}"),
        }
    }
}

/// The opcode with this number.
///
/// # Errors
/// [`PackError::Opcode`] for a reserved one.
pub(crate) fn opcode(number: i64) -> Result<Opcode, PackError> {
    let known = u8::try_from(number).ok().and_then(Opcode::from_number);
    known.ok_or(PackError::Opcode(number))
}

/// A frame's bytes. RSV2 and RSV3 are never sent, control frames are never fragments. With [`flag::MASK`] in `flags`,
/// `key` masks the payload.
///
/// # Errors
/// [`PackError::ControlTooLong`].
pub(crate) fn pack(opcode: Opcode, flags: u8, payload: &[u8], key: Key) -> Result<Vec<u8>, PackError> {
    if opcode.is_control() && payload.len() > CONTROL_BYTES_MAX {
        return Err(PackError::ControlTooLong);
    }
    let fin = flags & flag::FIN != 0 || opcode.is_control();
    let mut rsv = if flags & flag::RSV1 != 0 { frame::RSV1 } else { 0 };
    let mut deflated = Vec::new();
    // A whole message; what has no end yet, and what is nothing, is not worth compressing.
    let whole = fin && !payload.is_empty() && matches!(opcode, Opcode::Text | Opcode::Binary);
    if flags & flag::COMPRESS != 0 && rsv == 0 && whole {
        Deflater::new(Compression::default().level, WINDOW_BITS_MAX).deflate(payload, &mut deflated);
        rsv = frame::RSV1;
    }
    let payload = if deflated.is_empty() { payload } else { &deflated };
    let key = (flags & flag::MASK != 0).then_some(key);
    let header = frame::encode(opcode, fin, rsv, payload.len(), key);
    let mut bytes = Vec::with_capacity(header.bytes().len() + payload.len());
    bytes.extend_from_slice(header.bytes());
    bytes.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(&mut bytes[header.bytes().len()..], key);
    }
    Ok(bytes)
}

/// A close frame's payload: the code, and the reason cut to what fits at the end of a character.
///
/// # Errors
/// [`PackError::ReasonTooLong`].
pub(crate) fn close_payload(code: u16, reason: &[u8]) -> Result<Vec<u8>, PackError> {
    if reason.len() > CONTROL_BYTES_MAX {
        return Err(PackError::ReasonTooLong);
    }
    let mut end = reason.len().min(REASON_BYTES_MAX);
    if end < reason.len() {
        // A byte 10xxxxxx goes on with a character.
        while end > 0 && reason[end] & 0xc0 == 0x80 {
            end -= 1;
        }
    }
    Ok([&code.to_be_bytes(), &reason[..end]].concat())
}

/// A frame that was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) opcode: Opcode,
    /// As on the wire; but RSV1 became COMPRESS when the payload was decompressed.
    pub(crate) flags: u8,
    /// Unmasked, and decompressed if it was compressed.
    pub(crate) payload: Vec<u8>,
}

/// The frame at the start of `bytes`; none if it is incomplete or no frame. What follows it is ignored.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Unpacked> {
    let header = frame::decode(bytes).ok()??;
    let length = usize::try_from(header.len).ok()?;
    let end = header.size.checked_add(length)?;
    let mut payload = bytes.get(header.size..end)?.to_vec();
    let mut flags = 0;
    if header.fin {
        flags |= flag::FIN;
    }
    for (bit, flag) in [(4, flag::RSV1), (2, flag::RSV2), (1, flag::RSV3)] {
        if header.rsv & bit != 0 {
            flags |= flag;
        }
    }
    if let Some(key) = header.key {
        flags |= flag::MASK;
        mask::apply(&mut payload, key);
    }
    let whole = header.fin && matches!(header.opcode, Opcode::Text | Opcode::Binary);
    // What cannot be decompressed was made by some other extension, or by the script: it stays as it is.
    if flags & flag::RSV1 != 0
        && whole
        && let Some(inflated) = inflate(&payload)
    {
        payload = inflated;
        flags = flags & !flag::RSV1 | flag::COMPRESS;
    }
    Some(Unpacked { opcode: header.opcode, flags, payload })
}

/// What a compressed payload says; none if it is corrupt or more than [`INFLATED_BYTES_MAX`].
fn inflate(payload: &[u8]) -> Option<Vec<u8>> {
    let (mut inflater, mut block) = (Inflater::new(WINDOW_BITS_MAX), Block::default());
    inflater.inflate(payload, &mut block, INFLATED_BYTES_MAX).ok()?;
    inflater.finish(&mut block, INFLATED_BYTES_MAX).ok()?;
    Some(block.bytes().to_vec())
}
