//! The frames of one read: messages go to the handler, pings are answered, and a peer that ends it is told so.

use crate::event::{Ending, Event, Handler, Verdict};
use crate::outbound::{Outbound, Outgoing};
use crate::outbox::Spares;
use crate::sending::Phase;
use crate::wire::Wire;
use wirewool_proto::websocket::close;
use wirewool_proto::websocket::receiver::{self, Means, Receiver};
use wirewool_proto::websocket::violation::Violation;

#[inline]
pub(crate) fn deliver(
    out: &mut Outbound,
    row: u32,
    event: Event<'_>,
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    let Some(fd) = out.rows[row as usize].fd else { return Verdict::Handled };
    out.expect(row);
    handler.handle(fd, event, &mut Outgoing { out, wire })
}

/// The hot loop: every frame of one read.
#[inline]
pub(crate) fn websocket(
    receiver: &mut Receiver,
    out: &mut Outbound,
    row: u32,
    input: &mut [u8],
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    let (mut at, end, mut count) = (0, input.len(), 0u32);
    while at < end && out.rows[row as usize].phase == Phase::Open {
        let Spares { pool, inflaters, .. } = &mut out.spares;
        let mut means = Means { pool, inflaters, message_bytes_max: out.message_bytes_max };
        let verdict = match receiver.next(&mut input[at..], &mut means) {
            Ok(None) => break,
            Ok(Some((used, event))) => {
                at += used;
                out.more = at < end;
                deliver_frame(out, row, event, wire, handler)
            }
            Err(violation) => broken(out, row, violation, wire, handler),
        };
        receiver.recycle(&mut out.spares.pool);
        if verdict == Verdict::Stop {
            return Verdict::Stop;
        }
        count += 1;
        if out.is_time_to_look(count) {
            out.flush_if_late(wire);
        }
    }
    Verdict::Handled
}

#[inline]
pub(crate) fn deliver_frame(
    out: &mut Outbound,
    row: u32,
    event: receiver::Event<'_>,
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    let event = match event {
        receiver::Event::Message(message) => Event::Message(message),
        receiver::Event::Ping(payload) if out.settings(row).ping_events => Event::Ping(payload),
        receiver::Event::Ping(payload) => {
            out.pong(row, payload, wire);
            return Verdict::Handled;
        }
        receiver::Event::Pong(payload) if out.settings(row).pong_events => Event::Pong(payload),
        receiver::Event::Pong(_) => return Verdict::Handled,
        receiver::Event::Close(payload) => {
            return ending(out, row, Some(payload.to_vec()), Ending::CloseFrame(payload), wire, handler);
        }
    };
    deliver(out, row, event, wire, handler)
}

#[cold]
pub(crate) fn broken(
    out: &mut Outbound,
    row: u32,
    violation: Violation,
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    let farewell = close::payload(violation.close_code(), "");
    ending(out, row, Some(farewell), Ending::Violation(violation), wire, handler)
}

/// The peer ended it. What came before may still be answered; then the close frame goes out, if there is to be one.
#[cold]
pub(crate) fn ending(
    out: &mut Outbound,
    row: u32,
    farewell: Option<Vec<u8>>,
    ending: Ending<'_>,
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    out.begin_ending(row, farewell);
    let verdict = deliver(out, row, Event::Ending(ending), wire, handler);
    if verdict == Verdict::Handled {
        // Not there any more when the handler closed it.
        let _ = out.finish(row, wire);
    }
    verdict
}
