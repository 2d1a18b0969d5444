//! The WebSocket of a client: what a script pushes becomes frames, what comes becomes Frame objects.

use std::mem::take;
use std::rc::Rc;
use std::time::{Duration, Instant};

use wirewool_proto::websocket::client::{Client, NotSent, Outgoing};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::Agreement;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Kind;
use wirewool_proto::websocket::receiver::Event;
use wirewool_proto::websocket::violation::Violation;

use crate::client::connection::{Connection, Failure};
use crate::client::request::keys;
use crate::client::settings::Settings;
use crate::client::state::{self, HttpClient, Link};
use crate::coroutine::methods::until;
use crate::frame;
use crate::guard::Stop;
use crate::last_error;
use crate::pack::{self, flag};
use crate::warning;
use crate::websocket::encodable;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString};

/// How long a server may take to end the connection after both close frames, and how much more of it is read then.
const END_TIMEOUT: Duration = Duration::from_secs(2);
const END_BYTES_MAX: usize = 1 << 20;

/// A WebSocket, and what was read of it and not looked at yet.
pub(crate) struct WebSocket {
    end: Client,
    unseen: Vec<u8>,
    at: usize,
    /// Messages from so many bytes on are compressed without being asked for.
    threshold: Option<usize>,
}

/// What came.
enum Received {
    Frame(Owned),
    /// All was looked at.
    Nothing,
    Broken(Violation),
}

/// The connection is a WebSocket from now on. Bytes that came behind the answer are frames already.
pub(crate) fn begin(client: &HttpClient, link: &Link, agreement: Option<Agreement>, unseen: Vec<u8>) {
    let settings = client.settings.get();
    let end = Client::new(agreement, settings.message_bytes_max(), keys()).with_answers(settings.answers());
    let end = end.with_deflate_level(settings.compression.map_or(1, |compression| compression.level));
    let end = if settings.masks { end } else { end.without_masking() };
    let threshold = settings.compression.and_then(|compression| compression.threshold);
    link.websocket.set(Some(Box::new(WebSocket { end, unseen, at: 0, threshold })));
    link.is_websocket.set(true);
    client.was_websocket.set(true);
}

impl Link {
    /// Takes the WebSocket out for a look, and puts it back. None if there is none, or it is looked at already.
    fn look<R>(&self, look: impl FnOnce(&mut WebSocket) -> R) -> Option<R> {
        let mut websocket = self.websocket.take()?;
        let seen = look(&mut websocket);
        self.websocket.set(Some(websocket));
        Some(seen)
    }

    /// Were both close frames exchanged?
    fn is_closed(&self) -> bool {
        self.look(|websocket| websocket.end.is_closed()).unwrap_or(true)
    }

    /// Writes what is owed as far as the socket takes it. Is that all?
    fn flush(&self) -> Result<bool, Failure> {
        loop {
            if !self.connection.write()? {
                return Ok(false);
            }
            let output = self.look(|websocket| websocket.end.take_output()).unwrap_or_default();
            if output.is_empty() {
                if self.is_closed() {
                    // A server may wait for that before it goes, and the script need not come back.
                    self.connection.end_writing();
                }
                return Ok(true);
            }
            self.connection.put(output);
        }
    }

    /// As [`Link::flush`], and waits until it is all.
    fn flush_or_wait(&self, limit: Option<Instant>) -> Result<Result<(), Failure>, Stop> {
        loop {
            match self.flush() {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => {}
                Err(failure) => return Ok(Err(failure)),
            }
            if let Err(failure) = self.connection.write_or_wait(limit)? {
                return Ok(Err(failure));
            }
        }
    }
}

impl WebSocket {
    /// The next frame for the script in `input`, and how much of it was used up.
    fn next(&mut self, input: &mut [u8], settings: &Settings) -> Result<(usize, Received), Stop> {
        let mut at = 0;
        loop {
            match self.end.next(&mut input[at..]) {
                Ok(Some((used, event))) => {
                    at += used;
                    if let Some(frame) = frame_of(&event, settings)? {
                        return Ok((at, Received::Frame(frame)));
                    }
                }
                Ok(None) => return Ok((input.len(), Received::Nothing)),
                Err(violation) => return Ok((input.len(), Received::Broken(violation))),
            }
        }
    }

    /// The next frame among what was read before.
    fn next_unseen(&mut self, settings: &Settings) -> Result<Received, Stop> {
        let mut unseen = take(&mut self.unseen);
        let (used, received) = self.next(&mut unseen[self.at..], settings)?;
        self.at += used;
        if self.at < unseen.len() {
            self.unseen = unseen;
        } else {
            self.at = 0;
        }
        Ok(received)
    }

    /// The next frame in what was just read; the rest is kept.
    fn next_read(&mut self, input: &mut [u8], settings: &Settings) -> Result<Received, Stop> {
        let (used, received) = self.next(input, settings)?;
        self.unseen = input[used..].to_vec();
        self.at = 0;
        Ok(received)
    }

    fn send(&mut self, kind: &crate::websocket::Kind, payload: &[u8]) -> Result<(), NotSent> {
        let compress = kind.compress || self.threshold.is_some_and(|threshold| payload.len() >= threshold);
        let whole = |kind| Outgoing { kind, payload, compress, fragment_bytes_max: usize::MAX };
        match (kind.opcode, kind.fin) {
            (Opcode::Text, true) => self.end.send(whole(Kind::Text)),
            (Opcode::Binary, true) => self.end.send(whole(Kind::Binary)),
            (opcode, fin) => self.end.send_frame(opcode, fin, payload),
        }
    }
}

/// The Frame object of an event; none if the script does not want to see it.
fn frame_of(event: &Event<'_>, settings: &Settings) -> Result<Option<Owned>, Stop> {
    let whole = |opcode, flags, payload: &[u8]| frame::create(0, opcode, flags, PhpString::new(payload)?).map(Some);
    match event {
        Event::Message(message) => {
            let flags = if message.compressed { flag::FIN | flag::COMPRESS } else { flag::FIN };
            whole(message.kind.opcode(), flags, message.payload.bytes())
        }
        Event::Ping(payload) if settings.pings.is_handed_out() => whole(Opcode::Ping, flag::FIN, payload),
        Event::Pong(payload) if settings.pongs.is_handed_out() => whole(Opcode::Pong, flag::FIN, payload),
        Event::Close(payload) if settings.closes.is_handed_out() => {
            let close = match payload {
                [high, low, reason @ ..] => Some((u16::from_be_bytes([*high, *low]), reason)),
                _ => None,
            };
            frame::create_close(0, flag::FIN, close).map(Some)
        }
        _ => Ok(None),
    }
}

/// The next frame; "" when the peer has ended the connection; false when there is none.
///
/// # Errors
/// As for any wait.
pub(crate) fn receive(client: &HttpClient, object: Object<'_>, link: &Rc<Link>, seconds: f64) -> Result<Owned, Stop> {
    let _turn = client.reading()?;
    let settings = client.settings.get();
    let mut limit = until(if seconds == 0.0 { settings.read_seconds() } else { seconds });
    let mut received = link.look(|websocket| websocket.next_unseen(&settings)).transpose()?;
    let mut end = None;
    loop {
        // What the socket cannot take now goes out with the next thing that does.
        let _ = link.flush();
        match received.take() {
            Some(Received::Frame(frame)) => return Ok(frame),
            Some(Received::Broken(violation)) => return broken(client, object, link, violation),
            Some(Received::Nothing) | None => {}
        }
        if link.is_closed() && end.is_none() {
            let latest = Instant::now() + END_TIMEOUT;
            end = Some(latest);
            limit = Some(limit.map_or(latest, |limit| limit.min(latest)));
        }
        let read = link.connection.read_or_wait(limit, |input| {
            if input.is_empty() {
                return Ok(None);
            }
            link.look(|websocket| websocket.next_read(input, &settings)).transpose()
        })?;
        match read {
            Ok(Ok(Some(next))) => received = Some(next),
            Ok(Ok(None)) => {
                client.drop_this(object, link)?;
                return Owned::string(b"");
            }
            Ok(Err(stop)) => return Err(stop),
            Err(failure) => return failed(client, object, link, &failure, end),
        }
    }
}

/// Nothing came, for a reason of the socket's.
fn failed(
    client: &HttpClient,
    object: Object<'_>,
    link: &Rc<Link>,
    failure: &Failure,
    end: Option<Instant>,
) -> Result<Owned, Stop> {
    let is_late = failure.code == i64::from(libc::ETIMEDOUT);
    if is_late && end.is_some_and(|end| end <= Instant::now()) {
        // Both close frames were exchanged, and the server does not go.
        client.drop_this(object, link)?;
        return Owned::string(b"");
    }
    let is_kept = is_late || failure.code == i64::from(libc::ECANCELED);
    if !is_kept {
        client.drop_this(object, link)?;
    }
    state::fail(object, failure)?;
    Ok(Owned::bool(false))
}

/// The server broke the protocol: it is told so, and the connection ends.
fn broken(client: &HttpClient, object: Object<'_>, link: &Rc<Link>, violation: Violation) -> Result<Owned, Stop> {
    let code = match violation {
        Violation::MessageTooBig { .. } => last_error::PACKAGE_TOO_LARGE,
        _ => last_error::WEBSOCKET_UNPACK_FAILED,
    };
    linger(&link.connection)?;
    client.drop_this(object, link)?;
    state::fail(object, &Failure { code, text: violation.to_string() })?;
    Ok(Owned::bool(false))
}

/// Lets the peer read to the end: to close with unread input would make the kernel drop what is under way.
fn linger(connection: &Connection) -> Result<(), Stop> {
    let limit = Some(Instant::now() + END_TIMEOUT);
    let mut read = 0;
    connection.end_writing();
    while read < END_BYTES_MAX {
        match connection.read_or_wait(limit, |input| input.len())? {
            Ok(0) | Err(_) => break,
            Ok(more) => read += more,
        }
    }
    Ok(())
}

/// Says goodbye, as far as that goes without waiting.
pub(crate) fn leave(link: &Link) {
    // A server that was told already, or does not listen any more, needs no farewell.
    let _ = link.look(|websocket| websocket.end.close(CloseCode::NORMAL, ""));
    let _ = link.flush();
}

/// The connection of a client that was upgraded. None: there is none, and that is noted.
///
/// # Errors
/// As for a warning.
pub(crate) fn upgraded(client: &HttpClient, object: Object<'_>, what: &str) -> Result<Option<Rc<Link>>, Stop> {
    match client.link() {
        Some(link) if link.is_websocket.get() => Ok(Some(link)),
        None if client.was_websocket.get() => {
            state::fail(object, &Failure::of(last_error::CLIENT_NO_CONNECTION))?;
            Ok(None)
        }
        _ => {
            state::fail(object, &Failure::of(last_error::WEBSOCKET_HANDSHAKE_FAILED))?;
            warning::warn(&format!("websocket handshake failed, cannot {what}"))?;
            Ok(None)
        }
    }
}

/// Sends a frame of a script's.
///
/// # Errors
/// As for any wait and for a warning.
pub(crate) fn push(
    client: &HttpClient,
    object: Object<'_>,
    link: &Rc<Link>,
    frame: &frame::Outgoing,
) -> Result<bool, Stop> {
    if let Some((code, reason)) = &frame.close {
        return disconnect(client, object, link, *code, reason.bytes());
    }
    match encodable(frame) {
        Ok(kind) => send(client, object, link, |websocket| websocket.send(&kind, frame.data.bytes())),
        Err(text) => refuse(object, last_error::WEBSOCKET_PACK_FAILED, text),
    }
}

/// Sends a close frame.
///
/// # Errors
/// As for any wait and for a warning.
pub(crate) fn disconnect(
    client: &HttpClient,
    object: Object<'_>,
    link: &Rc<Link>,
    code: i64,
    reason: &[u8],
) -> Result<bool, Stop> {
    // Zero is what frameworks pass for "nothing special".
    let code = if code == 0 { i64::from(CloseCode::NORMAL.get()) } else { code };
    let Ok(code) = u16::try_from(code) else {
        return refuse(object, last_error::INVALID_PARAMS, format!("the close code {code} must not be sent"));
    };
    match pack::close_payload(code, reason) {
        Ok(payload) => send(client, object, link, |websocket| websocket.end.send_frame(Opcode::Close, true, &payload)),
        Err(error) => refuse(object, last_error::WEBSOCKET_PACK_FAILED, error.to_string()),
    }
}

/// Sends a ping.
///
/// # Errors
/// As for any wait and for a warning.
pub(crate) fn ping(client: &HttpClient, object: Object<'_>, link: &Rc<Link>, data: &[u8]) -> Result<bool, Stop> {
    send(client, object, link, |websocket| websocket.end.send_frame(Opcode::Ping, true, data))
}

fn refuse(object: Object<'_>, code: i64, text: String) -> Result<bool, Stop> {
    state::fail(object, &Failure { code, text: text.clone() })?;
    warning::warn(&text)?;
    Ok(false)
}

fn send(
    client: &HttpClient,
    object: Object<'_>,
    link: &Rc<Link>,
    what: impl FnOnce(&mut WebSocket) -> Result<(), NotSent>,
) -> Result<bool, Stop> {
    let _turn = client.writing()?;
    match link.look(what).unwrap_or(Err(NotSent::Closing)) {
        Ok(()) => {}
        Err(NotSent::Closing) => {
            state::fail(object, &Failure::of(last_error::CLIENT_NO_CONNECTION))?;
            return Ok(false);
        }
        Err(error @ NotSent::Close(Violation::CloseCodeInvalid(_))) => {
            return refuse(object, last_error::INVALID_PARAMS, error.to_string());
        }
        Err(error) => return refuse(object, last_error::WEBSOCKET_PACK_FAILED, error.to_string()),
    }
    match link.flush_or_wait(until(client.settings.get().write_seconds()))? {
        Ok(()) => Ok(true),
        Err(failure) => {
            // Part of a frame may have gone: nothing that follows would be understood.
            client.drop_this(object, link)?;
            state::fail(object, &failure)?;
            Ok(false)
        }
    }
}
