//! The sockets of one loop: where bytes go out, and what the hub knows of its connections' sockets.

use crate::poller::{Flags, Poller};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use wirewool_hub::event::Status;
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::time::Moment;
use wirewool_hub::wire::{Interest, Sent, Signs, Wire};
use wirewool_ipc::table::{Row, Table};

/// What a read brought.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Received {
    Bytes(usize),
    EndOfStream,
    /// Nothing now.
    Blocked,
    Broken,
}

#[derive(Debug)]
struct Socket {
    fd: Option<OwnedFd>,
    /// Its row in the table, until the fd is released: then the row may be somebody else's.
    row: Option<Row>,
}

/// The sockets of one loop, by the rows of its hub.
pub(crate) struct Sockets {
    pub(crate) poller: Poller,
    rows: Vec<Socket>,
    table: Arc<Table>,
    owner: usize,
    began: Instant,
    began_ms: u64,
    /// The time of day when the pass began, in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Bytes that are not counted in the table yet.
    received_bytes: u64,
    sent_bytes: u64,
}

impl Sockets {
    pub(crate) fn new(table: Arc<Table>, owner: usize) -> io::Result<Sockets> {
        let began_ms = table.now_ms();
        Ok(Sockets {
            poller: Poller::new()?,
            rows: Vec::new(),
            table,
            owner,
            began: Instant::now(),
            began_ms,
            now_ms: began_ms,
            received_bytes: 0,
            sent_bytes: 0,
        })
    }

    /// The pass begins.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.now_ms = self.began_ms + now.0;
    }

    /// The pass is over: what went in and out is counted.
    pub(crate) fn count(&mut self) {
        self.table.count_received(self.owner, std::mem::take(&mut self.received_bytes));
        self.table.count_sent(self.owner, std::mem::take(&mut self.sent_bytes));
    }

    /// A connection was accepted and dropped at once.
    pub(crate) fn count_aborted(&self) {
        self.table.count_aborted(self.owner);
    }

    /// Did another process find somebody here who was silent for too long? The doorbell is to be cleared before.
    pub(crate) fn take_want_look(&self) -> bool {
        self.table.take_want_look(self.owner)
    }

    /// Puts a socket into its place and waits for what it sends.
    pub(crate) fn insert(&mut self, place: Place, fd: OwnedFd, row: Row) -> io::Result<()> {
        if self.rows.len() <= place.index() {
            self.rows.resize_with(place.index() + 1, || Socket { fd: None, row: None });
        }
        let added = self.poller.add(&fd, place.pack(), Flags::IN);
        self.rows[place.index()] = Socket { fd: Some(fd), row: Some(row) };
        added
    }

    #[inline]
    pub(crate) fn receive(&mut self, place: Place, into: &mut [u8]) -> Received {
        let Some(fd) = self.fd(place) else { return Received::Broken };
        match net::recv(fd, into, RecvFlags::empty()) {
            Ok((0, _)) => Received::EndOfStream,
            Ok((n, _)) => {
                self.received_bytes += n as u64;
                if let Some(row) = self.rows[place.index()].row {
                    self.table.received(row, self.now_ms);
                }
                Received::Bytes(n)
            }
            Err(Errno::AGAIN | Errno::INTR) => Received::Blocked,
            Err(error) => {
                self.broke(place, error);
                Received::Broken
            }
        }
    }

    #[cold]
    fn broke(&self, place: Place, error: Errno) {
        if let Some(row) = self.rows.get(place.index()).and_then(|socket| socket.row) {
            self.table.broke(row, u8::try_from(error.raw_os_error()).unwrap_or(0));
        }
    }

    /// The next datagram of a socket: its length and who has sent it; none when there is none now.
    pub(crate) fn receive_datagram(
        &mut self,
        socket: impl AsFd,
        into: &mut [u8],
    ) -> Option<(usize, Option<SocketAddr>)> {
        // An error is one of a datagram that was sent: that is lost, and the next one may come.
        let (n, _, sender) = net::recvfrom(socket, into, RecvFlags::empty()).ok()?;
        self.received_bytes += n as u64;
        Some((n, sender.and_then(|sender| SocketAddr::try_from(sender).ok())))
    }

    #[inline]
    fn fd(&self, place: Place) -> Option<&OwnedFd> {
        self.rows.get(place.index())?.fd.as_ref()
    }

    /// What a send came to: its length, nothing when it would block, or the end. None: once more.
    #[inline]
    fn sent(&mut self, place: Place, result: rustix::io::Result<usize>) -> Option<Sent> {
        match result {
            Ok(n) => {
                self.sent_bytes += n as u64;
                if let Some(row) = self.rows[place.index()].row {
                    self.table.sent(row, self.now_ms);
                }
                Some(Sent::Bytes(n))
            }
            Err(Errno::AGAIN) => Some(Sent::Bytes(0)),
            Err(Errno::INTR) => None,
            Err(error) => {
                self.broke(place, error);
                Some(Sent::Broken)
            }
        }
    }
}

impl Wire for Sockets {
    #[inline]
    fn send(&mut self, place: Place, bytes: &[u8]) -> Sent {
        loop {
            let Some(fd) = self.fd(place) else { return Sent::Broken };
            let result = net::send(fd, bytes, SendFlags::NOSIGNAL);
            if let Some(sent) = self.sent(place, result) {
                return sent;
            }
        }
    }

    fn send_gathered(&mut self, place: Place, parts: &[IoSlice<'_>]) -> Sent {
        loop {
            let Some(fd) = self.fd(place) else { return Sent::Broken };
            let result = net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL);
            if let Some(sent) = self.sent(place, result) {
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
        let Some(fd) = self.rows.get_mut(place.index()).and_then(|socket| socket.fd.take()) else { return };
        // A child that a script forked may hold a copy: closing ours would then neither tell the peer nor take the
        // socket out of the epoll set, which would report its end under a stale token for ever. Two calls of some
        // 0.3 µs, once a connection.
        let _ = net::shutdown(&fd, Shutdown::Both);
        let _ = self.poller.remove(&fd);
    }

    fn status(&mut self, fd: Fd, status: Status) {
        self.table.set_status(fd.get(), status as u8);
    }

    fn closing(&mut self, fd: Fd) {
        self.table.begin_closing(fd.get());
    }

    fn released(&mut self, place: Place, fd: Fd) {
        if let Some(socket) = self.rows.get_mut(place.index()) {
            socket.row = None;
        }
        self.table.release(fd.get());
    }

    fn owes(&mut self, place: Place, bytes: usize) {
        if let Some(row) = self.rows.get(place.index()).and_then(|socket| socket.row) {
            self.table.owes(row, bytes);
        }
    }

    fn signs(&self, place: Place) -> Signs {
        let row = self.rows.get(place.index()).and_then(|socket| socket.row);
        let signs = row.map(|row| self.table.signs(row)).unwrap_or_default();
        // Times of the future are no times: whoever wrote them damaged the table.
        let moment = |ms: u64| Moment(ms.min(self.now_ms).saturating_sub(self.began_ms));
        let (heard_at, sent_at) = (moment(signs.received_at_ms), moment(signs.sent_at_ms));
        Signs { heard_at, sent_at, protected: signs.protected }
    }

    fn has_input(&self, place: Place) -> bool {
        self.fd(place).is_some_and(|fd| rustix::io::ioctl_fionread(fd).is_ok_and(|bytes| bytes > 0))
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
    use super::{Received, Sockets};
    use rustix::fd::OwnedFd;
    use rustix::io::dup;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
    use std::sync::Arc;
    use std::time::Duration;
    use wirewool_hub::fd::{Fd, Place};
    use wirewool_hub::time::Moment;
    use wirewool_hub::wire::{Sent, Wire};
    use wirewool_ipc::table::Table;
    use wirewool_ipc::table::facts::Origin;

    /// Sockets with one connection, number 1, and its peer.
    fn sockets(table: &Arc<Table>) -> (Sockets, OwnedFd, OwnedFd) {
        let mut sockets = Sockets::new(table.clone(), 0).unwrap();
        let (ours, peer) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let copy = dup(&ours).unwrap();
        let (_, row) = table.claim(0, Origin::UNKNOWN, 0).unwrap();
        sockets.insert(Place::unpack(0), ours, row).unwrap();
        (sockets, peer, copy)
    }

    #[test]
    fn a_closed_socket_is_silent_and_its_peer_is_told_though_somebody_has_a_copy() {
        let table = Arc::new(Table::new(1, 1).unwrap());
        let (mut sockets, peer, _copy) = sockets(&table);
        sockets.close(Place::unpack(0));
        assert_eq!(recv(&peer, &mut [0; 1], RecvFlags::empty()).map(|(n, _)| n), Ok(0));
        drop(peer);
        let mut ready = Vec::new();
        sockets.poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn the_table_hears_of_all_that_goes_in_and_out_until_the_fd_is_released() {
        let table = Arc::new(Table::new(1, 1).unwrap());
        let (mut sockets, peer, _copy) = sockets(&table);
        let place = Place::unpack(0);
        let began_ms = sockets.now_ms;
        let times = || table.facts(1).map(|facts| (facts.received_at_ms, facts.sent_at_ms, facts.owed_bytes));
        sockets.begin(Moment(20));
        assert!(matches!(sockets.receive(place, &mut [0; 9]), Received::Blocked));
        assert_eq!(times(), Some((0, 0, 0)));
        send(&peer, b"hello", SendFlags::empty()).unwrap();
        assert!(matches!(sockets.receive(place, &mut [0; 9]), Received::Bytes(5)));
        sockets.begin(Moment(30));
        assert_eq!(sockets.send(place, b"hi"), Sent::Bytes(2));
        sockets.owes(place, 7);
        assert_eq!(times(), Some((began_ms + 20, began_ms + 30, 7)));
        sockets.released(place, Fd::new(1).unwrap());
        // There are two rows: 3 has that of 1.
        let claim = || table.claim(0, Origin::UNKNOWN, 1).map(|(fd, _)| fd);
        assert_eq!(claim(), Some(2));
        table.release(2);
        assert_eq!(claim(), Some(3));
        assert_eq!(sockets.send(place, b"bye"), Sent::Bytes(3));
        sockets.owes(place, 8);
        let facts = table.facts(3).unwrap();
        assert_eq!((facts.sent_at_ms, facts.owed_bytes), (1, 0));
        sockets.count();
        assert_eq!((table.received_bytes(), table.sent_bytes()), (5, 5));
    }
}
