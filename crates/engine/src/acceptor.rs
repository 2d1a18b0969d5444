//! Accepts connections from the listener that all workers share, each its share of them.
//!
//! `EPOLLEXCLUSIVE` wakes one waiting worker, always the same one while it keeps up. So a worker that has more than
//! its share hands the connection over: it rings the one with the fewest, and looks away from the listener for a
//! moment. If nobody took the connection in that time, it does: a busy server is better than an idle balance.

use crate::poller::{Flags, Poller};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use wirewool_hub::time::Moment;
use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::table::Table;

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
    /// A connection: its fd, its socket, its peer.
    Connection(u64, OwnedFd, Option<SocketAddr>),
    /// This one failed, the next may not.
    Again,
    /// Nothing more for now.
    Nothing,
}

/// One worker's view of the shared listener.
pub(crate) struct Acceptor {
    listener: Arc<OwnedFd>,
    token: u64,
    table: Arc<Table>,
    doorbells: Arc<[Doorbell]>,
    worker: usize,
    max_connection: usize,
    away: Option<(Moment, Away)>,
    /// The time of a hand-over is over and nobody took the connection.
    insists: bool,
    no_room_logged: bool,
    closed: bool,
}

impl Acceptor {
    pub(crate) fn new(
        listener: Arc<OwnedFd>,
        token: u64,
        table: Arc<Table>,
        doorbells: Arc<[Doorbell]>,
        worker: usize,
        max_connection: usize,
    ) -> Acceptor {
        Acceptor {
            listener,
            token,
            table,
            doorbells,
            worker,
            max_connection,
            away: None,
            insists: false,
            no_room_logged: false,
            closed: false,
        }
    }

    pub(crate) fn begin(&self, poller: &Poller) -> io::Result<()> {
        poller.add(&*self.listener, self.token, Flags::IN | Flags::EXCLUSIVE)
    }

    /// No more connections, for good.
    pub(crate) fn close(&mut self, poller: &Poller) {
        if !std::mem::replace(&mut self.closed, true) && self.away.take().is_none() {
            // It is registered: this cannot fail.
            let _ = poller.remove(&*self.listener);
        }
    }

    /// When it looks at the listener again.
    pub(crate) fn back_at(&self) -> Option<Moment> {
        self.away.map(|(until, _)| until)
    }

    /// The time passes: looks at the listener again when it is time.
    pub(crate) fn tick(&mut self, now: Moment, poller: &Poller) {
        if let Some((until, why)) = self.away
            && until <= now
        {
            self.away = None;
            self.insists = why == Away::HandedOver;
            if let Err(error) = self.begin(poller) {
                tracing::error!("cannot wait for connections: {error}");
                self.away = Some((now + NO_ROOM_MS, Away::NoRoom));
            }
        }
    }

    /// Accepts one connection, if it is this worker's turn.
    pub(crate) fn accept(&mut self, now: Moment, poller: &Poller) -> Accepted {
        if self.closed {
            return Accepted::Nothing;
        }
        if self.table.connections() >= self.max_connection {
            return self.no_room(now, poller, "max_connection is reached");
        }
        if let Some(other) = self.worker_with_fewer() {
            if !self.insists {
                self.doorbells[other].ring();
                self.look_away(now + HAND_OVER_MS, Away::HandedOver, poller);
                return Accepted::Nothing;
            }
        } else {
            self.insists = false;
        }
        match net::acceptfrom_with(&*self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => match self.table.claim(self.worker) {
                Some(fd) => {
                    self.no_room_logged = false;
                    Accepted::Connection(fd, socket, peer.and_then(|peer| SocketAddr::try_from(peer).ok()))
                }
                None => self.no_room(now, poller, "max_connection is reached"),
            },
            Err(Errno::AGAIN) => {
                self.insists = false;
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
        (other != self.worker && self.table.load(self.worker) >= share).then_some(other)
    }

    fn no_room(&mut self, now: Moment, poller: &Poller, why: &str) -> Accepted {
        if !std::mem::replace(&mut self.no_room_logged, true) {
            tracing::warn!("no more connections are accepted for now: {why}");
        }
        self.look_away(now + NO_ROOM_MS, Away::NoRoom, poller);
        Accepted::Nothing
    }

    fn look_away(&mut self, until: Moment, why: Away, poller: &Poller) {
        if self.away.is_none() {
            // It is registered: this cannot fail.
            let _ = poller.remove(&*self.listener);
        }
        self.away = Some((until, why));
    }
}
