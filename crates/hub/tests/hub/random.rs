//! Random operations on several connections, against a naive model of what each may be sent and hear.

use crate::fake::{Connection, FakeWire, Log, Manner, Seen, UPGRADE, World, from_client, from_server, server_close};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use std::cell::RefCell;
use std::rc::Rc;
use wirewool_hub::command::{After, Command, Outlet, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::{self, HEADER_BYTES_MAX, Opcode};
use wirewool_proto::websocket::message::{Kind, Payload};
use wirewool_proto::websocket::sender::OutOfSequence;

const OUTBOX_BYTES_MAX: usize = 20_000;
const HIGH_BYTES: usize = 5_000;
const LOW_BYTES: usize = 500;
const PUSH_BYTES_MAX: usize = 12_000;
const MESSAGE_BYTES_MAX: usize = 12_000;

/// What the peer of a connection sends.
#[derive(Debug, Clone)]
enum Words {
    Handshake,
    Get,
    Message(usize, u8),
    Ping(usize),
    Pong(usize),
    Close(Option<u16>),
    Noise(Vec<u8>),
}

/// A command, right or wrong.
#[derive(Debug, Clone)]
enum Act {
    Push(Opcode, bool, usize),
    Send(usize),
    Answer(After, usize),
    Disconnect,
    Close(bool),
    Finish,
    Forget,
}

/// Something that happens; connections are numbered, beyond the last one it is the first again.
#[derive(Debug, Clone)]
enum Operation {
    Open,
    Say(usize, Words),
    Arrive(usize, usize),
    /// It says all that, and it arrives in pieces of this size, each with a turn.
    Talk(usize, Vec<Words>, usize),
    Room(usize, usize, usize),
    Break(usize),
    End(usize),
    Turn(usize),
    Run,
    Work,
    Command(usize, Act, bool),
    /// As a command, but there is room for it.
    Promised(usize, Act, bool),
    Stall(usize, bool),
    Abandon(usize),
    Settle,
    FlushIfLate,
    Wait(u64),
}

/// One connection as it should be.
#[derive(Debug, Default)]
struct Model {
    /// What the peer says and has not arrived.
    unsaid: Vec<u8>,
    arrived: usize,
    /// What its handler should hear, each with the count of bytes that make it whole; nothing behind noise is known.
    events: Vec<(usize, Seen)>,
    noise: bool,
    /// It asked for an upgrade; what it says then are frames.
    upgraded: bool,
    /// What was accepted for sending, in order.
    accepted: Vec<u8>,
    held: Vec<u8>,
    within: bool,
    answered: usize,
    /// The bytes that there was room for because they were promised it.
    promised: usize,
    stalled: bool,
    forgotten: bool,
    reset: bool,
}

/// All connections, the log of their events, and what is random about their handler.
struct Models {
    list: Vec<(Connection, Model)>,
    wire: FakeWire,
    log: Log,
    whims: Vec<(u8, usize, Act)>,
    whim: usize,
}

impl Models {
    fn heard(&self, fd: Fd, matches: impl Fn(&Seen) -> bool) -> usize {
        self.log.borrow().iter().filter(|(number, seen)| *number == fd.get() && matches(seen)).count()
    }

    fn owed(&self, at: usize) -> usize {
        let (connection, model) = &self.list[at];
        let sent = self.wire.socket(connection.place, |socket| socket.bytes.len());
        model.accepted.len() + model.held.len() - sent
    }

    /// Did its peer end it?
    fn is_ending(&self, fd: Fd) -> bool {
        self.heard(fd, |seen| matches!(seen, Seen::CloseFrame(_) | Seen::Violation(_))) > 0
    }

    fn requests(&self, fd: Fd) -> usize {
        self.heard(fd, |seen| matches!(seen, Seen::Request(..) | Seen::Upgrade(_)))
    }

    /// How much of what arrived was read?
    fn read(&self, at: usize) -> usize {
        let (connection, model) = &self.list[at];
        model.arrived - self.wire.socket(connection.place, |socket| socket.input.len())
    }

    /// What should come of a command, if so much may be owed?
    fn predict(&self, at: usize, act: &Act, limit: usize, out: &dyn Outlet) -> Result<(), Refused> {
        let (connection, model) = &self.list[at];
        let fd = connection.fd;
        let info = out.info(fd).ok_or(Refused::Unknown)?;
        assert_eq!(out.has(fd), !model.forgotten || info.owed_bytes > 0);
        if let Act::Forget = act {
            let told = self.heard(fd, |seen| matches!(seen, Seen::Closed(_))) > 0;
            return if told { Ok(()) } else { Err(Refused::Unknown) };
        }
        let ending = self.is_ending(fd);
        if !info.open || matches!(act, Act::Answer(..)) && ending || matches!(act, Act::Finish) && !ending {
            return Err(Refused::Closing);
        }
        assert_eq!(info.owed_bytes, self.owed(at), "what is owed to {fd}");
        let room = |len: usize| match info.owed_bytes {
            owed if owed + len > limit => Err(Refused::OutboxFull { owed, limit }),
            _ => Ok(()),
        };
        match *act {
            Act::Push(..) | Act::Disconnect if info.status != Status::Active => Err(Refused::NotWebSocket),
            Act::Push(opcode, _, len) if opcode.is_control() && len > 125 => Err(Refused::ControlTooLong(len)),
            Act::Push(_, _, len) | Act::Send(len) if len > PUSH_BYTES_MAX => {
                Err(Refused::TooLarge { len, limit: PUSH_BYTES_MAX })
            }
            Act::Push(opcode, fin, len) => {
                room(frame::encode(opcode, fin, 0, len, None).bytes().len() + len)?;
                match (opcode, model.within) {
                    (Opcode::Continuation, false) => Err(OutOfSequence::NothingToContinue.into()),
                    (Opcode::Text | Opcode::Binary, true) if !fin => Err(OutOfSequence::NotFinished.into()),
                    _ => Ok(()),
                }
            }
            Act::Send(len) => room(len),
            Act::Answer(after, len) => match after {
                _ if self.requests(fd) == model.answered => Err(Refused::NotWaiting),
                After::Upgrade(_) if info.status == Status::Plain => Err(Refused::NotWebSocket),
                _ => room(len),
            },
            _ => Ok(()),
        }
    }

    /// Does it, and holds what came of it against the model.
    fn act(&mut self, at: usize, act: &Act, limit: usize, out: &mut dyn Outlet) {
        let fd = self.list[at].0.fd;
        let predicted = self.predict(at, act, limit, out);
        let bytes = match *act {
            Act::Push(_, _, len) | Act::Send(len) | Act::Answer(_, len) => vec![b'a' + (len % 26) as u8; len],
            _ => Vec::new(),
        };
        let result = match *act {
            Act::Push(opcode, fin, _) => {
                out.apply(fd, Command::Push(Push { opcode, fin, compress: false, payload: Payload::Borrowed(&bytes) }))
            }
            Act::Send(_) => out.apply(fd, Command::Send(&bytes)),
            Act::Answer(after, _) => out.apply(fd, Command::Answer { bytes: &bytes, after }),
            Act::Disconnect => out.apply(fd, Command::Disconnect { code: CloseCode::GOING_AWAY, reason: "" }),
            Act::Close(reset) => out.apply(fd, Command::Close { reset }),
            Act::Finish => out.apply(fd, Command::Finish),
            Act::Forget => out.apply(fd, Command::Forget),
        };
        assert_eq!(result, predicted, "{fd}: {act:?}");
        let model = &mut self.list[at].1;
        match *act {
            _ if result.is_err() => {}
            Act::Push(opcode, fin, _) => model.push(opcode, fin, &bytes),
            Act::Send(_) => model.accepted.extend(bytes),
            Act::Answer(after, _) => {
                model.accepted.extend(bytes);
                model.answered += usize::from(after != After::More);
            }
            Act::Disconnect => {
                model.accepted.extend(server_close(1001));
                model.held.clear();
            }
            Act::Close(reset) => model.reset |= reset,
            Act::Forget => model.forgotten = true,
            Act::Finish => {}
        }
    }

    /// What the handler does: mostly what it should, and now and then something else as well.
    fn handle(&mut self, fd: Fd, seen: &Seen, out: &mut dyn Outlet) {
        let at = fd.get() as usize - 1;
        let (mood, other, act) = self.whims[self.whim % self.whims.len()].clone();
        self.whim += 1;
        let proper = match seen {
            Seen::Upgrade(_) => Some(Act::Answer(After::Upgrade(None), 100)),
            Seen::Request(..) => Some(Act::Answer(After::KeepAlive, 700)),
            Seen::Message(kind, payload) => Some(Act::Push(kind.opcode(), true, payload.len())),
            Seen::Ping(payload) => Some(Act::Push(Opcode::Pong, true, payload.len())),
            Seen::Received(bytes) => Some(Act::Send(bytes.len())),
            _ => None,
        };
        if let Some(proper) = proper.filter(|_| mood > 10) {
            self.act(at, &proper, OUTBOX_BYTES_MAX, out);
        }
        if mood % 4 == 0 && !self.list.is_empty() {
            let other = if mood % 8 == 0 { at } else { other % self.list.len() };
            self.act(other, &act, OUTBOX_BYTES_MAX, out);
        }
    }
}

impl Model {
    fn push(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        let fin = fin || opcode.is_control();
        let frame = from_server(opcode, fin, payload);
        if self.within && fin && matches!(opcode, Opcode::Text | Opcode::Binary) {
            self.held.extend(frame);
            return;
        }
        self.accepted.extend(frame);
        if !opcode.is_control() {
            self.within = !fin;
        }
        if !self.within {
            self.accepted.append(&mut self.held);
        }
    }

    /// The peer says something: when will which event be due?
    fn say(&mut self, words: &Words, protocol: Protocol) {
        let words = match (words, self.upgraded) {
            (Words::Handshake | Words::Get, true) => &Words::Message(5, 0),
            (Words::Noise(_), _) | (_, true) => words,
            (Words::Message(..) | Words::Handshake, false) => &Words::Handshake,
            (_, false) => &Words::Get,
        };
        let message = |len: usize| vec![b'A' + (len % 26) as u8; len];
        let (bytes, event) = match words {
            Words::Handshake if protocol == Protocol::Http => (UPGRADE.to_vec(), Seen::Request("/chat".into(), vec![])),
            Words::Handshake => {
                self.upgraded = true;
                (UPGRADE.to_vec(), Seen::Upgrade("/chat".into()))
            }
            Words::Get => (b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), Seen::Request("/x".into(), vec![])),
            Words::Message(len, cuts) => (fragments(&message(*len), *cuts), Seen::Message(Kind::Text, message(*len))),
            Words::Ping(len) => (from_client(Opcode::Ping, true, &message(*len)), Seen::Ping(message(*len))),
            Words::Pong(len) => (from_client(Opcode::Pong, true, &message(*len)), Seen::Pong(message(*len))),
            Words::Close(code) => {
                let payload = code.map_or(vec![], |code| code.to_be_bytes().to_vec());
                (from_client(Opcode::Close, true, &payload), Seen::CloseFrame(payload))
            }
            Words::Noise(noise) => {
                self.unsaid.extend(noise);
                self.noise = true;
                return;
            }
        };
        self.unsaid.extend(bytes);
        if !self.noise {
            self.events.push((self.arrived + self.unsaid.len(), event));
        }
    }
}

/// A message of a client in `cuts` + 1 frames.
fn fragments(message: &[u8], cuts: u8) -> Vec<u8> {
    let frames = usize::from(cuts) + 1;
    let size = message.len().div_ceil(frames).max(1);
    let mut pieces: Vec<&[u8]> = message.chunks(size).collect();
    pieces.resize(frames, &[]);
    let frame = |(at, piece): (usize, &&[u8])| {
        let opcode = if at == 0 { Opcode::Text } else { Opcode::Continuation };
        from_client(opcode, at + 1 == frames, piece)
    };
    pieces.iter().enumerate().flat_map(frame).collect()
}

/// The loop, and the model beside it.
struct Race {
    world: World,
    models: Rc<RefCell<Models>>,
    protocol: Protocol,
}

impl Race {
    fn new(manner: Manner, protocol: Protocol, whims: Vec<(u8, usize, Act)>) -> Race {
        let settings = Settings {
            protocol,
            requests: true,
            ping_events: true,
            pong_events: true,
            buffer_events: true,
            buffer_high_watermark_bytes: Some(HIGH_BYTES),
            buffer_low_watermark_bytes: LOW_BYTES,
            message_bytes_max: MESSAGE_BYTES_MAX,
            push_bytes_max: PUSH_BYTES_MAX,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            ..Settings::default()
        };
        let models = Rc::new(RefCell::new(Models {
            list: Vec::new(),
            wire: FakeWire::default(),
            log: Log::default(),
            whims,
            whim: 0,
        }));
        let handlers = models.clone();
        let world = World::new(settings, manner, move |fd, seen, out| {
            // The model of a connection that is being opened does not exist yet.
            if *seen != Seen::Connected {
                handlers.borrow_mut().handle(fd, seen, out);
            }
        });
        (models.borrow_mut().wire, models.borrow_mut().log) = (world.wire.clone(), world.handler.seen.clone());
        Race { world, models, protocol }
    }

    fn step(&mut self, operation: &Operation) {
        let count = self.models.borrow().list.len();
        let connection =
            |at: &usize| (*at % count.max(1), self.models.borrow().list.get(*at % count.max(1)).map(|c| c.0));
        match operation {
            Operation::Open if count < 5 => {
                let opened = self.world.open();
                self.models.borrow_mut().list.push((opened, Model::default()));
            }
            Operation::Run => self.world.run(),
            Operation::Work => self.world.work(),
            Operation::Settle => {
                self.world.hub.settle(&mut self.world.wire, &mut self.world.handler);
                self.check_levels();
            }
            Operation::FlushIfLate => self.world.hub.flush_if_late(&mut self.world.wire),
            Operation::Wait(ms) => self.world.wait(*ms),
            Operation::Say(at, words) if count > 0 => {
                self.models.borrow_mut().list[at % count].1.say(words, self.protocol);
            }
            Operation::Talk(at, words, piece) if count > 0 => {
                words.iter().for_each(|words| self.step(&Operation::Say(*at, words.clone())));
                let unsaid = self.models.borrow().list[at % count].1.unsaid.len();
                for _ in 0..unsaid.div_ceil(*piece).min(50) {
                    self.step(&Operation::Arrive(*at, *piece));
                    self.step(&Operation::Turn(*at));
                }
            }
            Operation::Arrive(at, n) if count > 0 => {
                let (connection, model) = &mut self.models.borrow_mut().list[at % count];
                let n = model.unsaid.len().min(*n);
                model.arrived += n;
                let bytes = model.unsaid.drain(..n);
                self.world.wire.socket(connection.place, |socket| socket.input.extend(bytes));
            }
            Operation::Command(at, act, more) if count > 0 => {
                let mut out = self.world.hub.outlet(&mut self.world.wire, *more);
                self.models.borrow_mut().act(at % count, act, OUTBOX_BYTES_MAX, &mut out);
            }
            Operation::Room(at, room, per_call) if let (_, Some(connection)) = connection(at) => {
                let limits = (*room, *per_call);
                self.world.wire.socket(connection.place, |socket| (socket.room, socket.per_call) = limits);
            }
            Operation::Break(at) if let (_, Some(connection)) = connection(at) => {
                self.world.wire.socket(connection.place, |socket| socket.broken = true);
            }
            Operation::End(at) if let (_, Some(connection)) = connection(at) => {
                self.world.wire.socket(connection.place, |socket| socket.eof = true);
            }
            Operation::Turn(at) if let (_, Some(connection)) = connection(at) => {
                self.world.turn(connection);
            }
            Operation::Promised(at, act, more) if count > 0 => self.promised(at % count, act, *more),
            Operation::Stall(at, stalled) if let (at, Some(connection)) = connection(at) => {
                self.world.hub.stall(connection.place, *stalled, &mut self.world.wire);
                self.models.borrow_mut().list[at].1.stalled = *stalled;
            }
            Operation::Abandon(at) if let (at, Some(connection)) = connection(at) => self.abandon(at, connection),
            _ => {}
        }
    }

    fn promised(&mut self, at: usize, act: &Act, more: bool) {
        let mut out = self.world.hub.outlet_for_promised(&mut self.world.wire, more);
        let mut models = self.models.borrow_mut();
        models.act(at, act, usize::MAX, &mut out);
        if let Act::Push(_, _, len) | Act::Send(len) | Act::Answer(_, len) = act {
            models.list[at].1.promised += len + HEADER_BYTES_MAX;
        }
    }

    fn abandon(&mut self, at: usize, connection: Connection) {
        self.world.hub.abandon(connection.fd, &mut self.world.wire);
        let mut models = self.models.borrow_mut();
        let told = models.heard(connection.fd, |seen| matches!(seen, Seen::Closed(_))) > 0;
        models.list[at].1.forgotten |= told;
        let info = self.world.hub.info(connection.fd);
        assert_eq!(info.is_some(), !models.list[at].1.forgotten);
        let (open, requests) = (info.is_some_and(|info| info.open), models.requests(connection.fd));
        assert!(!open || requests == models.list[at].1.answered && !models.is_ending(connection.fd));
    }

    fn check(&self) {
        let models = self.models.borrow();
        for at in 0..models.list.len() {
            models.check_sent(at);
            models.check_heard(at);
            let (connection, model) = &models.list[at];
            if let Some(info) = self.world.hub.info(connection.fd) {
                assert!(!model.forgotten);
                assert!(!info.open || info.owed_bytes == models.owed(at));
                assert!(info.owed_bytes <= OUTBOX_BYTES_MAX + model.promised + 1000);
                let interest = models.wire.socket(connection.place, |socket| socket.interest);
                let stalled = model.stalled && info.open && !models.is_ending(connection.fd);
                assert!(!stalled || !interest.read, "{} is stalled and waits to be read", connection.fd);
            }
        }
        let released = &self.world.wire.0.borrow().released;
        assert!(released.iter().enumerate().all(|(at, fd)| !released[..at].contains(fd)), "{released:?}");
    }

    /// The connections that must not be read, and how much of each was.
    fn stalled(&self) -> Vec<(usize, usize)> {
        let models = self.models.borrow();
        let stalled = (0..models.list.len()).filter(|at| models.list[*at].1.stalled);
        stalled.map(|at| (at, models.read(at))).collect()
    }

    /// Those that still are open and stalled were not read meanwhile.
    fn check_unread(&self, stalled: &[(usize, usize)]) {
        let models = self.models.borrow();
        for (at, read) in stalled {
            let (connection, model) = &models.list[*at];
            let open = self.world.hub.info(connection.fd).is_some_and(|info| info.open);
            if open && model.stalled && !models.is_ending(connection.fd) {
                assert_eq!(models.read(*at), *read, "{} was read while it was stalled", connection.fd);
            }
        }
    }

    /// At the end of a batch: the wire knows what is stuck, and the handler on which side of the marks that is.
    fn check_levels(&self) {
        let models = self.models.borrow();
        for (at, (connection, _)) in models.list.iter().enumerate() {
            let Some(info) = self.world.hub.info(connection.fd) else { continue };
            let stuck = models.wire.socket(connection.place, |socket| socket.stuck);
            assert_eq!(info.owed_bytes, stuck, "what the wire was told of {}", connection.fd);
            let full = models.heard(connection.fd, |seen| *seen == Seen::BufferFull);
            let empty = models.heard(connection.fd, |seen| *seen == Seen::BufferEmpty);
            if info.open && !models.is_ending(connection.fd) {
                assert!(if full > empty { stuck > LOW_BYTES } else { stuck <= HIGH_BYTES }, "{stuck} of {at}");
            }
        }
    }

    /// The wires take everything, and no handler is behind: nothing stays owed, and nobody stays unread.
    fn calm(&mut self) {
        self.models.borrow_mut().list.iter_mut().for_each(|(_, model)| model.stalled = false);
        for _ in 0..100 {
            for at in 0..self.world.opened.len() {
                let place = self.world.opened[at].place;
                self.world.wire.socket(place, |socket| (socket.room, socket.per_call) = (usize::MAX, usize::MAX));
                self.world.hub.stall(place, false, &mut self.world.wire);
            }
            self.world.hub.settle(&mut self.world.wire, &mut self.world.handler);
            self.world.run();
            self.world.work();
        }
        self.check();
        self.check_levels();
        let models = self.models.borrow();
        for (at, (connection, model)) in models.list.iter().enumerate() {
            let Some(info) = self.world.hub.info(connection.fd).filter(|info| info.open) else { continue };
            assert_eq!(models.owed(at), model.held.len());
            if models.requests(connection.fd) > model.answered {
                continue;
            }
            let unread = models.wire.socket(connection.place, |socket| (socket.input.len(), socket.eof));
            assert_eq!(unread, (0, false), "{} is open and not read", connection.fd);
            let due = model.events.iter().filter(|(end, _)| *end <= model.arrived).count();
            let heard = models.heard(connection.fd, |seen| *seen != Seen::Connected && !is_level(seen));
            assert!(model.noise || info.status == Status::Plain || heard >= due, "{heard} of {due}");
        }
    }

    /// Everything ends: each row is free again, and each handler knows.
    fn end(&mut self) {
        self.world.hub.close_all(CloseCode::GOING_AWAY, &mut self.world.wire, &mut self.world.handler);
        self.world.work();
        for _ in 0..3 {
            self.world.wait(10_000);
            self.world.work();
        }
        let hub = &self.world.hub;
        assert!(hub.is_empty() && hub.connections() == 0 && hub.next_deadline().is_none());
        assert!(hub.next_connection(0).is_none());
        let models = self.models.borrow();
        for (connection, _) in &models.list {
            assert_eq!(models.heard(connection.fd, |seen| matches!(seen, Seen::Closed(_))), 1);
            assert!(self.world.is_closed(*connection));
            assert!(self.world.wire.0.borrow().released.contains(&connection.fd.get()));
        }
    }
}

impl Models {
    /// The bytes on the wire are those that were accepted, in order; behind them only the hub's own last words.
    fn check_sent(&self, at: usize) {
        let (connection, model) = &self.list[at];
        let sent = self.wire.socket(connection.place, |socket| socket.bytes.clone());
        let common = sent.len().min(model.accepted.len());
        assert!(sent[..common] == model.accepted[..common], "{}: not what was accepted, in order", connection.fd);
        let last = &sent[common..];
        let log = self.log.borrow();
        let frames =
            log.iter().filter(|(number, _)| *number == connection.fd.get()).filter_map(|(_, seen)| match seen {
                Seen::CloseFrame(payload) => Some(from_server(Opcode::Close, true, payload)),
                Seen::Violation(code) => Some(server_close(*code)),
                _ => None,
            });
        let starts = |with: &[u8]| last.iter().zip(with).all(|(a, b)| a == b);
        let mut words = frames.chain([server_close(1001)]).filter(|frame| last.len() <= frame.len());
        assert!(
            words.any(|frame| starts(&frame)) || starts(b"HTTP/1.1 4") || starts(b"HTTP/1.1 50"),
            "{}: {}",
            connection.fd,
            last.escape_ascii()
        );
    }

    /// The events are the ones that the peer caused, in order; one end, and nothing behind it.
    fn check_heard(&self, at: usize) {
        let (connection, model) = &self.list[at];
        let log = self.log.borrow();
        let heard = log.iter().filter(|(number, _)| *number == connection.fd.get()).map(|(_, seen)| seen);
        let (levels, mut heard): (Vec<&Seen>, Vec<&Seen>) = heard.partition(|seen| is_level(seen));
        let alternate = [Seen::BufferFull, Seen::BufferEmpty];
        assert!(levels.iter().zip(alternate.iter().cycle()).all(|(level, due)| *level == due), "{levels:?}");
        assert_eq!(heard.first(), Some(&&Seen::Connected));
        heard.remove(0);
        if heard.last().is_some_and(|seen| matches!(seen, Seen::Closed(_))) {
            heard.pop();
        }
        assert!(!heard.iter().any(|seen| matches!(seen, Seen::Closed(_) | Seen::Connected)));
        for (at, seen) in heard.iter().enumerate() {
            match (seen, model.events.get(at)) {
                // Frames where requests are due, or the reverse, are against the protocol as well.
                (Seen::Violation(_) | Seen::Received(_), _) => break,
                (seen, Some((end, event))) => {
                    assert!(*seen == event && *end <= model.arrived, "{seen:?} instead of {event:?}");
                }
                (_, None) => assert!(model.noise, "{seen:?} out of nothing"),
            }
        }
    }
}

fn is_level(seen: &Seen) -> bool {
    matches!(seen, Seen::BufferFull | Seen::BufferEmpty)
}

fn any_opcode() -> impl Strategy<Value = Opcode> {
    use Opcode::{Binary, Continuation, Ping, Pong, Text};
    prop_oneof![Just(Text), Just(Binary), Just(Continuation), Just(Ping), Just(Pong)]
}

fn any_len() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..130usize, 2 => 130..3000usize, 1 => 8000..13_000usize]
}

fn any_act() -> impl Strategy<Value = Act> {
    let after = prop_oneof![Just(After::More), Just(After::KeepAlive), Just(After::Close), Just(After::Upgrade(None))];
    prop_oneof![
        12 => (any_opcode(), any::<bool>(), any_len()).prop_map(|(opcode, fin, len)| Act::Push(opcode, fin, len)),
        1 => any_len().prop_map(Act::Send),
        4 => (after, any_len()).prop_map(|(after, len)| Act::Answer(after, len)),
        1 => Just(Act::Disconnect),
        1 => any::<bool>().prop_map(Act::Close),
        1 => Just(Act::Finish),
        1 => Just(Act::Forget),
    ]
}

fn any_words() -> impl Strategy<Value = Words> {
    prop_oneof![
        4 => Just(Words::Handshake),
        2 => Just(Words::Get),
        8 => (any_len(), 0..4u8).prop_map(|(len, cuts)| Words::Message(len.min(MESSAGE_BYTES_MAX), cuts)),
        1 => (0..126usize).prop_map(Words::Ping),
        1 => (0..126usize).prop_map(Words::Pong),
        1 => proptest::option::of(Just(1000u16)).prop_map(Words::Close),
        1 => vec(any::<u8>(), 1..20).prop_map(Words::Noise),
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let at = 0..5usize;
    let room = prop_oneof![Just(0usize), 1..20_000usize, Just(usize::MAX)];
    let per_call = prop_oneof![Just(usize::MAX), 100..20_000usize];
    let ms = prop_oneof![4 => 0..3u64, 2 => Just(1_999u64), 1 => Just(10_000u64), 1 => Just(75_000u64)];
    prop_oneof![
        3 => Just(Operation::Open),
        10 => (at.clone(), any_words()).prop_map(|(at, words)| Operation::Say(at, words)),
        10 => (at.clone(), prop_oneof![0..200usize, 0..20_000usize]).prop_map(|(at, n)| Operation::Arrive(at, n)),
        3 => (at.clone(), room, per_call).prop_map(|(at, room, per_call)| Operation::Room(at, room, per_call)),
        1 => at.clone().prop_map(Operation::Break),
        1 => at.clone().prop_map(Operation::End),
        20 => (at.clone(), vec(any_words(), 1..8), prop_oneof![1..50usize, 50..40_000usize])
            .prop_map(|(at, words, piece)| Operation::Talk(at, words, piece)),
        10 => at.clone().prop_map(Operation::Turn),
        4 => Just(Operation::Run),
        4 => Just(Operation::Work),
        10 => (at.clone(), any_act(), any::<bool>()).prop_map(|(at, act, more)| Operation::Command(at, act, more)),
        3 => (at.clone(), any_act(), any::<bool>()).prop_map(|(at, act, more)| Operation::Promised(at, act, more)),
        3 => (at.clone(), any::<bool>()).prop_map(|(at, stalled)| Operation::Stall(at, stalled)),
        1 => at.prop_map(Operation::Abandon),
        4 => Just(Operation::Settle),
        2 => Just(Operation::FlushIfLate),
        2 => ms.prop_map(Operation::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(
        operations in vec(any_operation(), 0..100),
        whims in vec((any::<u8>(), 0..5usize, any_act()), 1..30),
        manner in prop_oneof![Just(Manner::AtOnce), Just(Manner::Later), Just(Manner::OnDemand)],
        protocol in prop_oneof![6 => Just(Protocol::WebSocket), 1 => Just(Protocol::Http)],
    ) {
        let mut race = Race::new(manner, protocol, whims);
        race.step(&Operation::Open);
        for operation in &operations {
            let stalled = race.stalled();
            race.step(operation);
            race.check();
            race.check_unread(&stalled);
        }
        race.calm();
        race.end();
    }
}
