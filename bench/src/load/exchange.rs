//! Keeps so many messages of each connection on their way: an answer that comes is a message that goes.

use crate::load::Load;
use crate::load::connect::{self, Opened};
use crate::load::ready::wait;
use crate::load::tape::Tape;
use crate::run::{Meter, Run};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};
use std::net::TcpStream;
use std::time::Instant;

const BUFFER_BYTES: usize = 512 << 10;
const READY_MAX: usize = 1024;

struct Connection {
    socket: TcpStream,
    /// The message of the tape that is sent next.
    next: usize,
    /// What the kernel did not take yet: where in the tape's requests, and how much.
    owed_begin: usize,
    owed_bytes: usize,
    /// Whether it is to be told when the kernel takes more.
    waits: bool,
    /// Which answer of the tape is being received, and how much of it has come.
    answer: usize,
    answer_bytes: usize,
    /// How many have come in all.
    answers: u64,
    /// So many answers from now comes that of the message sent at `timed`; none is timed if it is 0.
    timed_in: usize,
    timed: Instant,
}

/// Runs the tape against the server.
///
/// # Errors
/// What went wrong, in words.
pub fn run(load: &Load, tape: Tape, deflate: bool) -> Result<Run, String> {
    let opened = connect::open(load.port, load.connections, deflate)?;
    let mut exchange = Exchange::new(tape, load.in_flight, opened).map_err(|error| error.to_string())?;
    for row in 0..exchange.connections.len() {
        exchange.send(row, load.in_flight, Instant::now())?;
    }
    let mut run = exchange.run(load.meter())?;
    run.content_checked = 1.0 / exchange.tape.checked_every as f64;
    Ok(run)
}

struct Exchange {
    tape: Tape,
    in_flight: usize,
    epoll: OwnedFd,
    connections: Vec<Connection>,
}

impl Exchange {
    fn new(tape: Tape, in_flight: usize, opened: Vec<Opened>) -> Result<Exchange, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(opened.len());
        for (row, Opened { socket, .. }) in opened.into_iter().enumerate() {
            epoll::add(&epoll, &socket, EventData::new_u64(row as u64), EventFlags::IN)?;
            let first = row * 7 % tape.messages();
            connections.push(Connection {
                socket,
                next: first,
                owed_begin: 0,
                owed_bytes: 0,
                waits: false,
                answer: first,
                answer_bytes: 0,
                // Connections take turns in whose answers are compared.
                answers: row as u64,
                timed_in: 0,
                timed: Instant::now(),
            });
        }
        Ok(Exchange { tape, in_flight, epoll, connections })
    }

    fn run(&mut self, mut meter: Meter) -> Result<Run, String> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut ready: Vec<Event> = Vec::with_capacity(READY_MAX);
        loop {
            wait(&self.epoll, &mut ready, "answer")?;
            for event in &ready {
                let row = event.data.u64() as usize;
                if { event.flags }.contains(EventFlags::OUT) {
                    self.flush(row)?;
                }
                if { event.flags }.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.receive(row, &mut buffer, &mut meter)?;
                }
            }
            if let Some(run) = meter.pass(Instant::now()) {
                return Ok(run);
            }
        }
    }

    fn receive(&mut self, row: usize, buffer: &mut [u8], meter: &mut Meter) -> Result<(), String> {
        let connection = &mut self.connections[row];
        let count = match net::recv(&connection.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Err(format!("connection {row} was closed by the server")),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(format!("connection {row}: {error}")),
        };
        let whole =
            connection.take(&buffer[..count], &self.tape).map_err(|wrong| format!("connection {row}: {wrong}"))?;
        if whole == 0 {
            return Ok(());
        }
        let now = Instant::now();
        if whole >= connection.timed_in && connection.timed_in > 0 {
            meter.record(now - connection.timed);
        }
        connection.timed_in = connection.timed_in.saturating_sub(whole);
        meter.messages += whole as u64;
        self.send(row, whole, now)
    }

    /// The next so many messages of the tape, in one write.
    fn send(&mut self, row: usize, count: usize, now: Instant) -> Result<(), String> {
        let connection = &mut self.connections[row];
        let begins = &self.tape.request_begins;
        if connection.owed_bytes == 0 {
            connection.owed_begin = begins[connection.next];
        }
        connection.owed_bytes += begins[connection.next + count] - begins[connection.next];
        connection.next = (connection.next + count) % self.tape.messages();
        if connection.timed_in == 0 {
            // The one sent last is timed; all that are on their way come before it.
            (connection.timed, connection.timed_in) = (now, self.in_flight);
        }
        self.flush(row)
    }

    fn flush(&mut self, row: usize) -> Result<(), String> {
        let connection = &mut self.connections[row];
        if connection.owed_bytes == 0 {
            return Ok(());
        }
        let owed = &self.tape.requests[connection.owed_begin..connection.owed_begin + connection.owed_bytes];
        let sent = match net::send(&connection.socket, owed, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(format!("connection {row}: {error}")),
        };
        let was_whole = sent == owed.len();
        connection.owed_bytes -= sent;
        connection.owed_begin += sent;
        let round = self.tape.request_begins[self.tape.messages()];
        if connection.owed_begin >= round {
            connection.owed_begin -= round;
        }
        connection.wait_for_room(&self.epoll, row, !was_whole).map_err(|error| format!("connection {row}: {error}"))
    }
}

impl Connection {
    /// Compares what came with what must come; how many answers are whole with it.
    fn take(&mut self, mut input: &[u8], tape: &Tape) -> Result<usize, String> {
        let mut whole = 0;
        while !input.is_empty() {
            let begin = tape.answer_begins[self.answer] + self.answer_bytes;
            let end = tape.answer_begins[self.answer + 1];
            let (here, rest) = input.split_at(input.len().min(end - begin));
            // Headers always, which makes sure of every length; contents as often as is affordable.
            let compared = match self.answers % tape.checked_every {
                0 => here.len(),
                _ => tape.payload_begins[self.answer].saturating_sub(begin).min(here.len()),
            };
            let wanted = &tape.answers[begin..begin + compared];
            if here[..compared] != *wanted {
                return Err(self.complaint(here, wanted, begin, tape));
            }
            self.answer_bytes += here.len();
            input = rest;
            if begin + here.len() == end {
                self.answer_bytes = 0;
                self.answer = if self.answer + 1 == tape.messages() { 0 } else { self.answer + 1 };
                self.answers += 1;
                whole += 1;
            }
        }
        Ok(whole)
    }

    fn complaint(&self, came: &[u8], wanted: &[u8], begin: usize, tape: &Tape) -> String {
        let at = came.iter().zip(wanted).position(|(came, wanted)| came != wanted).unwrap_or_default();
        let part = if begin + at < tape.payload_begins[self.answer] { "header" } else { "payload" };
        let byte = begin + at - tape.answer_begins[self.answer];
        format!("byte {byte} of an answer, in its {part}, is {:#04x}, wanted {:#04x}", came[at], wanted[at])
    }

    fn wait_for_room(&mut self, epoll: &OwnedFd, row: usize, waits: bool) -> Result<(), Errno> {
        if self.waits == waits {
            return Ok(());
        }
        self.waits = waits;
        let flags = if waits { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(epoll, &self.socket, EventData::new_u64(row as u64), flags)
    }
}
