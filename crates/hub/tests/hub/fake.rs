//! A loop without sockets: fake sockets with a level-triggered readiness, and a handler that notes what it hears.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use wirewool_hub::command::{After, Command, Outlet, Push, Refused};
use wirewool_hub::event::{Closed, Ending, Event, Handler, Status, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::hub::{Hub, Target};
use wirewool_hub::settings::Settings;
use wirewool_hub::time::Moment;
use wirewool_hub::wire::{Interest, Sent, Signs, Wire};
use wirewool_proto::packets::PacketError;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::{self, Opcode};
use wirewool_proto::websocket::mask;
use wirewool_proto::websocket::message::{Kind, Payload};

/// One read of the fake loop takes this much.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// From so many missing bytes on, a read goes straight into its message.
const DIRECT_BYTES_MIN: usize = 1 << 10;

/// One fake socket; the peer's side of it is in the test's hands.
pub(crate) struct Socket {
    /// What the peer sent and the hub has not read.
    pub(crate) input: VecDeque<u8>,
    /// The peer sends nothing more.
    pub(crate) eof: bool,
    /// All that the kernel took.
    pub(crate) bytes: Vec<u8>,
    /// How much the kernel still takes.
    pub(crate) room: usize,
    /// How much it takes in one call.
    pub(crate) per_call: usize,
    /// Every call fails.
    pub(crate) broken: bool,
    /// The hub was told so.
    pub(crate) told_broken: bool,
    /// How often something was sent.
    pub(crate) sends: usize,
    pub(crate) interest: Interest,
    pub(crate) interest_changes: usize,
    /// What the hub said last is stuck of what it owes.
    pub(crate) stuck: usize,
    pub(crate) shut_down: bool,
    pub(crate) closed: bool,
    pub(crate) heard_at: Moment,
    pub(crate) sent_at: Moment,
    pub(crate) protected: bool,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Socket { input, bytes, eof, broken, room, interest, shut_down, closed, .. } = self;
        let (unread, sent) = (input.len(), bytes.len());
        write!(f, "{unread} unread, {sent} sent, {eof} {broken} {room} {interest:?} {shut_down} {closed}")
    }
}

impl Socket {
    fn new(now: Moment) -> Socket {
        Socket {
            heard_at: now,
            sent_at: now,
            protected: false,
            input: VecDeque::new(),
            eof: false,
            bytes: Vec::new(),
            room: usize::MAX,
            per_call: usize::MAX,
            broken: false,
            told_broken: false,
            sends: 0,
            interest: Interest { read: true, write: false, end: false },
            interest_changes: 0,
            stuck: 0,
            shut_down: false,
            closed: false,
        }
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> Sent {
        assert!(!self.closed, "sent to a closed socket");
        assert!(!self.shut_down, "sent behind the end of the stream");
        assert!(parts.iter().any(|part| !part.is_empty()), "nothing was sent");
        self.sends += 1;
        if self.broken {
            self.told_broken = true;
            return Sent::Broken;
        }
        let mut left = self.room.min(self.per_call);
        let before = self.bytes.len();
        for part in parts {
            let n = part.len().min(left);
            self.bytes.extend_from_slice(&part[..n]);
            left -= n;
        }
        let n = self.bytes.len() - before;
        if self.room != usize::MAX {
            self.room -= n;
        }
        Sent::Bytes(n)
    }

    /// What epoll would report: to read, to write, and what it reports unasked.
    fn ready(&self) -> Option<(bool, bool, bool)> {
        if self.closed {
            return None;
        }
        let hung_up = self.broken || self.eof && self.shut_down;
        let read = self.interest.read && (!self.input.is_empty() || self.eof || hung_up);
        let write = self.interest.write && (self.room > 0 || self.broken);
        (read || write || hung_up).then_some((read, write, hung_up))
    }

    fn receive(&mut self, into: &mut [u8]) -> Received {
        assert!(!self.closed, "read from a closed socket");
        if self.broken {
            self.told_broken = true;
            return Received::Broken;
        }
        let n = into.len().min(self.input.len());
        for (to, from) in into.iter_mut().zip(self.input.drain(..n)) {
            *to = from;
        }
        match n {
            0 if self.eof => Received::End,
            0 => Received::Nothing,
            n => Received::Bytes(n),
        }
    }
}

enum Received {
    Bytes(usize),
    Nothing,
    End,
    Broken,
}

/// All fake sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) by_place: HashMap<Place, Socket>,
    pub(crate) statuses: Vec<(u64, Status)>,
    pub(crate) closing: Vec<u64>,
    pub(crate) released: Vec<u64>,
    pub(crate) now: u64,
}

/// The way to the fake sockets; a clone leads to the same ones.
#[derive(Debug, Default, Clone)]
pub(crate) struct FakeWire(pub Rc<RefCell<Sockets>>);

impl FakeWire {
    /// Looks at, or changes, one socket.
    pub(crate) fn socket<T>(&self, place: Place, f: impl FnOnce(&mut Socket) -> T) -> T {
        f(self.0.borrow_mut().by_place.get_mut(&place).expect("a socket that was opened"))
    }

    fn receive(&self, place: Place, into: &mut [u8]) -> Received {
        let now = self.now();
        self.socket(place, |socket| {
            let received = socket.receive(into);
            if matches!(received, Received::Bytes(_)) {
                socket.heard_at = now;
            }
            received
        })
    }

    fn now(&self) -> Moment {
        Moment(self.0.borrow().now)
    }

    fn send_parts(&self, place: Place, parts: &[IoSlice<'_>]) -> Sent {
        let now = self.now();
        self.socket(place, |socket| {
            socket.sent_at = now;
            socket.send(parts)
        })
    }
}

impl Wire for FakeWire {
    fn send(&mut self, place: Place, bytes: &[u8]) -> Sent {
        self.send_parts(place, &[IoSlice::new(bytes)])
    }

    fn send_gathered(&mut self, place: Place, parts: &[IoSlice<'_>]) -> Sent {
        self.send_parts(place, parts)
    }

    fn wait_for(&mut self, place: Place, interest: Interest) {
        self.socket(place, |socket| {
            assert!(!socket.closed, "the interest of a closed socket");
            assert_ne!(socket.interest, interest, "a call for nothing");
            socket.interest = interest;
            socket.interest_changes += 1;
        });
    }

    fn shut_down(&mut self, place: Place) {
        self.socket(place, |socket| {
            assert!(!socket.closed && !socket.shut_down, "shut down twice");
            socket.shut_down = true;
        });
    }

    fn close(&mut self, place: Place) {
        self.socket(place, |socket| assert!(!std::mem::replace(&mut socket.closed, true), "closed twice"));
    }

    fn status(&mut self, fd: Fd, status: Status) {
        self.0.borrow_mut().statuses.push((fd.get(), status));
    }

    fn closing(&mut self, fd: Fd) {
        let closing = &mut self.0.borrow_mut().closing;
        assert!(!closing.contains(&fd.get()), "closed twice");
        closing.push(fd.get());
    }

    fn released(&mut self, place: Place, fd: Fd) {
        let sockets = &mut self.0.borrow_mut();
        assert!(sockets.by_place.contains_key(&place) && sockets.closing.contains(&fd.get()));
        sockets.released.push(fd.get());
    }

    fn owes(&mut self, place: Place, bytes: usize) {
        self.socket(place, |socket| {
            assert!(!socket.closed, "what is owed to a closed socket");
            socket.stuck = bytes;
        });
    }

    fn signs(&self, place: Place) -> Signs {
        self.socket(place, |socket| {
            assert!(!socket.closed, "the signs of a closed socket");
            Signs { heard_at: socket.heard_at, sent_at: socket.sent_at, protected: socket.protected }
        })
    }

    fn has_input(&self, place: Place) -> bool {
        self.socket(place, |socket| !socket.input.is_empty())
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn micros(&self) -> u64 {
        self.0.borrow().now * 1000
    }
}

/// An event as the handler heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected,
    Received(Vec<u8>),
    /// Target and body.
    Request(String, Vec<u8>),
    /// Target.
    Upgrade(String),
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    CloseFrame(Vec<u8>),
    /// The close code.
    Violation(u16),
    BadPacket(PacketError),
    BufferFull,
    BufferEmpty,
    Closed(Closed),
}

impl Seen {
    fn of(event: Event<'_>) -> Seen {
        match event {
            Event::Connected => Seen::Connected,
            Event::Received(bytes) => Seen::Received(bytes.to_vec()),
            Event::Request(request) => Seen::Request(request.head.target().to_owned(), request.body),
            Event::Upgrade(request) => Seen::Upgrade(request.head.target().to_owned()),
            Event::Message(message) => Seen::Message(message.kind, message.payload.bytes().to_vec()),
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Ending(Ending::CloseFrame(payload)) => Seen::CloseFrame(payload.to_vec()),
            Event::Ending(Ending::Packet(error)) => Seen::BadPacket(error),
            Event::Ending(Ending::Violation(violation)) => Seen::Violation(violation.close_code().get()),
            Event::BufferFull => Seen::BufferFull,
            Event::BufferEmpty => Seen::BufferEmpty,
            Event::Closed(closed) => Seen::Closed(closed),
        }
    }
}

/// A text message.
pub(crate) fn text(text: &str) -> Seen {
    Seen::Message(Kind::Text, text.as_bytes().to_vec())
}

/// The last event.
pub(crate) fn closed(by_server: bool, status: Status) -> Seen {
    Seen::Closed(Closed { by_server, status })
}

/// What was heard, and of which fd.
pub(crate) type Log = Rc<RefCell<Vec<(u64, Seen)>>>;

/// When the handler does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In the call.
    AtOnce,
    /// After each read, as a worker does that runs a script.
    Later,
    /// When the test says so.
    OnDemand,
}

/// What the handler does about an event.
pub(crate) type Script = dyn FnMut(Fd, &Seen, &mut dyn Outlet);

/// Notes what it hears, and does what its script says.
pub(crate) struct FakeHandler {
    pub(crate) manner: Manner,
    pub(crate) seen: Log,
    queue: VecDeque<(Fd, Seen)>,
    script: Box<Script>,
}

impl Handler for FakeHandler {
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict {
        let seen = Seen::of(event);
        self.seen.borrow_mut().push((fd.get(), seen.clone()));
        if self.manner == Manner::AtOnce {
            (self.script)(fd, &seen, out);
            return Verdict::Handled;
        }
        self.queue.push_back((fd, seen));
        Verdict::Queued
    }
}

/// Accepts upgrades, answers a request with its target, sends messages back.
pub(crate) fn echo(fd: Fd, seen: &Seen, out: &mut dyn Outlet) {
    let _ = match seen {
        Seen::Upgrade(_) => answer(out, fd, b"HTTP/1.1 101\r\n\r\n", After::Upgrade(None)),
        Seen::Request(target, _) => answer(out, fd, format!("{target}\n").as_bytes(), After::KeepAlive),
        Seen::Message(kind, payload) => push(out, fd, kind.opcode(), true, payload),
        Seen::Received(bytes) => out.apply(fd, Command::Send(bytes)),
        _ => Ok(()),
    };
}

/// Sends a frame.
pub(crate) fn push(out: &mut dyn Outlet, fd: Fd, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), Refused> {
    out.apply(fd, Command::Push(Push { opcode, fin, compress: false, payload: Payload::Borrowed(payload) }))
}

/// Sends a piece of an answer.
pub(crate) fn answer(out: &mut dyn Outlet, fd: Fd, bytes: &[u8], after: After) -> Result<(), Refused> {
    out.apply(fd, Command::Answer { bytes, after })
}

/// Sends a close frame.
pub(crate) fn disconnect(out: &mut dyn Outlet, fd: Fd) -> Result<(), Refused> {
    out.apply(fd, Command::Disconnect { code: CloseCode::NORMAL, reason: "" })
}

/// One connection of the fake loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) fd: Fd,
    pub(crate) place: Place,
}

/// A hub, its sockets and its handler.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) wire: FakeWire,
    pub(crate) handler: FakeHandler,
    pub(crate) opened: Vec<Connection>,
}

impl World {
    pub(crate) fn new(
        settings: Settings,
        manner: Manner,
        script: impl FnMut(Fd, &Seen, &mut dyn Outlet) + 'static,
    ) -> World {
        World::with_ports(vec![settings], manner, script)
    }

    pub(crate) fn with_ports(
        ports: Vec<Settings>,
        manner: Manner,
        script: impl FnMut(Fd, &Seen, &mut dyn Outlet) + 'static,
    ) -> World {
        let handler = FakeHandler { manner, seen: Log::default(), queue: VecDeque::new(), script: Box::new(script) };
        World { hub: Hub::new(ports), wire: FakeWire::default(), handler, opened: Vec::new() }
    }

    /// Accepts a connection.
    pub(crate) fn open(&mut self) -> Connection {
        self.open_at(0)
    }

    /// Accepts a connection at the port with this index.
    pub(crate) fn open_at(&mut self, port: u8) -> Connection {
        let fd = fd(self.opened.len() as u64 + 1);
        let place = self.hub.open(fd, port);
        let now = Moment(self.wire.0.borrow().now);
        let before = self.wire.0.borrow_mut().by_place.insert(place, Socket::new(now));
        assert!(before.is_none(), "a place was given out twice");
        self.hub.announce(place, &mut self.wire, &mut self.handler);
        self.work_if_later();
        self.opened.push(Connection { fd, place });
        Connection { fd, place }
    }

    /// Accepts a connection and upgrades it; forgets what was seen and sent meanwhile.
    pub(crate) fn open_websocket(&mut self) -> Connection {
        self.open_websocket_at(0)
    }

    /// As [`World::open_websocket`], at the port with this index.
    pub(crate) fn open_websocket_at(&mut self, port: u8) -> Connection {
        let connection = self.open_at(port);
        self.feed(connection, UPGRADE);
        if self.handler.manner == Manner::OnDemand {
            self.work();
        }
        self.handler.seen.borrow_mut().clear();
        self.wire.socket(connection.place, |socket| {
            socket.bytes.clear();
            socket.sends = 0;
            socket.interest_changes = 0;
        });
        connection
    }

    /// The peer sends; the loop runs until nothing is ready.
    pub(crate) fn feed(&mut self, connection: Connection, bytes: &[u8]) {
        self.wire.socket(connection.place, |socket| socket.input.extend(bytes));
        self.run();
    }

    /// The peer ends its stream.
    pub(crate) fn end(&mut self, connection: Connection) {
        self.wire.socket(connection.place, |socket| socket.eof = true);
        self.run();
    }

    /// Changes a socket; then the loop runs until nothing is ready.
    pub(crate) fn change(&mut self, connection: Connection, f: impl FnOnce(&mut Socket)) {
        self.wire.socket(connection.place, f);
        self.run();
    }

    /// Serves all that is ready until nothing is: a connection that stays ready for nothing is a busy loop.
    pub(crate) fn run(&mut self) {
        for _ in 0..100_000 {
            let mut idle = true;
            for at in 0..self.opened.len() {
                idle &= !self.turn(self.opened[at]);
            }
            if idle {
                return;
            }
        }
        panic!("the loop is busy with nothing: {:?}", self.wire.0.borrow().by_place);
    }

    /// Serves one connection once, as the engine does; was it ready?
    pub(crate) fn turn(&mut self, connection: Connection) -> bool {
        let place = connection.place;
        let ended = self.wire.socket(place, |socket| !socket.closed && socket.interest.end && socket.eof);
        if ended {
            self.hub.peer_ended(place, &mut self.wire);
        }
        let Some((read, write, hung_up)) = self.wire.socket(place, |socket| socket.ready()) else { return ended };
        if write {
            self.hub.writable(place, &mut self.wire, &mut self.handler);
        }
        if read || hung_up {
            self.read(place, hung_up);
        }
        self.work_if_later();
        true
    }

    fn read(&mut self, place: Place, hung_up: bool) {
        let World { hub, wire, handler, .. } = self;
        let mut buffer = [0; READ_BYTES];
        let mut wire_of_hub = wire.clone();
        let (received, own) = match hub.target(place, DIRECT_BYTES_MIN, &mut wire_of_hub) {
            Target::Shared => (wire.receive(place, &mut buffer), false),
            Target::Own(room) => (wire.receive(place, room), true),
            Target::Nowhere if hung_up => (Received::Broken, false),
            Target::Nowhere => return,
        };
        match received {
            Received::Bytes(n) if own => hub.received_directly(place, n, wire, handler),
            Received::Bytes(n) => hub.receive(place, &mut buffer[..n], wire, handler),
            Received::Nothing => Verdict::Handled,
            Received::End => hub.end_of_stream(place, wire, handler),
            Received::Broken => hub.broken(place, wire, handler),
        };
    }

    fn work_if_later(&mut self) {
        if self.handler.manner == Manner::Later {
            self.work();
        }
    }

    /// Handles what is queued, as a worker does, until nothing is.
    pub(crate) fn work(&mut self) {
        while !self.handler.queue.is_empty() {
            while let Some((fd, seen)) = self.handler.queue.pop_front() {
                let more = !self.handler.queue.is_empty();
                let mut out = self.hub.outlet(&mut self.wire, more);
                (self.handler.script)(fd, &seen, &mut out);
                let _ = match seen {
                    Seen::CloseFrame(_) | Seen::Violation(_) | Seen::BadPacket(_) => out.apply(fd, Command::Finish),
                    Seen::Closed(_) => out.apply(fd, Command::Forget),
                    _ => Ok(()),
                };
            }
            self.hub.settle(&mut self.wire, &mut self.handler);
        }
    }

    /// Does something from outside a handler.
    pub(crate) fn apply<T>(&mut self, f: impl FnOnce(&mut dyn Outlet) -> T) -> T {
        let result = f(&mut self.hub.outlet(&mut self.wire, false));
        self.hub.settle(&mut self.wire, &mut self.handler);
        self.work_if_later();
        result
    }

    /// Time passes; what is overdue ends.
    pub(crate) fn wait(&mut self, ms: u64) {
        let now = {
            let mut sockets = self.wire.0.borrow_mut();
            sockets.now += ms;
            Moment(sockets.now)
        };
        self.hub.tick(now, &mut self.wire, &mut self.handler);
        self.work_if_later();
        self.run();
    }

    /// What was sent to a connection, since the last time.
    pub(crate) fn sent(&mut self, connection: Connection) -> Vec<u8> {
        self.wire.socket(connection.place, |socket| std::mem::take(&mut socket.bytes))
    }

    /// What was heard, since the last time.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        self.handler.seen.take().into_iter().map(|(_, seen)| seen).collect()
    }

    pub(crate) fn is_closed(&self, connection: Connection) -> bool {
        self.wire.socket(connection.place, |socket| socket.closed)
    }
}

/// The fd with this number.
pub(crate) fn fd(number: u64) -> Fd {
    Fd::new(number).expect("not zero")
}

/// A handshake that any server accepts.
pub(crate) const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A client's frame.
pub(crate) fn from_client(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let key = [1, 20, 133, 244];
    let mut bytes = frame::encode(opcode, fin, 0, payload.len(), Some(key)).bytes().to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[start..], key);
    bytes
}

/// A server's frame.
pub(crate) fn from_server(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    [frame::encode(opcode, fin, 0, payload.len(), None).bytes(), payload].concat()
}

/// A text message of a client.
pub(crate) fn client_text(text: &str) -> Vec<u8> {
    from_client(Opcode::Text, true, text.as_bytes())
}

/// A text message of a server.
pub(crate) fn server_text(text: &str) -> Vec<u8> {
    from_server(Opcode::Text, true, text.as_bytes())
}

/// A close frame of a server.
pub(crate) fn server_close(code: u16) -> Vec<u8> {
    from_server(Opcode::Close, true, &code.to_be_bytes())
}
