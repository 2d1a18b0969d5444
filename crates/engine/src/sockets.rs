//! The sockets of one loop: where bytes go out, and what the hub knows of its connections' sockets.

use crate::poller::{Flags, Poller};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wirewool_hub::event::Status;
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::time::Moment;
use wirewool_hub::wire::{Interest, Sent, Wire};
use wirewool_ipc::table::Table;

/// What a read brought.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Received {
    Bytes(usize),
    EndOfStream,
    /// Nothing now.
    Blocked,
    Broken,
}

/// The sockets of one loop, by the rows of its hub.
pub(crate) struct Sockets {
    pub(crate) poller: Poller,
    rows: Vec<Option<OwnedFd>>,
    table: Arc<Table>,
    began: Instant,
    began_ms: u64,
    /// The time of day when the pass began, in milliseconds since 1970.
    pub(crate) now_ms: u64,
}

impl Sockets {
    pub(crate) fn new(table: Arc<Table>) -> io::Result<Sockets> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_ms = since_1970.as_millis() as u64;
        Ok(Sockets {
            poller: Poller::new()?,
            rows: Vec::new(),
            table,
            began: Instant::now(),
            began_ms,
            now_ms: began_ms,
        })
    }

    /// The pass begins.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.now_ms = self.began_ms + now.0;
    }

    /// Puts a socket into its place and waits for what it sends.
    pub(crate) fn insert(&mut self, place: Place, fd: OwnedFd) -> io::Result<()> {
        if self.rows.len() <= place.index() {
            self.rows.resize_with(place.index() + 1, || None);
        }
        let added = self.poller.add(&fd, place.pack(), Flags::IN);
        self.rows[place.index()] = Some(fd);
        added
    }

    #[inline]
    pub(crate) fn receive(&self, place: Place, into: &mut [u8]) -> Received {
        let Some(fd) = self.fd(place) else { return Received::Broken };
        match net::recv(fd, into, RecvFlags::empty()) {
            Ok((0, _)) => Received::EndOfStream,
            Ok((n, _)) => Received::Bytes(n),
            Err(Errno::AGAIN | Errno::INTR) => Received::Blocked,
            Err(_) => Received::Broken,
        }
    }

    #[inline]
    fn fd(&self, place: Place) -> Option<&OwnedFd> {
        self.rows.get(place.index())?.as_ref()
    }
}

/// What a send came to: its length, nothing when it would block, or the end.
#[inline]
fn sent(result: rustix::io::Result<usize>) -> Option<Sent> {
    match result {
        Ok(n) => Some(Sent::Bytes(n)),
        Err(Errno::AGAIN) => Some(Sent::Bytes(0)),
        Err(Errno::INTR) => None,
        Err(_) => Some(Sent::Broken),
    }
}

impl Wire for Sockets {
    #[inline]
    fn send(&mut self, place: Place, bytes: &[u8]) -> Sent {
        let Some(fd) = self.fd(place) else { return Sent::Broken };
        loop {
            if let Some(sent) = sent(net::send(fd, bytes, SendFlags::NOSIGNAL)) {
                return sent;
            }
        }
    }

    fn send_gathered(&mut self, place: Place, parts: &[IoSlice<'_>]) -> Sent {
        let Some(fd) = self.fd(place) else { return Sent::Broken };
        loop {
            let result = net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL);
            if let Some(sent) = sent(result) {
                return sent;
            }
        }
    }

    fn wait_for(&mut self, place: Place, interest: Interest) {
        let Some(fd) = self.fd(place) else { return };
        let mut flags = Flags::empty();
        flags.set(Flags::IN, interest.read);
        flags.set(Flags::OUT, interest.write);
        flags.set(Flags::RDHUP, interest.end);
        // It is registered, and changing what it waits for takes no memory: this cannot fail.
        let changed = self.poller.modify(fd.as_fd(), place.pack(), flags);
        debug_assert!(changed.is_ok(), "a registered descriptor: {changed:?}");
    }

    fn shut_down(&mut self, place: Place) {
        if let Some(fd) = self.fd(place) {
            // A peer that is gone already needs no word.
            let _ = net::shutdown(fd, Shutdown::Write);
        }
    }

    fn close(&mut self, place: Place) {
        let Some(fd) = self.rows.get_mut(place.index()).and_then(Option::take) else { return };
        // A child that a script forked may hold a copy: closing ours would then neither tell the peer nor take the
        // socket out of the epoll set, which would report its end under a stale token for ever. Two calls of some
        // 0.3 µs, once a connection.
        let _ = net::shutdown(&fd, Shutdown::Both);
        let _ = self.poller.remove(&fd);
    }

    fn established(&mut self, fd: Fd) {
        self.table.set_status(fd.get(), Status::Active as u8);
    }

    fn released(&mut self, fd: Fd) {
        self.table.release(fd.get());
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn micros(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Sockets;
    use rustix::io::dup;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
    use std::sync::Arc;
    use std::time::Duration;
    use wirewool_hub::fd::Place;
    use wirewool_hub::wire::Wire;
    use wirewool_ipc::table::Table;

    #[test]
    fn a_closed_socket_is_silent_and_its_peer_is_told_though_somebody_has_a_copy() {
        let mut sockets = Sockets::new(Arc::new(Table::new(1, 1).unwrap())).unwrap();
        let (ours, peer) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let _copy = dup(&ours).unwrap();
        let place = Place::unpack(0);
        sockets.insert(place, ours).unwrap();
        sockets.close(place);
        assert_eq!(recv(&peer, &mut [0; 1], RecvFlags::empty()).map(|(n, _)| n), Ok(0));
        drop(peer);
        let mut ready = Vec::new();
        sockets.poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }
}
