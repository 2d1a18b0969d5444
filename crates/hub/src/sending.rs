//! One connection's sending half.

use crate::event::Status;
use crate::fd::{Fd, Place};
use crate::outbox::Outbox;
use crate::time::Moment;
use crate::wire::Interest;
use wirewool_proto::websocket::sender::Sequence;

/// The life of a connection, seen from its sending half.
///
/// ```text
/// Free ─► Open ─┬─► Ending ─► Closing ─► Draining ─► Gone ─► Free
///               └───────────────┘ │                   ▲
///                 (any of them)   └── peer is done ───┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No connection.
    Free,
    /// Everything is accepted.
    Open,
    /// The peer ended it: nothing more is received, what was received may be answered.
    Ending,
    /// Nothing more is accepted; what is owed goes out.
    Closing,
    /// All is sent and the peer knows; what it still sends is thrown away until it ends as well.
    Draining,
    /// The socket is closed; the handler does not know it yet.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) fd: Option<Fd>,
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    pub(crate) status: Status,
    pub(crate) sequence: Sequence,
    pub(crate) interest: Interest,
    pub(crate) dirty: bool,
    /// A request was handed out, its answer is owed.
    pub(crate) waiting: bool,
    pub(crate) closed_by_server: bool,
    /// The handler was told, or is about to be.
    pub(crate) ended: bool,
    /// The handler is done with it.
    pub(crate) forgotten: bool,
    /// The peer ended its stream.
    pub(crate) eof: bool,
    pub(crate) discarded: u32,
    pub(crate) outbox: Outbox,
    /// Whole messages that wait for the end of a fragmented one.
    pub(crate) held: Vec<u8>,
    /// The close frame that answers the peer's ending.
    pub(crate) farewell: Option<Vec<u8>>,
    pub(crate) opened_at: Moment,
    pub(crate) received_at: Moment,
    pub(crate) sent_at: Moment,
}

impl Sending {
    pub(crate) fn free(generation: u32) -> Sending {
        Sending {
            fd: None,
            generation,
            phase: Phase::Free,
            status: Status::Plain,
            sequence: Sequence::Between,
            interest: Interest { read: true, write: false },
            dirty: false,
            waiting: false,
            closed_by_server: false,
            ended: false,
            forgotten: false,
            eof: false,
            discarded: 0,
            outbox: Outbox::default(),
            held: Vec::new(),
            farewell: None,
            opened_at: Moment(0),
            received_at: Moment(0),
            sent_at: Moment(0),
        }
    }

    pub(crate) fn place(&self, row: u32) -> Place {
        Place { row, generation: self.generation }
    }

    pub(crate) fn owed(&self) -> usize {
        self.outbox.owed() + self.held.len()
    }
}
