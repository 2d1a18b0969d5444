//! What handlers are given: messages, requests, and what they may give back.

use std::fmt;
use std::ops::Deref;
use wirewool_hub::fd::Fd;
use wirewool_proto::http::request;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::{Kind, Payload};

/// A received message.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The connection that sent it.
    pub fd: Fd,
    /// Text or binary.
    pub kind: Kind,
    /// It came compressed; forwarded, it goes out compressed where that was negotiated.
    pub compressed: bool,
    pub(crate) payload: Payload<'a>,
}

impl Frame<'_> {
    /// Its bytes; those of text are UTF-8.
    pub fn data(&self) -> &[u8] {
        self.payload.bytes()
    }

    /// Its text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => std::str::from_utf8(self.data()).ok(),
            Kind::Binary => None,
        }
    }

    /// Its opcode: text or binary.
    pub fn opcode(&self) -> Opcode {
        self.kind.opcode()
    }
}

/// A message to be sent: from `&str` and `String` text, from bytes binary, from a [`Frame`] what it was.
#[derive(Debug)]
pub struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) compress: bool,
    pub(crate) payload: Payload<'a>,
}

impl Message<'_> {
    /// Compresses it for connections that have negotiated that.
    #[must_use]
    pub fn compressed(self) -> Self {
        Message { compress: true, ..self }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Message { kind: Kind::Text, compress: false, payload: Payload::Borrowed(text.as_bytes()) }
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Message::from(text.as_str())
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Message { kind: Kind::Binary, compress: false, payload: Payload::Borrowed(bytes) }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Message::from(bytes.as_slice())
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Message::from(bytes.as_slice())
    }
}

impl<'a> From<Frame<'a>> for Message<'a> {
    fn from(frame: Frame<'a>) -> Self {
        Message { kind: frame.kind, compress: frame.compressed, payload: frame.payload }
    }
}

impl<'a> From<&'a Frame<'_>> for Message<'a> {
    fn from(frame: &'a Frame<'_>) -> Self {
        Message { kind: frame.kind, compress: frame.compressed, payload: Payload::Borrowed(frame.data()) }
    }
}

/// A request, and the connection it came on. Its head and body are [`request::Request`]'s.
#[derive(Debug)]
pub struct Request {
    /// The connection.
    pub fd: Fd,
    pub(crate) request: request::Request,
}

impl Deref for Request {
    type Target = request::Request;

    fn deref(&self) -> &request::Request {
        &self.request
    }
}

/// What an upgrade is accepted with: nothing special by default.
#[derive(Debug, Default)]
pub struct Acceptance {
    pub(crate) protocol: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Acceptance {
    /// The subprotocol that is spoken. One that the client did not offer is not answered (RFC 6455 §4.2.2).
    #[must_use]
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.protocol = Some(name.into());
        self
    }

    /// One more header line of the answer.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What a handler may return: nothing, or a result whose error is logged.
pub trait Outcome {
    /// The error, if there is one.
    fn into_error(self) -> Option<Box<dyn fmt::Display>>;
}

impl Outcome for () {
    fn into_error(self) -> Option<Box<dyn fmt::Display>> {
        None
    }
}

impl<T, E: fmt::Display + 'static> Outcome for Result<T, E> {
    fn into_error(self) -> Option<Box<dyn fmt::Display>> {
        self.err().map(|error| Box::new(error) as Box<dyn fmt::Display>)
    }
}
