//! The connections of a running server: asked about, sent to, closed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use wirewool_hub::command::{Command, Info, Refused};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::process::is_foreign;
use wirewool_ipc::table::Table;

use crate::array::Array;
use crate::callback::Callback;
use crate::dispatch;
use crate::guard::Stop;
use crate::iterator::Source;
use crate::last_error;
use crate::method::{Call, methods};
use crate::server::{Phase, Server};
use crate::start::protocol;
use crate::warning;
use crate::worker::{Worker, with};
use crate::zend::value::{Owned, PhpString};

/// What a process that the script has forked itself is told.
pub(crate) const NO_WORKER: &str = "this process is no worker of the server: a fork of the script's own cannot use it";

/// The connections that `$server->connections` walks: this worker's. Counting and asking see all of them.
pub(crate) struct Local {
    table: Arc<Table>,
}

impl Local {
    pub(crate) fn new(table: Arc<Table>) -> Local {
        Local { table }
    }
}

impl Source for Local {
    fn list(&self) -> Vec<i64> {
        let list = with(|worker| {
            let mut list = Vec::new();
            let mut row = 0;
            while let Some((fd, next)) = worker.reactor().next_connection(row) {
                list.push(fd.get() as i64);
                row = next;
            }
            list
        });
        list.unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.table.connections()
    }

    fn exists(&self, fd: i64) -> bool {
        u64::try_from(fd).is_ok_and(|fd| self.table.connection(fd).is_some())
    }

    fn info(&self, fd: i64) -> Result<Owned, Stop> {
        client_info(fd, true)
    }
}

/// The session id that a number is.
pub(crate) fn fd_of(number: i64) -> Option<Fd> {
    u64::try_from(number).ok().and_then(Fd::new)
}

/// Can connections be reached from here? If not, says so.
///
/// # Errors
/// As for a warning.
pub(crate) fn running(call: &mut Call<'_>) -> Result<bool, Stop> {
    if dispatch::is_worker() {
        return Ok(true);
    }
    call.give_bool(false);
    let running = call.state::<Server>()?.phase() == Phase::Running;
    warning::warn(match running {
        true if is_foreign() => NO_WORKER,
        true => "connections can be reached from the server's workers only",
        false => "server is not running",
    })?;
    Ok(false)
}

/// Notes why a command had no effect.
pub(crate) fn note(refused: &Refused) {
    last_error::set(match refused {
        Refused::Unknown => last_error::SESSION_NOT_EXIST,
        Refused::NotWebSocket => last_error::WEBSOCKET_UNCONNECTED,
        Refused::Closing => last_error::SESSION_CLOSED,
        Refused::OutboxFull { .. } => last_error::OUTPUT_BUFFER_OVERFLOW,
        Refused::TooLarge { .. } => last_error::DATA_LENGTH_TOO_LARGE,
        Refused::ControlTooLong(_) | Refused::OutOfSequence(_) => last_error::WEBSOCKET_PACK_FAILED,
        Refused::NotWaiting => last_error::HTTP_CONTEXT_UNAVAILABLE,
    });
}

fn send(call: &mut Call<'_>) -> Result<bool, Stop> {
    if call.argument(0).is_none_or(|fd| fd.is_null()) {
        warning::warn("fd can not be null")?;
        return Ok(false);
    }
    let number = call.long(0)?.unwrap_or(0);
    let Some(fd) = fd_of(number) else {
        warning::warn(&format!("invalid fd[{number}]"))?;
        return Ok(false);
    };
    let data = call.loose_text(1)?;
    let data = data.as_ref().map_or(&b""[..], PhpString::bytes);
    if data.is_empty() {
        last_error::set(last_error::NO_PAYLOAD);
        warning::warn("the data sent must not be empty")?;
        return Ok(false);
    }
    match with(|worker| worker.apply(fd, Command::Send(data))) {
        Some(Ok(())) => Ok(true),
        Some(Err(refused)) => {
            tracing::info!("connection {fd}: nothing was sent: {refused}");
            note(&refused);
            Ok(false)
        }
        None => Ok(false),
    }
}

fn close(call: &mut Call<'_>) -> Result<bool, Stop> {
    let reset = call.bool(1)?.unwrap_or(false);
    let Some(fd) = fd_of(call.long(0)?.unwrap_or(0)) else {
        last_error::set(last_error::SESSION_NOT_EXIST);
        return Ok(false);
    };
    match with(|worker| worker.apply_closing(fd, Command::Close { reset })).transpose()? {
        Some(Ok(closed)) => {
            dispatch::closed_by_method(fd, closed)?;
            Ok(true)
        }
        Some(Err(refused)) => {
            last_error::set(match refused {
                Refused::Closing => last_error::SESSION_CLOSING,
                _ => last_error::SESSION_NOT_EXIST,
            });
            Ok(false)
        }
        None => Ok(false),
    }
}

/// Is there such a connection, in any worker?
fn exists(number: i64) -> bool {
    with(|worker| u64::try_from(number).is_ok_and(|fd| worker.table.connection(fd).is_some())).unwrap_or(false)
}

/// What getClientInfo() says; false for an unknown fd.
pub(crate) fn client_info(number: i64, websocket: bool) -> Result<Owned, Stop> {
    let known = fd_of(number).and_then(|fd| with(|worker| Some((worker.info(fd)?, Facts::of(worker, fd)?))).flatten());
    let Some((info, facts)) = known else { return Ok(Owned::bool(false)) };
    let mut array = Array::new(20)?;
    if facts.worker > 0 {
        array.set("worker_id", Owned::long(facts.worker))?;
    }
    if websocket {
        array.set("websocket_status", Owned::long(info.status as i64))?;
    }
    for (key, value) in [
        ("server_port", facts.server_port),
        ("server_fd", facts.server_descriptor),
        ("socket_fd", facts.descriptor),
        ("socket_type", facts.socket_type),
        ("remote_port", facts.remote_port),
    ] {
        array.set(key, Owned::long(value))?;
    }
    array.set_bytes("remote_ip", facts.remote_ip.as_bytes())?;
    array.set("reactor_id", Owned::long(facts.worker))?;
    array.set("connect_time", Owned::long(facts.opened_at as i64))?;
    array.set("last_time", Owned::long(facts.received_at as i64))?;
    array.set("last_recv_time", Owned::double(facts.received_at))?;
    array.set("last_send_time", Owned::double(facts.sent_at))?;
    array.set("last_dispatch_time", Owned::double(facts.received_at))?;
    array.set("close_errno", Owned::long(0))?;
    array.set("recv_queued_bytes", Owned::long(0))?;
    array.set("send_queued_bytes", Owned::long(info.owed_bytes as i64))?;
    Ok(array.into_value())
}

/// What the loop knows of a connection, copied out before an array is made of it.
struct Facts {
    worker: i64,
    server_port: i64,
    server_descriptor: i64,
    descriptor: i64,
    socket_type: i64,
    remote_port: i64,
    remote_ip: String,
    opened_at: f64,
    received_at: f64,
    sent_at: f64,
}

impl Facts {
    fn of(worker: &Worker, fd: Fd) -> Option<Facts> {
        let Info { opened_at, received_at, sent_at, .. } = worker.info(fd)?;
        let seconds = |moment| worker.time_of(moment).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let facts = worker.table.facts(fd.get())?;
        let peer = facts.peer;
        Some(Facts {
            worker: worker.id as i64,
            server_port: worker.port.into(),
            server_descriptor: worker.server_descriptor.into(),
            descriptor: facts.descriptor.into(),
            socket_type: worker.socket_type,
            remote_port: peer.map_or(0, |peer| peer.port()).into(),
            remote_ip: peer.map_or_else(String::new, |peer| peer.ip().to_canonical().to_string()),
            opened_at: seconds(opened_at),
            received_at: seconds(received_at),
            sent_at: seconds(sent_at),
        })
    }
}

methods! {
    fn zim_Swoole_Server_send(call) {
        call.count(2, 3)?;
        if running(call)? {
            let done = send(call)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Server_close(call) {
        call.count(1, 2)?;
        if running(call)? {
            let done = close(call)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Server_exists(call) {
        call.count(1, 1)?;
        if running(call)? {
            let exists = exists(call.long(0)?.unwrap_or(0));
            call.give_bool(exists);
        }
        Ok(())
    }

    fn zim_Swoole_Server_getClientInfo(call) {
        call.count(1, 3)?;
        if running(call)? {
            let websocket = protocol(call.this()) == Protocol::WebSocket;
            let info = client_info(call.long(0)?.unwrap_or(0), websocket)?;
            call.give(info);
        }
        Ok(())
    }

    fn zim_Swoole_Server_defer(call) {
        call.count(1, 1)?;
        if !running(call)? {
            return Ok(());
        }
        let Some(callable) = call.argument(0) else { return Ok(()) };
        match Callback::new(callable)? {
            Ok(callback) => {
                with(|worker| worker.defer(Rc::new(callback)));
                call.give_bool(true);
                Ok(())
            }
            Err(name) => {
                call.give_bool(false);
                warning::warn(&format!("function '{}' is not callable", String::from_utf8_lossy(name.bytes())))
            }
        }
    }
}
