//! The writing ends of rings, one to each seat that is talked to.

use crate::links::RECORD_BYTES_MAX;
use std::sync::Arc;
use wirewool_ipc::exchange::{Exchange, Standing};
use wirewool_ipc::ring::RingError;
use wirewool_ipc::ring::writer::{Kept, Limits, Pushed, Writer};

/// What a record that waits takes besides its payload.
const KEPT_BYTES: usize = 64;

/// Nobody takes it: there is no such occupant, or the ring to it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nobody;

/// What is written to.
enum End {
    Ring(Box<Writer>),
    /// The reader has not let go of the ring of whoever sat here before: what is for it, and the bytes of that.
    Waiting(Vec<Kept>, usize),
}

struct Open {
    end: End,
    epoch: u32,
    /// How many records were pushed.
    pushed: u64,
    /// The reader was rung since the ring is open: it may not have it open yet.
    rung: bool,
    /// Something was published since it was asked whether to ring.
    unrung: bool,
}

/// The writing ends of one seat.
pub(crate) struct Writers {
    exchange: Arc<Exchange>,
    seat: usize,
    epoch: u32,
    open: Vec<Option<Open>>,
    /// Whose ring was closed, and is not opened a second time; by seat, 0 for nobody.
    closed: Vec<u32>,
    /// The seats that may have to be rung.
    unrung: Vec<usize>,
}

impl Writers {
    /// For the occupant of `seat`.
    pub(crate) fn new(exchange: Arc<Exchange>, seat: usize) -> Writers {
        let epoch = exchange.occupant(seat).map_or(0, |me| me.epoch);
        let open = (0..exchange.seats()).map(|_| None).collect();
        let closed = vec![0; exchange.seats()];
        Writers { exchange, seat, epoch, open, closed, unrung: Vec::new() }
    }

    /// The seats, and who sits there.
    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Writes a record to the occupant of a seat: [`Writers::ring`] is to follow. What has no room in the ring is kept,
    /// however much it is: the caller looks at [`Writers::kept_bytes`] before it accepts more.
    ///
    /// # Errors
    /// It is lost.
    pub(crate) fn push(&mut self, to: usize, tag: u16, parts: &[&[u8]]) -> Result<(), Nobody> {
        let Some(open) = self.open(to) else { return Err(Nobody) };
        let pushed = match &mut open.end {
            End::Ring(writer) => writer.push(tag, parts),
            End::Waiting(..) if parts.iter().map(|part| part.len()).sum::<usize>() > RECORD_BYTES_MAX => {
                Ok(Pushed::TooLong)
            }
            End::Waiting(records, bytes) => {
                let record = Kept { tag, payload: parts.concat() };
                *bytes += record.payload.len() + KEPT_BYTES;
                records.push(record);
                Ok(Pushed::Kept)
            }
        };
        match pushed {
            Ok(Pushed::Whole | Pushed::Kept) => {
                open.pushed = open.pushed.wrapping_add(1);
                if !std::mem::replace(&mut open.unrung, true) {
                    self.unrung.push(to);
                }
                Ok(())
            }
            Ok(Pushed::Full | Pushed::TooLong) => Err(Nobody),
            Err(error) => {
                self.fail(to, error);
                Err(Nobody)
            }
        }
    }

    /// Was this the last record that was pushed there? The first `skip` bytes of its payload do not matter.
    pub(crate) fn last_is(&self, to: usize, tag: u16, skip: usize, parts: &[&[u8]]) -> bool {
        self.writer(to).is_some_and(|writer| writer.last_is(tag, skip, parts))
    }

    /// How many records the occupant of a seat has begun with; none if no ring to it is open.
    pub(crate) fn begun(&self, to: usize) -> Option<u64> {
        self.open.get(to)?.as_ref().map(Open::begun)
    }

    /// Which occupant of a seat a ring is open to.
    pub(crate) fn epoch(&self, to: usize) -> Option<u32> {
        self.open.get(to)?.as_ref().map(|open| open.epoch)
    }

    /// Has the occupant of a seat something to begin with still?
    pub(crate) fn has_unbegun(&self, to: usize) -> bool {
        let open = self.open.get(to).and_then(Option::as_ref);
        open.is_some_and(|open| open.begun() < open.pushed)
    }

    /// What is kept for the occupant of a seat, in bytes.
    pub(crate) fn kept_bytes(&self, to: usize) -> usize {
        self.open.get(to).and_then(Option::as_ref).map_or(0, Open::kept_bytes)
    }

    /// May somebody have to be rung?
    pub(crate) fn has_unrung(&self) -> bool {
        !self.unrung.is_empty()
    }

    /// Rings those who sleep although there is something for them.
    pub(crate) fn ring(&mut self) {
        while let Some(to) = self.unrung.pop() {
            let Some(open) = &mut self.open[to] else { continue };
            open.unrung = false;
            let End::Ring(writer) = &mut open.end else { continue };
            let must_ring = writer.must_ring();
            if !std::mem::replace(&mut open.rung, true) || must_ring {
                self.exchange.doorbell(to).ring();
            }
        }
    }

    /// Rings whoever waits at this side.
    pub(crate) fn ring_self(&self) {
        self.exchange.doorbell(self.seat).ring();
    }

    /// Writes of what is kept as much as there is room for: [`Writers::ring`] is to follow.
    pub(crate) fn flush(&mut self) {
        for to in 0..self.open.len() {
            let Some(open) = &mut self.open[to] else { continue };
            if open.kept_bytes() == 0 {
                continue;
            }
            match open.flush(&self.exchange, (self.seat, self.epoch), to) {
                Ok(()) => {
                    if !std::mem::replace(&mut open.unrung, true) {
                        self.unrung.push(to);
                    }
                }
                Err(error) => self.fail(to, error),
            }
        }
    }

    /// May this side wait for its doorbell? If not, there is something to flush.
    pub(crate) fn may_sleep(&mut self) -> bool {
        let mut may_sleep = true;
        for to in 0..self.open.len() {
            let Some(Open { end: End::Ring(writer), .. }) = &mut self.open[to] else { continue };
            match writer.sleep() {
                Ok(may) => may_sleep &= may,
                Err(error) => self.fail(to, error),
            }
        }
        may_sleep
    }

    /// The seats that a ring is open to whose occupant is dead.
    pub(crate) fn orphaned(&self) -> Vec<usize> {
        let orphaned = |to: &usize| match &self.open[*to] {
            Some(open) => {
                let now = self.exchange.occupant(*to);
                now.is_none_or(|now| now.epoch != open.epoch || now.standing == Standing::Dead)
            }
            None => false,
        };
        (0..self.open.len()).filter(orphaned).collect()
    }

    /// Closes the ring to a seat: what its occupant, who is dead or has left, did not begin with.
    pub(crate) fn close(&mut self, to: usize) -> Vec<Kept> {
        let Some(open) = self.open.get_mut(to).and_then(Option::take) else { return Vec::new() };
        self.closed[to] = open.epoch;
        let writer = match open.end {
            End::Ring(writer) => writer,
            End::Waiting(records, _) => return records,
        };
        let undelivered = writer.take_undelivered();
        if let Some(error) = undelivered.lost {
            tracing::error!("what was under way to the occupant of seat {to} may be lost: {error}");
        }
        undelivered.records
    }

    /// Opens the ring to a seat, and writes what another one did not begin with before anything else:
    /// [`Writers::ring`] is to follow.
    ///
    /// # Errors
    /// Nobody is there: the records.
    pub(crate) fn resume(&mut self, to: usize, records: Vec<Kept>) -> Result<(), Vec<Kept>> {
        let Some(open) = self.open(to) else { return Err(records) };
        open.pushed = open.pushed.wrapping_add(records.len() as u64);
        match &mut open.end {
            End::Ring(writer) => {
                // What is wrong with the ring is said by the next push.
                let _ = writer.resume(records);
            }
            End::Waiting(waiting, bytes) => {
                *bytes += records.iter().map(|record| record.payload.len() + KEPT_BYTES).sum::<usize>();
                waiting.extend(records);
            }
        }
        if !std::mem::replace(&mut open.unrung, true) {
            self.unrung.push(to);
        }
        Ok(())
    }

    fn open(&mut self, to: usize) -> Option<&mut Open> {
        if self.open.get(to)?.is_none() {
            self.open[to] = Some(self.begin(to)?);
        }
        self.open[to].as_mut()
    }

    /// Opens the ring to whoever sits in a seat.
    fn begin(&self, to: usize) -> Option<Open> {
        let now = self.exchange.occupant(to)?;
        if now.standing == Standing::Dead || self.closed[to] == now.epoch {
            return None;
        }
        let end = match open_ring(&self.exchange, (self.seat, self.epoch), (to, now.epoch)).ok()? {
            Some(writer) => End::Ring(writer),
            None => End::Waiting(Vec::new(), 0),
        };
        Some(Open { end, epoch: now.epoch, pushed: 0, rung: false, unrung: false })
    }

    fn writer(&self, to: usize) -> Option<&Writer> {
        match &self.open.get(to)?.as_ref()?.end {
            End::Ring(writer) => Some(writer),
            End::Waiting(..) => None,
        }
    }

    #[cold]
    fn fail(&mut self, to: usize, error: RingError) {
        tracing::error!("the ring to seat {to} is given up: {error}");
        // Whoever of both is a worker is to be replaced: nothing is heard of it otherwise.
        if let Some(open) = self.open[to].take() {
            self.closed[to] = open.epoch;
            self.exchange.want_leave_of(to, open.epoch);
        }
        self.exchange.want_leave(self.seat);
    }
}

impl Open {
    /// Writes what there is room for, of the occupant `me` to the one in the seat `to`.
    fn flush(&mut self, exchange: &Exchange, me: (usize, u32), to: usize) -> Result<(), RingError> {
        match &mut self.end {
            End::Ring(writer) => writer.flush().map(|_| ()),
            End::Waiting(records, _) => {
                let Some(mut writer) = open_ring(exchange, me, (to, self.epoch))? else { return Ok(()) };
                let resumed = writer.resume(std::mem::take(records));
                self.end = End::Ring(writer);
                resumed
            }
        }
    }

    fn begun(&self) -> u64 {
        match &self.end {
            End::Ring(writer) => writer.begun(),
            End::Waiting(..) => 0,
        }
    }

    fn kept_bytes(&self) -> usize {
        match &self.end {
            End::Ring(writer) => writer.kept_bytes(),
            End::Waiting(_, bytes) => *bytes,
        }
    }
}

/// Opens the ring from one occupant to another; none while that one still reads what a dead one has sent it.
fn open_ring(
    exchange: &Exchange,
    (from, from_epoch): (usize, u32),
    (to, to_epoch): (usize, u32),
) -> Result<Option<Box<Writer>>, RingError> {
    if exchange.unread(from, to, to_epoch).is_some() {
        return Ok(None);
    }
    let (ring, epoch) = (exchange.ring(from, to), Exchange::ring_epoch(from_epoch, to_epoch));
    // Nobody alive has it open: its writers and readers before are dead, or have let go of it.
    ring.reset(epoch);
    let limits = Limits { record_bytes_max: RECORD_BYTES_MAX, kept_bytes_max: usize::MAX };
    let writer = Writer::open(ring, epoch, limits)?;
    // At once: what is in the ring when this side dies is still read.
    exchange.greet(from, to, epoch);
    Ok(Some(Box::new(writer)))
}
