//! What a server takes of the system besides its port, from its start to its end: its pid file, and who its workers are.

pub mod affinity;
pub mod identity;
mod pid_file;

use crate::config::{Config, ConfigError};
use crate::service::identity::Identity;
use crate::service::pid_file::PidFile;
use std::io;

/// What was taken.
#[derive(Debug)]
pub struct Service {
    pid_file: Option<PidFile>,
    identity: Option<Identity>,
    /// Somebody else was asked for, which takes root.
    has_no_right: bool,
}

impl Service {
    /// Takes what the configuration asks for; what cannot be had goes to `wrong`, all of it.
    pub fn take(config: &Config, wrong: &mut Vec<ConfigError>) -> Service {
        let identity = Identity::look_up(config, wrong);
        let pid_file = config.pid_file.as_ref().and_then(|path| {
            let taken = PidFile::take(path);
            taken.map_err(|error| wrong.push(not_file("pid_file", path, &error))).ok()
        });
        let asks = config.user.is_some() || config.group.is_some() || config.chroot.is_some();
        let has_no_right = asks && identity.is_none();
        Service { pid_file, identity, has_no_right }
    }

    /// This process is the master.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn begin(&self) -> io::Result<()> {
        if self.has_no_right {
            tracing::warn!("user, group and chroot have no effect: only root may set them");
        }
        self.pid_file.as_ref().map_or(Ok(()), PidFile::write)
    }

    /// The server has ended. For the master alone.
    pub fn end(&self) {
        if let Some(pid_file) = &self.pid_file {
            pid_file.remove();
        }
    }

    /// Who its workers are to be.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// This process is a worker.
    ///
    /// # Errors
    /// It cannot become who it is to be: it is to end.
    pub fn become_worker(&self) -> io::Result<()> {
        self.identity.as_ref().map_or(Ok(()), Identity::assume)
    }
}

/// What is wrong with the path of a file.
pub fn not_file(option: &'static str, path: &str, error: &io::Error) -> ConfigError {
    ConfigError { option, value: format!("{path:?}"), wanted: format!("a file that this server can have: {error}") }
}
