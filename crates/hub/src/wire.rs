//! The way out, which the engine lends to the hub call by call.

use crate::event::Status;
use crate::fd::{Fd, Place};
use crate::time::Moment;
use std::io::IoSlice;
use std::time::SystemTime;

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes were taken; fewer than given means that the rest would block.
    Bytes(usize),
    /// The connection is broken.
    Broken,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Bytes to read.
    pub read: bool,
    /// Room to write.
    pub write: bool,
    /// The peer's end of the stream, where nothing is read that would tell.
    pub end: bool,
}

/// When a connection was alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// When something was received from it last, or it was accepted.
    pub heard_at: Moment,
    /// When something was sent to it last, or it was accepted.
    pub sent_at: Moment,
    /// It is not to be closed for its silence.
    pub protected: bool,
}

/// A loop's sockets, each found by its connection's place.
pub trait Wire {
    /// Sends from one piece of memory.
    fn send(&mut self, place: Place, bytes: &[u8]) -> Sent;
    /// Sends from several pieces at once.
    fn send_gathered(&mut self, place: Place, parts: &[IoSlice<'_>]) -> Sent;
    /// Changes what is waited for.
    fn wait_for(&mut self, place: Place, interest: Interest);
    /// Tells the peer that nothing more will come.
    fn shut_down(&mut self, place: Place);
    /// Closes the socket.
    fn close(&mut self, place: Place);
    /// A connection has come further towards being a WebSocket, or back; those who can only see that it exists may want
    /// to know.
    fn status(&mut self, fd: Fd, status: Status);
    /// Nothing more can be sent to a connection. Called once for each, before [`Wire::released`].
    fn closing(&mut self, fd: Fd);
    /// An fd is free; the socket may still be open, to throw away what its peer sends.
    fn released(&mut self, place: Place, fd: Fd);
    /// So many bytes are owed to a connection that it did not take, or that wait for the end of a fragmented message.
    /// Called when that changes, so never for what is sent at once.
    fn owes(&mut self, place: Place, bytes: usize);
    /// When a connection that is open was alive.
    fn signs(&self, place: Place) -> Signs;
    /// Is there something of it that could be read?
    fn has_input(&self, place: Place) -> bool;
    /// The time of day, for a `Date` header.
    fn time_of_day(&self) -> SystemTime;
    /// Microseconds since the loop began, read anew.
    fn micros(&self) -> u64;
}
