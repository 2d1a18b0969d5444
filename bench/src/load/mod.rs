//! The load: one thread, one epoll, and as little work per message as tells a right answer from a wrong one.

pub mod broadcast;
pub mod connect;
pub mod exchange;
pub mod handshakes;
pub mod idle;
mod ready;
pub mod tape;

use crate::load::tape::Tape;
use crate::process::Processes;
use crate::run::{Meter, Run};
use std::time::Duration;

/// What is done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Messages that come back.
    Echo,
    /// The same, compressed.
    Deflate,
    /// One connection's messages that come to all.
    Broadcast,
    /// Connections that are opened, upgraded and closed.
    Handshake,
    /// Connections that say something once, and then nothing.
    Idle,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct Load {
    /// What is done.
    pub kind: Kind,
    /// The server's port, at 127.0.0.1.
    pub port: u16,
    /// The server's first process.
    pub pid: u32,
    /// How many connections; those that receive in `broadcast`, those at once in `handshake`.
    pub connections: usize,
    /// How long a message is before it is compressed.
    pub size: usize,
    /// How many messages of one connection may be on their way.
    pub in_flight: usize,
    /// How long is run before anything counts.
    pub warm_up: Duration,
    /// How long is measured.
    pub time: Duration,
}

impl Load {
    /// Runs it.
    ///
    /// # Errors
    /// What went wrong, in words: a connection that broke, or an answer that was not what it should be.
    pub fn run(&self) -> Result<Run, String> {
        match self.kind {
            Kind::Echo => exchange::run(self, Tape::plain(self.size, self.in_flight), false),
            Kind::Deflate => {
                let tape = Tape::compressed(self.size, self.in_flight, self.port)?;
                exchange::run(self, tape, true)
            }
            Kind::Broadcast => broadcast::run(self),
            Kind::Handshake => handshakes::run(self),
            Kind::Idle => idle::run(self),
        }
    }

    /// Counts from now on: to be called when all connections are there.
    fn meter(&self) -> Meter {
        Meter::new(Processes::below(self.pid), self.warm_up, self.time)
    }
}
