//! `Swoole\WebSocket\Server`: pushing to a WebSocket, and closing one.

use wirewool_hub::command::{Command, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::fd::Fd;
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;
use wirewool_proto::websocket::role::Role;

use crate::connections::{fd_of, note, running, shared, status};
use crate::dispatch;
use crate::frame::Outgoing;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::pack::{self, flag};
use crate::sending;
use crate::warning;
use crate::worker::with;
use crate::zend::value::PhpString;

/// The longest reason that is accepted, in bytes; from 124 on it is cut to what fits (RFC 6455 §5.5: 123).
const REASON_BYTES_MAX: usize = 125;

/// Says that there is no such connection.
fn unknown(number: i64) -> Result<bool, Stop> {
    last_error::set(last_error::SESSION_NOT_EXIST);
    warning::warn(&format!("session#{number} does not exists"))?;
    Ok(false)
}

fn not_websocket(number: i64) -> Result<bool, Stop> {
    last_error::set(last_error::WEBSOCKET_UNCONNECTED);
    let text = format!("the connected client of connection[{number}] is not a websocket client or closed");
    warning::warn(&text)?;
    Ok(false)
}

/// Says why something cannot be encoded.
fn unpackable(text: &str) -> Result<bool, Stop> {
    last_error::set(last_error::WEBSOCKET_PACK_FAILED);
    warning::warn(text)?;
    Ok(false)
}

/// What a refused command comes to.
fn refused(number: i64, refused: &Refused) -> Result<bool, Stop> {
    match refused {
        Refused::Unknown => unknown(number),
        Refused::NotWebSocket => not_websocket(number),
        Refused::OutOfSequence(_) | Refused::ControlTooLong(_) => unpackable(&refused.to_string()),
        // The peer is on its way out, or takes less than it is sent: a matter of course for whoever sends to many.
        _ => {
            tracing::debug!("connection {number}: nothing was pushed: {refused}");
            note(refused);
            Ok(false)
        }
    }
}

fn push(call: &Call<'_>) -> Result<bool, Stop> {
    let number = call.long(0)?.unwrap_or(0);
    let frame = Outgoing::read(call, 1)?;
    let Some(fd) = fd_of(number) else { return unknown(number) };
    // Most pushes go well: only after one that does not is the connection asked for.
    let status = || with(|worker| worker.status(fd)).flatten();
    if let Some((code, reason)) = &frame.close {
        return if status().is_some() { disconnect(fd, *code, reason) } else { unknown(number) };
    }
    let problem = match encodable(&frame) {
        Ok(kind) => match sending::apply(fd, || Command::Push(kind.of(frame.data.bytes())))? {
            Some(Ok(())) => return Ok(true),
            Some(Err(error)) => Ok(error),
            None => return Ok(false),
        },
        Err(text) => Err(text),
    };
    match (status(), problem) {
        (None, _) => unknown(number),
        (Some(_), Err(text)) => unpackable(&text),
        (Some(status), Ok(_)) if status < Status::Active => not_websocket(number),
        (Some(_), Ok(error)) => refused(number, &error),
    }
}

/// How a payload is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    pub(crate) compress: bool,
}

impl Kind {
    fn of(self, payload: &[u8]) -> Push<'_> {
        let Kind { opcode, fin, compress } = self;
        Push { opcode, fin, compress, payload: Payload::Borrowed(payload) }
    }
}

/// How it is to be sent; in words, why it cannot be.
pub(crate) fn encodable(frame: &Outgoing) -> Result<Kind, String> {
    let opcode = pack::opcode(frame.opcode).map_err(|error| error.to_string())?;
    if frame.flags & flag::RSV1 != 0 {
        return Err("RSV1 cannot be sent: no extension was negotiated for this connection".to_owned());
    }
    let data = frame.data.bytes();
    let fin = frame.flags & flag::FIN != 0;
    if opcode == Opcode::Text
        && fin
        && let Err(error) = simdutf8::compat::from_utf8(data)
    {
        return Err(format!("text must be UTF-8: byte {} is not", error.valid_up_to()));
    }
    let compress = frame.flags & flag::COMPRESS != 0;
    Ok(Kind { opcode, fin, compress })
}

fn ping(call: &Call<'_>) -> Result<bool, Stop> {
    let number = call.long(0)?.unwrap_or(0);
    let data = call.loose_text(1)?;
    let payload = Payload::Borrowed(data.as_ref().map_or(&b""[..], PhpString::bytes));
    let push = Push { opcode: Opcode::Ping, fin: true, compress: false, payload };
    match fd_of(number).and_then(|fd| with(|worker| worker.apply(fd, Command::Push(push)))) {
        Some(Ok(())) => Ok(true),
        Some(Err(error)) => refused(number, &error),
        None => unknown(number),
    }
}

/// Sends a close frame and closes; the close callback has run when this returns.
fn disconnect(fd: Fd, code: i64, reason: &PhpString) -> Result<bool, Stop> {
    // Zero is what frameworks pass for "nothing special".
    let code = if code == 0 { i64::from(CloseCode::NORMAL.get()) } else { code };
    let Some(code) = u16::try_from(code).ok().and_then(|code| CloseCode::sendable(code, Role::Server)) else {
        let wanted = "must be 1000-1003, 1007-1009, 1011-1014 or 3000-4999";
        last_error::set(last_error::INVALID_PARAMS);
        warning::warn(&format!("the close code {code} cannot be sent: {wanted}"))?;
        return Ok(false);
    };
    if reason.bytes().len() > REASON_BYTES_MAX {
        return unpackable(&format!("the max length of close reason is {REASON_BYTES_MAX}"));
    }
    let reason = match simdutf8::compat::from_utf8(reason.bytes()) {
        Ok(reason) => reason,
        Err(error) => {
            return unpackable(&format!("the close reason must be UTF-8: byte {} is not", error.valid_up_to()));
        }
    };
    let number = fd.get() as i64;
    match with(|worker| worker.apply_closing(fd, Command::Disconnect { code, reason })).transpose()? {
        Some(Ok(closed)) => {
            dispatch::closed_by_method(fd, closed)?;
            Ok(true)
        }
        Some(Err(Refused::Closing)) => {
            last_error::set(last_error::SESSION_CLOSED);
            Ok(false)
        }
        Some(Err(_)) => not_websocket(number),
        None => Ok(false),
    }
}

methods! {
    fn zim_Swoole_WebSocket_Server_push(call) {
        call.count(2, 4)?;
        if running(call)? {
            let done = push(call)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_WebSocket_Server_isEstablished(call) {
        call.count(1, 1)?;
        if let Some(shared) = shared(call)? {
            let status = status(&shared, call.long(0)?.unwrap_or(0));
            call.give_bool(status.is_some_and(|status| status >= Status::Active as u8));
        }
        Ok(())
    }

    fn zim_Swoole_WebSocket_Server_disconnect(call) {
        call.count(1, 3)?;
        if !running(call)? {
            return Ok(());
        }
        let number = call.long(0)?.unwrap_or(0);
        let code = call.long(1)?.unwrap_or(0);
        let reason = match call.loose_text(2)? {
            Some(reason) => reason,
            None => PhpString::new(b"")?,
        };
        let done = match fd_of(number) {
            Some(fd) => disconnect(fd, code, &reason)?,
            None => {
                warning::warn(&format!("fd[{number}] is invalid"))?;
                false
            }
        };
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_WebSocket_Server_ping(call) {
        call.count(1, 2)?;
        if running(call)? {
            let done = ping(call)?;
            call.give_bool(done);
        }
        Ok(())
    }
}
