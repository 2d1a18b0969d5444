//! Turns the host, port and socket type of a server into a bound socket.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};
use wirewool_engine::listener::{bind_or_share, remove_stale};

/// What kind of socket, of the numbers `SWOOLE_SOCK_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketType {
    Tcp,
    Tcp6,
    UnixStream,
    Udp,
    Udp6,
}

impl SocketType {
    /// The type with this number, without the TLS bit; none for unix datagrams and raw sockets.
    pub(crate) fn from_number(number: i64) -> Option<SocketType> {
        match number {
            1 => Some(SocketType::Tcp),
            2 => Some(SocketType::Udp),
            3 => Some(SocketType::Tcp6),
            4 => Some(SocketType::Udp6),
            5 => Some(SocketType::UnixStream),
            _ => None,
        }
    }

    /// Do datagrams come, not connections?
    pub(crate) fn is_datagram(self) -> bool {
        matches!(self, SocketType::Udp | SocketType::Udp6)
    }
}

/// A socket bound to the address, not listening yet, and its port (0 for a unix socket). Port 0 takes a free one.
///
/// # Errors
/// What the system says: the address is taken, not ours, or no address at all.
pub(crate) fn bind(host: &str, port: u16, kind: SocketType) -> io::Result<(Socket, u16)> {
    let (domain, address) = match kind {
        SocketType::UnixStream if host.is_empty() || host.contains('\0') => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a unix socket needs a path"));
        }
        SocketType::UnixStream => (Domain::UNIX, SockAddr::unix(host)?),
        SocketType::Tcp | SocketType::Udp => (Domain::IPV4, resolve(host, port, SocketAddr::is_ipv4, "IPv4")?.into()),
        SocketType::Tcp6 | SocketType::Udp6 => (Domain::IPV6, resolve(host, port, SocketAddr::is_ipv6, "IPv6")?.into()),
    };
    let socket = Socket::new(domain, if kind.is_datagram() { Type::DGRAM } else { Type::STREAM }, None)?;
    if kind == SocketType::UnixStream {
        remove_stale(Path::new(host), &address)?;
    }
    // With datagrams, that would let another program take what comes.
    if matches!(kind, SocketType::Tcp | SocketType::Tcp6) {
        socket.set_reuse_address(true)?;
    }
    bind_or_share(&socket, &address)?;
    let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
    Ok((socket, port))
}

fn resolve(host: &str, port: u16, fits: fn(&SocketAddr) -> bool, kind: &str) -> io::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs()?;
    let message = || format!("it has no {kind} address, which this type of socket takes");
    addresses.find(fits).ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, message()))
}
