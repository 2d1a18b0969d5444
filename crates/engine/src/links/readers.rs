//! The reading ends of rings, one from each seat that has said something.

use crate::links::RECORD_BYTES_MAX;
use std::fmt::Display;
use std::num::NonZeroU64;
use std::sync::Arc;
use wirewool_ipc::exchange::{Departed, Exchange, Standing};
use wirewool_ipc::ring::reader::{Peeked, Reader};

struct Open {
    reader: Reader,
    epoch: NonZeroU64,
}

/// The reading ends of one seat.
pub(crate) struct Readers {
    exchange: Arc<Exchange>,
    seat: usize,
    epoch: u32,
    open: Vec<Option<Open>>,
}

impl Readers {
    /// For the occupant of `seat`.
    pub(crate) fn new(exchange: Arc<Exchange>, seat: usize) -> Readers {
        let epoch = exchange.occupant(seat).map_or(0, |me| me.epoch);
        let open = (0..exchange.seats()).map(|_| None).collect();
        Readers { exchange, seat, epoch, open }
    }

    /// Opens the rings of those who have something to say for the first time.
    pub(crate) fn greet(&mut self) {
        self.exchange.take_greetings(self.seat).into_iter().for_each(|from| self.open(from));
    }

    /// The same, whether they have come to say so or have died before.
    pub(crate) fn greet_all(&mut self) {
        (0..self.open.len()).for_each(|from| self.open(from));
    }

    fn open(&mut self, from: usize) {
        // None if whoever said so meant somebody who sat here before.
        let Some(epoch) = self.exchange.unread(from, self.seat, self.epoch) else { return };
        match &self.open[from] {
            Some(open) if open.epoch == epoch => return,
            Some(_) => return self.fail(from, "it was opened anew before its end"),
            None => {}
        }
        match Reader::open(self.exchange.ring(from, self.seat), epoch, RECORD_BYTES_MAX) {
            Ok(reader) => self.open[from] = Some(Open { reader, epoch }),
            Err(error) => self.fail(from, error),
        }
    }

    /// How many seats there are to read from.
    pub(crate) fn seats(&self) -> usize {
        self.open.len()
    }

    /// The next record from a seat. A ring that is damaged is read no more.
    pub(crate) fn peek(&mut self, from: usize) -> Option<Peeked<'_>> {
        let slot = &mut self.open[from];
        // Asked twice, so that the borrow of the record ends where there is none.
        match slot.as_mut()?.reader.peek() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => {
                self.fail(from, error);
                return None;
            }
        }
        self.open[from].as_mut()?.reader.peek().ok().flatten()
    }

    /// Is there more from somebody, as far as is known without a look?
    pub(crate) fn has_unread(&self) -> bool {
        self.open.iter().flatten().any(|open| open.reader.has_unread())
    }

    /// Rings those who wait for room.
    pub(crate) fn ring(&mut self) {
        for (from, open) in self.open.iter_mut().enumerate() {
            if let Some(open) = open
                && open.reader.must_ring()
            {
                self.exchange.doorbell(from).ring();
            }
        }
    }

    /// May this side wait for its doorbell? If not, there is something to read.
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.may_sleep_for(0)
    }

    /// As [`Readers::may_sleep`], for rings from the seat `first` on alone.
    pub(crate) fn may_sleep_for(&mut self, first: usize) -> bool {
        let mut may_sleep = true;
        for from in first..self.open.len() {
            let Some(open) = &mut self.open[from] else { continue };
            match open.reader.sleep() {
                Ok(may) => may_sleep &= may,
                Err(error) => self.fail(from, error),
            }
        }
        may_sleep
    }

    /// The seats that a ring is open from whose occupant leaves.
    pub(crate) fn leaving(&self) -> Vec<usize> {
        let leaves = |from: &usize| {
            let now = self.exchange.occupant(*from);
            self.open[*from].is_some() && now.is_some_and(|now| now.standing == Standing::Leaving)
        };
        (0..self.open.len()).filter(leaves).collect()
    }

    /// Is a ring open from one of these?
    pub(crate) fn has_ring_of(&self, departed: Departed) -> bool {
        let open = self.open[departed.seat].as_ref();
        open.is_some_and(|open| departed.includes(Exchange::occupants_of(open.epoch).0))
    }

    /// Closes the ring from a seat: whoever sits there may open it again.
    pub(crate) fn close(&mut self, from: usize) {
        if let Some(open) = self.open[from].take() {
            self.exchange.let_go(from, self.seat, open.epoch);
        }
    }

    /// Closes the ring from a seat with which something is wrong: whoever of both is a worker is to be replaced.
    #[cold]
    pub(crate) fn fail(&mut self, from: usize, error: impl Display) {
        tracing::error!("the ring from seat {from} is given up: {error}");
        let epoch = self.open[from].take().map(|open| open.epoch);
        if let Some(epoch) = epoch.or_else(|| self.exchange.unread(from, self.seat, self.epoch)) {
            self.exchange.let_go(from, self.seat, epoch);
            self.exchange.want_leave_of(from, Exchange::occupants_of(epoch).0);
        }
        self.exchange.want_leave(self.seat);
    }
}
