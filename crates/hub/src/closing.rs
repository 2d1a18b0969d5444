//! How a connection ends: the close frame, the flush, the wait for the peer's end, and the row's release.

use crate::command::Refused;
use crate::deadlines::Wait;
use crate::event::{Closed, Status};
use crate::outbound::Outbound;
use crate::outbox::{Flushed, Outbox};
use crate::sending::{Phase, Sending};
use crate::settings::DISCARD_BYTES_MAX;
use crate::wire::Wire;
use wirewool_proto::websocket::frame::{self, Opcode};
use wirewool_proto::websocket::sender::Sequence;

impl Outbound {
    pub(crate) fn disconnect(&mut self, row: u32, payload: &[u8], wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return Err(Refused::Closing);
        }
        if sending.status != Status::Active {
            return Err(Refused::NotWebSocket);
        }
        sending.status = Status::Closing;
        self.farewell(row, payload);
        self.close(row, true, wire);
        Ok(())
    }

    /// The peer ended it: `payload` is what the close frame will say once the handler is done.
    pub(crate) fn begin_ending(&mut self, row: u32, payload: Vec<u8>) {
        let sending = &mut self.rows[row as usize];
        sending.phase = Phase::Ending;
        sending.farewell = Some(payload);
    }

    pub(crate) fn finish(&mut self, row: u32, wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if sending.phase != Phase::Ending {
            return Err(Refused::Closing);
        }
        if let Some(payload) = sending.farewell.take() {
            self.farewell(row, &payload);
        }
        self.close(row, false, wire);
        Ok(())
    }

    /// Puts the close frame behind everything, a fragmented message that will never be finished included.
    fn farewell(&mut self, row: u32, payload: &[u8]) {
        let header = frame::encode(Opcode::Close, true, 0, payload.len(), None);
        let sending = &mut self.rows[row as usize];
        let held = std::mem::take(&mut sending.held);
        if sending.sequence == Sequence::Between {
            sending.outbox.append([&held, &[]], &mut self.spares);
        }
        sending.outbox.append([header.bytes(), payload], &mut self.spares);
    }

    /// Nothing more is accepted: what is owed goes out, then the connection ends.
    pub(crate) fn close(&mut self, row: u32, by_server: bool, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if !matches!(sending.phase, Phase::Open | Phase::Ending) {
            return;
        }
        sending.phase = Phase::Closing;
        sending.waiting = false;
        sending.closed_by_server = by_server;
        self.end(row);
        let sending = &mut self.rows[row as usize];
        let place = sending.place(row);
        let flushed = sending.outbox.flush(place, wire, &mut self.spares);
        if flushed == Flushed::Blocked {
            self.deadlines.set(row, Wait::Flush, self.now);
        }
        self.after_send(row, flushed, wire);
    }

    /// The peer ended its stream.
    pub(crate) fn end_of_stream(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        sending.eof = true;
        match sending.phase {
            Phase::Open | Phase::Ending => self.close(row, false, wire),
            Phase::Draining => return self.gone(row, wire),
            _ => {}
        }
        self.reading(row, false, wire);
    }

    /// What a closing peer sent is thrown away, up to a limit.
    pub(crate) fn discard(&mut self, row: u32, n: usize, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        sending.discarded = sending.discarded.saturating_add(n as u32);
        if sending.discarded as usize > DISCARD_BYTES_MAX {
            match sending.phase {
                Phase::Draining => self.gone(row, wire),
                _ => self.reading(row, false, wire),
            }
        }
    }

    /// Nothing can be sent or received any more.
    pub(crate) fn gone(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if matches!(sending.phase, Phase::Free | Phase::Gone) {
            return;
        }
        sending.phase = Phase::Gone;
        sending.waiting = false;
        sending.outbox = Outbox::default();
        (sending.held, sending.farewell) = (Vec::new(), None);
        wire.close(sending.place(row));
        self.deadlines.clear(row);
        self.end(row);
        self.free_if_done(row);
    }

    /// The handler will be told, once.
    fn end(&mut self, row: u32) {
        let sending = &mut self.rows[row as usize];
        if !std::mem::replace(&mut sending.ended, true) {
            self.ended.push(row);
        }
    }

    pub(crate) fn closed(&self, row: u32) -> Closed {
        let sending = &self.rows[row as usize];
        Closed { by_server: sending.closed_by_server, status: sending.status }
    }

    /// The handler is done with it: its fd is unknown from now on.
    pub(crate) fn forget(&mut self, row: u32, wire: &mut dyn Wire) -> Result<(), Refused> {
        let sending = &mut self.rows[row as usize];
        if !sending.ended || std::mem::replace(&mut sending.forgotten, true) {
            return Err(Refused::Unknown);
        }
        if let Some(fd) = sending.fd.take() {
            self.directory.remove(&fd);
            wire.released(fd);
        }
        self.free_if_done(row);
        Ok(())
    }

    fn free_if_done(&mut self, row: u32) {
        let sending = &mut self.rows[row as usize];
        if sending.phase == Phase::Gone && sending.forgotten {
            *sending = Sending::free(sending.generation.wrapping_add(1));
            self.freed.push(row);
        }
    }
}
