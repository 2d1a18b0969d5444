//! One connection's messages that come to all: so many of them on their way, a new one when one has come to everybody.

use crate::frame::{BINARY, COMPRESSED, FIN, TEXT, append_masked, decode};
use crate::load::Load;
use crate::load::connect::{self, Opened};
use crate::load::ready::wait;
use crate::run::{Meter, Run};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};
use std::net::TcpStream;
use std::ops::Range;
use std::time::Instant;

const BUFFER_BYTES: usize = 512 << 10;
const READY_MAX: usize = 1024;
/// The number of a message stands at the beginning of its payload.
const NUMBER_BYTES: usize = 8;
/// Behind it, the content of one in so many deliveries is compared.
const CHECKED_EVERY: u64 = 16;
const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

struct Receiver {
    socket: TcpStream,
    /// The beginning of a frame.
    rest: Vec<u8>,
    /// The number of the message that comes next.
    next: u64,
}

struct Broadcast {
    epoll: OwnedFd,
    receivers: Vec<Receiver>,
    payload: Vec<u8>,
    /// How many receivers each message on its way has reached: number modulo window.
    reached: Vec<usize>,
    sent: u64,
}

/// Broadcasts to the load's connections and to the one that sends.
///
/// # Errors
/// What went wrong, in words.
pub fn run(load: &Load) -> Result<Run, String> {
    if load.size < NUMBER_BYTES {
        return Err(format!("a message that is broadcast has at least {NUMBER_BYTES} bytes"));
    }
    let opened = connect::open(load.port, load.connections + 1, false)?;
    let mut broadcast = Broadcast::new(load, opened).map_err(|error| error.to_string())?;
    broadcast.send(load.in_flight)?;
    let mut run = broadcast.run(load.meter())?;
    run.content_checked = 1.0 / CHECKED_EVERY as f64;
    Ok(run)
}

impl Broadcast {
    fn new(load: &Load, opened: Vec<Opened>) -> Result<Broadcast, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut receivers = Vec::with_capacity(opened.len());
        for (row, Opened { socket, rest }) in opened.into_iter().enumerate() {
            epoll::add(&epoll, &socket, EventData::new_u64(row as u64), EventFlags::IN)?;
            receivers.push(Receiver { socket, rest, next: 0 });
        }
        let payload = (0..load.size).map(|at| at as u8 ^ 0x5A).collect();
        Ok(Broadcast { epoll, receivers, payload, reached: vec![0; load.in_flight], sent: 0 })
    }

    fn run(&mut self, mut meter: Meter) -> Result<Run, String> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut ready: Vec<Event> = Vec::with_capacity(READY_MAX);
        loop {
            wait(&self.epoll, &mut ready, "delivery")?;
            let mut complete = 0;
            for event in &ready {
                let row = event.data.u64() as usize;
                let came = self.receive(row, &mut buffer).map_err(|wrong| format!("connection {row}: {wrong}"))?;
                meter.messages += came.end - came.start;
                let window = self.reached.len() as u64;
                for number in came {
                    let reached = &mut self.reached[(number % window) as usize];
                    *reached += 1;
                    if *reached == self.receivers.len() {
                        *reached = 0;
                        complete += 1;
                    }
                }
            }
            self.send(complete)?;
            if let Some(run) = meter.pass(Instant::now()) {
                return Ok(run);
            }
        }
    }

    /// The numbers of the messages that came to one receiver.
    fn receive(&mut self, row: usize, buffer: &mut [u8]) -> Result<Range<u64>, String> {
        let receiver = &mut self.receivers[row];
        let first = receiver.next;
        let count = match net::recv(&receiver.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Err("was closed by the server".to_owned()),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(first..first),
            Err(error) => return Err(error.to_string()),
        };
        let input = &buffer[..count];
        if receiver.rest.is_empty() {
            let used = receiver.take(input, &self.payload, row)?;
            receiver.rest.extend_from_slice(&input[used..]);
        } else {
            let mut rest = std::mem::take(&mut receiver.rest);
            rest.extend_from_slice(input);
            let used = receiver.take(&rest, &self.payload, row)?;
            rest.drain(..used);
            receiver.rest = rest;
        }
        match receiver.next > self.sent {
            true => Err(format!("message {} came, and was never sent", receiver.next - 1)),
            false => Ok(first..receiver.next),
        }
    }

    fn send(&mut self, count: usize) -> Result<(), String> {
        if count == 0 {
            return Ok(());
        }
        let mut frames = Vec::with_capacity(count * (self.payload.len() + 14));
        for _ in 0..count {
            self.payload[..NUMBER_BYTES].copy_from_slice(&self.sent.to_be_bytes());
            append_masked(&mut frames, FIN | BINARY, KEY, &self.payload);
            self.sent += 1;
        }
        // Sixteen short messages fit into any socket: everybody has got what was sent before.
        match net::send(&self.receivers[0].socket, &frames, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == frames.len() => Ok(()),
            Ok(sent) => Err(format!("the kernel took {sent} of the sender's {} bytes", frames.len())),
            Err(error) => Err(format!("the sender: {error}")),
        }
    }
}

impl Receiver {
    /// Checks whole frames; how many bytes of them there were. Text is the server's own, a greeting perhaps.
    fn take(&mut self, input: &[u8], payload: &[u8], row: usize) -> Result<usize, String> {
        let mut used = 0;
        while let Some(header) = decode(&input[used..]) {
            let Some(frame) = input[used..].get(..header.frame_bytes()) else { break };
            used += frame.len();
            if header.first == FIN | TEXT && header.first & COMPRESSED == 0 {
                continue;
            }
            let came = &frame[header.bytes..];
            if header.first != FIN | BINARY || came.len() != payload.len() {
                return Err(format!(
                    "a frame {:#04x} of {} bytes, wanted message {}",
                    header.first,
                    came.len(),
                    self.next
                ));
            }
            if came[..NUMBER_BYTES] != self.next.to_be_bytes() {
                return Err(format!("another message's number came, wanted {}", self.next));
            }
            if (self.next + row as u64).is_multiple_of(CHECKED_EVERY) && came[NUMBER_BYTES..] != payload[NUMBER_BYTES..]
            {
                return Err(format!("the content of message {} is not what was sent", self.next));
            }
            self.next += 1;
        }
        Ok(used)
    }
}
