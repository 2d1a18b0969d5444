//! What a handler in another process needs of a hub: room for what it was promised, a pause while it is behind, and an
//! heir when it dies.

use crate::command::{Command, Info, Outlet, Refused};
use crate::fd::{Fd, Place};
use crate::hub::Hub;
use crate::outbound::Outgoing;
use crate::sending::{End, Phase, Reply};
use crate::wire::Wire;
use wirewool_proto::http::response::Response;

impl Hub {
    /// As [`Hub::outlet`], for commands that were accepted elsewhere already, against a bound that is kept there: they
    /// are taken though more is owed then than the limit.
    pub fn outlet_for_promised<'a>(&'a mut self, wire: &'a mut dyn Wire, more: bool) -> Promised<'a> {
        Promised(self.outlet(wire, more))
    }

    /// The connection's handler is behind, or no longer: while it is, what the peer sends stays in the kernel. One that
    /// is closing goes on as it does. [`Hub::settle`] follows.
    pub fn stall(&mut self, place: Place, stalled: bool, wire: &mut dyn Wire) {
        let Some(row) = self.out.row(place) else { return };
        let sending = &mut self.out.rows[row as usize];
        let was_stalled = std::mem::replace(&mut sending.stalled, stalled);
        if was_stalled && !stalled && sending.reply == Reply::Given {
            self.out.answered.push(row);
        }
        self.out.watch(row, wire);
    }

    /// The handler that this connection's events were given to is dead: what only it could have done is done for it. A
    /// request that it has not answered is answered with 500, one that it has begun to answer ends with its connection,
    /// and it is done with the connection's end. A WebSocket goes on, for another handler. [`Hub::settle`] follows.
    pub fn abandon(&mut self, fd: Fd, wire: &mut dyn Wire) {
        let Some(row) = self.out.find(fd) else { return };
        let sending = &self.out.rows[row as usize];
        match (sending.phase, sending.reply) {
            (Phase::Open, Reply::Owed) => self.refuse(row, &Response::new(500), wire),
            (Phase::Open, Reply::Begun) => self.out.close(row, true, wire),
            (Phase::Ending, _) => self.out.close(row, false, wire),
            _ => {}
        }
        if self.out.rows[row as usize].end == End::Told {
            let _ = self.out.forget(row, wire);
        }
    }
}

/// Where commands go that were promised room: never [`Refused::OutboxFull`].
pub struct Promised<'a>(Outgoing<'a>);

impl Outlet for Promised<'_> {
    #[inline]
    fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        let limit = std::mem::replace(&mut self.0.out.outbox_bytes_max, usize::MAX);
        let result = self.0.apply(fd, command);
        self.0.out.outbox_bytes_max = limit;
        result
    }

    fn has(&self, fd: Fd) -> bool {
        self.0.has(fd)
    }

    fn info(&self, fd: Fd) -> Option<Info> {
        self.0.info(fd)
    }
}
