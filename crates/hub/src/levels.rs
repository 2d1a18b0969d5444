//! What a connection does not take, as a level: the wire hears of each change, the handler of two marks.

use crate::event::Event;
use crate::outbound::Outbound;
use crate::sending::{Phase, Sending};
use crate::settings::Settings;
use crate::wire::Wire;

impl Outbound {
    /// What the kernel did not take, or what is held aside, has changed. Never where all is sent at once.
    #[cold]
    pub(crate) fn level(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &self.rows[row as usize];
        wire.owes(sending.place(row), sending.stuck());
        if !sending.crossed && crosses(sending, self.settings(row)) {
            self.rows[row as usize].crossed = true;
            self.crossed.push(row);
        }
    }

    /// A connection whose handler does not know yet on which side of its marks it is, and what it is to hear. One that
    /// has been on the other side only for a while is none.
    pub(crate) fn next_crossed(&mut self) -> Option<(u32, Event<'static>)> {
        while let Some(row) = self.crossed.pop() {
            let crosses = crosses(&self.rows[row as usize], self.settings(row));
            let sending = &mut self.rows[row as usize];
            sending.crossed = false;
            if crosses {
                sending.full = !sending.full;
                return Some((row, if sending.full { Event::BufferFull } else { Event::BufferEmpty }));
            }
        }
        None
    }
}

/// Is it beyond a mark, in other words than its handler knows?
fn crosses(sending: &Sending, settings: &Settings) -> bool {
    if !settings.buffer_events || sending.phase != Phase::Open {
        return false;
    }
    let high = settings.buffer_high_watermark_bytes.unwrap_or(settings.outbox_bytes_max / 5 * 4);
    match sending.full {
        false => sending.stuck() > high,
        true => sending.stuck() <= settings.buffer_low_watermark_bytes.min(high),
    }
}
