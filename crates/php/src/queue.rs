//! What happened to connections, by value, in the order in which a script will hear of it.
//!
//! The loop runs no PHP while it looks at bytes: a callback could suspend there, with the read buffer borrowed. It
//! copies what it sees in here instead, each message into the PHP string that is needed anyhow, and calls back when
//! nothing is borrowed any more. The queue is as long as what one read brings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use wirewool_engine::quota::Quota;
use wirewool_hub::command::Outlet;
use wirewool_hub::event::{Closed, Datagram, Ending, Event, Handler, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_proto::http::request::Request;
use wirewool_proto::websocket::close::Close;
use wirewool_proto::websocket::frame::Opcode;

use crate::zend::value::PhpString;

/// Something that happened to a connection.
pub(crate) enum Item {
    Connected,
    Received(PhpString),
    Request(Box<Request>),
    Upgrade(Box<Request>),
    /// A message, a ping or a pong; whether it came compressed.
    Frame(Opcode, bool, PhpString),
    /// The peer's close frame: its code and reason.
    CloseFrame(Option<(u16, String)>),
    /// The peer broke the protocol.
    Violated,
    Closed(Closed),
    /// A method has closed the connection, and its end is to be told.
    ClosedHere(Closed),
    /// More is owed to the connection than the high watermark.
    BufferFull,
    /// No more than the low watermark.
    BufferEmpty,
}

impl Item {
    /// Does it count for `max_request`?
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Item::Received(_) | Item::Request(_) | Item::Upgrade(_) | Item::Frame(..))
    }
}

impl Item {
    /// What it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Item::Received(data) | Item::Frame(_, _, data) => data.bytes().len(),
            Item::Request(request) | Item::Upgrade(request) => request.body.len(),
            _ => 0,
        }
    }
}

/// A datagram: the index of its port, who has sent it, and what.
pub(crate) struct Packet {
    pub(crate) port: u8,
    pub(crate) sender: SocketAddr,
    pub(crate) data: PhpString,
}

/// What comes next.
pub(crate) enum Next {
    Item(Fd, Item),
    Packet(Packet),
}

/// The queue of a worker.
pub(crate) struct Queue {
    items: VecDeque<(Fd, Item)>,
    packets: VecDeque<Packet>,
    tells_connected: bool,
    is_leaving: bool,
    violations: Quota,
}

impl Queue {
    /// An empty queue; `tells_connected` when somebody wants to hear of new connections.
    pub(crate) fn new(tells_connected: bool) -> Queue {
        let (items, packets) = (VecDeque::new(), VecDeque::new());
        Queue { items, packets, tells_connected, is_leaving: false, violations: Quota::default() }
    }

    /// From now on nothing more is read: what was begun is to come to its end.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
    }

    pub(crate) fn take(&mut self) -> Option<Next> {
        let item = self.items.pop_front().map(|(fd, item)| Next::Item(fd, item));
        item.or_else(|| self.packets.pop_front().map(Next::Packet))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.packets.is_empty()
    }

    /// Takes the end of a connection out of its turn: the server has just closed it, and what came before does not
    /// matter any more.
    pub(crate) fn take_closed(&mut self, fd: Fd) -> Option<Closed> {
        let is_end = |(of, item): &(Fd, Item)| *of == fd && matches!(item, Item::Closed(_));
        let index = self.items.iter().rposition(is_end)?;
        match self.items.remove(index) {
            Some((_, Item::Closed(closed))) => Some(closed),
            _ => None,
        }
    }

    fn add(&mut self, fd: Fd, item: Item) -> Verdict {
        self.items.push_back((fd, item));
        Verdict::Queued
    }

    /// A copy in PHP's memory; without memory left, the worker ends.
    fn add_bytes(&mut self, fd: Fd, bytes: &[u8], item: impl FnOnce(PhpString) -> Item) -> Verdict {
        match PhpString::new(bytes) {
            Ok(string) => self.add(fd, item(string)),
            Err(_) => Verdict::Stop,
        }
    }
}

impl Handler for Queue {
    fn handle(&mut self, fd: Fd, event: Event<'_>, _: &mut dyn Outlet) -> Verdict {
        match event {
            Event::Message(message) => {
                let (opcode, compressed) = (message.kind.opcode(), message.compressed);
                self.add_bytes(fd, message.payload.bytes(), |data| Item::Frame(opcode, compressed, data))
            }
            Event::Ping(payload) => self.add_bytes(fd, payload, |data| Item::Frame(Opcode::Ping, false, data)),
            Event::Pong(payload) => self.add_bytes(fd, payload, |data| Item::Frame(Opcode::Pong, false, data)),
            Event::Received(bytes) => self.add_bytes(fd, bytes, Item::Received),
            Event::Request(request) => self.add(fd, Item::Request(Box::new(request))),
            Event::Upgrade(request) => self.add(fd, Item::Upgrade(Box::new(request))),
            Event::Connected if self.tells_connected => self.add(fd, Item::Connected),
            Event::Connected => Verdict::Handled,
            Event::BufferFull => self.add(fd, Item::BufferFull),
            Event::BufferEmpty => self.add(fd, Item::BufferEmpty),
            Event::Ending(Ending::CloseFrame(payload)) => {
                let close = Close::parse(payload).ok().and_then(|close| Some((close.code?.get(), close.reason.into())));
                self.add(fd, Item::CloseFrame(close))
            }
            Event::Ending(Ending::Violation(violation)) => {
                if self.violations.admits(Instant::now(), "violations of the protocol") {
                    tracing::warn!("connection {fd} is failed with {}: {violation}", violation.close_code());
                }
                self.add(fd, Item::Violated)
            }
            Event::Ending(Ending::Packet(error)) => {
                if self.violations.admits(Instant::now(), "violations of the protocol") {
                    tracing::warn!("connection {fd} is closed: {error}");
                }
                self.add(fd, Item::Violated)
            }
            Event::Closed(closed) => self.add(fd, Item::Closed(closed)),
        }
    }

    fn datagram(&mut self, datagram: Datagram<'_>) -> Verdict {
        let Datagram { port, sender, bytes } = datagram;
        match PhpString::new(bytes) {
            Ok(data) => {
                self.packets.push_back(Packet { port, sender, data });
                Verdict::Queued
            }
            Err(_) => Verdict::Stop,
        }
    }

    fn takes(&mut self, _: Fd, _: Place) -> bool {
        !self.is_leaving
    }
}
