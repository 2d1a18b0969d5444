//! What a listening socket is told besides its address; Linux hands it on to the connections.

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use wirewool_ipc::socket::{set_defer_accept, set_fast_open};

/// Options of the sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Silent peers are asked whether they are there.
    pub keepalive: bool,
    /// After so many seconds.
    pub keepidle_s: u32,
    /// Again after so many seconds.
    pub keepinterval_s: u32,
    /// So often, then the connection is over.
    pub keepcount: u32,
    /// How long what is sent may be without an answer of the peer's system, in milliseconds; 0 is the system's default.
    pub user_timeout_ms: u32,
    /// A connection that sends nothing is accepted after so many seconds; 0 is at once.
    pub defer_accept_s: u32,
    /// Data may come with a connection (RFC 7413).
    pub fastopen: bool,
    /// Other servers that say so as well, and are the same user's, may listen on the same port.
    pub reuse_port: bool,
    /// The kernel's buffer for what comes, in bytes; by default the system's, which grows.
    pub receive_buffer_bytes: Option<usize>,
    /// The kernel's buffer for what is sent, in bytes; by default the system's, which grows.
    pub send_buffer_bytes: Option<usize>,
}

impl Default for Tcp {
    fn default() -> Self {
        Tcp {
            keepalive: false,
            keepidle_s: 3600,
            keepinterval_s: 60,
            keepcount: 5,
            user_timeout_ms: 0,
            defer_accept_s: 0,
            fastopen: false,
            reuse_port: false,
            receive_buffer_bytes: None,
            send_buffer_bytes: None,
        }
    }
}

impl Tcp {
    /// Tells a bound socket, before it listens: buffers matter to a connection from its first packet on. The socket of
    /// an address that is no address of the internet has buffers only, one for datagrams may be shared as well.
    ///
    /// # Errors
    /// Those of setsockopt(2); `AddrInUse` for a port that others listen on, if this server does not say that they may.
    pub fn tell(&self, socket: impl AsFd, backlog: i32, is_internet: bool, is_datagram: bool) -> io::Result<()> {
        if let Some(bytes) = self.receive_buffer_bytes {
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        if let Some(bytes) = self.send_buffer_bytes {
            sockopt::set_socket_send_buffer_size(&socket, bytes)?;
        }
        if !is_internet {
            return Ok(());
        }
        if self.reuse_port {
            sockopt::set_socket_reuseport(&socket, true)?;
        } else if sockopt::socket_reuseport(&socket)? {
            return Err(Errno::ADDRINUSE.into());
        }
        if is_datagram {
            return Ok(());
        }
        if self.keepalive {
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, Duration::from_secs(self.keepidle_s.into()))?;
            sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(self.keepinterval_s.into()))?;
            sockopt::set_tcp_keepcnt(&socket, self.keepcount)?;
        }
        if self.user_timeout_ms > 0 {
            sockopt::set_tcp_user_timeout(&socket, self.user_timeout_ms)?;
        }
        if self.defer_accept_s > 0 {
            set_defer_accept(&socket, self.defer_accept_s)?;
        }
        if self.fastopen {
            set_fast_open(&socket, backlog.unsigned_abs())?;
        }
        Ok(())
    }
}
