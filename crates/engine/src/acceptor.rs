//! Accepts connections from the listeners that all workers share, each its share of them.
//!
//! `EPOLLEXCLUSIVE` wakes one waiting worker, always the same one while it keeps up. So a worker that has more than
//! its share hands the connection over: it leaves word for the one with the fewest, rings it, and looks away from the
//! listeners for a moment. If nobody took the connection in that time, it does: a busy server is better than an idle
//! balance. A worker that looks away itself does not hand on what it is handed: two could do so for ever.

use crate::listener::{Listener, Listeners};
use crate::poller::{Flags, Poller};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use rustix::process::getpid;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use wirewool_hub::time::Moment;
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::process::is_orphan;
use wirewool_ipc::table::facts::Origin;
use wirewool_ipc::table::{Row, Table};

/// How long a worker looks away after it handed a connection over.
const HAND_OVER_MS: u64 = 5;

/// How long it looks away when there is no room for another connection.
const NO_ROOM_MS: u64 = 100;

/// A worker has more than its share from this many above the fewest on, or an eighth of them.
const SHARE_SLACK: usize = 4;

/// Why a worker does not accept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Another worker was rung.
    HandedOver,
    /// There is no room; whether that was logged.
    NoRoom,
}

/// What became of an attempt to accept.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A connection: its fd, its row in the table, its socket.
    Connection(u64, Row, OwnedFd),
    /// This one failed, the next may not.
    Again,
    /// Nothing more for now.
    Nothing,
}

/// One worker's view of the shared listeners.
pub(crate) struct Acceptor {
    listeners: Listeners,
    /// The first one's; the others' follow.
    first_token: u64,
    table: Arc<Table>,
    exchange: Arc<Exchange>,
    seat: usize,
    max_connection: usize,
    away: Option<(Moment, Away)>,
    /// The time of a hand-over is over and nobody took the connection.
    insists: bool,
    no_room_logged: bool,
    closed: bool,
}

impl Acceptor {
    pub(crate) fn new(
        listeners: Listeners,
        first_token: u64,
        table: Arc<Table>,
        exchange: Arc<Exchange>,
        seat: usize,
        max_connection: usize,
    ) -> Acceptor {
        Acceptor {
            listeners,
            first_token,
            table,
            exchange,
            seat,
            max_connection,
            away: None,
            insists: false,
            no_room_logged: false,
            closed: true,
        }
    }

    /// From now on connections are accepted, and may be handed over to this loop.
    pub(crate) fn begin(&mut self, poller: &Poller) -> io::Result<()> {
        self.look(poller)?;
        self.closed = false;
        self.table.attach(self.seat, getpid());
        Ok(())
    }

    fn look(&self, poller: &Poller) -> io::Result<()> {
        let mut streams =
            (self.first_token..).zip(self.listeners.iter()).filter(|(_, listener)| !listener.is_datagram());
        let added = streams.try_for_each(|(token, listener)| poller.add(listener, token, Flags::IN | Flags::EXCLUSIVE));
        if added.is_err() {
            self.look_nowhere(poller);
        }
        added
    }

    /// What is registered can be removed, and the rest needs not be: this cannot fail.
    fn look_nowhere(&self, poller: &Poller) {
        let streams = self.listeners.iter().filter(|listener| !listener.is_datagram());
        streams.for_each(|listener| drop(poller.remove(listener)));
    }

    /// No more connections, for good.
    pub(crate) fn close(&mut self, poller: &Poller) {
        if !std::mem::replace(&mut self.closed, true) && self.away.take().is_none() {
            self.look_nowhere(poller);
        }
        self.table.retire(self.seat);
        if is_orphan() {
            // There is no master to do it, and the other workers end as well.
            self.listeners.shut();
        }
    }

    /// When it looks at the listeners again.
    pub(crate) fn back_at(&self) -> Option<Moment> {
        self.away.map(|(until, _)| until)
    }

    /// The time passes: looks at the listeners again when it is time.
    pub(crate) fn tick(&mut self, now: Moment, poller: &Poller) {
        if let Some((until, why)) = self.away
            && until <= now
        {
            self.away = None;
            self.insists = why == Away::HandedOver;
            if let Err(error) = self.look(poller) {
                tracing::error!("cannot wait for connections: {error}");
                self.away = Some((now + NO_ROOM_MS, Away::NoRoom));
            }
        }
    }

    /// Was a connection handed over to this worker? The doorbell is to be cleared before.
    pub(crate) fn take_hand_over(&self) -> bool {
        self.table.take_hand_over(self.seat)
    }

    /// Accepts one connection of the port with this index, if it is this worker's turn. `now_ms` is the time of day,
    /// since 1970.
    pub(crate) fn accept(&mut self, port: u8, now: Moment, now_ms: u64, poller: &Poller) -> Accepted {
        let is_open = |listener: &&Listener| !self.closed && !listener.is_datagram();
        let Some(listener) = self.listeners.get(port).filter(is_open).cloned() else {
            return Accepted::Nothing;
        };
        if self.table.connections() >= self.max_connection {
            return self.no_room(now, poller, "max_connection is reached");
        }
        if let Some(other) = self.worker_with_fewer() {
            if !self.insists {
                if self.away.is_none() {
                    self.table.hand_over(other);
                    self.exchange.doorbell(other).ring();
                    self.look_away(now + HAND_OVER_MS, Away::HandedOver, poller);
                }
                return Accepted::Nothing;
            }
        } else {
            self.insists = false;
        }
        match net::acceptfrom_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                match self.table.claim(self.seat, Origin { peer, descriptor: socket.as_raw_fd(), port }, now_ms) {
                    Some((fd, row)) => {
                        self.no_room_logged = false;
                        Accepted::Connection(fd, row, socket)
                    }
                    None => {
                        self.table.count_aborted(self.seat);
                        self.no_room(now, poller, "max_connection is reached")
                    }
                }
            }
            Err(Errno::AGAIN) => {
                self.insists = false;
                Accepted::Nothing
            }
            // The master has shut the listener: the server ends.
            Err(Errno::INVAL) => {
                self.close(poller);
                Accepted::Nothing
            }
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                self.no_room(now, poller, &io::Error::from(error).to_string())
            }
            // The peer gave up while it waited, or a signal came: not this worker's trouble.
            Err(_) => Accepted::Again,
        }
    }

    /// The worker with the fewest connections, if this one has more than its share beside it.
    fn worker_with_fewer(&self) -> Option<usize> {
        let (other, fewest) = self.table.least_loaded()?;
        let share = fewest + SHARE_SLACK.max(fewest / 8);
        (other != self.seat && self.table.load(self.seat) >= share).then_some(other)
    }

    fn no_room(&mut self, now: Moment, poller: &Poller, why: &str) -> Accepted {
        if !std::mem::replace(&mut self.no_room_logged, true) {
            tracing::warn!("no more connections are accepted for now: {why}");
        }
        self.look_away(now + NO_ROOM_MS, Away::NoRoom, poller);
        Accepted::Nothing
    }

    /// Unless it looks away already: others that ring must not put off its return.
    fn look_away(&mut self, until: Moment, why: Away, poller: &Poller) {
        if self.away.is_none() {
            self.look_nowhere(poller);
            self.away = Some((until, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Accepted, Acceptor, HAND_OVER_MS, SHARE_SLACK};
    use crate::listener::{Listener, Listeners};
    use crate::poller::Poller;
    use rustix::process::getpid;
    use std::net::TcpStream;
    use std::sync::Arc;
    use wirewool_hub::time::Moment;
    use wirewool_ipc::exchange::Exchange;
    use wirewool_ipc::table::Table;
    use wirewool_ipc::table::facts::Origin;

    #[test]
    fn hands_over_once_and_returns_in_time_however_often_it_is_rung() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener.listen(8, true).unwrap();
        let table = Arc::new(Table::new(2, 100).unwrap());
        let exchange = Arc::new(Exchange::new(2, 64).unwrap());
        let poller = Poller::new().unwrap();
        let mut acceptor = Acceptor::new(Listeners::new(vec![listener.clone()]), 0, table.clone(), exchange, 0, 100);
        acceptor.begin(&poller).unwrap();
        for worker in 0..2 {
            table.attach(worker, getpid());
        }
        for _ in 0..SHARE_SLACK {
            table.claim(0, Origin::UNKNOWN, 0).unwrap();
        }
        let _client = TcpStream::connect(listener.address().unwrap()).unwrap();
        assert!(matches!(acceptor.accept(0, Moment(0), 0, &poller), Accepted::Nothing));
        assert!(table.take_hand_over(1));
        for now in 1..HAND_OVER_MS {
            assert!(matches!(acceptor.accept(0, Moment(now), 0, &poller), Accepted::Nothing));
            assert_eq!((table.take_hand_over(1), acceptor.back_at()), (false, Some(Moment(HAND_OVER_MS))));
        }
        acceptor.tick(Moment(HAND_OVER_MS), &poller);
        assert!(matches!(acceptor.accept(0, Moment(HAND_OVER_MS), 0, &poller), Accepted::Connection(..)));
    }
}
