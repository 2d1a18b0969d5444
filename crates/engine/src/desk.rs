//! A process of the crew without connections of its own: events come from the reactors' rings, parcels from the crew's.
//!
//! The rings are its queue: the read index of one moves when a handler begins, so what was not begun can go to another.

use crate::crew::parcel::{PARCEL, Parcel};
use crate::links::datagram::{DATAGRAM, decode};
use crate::links::readers::Readers;
use crate::poller::{Flags, Poller, Ready};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_hub::codec::{Malformed, decode_event};
use wirewool_hub::event::{Datagram, Event};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Departed, Exchange};

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

/// What a desk had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken<R> {
    Nothing,
    Parcel,
    Event(R),
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
    /// Those before are the reactors'.
    first: usize,
    poller: Poller,
    ready: Vec<Ready>,
    /// Whose turn it is.
    turn: usize,
    /// When the pass began.
    began: Instant,
    version: u64,
}

impl Desk {
    /// For the occupant of `seat`, who may be asked to end by `signals`. The seats before `first` are the reactors'.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn new(
        exchange: Arc<Exchange>,
        first: usize,
        seat: usize,
        signals: Option<impl AsFd>,
    ) -> io::Result<Desk> {
        let poller = Poller::new()?;
        poller.add(exchange.doorbell(seat), DOORBELL, Flags::IN)?;
        signals.map_or(Ok(()), |signals| poller.add(signals, SIGNALS, Flags::IN))?;
        let readers = Readers::new(exchange.clone(), seat);
        let began = Instant::now();
        Ok(Desk { readers, exchange, seat, first, poller, ready: Vec::new(), turn: 0, began, version: 0 })
    }

    /// Waits end when `descriptor` is readable as well: its owner looks after it.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn watch(&self, descriptor: impl AsFd) -> io::Result<()> {
        self.poller.add(descriptor, WATCHED, Flags::IN)
    }

    /// Waits for the doorbell or a signal, at most `limit`; one that `reads` no events waits although there are some.
    ///
    /// # Errors
    /// Those of epoll.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, reads: bool) -> io::Result<Woken> {
        self.readers.ring();
        let may_sleep = self.readers.may_sleep_for(if reads { 0 } else { self.first });
        let limit = if may_sleep { limit } else { Some(Duration::ZERO) };
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
            self.rang();
        }
        Ok(woken)
    }

    /// May it wait for its doorbell? If not, there is something to read.
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.readers.ring();
        self.readers.may_sleep()
    }

    /// Waits for the doorbell alone, at most `limit`, unless the crew has sent something.
    pub(crate) fn wait_for_crew(&mut self, limit: Option<Duration>) {
        self.readers.ring();
        if self.readers.may_sleep_for(self.first) {
            let doorbell = self.exchange.doorbell(self.seat);
            let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
            // However it ends, what has come is looked at.
            let _ = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], limit.as_ref());
        }
        self.rang();
    }

    /// Waits for the doorbell alone, at most `limit`, whatever there is to read.
    pub(crate) fn wait_for_room(&mut self, limit: Duration) {
        self.readers.ring();
        let doorbell = self.exchange.doorbell(self.seat);
        // However it ends, the caller looks for room.
        let _ = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], Timespec::try_from(limit).ok().as_ref());
        self.rang();
    }

    fn rang(&mut self) {
        self.exchange.doorbell(self.seat).clear();
        self.readers.greet();
    }

    /// Begins with what comes next, if something does and the pass is not over; `handle` hears whether there is more. A
    /// parcel goes to `parcels` instead. One that `reads` no events takes parcels alone.
    pub(crate) fn take<R>(
        &mut self,
        reads: bool,
        parcels: &mut VecDeque<Parcel>,
        handle: impl FnOnce(Heard<'_>, bool) -> R,
    ) -> Taken<R> {
        if self.began.elapsed() >= PASS_TIME_MAX {
            return Taken::Nothing;
        }
        let seats = self.readers.seats();
        for _ in 0..seats {
            self.turn = if self.turn + 1 < seats { self.turn + 1 } else { 0 };
            if self.turn < self.first && !reads {
                continue;
            }
            let Some(record) = self.readers.peek(self.turn) else { continue };
            let Ok(record) = record.begin() else { continue };
            if record.tag == PARCEL && self.turn >= self.first {
                match Parcel::decode(record.payload) {
                    Some(parcel) => {
                        parcels.push_back(parcel);
                        return Taken::Parcel;
                    }
                    None => self.readers.fail(self.turn, Malformed::Tag(PARCEL)),
                }
                continue;
            }
            let heard = match record.tag {
                DATAGRAM if self.turn < self.first => {
                    decode(record.payload).map(Heard::Datagram).ok_or(Malformed::Tag(DATAGRAM))
                }
                tag => decode_event(tag, record.payload).map(|(fd, event)| Heard::Event(fd, event)),
            };
            match heard {
                Ok(heard) => return Taken::Event(handle(heard, record.more)),
                Err(malformed) => {
                    let turn = self.turn;
                    self.readers.fail(turn, malformed);
                }
            }
        }
        Taken::Nothing
    }

    /// All parcels that have come.
    pub(crate) fn take_parcels(&mut self, parcels: &mut VecDeque<Parcel>) {
        (self.first..self.readers.seats()).for_each(|from| self.drain(from, parcels));
    }

    fn drain(&mut self, from: usize, parcels: &mut VecDeque<Parcel>) {
        while let Some(record) = self.readers.peek(from) {
            let Ok(record) = record.begin() else { return };
            match Parcel::decode(record.payload).filter(|_| record.tag == PARCEL) {
                Some(parcel) => parcels.push_back(parcel),
                None => self.readers.fail(from, Malformed::Tag(PARCEL)),
            }
        }
    }

    /// Is there more to begin with, as far as is known without a look?
    pub(crate) fn has_more(&self) -> bool {
        self.readers.has_unread()
    }

    /// When somebody came, left or died: those who are dead, once all that they have left is taken. They say nothing more.
    pub(crate) fn take_dead(&mut self, parcels: &mut VecDeque<Parcel>) -> Vec<Departed> {
        let version = self.exchange.version();
        if std::mem::replace(&mut self.version, version) == version {
            return Vec::new();
        }
        let dead = self.exchange.departed();
        // One of these may not have been seen alive.
        self.readers.greet_all();
        for departed in &dead {
            if !self.readers.has_ring_of(*departed) {
                continue;
            }
            if departed.seat >= self.first {
                self.drain(departed.seat, parcels);
            }
            self.readers.close(departed.seat);
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::{Desk, Heard, Taken};
    use crate::crew::parcel::{Kind, Occupancy, PARCEL, Parcel};
    use crate::links::datagram;
    use crate::links::writers::Writers;
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};
    use wirewool_hub::codec::encode_event;
    use wirewool_hub::event::{Closed, Datagram, Event, Status};
    use wirewool_hub::fd::Fd;
    use wirewool_ipc::doorbell::Doorbell;
    use wirewool_ipc::exchange::{Departed, Exchange};

    const REACTOR: usize = 0;
    const CREW: usize = 1;
    const OTHER: usize = 2;
    const OWN: usize = 3;

    fn desk() -> (Arc<Exchange>, Desk) {
        let exchange = Arc::new(Exchange::new(4, 4096).unwrap());
        (0..4).for_each(|seat| exchange.seat_next(seat));
        let desk = Desk::new(exchange.clone(), 1, OWN, Some(Doorbell::new().unwrap())).unwrap();
        (exchange, desk)
    }

    fn send(writers: &mut Writers, tasks: std::ops::Range<u64>) {
        for task in tasks {
            let origin = Occupancy { seat: CREW, epoch: 1 };
            let parcel =
                Parcel { kind: Kind::Task, flags: 0, from: 0, origin, task, sent: UNIX_EPOCH, payload: Vec::new() };
            writers.push(OWN, PARCEL, &[&parcel.header(), b"payload"]).unwrap();
        }
        writers.ring();
    }

    fn close(writers: &mut Writers, fd: u64) {
        let event = Event::Closed(Closed { by_server: false, status: Status::Active });
        encode_event(Fd::new(fd).unwrap(), &event, |tag, parts| writers.push(OWN, tag, parts)).unwrap();
        writers.ring();
    }

    fn pass_datagram(writers: &mut Writers, port: u16) {
        let datagram = Datagram { port: 1, sender: ([127, 0, 0, 1], port).into(), bytes: b"hello" };
        datagram::encode(&datagram, |tag, parts| writers.push(OWN, tag, parts)).unwrap();
        writers.ring();
    }

    /// All that is there: the fds of events, or the ports that datagrams come from, and the numbers of tasks.
    fn take_all(desk: &mut Desk, reads: bool) -> (Vec<u64>, Vec<u64>) {
        let (mut fds, mut parcels) = (Vec::new(), VecDeque::new());
        desk.wait(Some(Duration::ZERO), reads).unwrap();
        loop {
            let before = parcels.len();
            let number = |heard: Heard<'_>, _| match heard {
                Heard::Event(fd, _) => fd.get(),
                Heard::Datagram(datagram) => datagram.sender.port().into(),
            };
            match desk.take(reads, &mut parcels, number) {
                Taken::Event(fd) => fds.push(fd),
                Taken::Parcel => assert_eq!(parcels.len(), before + 1, "one at a time"),
                Taken::Nothing => break,
            }
        }
        (fds, numbers(parcels))
    }

    fn numbers(parcels: VecDeque<Parcel>) -> Vec<u64> {
        parcels.into_iter().map(|parcel| parcel.task).collect()
    }

    #[test]
    fn events_come_from_reactors_and_parcels_from_the_crew() {
        let (exchange, mut desk) = desk();
        let [mut reactor, mut crew] = [REACTOR, CREW].map(|seat| Writers::new(exchange.clone(), seat));
        close(&mut reactor, 5);
        send(&mut crew, 0..3);
        assert_eq!(take_all(&mut desk, false), (vec![], vec![0, 1, 2]), "who leaves reads no events");
        send(&mut crew, 3..4);
        assert_eq!(take_all(&mut desk, true), (vec![5], vec![3]));
        assert_eq!(take_all(&mut desk, true), (vec![], vec![]));
    }

    #[test]
    fn datagrams_come_from_reactors_alone() {
        let (exchange, mut desk) = desk();
        let [mut reactor, mut crew] = [REACTOR, CREW].map(|seat| Writers::new(exchange.clone(), seat));
        pass_datagram(&mut reactor, 7000);
        close(&mut reactor, 5);
        pass_datagram(&mut crew, 8000);
        send(&mut crew, 0..1);
        assert_eq!(take_all(&mut desk, false), (vec![], vec![]));
        assert_eq!(take_all(&mut desk, true), (vec![7000, 5], vec![]));
    }

    #[test]
    fn whoever_sends_what_is_none_is_not_read_any_more_but_others_are() {
        let (exchange, mut desk) = desk();
        let [mut reactor, mut crew, mut other] =
            [REACTOR, CREW, OTHER].map(|seat| Writers::new(exchange.clone(), seat));
        crew.push(OWN, PARCEL, &[b"too short"]).unwrap();
        send(&mut crew, 0..2);
        send(&mut other, 10..12);
        // An event's tag is no parcel's: only the crew sends those.
        reactor.push(OWN, PARCEL, &[b"x"]).unwrap();
        close(&mut reactor, 5);
        assert_eq!(take_all(&mut desk, true), (vec![], vec![10, 11]));
    }

    #[test]
    fn who_waits_for_room_begins_with_nothing() {
        let (exchange, mut desk) = desk();
        let mut crew = Writers::new(exchange, CREW);
        send(&mut crew, 0..3);
        desk.wait_for_room(Duration::ZERO);
        assert!(crew.has_unbegun(OWN));
        assert_eq!(take_all(&mut desk, true), (vec![], vec![0, 1, 2]));
        assert!(!crew.has_unbegun(OWN));
    }

    #[test]
    fn what_the_dead_have_said_is_taken_before_what_their_successors_say() {
        let (exchange, mut desk) = desk();
        let [mut crew, mut other] = [CREW, OTHER].map(|seat| Writers::new(exchange.clone(), seat));
        send(&mut crew, 0..2);
        send(&mut other, 10..12);
        exchange.bury(CREW);
        // Nobody waits for this one to see that.
        exchange.seat_next(CREW);
        let mut successor = Writers::new(exchange.clone(), CREW);
        send(&mut successor, 2..4);
        assert!(successor.kept_bytes(OWN) > 0 && successor.has_unbegun(OWN));
        let mut parcels = VecDeque::new();
        let dead = desk.take_dead(&mut parcels);
        assert_eq!((dead, numbers(parcels)), (vec![Departed { seat: CREW, epoch: 1 }], vec![0, 1]));
        assert_eq!(desk.take_dead(&mut VecDeque::new()), []);
        assert_eq!(take_all(&mut desk, true), (vec![], vec![10, 11]));
        successor.flush();
        assert_eq!(successor.kept_bytes(OWN), 0);
        send(&mut successor, 4..5);
        assert_eq!(take_all(&mut desk, true), (vec![], vec![2, 3, 4]));
    }
}
