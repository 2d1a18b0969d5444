//! Turns the host, port and socket type of a server into a bound socket.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

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
        SocketType::UnixStream => (Domain::UNIX, SockAddr::unix(host)?),
        SocketType::Tcp | SocketType::Udp => (Domain::IPV4, resolve(host, port, SocketAddr::is_ipv4)?.into()),
        SocketType::Tcp6 | SocketType::Udp6 => (Domain::IPV6, resolve(host, port, SocketAddr::is_ipv6)?.into()),
    };
    let socket = Socket::new(domain, if kind.is_datagram() { Type::DGRAM } else { Type::STREAM }, None)?;
    if kind == SocketType::UnixStream {
        remove_stale(Path::new(host), &address)?;
    }
    // With datagrams, that would let another program take what comes.
    if matches!(kind, SocketType::Tcp | SocketType::Tcp6) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address)?;
    let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
    Ok((socket, port))
}

/// A unix socket's file outlives the process that made it: one that nobody answers on is in the way.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Its backlog may be full: then somebody is there, and this must not wait for him.
        probe.set_nonblocking(true)?;
        let refused = probe.connect(address).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes the file of a unix socket; another socket has none.
pub(crate) fn remove_file(socket: impl AsFd) {
    let address = SockRef::from(&socket).local_addr();
    if let Some(path) = address.as_ref().ok().and_then(SockAddr::as_pathname)
        && let Err(error) = fs::remove_file(path)
    {
        tracing::warn!("the server's socket {} is not removed: {error}", path.display());
    }
}

fn resolve(host: &str, port: u16, fits: fn(&SocketAddr) -> bool) -> io::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses.find(fits).ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
}
