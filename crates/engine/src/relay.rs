//! Hands the events of a reactor to the workers, each of which has a ring for them.
//!
//! A record stays the reactor's until its worker has begun with it: what a worker that died or left has not begun goes
//! to its successor, before anything else. What it had begun and not ended is ended in its stead.

use crate::config::DispatchMode;
use crate::links::writers::Writers;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wirewool_hub::codec::encode_event;
use wirewool_hub::command::Outlet;
use wirewool_hub::event::{Event, Handler, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_ipc::exchange::{Count, Exchange, Standing};
use wirewool_ipc::ring::writer::Kept;
use wirewool_ipc::table::Table;

/// The workers, and how events are spread over them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) workers: usize,
    /// The first of their seats: each worker has two, one for its successor.
    pub(crate) first_seat: usize,
    pub(crate) dispatch: DispatchMode,
    /// Somebody wants to hear of new connections.
    pub(crate) tells_connected: bool,
}

/// A worker, seen from a reactor.
#[derive(Default)]
struct Lane {
    /// The seat of whoever gets its events; none before the first one is there.
    seat: Option<usize>,
    /// How many records were written for its occupant.
    written: u64,
    /// Those that are not read from until it has caught up.
    stalled: Vec<Place>,
}

/// Where the events of a connection that is bound to a user go.
struct Bound {
    worker: usize,
    /// The occupant's seat then, and how many records were written for it with the last event.
    seat: Option<usize>,
    written: u64,
}

/// Hands events to workers.
pub(crate) struct Relay {
    lanes: Vec<Lane>,
    plan: Lanes,
    table: Arc<Table>,
    exchange: Arc<Exchange>,
    writers: Writers,
    /// Who owes an answer, or a word that it is done, about which connection.
    asked: HashMap<Fd, usize>,
    bound: HashMap<Fd, Bound>,
    turn: usize,
    /// The workers are gone, and nobody comes after them.
    closed: bool,
}

impl Relay {
    pub(crate) fn new(plan: Lanes, table: Arc<Table>, exchange: Arc<Exchange>, seat: usize) -> Relay {
        let lanes = (0..plan.workers).map(|_| Lane::default()).collect();
        let writers = Writers::new(exchange.clone(), seat);
        Relay {
            lanes,
            plan,
            table,
            exchange,
            writers,
            asked: HashMap::new(),
            bound: HashMap::new(),
            turn: 0,
            closed: false,
        }
    }

    /// Is there somebody for the events of each worker?
    pub(crate) fn is_complete(&self) -> bool {
        self.lanes.iter().all(|lane| lane.seat.is_some())
    }

    /// Rings the workers that sleep although there is something for them.
    pub(crate) fn ring(&mut self) {
        self.writers.ring();
    }

    /// Writes what had no room, and says who can be read from again.
    pub(crate) fn flush(&mut self) -> Vec<Place> {
        self.writers.flush();
        self.writers.ring();
        let mut places = Vec::new();
        for lane in &mut self.lanes {
            if !lane.stalled.is_empty() && lane.seat.is_none_or(|seat| self.writers.kept_bytes(seat) == 0) {
                places.append(&mut lane.stalled);
            }
        }
        places
    }

    /// May the reactor wait for its doorbell?
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.writers.ring();
        self.writers.may_sleep()
    }

    /// A connection's worker has ended what it was asked for.
    pub(crate) fn done(&mut self, seat: usize, fd: Fd) {
        if self.asked.get(&fd) == Some(&seat) {
            self.asked.remove(&fd);
        }
    }

    /// Somebody came, left or died: from now on events go to whoever serves.
    pub(crate) fn follow(&mut self) {
        for worker in 0..self.lanes.len() {
            let seats = [self.plan.first_seat + worker, self.plan.first_seat + self.plan.workers + worker];
            let serves = |seat: &usize| {
                let occupant = self.exchange.occupant(*seat);
                occupant.is_some_and(|occupant| occupant.standing == Standing::Serving)
            };
            let Some(next) = seats.into_iter().find(serves) else { continue };
            let lane = &mut self.lanes[worker];
            let Some(before) = lane.seat.replace(next) else { continue };
            if before == next {
                continue;
            }
            lane.written = 0;
            let records = self.writers.close(before);
            for record in &records {
                lane.written += 1;
                let fd = fd_of(record);
                if let Some(asked) = fd.and_then(|fd| self.asked.get_mut(&fd)).filter(|asked| **asked == before) {
                    *asked = next;
                }
            }
            self.writers.resume(next, records);
        }
        self.writers.ring();
    }

    /// Is the seat still where a worker's events go, though its occupant is dead? Then there is no successor yet.
    pub(crate) fn awaits_successor(&self, seat: usize) -> bool {
        self.lanes.iter().any(|lane| lane.seat == Some(seat))
    }

    /// Nobody hears anything any more: what was asked of somebody, who will never end it.
    pub(crate) fn close(&mut self) -> Vec<Fd> {
        self.closed = true;
        self.asked.drain().map(|(fd, _)| fd).collect()
    }

    /// What the dead occupant of a seat was asked for, and will never end.
    pub(crate) fn take_asked(&mut self, seat: usize) -> Vec<Fd> {
        let fds: Vec<Fd> = self.asked.iter().filter(|(_, asked)| **asked == seat).map(|(fd, _)| *fd).collect();
        self.asked.retain(|_, asked| *asked != seat);
        fds
    }

    /// The worker for an event of a connection. `is_data`: any worker may have it, where the order does not matter.
    fn worker(&mut self, fd: Fd, is_data: bool) -> usize {
        let by_fd = (fd.get() % self.plan.workers as u64) as usize;
        match self.plan.dispatch {
            DispatchMode::Round if is_data => {
                self.turn = (self.turn + 1) % self.plan.workers;
                self.turn
            }
            DispatchMode::Idle if is_data => self.idlest(),
            DispatchMode::Round | DispatchMode::Idle | DispatchMode::Fixed => by_fd,
            DispatchMode::Address => {
                let address = self.table.facts(fd.get()).and_then(|facts| facts.peer).map(|peer| peer.ip());
                address.map_or(by_fd, |address| {
                    let mut hasher = DefaultHasher::new();
                    address.hash(&mut hasher);
                    (hasher.finish() % self.plan.workers as u64) as usize
                })
            }
            DispatchMode::User => self.users(fd, by_fd),
        }
    }

    /// The worker with the least to do; of equals, the next one.
    fn idlest(&mut self) -> usize {
        let workers = self.plan.workers;
        let load = |worker: &usize| match self.lanes[*worker].seat {
            Some(seat) => {
                let busy = self.exchange.count(seat, Count::Busy).load(Relaxed).min(1);
                let waiting = self.lanes[*worker].written.saturating_sub(self.writers.begun(seat).unwrap_or(0));
                waiting + busy
            }
            None => u64::MAX,
        };
        let idlest = (1..=workers).map(|step| (self.turn + step) % workers).min_by_key(load);
        self.turn = idlest.unwrap_or(0);
        self.turn
    }

    /// The worker of the user that a connection is bound to. It goes to another one once the one before has begun with
    /// all that it was given of this connection: so its events start in order.
    fn users(&mut self, fd: Fd, by_fd: usize) -> usize {
        let uid = self.table.facts(fd.get()).map_or(0, |facts| facts.uid);
        let wanted = if uid == 0 { by_fd } else { uid as usize % self.plan.workers };
        match self.bound.get(&fd) {
            Some(bound) if bound.worker != wanted => {
                let lane = &self.lanes[bound.worker];
                let begun = bound.seat.and_then(|seat| self.writers.begun(seat)).unwrap_or(u64::MAX);
                // With a successor, all that was not begun is counted anew: until it has caught up, it is asked.
                let waits = if lane.seat == bound.seat { begun < bound.written } else { begun < lane.written };
                if waits { bound.worker } else { wanted }
            }
            _ => wanted,
        }
    }

    fn note_bound(&mut self, fd: Fd, worker: usize, is_last: bool) {
        if self.plan.dispatch != DispatchMode::User {
            return;
        }
        if is_last {
            self.bound.remove(&fd);
        } else {
            let Lane { seat, written, .. } = self.lanes[worker];
            self.bound.insert(fd, Bound { worker, seat, written });
        }
    }
}

impl Handler for Relay {
    fn handle(&mut self, fd: Fd, event: Event<'_>, _: &mut dyn Outlet) -> Verdict {
        let (is_data, is_asked, is_last) = match &event {
            _ if self.closed => return Verdict::Handled,
            Event::Connected if !self.plan.tells_connected => return Verdict::Handled,
            Event::Message(_) | Event::Received(_) | Event::Ping(_) | Event::Pong(_) => (true, false, false),
            Event::Request(_) | Event::Upgrade(_) => (true, true, false),
            Event::Ending(_) => (false, true, false),
            Event::Closed(_) => (false, true, true),
            _ => (false, false, false),
        };
        let worker = self.worker(fd, is_data);
        let Some(seat) = self.lanes[worker].seat else { return Verdict::Handled };
        if encode_event(fd, &event, |tag, parts| self.writers.push(seat, tag, parts)).is_err() {
            tracing::error!("connection {fd}: an event is lost, worker {worker} cannot be reached");
            return Verdict::Handled;
        }
        self.lanes[worker].written += 1;
        if is_asked {
            self.asked.insert(fd, seat);
        }
        self.note_bound(fd, worker, is_last);
        Verdict::Queued
    }

    fn takes(&mut self, fd: Fd, place: Place) -> bool {
        let behind = |relay: &Relay, worker: usize| {
            relay.lanes[worker].seat.is_some_and(|seat| relay.writers.kept_bytes(seat) > 0)
        };
        if self.closed {
            return true;
        }
        let worker = match self.plan.dispatch {
            DispatchMode::Round | DispatchMode::Idle => match (0..self.lanes.len()).find(|w| !behind(self, *w)) {
                Some(_) => return true,
                None => 0,
            },
            _ => self.worker(fd, false),
        };
        if !behind(self, worker) {
            return true;
        }
        self.lanes[worker].stalled.push(place);
        false
    }
}

/// Whose event a record is.
fn fd_of(record: &Kept) -> Option<Fd> {
    record.payload.first_chunk().and_then(|fd| Fd::new(u64::from_le_bytes(*fd)))
}
