//! How a connection ends: the close frame, the flush, the wait for the peer's end, and the row's release.

use crate::command::Refused;
use crate::deadlines::Wait;
use crate::event::{Closed, Status};
use crate::outbound::Outbound;
use crate::outbox::{Flushed, Outbox};
use crate::sending::{End, Phase, Reply, Sending};
use crate::wire::Wire;
use wirewool_proto::websocket::frame::{self, Opcode};

impl Outbound {
    pub(crate) fn disconnect(&mut self, row: u32, payload: Vec<u8>, wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return Err(Refused::Closing);
        }
        if sending.status != Status::Active {
            return Err(Refused::NotWebSocket);
        }
        sending.aside().farewell = Some(payload);
        self.set_status(row, Status::Closing, wire);
        self.close(row, true, wire);
        Ok(())
    }

    /// The peer ended it: `farewell` is what the close frame will say once the handler is done, if there is to be one.
    pub(crate) fn begin_ending(&mut self, row: u32, farewell: Option<Vec<u8>>) {
        let sending = &mut self.rows[row as usize];
        sending.phase = Phase::Ending;
        if farewell.is_some() {
            sending.aside().farewell = farewell;
        }
    }

    pub(crate) fn finish(&mut self, row: u32, wire: &mut dyn Wire) -> Result<(), Refused> {
        if self.rows[row as usize].phase != Phase::Ending {
            return Err(Refused::Closing);
        }
        self.close(row, false, wire);
        Ok(())
    }

    /// Nothing more is accepted: what is owed goes out, a close frame behind it if there is to be one, then the
    /// connection ends.
    pub(crate) fn close(&mut self, row: u32, by_server: bool, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return;
        }
        sending.phase = Phase::Closing;
        sending.fd.into_iter().for_each(|fd| wire.closing(fd));
        self.read_clock(wire);
        let sending = &mut self.rows[row as usize];
        sending.reply = Reply::None;
        sending.closed_by_server = by_server;
        if let Some(aside) = sending.aside.take() {
            // What waits for the end of a fragmented message can never go out.
            if !aside.held.is_empty() {
                self.level(row, wire);
            }
            if let Some(payload) = aside.farewell {
                let header = frame::encode(Opcode::Close, true, 0, payload.len(), None);
                self.append(row, [header.bytes(), &payload]);
            }
        }
        self.end(row);
        let sending = &mut self.rows[row as usize];
        let place = sending.place(row);
        let flushed = sending.outbox.flush(place, wire, &mut self.spares);
        if flushed == Flushed::Blocked {
            self.deadlines.set(row, Wait::Flush, self.now);
        }
        self.after_send(row, flushed, wire);
    }

    /// A closing connection was sent all it was owed: only the peer's end is waited for.
    pub(crate) fn all_sent(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if sending.eof {
            return self.gone(row, wire);
        }
        sending.phase = Phase::Draining;
        wire.shut_down(sending.place(row));
        self.deadlines.set(row, Wait::Close, self.now);
        self.watch(row, wire);
    }

    /// The peer ended its stream.
    pub(crate) fn end_of_stream(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        sending.eof = true;
        match sending.phase {
            Phase::Open | Phase::Ending => self.close(row, false, wire),
            Phase::Draining => self.gone(row, wire),
            _ => self.watch(row, wire),
        }
    }

    /// The peer ended its stream while a request of its is being handled. It may still take the answer, but is not kept
    /// for ever.
    pub(crate) fn peer_ended(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        sending.peer_ended = true;
        if sending.phase == Phase::Open && self.deadlines.wait(row).is_none() {
            self.deadlines.set(row, Wait::KeepAlive, self.now);
        }
        self.watch(row, wire);
    }

    /// What a closing peer sent is thrown away, up to a limit. Beyond that it is not read any more, and has the rest of
    /// its time to take what is under way: closing now, with input unread, would make the kernel drop that.
    pub(crate) fn discard(&mut self, row: u32, n: usize, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        sending.discarded = sending.discarded.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        self.watch(row, wire);
    }

    /// Nothing can be sent or received any more.
    pub(crate) fn gone(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if matches!(sending.phase, Phase::Free | Phase::Gone) {
            return;
        }
        if matches!(sending.phase, Phase::Open | Phase::Ending) {
            sending.fd.into_iter().for_each(|fd| wire.closing(fd));
        }
        sending.phase = Phase::Gone;
        sending.reply = Reply::None;
        let was_stuck = sending.stuck() > 0;
        sending.outbox = Outbox::default();
        sending.aside = None;
        if was_stuck {
            self.level(row, wire);
        }
        wire.close(self.rows[row as usize].place(row));
        self.deadlines.clear(row);
        if let Some(silence) = &mut self.silence {
            silence.clear(row);
        }
        self.end(row);
        self.free_if_done(row);
    }

    /// The handler will be told, once.
    fn end(&mut self, row: u32) {
        let sending = &mut self.rows[row as usize];
        if sending.end == End::Alive {
            sending.end = End::Due;
            self.ended.push(row);
        }
    }

    /// The handler is told: how did it end?
    pub(crate) fn tell(&mut self, row: u32) -> Closed {
        let sending = &mut self.rows[row as usize];
        sending.end = End::Told;
        Closed { by_server: sending.closed_by_server, status: sending.status }
    }

    /// The handler is done with it: its fd is unknown from now on.
    pub(crate) fn forget(&mut self, row: u32, wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if sending.end != End::Told {
            return Err(Refused::Unknown);
        }
        sending.end = End::Forgotten;
        if let Some(fd) = sending.fd {
            self.directory.remove(fd, &self.rows);
            self.rows[row as usize].fd = None;
            wire.released(self.rows[row as usize].place(row), fd);
        }
        self.free_if_done(row);
        Ok(())
    }

    fn free_if_done(&mut self, row: u32) {
        let sending = &mut self.rows[row as usize];
        if sending.phase == Phase::Gone && sending.end == End::Forgotten {
            *sending = Sending::free(sending.generation.wrapping_add(1));
            self.freed.push(row);
        }
    }
}
