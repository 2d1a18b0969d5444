//! What comes down: everything that can be asked of a connection.

use crate::event::Status;
use crate::fd::{Fd, Place};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::Agreement;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;
use wirewool_proto::websocket::sender::OutOfSequence;

/// Something is wanted of a connection.
#[derive(Debug)]
pub enum Command<'a> {
    /// Send a frame.
    Push(Push<'a>),
    /// Send bytes as they are.
    Send(&'a [u8]),
    /// Send a piece of the answer that is owed to a request.
    Answer {
        /// The piece: encoded head, body, or both.
        bytes: &'a [u8],
        /// What comes behind it.
        after: After,
    },
    /// Send a close frame and close.
    Disconnect {
        /// Why.
        code: CloseCode,
        /// Why, in words; cut to 123 bytes.
        reason: &'a str,
    },
    /// Close: behind what is owed, or at once if `reset`.
    Close {
        /// Drop what is owed.
        reset: bool,
    },
    /// The handler is done with `Event::Ending`.
    Finish,
    /// The handler is done with `Event::Closed`: the fd is free.
    Forget,
}

/// A frame to be sent.
#[derive(Debug)]
pub struct Push<'a> {
    /// What it is. Not a close frame: that is [`Command::Disconnect`].
    pub opcode: Opcode,
    /// The last of its message.
    pub fin: bool,
    /// Compress it, if that was negotiated: a whole message only.
    pub compress: bool,
    /// Its payload; text must be UTF-8, which the caller has checked.
    pub payload: Payload<'a>,
}

/// What comes behind a piece of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// More of it.
    More,
    /// The next request.
    KeepAlive,
    /// The end of the connection.
    Close,
    /// WebSocket frames, compressed if that was negotiated.
    Upgrade(Option<Agreement>),
}

/// Why a command had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such connection here.
    #[error("there is no such connection")]
    Unknown,
    /// It is not a WebSocket, or not yet.
    #[error("the connection is not a WebSocket")]
    NotWebSocket,
    /// It is closing.
    #[error("the connection is closing")]
    Closing,
    /// What is owed would be more than the limit.
    #[error("{owed} bytes are owed to the connection already, at most {limit} may be")]
    OutboxFull {
        /// What is owed, in bytes.
        owed: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The message is longer than the limit.
    #[error("a message of {len} bytes: at most {limit} may be sent")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A control frame with more than 125 bytes (RFC 6455 §5.5).
    #[error("a control frame of {0} bytes: at most 125 are allowed")]
    ControlTooLong(usize),
    /// It does not fit the fragments before it.
    #[error(transparent)]
    OutOfSequence(#[from] OutOfSequence),
    /// A close code that a server does not send (RFC 6455 §7.4).
    #[error("the close code {0}: a server does not send it")]
    CloseCode(u16),
    /// No answer is owed.
    #[error("no request waits for an answer")]
    NotWaiting,
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its place in this loop.
    pub place: Place,
    /// How far it has come.
    pub status: Status,
    /// What is owed to it, in bytes.
    pub owed_bytes: usize,
    /// It can still be sent to.
    pub open: bool,
}

/// Accepts commands.
pub trait Outlet {
    /// Asks something of a connection.
    ///
    /// # Errors
    /// Why it had no effect.
    fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused>;

    /// Is there such a connection here?
    fn has(&self, fd: Fd) -> bool;

    /// What is known here of a connection: nothing of one that is elsewhere.
    fn info(&self, fd: Fd) -> Option<Info>;
}
