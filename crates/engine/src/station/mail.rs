//! A station's part in what processes of the crew send each other.

use crate::crew::parcel::{Kind, Occupancy, Parcel};
use crate::crew::post::PostError;
use crate::desk::Desk;
use crate::intake::Intake;
use crate::remote::Remote;
use crate::station::{Among, Site, Station, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use wirewool_hub::event::Handler;
use wirewool_ipc::exchange::Departed;

/// How long a task worker sleeps at most before it looks again whether there is room for what it has sent.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// How long it waits for somebody who does not take what came of his task, before it works for others.
const ROOM_TIME_MAX: Duration = Duration::from_secs(1);

impl Station {
    /// The next parcel that others of the crew have sent.
    pub fn take_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    /// Waits until something comes from others of the crew, at most `limit`, in the midst of a handler: what it brings is
    /// there to be taken.
    pub fn wait_for_parcels(&mut self, limit: Option<Duration>, handler: &mut dyn Handler) -> Step {
        let Some(among) = &self.among else { return Step::Over };
        let may_sleep = among.way.with(Remote::may_sleep) && self.parcels.is_empty();
        let limit = if may_sleep { limit } else { Some(Duration::ZERO) };
        match &mut self.site {
            Site::Elsewhere(desk) => {
                desk.wait_for_crew(limit);
                let first = self.parcels.len();
                desk.take_parcels(&mut self.parcels);
                self.parcels.iter().skip(first).for_each(|parcel| note_taken(among, Some(parcel)));
                see_dead(desk, among, &mut self.parcels);
                Step::Over
            }
            Site::Own(_, Some(intake)) => {
                let doorbell = among.exchange.doorbell(among.seat);
                if intake.may_sleep() {
                    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
                    // However it ends, what has come is looked at.
                    let _ = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], limit.as_ref());
                }
                doorbell.clear();
                match self.rang(None, handler) {
                    Step::Stop => Step::Stop,
                    _ => self.carry_out(handler),
                }
            }
            Site::Own(_, None) => Step::Over,
        }
    }

    /// A task is done. The next one is not begun before what came of this one has left: it would be lost with this
    /// process, though it is done. Somebody who does not take it holds up the others for a while only, unless he is owed
    /// too much.
    pub fn make_room(&mut self) {
        let until = Instant::now() + ROOM_TIME_MAX;
        while self.lacks_room() {
            if (self.gave_up || until <= Instant::now()) && !self.is_stuffed() {
                self.gave_up = true;
                return;
            }
            self.wait_for_room();
        }
        self.gave_up = false;
    }

    /// Waits until others have made room for what is kept, a short time at most: nothing is begun meanwhile.
    fn wait_for_room(&mut self) {
        let (Some(among), Site::Elsewhere(desk)) = (&self.among, &mut self.site) else { return };
        if among.way.with(|remote| remote.may_sleep() && remote.lacks_room()) {
            desk.wait_for_room(ROOM_PAUSE);
        }
        see_dead(desk, among, &mut self.parcels);
    }

    /// Is something kept for somebody who is there, until he makes room for it?
    fn lacks_room(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.lacks_room()))
    }

    /// Sends a task to the task worker with that number, or to the one with the least to do: the task's number here.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn send_task(&self, worker: Option<usize>, flags: u8, payload: &[u8]) -> Result<u64, PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoTaskWorkers)?;
        among.way.post(|post, writers| post.send_task(writers, worker, flags, &[payload]))
    }

    /// Sends a message to whoever sits at a place.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn send_message(&self, place: usize, flags: u8, payload: &[u8]) -> Result<(), PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoSuchPlace(place, 0))?;
        among.way.post(|post, writers| post.send_message(writers, place, flags, &[payload]))
    }

    /// Sends what came of a task to whoever has asked for it, or has followed that one.
    ///
    /// # Errors
    /// It has no effect, and why.
    pub fn answer_task(&self, task: (Occupancy, u64), kind: Kind, flags: u8, payload: &[u8]) -> Result<(), PostError> {
        let among = self.among.as_ref().ok_or(PostError::NoTaskWorkers)?;
        among.way.post(|post, writers| post.answer(writers, task, kind, flags, &[payload]))
    }

    /// Who this process is to others of the crew.
    pub fn occupancy(&self) -> Option<Occupancy> {
        self.among.as_ref().map(|among| among.way.with(|remote| remote.with_post(|post, _| post.me())))
    }

    /// Has another process of the crew something of this one's to begin with still?
    pub(super) fn has_unbegun(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.has_unbegun()))
    }

    /// Does something wait to be sent until there is room for it?
    pub fn has_kept(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.has_kept()))
    }

    /// Does so much wait to be sent that nothing more should be begun?
    fn is_stuffed(&self) -> bool {
        self.among.as_ref().is_some_and(|among| among.way.with(|remote| remote.is_stuffed()))
    }
}

/// Does it still take what others of the crew send? A task worker that leaves begins nothing more that its successor can
/// do.
pub(super) fn takes_parcels(among: &Among, is_ending: bool) -> bool {
    !is_ending || !among.is_task_worker() || among.exchange.is_final()
}

/// A parcel has come.
pub(super) fn note_taken(among: &Among, parcel: Option<&Parcel>) {
    if let Some(parcel) = parcel {
        among.way.with(|remote| remote.note_taken(parcel));
    }
}

pub(super) fn take_parcels(intake: &mut Intake, among: Option<&Among>, parcels: &mut VecDeque<Parcel>) {
    for parcel in intake.take_parcels() {
        if let Some(among) = among {
            note_taken(among, Some(&parcel));
        }
        parcels.push_back(parcel);
    }
}

/// The rings to the dead are closed. All that they have sent was taken before.
pub(super) fn bury(among: &Among, dead: &[Departed], parcels: &mut VecDeque<Parcel>) {
    among.way.with(|remote| {
        remote.rang();
        remote.bury(dead, parcels);
        remote.ring();
    });
}

/// The same, where connections are elsewhere.
pub(super) fn see_dead(desk: &mut Desk, among: &Among, parcels: &mut VecDeque<Parcel>) {
    let first = parcels.len();
    let dead = desk.take_dead(parcels);
    parcels.iter().skip(first).for_each(|parcel| note_taken(among, Some(parcel)));
    bury(among, &dead, parcels);
}
