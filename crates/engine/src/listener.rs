//! The sockets that all workers accept from.

use crate::tcp::Tcp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{SendFlags, Shutdown, sockopt};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use wirewool_ipc::socket::let_go;

/// An address that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen server port[{address}]: {source}")]
pub struct BindError {
    /// What was asked for.
    pub address: String,
    /// Why not.
    pub source: io::Error,
}

/// A bound socket, of streams or of datagrams.
#[derive(Debug, Clone)]
pub struct Listener {
    socket: Arc<OwnedFd>,
    address: Option<SocketAddr>,
    /// What comes are datagrams, not connections.
    is_datagram: bool,
}

impl Listener {
    /// Binds to the first of the addresses that `address` names, or to the path behind `unix:`; port 0 takes a free one.
    ///
    /// # Errors
    /// The name is unknown, the address is not this machine's, the port is taken or forbidden.
    pub fn bind(address: &str) -> Result<Listener, BindError> {
        match address.strip_prefix("unix:") {
            Some(path) => bind_unix(path).map_err(|source| BindError { address: address.to_owned(), source }),
            None => Listener::bind_first(address, Type::STREAM),
        }
    }

    /// As [`Listener::bind`], for datagrams.
    ///
    /// # Errors
    /// As [`Listener::bind`]; a path is no address of the internet.
    pub fn bind_datagrams(address: &str) -> Result<Listener, BindError> {
        Listener::bind_first(address, Type::DGRAM)
    }

    fn bind_first(address: &str, kind: Type) -> Result<Listener, BindError> {
        let fail = |source| BindError { address: address.to_owned(), source };
        let addresses = address.to_socket_addrs().map_err(fail)?;
        let mut result = Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address"));
        for address in addresses {
            result = bind(address, kind);
            if result.is_ok() {
                break;
            }
        }
        result.map_err(fail)
    }

    /// Takes over a socket that is bound already: of streams, or of datagrams.
    ///
    /// # Errors
    /// It is no socket.
    pub fn adopt(socket: OwnedFd) -> io::Result<Listener> {
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?.as_socket();
        let is_datagram = socket.r#type()? == Type::DGRAM;
        Ok(Listener { socket: Arc::new(OwnedFd::from(socket)), address, is_datagram })
    }

    /// What it and its connections are told, before it listens.
    ///
    /// # Errors
    /// As for [`Tcp::tell`].
    pub fn tell(&self, tcp: &Tcp, backlog: i32) -> io::Result<()> {
        tcp.tell(&*self.socket, backlog, self.address.is_some(), self.is_datagram)
    }

    /// Lets connections come; `backlog` of them may wait. Datagrams come anyhow.
    ///
    /// # Errors
    /// Those of listen(2).
    pub fn listen(&self, backlog: i32, nodelay: bool) -> io::Result<()> {
        if self.is_datagram {
            return Ok(());
        }
        // Linux hands TCP_NODELAY on to the accepted sockets: one call instead of one for each.
        if self.address.is_some() {
            sockopt::set_tcp_nodelay(&*self.socket, nodelay)?;
        }
        Ok(rustix::net::listen(&*self.socket, backlog)?)
    }

    /// Refuses all further connections, and those that wait, in every process that has this socket; another server
    /// may listen on the address. Accepting fails from now on.
    pub fn shut(&self) {
        // The only error is that it has happened before.
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Read);
    }

    /// Is it the same socket?
    pub(crate) fn is(&self, other: &Listener) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }

    /// Removes the file of a unix socket; another socket has none.
    pub fn remove_file(&self) {
        let address = SockRef::from(&*self.socket).local_addr();
        if let Some(path) = address.as_ref().ok().and_then(SockAddr::as_pathname)
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!("the server's socket {} is not removed: {error}", path.display());
        }
    }

    /// Do datagrams come, not connections?
    pub fn is_datagram(&self) -> bool {
        self.is_datagram
    }

    /// Where it is bound, with the port that was taken; none if that is no address of the internet.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

/// How many ports a server may have: a connection knows its port by an index of eight bits.
pub const PORTS_MAX: usize = 256;

/// The listeners of a server's ports, by their index.
#[derive(Debug, Clone)]
pub struct Listeners(Arc<[Listener]>);

impl Listeners {
    /// Those of all ports, the primary one first.
    ///
    /// # Panics
    /// If there are none, or more than [`PORTS_MAX`].
    pub fn new(listeners: Vec<Listener>) -> Listeners {
        assert!((1..=PORTS_MAX).contains(&listeners.len()), "{} ports", listeners.len());
        Listeners(listeners.into())
    }

    /// [`Listener::shut`] for all of them.
    pub fn shut(&self) {
        self.iter().for_each(Listener::shut);
    }

    /// In a process that accepts nothing: whoever outlives the server there must not keep its addresses from the next
    /// one. Datagrams leave from every process, through the sockets that they come by.
    pub(crate) fn let_go_of_streams(&self) {
        self.let_go(|listener| !listener.is_datagram);
    }

    /// In a process that has nothing to do with the server: those that `is_meant` are left to the others.
    pub fn let_go(&self, is_meant: impl Fn(&Listener) -> bool) {
        for listener in self.iter().filter(|listener| is_meant(listener)) {
            if let Err(error) = let_go(&*listener.socket) {
                tracing::warn!("a process keeps a socket that is not its own: {error}");
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Listener> {
        self.0.iter()
    }

    /// Sends a datagram from the port that `from` says, or from the first one that can reach `to`. What the kernel does
    /// not take at once is not sent.
    ///
    /// # Errors
    /// Those of sendto(2); `AddrNotAvailable` if there is no such port.
    pub fn send_to(&self, from: impl Fn(&Listener) -> bool, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let is_alike = |listener: &&Listener| listener.address.is_some_and(|own| own.is_ipv4() == to.is_ipv4());
        let mut candidates = self.iter().filter(|listener| listener.is_datagram).filter(is_alike);
        let Some(listener) = candidates.find(|listener| from(listener)) else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        rustix::net::sendto(&listener.socket, bytes, SendFlags::NOSIGNAL, &to)?;
        Ok(())
    }

    pub(crate) fn get(&self, port: u8) -> Option<&Listener> {
        self.0.get(usize::from(port))
    }

    /// The indexes of all ports.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = u8> + use<> {
        (0..=u8::MAX).take(self.0.len())
    }
}

fn bind(address: SocketAddr, kind: Type) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    // A restart must not wait for the last connections' time to pass. With datagrams, it would let others take them.
    socket.set_reuse_address(kind == Type::STREAM)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    bind_or_share(&socket, &address.into())?;
    Listener::adopt(OwnedFd::from(socket))
}

fn bind_unix(path: &str) -> io::Result<Listener> {
    let address = SockAddr::unix(path)?;
    remove_stale(Path::new(path), &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    Listener::adopt(OwnedFd::from(socket))
}

/// A unix socket's file outlives the process that made it: one that nobody answers on is in the way, and removed.
///
/// # Errors
/// It cannot be removed, or nobody knows whether somebody answers.
pub fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
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
