//! Many connections, pure: who is connected, in what state, what is owed to whom, and until when.
//!
//! * [`hub`]: bytes of a connection become [`event`]s for a handler; [`command`]s become bytes.
//! * [`outbound`], [`outbox`]: the sending halves.
//! * [`deadlines`]: until when a connection may keep the server waiting.
//! * [`wire`]: the way out, lent by the engine; [`settings`]: the limits.
#![forbid(unsafe_code)]

pub mod command;
pub mod deadlines;
pub mod event;
pub mod fd;
pub mod hub;
mod incoming;
pub mod outbound;
pub mod outbox;
pub mod settings;
pub mod time;
pub mod wire;
