//! The handler: notes what it hears and what it was allowed to send, and does what it should, or something else.

use crate::choices::Choices;
use crate::frames::Seen;
use crate::hub::heard::Heard;
use crate::hub::peer::Peer;
use crate::hub::sent::{Frame, Piece};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use wirewool_hub::command::{After, Command, Outlet, Push, Refused};
use wirewool_hub::event::{Ending, Event, Handler, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::hub::Hub;
use wirewool_hub::settings::Settings;
use wirewool_proto::block::Block;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::{Agreement, Compression, negotiate};
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;

/// When the handler does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In the call, mostly.
    AtOnce,
    /// After each turn, as a worker does that runs a script.
    Later,
    /// Some day.
    OnDemand,
}

/// One connection, as far as it can be known from outside.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) fd: Fd,
    pub(crate) place: Place,
    pub(crate) peer: Peer,
    /// All bytes that the hub was given.
    pub(crate) read: Vec<u8>,
    pub(crate) heard: Vec<Heard>,
    /// Complete answers that were accepted.
    pub(crate) answers: Vec<After>,
    /// What was accepted for sending.
    pub(crate) pieces: Vec<Piece>,
    /// What of it waits for the end of a fragmented message.
    pub(crate) held: Vec<Piece>,
    within: bool,
    /// What its last upgrade request allows.
    offered: Option<Agreement>,
    /// The handler, or its server, ended it.
    pub(crate) ended_here: bool,
    /// The last that was heard: is more owed to it than the high mark? And how often it was.
    pub(crate) full: bool,
    pub(crate) filled: usize,
    /// The most that it was sent because there was room promised for it, in bytes.
    pub(crate) promised: usize,
    /// Its handler is behind.
    pub(crate) stalled: bool,
    /// What it is owed may be lost.
    pub(crate) lossy: bool,
    pub(crate) forgotten: bool,
    stamps: usize,
}

impl Connection {
    pub(crate) fn new(fd: Fd, place: Place) -> Connection {
        Connection {
            fd,
            place,
            peer: Peer::default(),
            read: Vec::new(),
            heard: Vec::new(),
            answers: Vec::new(),
            pieces: Vec::new(),
            held: Vec::new(),
            within: false,
            offered: None,
            ended_here: false,
            full: false,
            filled: 0,
            promised: 0,
            stalled: false,
            lossy: false,
            forgotten: false,
            stamps: 0,
        }
    }

    pub(crate) fn is_told(&self) -> bool {
        matches!(self.heard.last(), Some(Heard::Closed(_)))
    }

    /// Did its peer end it?
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.heard.last(), Some(Heard::Frame(Seen::Close(_) | Seen::Broke(_))))
    }

    /// Is it open, and its handler behind?
    pub(crate) fn must_not_be_read(&self, hub: &Hub) -> bool {
        self.stalled && !self.is_ending() && hub.info(self.fd).is_some_and(|info| info.open)
    }

    /// The most that all that was accepted can be, in bytes.
    pub(crate) fn accepted_bytes_max(&self) -> usize {
        self.pieces.iter().chain(&self.held).map(Piece::bytes_max).sum()
    }

    /// What compression was agreed on, if it is a WebSocket and any was.
    pub(crate) fn agreement(&self) -> Option<Agreement> {
        self.answers.iter().find_map(|after| if let After::Upgrade(agreement) = after { *agreement } else { None })
    }

    /// Bytes that no other connection is sent, and this one only once. Behind their stamp they are always the same: what
    /// a compressor finds of earlier ones is as far back as they are long.
    fn stamped(&mut self, len: usize) -> Vec<u8> {
        self.stamps += 1;
        let stamp = format!("<{}.{}>", self.fd, self.stamps);
        let letters =
            (1u32..).map(|number| b'a' + (number.wrapping_mul(number).wrapping_mul(2_654_435_761) >> 28) as u8);
        stamp.bytes().chain(letters).take(len).collect()
    }

    fn pushed(&mut self, frame: Frame) {
        if self.within && frame.fin && matches!(frame.opcode, Opcode::Text | Opcode::Binary) {
            self.held.push(Piece::Frame(frame));
            return;
        }
        if !frame.opcode.is_control() {
            self.within = !frame.fin;
        }
        self.pieces.push(Piece::Frame(frame));
        if !self.within {
            self.pieces.append(&mut self.held);
        }
    }
}

/// The handler and all connections that there were.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) settings: Settings,
    pub(crate) wanted: Compression,
    pub(crate) manner: Manner,
    pub(crate) connections: Vec<Connection>,
    pub(crate) queue: VecDeque<(Fd, Heard)>,
    pub(crate) clock: Rc<Cell<u64>>,
    /// What it does beside what it should: a few choices for each event, then the first ones again.
    pub(crate) whims: Vec<&'a [u8]>,
    pub(crate) whim: usize,
}

impl Handler for Server<'_> {
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict {
        let at = self.index(fd);
        let heard = self.hear(event);
        let connection = &mut self.connections[at];
        assert!(out.has(fd) && !connection.is_told(), "{heard:?} behind the end");
        match (&heard, connection.heard.last_mut()) {
            (Heard::Level(full), _) => {
                assert!(self.settings.buffer_events && !connection.is_ending());
                assert_ne!(std::mem::replace(&mut connection.full, *full), *full, "{fd}: heard twice");
                connection.filled += usize::from(*full);
            }
            (Heard::Received(bytes), Some(Heard::Received(before))) => before.extend_from_slice(bytes),
            _ => connection.heard.push(heard.clone()),
        }
        // In order: behind an event that waits, the next one waits as well.
        let waits = self.queue.iter().any(|(other, _)| *other == fd);
        if self.manner == Manner::AtOnce && !waits && self.peek() % 16 != 15 {
            self.work(at, &heard, out);
            // The hub forgets it when this returns.
            self.connections[at].forgotten |= matches!(heard, Heard::Closed(_));
            return Verdict::Handled;
        }
        self.queue.push_back((fd, heard));
        Verdict::Queued
    }
}

impl Server<'_> {
    fn index(&self, fd: Fd) -> usize {
        self.connections.iter().position(|connection| connection.fd == fd).expect("an fd that was opened")
    }

    fn hear(&self, event: Event<'_>) -> Heard {
        match event {
            Event::Connected => Heard::Connected,
            Event::Received(bytes) => Heard::Received(bytes.to_vec()),
            Event::Request(request) => Heard::Request(request.head.target().to_owned(), request.body),
            Event::Upgrade(request) => {
                let agreement = negotiate(&request.head, &self.wanted);
                Heard::Upgrade(request.head.target().to_owned(), agreement)
            }
            Event::Message(message) => {
                let (kind, compressed) = (message.kind, message.compressed);
                Heard::Frame(Seen::Message { kind, payload: message.payload.bytes().to_vec(), compressed })
            }
            Event::Ping(payload) => Heard::Frame(Seen::Ping(payload.to_vec())),
            Event::Pong(payload) => Heard::Frame(Seen::Pong(payload.to_vec())),
            Event::Ending(Ending::CloseFrame(payload)) => Heard::Frame(Seen::Close(payload.to_vec())),
            Event::Ending(Ending::Packet(error)) => unreachable!("no packets were asked for: {error}"),
            Event::Ending(Ending::Violation(violation)) => Heard::Frame(Seen::Broke(violation)),
            Event::BufferFull => Heard::Level(true),
            Event::BufferEmpty => Heard::Level(false),
            Event::Closed(closed) => Heard::Closed(closed),
        }
    }

    fn peek(&self) -> u8 {
        if self.whims.is_empty() { 0 } else { self.whims[self.whim % self.whims.len()][0] }
    }

    /// Does the work that the oldest event in the queue makes, if there is one.
    pub(crate) fn work_one(&mut self, out: &mut dyn Outlet) -> bool {
        let Some((fd, heard)) = self.queue.pop_front() else { return false };
        let at = self.index(fd);
        self.work(at, &heard, out);
        match heard {
            Heard::Frame(Seen::Close(_) | Seen::Broke(_)) => {
                let _ = out.apply(fd, Command::Finish);
            }
            Heard::Closed(_) => self.forget(at, out),
            _ => {}
        }
        true
    }

    /// The proper answer to an event, and whatever else comes to mind.
    fn work(&mut self, at: usize, heard: &Heard, out: &mut dyn Outlet) {
        let whim = if self.whims.is_empty() { &[] } else { self.whims[self.whim % self.whims.len()] };
        self.whim += 1;
        let mut choices = Choices::new(whim);
        let mood = choices.byte();
        if let Heard::Upgrade(_, agreement) = heard {
            self.connections[at].offered = *agreement;
        }
        if mood & 3 != 3 {
            self.proper(at, heard, mood, out);
        }
        if mood & 12 == 12 {
            // A slow handler.
            self.clock.set(self.clock.get() + u64::from(mood >> 4));
        }
        if mood & 2 == 2 {
            let other = match mood >> 7 {
                0 => at,
                _ => usize::from(choices.byte()) % self.connections.len(),
            };
            self.act(other, &mut choices, out);
        }
    }

    fn proper(&mut self, at: usize, heard: &Heard, mood: u8, out: &mut dyn Outlet) {
        let compress = mood & 16 == 16;
        match heard {
            Heard::Upgrade(_, agreement) => {
                self.answer(at, 60, After::Upgrade(*agreement), out);
            }
            Heard::Request(_, body) => {
                if mood & 32 == 32 {
                    self.answer(at, 10, After::More, out);
                }
                self.answer(at, 50 + body.len(), After::KeepAlive, out);
            }
            Heard::Frame(Seen::Message { kind, payload, .. }) => {
                let (opcode, payload) = (kind.opcode(), payload.clone());
                self.push(at, Frame { opcode, fin: true, compress, payload }, false, out);
            }
            Heard::Frame(Seen::Ping(_)) => {
                let payload = self.connections[at].stamped(20);
                self.push(at, Frame { opcode: Opcode::Pong, fin: true, compress, payload }, false, out);
            }
            Heard::Received(bytes) => self.send(at, bytes.len(), out),
            _ => {}
        }
    }

    /// One command that the choices describe, right or wrong.
    pub(crate) fn act(&mut self, at: usize, choices: &mut Choices<'_>, out: &mut dyn Outlet) {
        use Opcode::{Binary, Continuation, Ping, Pong, Text};
        let lens = [0, 5, 30, 125, 126, 700, 3_000, 9_000];
        let fd = self.connections[at].fd;
        match choices.byte() % 16 {
            0..=6 => {
                let opcode = choices.one_of(&[Text, Text, Binary, Continuation, Continuation, Ping, Pong, Text]);
                let (how, len) = (choices.byte(), choices.one_of(&lens));
                // Its pongs cannot be taken for the hub's.
                let len = if opcode == Pong { len.max(30) } else { len };
                let payload = self.connections[at].stamped(len);
                let frame = Frame { opcode, fin: how & 1 == 0, compress: how & 2 == 2, payload };
                self.push(at, frame, how & 4 == 4, out);
            }
            7 => self.send(at, choices.one_of(&lens), out),
            8..=10 => {
                let agreement = self.connections[at].offered;
                let after = choices.one_of(&[After::More, After::KeepAlive, After::Close, After::Upgrade(agreement)]);
                self.answer(at, choices.one_of(&lens), after, out);
            }
            11 => {
                let (code, reason) = (CloseCode::GOING_AWAY, choices.one_of(&["", "enough"]));
                if out.apply(fd, Command::Disconnect { code, reason }).is_ok() {
                    let payload = [&code.get().to_be_bytes()[..], reason.as_bytes()].concat();
                    let connection = &mut self.connections[at];
                    connection.held.clear();
                    let frame = Frame { opcode: Opcode::Close, fin: true, compress: false, payload };
                    connection.pieces.push(Piece::Frame(frame));
                    connection.ended_here = true;
                }
            }
            12 | 13 => {
                let reset = choices.flag();
                if out.apply(fd, Command::Close { reset }).is_ok() {
                    let connection = &mut self.connections[at];
                    connection.ended_here = true;
                    connection.lossy |= reset;
                }
            }
            14 => {
                let _ = out.apply(fd, Command::Finish);
            }
            _ => self.forget(at, out),
        }
    }

    fn forget(&mut self, at: usize, out: &mut dyn Outlet) {
        let connection = &mut self.connections[at];
        let due = connection.is_told() && !connection.forgotten;
        assert_eq!(out.apply(connection.fd, Command::Forget).is_ok(), due);
        connection.forgotten |= due;
        assert_eq!(out.has(connection.fd), !connection.forgotten);
    }

    fn push(&mut self, at: usize, frame: Frame, whole: bool, out: &mut dyn Outlet) {
        let connection = &mut self.connections[at];
        let owed = out.info(connection.fd).map_or(0, |info| info.owed_bytes);
        let Frame { opcode, fin, compress, payload } = &frame;
        let mut block = Block::default();
        block.append(payload);
        let borrowed = if whole { Payload::Whole(&mut block) } else { Payload::Borrowed(payload) };
        let push = Push { opcode: *opcode, fin: *fin, compress: *compress, payload: borrowed };
        let len = payload.len();
        match out.apply(connection.fd, Command::Push(push)) {
            Ok(()) => {
                assert!(len <= self.settings.push_bytes_max);
                let threshold = self.settings.deflate_threshold.is_some_and(|threshold| len >= threshold);
                let (fin, compress) = (frame.fin || frame.opcode.is_control(), frame.compress || threshold);
                connection.pushed(Frame { fin, compress, ..frame });
            }
            Err(refused) => self.refused(refused, owed, len),
        }
    }

    fn send(&mut self, at: usize, len: usize, out: &mut dyn Outlet) {
        let connection = &mut self.connections[at];
        let owed = out.info(connection.fd).map_or(0, |info| info.owed_bytes);
        let bytes = connection.stamped(len);
        match out.apply(connection.fd, Command::Send(&bytes)) {
            Ok(()) => connection.pieces.push(Piece::Bytes(bytes)),
            Err(refused) => self.refused(refused, owed, len),
        }
    }

    fn answer(&mut self, at: usize, len: usize, after: After, out: &mut dyn Outlet) {
        let connection = &mut self.connections[at];
        let owed = out.info(connection.fd).map_or(0, |info| info.owed_bytes);
        let bytes = connection.stamped(len);
        match out.apply(connection.fd, Command::Answer { bytes: &bytes, after }) {
            Ok(()) => {
                connection.pieces.push(Piece::Bytes(bytes));
                connection.answers.extend((after != After::More).then_some(after));
                connection.ended_here |= after == After::Close;
            }
            Err(refused) => self.refused(refused, owed, len),
        }
    }

    /// What is refused for its size would not have fitted.
    fn refused(&self, refused: Refused, owed: usize, len: usize) {
        match refused {
            Refused::TooLarge { limit, .. } => assert!(limit == self.settings.push_bytes_max && len > limit),
            Refused::OutboxFull { owed: found, limit } => {
                // Compressing may add a little, and a header is at most so long.
                assert!(
                    limit == self.settings.outbox_bytes_max && found == owed && owed + len + len / 3_000 + 46 > limit
                );
            }
            Refused::ControlTooLong(found) => assert!(found == len && len > 125),
            _ => {}
        }
    }
}
