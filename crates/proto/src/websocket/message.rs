//! A message: what kind it is and where its bytes are.

use crate::block::Block;
use crate::websocket::frame::Opcode;

/// The two kinds of messages (RFC 6455 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode of the message's first frame.
    pub fn opcode(self) -> Opcode {
        match self {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }
}

/// A message's bytes: borrowed from where they were read, which is the usual case, or put together in a block that
/// its reader may take for good.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Still in the read buffer, or in the sender's memory.
    Borrowed(&'a [u8]),
    /// Reassembled. Whoever wants to keep it takes the block; what is left goes back to the pool.
    Whole(&'a mut Block),
}

impl Payload<'_> {
    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Whole(block) => block.bytes(),
        }
    }
}

/// A received message. Text has been checked: it is UTF-8.
#[derive(Debug)]
pub struct Message<'a> {
    /// Text or binary.
    pub kind: Kind,
    /// Its bytes.
    pub payload: Payload<'a>,
    /// It came compressed.
    pub compressed: bool,
}
