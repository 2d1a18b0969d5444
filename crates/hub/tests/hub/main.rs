//! The hub as its engine and its handlers see it, over fake sockets.

mod closing;
mod deflate;
mod fake;
mod levels;
mod packets;
mod ports;
mod random;
mod remote;
mod requests;
mod sending;
mod silence;
mod upgrade;
mod websocket;
