//! Hands the events of a reactor to the workers, each of which has a ring for them.
//!
//! A record stays the reactor's until its worker has begun with it: what a worker that died or left has not begun goes
//! to its successor, before anything else. What it had begun and not ended is ended in its stead.

use crate::config::DispatchMode;
use crate::crew::Crew;
use crate::crew::parcel::Occupancy;
use crate::links::datagram;
use crate::links::writers::Writers;
use crate::quota::Quota;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;
use wirewool_hub::codec::encode_event;
use wirewool_hub::command::{Command, Outlet};
use wirewool_hub::event::{Datagram, Event, Handler, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_ipc::exchange::{Departed, Exchange, Occupant, Standing};
use wirewool_ipc::ring::writer::Kept;
use wirewool_ipc::table::Table;

/// The workers, and how events are spread over them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) crew: Crew,
    pub(crate) dispatch: DispatchMode,
    /// Somebody wants to hear of new connections.
    pub(crate) tells_connected: bool,
}

/// A worker, seen from a reactor.
#[derive(Default)]
struct Lane {
    /// Who gets its events; none while there is nobody. A ring to it is open.
    holder: Option<Occupancy>,
    /// There has been somebody.
    is_met: bool,
    /// What waits for somebody.
    waiting: Vec<Kept>,
    /// How many records there were for it, whoever it was.
    written: u64,
    /// How many of them those who are gone have begun with.
    begun: u64,
    /// Those that are not read from until it has caught up.
    stalled: Vec<Place>,
}

/// What a worker owes about a connection: each is ended by the command of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owes {
    Answer,
    Finish,
    Forget,
}

/// An event that somebody owes something for.
struct Asked {
    worker: usize,
    /// Who has it, or had it last.
    holder: Occupancy,
    /// Which of the worker's records it is.
    number: u64,
    owes: Owes,
}

/// Where the events of a connection that is bound to a user go, and which record the last one was.
struct Bound {
    worker: usize,
    number: u64,
}

/// Hands events to workers.
pub(crate) struct Relay {
    lanes: Vec<Lane>,
    plan: Lanes,
    table: Arc<Table>,
    exchange: Arc<Exchange>,
    writers: Writers,
    asked: HashMap<Fd, Asked>,
    bound: HashMap<Fd, Bound>,
    turn: usize,
    dropped: Quota,
    /// The workers are gone, and nobody comes after them.
    closed: bool,
}

impl Relay {
    pub(crate) fn new(plan: Lanes, table: Arc<Table>, exchange: Arc<Exchange>, seat: usize) -> Relay {
        let lanes = (0..plan.crew.workers).map(|_| Lane::default()).collect();
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
            dropped: Quota::default(),
            closed: false,
        }
    }

    /// Has there been somebody for the events of each worker?
    pub(crate) fn is_complete(&self) -> bool {
        self.lanes.iter().all(|lane| lane.is_met)
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
        let is_any_ready = self.takes_any() && self.is_any_ready();
        for lane in &mut self.lanes {
            if !lane.stalled.is_empty() && (is_any_ready || !is_behind(lane, &self.writers)) {
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
    pub(crate) fn done(&mut self, seat: usize, fd: Fd, owes: Owes) {
        // Not if it is asked for something else by now: of its end, above all.
        if self.asked.get(&fd).is_some_and(|asked| asked.holder.seat == seat && asked.owes == owes) {
            self.asked.remove(&fd);
        }
    }

    /// Somebody came, left or died: from now on events go to whoever serves, and wait where nobody does. No ring to the
    /// dead is open then.
    pub(crate) fn follow(&mut self) {
        for worker in 0..self.lanes.len() {
            let now = self.plan.crew.seats_of(worker).map(|seat| (seat, self.exchange.occupant(seat)));
            let who = |(seat, now): (usize, Option<Occupant>), is_meant: fn(Standing) -> bool| {
                let now = now.filter(|now| is_meant(now.standing))?;
                Some(Occupancy { seat, epoch: now.epoch })
            };
            let next = now.into_iter().find_map(|now| who(now, |standing| standing == Standing::Serving));
            if let Some(before) = self.lanes[worker].holder {
                let lives = |now| who(now, |standing| standing != Standing::Dead) == Some(before);
                if next == Some(before) || (next.is_none() && now.into_iter().any(lives)) {
                    continue;
                }
                self.part(worker, before.seat);
            }
            if let Some(next) = next {
                self.meet(worker, next.seat);
            }
        }
        self.writers.ring();
    }

    /// A worker's events go to its occupant no more.
    fn part(&mut self, worker: usize, before: usize) {
        let lane = &mut self.lanes[worker];
        lane.holder = None;
        lane.waiting = self.writers.close(before);
        lane.begun = lane.written - lane.waiting.len() as u64;
    }

    /// A worker's events go to this one from now on: first those that wait. If it is dead already, word of that comes.
    fn meet(&mut self, worker: usize, next: usize) {
        let lane = &mut self.lanes[worker];
        match self.writers.resume(next, std::mem::take(&mut lane.waiting)) {
            Ok(()) => {
                let holder = Occupancy { seat: next, epoch: self.writers.epoch(next).unwrap_or(0) };
                lane.holder = Some(holder);
                lane.is_met = true;
                let begun = lane.begun;
                let unbegun = |asked: &&mut Asked| asked.worker == worker && asked.number > begun;
                self.asked.values_mut().filter(unbegun).for_each(|asked| asked.holder = holder);
            }
            Err(records) => lane.waiting = records,
        }
    }

    /// Nobody hears anything any more: what was asked of somebody, who will never end it.
    pub(crate) fn close(&mut self) -> Vec<Fd> {
        self.closed = true;
        self.asked.drain().map(|(fd, _)| fd).collect()
    }

    /// What the dead occupants of a seat were asked for, had begun with, and will never end.
    pub(crate) fn take_asked(&mut self, dead: Departed) -> Vec<Fd> {
        let is_begun = |asked: &Asked| {
            let Occupancy { seat, epoch } = asked.holder;
            seat == dead.seat && dead.includes(epoch) && asked.number <= self.lanes[asked.worker].begun
        };
        self.asked.extract_if(|_, asked| is_begun(asked)).map(|(fd, _)| fd).collect()
    }

    /// May any worker have messages and requests?
    fn takes_any(&self) -> bool {
        matches!(self.plan.dispatch, DispatchMode::Round | DispatchMode::Idle)
    }

    fn is_any_ready(&self) -> bool {
        self.lanes.iter().any(|lane| !is_behind(lane, &self.writers))
    }

    /// The worker for an event of a connection. `is_data`: any worker may have it, where the order does not matter.
    fn worker(&mut self, fd: Fd, is_data: bool) -> usize {
        let dispatch = self.plan.dispatch;
        let bound = |peer, uid| dispatch.bound_worker(fd, peer, uid, self.plan.crew.workers);
        match dispatch {
            DispatchMode::Round if is_data => self.next_best(|_, _| 0),
            DispatchMode::Idle if is_data => self.next_best(Relay::load),
            DispatchMode::Round | DispatchMode::Idle | DispatchMode::Fixed => bound(None, 0),
            DispatchMode::Address => {
                let peer = self.table.facts(fd.get()).and_then(|facts| facts.origin.peer);
                bound(peer.map(|peer| peer.ip()), 0)
            }
            DispatchMode::User => self.users(fd, bound(None, self.table.facts(fd.get()).map_or(0, |facts| facts.uid))),
        }
    }

    /// The worker with the least of `what` among those that are not behind, if there are any; of equals, the next one.
    fn next_best(&mut self, what: impl Fn(&Relay, usize) -> u64) -> usize {
        let workers = self.plan.crew.workers;
        let rank = |worker: &usize| (is_behind(&self.lanes[*worker], &self.writers), what(self, *worker));
        let best = (1..=workers).map(|step| (self.turn + step) % workers).min_by_key(rank);
        self.turn = best.unwrap_or(0);
        self.turn
    }

    /// How much a worker has to do.
    fn load(&self, worker: usize) -> u64 {
        let busy = u64::from(self.lanes[worker].holder.is_some_and(|holder| self.exchange.busy(holder.seat).0));
        self.lanes[worker].written.saturating_sub(self.begun(worker)) + busy
    }

    /// How many of a worker's records were begun with.
    fn begun(&self, worker: usize) -> u64 {
        let lane = &self.lanes[worker];
        match lane.holder {
            // Nobody waits for a ring that is broken.
            Some(holder) => {
                self.writers.begun(holder.seat).map_or(lane.written, |begun| lane.begun.saturating_add(begun))
            }
            None => lane.begun,
        }
    }

    /// The worker of the user that a connection is bound to. It goes to another one once the one before has begun with
    /// all that it was given of this connection: so its events start in order.
    fn users(&self, fd: Fd, wanted: usize) -> usize {
        match self.bound.get(&fd) {
            Some(bound) if bound.worker != wanted && self.begun(bound.worker) < bound.number => bound.worker,
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
            self.bound.insert(fd, Bound { worker, number: self.lanes[worker].written });
        }
    }
}

/// Does it keep something for which its ring has no room, or is nobody there?
fn is_behind(lane: &Lane, writers: &Writers) -> bool {
    lane.holder.is_none_or(|holder| writers.kept_bytes(holder.seat) > 0)
}

impl Handler for Relay {
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict {
        let (is_data, owes) = match &event {
            _ if self.closed => return Verdict::Handled,
            Event::Connected if !self.plan.tells_connected => return Verdict::Handled,
            Event::Message(_) | Event::Received(_) | Event::Ping(_) | Event::Pong(_) => (true, None),
            Event::Request(_) | Event::Upgrade(_) => (true, Some(Owes::Answer)),
            Event::Ending(_) => (false, Some(Owes::Finish)),
            Event::Closed(_) => (false, Some(Owes::Forget)),
            _ => (false, None),
        };
        let worker = self.worker(fd, is_data);
        let lane = &mut self.lanes[worker];
        let pushed = encode_event(fd, &event, |tag, parts| match lane.holder {
            Some(holder) => self.writers.push(holder.seat, tag, parts).map(|()| holder),
            None => {
                lane.waiting.push(Kept { tag, payload: parts.concat() });
                Ok(Occupancy { seat: self.plan.crew.seats_of(worker)[0], epoch: 0 })
            }
        });
        let Ok(holder) = pushed else {
            tracing::error!("connection {fd} is closed: an event is lost, worker {worker} cannot be reached");
            let _ = out.apply(fd, Command::Close { reset: false });
            return Verdict::Handled;
        };
        lane.written += 1;
        if let Some(owes) = owes {
            self.asked.insert(fd, Asked { worker, holder, number: lane.written, owes });
        }
        self.note_bound(fd, worker, owes == Some(Owes::Forget));
        Verdict::Queued
    }

    /// All of one sender go to the same worker, unless any may have them.
    fn datagram(&mut self, datagram: Datagram<'_>) -> Verdict {
        let worker = match self.plan.dispatch {
            DispatchMode::Round => self.next_best(|_, _| 0),
            DispatchMode::Idle => self.next_best(Relay::load),
            DispatchMode::Fixed | DispatchMode::Address | DispatchMode::User => {
                let mut hasher = DefaultHasher::new();
                datagram.sender.hash(&mut hasher);
                (hasher.finish() % self.plan.crew.workers as u64) as usize
            }
        };
        let lane = &mut self.lanes[worker];
        let Some(holder) = lane.holder.filter(|_| !self.closed && !is_behind(lane, &self.writers)) else {
            if self.dropped.admits(Instant::now(), "datagrams that were dropped") {
                tracing::warn!("a datagram from {} is dropped: worker {worker} is behind", datagram.sender);
            }
            return Verdict::Handled;
        };
        if datagram::encode(&datagram, |tag, parts| self.writers.push(holder.seat, tag, parts)).is_ok() {
            lane.written += 1;
        }
        Verdict::Handled
    }

    fn takes(&mut self, fd: Fd, place: Place) -> bool {
        if self.closed {
            return true;
        }
        let worker = self.worker(fd, false);
        if !is_behind(&self.lanes[worker], &self.writers) || (self.takes_any() && self.is_any_ready()) {
            return true;
        }
        self.lanes[worker].stalled.push(place);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Owes, Relay};
    use crate::config::DispatchMode;
    use crate::crew::Crew;
    use crate::links::readers::Readers;
    use std::sync::Arc;
    use wirewool_hub::codec::decode_event;
    use wirewool_hub::command::{Command, Info, Outlet, Refused};
    use wirewool_hub::event::{Closed, Ending, Event, Handler, Status, Verdict};
    use wirewool_hub::fd::{Fd, Place};
    use wirewool_ipc::exchange::{Departed, Exchange};
    use wirewool_ipc::table::Table;
    use wirewool_ipc::table::facts::Origin;

    /// Notes whom it is to close.
    #[derive(Default)]
    struct Hub(Vec<Fd>);

    impl Outlet for Hub {
        fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
            assert!(matches!(command, Command::Close { reset: false }));
            self.0.push(fd);
            Ok(())
        }

        fn has(&self, _: Fd) -> bool {
            true
        }

        fn info(&self, _: Fd) -> Option<Info> {
            None
        }
    }

    /// A relay in seat 0, and two workers in the seats behind it, each with another for its successor.
    struct World {
        exchange: Arc<Exchange>,
        table: Arc<Table>,
        relay: Relay,
        hub: Hub,
    }

    impl World {
        fn new(dispatch: DispatchMode) -> World {
            let exchange = Arc::new(Exchange::new(5, 4096).unwrap());
            let table = Arc::new(Table::new(1, 10).unwrap());
            let plan =
                Lanes { crew: Crew { reactors: 1, workers: 2, tasks: 0, users: 0 }, dispatch, tells_connected: false };
            exchange.seat_next(0);
            let relay = Relay::new(plan, table.clone(), exchange.clone(), 0);
            let mut world = World { exchange, table, relay, hub: Hub::default() };
            world.come(1);
            world.come(2);
            world
        }

        /// Somebody takes a seat, and the relay hears of it.
        fn come(&mut self, seat: usize) {
            self.exchange.seat_next(seat);
            self.relay.follow();
        }

        /// Somebody dies, and the relay hears of it: what is to be done in his stead.
        fn die(&mut self, seat: usize) -> Vec<Fd> {
            let epoch = self.exchange.occupant(seat).unwrap().epoch;
            self.exchange.bury(seat);
            self.relay.follow();
            self.relay.take_asked(Departed { seat, epoch })
        }

        fn hear(&mut self, fd: Fd, event: Event<'_>) {
            assert_eq!(self.relay.handle(fd, event, &mut self.hub), Verdict::Queued);
            self.relay.ring();
        }

        fn ping(&mut self, fd: Fd, text: &'static str) {
            self.hear(fd, Event::Ping(text.as_bytes()));
        }

        fn close(&mut self, fd: Fd) {
            self.hear(fd, Event::Closed(Closed { by_server: false, status: Status::Active }));
        }

        /// The reading ends of a worker.
        fn worker(&self, seat: usize) -> Readers {
            let mut readers = Readers::new(self.exchange.clone(), seat);
            readers.greet();
            readers
        }
    }

    /// Begins with so many events: what they are.
    fn begin(worker: &mut Readers, most: usize) -> Vec<String> {
        let mut begun = Vec::new();
        while begun.len() < most
            && let Some(record) = worker.peek(0)
        {
            let (fd, event) = decode_event(record.tag(), record.payload()).unwrap();
            begun.push(match event {
                Event::Ping(text) => str::from_utf8(text).unwrap().to_owned(),
                event => format!("{fd} {event:?}"),
            });
            record.begin().unwrap();
        }
        begun
    }

    fn fd(number: u64) -> Fd {
        Fd::new(number).unwrap()
    }

    const GOODBYE: Event<'_> = Event::Ending(Ending::CloseFrame(&[]));
    const SEATS: [usize; 2] = [1, 3];

    #[test]
    fn what_was_not_begun_is_for_the_successor_whoever_dies_or_leaves() {
        for leaves in [false, true] {
            let mut world = World::new(DispatchMode::Fixed);
            let mut first = world.worker(1);
            ["a", "b", "c"].into_iter().for_each(|text| world.ping(fd(2), text));
            first.greet();
            assert_eq!(begin(&mut first, 1), ["a"]);
            if leaves {
                world.exchange.leave(1);
                world.relay.follow();
                world.ping(fd(2), "d");
                world.come(3);
            } else {
                assert_eq!(world.die(1), []);
                world.ping(fd(2), "d");
                // Another one that dies before it has begun with anything.
                world.come(3);
                assert_eq!(world.die(3), []);
                world.ping(fd(2), "e");
                world.come(3);
            }
            world.ping(fd(2), "f");
            let expected = if leaves { &["b", "c", "d", "f"][..] } else { &["b", "c", "d", "e", "f"] };
            assert_eq!(begin(&mut world.worker(3), 9), expected);
            assert!(world.hub.0.is_empty());
        }
    }

    #[test]
    fn nothing_is_lost_on_somebody_who_dies_before_he_is_sent_anything() {
        let mut world = World::new(DispatchMode::Fixed);
        world.exchange.bury(1);
        assert!(world.relay.is_complete());
        world.ping(fd(2), "a");
        world.relay.follow();
        assert!(world.relay.is_complete(), "they come and go, and who connects need not wait for all at once");
        world.ping(fd(2), "b");
        world.come(3);
        assert_eq!(begin(&mut world.worker(3), 9), ["a", "b"]);
    }

    #[test]
    fn what_the_dead_had_begun_is_ended_in_their_stead_and_nothing_else() {
        for successor_comes_first in [false, true] {
            let mut world = World::new(DispatchMode::Fixed);
            world.hear(fd(2), GOODBYE);
            world.hear(fd(4), GOODBYE);
            world.ping(fd(2), "a");
            world.hear(fd(6), GOODBYE);
            world.hear(fd(8), GOODBYE);
            let mut first = world.worker(1);
            assert_eq!(begin(&mut first, 3).len(), 3);
            world.relay.done(1, fd(4), Owes::Finish);
            if successor_comes_first {
                world.exchange.leave(1);
                world.come(3);
            }
            // It has begun with that of 2 and 4, and ended that of 4.
            assert_eq!(world.die(1), [fd(2)]);
            if !successor_comes_first {
                world.come(3);
            }
            assert_eq!(begin(&mut world.worker(3), 1).len(), 1);
            assert_eq!(world.die(3), [fd(6)]);
            assert_eq!(world.relay.close(), [fd(8)]);
        }
    }

    #[test]
    fn who_is_asked_for_something_else_meanwhile_still_owes_that() {
        let mut world = World::new(DispatchMode::Fixed);
        world.hear(fd(2), GOODBYE);
        world.close(fd(2));
        assert_eq!(begin(&mut world.worker(1), 9).len(), 2);
        world.relay.done(1, fd(2), Owes::Finish);
        assert_eq!(world.die(1), [fd(2)]);
    }

    #[test]
    fn a_later_event_of_his_is_no_reason_that_the_successor_owes_what_the_dead_did() {
        let mut world = World::new(DispatchMode::Fixed);
        world.hear(fd(2), GOODBYE);
        world.hear(fd(2), Event::BufferFull);
        assert_eq!(begin(&mut world.worker(1), 1).len(), 1);
        assert_eq!(world.die(1), [fd(2)]);
    }

    #[test]
    fn a_worker_dies_again_and_again() {
        let mut world = World::new(DispatchMode::Fixed);
        for round in 0..6 {
            let seat = SEATS[round % 2];
            world.hear(fd(2 * round as u64 + 2), GOODBYE);
            assert_eq!(begin(&mut world.worker(seat), 1).len(), 1);
            assert_eq!(world.die(seat), [fd(2 * round as u64 + 2)]);
            world.come(SEATS[(round + 1) % 2]);
        }
    }

    #[test]
    fn who_is_behind_stalls_its_connections_and_not_those_of_others() {
        let mut world = World::new(DispatchMode::Fixed);
        let places = [1, 2, 3].map(Place::unpack);
        let text = "x".repeat(100);
        for _ in 0..60 {
            world.hear(fd(2), Event::Ping(text.as_bytes()));
        }
        assert!(!world.relay.takes(fd(2), places[0]) && !world.relay.takes(fd(4), places[1]));
        assert!(world.relay.takes(fd(1), places[2]));
        assert_eq!(world.relay.flush(), []);
        let mut worker = world.worker(1);
        assert!(!begin(&mut worker, 99).is_empty());
        assert_eq!(world.relay.flush(), places[..2]);
        assert_eq!(world.relay.flush(), []);
        // While nobody is there, nothing is taken either; and if the next one has caught up at once, all is.
        begin(&mut worker, 99);
        world.die(1);
        assert!(!world.relay.takes(fd(2), places[0]));
        assert_eq!(world.relay.flush(), []);
        world.come(3);
        assert_eq!(world.relay.flush(), places[..1]);
    }

    #[test]
    fn where_any_worker_will_do_none_that_is_behind_gets_more() {
        for dispatch in [DispatchMode::Round, DispatchMode::Idle] {
            let mut world = World::new(dispatch);
            let place = Place::unpack(7);
            // The end of a connection goes by its fd, however much waits there.
            for number in 1..1000 {
                world.close(fd(2 * number));
            }
            for _ in 0..10 {
                assert!(world.relay.takes(fd(2), place));
                world.ping(fd(2), "a");
            }
            let mut other = world.worker(2);
            assert_eq!(begin(&mut other, 99), ["a"; 10]);
            let mut free = World::new(dispatch);
            (0..10).for_each(|_| {
                assert!(free.relay.takes(fd(2), place));
                free.ping(fd(2), "a");
            });
            assert_eq!(begin(&mut free.worker(1), 99).len(), 5, "by turns");
            let text = "x".repeat(100);
            while world.relay.takes(fd(2), place) {
                world.hear(fd(2), Event::Ping(text.as_bytes()));
            }
            assert_eq!(world.relay.flush(), []);
            begin(&mut other, 99);
            assert_eq!(world.relay.flush(), [place], "one of them has room again");
        }
    }

    #[test]
    fn a_user_s_events_start_in_order_also_if_the_worker_changes() {
        let mut world = World::new(DispatchMode::User);
        let (number, _) = world.table.claim(0, Origin::UNKNOWN, 0).unwrap();
        let him = fd(number);
        assert_eq!(number % 2, 1);
        ["a", "b"].into_iter().for_each(|text| world.ping(him, text));
        // From the second worker to the first, which has seats 1 and 3.
        assert!(world.table.bind(number, 2));
        world.ping(him, "c");
        assert_eq!(begin(&mut world.worker(2), 1), ["a"]);
        world.die(2);
        world.ping(him, "d");
        world.come(4);
        world.ping(him, "e");
        let mut next = world.worker(4);
        assert_eq!(begin(&mut next, 4), ["b", "c", "d", "e"]);
        world.ping(him, "f");
        assert_eq!(begin(&mut world.worker(1), 4), ["f"]);
        world.close(him);
        assert!(world.relay.bound.is_empty());
    }

    #[test]
    fn a_ring_that_is_broken_costs_its_worker_and_connections_but_nobody_hangs() {
        let mut world = World::new(DispatchMode::Fixed);
        world.ping(fd(2), "a");
        // Somebody writes where he should not.
        let epoch = Exchange::ring_epoch(9, 9);
        world.exchange.ring(0, 1).reset(epoch);
        assert_eq!(world.relay.handle(fd(2), Event::Ping(b"b"), &mut world.hub), Verdict::Handled);
        assert_eq!(world.hub.0, [fd(2)]);
        assert!(world.exchange.take_want_leave(1));
    }
}
