//! Turns a port into connections that have been upgraded.

use crate::handshake::{HEAD_BYTES_MAX, Upgrade};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// How many connections are opened at once: fewer than any server's backlog.
const BURST: usize = 100;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// A socket behind its handshake.
#[derive(Debug)]
pub struct Opened {
    /// Non-blocking, and without Nagle's delay.
    pub socket: TcpStream,
    /// What came with the answer to the upgrade, but does not belong to it.
    pub rest: Vec<u8>,
}

/// Opens so many connections.
///
/// # Errors
/// What went wrong, in words.
pub fn open(port: u16, count: usize, deflate: bool) -> Result<Vec<Opened>, String> {
    let mut opened = Vec::with_capacity(count);
    while opened.len() < count {
        let begun = (opened.len()..count.min(opened.len() + BURST)).map(|number| begin(port, number, deflate));
        for upgrading in begun.collect::<Result<Vec<_>, _>>()? {
            opened.push(upgrading.finish()?);
        }
    }
    Ok(opened)
}

struct Upgrading {
    number: usize,
    socket: TcpStream,
    upgrade: Upgrade,
}

fn begin(port: u16, number: usize, deflate: bool) -> Result<Upgrading, String> {
    let upgrade = Upgrade::new(number as u64, deflate);
    let socket = (|| {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        socket.write_all(&upgrade.request)?;
        Ok(socket)
    })();
    let socket = socket.map_err(|error: std::io::Error| format!("connection {number} cannot be opened: {error}"))?;
    Ok(Upgrading { number, socket, upgrade })
}

impl Upgrading {
    fn finish(mut self) -> Result<Opened, String> {
        let complain = |wrong: &dyn std::fmt::Display| format!("connection {}: {wrong}", self.number);
        let mut answer = Vec::new();
        let mut buffer = [0; HEAD_BYTES_MAX];
        loop {
            let count = self.socket.read(&mut buffer).map_err(|error| complain(&error))?;
            if count == 0 {
                return Err(complain(&"closed instead of upgraded"));
            }
            answer.extend_from_slice(&buffer[..count]);
            if let Some(end) = self.upgrade.check(&answer).map_err(|wrong| complain(&wrong))? {
                self.socket.set_nonblocking(true).map_err(|error| complain(&error))?;
                return Ok(Opened { socket: self.socket, rest: answer.split_off(end) });
            }
        }
    }
}
