//! All sending halves: what a handler may touch while it looks at a message of the receiving half.

use crate::command::{After, Command, Info, Outlet, Push, Refused};
use crate::deadlines::{Deadlines, Wait};
use crate::directory::Directory;
use crate::event::Status;
use crate::fd::{Fd, Place};
use crate::outbox::{Flushed, Spares};
use crate::sending::{End, Phase, Reply, Sending};
use crate::settings::Settings;
use crate::silence::Silence;
use crate::time::Moment;
use crate::wire::Wire;
use std::cell::Cell;
use wirewool_proto::websocket::close;
use wirewool_proto::websocket::deflate::growth_max;
use wirewool_proto::websocket::deflation::{Deflaters, Deflation};
use wirewool_proto::websocket::frame::{self, CONTROL_BYTES_MAX, Encoded, HEADER_BYTES_MAX, Opcode};
use wirewool_proto::websocket::message::Payload;
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::sender::{Admission, Sequence};

/// The size from which a payload is sent from where it is, instead of through a copy.
const THROUGH_BYTES_MIN: usize = 8 << 10;

/// All sending halves of a loop, and what is to be done about them at the end of the pass.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// By the index that each connection has.
    pub(crate) ports: Vec<Settings>,
    pub(crate) push_bytes_max: usize,
    /// From that owed on, a connection is not read from.
    congestion_bytes: usize,
    /// What may be owed to a connection; for a command that was promised room, everything.
    pub(crate) outbox_bytes_max: usize,
    pub(crate) rows: Vec<Sending>,
    pub(crate) directory: Directory,
    /// The row that was asked for last, or is the next to be: that of a received message, or of a walk over all.
    hint: Cell<u32>,
    pub(crate) deadlines: Deadlines,
    pub(crate) silence: Option<Silence>,
    pub(crate) spares: Spares,
    deflaters: Deflaters,
    /// The time of the pass.
    pub(crate) now: Moment,
    /// The longest message of the connection that is read from; of a single port's it is always the same.
    pub(crate) message_bytes_max: usize,
    /// More input of the same read waits to be handled.
    pub(crate) more: bool,
    /// Those who wait for that, and since when the first of them does.
    pub(crate) dirty: Vec<u32>,
    pub(crate) dirty_since_micros: u64,
    /// Until then, the clock is read after each message.
    pub(crate) watched_until: Moment,
    /// Those who may have crossed a mark.
    pub(crate) crossed: Vec<u32>,
    pub(crate) answered: Vec<u32>,
    pub(crate) ended: Vec<u32>,
    pub(crate) freed: Vec<u32>,
}

impl Outbound {
    pub(crate) fn new(ports: Vec<Settings>) -> Outbound {
        let settings = ports.first().expect("a server has a port");
        let durations_ms = [
            settings.head_timeout_ms,
            settings.handshake_timeout_ms,
            settings.keep_alive_timeout_ms,
            settings.flush_timeout_ms,
            settings.close_timeout_ms,
        ];
        let silence = Silence::new(settings);
        Outbound {
            push_bytes_max: settings.push_bytes_max,
            congestion_bytes: settings.outbox_bytes_max / 2,
            outbox_bytes_max: settings.outbox_bytes_max,
            rows: Vec::new(),
            directory: Directory::default(),
            hint: Cell::new(0),
            deadlines: Deadlines::new(durations_ms),
            silence,
            spares: Spares::default(),
            deflaters: Deflaters::default(),
            now: Moment(0),
            message_bytes_max: settings.message_bytes_max,
            ports,
            more: false,
            dirty: Vec::new(),
            dirty_since_micros: 0,
            watched_until: Moment(0),
            crossed: Vec::new(),
            answered: Vec::new(),
            ended: Vec::new(),
            freed: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, row: u32, fd: Fd, port: u8) -> Place {
        if self.rows.len() <= row as usize {
            self.rows.push(Sending::free(0));
        }
        let sending = &mut self.rows[row as usize];
        *sending = Sending { fd: Some(fd), port, phase: Phase::Open, ..Sending::free(sending.generation) };
        let place = sending.place(row);
        self.directory.insert(fd, row, &self.rows);
        if let Some(silence) = &mut self.silence {
            silence.open(row, self.now);
        }
        place
    }

    /// What the port of this row's connection was told.
    #[inline]
    pub(crate) fn settings(&self, row: u32) -> &Settings {
        &self.ports[usize::from(self.rows[row as usize].port)]
    }

    /// The row of a place, unless it is stale.
    pub(crate) fn row(&self, place: Place) -> Option<u32> {
        let sending = self.rows.get(place.index())?;
        (sending.generation == place.generation && sending.phase != Phase::Free).then_some(place.row)
    }

    /// A command for the connection of this row is likely.
    #[inline]
    pub(crate) fn expect(&self, row: u32) {
        self.hint.set(row);
    }

    #[inline]
    pub(crate) fn find(&self, fd: Fd) -> Option<u32> {
        let hint = self.hint.get();
        if self.rows.get(hint as usize).is_some_and(|sending| sending.fd == Some(fd)) {
            return Some(hint);
        }
        let row = self.directory.find(fd, &self.rows)?;
        self.hint.set(row);
        Some(row)
    }

    pub(crate) fn connections(&self) -> usize {
        self.directory.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, row: u32, push: Push<'_>, wire: &mut dyn Wire) -> Result<(), Refused> {
        let Push { opcode, fin, compress, payload } = push;
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return Err(Refused::Closing);
        }
        if sending.status != Status::Active {
            return Err(Refused::NotWebSocket);
        }
        let len = payload.bytes().len();
        if opcode.is_control() && len > CONTROL_BYTES_MAX {
            return Err(Refused::ControlTooLong(len));
        }
        if len > self.push_bytes_max {
            return Err(Refused::TooLarge { len, limit: self.push_bytes_max });
        }
        let fin = fin || opcode.is_control();
        if sending.deflation.is_some() {
            let threshold = self.ports[usize::from(sending.port)].deflate_threshold;
            let compress = compress || threshold.is_some_and(|threshold| len >= threshold);
            if compress && fin && len > 0 && matches!(opcode, Opcode::Text | Opcode::Binary) {
                return self.push_deflated(row, opcode, payload, wire);
            }
        }
        let header = frame::encode(opcode, fin, 0, len, None);
        check_room(sending.owed(), header.bytes().len() + len, self.outbox_bytes_max)?;
        let admission = sending.sequence.admit(opcode, fin)?;
        self.send_frame(row, admission, &header, payload, wire);
        Ok(())
    }

    /// Sends a whole message, compressed (RFC 7692 §7.2.1). It is compressed in the order in which it is sent.
    #[cold]
    #[inline(never)]
    fn push_deflated(
        &mut self,
        row: u32,
        opcode: Opcode,
        payload: Payload<'_>,
        wire: &mut dyn Wire,
    ) -> Result<(), Refused> {
        let level = self.settings(row).deflate_level;
        let sending = &mut self.rows[row as usize];
        let len = payload.bytes().len();
        // Before the compressor has seen it: a message that is refused must leave no trace in its context.
        let room = HEADER_BYTES_MAX + len + growth_max(len);
        check_room(sending.owed(), room, self.outbox_bytes_max)?;
        let admission = sending.sequence.admit(opcode, true)?;
        let deflated = sending
            .deflation
            .as_mut()
            .and_then(|deflation| deflation.deflate(payload.bytes(), level, &mut self.deflaters));
        match &deflated {
            Some(bytes) => {
                let header = frame::encode(opcode, true, frame::RSV1, bytes.len(), None);
                self.send_frame(row, admission, &header, Payload::Borrowed(bytes), wire);
            }
            None => self.send_frame(row, admission, &frame::encode(opcode, true, 0, len, None), payload, wire),
        }
        Ok(())
    }

    /// Sends an admitted frame: now, or behind the fragmented message that is under way.
    #[inline]
    fn send_frame(
        &mut self,
        row: u32,
        admission: Admission,
        header: &Encoded,
        payload: Payload<'_>,
        wire: &mut dyn Wire,
    ) {
        let sending = &mut self.rows[row as usize];
        if admission == Admission::Later {
            let held = &mut sending.aside().held;
            held.extend_from_slice(header.bytes());
            held.extend_from_slice(payload.bytes());
            return self.level(row, wire);
        }
        if payload.bytes().len() >= THROUGH_BYTES_MIN && !sending.outbox.has_backlog() {
            let place = sending.place(row);
            let flushed = sending.outbox.send_through(header.bytes(), payload, place, wire, &mut self.spares);
            self.after_send(row, flushed, wire);
        } else {
            self.append(row, [header.bytes(), payload.bytes()]);
            self.send_soon(row, wire);
        }
        self.release_held(row, wire);
    }

    /// Answers a ping.
    pub(crate) fn pong(&mut self, row: u32, payload: &[u8], wire: &mut dyn Wire) {
        // Refused when the outbox is full: a peer that reads nothing gets no pong either.
        let _ = self.push(
            row,
            Push { opcode: Opcode::Pong, fin: true, compress: false, payload: Payload::Borrowed(payload) },
            wire,
        );
    }

    /// A fragmented message is finished: what waited for that goes out.
    fn release_held(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if sending.aside.is_none() || sending.sequence == Sequence::Within {
            return;
        }
        let held = std::mem::take(&mut sending.aside().held);
        if !held.is_empty() {
            self.append(row, [&held, &[]]);
            self.level(row, wire);
            self.send_soon(row, wire);
        }
    }

    fn send(&mut self, row: u32, bytes: &[u8], wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return Err(Refused::Closing);
        }
        if bytes.len() > self.push_bytes_max {
            return Err(Refused::TooLarge { len: bytes.len(), limit: self.push_bytes_max });
        }
        self.queue(row, bytes, wire)
    }

    /// Bytes as they are, behind what is owed.
    pub(crate) fn queue(&mut self, row: u32, bytes: &[u8], wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        check_room(sending.owed(), bytes.len(), self.outbox_bytes_max)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() >= THROUGH_BYTES_MIN && !sending.outbox.has_backlog() {
            let place = sending.place(row);
            let flushed = sending.outbox.send_through(&[], Payload::Borrowed(bytes), place, wire, &mut self.spares);
            self.after_send(row, flushed, wire);
        } else {
            self.append(row, [bytes, &[]]);
            self.send_soon(row, wire);
        }
        Ok(())
    }

    fn answer(&mut self, row: u32, bytes: &[u8], after: After, wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &self.rows[row as usize];
        if sending.phase != Phase::Open {
            return Err(Refused::Closing);
        }
        if !matches!(sending.reply, Reply::Owed | Reply::Begun) {
            return Err(Refused::NotWaiting);
        }
        if matches!(after, After::Upgrade(_)) && !matches!(sending.status, Status::Upgrading | Status::OwnHandshake) {
            return Err(Refused::NotWebSocket);
        }
        self.queue(row, bytes, wire)?;
        let sending = &mut self.rows[row as usize];
        if sending.phase != Phase::Open {
            return Ok(());
        }
        match after {
            After::More => sending.reply = Reply::Begun,
            After::Close => self.close(row, true, wire),
            After::Upgrade(agreement) => {
                sending.deflation = agreement.map(|agreement| Box::new(Deflation::new(Role::Server, &agreement)));
                self.set_status(row, Status::Active, wire);
                self.deadlines.clear(row);
                self.given(row);
            }
            After::KeepAlive => {
                self.set_status(row, Status::Plain, wire);
                self.read_clock(wire);
                self.deadlines.set(row, Wait::KeepAlive, self.now);
                self.given(row);
            }
        }
        Ok(())
    }

    pub(crate) fn set_status(&mut self, row: u32, status: Status, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if std::mem::replace(&mut sending.status, status) != status {
            sending.fd.into_iter().for_each(|fd| wire.status(fd, status));
        }
    }

    fn given(&mut self, row: u32) {
        self.rows[row as usize].reply = Reply::Given;
        self.answered.push(row);
    }

    /// There is room again.
    pub(crate) fn drain(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        let (place, owed) = (sending.place(row), sending.outbox.owed());
        let flushed = sending.outbox.drain(place, wire, &mut self.spares);
        if sending.outbox.owed() < owed {
            // A peer that takes an answer piece by piece is not idle yet.
            if let Some(wait @ (Wait::Flush | Wait::KeepAlive)) = self.deadlines.wait(row) {
                self.deadlines.set(row, wait, self.now);
            }
        }
        self.after_send(row, flushed, wire);
    }

    pub(crate) fn after_send(&mut self, row: u32, flushed: Flushed, wire: &mut dyn Wire) {
        if flushed == Flushed::Broken {
            return self.gone(row, wire);
        }
        let sending = &self.rows[row as usize];
        // One that is gone may have waited until then.
        if flushed == Flushed::Blocked || sending.waits_for.write && sending.phase != Phase::Gone {
            self.level(row, wire);
        }
        let sending = &mut self.rows[row as usize];
        match (flushed, sending.phase) {
            (Flushed::Empty, Phase::Closing) => return self.all_sent(row, wire),
            (Flushed::Empty, _) => {
                let was_congested = std::mem::replace(&mut sending.congested, false);
                if was_congested && sending.reply == Reply::Given {
                    self.answered.push(row);
                }
            }
            // A peer that sends faster than it reads is not read from: back pressure, instead of a full outbox.
            _ => {
                sending.congested |= sending.outbox.owed() > self.congestion_bytes;
            }
        }
        self.watch(row, wire);
    }

    /// What a connection sends stays in the kernel, or is read again.
    pub(crate) fn pause(&mut self, row: u32, paused: bool, wire: &mut dyn Wire) {
        self.rows[row as usize].paused = paused;
        self.watch(row, wire);
    }

    /// Waits for what there is to be waited for.
    #[inline]
    pub(crate) fn watch(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        let interest = sending.interest();
        if sending.waits_for != interest && !matches!(sending.phase, Phase::Gone | Phase::Free) {
            sending.waits_for = interest;
            wire.wait_for(sending.place(row), interest);
        }
    }

    pub(crate) fn apply(&mut self, fd: Fd, command: Command<'_>, wire: &mut dyn Wire) -> Result<(), Refused> {
        let row = self.find(fd).ok_or(Refused::Unknown)?;
        match command {
            Command::Push(push) => self.push(row, push, wire),
            Command::Send(bytes) => self.send(row, bytes, wire),
            Command::Answer { bytes, after } => self.answer(row, bytes, after, wire),
            Command::Disconnect { code, reason } => self.disconnect(row, close::payload(code, reason), wire),
            Command::Close { reset } => {
                if self.rows[row as usize].end != End::Alive {
                    return Err(Refused::Closing);
                }
                if reset {
                    self.rows[row as usize].closed_by_server = true;
                    self.gone(row, wire);
                } else {
                    self.close(row, true, wire);
                }
                Ok(())
            }
            Command::Finish => self.finish(row, wire),
            Command::Forget => self.forget(row, wire),
        }
    }

    pub(crate) fn info(&self, fd: Fd) -> Option<Info> {
        let row = self.find(fd)?;
        let sending = &self.rows[row as usize];
        Some(Info {
            place: sending.place(row),
            status: sending.status,
            owed_bytes: sending.owed(),
            open: matches!(sending.phase, Phase::Open | Phase::Ending),
        })
    }

    pub(crate) fn next_connection(&self, row: u32) -> Option<(Fd, u32)> {
        let (fd, row) =
            (row..).zip(self.rows.get(row as usize..)?).find_map(|(row, sending)| Some((sending.fd?, row)))?;
        self.hint.set(row);
        Some((fd, row + 1))
    }
}

fn check_room(owed: usize, more: usize, limit: usize) -> Result<(), Refused> {
    if owed.saturating_add(more) > limit { Err(Refused::OutboxFull { owed, limit }) } else { Ok(()) }
}

/// The sending halves together with the way out: where commands go.
pub struct Outgoing<'a> {
    pub(crate) out: &'a mut Outbound,
    pub(crate) wire: &'a mut dyn Wire,
}

impl Outlet for Outgoing<'_> {
    #[inline]
    fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        self.out.apply(fd, command, self.wire)
    }

    #[inline]
    fn has(&self, fd: Fd) -> bool {
        self.out.find(fd).is_some()
    }

    fn info(&self, fd: Fd) -> Option<Info> {
        self.out.info(fd)
    }
}
