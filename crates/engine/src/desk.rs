//! A worker process without connections of its own: events come from the reactors' rings.
//!
//! The rings are its queue: the read index of one moves when a handler begins, so what was not begun can go to another.

use crate::links::datagram::{DATAGRAM, decode};
use crate::links::readers::Readers;
use crate::poller::{Flags, Poller, Ready};
use rustix::fd::AsFd;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_hub::codec::{Malformed, decode_event};
use wirewool_hub::event::{Datagram, Event};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Exchange, Occupant, Standing};

/// After so long it is time to look who else wants something, however much there is to read.
const PASS_TIME_MAX: Duration = Duration::from_millis(10);

const DOORBELL: u64 = 0;
const SIGNALS: u64 = 1;
const WATCHED: u64 = 2;

/// What a wait was ended by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Woken {
    pub(crate) rang: bool,
    pub(crate) signalled: bool,
}

/// What a worker hears of.
pub(crate) enum Heard<'a> {
    /// Something happened to a connection.
    Event(Fd, Event<'a>),
    /// A datagram came.
    Datagram(Datagram<'a>),
}

/// The reading side of a worker.
pub(crate) struct Desk {
    readers: Readers,
    exchange: Arc<Exchange>,
    seat: usize,
    poller: Poller,
    ready: Vec<Ready>,
    /// Whose turn it is.
    turn: usize,
    /// When the pass began.
    began: Instant,
    version: u64,
}

impl Desk {
    /// For the occupant of `seat`, who is asked to end by `signals`.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn new(exchange: Arc<Exchange>, seat: usize, signals: impl AsFd) -> io::Result<Desk> {
        let poller = Poller::new()?;
        poller.add(exchange.doorbell(seat), DOORBELL, Flags::IN)?;
        poller.add(signals, SIGNALS, Flags::IN)?;
        let readers = Readers::new(exchange.clone(), seat);
        let began = Instant::now();
        Ok(Desk { readers, exchange, seat, poller, ready: Vec::new(), turn: 0, began, version: 0 })
    }

    /// Waits end when `descriptor` is readable as well: its owner looks after it.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn watch(&self, descriptor: impl AsFd) -> io::Result<()> {
        self.poller.add(descriptor, WATCHED, Flags::IN)
    }

    /// Waits for the doorbell or a signal, at most `limit`; one that `reads` does not if there is something to read.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, reads: bool) -> io::Result<Woken> {
        self.readers.ring();
        let limit = if !reads || self.readers.may_sleep() { limit } else { Some(Duration::ZERO) };
        self.poller.wait(&mut self.ready, limit)?;
        self.began = Instant::now();
        let mut woken = Woken::default();
        for index in 0..self.ready.len() {
            match self.ready[index].data.u64() {
                SIGNALS => woken.signalled = true,
                WATCHED => {}
                _ => woken.rang = true,
            }
        }
        if woken.rang {
            self.exchange.doorbell(self.seat).clear();
            self.readers.greet();
            self.forget_dead();
        }
        Ok(woken)
    }

    /// Begins with what comes next, if something does and the pass is not over. `handle` hears whether there is more.
    pub(crate) fn take<R>(&mut self, handle: impl FnOnce(Heard<'_>, bool) -> R) -> Option<R> {
        if self.began.elapsed() >= PASS_TIME_MAX {
            return None;
        }
        let seats = self.readers.seats();
        for _ in 0..seats {
            self.turn = if self.turn + 1 < seats { self.turn + 1 } else { 0 };
            let Some(record) = self.readers.peek(self.turn) else { continue };
            let Ok(record) = record.begin() else { continue };
            let heard = match record.tag {
                DATAGRAM => decode(record.payload).map(Heard::Datagram).ok_or(Malformed::Tag(DATAGRAM)),
                tag => decode_event(tag, record.payload).map(|(fd, event)| Heard::Event(fd, event)),
            };
            match heard {
                Ok(heard) => return Some(handle(heard, record.more)),
                Err(malformed) => {
                    let turn = self.turn;
                    self.readers.fail(turn, malformed);
                }
            }
        }
        None
    }

    /// Is there more to begin with, as far as is known without a look?
    pub(crate) fn has_more(&self) -> bool {
        self.readers.has_unread()
    }

    /// Those who are dead say nothing more, and their seats are for others.
    fn forget_dead(&mut self) {
        let version = self.exchange.version();
        if std::mem::replace(&mut self.version, version) == version {
            return;
        }
        for seat in 0..self.readers.seats() {
            if let Some(Occupant { epoch, standing: Standing::Dead }) = self.exchange.occupant(seat) {
                self.readers.close(seat);
                self.exchange.let_go(self.seat, seat, epoch);
            }
        }
    }
}
