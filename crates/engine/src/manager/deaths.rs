//! The manager's part when processes of the crew die, and in the death of those that do not end in time.

use crate::crew::Role;
use crate::manager::{Child, Happened, Manager, PAUSE_MAX};
use std::time::{Duration, Instant};
use wirewool_ipc::exchange::Standing;
use wirewool_ipc::process::{Ended, kill, wait};
use wirewool_ipc::signal::Signal;

/// A worker that lived shorter died at once: the next one waits.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The first pause in a crash loop; each one after it is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);

impl Manager {
    /// Takes note of the workers that ended.
    pub(super) fn reap(&mut self) {
        for place in 0..self.slots.len() {
            if let Some((child, ended)) = take_ended(&mut self.slots[place].leaving) {
                self.bury(place, child, ended);
            }
            if let Some((child, ended)) = take_ended(&mut self.slots[place].current) {
                self.bury(place, child, ended);
            }
        }
    }

    fn bury(&mut self, place: usize, mut child: Child, ended: Option<Ended>) {
        if self.exchange.occupant(child.seat).is_some_and(|occupant| occupant.standing == Standing::Leaving) {
            // It had said so: that it has ended since then is no death, however quick it was.
            child.kill_at.get_or_insert(Instant::now());
        }
        self.exchange.bury(child.seat);
        if self.plan.workers_own && self.plan.crew.role(place) == Role::Worker {
            self.table.detach(child.seat);
        }
        self.exchange.ring_all();
        self.note_death(place, child, ended);
    }

    fn note_death(&mut self, place: usize, child: Child, ended: Option<Ended>) {
        let Child { pid, started, kill_at, .. } = child;
        // One of the program's own ends as it likes, and by SIGTERM when it is told to.
        let asked = self.plan.crew.role(place) == Role::User && kill_at.is_some();
        let failed = ended.filter(|ended| *ended != Ended::Exited(0) && !asked);
        let told = failed.filter(|_| self.plan.crew.role(place) != Role::User);
        self.news.extend(told.map(|ended| Happened::Failed { place, pid, ended }));
        let slot = &mut self.slots[place];
        let now = Instant::now();
        let mut next = String::new();
        if !self.ending && slot.current.is_none() && slot.due <= now {
            slot.deaths = if kill_at.is_none() && now - started < AT_ONCE { slot.deaths + 1 } else { 0 };
            let pause = match slot.deaths {
                0 => Duration::ZERO,
                deaths => PAUSE_MIN.saturating_mul(1 << (deaths - 1).min(16)).min(PAUSE_MAX),
            };
            slot.due = now + pause;
            next = format!(", another starts in {} ms", pause.as_millis());
        }
        let name = self.plan.crew.name(place);
        match (ended, failed) {
            (_, Some(ended)) => tracing::error!("{name} (pid {pid}) {ended}{next}"),
            (None, _) => tracing::error!("{name} (pid {pid}) ended, somebody else waited for it{next}"),
            (Some(ended), _) if kill_at.is_none() => tracing::info!("{name} (pid {pid}) {ended}{next}"),
            _ => tracing::debug!("{name} (pid {pid}) has left"),
        }
    }

    /// Kills those whose time is over.
    pub(super) fn kill_late(&mut self) {
        let now = Instant::now();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            for child in slot.current.iter_mut().chain(&mut slot.leaving) {
                if child.kill_at.is_some_and(|at| at <= now) {
                    let name = self.plan.crew.name(place);
                    tracing::error!("{name} (pid {}) did not end in time and is killed", child.pid);
                    let _ = kill(child.pid, Signal::Kill);
                    child.kill_at = Some(now + PAUSE_MAX);
                }
            }
        }
    }

    pub(super) fn kill_all(&self) {
        for child in self.children() {
            // Not yet waited for: the pid is still its own.
            let _ = kill(child.pid, Signal::Kill);
        }
    }
}

/// The child, if it has ended, and how; unknown if somebody else in this process has waited for it.
fn take_ended(place: &mut Option<Child>) -> Option<(Child, Option<Ended>)> {
    let child = (*place)?;
    let ended = match wait(child.pid) {
        Ok(None) => return None,
        Ok(Some(ended)) => Some(ended),
        Err(_) => None,
    };
    *place = None;
    Some((child, ended))
}
