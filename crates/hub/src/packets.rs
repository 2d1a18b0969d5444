//! The packets of one read of a raw connection: each goes to the handler, and who sends something else is closed.

use crate::event::{Ending, Event, Handler, Verdict};
use crate::frames::{deliver, ending};
use crate::outbound::Outbound;
use crate::sending::Phase;
use crate::wire::Wire;
use wirewool_proto::packets::{PacketReader, Packets};

/// Hands out every packet of one read; what is left in `reader` waits for the next one.
pub(crate) fn packets(
    packets: Packets,
    reader: &mut PacketReader,
    out: &mut Outbound,
    row: u32,
    input: &[u8],
    wire: &mut dyn Wire,
    handler: &mut dyn Handler,
) -> Verdict {
    let packet_bytes_max = out.settings(row).message_bytes_max;
    let (mut at, mut count) = (0, 0);
    while out.rows[row as usize].phase == Phase::Open {
        let verdict = match reader.next(packets, packet_bytes_max, &input[at..]) {
            Ok(None) => break,
            Ok(Some((used, packet))) => {
                at += used;
                out.more = at < input.len();
                deliver(out, row, Event::Received(packet), wire, handler)
            }
            Err(error) => ending(out, row, None, Ending::Packet(error), wire, handler),
        };
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
