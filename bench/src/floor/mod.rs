//! The least that a correct server can do: one loop, one shared buffer, no sessions, no limits, no API.
//!
//! What an engine costs is told by comparing it with this on the same kernel at the same time. A message is held until
//! it is whole, as a server must that hands over whole messages; beyond that nothing is done twice.

pub mod codec;
pub mod reframe;

use crate::floor::codec::Codec;
use crate::floor::reframe::{Reframed, reframe};
use crate::handshake;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, sockopt};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;

const BUFFER_BYTES: usize = 512 << 10;
const READY_MAX: usize = 1024;
const BACKLOG: i32 = 4096;
/// More than one frame's header may announce without being believed.
const RESERVE_BYTES_MAX: usize = 64 << 20;
const LISTENER: u64 = u64::MAX;

/// What is done with a message.
#[derive(Debug)]
pub enum Work {
    /// It goes back.
    Echo,
    /// It goes to everybody.
    Broadcast,
    /// It is inflated, deflated again, and goes back.
    Deflate(Box<Codec>),
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    upgraded: bool,
    /// The beginning of a message, or of a request's head.
    input: Vec<u8>,
    /// What the kernel did not take yet, from `owed_begin` on.
    owed: Vec<u8>,
    owed_begin: usize,
}

/// The server.
#[derive(Debug)]
pub struct Floor {
    epoll: OwnedFd,
    listener: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// Blocks of finished messages, to be used again.
    spares: Vec<Vec<u8>>,
    work: Work,
    /// Something was broadcast in this pass.
    dirty: bool,
}

enum Fate {
    Stays,
    Goes,
}

impl Floor {
    /// Listens.
    ///
    /// # Errors
    /// Those of socket(2), bind(2), listen(2) and epoll_create(2).
    pub fn bind(address: SocketAddr, work: Work) -> io::Result<Floor> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener = net::socket_with(net::AddressFamily::INET, net::SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        // Accepted sockets inherit it.
        sockopt::set_tcp_nodelay(&listener, true)?;
        net::bind(&listener, &address)?;
        net::listen(&listener, BACKLOG)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Floor { epoll, listener, connections: Vec::new(), spares: Vec::new(), work, dirty: false })
    }

    /// Serves until the process is killed.
    ///
    /// # Errors
    /// That of epoll_wait(2).
    pub fn serve(&mut self) -> io::Result<()> {
        let mut shared = vec![0; BUFFER_BYTES];
        let mut ready: Vec<Event> = Vec::with_capacity(READY_MAX);
        loop {
            ready.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut ready), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                let token = event.data.u64();
                if token == LISTENER {
                    self.accept();
                    continue;
                }
                let fate = match { event.flags }.contains(EventFlags::OUT) {
                    true => self.flush(token as usize),
                    false => self.read(token as usize, &mut shared),
                };
                if matches!(fate, Fate::Goes) {
                    self.connections[token as usize] = None;
                }
            }
            if mem::take(&mut self.dirty) {
                self.flush_all();
            }
        }
    }

    fn accept(&mut self) {
        while let Ok(socket) = net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            let row = socket.as_raw_fd() as usize;
            if self.connections.len() <= row {
                self.connections.resize_with(row + 1, || None);
            }
            if epoll::add(&self.epoll, &socket, EventData::new_u64(row as u64), EventFlags::IN).is_ok() {
                let (input, owed) = (Vec::new(), Vec::new());
                self.connections[row] = Some(Connection { socket, upgraded: false, input, owed, owed_begin: 0 });
            }
        }
    }

    fn read(&mut self, row: usize, shared: &mut [u8]) -> Fate {
        let Some(connection) = &mut self.connections[row] else { return Fate::Stays };
        if connection.input.is_empty() {
            return match net::recv(&connection.socket, &mut *shared, RecvFlags::empty()) {
                Ok((0, _)) => Fate::Goes,
                Ok((count, _)) => {
                    let (fate, done) = self.handle(row, &mut shared[..count]);
                    self.keep(row, &shared[done.used..count], done.wanted);
                    self.send(row, &shared[done.out], fate)
                }
                Err(Errno::AGAIN | Errno::INTR) => Fate::Stays,
                Err(_) => Fate::Goes,
            };
        }
        let mut input = mem::take(&mut connection.input);
        input.reserve(1);
        match net::recv(&connection.socket, spare_capacity(&mut input), RecvFlags::empty()) {
            Ok((0, _)) => Fate::Goes,
            Ok(_) => {
                let (fate, done) = self.handle(row, &mut input);
                if done.used == 0 {
                    // Not whole yet: it stays where it is.
                    self.connections[row].as_mut().expect("it is being read").input = input;
                    return fate;
                }
                self.keep(row, &input[done.used..], done.wanted);
                self.send_block(row, input, done.out, fate)
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                connection.input = input;
                Fate::Stays
            }
            Err(_) => Fate::Goes,
        }
    }

    /// Turns the input into the output, in place where it can be.
    fn handle(&mut self, row: usize, input: &mut [u8]) -> (Fate, Reframed) {
        let connection = self.connections[row].as_mut().expect("it is being read");
        if !connection.upgraded {
            let Some((used, answer)) = handshake::answer(input, matches!(self.work, Work::Deflate(_))) else {
                return (Fate::Stays, Reframed { wanted: BUFFER_BYTES, ..Reframed::default() });
            };
            connection.upgraded = true;
            let fate = self.send(row, answer.as_bytes(), Fate::Stays);
            // Clients wait for the answer before they send frames: nothing can be behind the head.
            return (fate, Reframed { used, ..Reframed::default() });
        }
        let mut done = match &mut self.work {
            Work::Deflate(codec) => codec.reframe(input),
            Work::Echo | Work::Broadcast => reframe(input),
        };
        let fate = if done.closing { Fate::Goes } else { Fate::Stays };
        match &mut self.work {
            Work::Echo => {}
            Work::Deflate(codec) => {
                let out = mem::take(&mut codec.out);
                let fate = self.send(row, &out, fate);
                if let Work::Deflate(codec) = &mut self.work {
                    codec.out = out;
                }
                return (fate, done);
            }
            Work::Broadcast if !done.closing => {
                broadcast(&mut self.connections, &input[mem::take(&mut done.out)]);
                self.dirty = true;
            }
            Work::Broadcast => {}
        }
        (fate, done)
    }

    /// Keeps the beginning of a message, in a block that the whole of it fits in.
    fn keep(&mut self, row: usize, rest: &[u8], wanted: usize) {
        if rest.is_empty() {
            return;
        }
        let mut input = self.spares.pop().unwrap_or_default();
        input.reserve_exact(wanted.clamp(rest.len(), RESERVE_BYTES_MAX.max(rest.len())));
        input.extend_from_slice(rest);
        if let Some(connection) = &mut self.connections[row] {
            connection.input = input;
        }
    }

    fn send(&mut self, row: usize, out: &[u8], fate: Fate) -> Fate {
        let Some(sent) = self.try_send(row, out) else { return Fate::Goes };
        if sent < out.len() {
            let mut owed = self.spares.pop().unwrap_or_default();
            owed.extend_from_slice(&out[sent..]);
            self.owe(row, owed, 0);
        }
        fate
    }

    /// The same from a block of the connection's own, which needs no copy if it does not go at once.
    fn send_block(&mut self, row: usize, mut block: Vec<u8>, out: Range<usize>, fate: Fate) -> Fate {
        let Some(sent) = self.try_send(row, &block[out.clone()]) else { return Fate::Goes };
        block.truncate(out.end);
        if sent < out.len() {
            self.owe(row, block, out.start + sent);
        } else {
            block.clear();
            self.spares.push(block);
        }
        fate
    }

    /// How much was taken; `None` if the connection is broken.
    fn try_send(&mut self, row: usize, out: &[u8]) -> Option<usize> {
        let connection = self.connections[row].as_ref()?;
        if out.is_empty() {
            return Some(0);
        }
        match net::send(&connection.socket, out, SendFlags::NOSIGNAL) {
            Ok(sent) => Some(sent),
            Err(Errno::AGAIN | Errno::INTR) => Some(0),
            Err(_) => None,
        }
    }

    /// Who owes is not read from: nothing more comes before that has gone.
    fn owe(&mut self, row: usize, owed: Vec<u8>, begin: usize) {
        let Some(connection) = &mut self.connections[row] else { return };
        (connection.owed, connection.owed_begin) = (owed, begin);
        let _ = epoll::modify(&self.epoll, &connection.socket, EventData::new_u64(row as u64), EventFlags::OUT);
    }

    fn flush(&mut self, row: usize) -> Fate {
        let Some(connection) = &mut self.connections[row] else { return Fate::Stays };
        match net::send(&connection.socket, &connection.owed[connection.owed_begin..], SendFlags::NOSIGNAL) {
            Ok(sent) => connection.owed_begin += sent,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Fate::Goes,
        }
        if connection.owed_begin == connection.owed.len() {
            let mut block = mem::take(&mut connection.owed);
            block.clear();
            self.spares.push(block);
            connection.owed_begin = 0;
            let _ = epoll::modify(&self.epoll, &connection.socket, EventData::new_u64(row as u64), EventFlags::IN);
        }
        Fate::Stays
    }

    /// One write for each connection, however many frames it is to get.
    fn flush_all(&mut self) {
        for (row, place) in self.connections.iter_mut().enumerate() {
            let Some(connection) = place else { continue };
            if connection.owed.is_empty() || connection.owed_begin > 0 {
                continue;
            }
            let sent = match net::send(&connection.socket, &connection.owed, SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(_) => {
                    *place = None;
                    continue;
                }
            };
            if sent == connection.owed.len() {
                connection.owed.clear();
            } else {
                connection.owed_begin = sent;
                let token = EventData::new_u64(row as u64);
                let _ = epoll::modify(&self.epoll, &connection.socket, token, EventFlags::OUT);
            }
        }
    }
}

/// Appends each frame to each connection's buffer.
fn broadcast(connections: &mut [Option<Connection>], mut frames: &[u8]) {
    while let Some(header) = crate::frame::decode(frames) {
        let (frame, rest) = frames.split_at(header.frame_bytes());
        for connection in connections.iter_mut().flatten().filter(|connection| connection.upgraded) {
            connection.owed.extend_from_slice(frame);
        }
        frames = rest;
    }
}
