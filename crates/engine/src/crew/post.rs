//! What this process sends to others of the crew, and who has what of it.
//!
//! A parcel goes to a place, whoever sits there: what one occupant has not begun with when it dies goes to the next one.
//! Of a task that it had begun, its origin is told that it is lost.

use crate::crew::parcel::{Kind, Occupancy, PARCEL, Parcel};
use crate::crew::{Crew, Role};
use crate::links::writers::Writers;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;
use wirewool_ipc::exchange::{Departed, Exchange, Standing};
use wirewool_ipc::ring::writer::Kept;

/// Why a parcel was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// There is no such place.
    #[error("there is no process {0}, the highest is {1}")]
    NoSuchPlace(usize, usize),
    /// There are no task workers.
    #[error("there are no task workers")]
    NoTaskWorkers,
    /// Too much waits for it already.
    #[error("{waiting} bytes wait for process {place} already, {limit} may")]
    Full {
        /// The place.
        place: usize,
        /// What waits, in bytes.
        waiting: usize,
        /// What may wait.
        limit: usize,
    },
}

/// What one process sends.
pub(crate) struct Post {
    crew: Crew,
    me: Occupancy,
    place: usize,
    /// What waits until somebody sits at a place.
    waiting: Vec<VecDeque<Kept>>,
    waiting_bytes: Vec<usize>,
    /// Tasks under way, and who has them; none while they wait.
    tasks: HashMap<u64, Option<Occupancy>>,
    next_task: u64,
    /// Where to begin to look for somebody idle.
    turn: usize,
    limit: usize,
}

impl Post {
    pub(crate) fn new(crew: Crew, exchange: &Exchange, seat: usize, limit: usize) -> Post {
        let places = crew.places();
        let epoch = exchange.occupant(seat).map_or(0, |occupant| occupant.epoch);
        Post {
            crew,
            me: Occupancy { seat, epoch },
            place: crew.place_of(seat).unwrap_or(0),
            waiting: (0..places).map(|_| VecDeque::new()).collect(),
            waiting_bytes: vec![0; places],
            tasks: HashMap::new(),
            next_task: 0,
            turn: 0,
            limit,
        }
    }

    /// Who this process is to others.
    pub(crate) fn me(&self) -> Occupancy {
        self.me
    }

    /// The seats of the crew.
    pub(crate) fn seats(&self) -> Range<usize> {
        self.crew.reactors..self.crew.seats()
    }

    /// Does something wait until somebody sits where it is to go?
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }

    /// Sends a task to the task worker with that number, or to the one with the least to do: the task's number.
    pub(crate) fn send_task(
        &mut self,
        writers: &mut Writers,
        worker: Option<usize>,
        flags: u8,
        payload: &[&[u8]],
    ) -> Result<u64, PostError> {
        if self.crew.tasks == 0 {
            return Err(PostError::NoTaskWorkers);
        }
        let place = match worker {
            Some(worker) if worker < self.crew.tasks => self.crew.workers + worker,
            Some(worker) => return Err(PostError::NoSuchPlace(worker, self.crew.tasks - 1)),
            None => self.idle_task_worker(writers.exchange()),
        };
        let task = self.next_task;
        self.send_to(writers, place, Kind::Task, flags, task, self.me, payload)?;
        self.next_task += 1;
        Ok(task)
    }

    /// Sends a message to whoever sits at a place.
    pub(crate) fn send_message(
        &mut self,
        writers: &mut Writers,
        place: usize,
        flags: u8,
        payload: &[&[u8]],
    ) -> Result<(), PostError> {
        self.send_to(writers, place, Kind::Message, flags, 0, self.me, payload)
    }

    /// Sends what came of a task to whoever has asked for it.
    pub(crate) fn answer(
        &mut self,
        writers: &mut Writers,
        (origin, task): (Occupancy, u64),
        kind: Kind,
        flags: u8,
        payload: &[&[u8]],
    ) -> Result<(), PostError> {
        let highest = self.crew.places().saturating_sub(1);
        let Some(place) = self.crew.place_of(origin.seat) else {
            return Err(PostError::NoSuchPlace(origin.seat, highest));
        };
        let exchange = writers.exchange();
        let asker = exchange.occupant(origin.seat).filter(|now| now.epoch == origin.epoch);
        let parcel = self.parcel(kind, flags, task, origin);
        let header = parcel.header();
        let parts = [&[&header[..]], payload].concat();
        if asker.is_some_and(|now| now.standing != Standing::Dead) && writers.push(origin.seat, PARCEL, &parts).is_ok()
        {
            return Ok(());
        }
        if self.crew.role(place) == Role::Manager {
            // Nobody follows it: the server ends.
            return Ok(());
        }
        // It is gone: whoever followed it may want to know.
        self.send_to(writers, place, kind, flags, task, origin, payload)
    }

    /// A parcel has come for this process.
    pub(crate) fn note_taken(&mut self, exchange: &Exchange, parcel: &Parcel) {
        match parcel.kind {
            Kind::Task => {
                let queued = exchange.queued(self.me.seat);
                // Whatever is in the memory, it does not go below nothing.
                let _ = queued.fetch_update(Relaxed, Relaxed, |queued| queued.checked_sub(1));
            }
            Kind::Done if parcel.origin == self.me => {
                self.tasks.remove(&parcel.task);
            }
            _ => {}
        }
    }

    /// Those who are dead, or begin nothing more, have not begun with these records: they go to whoever comes next.
    pub(crate) fn take_back(&mut self, seat: usize, records: Vec<Kept>) {
        let Some(place) = self.crew.place_of(seat).filter(|place| *place < self.waiting.len()) else { return };
        let mut back: VecDeque<Kept> = records.into_iter().filter(|record| record.tag == PARCEL).collect();
        for record in &back {
            self.waiting_bytes[place] += record.payload.len();
            if let Some((parcel, _)) = Parcel::decode_header(&record.payload)
                && parcel.kind == Kind::Task
                && parcel.origin == self.me
                && let Some(holder) = self.tasks.get_mut(&parcel.task)
            {
                *holder = None;
            }
        }
        back.append(&mut self.waiting[place]);
        self.waiting[place] = back;
    }

    /// All that these have sent has been taken: what they had begun of this process's is lost.
    pub(crate) fn bury(&mut self, dead: &[Departed], lost: &mut VecDeque<Parcel>) {
        let is_dead = |holder: Occupancy| {
            dead.iter().any(|departed| departed.seat == holder.seat && departed.includes(holder.epoch))
        };
        let mut numbers: Vec<u64> =
            self.tasks.iter().filter(|(_, holder)| holder.is_some_and(is_dead)).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        for number in numbers {
            let holder = self.tasks.remove(&number).flatten();
            let mut parcel = self.parcel(Kind::Lost, 0, number, self.me);
            parcel.from = holder.and_then(|holder| self.crew.place_of(holder.seat)).unwrap_or(0);
            lost.push_back(parcel);
        }
    }

    /// Sends what waited, where somebody sits by now.
    pub(crate) fn flush(&mut self, writers: &mut Writers) {
        for place in 0..self.waiting.len() {
            if self.waiting[place].is_empty() {
                continue;
            }
            let Some(seat) = self.serving(writers.exchange(), place) else { continue };
            while let Some(record) = self.waiting[place].pop_front() {
                let length = record.payload.len();
                if writers.push(seat.seat, record.tag, &[&record.payload]).is_err() {
                    self.waiting[place].push_front(record);
                    break;
                }
                self.waiting_bytes[place] = self.waiting_bytes[place].saturating_sub(length);
                self.note_sent(writers, seat, &record.payload);
            }
        }
    }

    /// A record is on its way.
    fn note_sent(&mut self, writers: &Writers, to: Occupancy, record: &[u8]) {
        // Its seat may have changed hands before the ring was open.
        let to = Occupancy { epoch: writers.epoch(to.seat).unwrap_or(to.epoch), ..to };
        let Some((parcel, _)) = Parcel::decode_header(record) else { return };
        if parcel.kind == Kind::Task {
            writers.exchange().queued(to.seat).fetch_add(1, Relaxed);
            if parcel.origin == self.me {
                self.tasks.insert(parcel.task, Some(to));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a parcel has that many parts, and all callers are here")]
    fn send_to(
        &mut self,
        writers: &mut Writers,
        place: usize,
        kind: Kind,
        flags: u8,
        task: u64,
        origin: Occupancy,
        payload: &[&[u8]],
    ) -> Result<(), PostError> {
        if place >= self.crew.places() {
            return Err(PostError::NoSuchPlace(place, self.crew.places() - 1));
        }
        self.flush(writers);
        let header = self.parcel(kind, flags, task, origin).header();
        let parts = [&[&header[..]], payload].concat();
        let to = self.serving(writers.exchange(), place).filter(|_| self.waiting[place].is_empty());
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let waiting = self.waiting_bytes[place] + to.map_or(0, |to| writers.kept_bytes(to.seat));
        if waiting > 0 && waiting + length > self.limit {
            return Err(PostError::Full { place, waiting, limit: self.limit });
        }
        if let Some(to) = to
            && writers.push(to.seat, PARCEL, &parts).is_ok()
        {
            self.note_sent(writers, to, &header);
            return Ok(());
        }
        if kind == Kind::Task {
            self.tasks.insert(task, None);
        }
        self.waiting_bytes[place] += length;
        self.waiting[place].push_back(Kept { tag: PARCEL, payload: parts.concat() });
        Ok(())
    }

    fn parcel(&self, kind: Kind, flags: u8, task: u64, origin: Occupancy) -> Parcel {
        Parcel { kind, flags, from: self.place, origin, task, sent: SystemTime::now(), payload: Vec::new() }
    }

    /// Who sits at a place and takes what comes.
    fn serving(&self, exchange: &Exchange, place: usize) -> Option<Occupancy> {
        self.crew.seats_of(place).into_iter().find_map(|seat| {
            let now = exchange.occupant(seat)?;
            (now.standing == Standing::Serving).then_some(Occupancy { seat, epoch: now.epoch })
        })
    }

    /// The task worker with the least to do, in turn where several have as little.
    fn idle_task_worker(&mut self, exchange: &Exchange) -> usize {
        let Crew { workers, tasks, .. } = self.crew;
        let load = |worker: usize| {
            let place = workers + worker;
            let at = |to: Occupancy| {
                let (busy, waiting) = exchange.busy(to.seat);
                exchange.queued(to.seat).load(Relaxed).saturating_add(waiting as u64 + u64::from(busy))
            };
            // What waits for somebody who is not there yet is more than all that others have.
            self.serving(exchange, place).map_or(u64::MAX, at)
        };
        let turn = self.turn;
        let best = (0..tasks).map(|offset| (turn + offset) % tasks).min_by_key(|worker| load(*worker));
        let best = best.unwrap_or(0);
        self.turn = (best + 1) % tasks;
        workers + best
    }

    /// The task workers whose rings are to be closed: they begin nothing more, though they live.
    pub(crate) fn gives_back(&self, exchange: &Exchange, seat: usize) -> bool {
        let is_task = self.crew.place_of(seat).is_some_and(|place| self.crew.role(place) == Role::Task);
        let is_leaving = exchange.occupant(seat).is_some_and(|now| now.standing == Standing::Leaving);
        is_task && is_leaving && !exchange.is_final()
    }
}

#[cfg(test)]
mod tests {
    use super::{Post, PostError};
    use crate::crew::Crew;
    use crate::crew::parcel::{Kind, Occupancy, PARCEL, Parcel};
    use crate::links::readers::Readers;
    use crate::links::writers::Writers;
    use crate::remote::{Limits, Remote};
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use wirewool_ipc::exchange::{Count, Departed, Exchange};
    use wirewool_ipc::table::Table;

    const OUTBOX_BYTES_MAX: usize = 1000;
    /// Two workers, two task workers: a place's seats are its number and that of [`SECOND`] more.
    const CREW: Crew = Crew { reactors: 0, workers: 2, tasks: 2, users: 0 };
    const SECOND: usize = 4;
    const WORKER: usize = 0;
    const TASK: usize = 2;

    /// Whoever sends sits in seat 0.
    struct World {
        exchange: Arc<Exchange>,
        table: Arc<Table>,
        remote: Remote,
    }

    /// Somebody who takes what is sent.
    struct Reader {
        seat: usize,
        readers: Readers,
        exchange: Arc<Exchange>,
    }

    impl World {
        fn new() -> World {
            let exchange = Arc::new(Exchange::new(CREW.seats(), 4096).unwrap());
            let table = Arc::new(Table::new(1, 1).unwrap());
            (0..CREW.places()).for_each(|seat| exchange.seat_next(seat));
            let remote = remote(&table, &exchange, 0);
            World { exchange, table, remote }
        }

        fn reader(&self, seat: usize) -> Reader {
            let exchange = self.exchange.clone();
            Reader { seat, readers: Readers::new(exchange.clone(), seat), exchange }
        }

        /// Somebody comes who sits there from now on.
        fn seat(&self, seat: usize) -> Reader {
            self.exchange.seat_next(seat);
            self.reader(seat)
        }

        fn with<R>(&mut self, step: impl FnOnce(&mut Post, &mut Writers) -> R) -> R {
            let result = self.remote.with_post(step);
            self.remote.ring();
            result
        }

        fn task(&mut self, worker: Option<usize>, payload: &str) -> Result<u64, PostError> {
            self.with(|post, writers| post.send_task(writers, worker, 0, &[payload.as_bytes()]))
        }

        fn tasks(&mut self, worker: Option<usize>, count: usize) {
            texts(0..count).iter().for_each(|text| assert!(self.task(worker, text).is_ok()));
        }

        fn message(&mut self, place: usize, payload: &str) -> Result<(), PostError> {
            self.with(|post, writers| post.send_message(writers, place, 0, &[payload.as_bytes()]))
        }

        /// The sender has heard of these deaths: the tasks that are lost, and who had them.
        fn lost_with(&mut self, dead: &[usize]) -> Vec<(u64, usize)> {
            let epoch = |seat: usize| self.exchange.occupant(seat).unwrap().epoch;
            let departed: Vec<_> = dead.iter().map(|seat| Departed { seat: *seat, epoch: epoch(*seat) }).collect();
            let mut lost = VecDeque::new();
            self.remote.rang();
            self.remote.bury(&departed, &mut lost);
            self.remote.ring();
            assert!(lost.iter().all(|parcel| parcel.kind == Kind::Lost));
            lost.iter().map(|parcel| (parcel.task, parcel.from)).collect()
        }
    }

    fn remote(table: &Arc<Table>, exchange: &Arc<Exchange>, seat: usize) -> Remote {
        let limits = Limits { push_bytes_max: 1 << 20, outbox_bytes_max: OUTBOX_BYTES_MAX };
        Remote::new(table.clone(), exchange.clone(), CREW, seat, limits)
    }

    impl Reader {
        /// Begins with so many parcels of a seat's.
        fn begin(&mut self, from: usize, most: usize) -> Vec<Parcel> {
            self.readers.greet();
            let mut begun = Vec::new();
            while begun.len() < most
                && let Some(record) = self.readers.peek(from)
            {
                let parcel = Parcel::decode(record.payload()).filter(|_| record.tag() == PARCEL);
                record.begin().unwrap();
                begun.extend(parcel);
            }
            self.readers.ring();
            begun
        }

        /// What the next of them say.
        fn texts(&mut self, most: usize) -> Vec<String> {
            self.begin(0, most).into_iter().map(|parcel| String::from_utf8(parcel.payload).unwrap()).collect()
        }

        fn occupancy(&self) -> Occupancy {
            Occupancy { seat: self.seat, epoch: self.exchange.occupant(self.seat).unwrap().epoch }
        }
    }

    fn texts(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("number {number}")).collect()
    }

    #[test]
    fn what_a_dead_one_had_not_begun_goes_to_its_successor_in_order() {
        let mut world = World::new();
        let mut first = world.reader(TASK);
        for (number, text) in texts(0..40).iter().enumerate() {
            assert_eq!(world.task(Some(0), text), Ok(number as u64));
        }
        assert_eq!(first.texts(3), texts(0..3));
        world.exchange.bury(TASK);
        assert_eq!(world.lost_with(&[TASK]), [(0, TASK), (1, TASK), (2, TASK)], "all of them without an answer");
        // Nobody is there yet: it waits, and so does what follows.
        assert_eq!(world.task(Some(0), "number 40"), Ok(40));
        assert!(world.remote.has_kept());
        let mut second = world.seat(TASK + SECOND);
        world.remote.rang();
        world.remote.ring();
        let mut begun = Vec::new();
        while world.remote.has_kept() || begun.len() < 38 {
            begun.extend(second.texts(100));
            world.remote.may_sleep();
        }
        assert_eq!(begun, texts(3..41));
        assert_eq!(world.lost_with(&[]), []);
    }

    #[test]
    fn what_follows_does_not_overtake_what_a_dead_one_had_not_begun() {
        // Whoever sends has not heard of any of this.
        for is_message in [false, true] {
            let mut world = World::new();
            let send = |world: &mut World, text: &str| match is_message {
                true => world.message(TASK, text).unwrap(),
                false => assert!(world.task(Some(0), text).is_ok()),
            };
            (0..3).for_each(|number| send(&mut world, &format!("number {number}")));
            world.exchange.bury(TASK);
            let mut second = world.seat(TASK + SECOND);
            send(&mut world, "number 3");
            world.remote.rang();
            world.remote.ring();
            assert_eq!(second.texts(100), texts(0..4));
        }
    }

    #[test]
    fn a_task_worker_that_leaves_is_taken_from_what_it_has_not_begun() {
        let mut world = World::new();
        let (mut first, mut worker) = (world.reader(TASK), world.reader(WORKER + 1));
        world.tasks(Some(0), 5);
        texts(0..2).iter().for_each(|text| world.message(WORKER + 1, text).unwrap());
        let begun = first.begin(0, 1);
        world.exchange.leave(TASK);
        world.exchange.leave(WORKER + 1);
        assert_eq!(world.lost_with(&[]), []);
        assert_eq!(worker.texts(9), texts(0..2), "a worker does what it has been sent");
        let mut second = world.seat(TASK + SECOND);
        world.remote.rang();
        world.remote.ring();
        assert_eq!(second.texts(9), texts(1..5));
        // The one that it was at is lost only if nothing came of it.
        let mut theirs = remote(&world.table, &world.exchange, TASK);
        let answered = (begun[0].origin, begun[0].task);
        theirs.with_post(|post, writers| post.answer(writers, answered, Kind::Done, 0, &[b"done"])).unwrap();
        theirs.ring();
        let done = world.reader(0).begin(TASK, 9);
        assert_eq!((done.len(), done[0].kind, done[0].task, done[0].from), (1, Kind::Done, 0, TASK));
        world.remote.note_taken(&done[0]);
        world.exchange.bury(TASK);
        assert_eq!(world.lost_with(&[TASK]), []);
        // Those of the second one are lost with that one, each of them once.
        world.exchange.bury(TASK + SECOND);
        assert_eq!(world.lost_with(&[TASK + SECOND]), [(1, TASK), (2, TASK), (3, TASK), (4, TASK)]);
        assert_eq!(world.lost_with(&[TASK + SECOND]), []);
    }

    #[test]
    fn a_death_that_was_not_seen_loses_as_much() {
        let mut world = World::new();
        let mut first = world.reader(TASK);
        world.tasks(Some(0), 3);
        assert_eq!(first.begin(0, 2).len(), 2);
        // Whoever sends is busy while the place changes hands, and another one sits in the same seat.
        world.exchange.bury(TASK);
        let mut second = world.seat(TASK);
        let departed = world.exchange.departed();
        let mut lost = VecDeque::new();
        world.remote.rang();
        world.remote.bury(&departed, &mut lost);
        assert_eq!(lost.iter().map(|parcel| parcel.task).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(world.task(Some(0), "number 3"), Ok(3));
        assert_eq!(second.texts(9), texts(2..4));
        // Those are not lost, however often it is asked.
        world.remote.bury(&departed, &mut lost);
        assert_eq!(lost.len(), 2);
    }

    #[test]
    fn another_occupants_death_loses_nothing() {
        let mut world = World::new();
        let mut first = world.reader(TASK);
        world.task(Some(0), "number 0").unwrap();
        world.exchange.bury(TASK + 1);
        assert_eq!(world.lost_with(&[TASK + 1]), []);
        let epoch = first.occupancy().epoch;
        let mut lost = VecDeque::new();
        let departed = [(TASK, epoch - 1), (TASK + SECOND, epoch)].map(|(seat, epoch)| Departed { seat, epoch });
        world.remote.bury(&departed, &mut lost);
        assert!(lost.is_empty());
        assert_eq!(first.texts(9), texts(0..1));
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let mut world = World::new();
        assert_eq!(world.task(Some(2), "x"), Err(PostError::NoSuchPlace(2, 1)));
        assert_eq!(world.message(4, "x"), Err(PostError::NoSuchPlace(4, 3)));
        let mut without = Post::new(Crew { tasks: 0, ..CREW }, &world.exchange, 0, 100);
        let sent = world.with(|_, writers| without.send_task(writers, None, 0, &[b"x"]));
        assert_eq!(sent, Err(PostError::NoTaskWorkers));
    }

    #[test]
    fn who_is_sent_more_than_it_takes_is_full_for_a_while() {
        for is_there in [true, false] {
            let mut world = World::new();
            if !is_there {
                world.exchange.bury(TASK);
            }
            let text = "x".repeat(100);
            let sent = (0..10_000).take_while(|_| world.task(Some(0), &text).is_ok()).count();
            // What the ring has, and what is kept: eight outboxes.
            assert!((40..130).contains(&sent), "{sent} of them");
            let error = world.task(Some(0), &text);
            assert!(matches!(error, Err(PostError::Full { place: TASK, limit, .. }) if limit == 8 * OUTBOX_BYTES_MAX));
            assert!(world.task(Some(1), &text).is_ok(), "another one is not");
            let mut reader = if is_there { world.reader(TASK) } else { world.seat(TASK + SECOND) };
            world.remote.rang();
            let mut begun = 0;
            while world.remote.has_kept() || begun < sent {
                begun += reader.begin(0, 10_000).len();
                world.remote.may_sleep();
            }
            assert_eq!(begun, sent);
            assert_eq!(world.task(Some(0), &text), Ok(sent as u64 + 1), "a task that was refused has no number");
        }
    }

    #[test]
    fn one_payload_goes_whatever_its_length_where_nothing_waits() {
        let mut world = World::new();
        let mut reader = world.reader(TASK);
        let text = "x".repeat(100_000);
        assert_eq!(world.task(Some(0), &text), Ok(0));
        assert!(matches!(world.task(Some(0), "x"), Err(PostError::Full { .. })));
        let mut begun = Vec::new();
        while world.remote.has_kept() {
            begun.extend(reader.texts(9));
            world.remote.may_sleep();
        }
        begun.extend(reader.texts(9));
        assert_eq!(begun, [text]);
    }

    #[test]
    fn whoever_has_the_least_to_do_gets_it() {
        let mut world = World::new();
        let (mut one, mut other) = (world.reader(TASK), world.reader(TASK + 1));
        let queued = |world: &World| [TASK, TASK + 1].map(|seat| world.exchange.queued(seat).load(Relaxed));
        world.tasks(None, 6);
        assert_eq!(queued(&world), [3, 3], "in turn");
        // One has begun with all of it, and is at the last one.
        let (mut its_remote, begun) = (remote(&world.table, &world.exchange, TASK), one.begin(0, 9));
        begun.iter().for_each(|parcel| its_remote.note_taken(parcel));
        world.exchange.count(TASK, Count::Busy).store(1, Relaxed);
        assert_eq!((begun.len(), queued(&world)), (3, [0, 3]));
        world.tasks(None, 2);
        assert_eq!(queued(&world), [2, 3]);
        assert_eq!((one.begin(0, 9).len(), other.begin(0, 9).len()), (2, 3));
        // Nobody is preferred to somebody who is not there.
        world.exchange.bury(TASK);
        world.tasks(None, 4);
        assert_eq!(queued(&world)[1], 7);
        // A count below nothing is none.
        its_remote.note_taken(&begun[0]);
        its_remote.note_taken(&begun[0]);
        its_remote.note_taken(&begun[0]);
        assert_eq!(queued(&world)[0], 0);
    }

    #[test]
    fn an_answer_goes_to_whoever_followed_the_one_that_asked() {
        let mut world = World::new();
        let mut worker = world.reader(TASK);
        world.task(Some(0), "x").unwrap();
        let task = worker.begin(0, 1).remove(0);
        let asked = (task.origin, task.task);
        assert_eq!(asked, (Occupancy { seat: 0, epoch: 1 }, 0));
        let mut theirs = remote(&world.table, &world.exchange, TASK);
        let answer = |theirs: &mut Remote, text: &str| {
            theirs.with_post(|post, writers| post.answer(writers, asked, Kind::Result, 5, &[text.as_bytes()])).unwrap();
            theirs.ring();
        };
        // It leaves, and still hears of it; then nobody is there; then somebody is.
        world.exchange.leave(0);
        let mut successor = world.seat(SECOND);
        answer(&mut theirs, "to the first");
        assert_eq!(world.reader(0).begin(TASK, 9)[0].payload, b"to the first");
        world.exchange.bury(0);
        theirs.rang();
        answer(&mut theirs, "to the second");
        let told = successor.begin(TASK, 9);
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].payload[..], told[0].origin, told[0].flags), (&b"to the second"[..], task.origin, 5));
        let nowhere = (Occupancy { seat: 99, epoch: 1 }, 0);
        let refused = theirs.with_post(|post, writers| post.answer(writers, nowhere, Kind::Done, 0, &[]));
        assert_eq!(refused, Err(PostError::NoSuchPlace(99, 3)));
    }

    #[test]
    fn what_others_have_begun_with_is_known() {
        let mut world = World::new();
        let mut reader = world.reader(TASK);
        assert!(!world.remote.has_unbegun());
        world.tasks(Some(0), 3);
        assert!(world.remote.has_unbegun());
        assert_eq!(reader.begin(0, 2).len(), 2);
        assert!(world.remote.has_unbegun());
        assert_eq!(reader.begin(0, 2).len(), 1);
        assert!(!world.remote.has_unbegun());
        world.task(Some(0), &"x".repeat(9000)).unwrap();
        assert!(world.remote.has_unbegun(), "in pieces");
        world.exchange.set_final();
        assert!(!world.remote.has_unbegun(), "whoever is left does it");
    }

    #[test]
    fn the_manager_hears_what_comes_of_its_tasks_and_nobody_follows_it() {
        let mut world = World::new();
        let mut manager = world.seat(CREW.managers_seat());
        let origin = manager.occupancy();
        let answer = |world: &mut World, text: &str| {
            world.with(|post, writers| post.answer(writers, (origin, 7), Kind::Done, 0, &[text.as_bytes()]))
        };
        assert_eq!(answer(&mut world, "done"), Ok(()));
        assert_eq!(manager.texts(9), ["done"]);
        assert_eq!(world.message(CREW.places(), "x"), Err(PostError::NoSuchPlace(4, 3)));
        world.exchange.bury(manager.seat);
        assert_eq!(answer(&mut world, "done"), Ok(()));
        assert!(!world.with(|post, _| post.has_waiting()));
        // What it had not begun goes nowhere.
        assert_eq!(world.lost_with(&[manager.seat]), []);
    }
}
