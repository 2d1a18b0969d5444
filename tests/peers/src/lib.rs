//! Drivers and echo servers over WebSocket implementations, ours and those that others wrote, one module for each.
//!
//! A peer is two functions: `serve` sends every message back in pieces of its own, `drive` sends what a `plan::Plan`
//! says and holds what comes back against it.

#![forbid(unsafe_code)]

pub mod check;
pub mod plan;
pub mod with_tungstenite;
pub mod with_wirewool;
pub mod with_yawc;

/// What ends a driver or a server: in words, for a person.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The longest message or frame that a peer takes, in bytes. The longest that is sent is `plan::LARGEST`.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
