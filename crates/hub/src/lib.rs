//! Many connections, pure: who is connected, in what state, what is owed to whom, and until when.
//!
//! * [`hub`]: bytes of a connection become [`event`]s for a handler; [`command`]s become bytes. `requests`,
//!   `incoming`, `frames` and `packets` are its receiving halves.
//! * [`outbound`], [`outbox`], `sending`: the sending halves; `batch`: when they send; `levels`: what is not taken;
//!   `closing`: how they end; `directory`: by fd; `tape`: what many are owed alike.
//! * [`deadlines`]: until when a connection may keep the server waiting; `silence`: when one is closed, or pinged, that
//!   says nothing; `wheel`: who is looked at for that, and when.
//! * [`codec`]: events and commands as bytes, where handlers are in another process; [`remote`]: what else those need.
//! * [`wire`]: the way out, lent by the engine; [`settings`]: the limits.
#![forbid(unsafe_code)]

mod batch;
mod closing;
pub mod codec;
pub mod command;
pub mod deadlines;
mod directory;
pub mod event;
pub mod fd;
mod frames;
pub mod hub;
mod incoming;
mod levels;
pub mod outbound;
pub mod outbox;
mod packets;
pub mod remote;
mod requests;
mod sending;
pub mod settings;
mod silence;
mod tape;
pub mod time;
mod wheel;
pub mod wire;
