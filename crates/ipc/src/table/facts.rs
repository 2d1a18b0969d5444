//! Turns one line of words into what is known of one connection: its peer, its times, what it is owed, its user.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

pub(super) const WORDS: usize = 8;

const SOCKET: usize = 0;
const ADDRESS: usize = 1;
const OPENED: usize = 3;
const RECEIVED: usize = 4;
const SENT: usize = 5;
const OWED: usize = 6;
const USER: usize = 7;

const _: () = assert!(USER + 1 == WORDS);

/// Above the time at which it was opened is why it broke.
const ERRNO_SHIFT: u32 = 56;
const OPENED_MAX: u64 = (1 << ERRNO_SHIFT) - 1;

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where its peer is, if that is an IP address. The scope and the flow of an IPv6 address are not kept.
    pub peer: Option<SocketAddr>,
    /// Its socket, as the owner's process counts.
    pub descriptor: i32,
    /// The index of the server's port that accepted it.
    pub port: u8,
}

impl Origin {
    /// One of which nothing is known.
    pub const UNKNOWN: Origin = Origin { peer: None, descriptor: -1, port: 0 };
}

/// What is known of a connection, as its owner noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it came from.
    pub origin: Origin,
    /// When it was accepted, in milliseconds since 1970.
    pub opened_at_ms: u64,
    /// When something was read from it last, or it was accepted.
    pub received_at_ms: u64,
    /// When something was sent to it last, or it was accepted.
    pub sent_at_ms: u64,
    /// What waits until its peer takes it.
    pub owed_bytes: usize,
    /// The number of the system's error that ended it; 0: none.
    pub close_errno: u8,
    /// What it was bound to; 0: nothing.
    pub uid: u32,
}

/// A row's facts in the table.
#[derive(Clone, Copy)]
pub(super) struct Record<'a>(pub(super) &'a [AtomicU64]);

impl Record<'_> {
    /// Writes all of them. The row's word has been changed before and is published afterwards.
    pub(super) fn begin(self, lap: u32, origin: Origin, now_ms: u64) {
        // Who sees one of the stores that follow sees, when it looks at the row's word again, that it has changed.
        fence(Release);
        let Origin { peer, descriptor, port } = origin;
        let [family, high, low] = encode(peer.map(|peer| peer.ip()));
        let peer_port = u64::from(peer.map_or(0, |peer| peer.port()));
        let socket = u64::from(descriptor as u32) << 32 | peer_port << 16 | u64::from(port) << 8 | family;
        let user = u64::from(lap) << 32;
        for (word, value) in self.0.iter().zip([socket, high, low, now_ms & OPENED_MAX, now_ms, now_ms, 0, user]) {
            word.store(value, Relaxed);
        }
    }

    /// To be believed only if the row's word is still the same after [`looked`].
    pub(super) fn facts(self, lap: u32) -> Facts {
        let load = |at: usize| self.0[at].load(Relaxed);
        let (socket, opened, user) = (load(SOCKET), load(OPENED), load(USER));
        let ip = decode([socket & 0xff, load(ADDRESS), load(ADDRESS + 1)]);
        Facts {
            origin: Origin {
                peer: ip.map(|ip| SocketAddr::new(ip, (socket >> 16) as u16)),
                descriptor: (socket >> 32) as i32,
                port: (socket >> 8) as u8,
            },
            opened_at_ms: opened & OPENED_MAX,
            received_at_ms: load(RECEIVED),
            sent_at_ms: load(SENT),
            owed_bytes: self.owed_bytes(),
            close_errno: (opened >> ERRNO_SHIFT) as u8,
            uid: if user >> 32 == u64::from(lap) { user as u32 } else { 0 },
        }
    }

    /// When something was received last, and when something was sent.
    pub(super) fn times(self) -> (u64, u64) {
        (self.0[RECEIVED].load(Relaxed), self.0[SENT].load(Relaxed))
    }

    /// As [`Record::facts`].
    pub(super) fn port(self) -> u8 {
        (self.0[SOCKET].load(Relaxed) >> 8) as u8
    }

    pub(super) fn owed_bytes(self) -> usize {
        usize::try_from(self.0[OWED].load(Relaxed)).unwrap_or(usize::MAX)
    }

    #[inline]
    pub(super) fn received(self, now_ms: u64) {
        self.0[RECEIVED].store(now_ms, Relaxed);
    }

    #[inline]
    pub(super) fn sent(self, now_ms: u64) {
        self.0[SENT].store(now_ms, Relaxed);
    }

    #[inline]
    pub(super) fn owes(self, bytes: usize) {
        self.0[OWED].store(bytes as u64, Relaxed);
    }

    pub(super) fn broke(self, errno: u8) {
        let opened = self.0[OPENED].load(Relaxed) & OPENED_MAX;
        self.0[OPENED].store(u64::from(errno) << ERRNO_SHIFT | opened, Relaxed);
    }

    /// False if it is bound already, or is of another lap.
    pub(super) fn bind(self, lap: u32, uid: u32) -> bool {
        let unbound = u64::from(lap) << 32;
        self.0[USER].compare_exchange(unbound, unbound | u64::from(uid), AcqRel, Relaxed).is_ok()
    }
}

/// Stands between a look at a record and the second look at its row's word.
pub(super) fn looked() {
    fence(Acquire);
}

/// An address as its family and two words.
fn encode(ip: Option<IpAddr>) -> [u64; 3] {
    match ip {
        None => [0, 0, 0],
        Some(IpAddr::V4(ip)) => [4, u64::from(ip.to_bits()), 0],
        Some(IpAddr::V6(ip)) => [6, (ip.to_bits() >> 64) as u64, ip.to_bits() as u64],
    }
}

fn decode([family, high, low]: [u64; 3]) -> Option<IpAddr> {
    match family {
        4 => Some(Ipv4Addr::from_bits(high as u32).into()),
        6 => Some(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::array;
    use std::net::SocketAddr;
    use std::sync::atomic::AtomicU64;

    use super::{Facts, Origin, Record, WORDS};

    #[test]
    fn a_record_says_what_was_written() {
        let peers = ["127.0.0.1:1", "255.255.255.255:65535", "0.0.0.0:0", "[::1]:9501", "[2001:db8::ff:8000]:443"];
        let peers = peers.map(|peer| Some(peer.parse::<SocketAddr>().unwrap()));
        for peer in peers.into_iter().chain([None]) {
            for (descriptor, port) in [(0, 0), (7, 1), (i32::MAX, 255), (-1, 128)] {
                let origin = Origin { peer, descriptor, port };
                let words: [AtomicU64; WORDS] = array::from_fn(|_| AtomicU64::new(u64::MAX));
                let record = Record(&words);
                record.begin(u32::MAX, origin, 5);
                assert!(!record.bind(1, 9) && record.bind(u32::MAX, 9) && !record.bind(u32::MAX, 10));
                record.received(6);
                record.sent(7);
                record.owes(8);
                record.broke(255);
                record.broke(104);
                let expected = Facts {
                    origin,
                    opened_at_ms: 5,
                    received_at_ms: 6,
                    sent_at_ms: 7,
                    owed_bytes: 8,
                    close_errno: 104,
                    uid: 9,
                };
                assert_eq!((record.facts(u32::MAX), record.port()), (expected, port));
                assert_eq!(record.facts(0), Facts { uid: 0, ..expected });
            }
        }
    }
}
