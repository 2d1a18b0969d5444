//! When what was pushed leaves: at once, or with the rest of its batch.

use crate::outbound::Outbound;
use crate::outbox::{BATCH_BYTES_MAX, Flushed};
use crate::time::Moment;
use crate::wire::Wire;

/// How long bytes may wait for the end of their batch; looked at when a handler returns, or after several have.
const BATCH_MICROS_MAX: u64 = 1_000;

/// For each connection that waits so much longer, up to a limit: about what sending to it takes. Or else a broadcast to
/// thousands would send to all of them again and again while its batch is handled.
const BATCH_MICROS_EACH: u64 = 5;
const BATCH_MICROS_LIMIT: u64 = 10_000;

/// The clock is read after so many messages of a batch.
const MESSAGES_PER_LOOK: u32 = 32;

/// For so long after a batch that took longer it is read after each: handlers that are slow once are slow again.
const WATCH_MS: u64 = 100;

impl Outbound {
    /// Adds bytes to what is owed. Whoever has a stretch of the tape is among those who wait for the end of the batch.
    #[inline]
    pub(crate) fn append(&mut self, row: u32, parts: [&[u8]; 2]) {
        if self.dirty.is_empty() {
            self.spares.tape.rewind();
        }
        self.rows[row as usize].outbox.append(parts, &mut self.spares);
    }

    /// Sends what was just appended: now, or with the last message of its batch.
    #[inline]
    pub(crate) fn send_soon(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        // Where some wait already, the last message's pushes wait with them for its handler to return: then the kernel is
        // called for all of them in one go, while their readers are awake.
        let is_alone = !self.more && self.dirty.is_empty();
        if is_alone || sending.outbox.owed() >= BATCH_BYTES_MAX {
            let place = sending.place(row);
            let flushed = sending.outbox.flush(place, wire, &mut self.spares);
            if flushed != Flushed::Empty {
                self.after_send(row, flushed, wire);
            }
        } else if !sending.dirty {
            sending.dirty = true;
            if self.dirty.is_empty() {
                self.dirty_since_micros = wire.micros();
            }
            self.dirty.push(row);
        }
    }

    /// The batch ends: everything that waited for that goes out.
    #[inline]
    pub(crate) fn flush_dirty(&mut self, wire: &mut dyn Wire) {
        while let Some(row) = self.dirty.pop() {
            let sending = &mut self.rows[row as usize];
            sending.dirty = false;
            let place = sending.place(row);
            let flushed = sending.outbox.flush(place, wire, &mut self.spares);
            if flushed != Flushed::Empty {
                self.after_send(row, flushed, wire);
            }
        }
    }

    /// A handler may have taken long in this pass: what is waited for from now on is not due because of that.
    pub(crate) fn read_clock(&mut self, wire: &mut dyn Wire) {
        self.now = self.now.max(Moment::from_micros(wire.micros()));
    }

    /// So many messages of a batch are handled: is it time to look at the clock?
    #[inline]
    pub(crate) fn is_time_to_look(&self, messages: u32) -> bool {
        messages.is_multiple_of(MESSAGES_PER_LOOK) || self.now < self.watched_until
    }

    /// A batch that takes long does not keep others waiting.
    pub(crate) fn flush_if_late(&mut self, wire: &mut dyn Wire) {
        if self.dirty.is_empty() {
            return;
        }
        let micros = wire.micros();
        let patience = (self.dirty.len() as u64 * BATCH_MICROS_EACH).clamp(BATCH_MICROS_MAX, BATCH_MICROS_LIMIT);
        if micros >= self.dirty_since_micros + patience {
            self.now = self.now.max(Moment::from_micros(micros));
            self.watched_until = self.now + WATCH_MS;
            self.flush_dirty(wire);
        }
    }
}
