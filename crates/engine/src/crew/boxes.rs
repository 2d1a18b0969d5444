//! What threads of one process send each other where the crew are threads: a letter box for each place, bounded in bytes.

use crate::crew::Crew;
use crate::crew::duties::CrewError;
use crate::crew::parcel::{Kind, Occupancy, Parcel};
use crate::crew::post::PostError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The letter boxes of a crew. The doorbell of whoever is sent something is to be rung behind it.
pub(crate) struct Boxes {
    crew: Crew,
    places: Vec<Mutex<Letters>>,
    next_task: AtomicU64,
    /// Where to begin to look for somebody idle.
    turn: AtomicUsize,
    bytes_max: usize,
}

/// What a letter takes besides its payload, in bytes: many short ones are much.
const LETTER_BYTES: usize = size_of::<Parcel>();

#[derive(Default)]
struct Letters {
    waiting: VecDeque<Parcel>,
    bytes: usize,
    is_busy: bool,
    /// Nobody looks into it any more.
    is_closed: bool,
}

impl Letters {
    fn push(&mut self, kind: Kind, flags: u8, from: usize, task: u64, payload: Vec<u8>) {
        self.bytes += LETTER_BYTES + payload.len();
        let origin = Occupancy { seat: from, epoch: 0 };
        self.waiting.push_back(Parcel { kind, flags, from, origin, task, sent: SystemTime::now(), payload });
    }
}

impl Boxes {
    pub(crate) fn new(crew: Crew, bytes_max: usize) -> Boxes {
        let places = (0..crew.places()).map(|_| Mutex::default()).collect();
        Boxes { crew, places, next_task: AtomicU64::new(0), turn: AtomicUsize::new(0), bytes_max }
    }

    /// Leaves a task for the task worker with that number, or for the one with the least to do: the task's number, and
    /// who is to be rung.
    pub(crate) fn send_task(
        &self,
        from: usize,
        worker: Option<usize>,
        flags: u8,
        payload: Vec<u8>,
    ) -> Result<(u64, usize), CrewError> {
        let Crew { workers, tasks, .. } = self.crew;
        if tasks == 0 {
            return Err(PostError::NoTaskWorkers.into());
        }
        let place = match worker {
            Some(worker) if worker < tasks => workers + worker,
            Some(worker) => return Err(PostError::NoSuchPlace(worker, tasks - 1).into()),
            None => self.idle_task_worker(),
        };
        let task = self.next_task.fetch_add(1, Relaxed);
        self.leave(place, Kind::Task, flags, from, task, payload)?;
        Ok((task, place))
    }

    /// Leaves a message for whoever sits at a place.
    pub(crate) fn send_message(&self, from: usize, place: usize, payload: Vec<u8>) -> Result<(), CrewError> {
        self.leave(place, Kind::Message, 0, from, 0, payload)
    }

    /// Leaves what came of a task for whoever has sent it, to whom it is owed however much waits there.
    pub(crate) fn answer(&self, from: usize, to: usize, task: u64, flags: u8, payload: Vec<u8>) {
        if let Some(mut letters) = self.letters(to) {
            letters.push(Kind::Done, flags, from, task, payload);
        }
    }

    /// Does a place take what is left for it?
    pub(crate) fn has_room(&self, place: usize) -> bool {
        self.letters(place).is_none_or(|letters| letters.bytes < self.bytes_max)
    }

    /// What comes next for a place; none, and it has nothing to do.
    pub(crate) fn take(&self, place: usize) -> Option<Parcel> {
        let mut letters = self.letters(place)?;
        let parcel = letters.waiting.pop_front();
        letters.is_busy = parcel.is_some();
        letters.bytes -= parcel.as_ref().map_or(0, |parcel| LETTER_BYTES + parcel.payload.len());
        parcel
    }

    /// Nobody takes anything there any more, unless something waits still.
    pub(crate) fn close(&self, place: usize) -> bool {
        let Some(mut letters) = self.letters(place) else { return true };
        letters.is_closed = letters.waiting.is_empty();
        letters.is_closed
    }

    fn leave(
        &self,
        place: usize,
        kind: Kind,
        flags: u8,
        from: usize,
        task: u64,
        payload: Vec<u8>,
    ) -> Result<(), CrewError> {
        let highest = self.crew.places().saturating_sub(1);
        let mut letters = self.letters(place).ok_or(PostError::NoSuchPlace(place, highest))?;
        if letters.is_closed {
            return Err(CrewError::NotRunning);
        }
        // One goes whatever its length where nothing waits, as between processes.
        if letters.bytes > 0 && letters.bytes + LETTER_BYTES + payload.len() > self.bytes_max {
            return Err(PostError::Full { place, waiting: letters.bytes, limit: self.bytes_max }.into());
        }
        letters.push(kind, flags, from, task, payload);
        Ok(())
    }

    fn letters(&self, place: usize) -> Option<MutexGuard<'_, Letters>> {
        Some(self.places.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The task worker with the least to do, in turn where several have as little.
    fn idle_task_worker(&self) -> usize {
        let Crew { workers, tasks, .. } = self.crew;
        let turn = self.turn.fetch_add(1, Relaxed);
        let load = |place: &usize| self.letters(*place).map(|its| its.waiting.len() + usize::from(its.is_busy));
        (0..tasks).map(|offset| workers + turn.wrapping_add(offset) % tasks).min_by_key(load).unwrap_or(workers)
    }
}

#[cfg(test)]
mod tests {
    use super::{Boxes, LETTER_BYTES};
    use crate::crew::Crew;
    use crate::crew::duties::CrewError;
    use crate::crew::parcel::Kind;
    use crate::crew::post::PostError;

    const CREW: Crew = Crew { reactors: 0, workers: 2, tasks: 2, users: 1 };

    fn boxes() -> Boxes {
        Boxes::new(CREW, 1000)
    }

    #[test]
    fn what_is_left_is_taken_in_order() {
        let boxes = boxes();
        assert_eq!(boxes.send_task(1, Some(1), 5, b"one".to_vec()), Ok((0, 3)));
        assert_eq!(boxes.send_task(0, Some(1), 0, b"two".to_vec()), Ok((1, 3)));
        boxes.send_message(3, 4, b"hello".to_vec()).unwrap();
        let task = boxes.take(3).unwrap();
        assert_eq!((task.kind, task.from, task.task, task.flags, &*task.payload), (Kind::Task, 1, 0, 5, &b"one"[..]));
        boxes.answer(3, task.from, task.task, 7, b"done".to_vec());
        let done = boxes.take(1).unwrap();
        assert_eq!((done.kind, done.from, done.task, done.flags, &*done.payload), (Kind::Done, 3, 0, 7, &b"done"[..]));
        assert_eq!(boxes.take(3).unwrap().payload, b"two");
        assert_eq!(boxes.take(4).unwrap().kind, Kind::Message);
        assert!((0..5).all(|place| boxes.take(place).is_none()));
    }

    #[test]
    fn whoever_has_the_least_to_do_gets_it() {
        let boxes = boxes();
        let send = || boxes.send_task(0, None, 0, Vec::new()).unwrap().1;
        assert_eq!([send(), send(), send(), send()], [2, 3, 2, 3]);
        // One is at its second task, the other one has nothing.
        (0..2).for_each(|_| assert!(boxes.take(2).is_some()));
        (0..3).for_each(|_| _ = boxes.take(3));
        assert_eq!(send(), 3);
    }

    #[test]
    fn a_box_is_full_at_some_time() {
        let boxes = boxes();
        assert_eq!(boxes.send_message(0, 1, vec![0; 5000]), Ok(()), "one goes whatever its length");
        let full = PostError::Full { place: 1, waiting: 5000 + LETTER_BYTES, limit: 1000 };
        assert_eq!(boxes.send_message(0, 1, vec![0; 1]), Err(full.into()));
        assert_eq!(boxes.send_message(0, 0, vec![0; 1]), Ok(()), "another one is not");
        assert!(boxes.has_room(0) && !boxes.has_room(1));
        boxes.answer(3, 1, 0, 0, vec![0; 10]);
        (0..2).for_each(|_| assert!(boxes.take(1).is_some()));
        assert_eq!(boxes.send_message(0, 1, vec![0; 1000]), Ok(()));
    }

    #[test]
    fn empty_letters_take_room_as_well() {
        let boxes = boxes();
        let sent = (0..1000).take_while(|_| boxes.send_message(0, 1, Vec::new()).is_ok()).count();
        assert_eq!(sent, 1000 / LETTER_BYTES);
        (0..sent).for_each(|_| assert!(boxes.take(1).is_some()));
        assert!(boxes.send_message(0, 1, vec![0; 5000]).is_ok(), "nothing waits");
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        assert_eq!(boxes().send_message(0, 5, Vec::new()), Err(PostError::NoSuchPlace(5, 4).into()));
        assert_eq!(boxes().send_task(0, Some(2), 0, Vec::new()), Err(PostError::NoSuchPlace(2, 1).into()));
        let without = Boxes::new(Crew { tasks: 0, ..CREW }, 1000);
        assert_eq!(without.send_task(0, None, 0, Vec::new()), Err(PostError::NoTaskWorkers.into()));
    }

    #[test]
    fn what_waits_is_taken_before_a_box_is_closed_and_nothing_is_left_behind_that() {
        let boxes = boxes();
        boxes.send_task(0, Some(0), 0, b"x".to_vec()).unwrap();
        assert!(!boxes.close(2));
        boxes.send_task(0, Some(0), 0, b"y".to_vec()).unwrap();
        (0..2).for_each(|_| assert!(boxes.take(2).is_some()));
        assert!(boxes.close(2));
        assert_eq!(boxes.send_task(0, Some(0), 0, b"z".to_vec()), Err(CrewError::NotRunning));
        assert!(boxes.send_task(0, Some(1), 0, b"z".to_vec()).is_ok(), "another one is open");
    }
}
