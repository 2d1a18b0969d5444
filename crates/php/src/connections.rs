//! The connections of a running server: asked about, sent to, closed.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use wirewool_engine::config::DispatchMode;
use wirewool_engine::heartbeat;
use wirewool_engine::listener::Listener;
use wirewool_hub::command::{Command, Refused};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Protocol;
use wirewool_ipc::table::word::Connection;

use crate::array::Array;
use crate::dispatch;
use crate::guard::Stop;
use crate::iterator::Source;
use crate::last_error;
use crate::method::{Call, methods};
use crate::sending;
use crate::server::{Phase, Server, Shared};
use crate::warning;
use crate::worker::with;
use crate::zend::value::{Owned, PhpString};

/// What a process that the script has forked itself is told.
pub(crate) const NO_WORKER: &str = "this process is no worker of the server: a fork of the script's own cannot use it";

/// The connections that the property `connections` of a server or a port walks, counts and asks: those of all workers.
pub(crate) struct Walk {
    shared: Rc<Shared>,
    /// The index of the port; none for all.
    port: Option<u8>,
}

impl Walk {
    pub(crate) fn new(shared: Rc<Shared>, port: Option<u8>) -> Walk {
        Walk { shared, port }
    }

    fn fds(&self) -> impl Iterator<Item = u64> {
        let is_of_port = |fd: &u64| self.port.is_none() || self.shared.table.port(*fd) == self.port;
        self.shared.table.all().map(|(fd, _)| fd).filter(is_of_port)
    }
}

impl Source for Walk {
    fn list(&self) -> Vec<i64> {
        self.fds().map(|fd| fd as i64).collect()
    }

    fn count(&self) -> usize {
        if self.port.is_none() { self.shared.table.connections() } else { self.fds().count() }
    }

    fn exists(&self, fd: i64) -> bool {
        let found = connection(&self.shared, fd).is_some();
        found && (self.port.is_none() || self.shared.table.port(fd as u64) == self.port)
    }

    fn info(&self, fd: i64) -> Result<Owned, Stop> {
        client_info(&self.shared, fd)
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
    if shared(call)?.is_some() {
        warning::warn("connections cannot be sent to from the master")?;
    }
    Ok(false)
}

/// What the server's processes share. If it does not run, or this is none of them, says so and gives false.
///
/// # Errors
/// As for a warning.
pub(crate) fn shared(call: &mut Call<'_>) -> Result<Option<Rc<Shared>>, Stop> {
    call.give_bool(false);
    let state = call.state::<Server>()?;
    let shared = state.shared();
    if shared.is_none() {
        let running = state.phase() == Phase::Running;
        warning::warn(if running { NO_WORKER } else { "server is not running" })?;
    }
    Ok(shared)
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
        Refused::CloseCode(_) => last_error::INVALID_PARAMS,
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
    match sending::apply(fd, || Command::Send(data))? {
        Some(Ok(())) => Ok(true),
        Some(Err(refused)) => {
            tracing::info!("connection {fd}: nothing was sent: {refused}");
            note(&refused);
            Ok(false)
        }
        None => Ok(false),
    }
}

/// Sends a datagram from one of the ports.
fn send_to(call: &Call<'_>, shared: &Shared) -> Result<bool, Stop> {
    let host = String::from_utf8_lossy(call.text(0)?.unwrap_or_default()).into_owned();
    let number = call.long(1)?.unwrap_or(0);
    let data = call.loose_text(2)?;
    let data = data.as_ref().map_or(&b""[..], PhpString::bytes);
    let socket = call.long(3)?.unwrap_or(-1);
    let (Ok(ip), Ok(port @ 1..)) = (host.parse::<IpAddr>(), u16::try_from(number)) else {
        last_error::set(last_error::INVALID_PARAMS);
        warning::warn(&format!(
            "cannot send to {host} port {number}: wanted an IP address and a port from 1 to 65535"
        ))?;
        return Ok(false);
    };
    if data.is_empty() {
        last_error::set(last_error::NO_PAYLOAD);
        warning::warn("the data sent must not be empty")?;
        return Ok(false);
    }
    let is_from = |listener: &Listener| socket < 0 || i64::from(listener.as_fd().as_raw_fd()) == socket;
    match shared.listeners.send_to(is_from, SocketAddr::new(ip, port), data) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            last_error::set(last_error::WRONG_OPERATION);
            let wanted = if ip.is_ipv4() { "SWOOLE_SOCK_UDP" } else { "SWOOLE_SOCK_UDP6" };
            warning::warn(&format!("no port of the server can send to {host}: listen to one with {wanted}"))?;
            Ok(false)
        }
        Err(error) => {
            last_error::set(error.raw_os_error().unwrap_or(libc::EIO).into());
            tracing::info!("nothing was sent to {host} port {port}: {error}");
            Ok(false)
        }
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

/// A connection, whichever worker has it.
pub(crate) fn connection(shared: &Shared, number: i64) -> Option<Connection> {
    u64::try_from(number).ok().and_then(|fd| shared.table.connection(fd))
}

/// How far a connection has come, whichever worker has it: to the one that has just opened it, it is open.
pub(crate) fn status(shared: &Shared, number: i64) -> Option<u8> {
    let own = with(|worker| worker.status(fd_of(number)?)).flatten();
    own.map(|status| status as u8).or_else(|| connection(shared, number).map(|connection| connection.status))
}

/// What getClientInfo() says; false for an unknown fd.
pub(crate) fn client_info(shared: &Shared, number: i64) -> Result<Owned, Stop> {
    let known = connection(shared, number).zip(shared.table.facts(number as u64));
    let Some((connection, facts)) = known else { return Ok(Owned::bool(false)) };
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let workers = shared.config.workers;
    let (reactor, worker) = match shared.has_reactors {
        true => {
            let (dispatch, peer) = (shared.config.dispatch, facts.origin.peer.map(|peer| peer.ip()));
            let worker = fd_of(number).map_or(0, |fd| dispatch.bound_worker(fd, peer, facts.uid, workers));
            (connection.owner, worker)
        }
        false => {
            let owner = shared.crew.place_of(connection.owner).unwrap_or(0);
            (owner, owner)
        }
    };
    let mut array = Array::new(20)?;
    if facts.uid > 0 || shared.config.dispatch == DispatchMode::User {
        array.set("uid", Owned::long(facts.uid.into()))?;
    }
    if worker > 0 {
        array.set("worker_id", Owned::long(worker as i64))?;
    }
    let port = shared.port(facts.origin.port);
    if port.protocol == Protocol::WebSocket {
        let status = status(shared, number).unwrap_or(connection.status);
        array.set("websocket_status", Owned::long(status.into()))?;
    }
    for (key, value) in [
        ("server_port", port.number.into()),
        ("server_fd", port.descriptor.into()),
        ("socket_fd", facts.origin.descriptor.into()),
        ("socket_type", port.socket_type),
        ("remote_port", facts.origin.peer.map_or(0, |peer| peer.port()).into()),
    ] {
        array.set(key, Owned::long(value))?;
    }
    let remote_ip = facts.origin.peer.map_or_else(String::new, |peer| peer.ip().to_canonical().to_string());
    array.set_bytes("remote_ip", remote_ip.as_bytes())?;
    array.set("reactor_id", Owned::long(reactor as i64))?;
    array.set("connect_time", Owned::long((facts.opened_at_ms / 1000) as i64))?;
    array.set("last_time", Owned::long((facts.received_at_ms / 1000) as i64))?;
    array.set("last_recv_time", Owned::double(seconds(facts.received_at_ms)))?;
    array.set("last_send_time", Owned::double(seconds(facts.sent_at_ms)))?;
    array.set("last_dispatch_time", Owned::double(seconds(facts.received_at_ms)))?;
    array.set("close_errno", Owned::long(facts.close_errno.into()))?;
    array.set("recv_queued_bytes", Owned::long(0))?;
    array.set("send_queued_bytes", Owned::long(facts.owed_bytes as i64))?;
    Ok(array.into_value())
}

/// The most that getClientList() gives at once.
const LIST_MAX: i64 = 100;

/// Some fds behind one, in their order; false when there are none, or `start` is no connection.
fn client_list(shared: &Shared, start: i64, count: i64) -> Result<Owned, Stop> {
    if count > LIST_MAX {
        warning::warn(&format!("the count of connections is {count}: at most {LIST_MAX} are listed at once"))?;
        return Ok(Owned::bool(false));
    }
    let behind = u64::try_from(start).ok().and_then(|start| shared.table.after(start));
    let fds: Vec<u64> = behind.into_iter().flatten().take(count.max(0) as usize).map(|(fd, _)| fd).collect();
    if fds.is_empty() {
        return Ok(Owned::bool(false));
    }
    let mut list = Array::new(fds.len() as u32)?;
    for fd in fds {
        list.push(Owned::long(fd as i64))?;
    }
    Ok(list.into_value())
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

    fn zim_Swoole_Server_sendto(call) {
        call.count(3, 4)?;
        if let Some(shared) = shared(call)? {
            let done = send_to(call, &shared)?;
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
        if let Some(shared) = shared(call)? {
            let exists = connection(&shared, call.long(0)?.unwrap_or(0)).is_some();
            call.give_bool(exists);
        }
        Ok(())
    }

    fn zim_Swoole_Server_getClientInfo(call) {
        call.count(1, 3)?;
        if let Some(shared) = shared(call)? {
            let info = client_info(&shared, call.long(0)?.unwrap_or(0))?;
            call.give(info);
        }
        Ok(())
    }

    fn zim_Swoole_Server_getClientList(call) {
        call.count(0, 2)?;
        if let Some(shared) = shared(call)? {
            let list = client_list(&shared, call.long(0)?.unwrap_or(0), call.long(1)?.unwrap_or(10))?;
            call.give(list);
        }
        Ok(())
    }

    fn zim_Swoole_Server_bind(call) {
        call.count(2, 2)?;
        if let Some(shared) = shared(call)? {
            let (fd, uid) = (u64::try_from(call.long(0)?.unwrap_or(0)), u32::try_from(call.long(1)?.unwrap_or(0)));
            let bound = matches!((fd, uid), (Ok(fd), Ok(uid)) if shared.table.bind(fd, uid));
            call.give_bool(bound);
        }
        Ok(())
    }

    fn zim_Swoole_Server_protect(call) {
        call.count(1, 2)?;
        if let Some(shared) = shared(call)? {
            let (fd, protected) = (u64::try_from(call.long(0)?.unwrap_or(0)), call.bool(1)?.unwrap_or(true));
            let done = fd.is_ok_and(|fd| shared.table.protect(fd, protected));
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Server_heartbeat(call) {
        call.count(0, 1)?;
        let close = call.bool(0)?.unwrap_or(true);
        let Some(shared) = shared(call)? else { return Ok(()) };
        let Some(time) = shared.config.heartbeat() else { return Ok(()) };
        let fds = heartbeat::silent(&shared.table, &shared.exchange, time, close);
        let mut list = Array::new(fds.len() as u32)?;
        for fd in fds {
            list.push(Owned::long(fd as i64))?;
        }
        call.give(list.into_value());
        Ok(())
    }
}
