//! What other threads leave for a loop: commands, in the order in which they came.

use crate::remote::promises::Promises;
use std::sync::{Arc, Mutex, PoisonError};
use wirewool_hub::command::{Command, Push, Refused};
use wirewool_hub::fd::Fd;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;

/// A command that owns what it carries, or shares it with the one before.
#[derive(Debug)]
pub(crate) enum Errand {
    Push { opcode: Opcode, fin: bool, compress: bool, payload: Arc<[u8]> },
    Send(Arc<[u8]>),
    Disconnect { code: CloseCode, reason: String },
    Close { reset: bool },
}

impl Errand {
    /// A copy of what a command carries; commands that only answer events are never sent from elsewhere.
    pub(crate) fn from_command(command: Command<'_>) -> Option<Errand> {
        Some(match command {
            Command::Push(Push { opcode, fin, compress, payload }) => {
                Errand::Push { opcode, fin, compress, payload: payload.bytes().into() }
            }
            Command::Send(bytes) => Errand::Send(bytes.into()),
            Command::Disconnect { code, reason } => Errand::Disconnect { code, reason: reason.to_owned() },
            Command::Close { reset } => Errand::Close { reset },
            Command::Answer { .. } | Command::Finish | Command::Forget => return None,
        })
    }

    pub(crate) fn as_command(&self) -> Command<'_> {
        match self {
            Errand::Push { opcode, fin, compress, payload } => {
                let payload = Payload::Borrowed(payload);
                Command::Push(Push { opcode: *opcode, fin: *fin, compress: *compress, payload })
            }
            Errand::Send(bytes) => Command::Send(bytes),
            Errand::Disconnect { code, reason } => Command::Disconnect { code: *code, reason },
            Errand::Close { reset } => Command::Close { reset: *reset },
        }
    }

    fn payload(&mut self) -> Option<&mut Arc<[u8]>> {
        match self {
            Errand::Push { payload, .. } | Errand::Send(payload) => Some(payload),
            Errand::Disconnect { .. } | Errand::Close { .. } => None,
        }
    }

    /// What it takes beside what it shares with the errand before it: a broadcast's payload is there once.
    fn share(&mut self, last: Option<&mut Errand>) -> usize {
        let own = size_of::<(Fd, Errand)>();
        match (self.payload(), last.and_then(Errand::payload)) {
            (Some(payload), Some(last)) if payload == last => {
                *payload = last.clone();
                own
            }
            (Some(payload), _) => own + payload.len(),
            (None, _) => own,
        }
    }
}

/// What is known of the connection that an errand is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// What is owed to it already, in bytes.
    pub(crate) owed: usize,
    /// What the errand brings.
    pub(crate) len: usize,
    /// What may be owed to it.
    pub(crate) limit: usize,
}

#[derive(Debug, Default)]
struct Errands {
    waiting: Vec<(Fd, Errand)>,
    bytes: usize,
    promises: Promises,
}

/// A loop's letter box, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Inbox {
    errands: Mutex<Errands>,
    bytes_max: usize,
}

impl Inbox {
    pub(crate) fn new(bytes_max: usize) -> Inbox {
        Inbox { errands: Mutex::default(), bytes_max }
    }

    /// Leaves an errand; the loop's doorbell is to be rung behind it.
    pub(crate) fn leave(&self, fd: Fd, mut errand: Errand, room: Room) -> Result<(), Refused> {
        let Room { owed, len, limit } = room;
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        let promised = if owed + errands.promises.total() + len <= limit { 0 } else { errands.promises.to(fd) };
        if len > 0 && owed + promised + len > limit {
            return Err(Refused::OutboxFull { owed: owed + promised, limit });
        }
        let bytes = errand.share(errands.waiting.last_mut().map(|(_, last)| last));
        // A single one may be as long as a message may: the caller has checked that.
        if !errands.waiting.is_empty() && errands.bytes + bytes > self.bytes_max {
            return Err(Refused::OutboxFull { owed: errands.bytes, limit: self.bytes_max });
        }
        errands.bytes += bytes;
        errands.promises.make(fd, len);
        errands.waiting.push((fd, errand));
        Ok(())
    }

    /// Takes all that was left, in order.
    pub(crate) fn take(&self) -> Vec<(Fd, Errand)> {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *errands).waiting
    }
}
