//! What an operator asks of a server that runs: its log, its pid file, to leave the terminal, who its workers are.

use std::cell::Cell;
use std::io;

use wirewool_engine::config::{Config, ConfigErrors};
use wirewool_engine::service::identity::Identity;
use wirewool_engine::{options, service};
use wirewool_ipc::daemon::{Starter, daemonize};

use crate::log;
use crate::process;

/// What was taken for that.
pub(crate) struct Service {
    taken: service::Service,
    /// Who waits until the daemon is ready.
    starter: Cell<Option<Starter>>,
}

impl Service {
    /// Takes what the configuration asks of the system besides the port.
    ///
    /// # Errors
    /// All that cannot be.
    pub(crate) fn take(config: &Config) -> Result<Service, ConfigErrors> {
        let mut wrong = options::clashes(config);
        let taken = service::Service::take(config, &mut wrong);
        wrong.extend(log::open(config, taken.identity()).err());
        if wrong.is_empty() {
            return Ok(Service { taken, starter: Cell::new(None) });
        }
        taken.end();
        Err(ConfigErrors(wrong))
    }

    /// Leaves the terminal if that is asked for. Whoever is there behind it is the master, and whoever started it does
    /// not come back.
    ///
    /// # Errors
    /// Those of fork(2), and of writing the pid file.
    pub(crate) fn begin(&self, config: &Config) -> io::Result<()> {
        let begun = if config.daemonize { self.detach() } else { Ok(()) };
        let begun = begun.and_then(|()| self.taken.begin());
        if let Err(error) = &begun {
            self.taken.end();
            self.tell_failed(&error.to_string());
        }
        begun
    }

    fn detach(&self) -> io::Result<()> {
        self.starter.set(Some(daemonize()?));
        process::forked();
        log::take_stdio()
    }

    /// The server accepts connections.
    pub(crate) fn tell_ready(&self) {
        if let Some(starter) = self.starter.take() {
            starter.ready();
        }
    }

    /// The server has not come so far.
    pub(crate) fn tell_failed(&self, why: &str) {
        if let Some(starter) = self.starter.take() {
            starter.failed(why);
        }
    }

    /// In a child: the master speaks for it.
    pub(crate) fn forked(&self) {
        drop(self.starter.take());
    }

    /// In a worker, before it does anything for anybody: it becomes who it is to be.
    ///
    /// # Errors
    /// It cannot: it is to end.
    pub(crate) fn become_worker(&self) -> io::Result<()> {
        if self.taken.identity().is_some_and(Identity::has_own_root) {
            log::stay();
        }
        self.taken.become_worker()
    }

    /// The server has ended. For the master alone.
    pub(crate) fn end(&self) {
        self.taken.end();
    }
}
