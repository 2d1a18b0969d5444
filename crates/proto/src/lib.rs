//! One connection, pure: bytes become meaning and meaning becomes bytes, with no socket and no clock.
//!
//! * [`http`]: requests and responses, read and written by either side (RFC 9110, 9112).
//! * [`websocket`]: handshake, frames, masking, messages, close codes (RFC 6455).
//! * [`packets`]: of raw connections, told apart by a mark or by their length.
//! * [`block`]: the growable buffer that a message is put together in; [`inflate`]: how compressed bytes come into it.
#![forbid(unsafe_code)]

pub mod block;
pub mod http;
pub mod inflate;
pub mod packets;
pub mod websocket;
