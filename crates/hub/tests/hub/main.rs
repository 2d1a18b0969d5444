//! The hub as its engine and its handlers see it, over fake sockets.

mod closing;
mod deflate;
mod fake;
mod random;
mod requests;
mod sending;
mod upgrade;
mod websocket;
