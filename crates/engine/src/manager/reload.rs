//! Replaces all workers, or the task workers alone: at once, or one after the other.

use crate::crew::Role;
use crate::manager::{Happened, Manager};

impl Manager {
    /// All workers are to be replaced, or those alone that work for others.
    pub(super) fn begin_reload(&mut self, only_tasks: bool) {
        let crew = self.plan.crew;
        if only_tasks && crew.tasks == 0 {
            return;
        }
        self.reloading = true;
        self.exchange.set_reloading(true);
        self.news.push_back(Happened::ReloadBegins);
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let is_meant = match crew.role(place) {
                Role::Worker => !only_tasks,
                Role::Task => true,
                Role::User | Role::Manager => false,
            };
            if let Some(child) = slot.current.as_mut().filter(|_| is_meant) {
                child.outdated = true;
            }
        }
    }

    /// A reload goes on: the next ones are asked to leave, or it is over.
    pub(super) fn end_reload(&mut self) {
        if !self.reloading {
            return;
        }
        let mut outdated = 0;
        for place in 0..self.slots.len() {
            if self.plan.crew.role(place) == Role::User {
                continue;
            }
            let slot = &self.slots[place];
            let vacant = slot.current.is_none() && slot.leaving.is_some();
            let busy = vacant || slot.leaving.is_some() && !self.plan.reload_async;
            if slot.current.is_some_and(|child| child.outdated) {
                if outdated == 0 || self.plan.reload_async {
                    self.dismiss(place);
                }
                outdated += 1;
            } else if busy {
                outdated += 1;
            }
        }
        if outdated == 0 || self.ending {
            self.reloading = false;
            self.exchange.set_reloading(false);
            self.news.push_back(Happened::ReloadEnded);
        }
    }
}
