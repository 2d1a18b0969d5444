//! All connections of one loop: bytes in, events up, commands down, bytes out.

use crate::command::{Command, Info};
use crate::deadlines::Wait;
use crate::event::{Event, Handler, Status, Verdict};
use crate::fd::{Fd, Place};
use crate::frames::{self, broken, deliver_frame, websocket};
use crate::incoming::Incoming;
use crate::outbound::{Outbound, Outgoing};
use crate::packets::packets;
use crate::sending::{Phase, Reply};
use crate::settings::{Protocol, Settings};
use crate::silence::Silence;
use crate::time::Moment;
use crate::wire::Wire;
use wirewool_proto::http::response::Response;
use wirewool_proto::packets::{PacketReader, Packets};
use wirewool_proto::websocket::receiver::Receiver;
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::{close, frame};

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) enum Receiving {
    /// No connection, or one of which nothing more is looked at.
    Over,
    /// Bytes without a meaning.
    Raw,
    /// Packets. Between two of them nothing is kept.
    Packets(Packets, Option<Box<PacketReader>>),
    /// Requests. Between two of them nothing is kept.
    Http(Option<Box<Incoming>>),
    /// A request was handed out; what came behind it waits for the answer.
    Waiting(Option<Box<Held>>),
    /// Frames.
    WebSocket(Receiver),
}

/// What came behind a request, looked at up to `at`.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: usize,
}

/// Where the next read of a connection goes.
#[derive(Debug)]
pub enum Target<'a> {
    /// Into the loop's buffer.
    Shared,
    /// Straight into the message that is under way.
    Own(&'a mut [u8]),
    /// Nowhere: it must not be read from now.
    Nowhere,
}

/// All connections of one loop.
#[derive(Debug)]
pub struct Hub {
    pub(crate) receiving: Vec<Receiving>,
    pub(crate) out: Outbound,
    free: Vec<u32>,
}

impl Hub {
    /// A hub without connections, for the ports that have these settings.
    ///
    /// # Panics
    /// Without a port.
    pub fn new(ports: Vec<Settings>) -> Hub {
        Hub { receiving: Vec::new(), out: Outbound::new(ports), free: Vec::new() }
    }

    /// A new connection, accepted by the port with this index. [`Hub::announce`] follows once its socket is in place.
    ///
    /// # Panics
    /// If there is no such port.
    pub fn open(&mut self, fd: Fd, port: u8) -> Place {
        let row = self.free.pop().unwrap_or(self.receiving.len() as u32);
        let place = self.out.open(row, fd, port);
        let receiving = match self.out.settings(row).protocol {
            Protocol::Raw => match self.out.settings(row).packets {
                None => Receiving::Raw,
                Some(packets) => Receiving::Packets(packets, None),
            },
            Protocol::Http | Protocol::WebSocket => {
                self.out.deadlines.set(row, Wait::Head, self.out.now);
                Receiving::Http(None)
            }
        };
        match self.receiving.get_mut(row as usize) {
            Some(free) => *free = receiving,
            None => self.receiving.push(receiving),
        }
        place
    }

    /// Tells the handler about a new connection.
    pub fn announce(&mut self, place: Place, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        let Some(row) = self.out.row(place) else { return Verdict::Handled };
        match self.deliver(row, Event::Connected, wire, handler) {
            Verdict::Stop => Verdict::Stop,
            _ => self.settle(wire, handler),
        }
    }

    /// Is no socket open any more, those included that only wait for their peer's end?
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.receiving.len()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.out.connections()
    }

    /// Where the next read of a connection goes; from `direct_bytes_min` missing bytes on, into its message.
    #[inline]
    pub fn target(&mut self, place: Place, direct_bytes_min: usize, wire: &mut dyn Wire) -> Target<'_> {
        let Some(row) = self.out.row(place) else { return Target::Nowhere };
        let sending = &self.out.rows[row as usize];
        match (sending.phase, &mut self.receiving[row as usize]) {
            (Phase::Open, _) if sending.stalled => Target::Nowhere,
            (Phase::Open, Receiving::WebSocket(receiver)) => match receiver.direct(direct_bytes_min) {
                Some(room) => Target::Own(room),
                None => Target::Shared,
            },
            (Phase::Open, Receiving::Http(_) | Receiving::Raw | Receiving::Packets(..)) => Target::Shared,
            (Phase::Closing | Phase::Draining, _) if sending.discards() => Target::Shared,
            _ => {
                self.out.pause(row, true, wire);
                Target::Nowhere
            }
        }
    }

    /// Does the first frame of `input` go on behind it, and would all of it fit `room` bytes?
    #[cold]
    pub fn wants_more(&self, place: Place, input: &[u8], room: usize) -> bool {
        match self.receiving.get(place.index()) {
            Some(Receiving::WebSocket(receiver)) if receiver.is_idle() => match frame::decode(input) {
                Ok(Some(header)) => {
                    let end = header.len.saturating_add(header.size as u64);
                    end > input.len() as u64 && end <= room as u64
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Are so many bytes of a message missing that the next read goes straight into it?
    #[inline]
    pub fn is_within_message(&mut self, place: Place, direct_bytes_min: usize) -> bool {
        match self.receiving.get_mut(place.index()) {
            Some(Receiving::WebSocket(receiver)) => receiver.direct(direct_bytes_min).is_some(),
            _ => false,
        }
    }

    /// Takes what one read brought.
    #[inline]
    pub fn receive(
        &mut self,
        place: Place,
        input: &mut [u8],
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> Verdict {
        let Some(row) = self.out.row(place) else { return Verdict::Handled };
        if self.process(row, input, wire, handler) == Verdict::Stop {
            return Verdict::Stop;
        }
        self.settle(wire, handler)
    }

    /// Takes the `n` bytes that were read into [`Target::Own`].
    pub fn received_directly(
        &mut self,
        place: Place,
        n: usize,
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> Verdict {
        let Some(row) = self.out.row(place) else { return Verdict::Handled };
        let Receiving::WebSocket(receiver) = &mut self.receiving[row as usize] else { return Verdict::Handled };
        self.out.more = false;
        let verdict = match receiver.filled(n) {
            Ok(None) => return Verdict::Handled,
            Ok(Some(event)) => deliver_frame(&mut self.out, row, event, wire, handler),
            Err(violation) => broken(&mut self.out, row, violation, wire, handler),
        };
        receiver.recycle(&mut self.out.spares.pool);
        if verdict == Verdict::Stop { Verdict::Stop } else { self.settle(wire, handler) }
    }

    /// The peer ended its stream.
    pub fn end_of_stream(&mut self, place: Place, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        if let Some(row) = self.out.row(place) {
            self.out.end_of_stream(row, wire);
        }
        self.settle(wire, handler)
    }

    /// The peer ended its stream, which is not read from now.
    pub fn peer_ended(&mut self, place: Place, wire: &mut dyn Wire) {
        if let Some(row) = self.out.row(place) {
            self.out.peer_ended(row, wire);
        }
    }

    /// The connection is broken, or its peer is gone in both directions.
    pub fn broken(&mut self, place: Place, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        if let Some(row) = self.out.row(place) {
            self.out.gone(row, wire);
        }
        self.settle(wire, handler)
    }

    /// There is room to write again.
    pub fn writable(&mut self, place: Place, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        if let Some(row) = self.out.row(place) {
            self.out.drain(row, wire);
        }
        self.settle(wire, handler)
    }

    /// Whose place it is, if what it sends goes to the handler now.
    #[inline]
    pub fn heard(&self, place: Place) -> Option<Fd> {
        let sending = &self.out.rows[self.out.row(place)? as usize];
        sending.fd.filter(|_| sending.phase == Phase::Open && !sending.stalled)
    }

    /// Is there such a connection?
    #[inline]
    pub fn has(&self, fd: Fd) -> bool {
        self.out.find(fd).is_some()
    }

    /// What is known of a connection.
    pub fn info(&self, fd: Fd) -> Option<Info> {
        self.out.info(fd)
    }

    /// The first connection in a row from `row` on, and the row behind it.
    pub fn next_connection(&self, row: u32) -> Option<(Fd, u32)> {
        self.out.next_connection(row)
    }

    /// The next deadline.
    pub fn next_deadline(&self) -> Option<Moment> {
        let silence = self.out.silence.as_ref().and_then(Silence::next);
        [self.out.deadlines.next(), silence].into_iter().flatten().min()
    }

    /// A pass begins at `now`: what is overdue ends.
    pub fn tick(&mut self, now: Moment, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        self.out.now = now;
        let mut late = false;
        while let Some((row, wait)) = self.out.deadlines.take_expired(now) {
            late = true;
            self.overdue(row, wait, wire);
        }
        late |= self.out.end_silent(wire);
        if late { self.settle(wire, handler) } else { Verdict::Handled }
    }

    /// How many connections were looked at for their silence, since the beginning.
    pub fn silence_visits(&self) -> u64 {
        self.out.silence.as_ref().map_or(0, |silence| silence.visits)
    }

    /// Closes now whoever has been silent for too long, also where a later pass would have been early enough. It costs
    /// a look at each connection. [`Hub::settle`] follows.
    pub fn end_silent(&mut self, wire: &mut dyn Wire) {
        self.out.end_silent_now(wire);
    }

    fn overdue(&mut self, row: u32, wait: Wait, wire: &mut dyn Wire) {
        match wait {
            Wait::Flush | Wait::Close => self.out.gone(row, wire),
            Wait::KeepAlive => self.out.close(row, true, wire),
            Wait::Handshake if self.out.rows[row as usize].reply == Reply::Begun => self.out.close(row, true, wire),
            Wait::Handshake => self.refuse(row, &Response::new(503), wire),
            Wait::Head => match &self.receiving[row as usize] {
                Receiving::Http(Some(_)) => self.refuse(row, &Response::new(408), wire),
                _ => self.out.close(row, true, wire),
            },
        }
    }

    /// Closes all connections: WebSockets with this code, the others as they are.
    pub fn close_all(&mut self, code: close::CloseCode, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        let mut row = 0;
        while let Some((fd, next)) = self.out.next_connection(row) {
            row = next;
            let command = match self.out.rows[row as usize - 1].status {
                Status::Active => Command::Disconnect { code, reason: "" },
                _ => Command::Close { reset: false },
            };
            // One that is closing already needs no more.
            let _ = self.out.apply(fd, command, wire);
        }
        self.settle(wire, handler)
    }

    /// Where commands go that do not come from inside a handler. While `more` input of the same batch waits to be
    /// handled, what they send waits for the end of the batch.
    #[inline]
    pub fn outlet<'a>(&'a mut self, wire: &'a mut dyn Wire, more: bool) -> Outgoing<'a> {
        self.out.more = more;
        Outgoing { out: &mut self.out, wire }
    }

    /// Is what waits for the end of its batch late? Then it goes out.
    pub fn flush_if_late(&mut self, wire: &mut dyn Wire) {
        self.out.flush_if_late(wire);
    }

    /// The end of a batch: answered connections go on, the handler hears of ended ones, and what is owed goes out.
    #[inline]
    pub fn settle(&mut self, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        self.out.more = false;
        loop {
            self.out.flush_dirty(wire);
            let Outbound { answered, crossed, ended, freed, .. } = &self.out;
            if answered.is_empty() && crossed.is_empty() && ended.is_empty() && freed.is_empty() {
                return Verdict::Handled;
            }
            if self.settle_one(wire, handler) == Verdict::Stop {
                return Verdict::Stop;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_one(&mut self, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        if let Some(row) = self.out.answered.pop() {
            return self.resume(row, wire, handler);
        }
        if let Some((row, event)) = self.out.next_crossed() {
            return self.deliver(row, event, wire, handler);
        }
        if let Some(row) = self.out.ended.pop() {
            self.receiving[row as usize] = Receiving::Over;
            let closed = self.out.tell(row);
            let verdict = self.deliver(row, Event::Closed(closed), wire, handler);
            if verdict == Verdict::Handled {
                let _ = self.out.forget(row, wire);
            }
            return verdict;
        }
        while let Some(row) = self.out.freed.pop() {
            self.receiving[row as usize] = Receiving::Over;
            self.free.push(row);
        }
        Verdict::Handled
    }

    /// A request was answered: what came behind it is looked at now, unless the peer does not take its answers, or the
    /// handler is behind.
    fn resume(&mut self, row: u32, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        let sending = &mut self.out.rows[row as usize];
        if sending.phase != Phase::Open || sending.reply != Reply::Given || sending.congested || sending.stalled {
            return Verdict::Handled;
        }
        sending.reply = Reply::None;
        let websocket = sending.status == Status::Active;
        let receiver = match &sending.deflation {
            Some(deflation) => deflation.receiver(),
            None => Receiver::new(Role::Server),
        };
        let next = if websocket { Receiving::WebSocket(receiver) } else { Receiving::Http(None) };
        let before = std::mem::replace(&mut self.receiving[row as usize], next);
        let verdict = match before {
            Receiving::Waiting(Some(mut held)) if websocket => {
                self.process(row, &mut held.bytes[held.at..], wire, handler)
            }
            Receiving::Waiting(Some(held)) => self.held_requests(row, held, wire, handler),
            _ => Verdict::Handled,
        };
        if !matches!(self.receiving[row as usize], Receiving::Waiting(_)) {
            self.out.pause(row, false, wire);
        }
        verdict
    }

    #[inline]
    fn process(&mut self, row: u32, input: &mut [u8], wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        match self.out.rows[row as usize].phase {
            Phase::Open => match &mut self.receiving[row as usize] {
                Receiving::WebSocket(receiver) => {
                    if self.out.ports.len() > 1 {
                        self.out.message_bytes_max = self.out.settings(row).message_bytes_max;
                    }
                    websocket(receiver, &mut self.out, row, input, wire, handler)
                }
                Receiving::Http(_) => self.requests(row, input, wire, handler),
                Receiving::Raw => self.deliver(row, Event::Received(input), wire, handler),
                Receiving::Packets(..) => self.packets(row, input, wire, handler),
                Receiving::Waiting(_) | Receiving::Over => {
                    debug_assert!(false, "read although there was no target");
                    Verdict::Handled
                }
            },
            Phase::Closing | Phase::Draining => {
                self.out.discard(row, input.len(), wire);
                Verdict::Handled
            }
            _ => Verdict::Handled,
        }
    }

    #[cold]
    #[inline(never)]
    fn packets(&mut self, row: u32, input: &[u8], wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        let Receiving::Packets(kind, held) = &mut self.receiving[row as usize] else { return Verdict::Handled };
        let mut reader = held.take().unwrap_or_default();
        let verdict = packets(*kind, &mut reader, &mut self.out, row, input, wire, handler);
        *held = Some(reader).filter(|reader| !reader.is_empty());
        verdict
    }

    pub(crate) fn deliver(
        &mut self,
        row: u32,
        event: Event<'_>,
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> Verdict {
        frames::deliver(&mut self.out, row, event, wire, handler)
    }
}
