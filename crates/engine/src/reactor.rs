//! One loop's pass: wait, then serve what is ready, one descriptor a call.
//!
//! Nothing of a pass lives on the caller's stack: the ready list and its cursor are the reactor's own. So a loop may
//! go on elsewhere between two calls.

use crate::acceptor::{Accepted, Acceptor};
use crate::links::datagram::DATAGRAM_BYTES_MAX;
use crate::poller::{Flags, Ready};
use crate::sockets::{Received, Sockets};
use rustix::fd::AsFd;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use wirewool_hub::command::{Command, Info, Outlet, Refused};
use wirewool_hub::event::{Datagram, Handler, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::hub::{Hub, Target};
use wirewool_hub::settings::Settings;
use wirewool_hub::time::Moment;
use wirewool_hub::wire::Wire;
use wirewool_ipc::exchange::Exchange;
use wirewool_proto::websocket::close::CloseCode;

use crate::config::Config;
use crate::listener::{Listener, Listeners, PORTS_MAX};
use wirewool_ipc::table::Table;

/// The read buffer: large enough for a 64 KB frame to arrive whole and be used from where it is.
const BUFFER_BYTES: usize = 512 << 10;

/// The read buffer's address modulo a cache line. A client's header is four bytes longer than the answer's: from here
/// most payloads start on a line of their own.
const BUFFER_SKEW: usize = 60;

/// From so many missing bytes on, the next read goes straight into its message.
const DIRECT_BYTES_MIN: usize = 32 << 10;

/// A read that brought this much of an unfinished frame is followed by another one at once.
const READ_ON_BYTES_MIN: usize = 16 << 10;

/// How much of one large message is read in one turn.
const TURN_BYTES_MAX: usize = 2 << 20;

/// How many connections are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 16;

/// How many datagrams are taken in one turn.
const DATAGRAMS_PER_TURN: usize = 64;

const DOORBELL: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;
const WATCHED: u64 = u64::MAX - 2;
const LAST_LISTENER: u64 = u64::MAX - 3;
const FIRST_LISTENER: u64 = LAST_LISTENER + 1 - PORTS_MAX as u64;

/// What one call of [`Reactor::serve`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The pass is over.
    Nothing,
    /// A connection, or new ones.
    Connection,
    /// The doorbell rang: somebody left something for this worker.
    Rang,
    /// Signals came.
    Signalled,
    /// The handler cannot go on.
    Stop,
}

/// One loop: its sockets, its connections, its read buffer.
pub struct Reactor {
    hub: Hub,
    sockets: Sockets,
    acceptor: Acceptor,
    listeners: Listeners,
    exchange: Arc<Exchange>,
    seat: usize,
    store: Vec<u8>,
    skew: usize,
    ready: Vec<Ready>,
    cursor: usize,
    now: Moment,
}

impl Reactor {
    /// The loop of whoever sits in `seat`, which will accept from `listeners`; `ports` is what each of them was told.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn new(
        config: &Config,
        ports: Vec<Settings>,
        listeners: &Listeners,
        table: Arc<Table>,
        exchange: Arc<Exchange>,
        seat: usize,
    ) -> io::Result<Reactor> {
        let sockets = Sockets::new(table.clone(), seat)?;
        sockets.poller.add(exchange.doorbell(seat), DOORBELL, Flags::IN)?;
        let max_connection = config.max_connection;
        let acceptor = Acceptor::new(listeners.clone(), FIRST_LISTENER, table, exchange.clone(), seat, max_connection);
        let store = vec![0; BUFFER_BYTES + 128];
        let skew = store.as_ptr().align_offset(64) + BUFFER_SKEW;
        Ok(Reactor {
            hub: Hub::new(ports),
            sockets,
            acceptor,
            listeners: listeners.clone(),
            exchange,
            seat,
            store,
            skew,
            ready: Vec::new(),
            cursor: 0,
            now: Moment(0),
        })
    }

    /// From now on connections are accepted.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn start_accepting(&mut self) -> io::Result<()> {
        for (token, listener) in (FIRST_LISTENER..).zip(self.listeners.iter()).filter(|(_, it)| it.is_datagram()) {
            self.sockets.poller.add(listener, token, Flags::IN | Flags::EXCLUSIVE)?;
        }
        self.acceptor.begin(&self.sockets.poller)
    }

    /// Waits for signals as well.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn watch_signals(&mut self, signals: impl AsFd) -> io::Result<()> {
        self.sockets.poller.add(signals, SIGNALS, Flags::IN)
    }

    /// Waits end when `descriptor` is readable as well: its owner looks after it.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn watch(&mut self, descriptor: impl AsFd) -> io::Result<()> {
        self.sockets.poller.add(descriptor, WATCHED, Flags::IN)
    }

    /// Waits until something is ready or a deadline comes, at most `limit`.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let deadline = [self.hub.next_deadline(), self.acceptor.back_at()].into_iter().flatten().min();
        let until =
            deadline.map(|at| Duration::from_millis(at.0.saturating_sub(Moment::from_micros(self.sockets.micros()).0)));
        let timeout = [until, limit].into_iter().flatten().min();
        self.cursor = 0;
        self.sockets.count();
        self.sockets.poller.wait(&mut self.ready, timeout)?;
        self.now = Moment::from_micros(self.sockets.micros());
        self.sockets.begin(self.now);
        Ok(())
    }

    /// The pass begins: what is overdue ends.
    pub fn tick(&mut self, handler: &mut dyn Handler) -> Verdict {
        self.acceptor.tick(self.now, &self.sockets.poller);
        self.hub.tick(self.now, &mut self.sockets, handler)
    }

    /// Serves the next ready descriptor: one turn.
    #[inline]
    pub fn serve(&mut self, handler: &mut dyn Handler) -> Served {
        let Some(ready) = self.ready.get(self.cursor) else { return Served::Nothing };
        self.cursor += 1;
        let (token, flags) = (ready.data.u64(), ready.flags);
        let verdict = match token {
            SIGNALS => return Served::Signalled,
            WATCHED => return Served::Connection,
            FIRST_LISTENER..=LAST_LISTENER => self.listen((token - FIRST_LISTENER) as u8, handler),
            DOORBELL => {
                self.exchange.doorbell(self.seat).clear();
                // Most rings are for something else, and looking costs a system call.
                let handed_over = self.acceptor.take_hand_over();
                for port in self.listeners.indexes().filter(|_| handed_over) {
                    if self.accept(port, handler) == Verdict::Stop {
                        return Served::Stop;
                    }
                }
                if self.sockets.take_want_look() {
                    self.hub.end_silent(&mut self.sockets);
                    if self.hub.settle(&mut self.sockets, handler) == Verdict::Stop {
                        return Served::Stop;
                    }
                }
                return Served::Rang;
            }
            packed => self.serve_connection(Place::unpack(packed), flags, handler),
        };
        if verdict == Verdict::Stop { Served::Stop } else { Served::Connection }
    }

    /// Connections or datagrams have come to a port.
    fn listen(&mut self, port: u8, handler: &mut dyn Handler) -> Verdict {
        match self.listeners.get(port).filter(|listener| listener.is_datagram()).cloned() {
            Some(listener) => self.datagrams(port, &listener, handler),
            None => self.accept(port, handler),
        }
    }

    fn datagrams(&mut self, port: u8, listener: &Listener, handler: &mut dyn Handler) -> Verdict {
        for _ in 0..DATAGRAMS_PER_TURN {
            let buffer = &mut self.store[self.skew..self.skew + DATAGRAM_BYTES_MAX];
            let Some((n, sender)) = self.sockets.receive_datagram(listener, buffer) else { break };
            // One without an address cannot be answered, and is nobody's.
            let Some(sender) = sender else { continue };
            let bytes = &self.store[self.skew..self.skew + n];
            if handler.datagram(Datagram { port, sender, bytes }) == Verdict::Stop {
                return Verdict::Stop;
            }
        }
        Verdict::Handled
    }

    fn accept(&mut self, port: u8, handler: &mut dyn Handler) -> Verdict {
        for _ in 0..ACCEPTS_PER_TURN {
            let accepted = self.acceptor.accept(port, self.now, self.sockets.now_ms, &self.sockets.poller);
            let (number, row, socket) = match accepted {
                Accepted::Connection(number, row, socket) => (number, row, socket),
                Accepted::Again => continue,
                Accepted::Nothing => break,
            };
            let Some(fd) = Fd::new(number) else { continue };
            let place = self.hub.open(fd, port);
            let verdict = match self.sockets.insert(place, socket, row) {
                Ok(()) => self.hub.announce(place, &mut self.sockets, handler),
                Err(error) => {
                    tracing::error!("connection {fd} is dropped: {error}");
                    self.sockets.count_aborted();
                    self.hub.broken(place, &mut self.sockets, handler)
                }
            };
            if verdict == Verdict::Stop {
                return Verdict::Stop;
            }
        }
        Verdict::Handled
    }

    #[inline]
    fn serve_connection(&mut self, place: Place, flags: Flags, handler: &mut dyn Handler) -> Verdict {
        if flags.contains(Flags::OUT) && self.hub.writable(place, &mut self.sockets, handler) == Verdict::Stop {
            return Verdict::Stop;
        }
        if flags.contains(Flags::RDHUP) {
            self.hub.peer_ended(place, &mut self.sockets);
        }
        if !flags.intersects(Flags::IN | Flags::HUP | Flags::ERR) {
            return Verdict::Handled;
        }
        if let Some(fd) = self.hub.heard(place)
            && !handler.takes(fd, place)
        {
            self.hub.stall(place, true, &mut self.sockets);
        }
        let mut budget = TURN_BYTES_MAX;
        loop {
            let (received, asked, own) = match self.hub.target(place, DIRECT_BYTES_MIN, &mut self.sockets) {
                Target::Shared => {
                    let buffer = &mut self.store[self.skew..self.skew + BUFFER_BYTES];
                    (self.sockets.receive(place, buffer), BUFFER_BYTES, false)
                }
                Target::Own(room) => (self.sockets.receive(place, room), room.len(), true),
                Target::Nowhere if flags.intersects(Flags::HUP | Flags::ERR) => Self::hung_up(),
                Target::Nowhere => return Verdict::Handled,
            };
            let n = match received {
                Received::Bytes(n) => n,
                Received::Blocked => return Verdict::Handled,
                Received::EndOfStream => return self.hub.end_of_stream(place, &mut self.sockets, handler),
                Received::Broken => return self.hub.broken(place, &mut self.sockets, handler),
            };
            let verdict = if own {
                self.hub.received_directly(place, n, &mut self.sockets, handler)
            } else {
                let n = self.read_on(place, n);
                let input = &mut self.store[self.skew..self.skew + n];
                self.hub.receive(place, input, &mut self.sockets, handler)
            };
            budget = budget.saturating_sub(n);
            if verdict == Verdict::Stop || n < asked || budget == 0 {
                return verdict;
            }
            if !own && !self.hub.is_within_message(place, DIRECT_BYTES_MIN) {
                return verdict;
            }
        }
    }

    /// A connection that is not read from says that both ends are done, or that it failed: left alone, it would say
    /// so in every pass.
    fn hung_up() -> (Received, usize, bool) {
        (Received::Broken, 0, false)
    }

    /// A large frame that is arriving just now: reads on behind it, so that it is whole and used from where it is.
    #[inline]
    fn read_on(&mut self, place: Place, n: usize) -> usize {
        let (mut n, mut last) = (n, n);
        let buffer = &mut self.store[self.skew..self.skew + BUFFER_BYTES];
        while last >= READ_ON_BYTES_MIN && n < buffer.len() && self.hub.wants_more(place, &buffer[..n], buffer.len()) {
            match self.sockets.receive(place, &mut buffer[n..]) {
                Received::Bytes(more) => {
                    n += more;
                    last = more;
                }
                // An end or an error says so again in the next pass.
                _ => break,
            }
        }
        n
    }

    /// Asks something of a connection from outside a handler. While `more` of the same batch waits to be handled, what
    /// is sent waits for its end, [`Reactor::settle`].
    ///
    /// # Errors
    /// Why it had no effect.
    #[inline]
    pub fn apply(&mut self, fd: Fd, command: Command<'_>, more: bool) -> Result<(), Refused> {
        self.hub.outlet(&mut self.sockets, more).apply(fd, command)
    }

    /// As [`Reactor::apply`], for a command that was accepted elsewhere: what is owed already is no reason to refuse it.
    ///
    /// # Errors
    /// Why it had no effect.
    pub fn apply_promised(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        self.hub.outlet_for_promised(&mut self.sockets, true).apply(fd, command)
    }

    /// A connection is read from again, once its handler has caught up.
    pub fn unstall(&mut self, place: Place) {
        self.hub.stall(place, false, &mut self.sockets);
    }

    /// The handler that was asked something about a connection is dead: it is answered in its stead.
    pub fn abandon(&mut self, fd: Fd) {
        self.hub.abandon(fd, &mut self.sockets);
    }

    /// Is there such a connection in this loop?
    #[inline]
    pub fn has(&self, fd: Fd) -> bool {
        self.hub.has(fd)
    }

    /// Sends what waits for the end of its batch, if it waits too long.
    pub fn flush_if_late(&mut self) {
        self.hub.flush_if_late(&mut self.sockets);
    }

    /// The end of a batch.
    #[inline]
    pub fn settle(&mut self, handler: &mut dyn Handler) -> Verdict {
        self.hub.settle(&mut self.sockets, handler)
    }

    /// No more connections are accepted.
    pub fn stop_accepting(&mut self) {
        for listener in self.listeners.iter().filter(|listener| listener.is_datagram()) {
            // Not registered before connections were accepted.
            let _ = self.sockets.poller.remove(listener);
        }
        self.acceptor.close(&self.sockets.poller);
    }

    /// Closes all connections, WebSockets with `code`.
    pub fn close_all(&mut self, code: CloseCode, handler: &mut dyn Handler) -> Verdict {
        self.hub.close_all(code, &mut self.sockets, handler)
    }

    /// Is no socket open any more?
    pub fn is_empty(&self) -> bool {
        self.hub.is_empty()
    }

    /// What is known of a connection.
    pub fn info(&self, fd: Fd) -> Option<Info> {
        self.hub.info(fd)
    }
}
