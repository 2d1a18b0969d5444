//! What all threads of a process send to others by.

use crate::crew::Crew;
use crate::crew::post::Post;
use crate::links::writers::Writers;
use crate::remote::{Limits, Remote};
use std::sync::{Arc, Mutex, PoisonError};
use wirewool_hub::command::{Command, Refused};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::table::Table;

/// This process's way to connections that others have, for all of its threads.
#[derive(Clone)]
pub struct Way(Arc<Mutex<Remote>>);

impl Way {
    /// For the occupant of `seat`.
    pub fn new(table: Arc<Table>, exchange: Arc<Exchange>, crew: Crew, seat: usize, limits: Limits) -> Way {
        Way(Arc::new(Mutex::new(Remote::new(table, exchange, crew, seat, limits))))
    }

    /// One step with it.
    #[inline]
    pub fn with<R>(&self, step: impl FnOnce(&mut Remote) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One step with what is sent to others of the crew, who are rung behind it.
    pub(crate) fn post<R>(&self, step: impl FnOnce(&mut Post, &mut Writers) -> R) -> R {
        self.with(|remote| {
            let posted = remote.with_post(step);
            remote.ring();
            posted
        })
    }

    /// Asks something of a connection that another process has. While `more` of the same batch waits to be handled, that
    /// one is rung behind it.
    ///
    /// # Errors
    /// Why it will have no effect.
    #[inline]
    pub fn apply(&self, fd: Fd, command: Command<'_>, more: bool) -> Result<(), Refused> {
        self.with(|remote| {
            remote.apply(fd, command)?;
            if !more {
                remote.ring();
            }
            Ok(())
        })
    }
}
