//! Opens, upgrades and closes connections, so many at once.

use crate::handshake::{HEAD_BYTES_MAX, Upgrade};
use crate::load::Load;
use crate::load::ready::wait;
use crate::run::{Meter, Run};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

const READY_MAX: usize = 1024;
/// Different keys, so that no answer is right for the next request too.
const UPGRADES: u64 = 64;

struct Slot {
    socket: OwnedFd,
    upgrade: usize,
    /// The request has gone.
    asked: bool,
    answer: Vec<u8>,
    begin: Instant,
}

struct Handshakes {
    epoll: OwnedFd,
    address: SocketAddr,
    upgrades: Vec<Upgrade>,
    begun: usize,
}

/// Opens one connection after the other in each slot.
///
/// # Errors
/// What went wrong, in words.
pub fn run(load: &Load) -> Result<Run, String> {
    let mut handshakes = Handshakes {
        epoll: epoll::create(CreateFlags::CLOEXEC).map_err(|error| error.to_string())?,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, load.port)),
        upgrades: (0..UPGRADES).map(|number| Upgrade::new(number, false)).collect(),
        begun: 0,
    };
    let mut slots = Vec::with_capacity(load.connections);
    for row in 0..load.connections {
        slots.push(handshakes.begin(row)?);
    }
    let mut run = handshakes.run(&mut slots, load.meter())?;
    run.content_checked = 1.0;
    Ok(run)
}

impl Handshakes {
    fn run(&mut self, slots: &mut [Slot], mut meter: Meter) -> Result<Run, String> {
        let mut ready: Vec<Event> = Vec::with_capacity(READY_MAX);
        loop {
            wait(&self.epoll, &mut ready, "handshake")?;
            for event in &ready {
                let row = event.data.u64() as usize;
                let slot = &mut slots[row];
                if !slot.asked {
                    self.ask(slot, row)?;
                } else if slot.answered(&self.upgrades[slot.upgrade])? {
                    meter.record(slot.begin.elapsed());
                    meter.messages += 1;
                    *slot = self.begin(row)?;
                }
            }
            if let Some(run) = meter.pass(Instant::now()) {
                return Ok(run);
            }
        }
    }

    /// Connects, and asks in the same breath if it can: on this machine a connection is there at once.
    fn begin(&mut self, row: usize) -> Result<Slot, String> {
        let begin = Instant::now();
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.map_err(|error| format!("no socket: {error}"))?;
        sockopt::set_tcp_nodelay(&socket, true).map_err(|error| error.to_string())?;
        match net::connect(&socket, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(format!("connection {} cannot be opened: {error}", self.begun)),
        }
        let upgrade = self.begun % self.upgrades.len();
        self.begun += 1;
        let asked = match net::send(&socket, &self.upgrades[upgrade].request, SendFlags::NOSIGNAL) {
            Ok(_) => true,
            Err(Errno::AGAIN | Errno::NOTCONN) => false,
            Err(error) => return Err(format!("connection {}: {error}", self.begun)),
        };
        let wanted = if asked { EventFlags::IN } else { EventFlags::OUT };
        let added = epoll::add(&self.epoll, &socket, EventData::new_u64(row as u64), wanted);
        added.map_err(|error| error.to_string())?;
        Ok(Slot { socket, upgrade, asked, answer: Vec::new(), begin })
    }

    fn ask(&self, slot: &mut Slot, row: usize) -> Result<(), String> {
        let sent = net::send(&slot.socket, &self.upgrades[slot.upgrade].request, SendFlags::NOSIGNAL);
        sent.map_err(|error| format!("a connection cannot be opened: {error}"))?;
        slot.asked = true;
        let modified = epoll::modify(&self.epoll, &slot.socket, EventData::new_u64(row as u64), EventFlags::IN);
        modified.map_err(|error| error.to_string())
    }
}

impl Slot {
    fn answered(&mut self, upgrade: &Upgrade) -> Result<bool, String> {
        let mut buffer = [0; HEAD_BYTES_MAX];
        match net::recv(&self.socket, &mut buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Err("a connection was closed instead of upgraded".to_owned()),
            Ok((count, _)) => self.answer.extend_from_slice(&buffer[..count]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(format!("a connection broke before it was upgraded: {error}")),
        }
        Ok(upgrade.check(&self.answer)?.is_some())
    }
}
