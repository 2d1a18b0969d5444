//! The socket that all workers accept from.

use crate::tcp::Tcp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{Shutdown, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

/// An address that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen server port[{address}]: {source}")]
pub struct BindError {
    /// What was asked for.
    pub address: String,
    /// Why not.
    pub source: io::Error,
}

/// A bound stream socket.
#[derive(Debug, Clone)]
pub struct Listener {
    socket: Arc<OwnedFd>,
    address: Option<SocketAddr>,
}

impl Listener {
    /// Binds to the first of the addresses that `address` names; port 0 takes a free one.
    ///
    /// # Errors
    /// The name is unknown, the address is not this machine's, the port is taken or forbidden.
    pub fn bind(address: &str) -> Result<Listener, BindError> {
        let fail = |source| BindError { address: address.to_owned(), source };
        let addresses = address.to_socket_addrs().map_err(fail)?;
        let mut result = Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address"));
        for address in addresses {
            result = bind(address);
            if result.is_ok() {
                break;
            }
        }
        result.map_err(fail)
    }

    /// Takes over a stream socket that is bound already.
    ///
    /// # Errors
    /// It is no socket.
    pub fn adopt(socket: OwnedFd) -> io::Result<Listener> {
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?.as_socket();
        Ok(Listener { socket: Arc::new(OwnedFd::from(socket)), address })
    }

    /// What it and its connections are told, before it listens.
    ///
    /// # Errors
    /// As for [`Tcp::tell`].
    pub fn tell(&self, tcp: &Tcp, backlog: i32) -> io::Result<()> {
        tcp.tell(&*self.socket, self.address.is_some(), backlog)
    }

    /// Lets connections come; `backlog` of them may wait.
    ///
    /// # Errors
    /// Those of listen(2).
    pub fn listen(&self, backlog: i32, nodelay: bool) -> io::Result<()> {
        // Linux hands TCP_NODELAY on to the accepted sockets: one call instead of one for each.
        if self.address.is_some() {
            sockopt::set_tcp_nodelay(&*self.socket, nodelay)?;
        }
        Ok(rustix::net::listen(&*self.socket, backlog)?)
    }

    /// Refuses all further connections, and those that wait, in every process that has this socket; another server
    /// may listen on the address. Accepting fails from now on.
    pub fn shut(&self) {
        shut(&self.socket);
    }

    /// Where it is bound, with the port that was taken; none if that is no address of the internet.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(crate) fn socket(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }
}

/// As [`Listener::shut`].
pub(crate) fn shut(socket: &OwnedFd) {
    // The only error is that it has happened before.
    let _ = rustix::net::shutdown(socket, Shutdown::Read);
}

fn bind(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last connections' time to pass.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    bind_or_share(&socket, &address.into())?;
    Listener::adopt(OwnedFd::from(socket))
}

/// Binds a socket, also to a port on which others listen if they have said that it may be shared. Whether this server
/// shares it is asked when it starts: [`Tcp::tell`].
///
/// # Errors
/// Those of bind(2).
pub fn bind_or_share(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !address.is_unix() => {
            sockopt::set_socket_reuseport(socket, true)?;
            // What is in the way, if it is still.
            socket.bind(address).map_err(|_| error)
        }
        bound => bound,
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
