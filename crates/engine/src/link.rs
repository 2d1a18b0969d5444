//! What other threads leave for a worker: commands, in the order in which they came.

use std::sync::{Mutex, PoisonError};
use wirewool_hub::command::{Command, Push, Refused};
use wirewool_hub::fd::Fd;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;

/// A command that owns what it carries.
#[derive(Debug)]
pub(crate) enum Errand {
    Push { opcode: Opcode, compress: bool, payload: Vec<u8> },
    Send(Vec<u8>),
    Disconnect { code: CloseCode, reason: String },
    Close { reset: bool },
}

impl Errand {
    /// A copy of what a command carries; commands that only answer events are never sent from elsewhere.
    pub(crate) fn from_command(command: Command<'_>) -> Option<Errand> {
        Some(match command {
            Command::Push(Push { opcode, compress, payload, .. }) => {
                Errand::Push { opcode, compress, payload: payload.bytes().to_vec() }
            }
            Command::Send(bytes) => Errand::Send(bytes.to_vec()),
            Command::Disconnect { code, reason } => Errand::Disconnect { code, reason: reason.to_owned() },
            Command::Close { reset } => Errand::Close { reset },
            Command::Answer { .. } | Command::Finish | Command::Forget => return None,
        })
    }

    pub(crate) fn as_command(&self) -> Command<'_> {
        match self {
            Errand::Push { opcode, compress, payload } => {
                let payload = Payload::Borrowed(payload);
                Command::Push(Push { opcode: *opcode, fin: true, compress: *compress, payload })
            }
            Errand::Send(bytes) => Command::Send(bytes),
            Errand::Disconnect { code, reason } => Command::Disconnect { code: *code, reason },
            Errand::Close { reset } => Command::Close { reset: *reset },
        }
    }

    fn bytes(&self) -> usize {
        size_of::<(Fd, Errand)>()
            + match self {
                Errand::Push { payload, .. } => payload.len(),
                Errand::Send(bytes) => bytes.len(),
                _ => 0,
            }
    }
}

#[derive(Debug, Default)]
struct Errands {
    waiting: Vec<(Fd, Errand)>,
    bytes: usize,
}

/// A worker's letter box, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Inbox {
    errands: Mutex<Errands>,
    bytes_max: usize,
}

impl Inbox {
    pub(crate) fn new(bytes_max: usize) -> Inbox {
        Inbox { errands: Mutex::default(), bytes_max }
    }

    /// Leaves an errand; the worker's doorbell is to be rung behind it.
    pub(crate) fn leave(&self, fd: Fd, errand: Errand) -> Result<(), Refused> {
        let bytes = errand.bytes();
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        // A single one may be as long as a message may: the caller has checked that.
        if !errands.waiting.is_empty() && errands.bytes + bytes > self.bytes_max {
            return Err(Refused::OutboxFull { owed: errands.bytes, limit: self.bytes_max });
        }
        errands.bytes += bytes;
        errands.waiting.push((fd, errand));
        Ok(())
    }

    /// Takes all that was left, in order.
    pub(crate) fn take(&self) -> Vec<(Fd, Errand)> {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *errands).waiting
    }
}
