//! A connection: messages out, events in, each call as long as the socket takes.

use crate::connect::{Connect, READ_BYTES};
use crate::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};
use wirewool_proto::http::answer::AnswerHead;
use wirewool_proto::websocket::client::{self, Outgoing};
use wirewool_proto::websocket::close::{Close, CloseCode};
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Kind;
use wirewool_proto::websocket::receiver::Event;
use wirewool_proto::websocket::upgrade::Accepted;

/// How long the server may take to end the connection after both close frames.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// What the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message {
        /// Text, which is UTF-8, or binary.
        kind: Kind,
        /// Its bytes.
        payload: Vec<u8>,
        /// It came compressed.
        compressed: bool,
    },
    /// A ping, which was answered.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The server's close frame, which was answered; the connection is over.
    Closed {
        /// The code, if there was one.
        code: Option<CloseCode>,
        /// The reason, "" if there was none.
        reason: String,
    },
}

/// A connection to a WebSocket server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    end: client::Client,
    accepted: Accepted,
    buffer: Vec<u8>,
    /// What of the buffer was read and not looked at.
    unseen: std::ops::Range<usize>,
}

impl Client {
    /// Connects to `ws://host[:port][/path]`. [`Connect`] has more to say.
    ///
    /// # Errors
    /// As [`Connect::open`].
    pub fn connect(url: impl Into<String>) -> Result<Client, Error> {
        Connect::to(url).open()
    }

    pub(crate) fn new(stream: TcpStream, end: client::Client, accepted: Accepted, behind: &[u8]) -> Client {
        let mut buffer = vec![0; READ_BYTES];
        buffer[..behind.len()].copy_from_slice(behind);
        Client { stream, end, accepted, buffer, unseen: 0..behind.len() }
    }

    /// The server's answer to the upgrade request.
    pub fn answer(&self) -> &AnswerHead {
        &self.accepted.head
    }

    /// The subprotocol that the server chose.
    pub fn protocol(&self) -> Option<&str> {
        self.accepted.protocol.as_deref()
    }

    /// Was compression agreed on?
    pub fn is_compressing(&self) -> bool {
        self.accepted.agreement.is_some()
    }

    /// Sends a message, and returns when the socket has taken it. A server that takes nothing before its own messages
    /// are read lets this wait until the time-out.
    ///
    /// # Errors
    /// A message that cannot be sent, or the socket's error.
    pub fn send(&mut self, message: Outgoing<'_>) -> Result<(), Error> {
        self.end.send(message)?;
        self.flush()
    }

    /// Sends one frame: a fragment, a ping, a pong.
    ///
    /// # Errors
    /// A frame that does not fit what was sent before, or the socket's error.
    pub fn send_frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.end.send_frame(opcode, fin, payload)?;
        self.flush()
    }

    /// Waits for what the server sends next.
    ///
    /// # Errors
    /// A server that breaks the protocol, ends without a close frame or sends nothing until the time-out; the socket's
    /// error. After a time-out the wait may be repeated.
    pub fn receive(&mut self) -> Result<Received, Error> {
        loop {
            let is_over = self.end.is_closed();
            match self.end.next(&mut self.buffer[self.unseen.clone()]) {
                Ok(Some((used, event))) => {
                    let received = received(&event);
                    self.unseen.start += used;
                    self.flush()?;
                    if matches!(received, Received::Closed { .. }) {
                        self.await_end();
                    }
                    return Ok(received);
                }
                Ok(None) if is_over => return Err(Error::Ended),
                Ok(None) => self.read()?,
                Err(violation) => {
                    // The socket may be broken as well; the violation says more.
                    let _ = self.flush();
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.await_end();
                    return Err(violation.into());
                }
            }
        }
    }

    /// Sends a close frame. [`Client::receive`] goes on with what comes before the server's own.
    ///
    /// # Errors
    /// When a close frame was sent or received before, or the socket's error.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.end.close(code, reason)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let output = self.end.take_output();
        self.stream.write_all(&output).map_err(Error::socket("cannot send"))
    }

    fn read(&mut self) -> Result<(), Error> {
        self.unseen = 0..0;
        let n = self.stream.read(&mut self.buffer).map_err(Error::socket("cannot receive"))?;
        if n == 0 {
            return Err(Error::Ended);
        }
        self.unseen = 0..n;
        Ok(())
    }

    /// RFC 6455 §7.1.1: "the server MUST close the connection", the client waits for that. To close with unread input
    /// would make the kernel drop what is under way, a close frame included.
    fn await_end(&mut self) {
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

fn received(event: &Event<'_>) -> Received {
    match event {
        Event::Message(message) => Received::Message {
            kind: message.kind,
            payload: message.payload.bytes().to_vec(),
            compressed: message.compressed,
        },
        Event::Ping(payload) => Received::Ping(payload.to_vec()),
        Event::Pong(payload) => Received::Pong(payload.to_vec()),
        Event::Close(payload) => {
            // The receiver has checked it.
            let close = Close::parse(payload).unwrap_or(Close { code: None, reason: "" });
            Received::Closed { code: close.code, reason: close.reason.to_owned() }
        }
    }
}
