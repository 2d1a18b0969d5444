//! The WebSocket protocol of RFC 6455, from either side.

pub mod client;
pub mod close;
pub mod deflate;
pub mod deflation;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod keys;
pub mod mask;
pub mod message;
pub mod receiver;
pub mod role;
pub mod sender;
pub mod upgrade;
pub mod utf8;
pub mod violation;
