//! Turns what no library has of sockets into calls.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;

/// A listening socket hands out connections once they have sent something, or after so many seconds; 0 is at once.
///
/// # Errors
///
/// Those of setsockopt(2).
pub fn set_defer_accept(socket: impl AsFd, seconds: u32) -> io::Result<()> {
    set(&socket, libc::TCP_DEFER_ACCEPT, seconds)
}

/// A listening socket takes data that comes with a connection (RFC 7413) of so many that wait at once; 0 is none.
///
/// # Errors
///
/// Those of setsockopt(2).
pub fn set_fast_open(socket: impl AsFd, waiting: u32) -> io::Result<()> {
    set(&socket, libc::TCP_FASTOPEN, waiting)
}

/// Closes a socket that others, in this process or another one, may have as well: it is theirs alone then. Behind its
/// number is a socket that has no address from now on, so that whoever still uses the number here reaches nobody.
///
/// # Errors
///
/// No descriptor left.
pub fn let_go(socket: impl AsFd) -> io::Result<()> {
    let (nowhere, number) = (UnixDatagram::unbound()?, socket.as_fd().as_raw_fd());
    // SAFETY: Both are open for the length of the call, and the number stays so for whoever owns it.
    match unsafe { libc::dup3(nowhere.as_raw_fd(), number, libc::O_CLOEXEC) } {
        error if error < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn set(socket: &impl AsFd, option: c_int, value: u32) -> io::Result<()> {
    let value = c_int::try_from(value).unwrap_or(c_int::MAX);
    let (descriptor, length) = (socket.as_fd().as_raw_fd(), size_of::<c_int>() as libc::socklen_t);
    // SAFETY: the descriptor is open, and `value` an int, for the length of the call.
    match unsafe { libc::setsockopt(descriptor, libc::IPPROTO_TCP, option, (&raw const value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
