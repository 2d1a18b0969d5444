//! What this process sends to others of the crew, and who has what of it.
//!
//! A parcel goes to a place, whoever sits there: what one occupant has not begun with when it dies goes to the next one.
//! Of a task that it had begun, its origin is told that it is lost.

use crate::crew::parcel::{Kind, Occupancy, PARCEL, Parcel};
use crate::crew::{Crew, Role};
use crate::links::writers::Writers;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;
use wirewool_ipc::exchange::{Exchange, Standing};
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

    /// Is a task of this process's under way?
    pub(crate) fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
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
        let Some(place) = self.crew.place_of(seat) else { return };
        let mut back: VecDeque<Kept> = records.into_iter().filter(|record| record.tag == PARCEL).collect();
        for record in &back {
            self.waiting_bytes[place] += record.payload.len();
            if let Some(parcel) = Parcel::decode(&record.payload)
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

    /// Their seats are empty: what they had begun of this process's is lost.
    pub(crate) fn bury(&mut self, dead: &[(usize, u32)], lost: &mut VecDeque<Parcel>) {
        let is_dead = |holder: Occupancy| dead.contains(&(holder.seat, holder.epoch));
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
                self.note_sent(writers.exchange(), seat, &record.payload);
            }
        }
    }

    /// A record is on its way.
    fn note_sent(&mut self, exchange: &Exchange, to: Occupancy, record: &[u8]) {
        let Some(parcel) = Parcel::decode(&record[..record.len().min(64)]) else { return };
        if parcel.kind == Kind::Task {
            exchange.queued(to.seat).fetch_add(1, Relaxed);
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
            self.note_sent(writers.exchange(), to, &header);
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
