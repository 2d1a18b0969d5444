//! The reading ends of rings, one from each seat that has said something.

use crate::links::RECORD_BYTES_MAX;
use std::fmt::Display;
use std::sync::Arc;
use wirewool_ipc::exchange::{Exchange, Standing};
use wirewool_ipc::ring::reader::{Peeked, Reader};

/// The reading ends of one seat.
pub(crate) struct Readers {
    exchange: Arc<Exchange>,
    seat: usize,
    epoch: u32,
    open: Vec<Option<Reader>>,
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
        for (from, epoch) in self.exchange.take_greetings(self.seat) {
            let ring_epoch = Exchange::ring_epoch(epoch, self.epoch);
            match Reader::open(self.exchange.ring(from, self.seat), ring_epoch, RECORD_BYTES_MAX) {
                Ok(reader) => self.open[from] = Some(reader),
                Err(error) => self.fail(from, error),
            }
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
        match slot.as_mut()?.peek() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => {
                self.fail(from, error);
                return None;
            }
        }
        self.open[from].as_mut()?.peek().ok().flatten()
    }

    /// Is there more from somebody, as far as is known without a look?
    pub(crate) fn has_unread(&self) -> bool {
        self.open.iter().flatten().any(Reader::has_unread)
    }

    /// Rings those who wait for room.
    pub(crate) fn ring(&mut self) {
        for (from, reader) in self.open.iter_mut().enumerate() {
            if let Some(reader) = reader
                && reader.must_ring()
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
            let Some(reader) = &mut self.open[from] else { continue };
            match reader.sleep() {
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

    /// Closes the ring from a seat.
    pub(crate) fn close(&mut self, from: usize) {
        self.open[from] = None;
    }

    /// Closes the ring from a seat with which something is wrong: whoever of both is a worker is to be replaced.
    #[cold]
    pub(crate) fn fail(&mut self, from: usize, error: impl Display) {
        tracing::error!("the ring from seat {from} is given up: {error}");
        self.open[from] = None;
        self.exchange.want_leave(from);
        self.exchange.want_leave(self.seat);
    }
}
