//! What can go wrong with a connection, in words that name it.

use std::io;
use wirewool_proto::websocket::client::NotSent;
use wirewool_proto::websocket::upgrade::{RequestError, UpgradeError};
use wirewool_proto::websocket::violation::Violation;

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none of a WebSocket.
    #[error("{url:?} is not ws://host, ws://host:port or one of them with a path: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A window or level of compression is out of range.
    #[error("{name} of {value}: must be from {least} to {most}")]
    Compression {
        /// What was set.
        name: &'static str,
        /// To what.
        value: u8,
        /// The smallest that can be.
        least: u8,
        /// The largest.
        most: u8,
    },
    /// The socket failed, or took longer than the time-out.
    #[error("{action}: {error}")]
    Socket {
        /// What was tried.
        action: &'static str,
        /// What came of it.
        error: io::Error,
    },
    /// The upgrade cannot be asked for.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The server did not accept.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// A frame was not sent.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The server broke the protocol; it was told so, and the connection is closed.
    #[error("the server broke the protocol: {0}")]
    Violation(#[from] Violation),
    /// The server ended the connection without a close frame.
    #[error("the connection ended without a close frame")]
    Ended,
}

impl Error {
    /// What is done with a socket's error.
    pub(crate) fn socket(action: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::Socket { action, error }
    }
}
