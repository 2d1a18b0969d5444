//! What goes up: everything that can happen to a connection.

use crate::command::Outlet;
use crate::fd::{Fd, Place};
use std::net::SocketAddr;
use wirewool_proto::http::request::Request;
use wirewool_proto::packets::PacketError;
use wirewool_proto::websocket::message::Message;
use wirewool_proto::websocket::violation::Violation;

/// Something happened to a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was accepted.
    Connected,
    /// Bytes of a raw connection: those of a read, or a packet if the settings say what that is.
    Received(&'a [u8]),
    /// A plain request with its body; an answer is owed, and nothing more is read until it is complete.
    Request(Request),
    /// An upgrade request that may be accepted; an answer is owed. After one that upgrades, messages follow.
    Upgrade(Request),
    /// A whole message.
    Message(Message<'a>),
    /// A ping, if the settings ask for pings; then the handler owes the pong.
    Ping(&'a [u8]),
    /// A pong, if the settings ask for pongs.
    Pong(&'a [u8]),
    /// Nothing more will be received. What was received before may still be answered, until the handler is done with
    /// this event; then the close frame goes out.
    Ending(Ending<'a>),
    /// More is owed to it than the high mark, if the settings ask for that: it does not take what it is sent.
    BufferFull,
    /// Behind [`Event::BufferFull`]: no more than the low mark is owed to it again.
    BufferEmpty,
    /// The connection is over: nothing can be sent any more. The last event; comes once for each connection.
    Closed(Closed),
}

/// Why a connection ends by the peer's doing.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// Its close frame, with this legal payload.
    CloseFrame(&'a [u8]),
    /// It broke the protocol.
    Violation(Violation),
    /// What a raw connection sent is no packet: no close frame follows.
    Packet(PacketError),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The server ended it, not the peer.
    pub by_server: bool,
    /// How far it had come.
    pub status: Status,
}

/// How far a connection has come towards being a WebSocket, and beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// Raw or plain HTTP.
    Plain = 0,
    /// It asked for an upgrade.
    Upgrading = 1,
    /// It asked for an upgrade which the handler answers all by itself.
    OwnHandshake = 2,
    /// A WebSocket.
    Active = 3,
    /// A WebSocket that the server closes.
    Closing = 4,
}

/// What a handler did with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Handled,
    /// It will be, in its turn: [`Event::Ending`] is then acknowledged by `Command::Finish`, [`Event::Closed`] by
    /// `Command::Forget`.
    Queued,
    /// The handler cannot go on: the pass ends.
    Stop,
}

/// What came to a port that has no connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The index of the port.
    pub port: u8,
    /// Who has sent it.
    pub sender: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// Receives events: of one connection in order.
pub trait Handler {
    /// Something happened to `fd`. What is borrowed is valid during the call; commands go to `out`.
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict;

    /// A datagram came. One that cannot be handled now is dropped: nobody was promised that it arrives.
    fn datagram(&mut self, _datagram: Datagram<'_>) -> Verdict {
        Verdict::Handled
    }

    /// Can it take what a read of this connection would bring? If not, the connection is not read from until the
    /// handler's owner says so.
    fn takes(&mut self, _fd: Fd, _place: Place) -> bool {
        true
    }
}
