//! What a peer can do against the protocol, and the close code that answers it.

use crate::websocket::close::CloseCode;

/// The peer broke RFC 6455; its connection is failed with [`Violation::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// RFC 6455 §5.1: a client masks every frame.
    #[error("an unmasked frame: a client must mask all it sends")]
    Unmasked,
    /// RFC 6455 §5.1: a server masks none.
    #[error("a masked frame: a server must mask nothing it sends")]
    Masked,
    /// RFC 6455 §5.2: a reserved bit that no negotiated extension gives a meaning.
    #[error("a reserved bit is set (RSV {0:03b}) although no extension was negotiated")]
    ReservedBits(u8),
    /// RFC 6455 §5.2: opcodes 3–7 and 11–15.
    #[error("the reserved opcode {0}: wanted 0, 1, 2, 8, 9 or 10")]
    ReservedOpcode(u8),
    /// RFC 6455 §5.2: the shortest form of a length must be used.
    #[error("the payload length {0} is not in its shortest form")]
    LengthNotMinimal(u64),
    /// RFC 6455 §5.2: the most significant bit of a 64-bit length must be 0.
    #[error("the payload length has its top bit set")]
    LengthTopBit,
    /// RFC 6455 §5.5: control frames must not be fragmented.
    #[error("a fragmented control frame (opcode {0})")]
    ControlFragmented(u8),
    /// RFC 6455 §5.5: control frames carry at most 125 bytes.
    #[error("a control frame (opcode {0}) of more than 125 bytes")]
    ControlTooLong(u8),
    /// RFC 6455 §5.4: nothing to continue.
    #[error("a continuation frame although no message is under way")]
    NothingToContinue,
    /// RFC 6455 §5.4: fragments of one message are not interleaved with those of another.
    #[error("a new message although the previous one is not finished: wanted a continuation frame")]
    NotContinued,
    /// RFC 6455 §5.5.1: a close payload is empty or starts with a two-byte code.
    #[error("a close frame of one byte: wanted none, or a two-byte code and a reason")]
    CloseTooShort,
    /// RFC 6455 §7.4: the code is reserved or must not be sent.
    #[error("the close code {0} must not be sent")]
    CloseCodeInvalid(u16),
    /// RFC 6455 §8.1.
    #[error("text that is not UTF-8")]
    TextNotUtf8,
    /// RFC 7692 §7.2.2.
    #[error("a compressed message that cannot be decompressed")]
    Corrupt,
    /// RFC 6455 §5.5.1 and §8.1.
    #[error("a close reason that is not UTF-8")]
    ReasonNotUtf8,
    /// The configured limit of a message.
    #[error("a message of at least {announced} bytes: at most {limit} are accepted")]
    MessageTooBig {
        /// What the frames so far add up to, in bytes.
        announced: u64,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl Violation {
    /// The code of the close frame that fails the connection (RFC 6455 §7.4.1).
    pub fn close_code(self) -> CloseCode {
        match self {
            Violation::TextNotUtf8 | Violation::ReasonNotUtf8 | Violation::Corrupt => CloseCode::INVALID_PAYLOAD,
            Violation::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}
