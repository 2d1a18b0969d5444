//! One connection's sending half.

use crate::event::Status;
use crate::fd::{Fd, Place};
use crate::outbox::Outbox;
use crate::settings::DISCARD_BYTES_MAX;
use crate::wire::Interest;
use wirewool_proto::websocket::deflation::Deflation;
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

/// The answer to a request that was handed out.
///
/// ```text
/// None ─► Owed ─► Begun ─► Given ─► None
///           └────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// No request was handed out.
    None,
    /// Nothing was said yet.
    Owed,
    /// A piece was, more of it follows.
    Begun,
    /// All was; what came behind the request is looked at once the peer takes what it is owed.
    Given,
}

/// What the handler knows of the end.
///
/// ```text
/// Alive ─► Due ─► Told ─► Forgotten
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There is none yet.
    Alive,
    /// It will be told when the batch ends.
    Due,
    /// It was told.
    Told,
    /// It is done with it.
    Forgotten,
}

/// What is set aside for later.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// Whole messages that wait for the end of a fragmented one.
    pub(crate) held: Vec<u8>,
    /// The payload of the close frame, the last thing that is sent.
    pub(crate) farewell: Option<Vec<u8>>,
}

/// Two lines of the processor's cache: there are ten thousands of these.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) fd: Option<Fd>,
    pub(crate) generation: u32,
    /// The index of the port that accepted it.
    pub(crate) port: u8,
    pub(crate) phase: Phase,
    pub(crate) status: Status,
    pub(crate) sequence: Sequence,
    /// What its socket is waited for.
    pub(crate) waits_for: Interest,
    pub(crate) dirty: bool,
    /// What it sends stays in the kernel until its handler is done.
    pub(crate) paused: bool,
    /// It does not take what it makes the server send.
    pub(crate) congested: bool,
    /// What it sends stays in the kernel until its handler has caught up.
    pub(crate) stalled: bool,
    /// The handler was told that it is beyond its high mark.
    pub(crate) full: bool,
    /// It is among those who may have crossed a mark.
    pub(crate) crossed: bool,
    pub(crate) reply: Reply,
    pub(crate) closed_by_server: bool,
    pub(crate) end: End,
    /// The peer ended its stream, and all of it was read.
    pub(crate) eof: bool,
    /// The peer ended its stream while it was not read from.
    pub(crate) peer_ended: bool,
    pub(crate) discarded: u32,
    pub(crate) outbox: Outbox,
    /// What few connections have, and they for a while.
    pub(crate) aside: Option<Box<Aside>>,
    /// How its messages are compressed, if that was negotiated.
    pub(crate) deflation: Option<Box<Deflation>>,
}

const _: () = assert!(size_of::<Sending>() <= 128);

impl Sending {
    pub(crate) fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    pub(crate) fn free(generation: u32) -> Sending {
        Sending {
            fd: None,
            generation,
            port: 0,
            phase: Phase::Free,
            status: Status::Plain,
            sequence: Sequence::Between,
            waits_for: Interest { read: true, write: false, end: false },
            dirty: false,
            paused: false,
            congested: false,
            stalled: false,
            full: false,
            crossed: false,
            reply: Reply::None,
            closed_by_server: false,
            end: End::Alive,
            eof: false,
            peer_ended: false,
            discarded: 0,
            outbox: Outbox::default(),
            aside: None,
            deflation: None,
        }
    }

    pub(crate) fn place(&self, row: u32) -> Place {
        Place { row, generation: self.generation }
    }

    pub(crate) fn owed(&self) -> usize {
        self.outbox.owed() + self.held()
    }

    fn held(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.held.len())
    }

    /// Of what is owed, all that does not leave with its batch.
    pub(crate) fn stuck(&self) -> usize {
        self.held() + if self.outbox.has_backlog() { self.outbox.owed() } else { 0 }
    }

    /// What its socket is to be waited for.
    pub(crate) fn interest(&self) -> Interest {
        let read = match self.phase {
            Phase::Open | Phase::Ending => !self.paused && !self.congested && !self.stalled,
            _ => self.discards(),
        };
        let end = self.phase == Phase::Open && (self.paused || self.stalled) && !self.peer_ended;
        Interest { read, write: self.outbox.has_backlog(), end }
    }

    /// Is it closing, and is what it still sends thrown away?
    pub(crate) fn discards(&self) -> bool {
        let closing = matches!(self.phase, Phase::Closing | Phase::Draining);
        closing && !self.eof && self.discarded as usize <= DISCARD_BYTES_MAX
    }
}
