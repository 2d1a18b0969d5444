//! Turns the options of a TCP socket that no library has into calls.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

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

fn set(socket: &impl AsFd, option: c_int, value: u32) -> io::Result<()> {
    let value = c_int::try_from(value).unwrap_or(c_int::MAX);
    let (descriptor, length) = (socket.as_fd().as_raw_fd(), size_of::<c_int>() as libc::socklen_t);
    // SAFETY: the descriptor is open, and `value` an int, for the length of the call.
    match unsafe { libc::setsockopt(descriptor, libc::IPPROTO_TCP, option, (&raw const value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
