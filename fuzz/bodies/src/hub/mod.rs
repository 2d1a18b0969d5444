//! A whole hub: many connections, whose peers, sockets, handler and clock do what the input says.

mod heard;
mod invariants;
mod peer;
mod sent;
mod server;
mod sockets;

use crate::choices::Choices;
use crate::hub::heard::Heard;
use crate::hub::server::{Connection, Manner, Server};
use crate::hub::sockets::{Received, Sockets};
use std::collections::VecDeque;
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::hub::{Hub, Target};
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_hub::time::Moment;
use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::Compression;

/// An input opens so many connections at most.
const CONNECTIONS_MAX: usize = 12;

/// The hub's longest message that is not bounded by what may be owed: a close frame.
const FAREWELL_BYTES_MAX: usize = 127;

/// The longest of the hub's deadlines.
const TIMEOUT_MS_MAX: u64 = 75_000;

/// What an input reached, so that a test can tell whether the seeds go deep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Connections that became WebSockets.
    pub upgrades: usize,
    /// Plain requests with a body.
    pub bodies: usize,
    /// Messages of clients.
    pub messages: usize,
    /// Those that came compressed.
    pub inflated: usize,
    /// Frames that went out compressed.
    pub deflated: usize,
    /// Frames of fragmented messages that were accepted for sending.
    pub fragments: usize,
    /// Reads that went straight into a message.
    pub direct_reads: usize,
    /// Sockets that took only a part.
    pub backlogs: usize,
    /// How often more was owed than the high mark.
    pub filled: usize,
    /// Reads that were not done since the handler was behind.
    pub stalled: usize,
    /// Connections that ended because their handler was dead.
    pub abandoned: usize,
    /// Deadlines that passed.
    pub expired: usize,
    /// Close frames of clients.
    pub close_frames: usize,
    /// What clients did against the protocol.
    pub violations: usize,
    /// Close frames that went out whole.
    pub farewells: usize,
    /// Events of connections that were gone.
    pub stale: usize,
    /// Connections whose row served another one before.
    pub reused: usize,
}

/// Any operations on any connections: every event, every byte sent and every release is due where it comes.
pub fn hub(data: &[u8]) {
    run(data);
}

/// As [`hub`]: what was reached?
pub fn run(data: &[u8]) -> Reached {
    let mut choices = Choices::new(data);
    let mut race = Race::new(&mut choices);
    race.open();
    while !choices.is_empty() {
        race.step(&mut choices);
        race.check();
    }
    if race.stuck {
        race.end_stuck();
    } else {
        race.calm();
        race.end();
    }
    race.reached
}

/// A hub, its sockets and its handler.
struct Race<'a> {
    hub: Hub,
    sockets: Sockets,
    server: Server<'a>,
    /// What one read takes.
    buffer: Vec<u8>,
    direct_bytes_min: usize,
    /// The server ends, and no peer takes anything any more.
    stuck: bool,
    reached: Reached,
}

impl<'a> Race<'a> {
    fn new(choices: &mut Choices<'a>) -> Race<'a> {
        let (flags, more) = (choices.byte(), choices.byte());
        let settings = Settings {
            protocol: match flags & 15 {
                0 => Protocol::Raw,
                1 => Protocol::Http,
                _ => Protocol::WebSocket,
            },
            requests: flags & 16 == 0,
            own_handshake: flags & 32 == 32,
            ping_events: flags & 64 == 64,
            pong_events: flags & 128 == 128,
            buffer_events: more & 32 == 32,
            buffer_high_watermark_bytes: [None, Some(100), Some(0), Some(1_000)][usize::from(more >> 6)],
            buffer_low_watermark_bytes: [0, 50, 0, 999][usize::from(more >> 6)],
            deflate_level: choices.one_of(&[1, 6, 9]),
            deflate_threshold: choices.one_of(&[None, Some(0), Some(100)]),
            message_bytes_max: choices.one_of(&[5_000, 50_000, 126, 1]),
            push_bytes_max: choices.one_of(&[10_000, 50_000, 126]),
            outbox_bytes_max: choices.one_of(&[20_000, 200_000, 400, 4_000]),
            head: HeadLimits { bytes_max: choices.one_of(&[8_192, 300]), ..HeadLimits::default() },
            ..Settings::default()
        };
        let wanted = Compression {
            server_context_takeover: more & 1 == 0,
            client_context_takeover: more & 2 == 0,
            server_max_window_bits: if more & 4 == 0 { 9 } else { 15 },
            client_max_window_bits: if more & 8 == 0 { 9 } else { 15 },
            ..Compression::default()
        };
        let manner = choices.one_of(&[Manner::AtOnce, Manner::Later, Manner::OnDemand]);
        let buffer = vec![0; choices.one_of(&[4_096, 65_536, 20, 300])];
        let direct_bytes_min = choices.one_of(&[1_000, 1, 100]);
        let whims = choices.some().chunks(5).collect();
        let sockets = Sockets::default();
        let (connections, clock) = (Vec::new(), sockets.clock.clone());
        let queue = VecDeque::new();
        let hub = Hub::new(vec![settings.clone()]);
        let server = Server { settings, wanted, manner, connections, queue, clock, whims, whim: 0 };
        Race { hub, sockets, server, buffer, direct_bytes_min, stuck: more & 16 == 16, reached: Reached::default() }
    }

    fn open(&mut self) {
        let count = self.server.connections.len();
        let Some(fd) = Fd::new(count as u64 + 1).filter(|_| count < CONNECTIONS_MAX) else { return };
        let place = self.hub.open(fd, 0);
        self.reached.reused += usize::from(place.generation > 0);
        self.sockets.open(place);
        self.server.connections.push(Connection::new(fd, place));
        self.hub.announce(place, &mut self.sockets, &mut self.server);
        self.work_if_later();
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let (operation, at) = (choices.byte(), usize::from(choices.byte()) % self.server.connections.len());
        let connection = &mut self.server.connections[at];
        let place = connection.place;
        match operation % 32 {
            0 | 1 => self.open(),
            2..=8 => connection.peer.say(choices),
            // It says something, and all of that arrives.
            9..=15 => {
                connection.peer.say(choices);
                let n = connection.peer.unsaid.len();
                self.arrive(at, n);
            }
            16 | 17 => {
                let n = usize::from(choices.byte()) + 1;
                self.arrive(at, n);
            }
            18 => self.talk(at, usize::from(choices.byte()) + 1),
            19 => self.sockets.of(place).room = choices.one_of(&[0, 1, 100, 1_000, 10_000, usize::MAX]),
            20 => self.sockets.of(place).broken |= choices.flag(),
            21 => self.sockets.of(place).ended |= choices.flag(),
            22 => {
                self.turn(at);
            }
            23 => self.run(),
            24 => {
                let more = choices.flag();
                self.work(usize::from(choices.within(1..=4)), more);
            }
            25 | 26 => {
                let more = choices.flag();
                let mut out = self.hub.outlet(&mut self.sockets, more);
                self.server.act(at, choices, &mut out);
            }
            27 => self.settle(),
            28 => {
                self.server.clock.set(self.server.clock.get() + u64::from(choices.within(0..=2)));
                self.hub.flush_if_late(&mut self.sockets);
            }
            29 => self.wait(choices.one_of(&[1, 1_999, 2_000, 10_000, 75_000])),
            30 => self.stale(at, choices),
            _ => self.step_rarely(at, choices),
        }
    }

    fn step_rarely(&mut self, at: usize, choices: &mut Choices<'_>) {
        let connection = &mut self.server.connections[at];
        match choices.byte() {
            7 => self.close_all(),
            16..=95 => {
                let before = connection.accepted_bytes_max();
                let more = choices.flag();
                let mut out = self.hub.outlet_for_promised(&mut self.sockets, more);
                self.server.act(at, choices, &mut out);
                let connection = &mut self.server.connections[at];
                connection.promised += connection.accepted_bytes_max() - before;
            }
            number @ 96..=175 => {
                connection.stalled = number % 2 == 0;
                self.hub.stall(connection.place, connection.stalled, &mut self.sockets);
            }
            176..=207 => self.abandon(at),
            _ => {}
        }
    }

    /// Its handler dies.
    fn abandon(&mut self, at: usize) {
        let connection = &mut self.server.connections[at];
        let is_open = |hub: &Hub| hub.info(connection.fd).is_some_and(|info| info.open);
        let before = is_open(&self.hub);
        self.hub.abandon(connection.fd, &mut self.sockets);
        let ended = before && !is_open(&self.hub);
        self.reached.abandoned += usize::from(ended);
        connection.ended_here |= ended && !connection.is_ending();
        connection.forgotten |= connection.is_told();
    }

    /// So many bytes of what the peer said arrive, and are read.
    fn arrive(&mut self, at: usize, n: usize) {
        let connection = &mut self.server.connections[at];
        let socket = self.sockets.of(connection.place);
        if !socket.ended {
            socket.input.extend(connection.peer.arrive(n));
        }
        self.turn(at);
    }

    /// All that the peer said arrives in pieces of this size, as few as are needed for a thousand turns at most.
    fn talk(&mut self, at: usize, piece: usize) {
        let unsaid = self.server.connections[at].peer.unsaid.len();
        let piece = piece.max(unsaid / 1_000);
        for _ in 0..unsaid.div_ceil(piece) {
            self.arrive(at, piece);
        }
    }

    /// Serves all that is ready until nothing is: a connection that stays ready for nothing is a busy loop.
    fn run(&mut self) {
        for _ in 0..20_000 {
            let mut idle = true;
            for at in 0..self.server.connections.len() {
                idle &= !self.turn(at);
            }
            if idle {
                return;
            }
        }
        panic!("the loop is busy with nothing: {:?}", self.sockets);
    }

    /// Serves one connection once, as the engine does; was it ready?
    fn turn(&mut self, at: usize) -> bool {
        let connection = &self.server.connections[at];
        let place = connection.place;
        if connection.must_not_be_read(&self.hub) && !self.sockets.of(place).input.is_empty() {
            // The poller may have reported it before.
            self.reached.stalled += 1;
            let target = self.hub.target(place, self.direct_bytes_min, &mut self.sockets);
            assert!(matches!(target, Target::Nowhere), "{} is stalled", connection.fd);
        }
        let Some(ready) = self.sockets.of(place).ready() else { return false };
        if ready.write {
            self.hub.writable(place, &mut self.sockets, &mut self.server);
        }
        if ready.end {
            self.hub.peer_ended(place, &mut self.sockets);
        }
        if ready.read || ready.hung_up {
            for _ in 0..8 {
                if !self.read(at, place, ready.hung_up) {
                    break;
                }
            }
        }
        self.work_if_later();
        true
    }

    /// Reads once; is the connection in the middle of a message, of which there may be more?
    fn read(&mut self, at: usize, place: Place, hung_up: bool) -> bool {
        let Race { hub, sockets, server, buffer, .. } = self;
        let (received, asked, own) = match hub.target(place, self.direct_bytes_min, sockets) {
            Target::Shared => (sockets.of(place).receive(buffer), buffer.len(), false),
            Target::Own(room) => {
                let received = sockets.of(place).receive(room);
                if let Received::Bytes(n) = received {
                    server.connections[at].read.extend_from_slice(&room[..n]);
                }
                (received, room.len(), true)
            }
            Target::Nowhere if hung_up => (Received::Broken, 0, false),
            Target::Nowhere => return false,
        };
        let n = match received {
            Received::Bytes(n) if own => {
                self.reached.direct_reads += 1;
                hub.received_directly(place, n, sockets, server);
                n
            }
            Received::Bytes(n) => {
                server.connections[at].read.extend_from_slice(&buffer[..n]);
                hub.wants_more(place, &buffer[..n], buffer.len());
                hub.receive(place, &mut buffer[..n], sockets, server);
                n
            }
            Received::Nothing => return false,
            Received::End => {
                hub.end_of_stream(place, sockets, server);
                return false;
            }
            Received::Broken => {
                hub.broken(place, sockets, server);
                return false;
            }
        };
        n == asked && (own || hub.is_within_message(place, self.direct_bytes_min))
    }

    fn work_if_later(&mut self) {
        if self.server.manner == Manner::Later {
            self.work_all();
        }
    }

    /// Handles up to so many events that were queued.
    fn work(&mut self, events: usize, more: bool) {
        for _ in 0..events {
            let mut out = self.hub.outlet(&mut self.sockets, more);
            if !self.server.work_one(&mut out) {
                break;
            }
        }
    }

    /// Handles all that is queued, as a worker does, until nothing is.
    fn work_all(&mut self) {
        while !self.server.queue.is_empty() {
            while !self.server.queue.is_empty() {
                self.work(1, self.server.queue.len() > 1);
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.hub.settle(&mut self.sockets, &mut self.server);
        self.check_settled();
    }

    /// Time passes; what is overdue ends.
    fn wait(&mut self, ms: u64) {
        for connection in &mut self.server.connections {
            connection.lossy |= self.sockets.of(connection.place).blocked;
        }
        let clock = &self.server.clock;
        clock.set(clock.get() + ms);
        let now = Moment(clock.get());
        self.reached.expired += usize::from(self.hub.next_deadline().is_some_and(|at| at <= now));
        self.hub.tick(now, &mut self.sockets, &mut self.server);
        assert!(self.hub.next_deadline().is_none_or(|at| at > now), "a deadline that passed");
        self.work_if_later();
    }

    fn close_all(&mut self) {
        for connection in &mut self.server.connections {
            connection.ended_here |= !connection.is_told();
        }
        self.hub.close_all(CloseCode::GOING_AWAY, &mut self.sockets, &mut self.server);
        self.work_if_later();
    }

    /// An event that the poller reported before the connection was gone: it must not reach another one in its row.
    fn stale(&mut self, at: usize, choices: &mut Choices<'_>) {
        self.settle();
        let Race { hub, sockets, server, .. } = self;
        let place = server.connections[at].place;
        if !sockets.of(place).closed {
            return;
        }
        self.reached.stale += 1;
        let heard: usize = server.connections.iter().map(|connection| connection.heard.len()).sum();
        match choices.byte() % 4 {
            0 => assert!(matches!(hub.target(place, 1, sockets), Target::Nowhere)),
            1 => hub.peer_ended(place, sockets),
            2 => {
                hub.writable(place, sockets, server);
                hub.broken(place, sockets, server);
            }
            _ => {
                hub.receive(place, &mut [b'x'; 3], sockets, server);
                hub.end_of_stream(place, sockets, server);
            }
        }
        let after: usize = server.connections.iter().map(|connection| connection.heard.len()).sum();
        assert_eq!(after, heard);
    }

    /// The handler does its work, until there is none and nothing is ready.
    fn work_and_run(&mut self) {
        self.settle();
        self.run();
        while !self.server.queue.is_empty() {
            self.work_all();
            self.run();
        }
    }

    /// The sockets take everything, and the handler does its work.
    fn calm(&mut self) {
        self.server.whims.clear();
        for connection in &self.server.connections {
            self.sockets.of(connection.place).room = usize::MAX;
        }
        for connection in &mut self.server.connections {
            connection.stalled = false;
            self.hub.stall(connection.place, false, &mut self.sockets);
        }
        self.work_and_run();
        self.check();
        self.check_calm();
    }

    /// The peers are silent, then they end; time passes, and nothing is left.
    fn end(&mut self) {
        for _ in 0..2 {
            self.wait(TIMEOUT_MS_MAX);
            self.work_and_run();
        }
        self.check();
        self.check_patience();
        for at in 0..self.server.connections.len() {
            let place = self.server.connections[at].place;
            self.sockets.of(place).ended = true;
        }
        for _ in 0..4 {
            self.work_and_run();
            self.wait(TIMEOUT_MS_MAX);
        }
        self.work_and_run();
        self.check();
        self.check_end();
    }

    /// The server ends while nobody takes or sends anything: only time helps.
    fn end_stuck(&mut self) {
        for connection in &mut self.server.connections {
            self.sockets.of(connection.place).room = 0;
            connection.lossy = true;
        }
        self.server.whims.clear();
        self.close_all();
        for _ in 0..4 {
            self.work_and_run();
            self.wait(TIMEOUT_MS_MAX);
        }
        self.work_and_run();
        self.check();
        self.check_end();
    }
}

/// Did the connection's bytes cause this event?
fn is_caused(heard: &Heard) -> bool {
    !matches!(heard, Heard::Connected | Heard::Closed(_))
}
