//! What one side sends, however it sends it, is what the other receives.

use crate::choices::{Choices, Cuts};
use crate::frames::{Bits, Reader, Seen, Spares, append_frame};
use wirewool_proto::websocket::deflate::Deflater;
use wirewool_proto::websocket::extension::{WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use wirewool_proto::websocket::frame::{Opcode, RSV1};
use wirewool_proto::websocket::message::Kind;
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::sender::{Admission, Sequence};

/// The longest message here, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// With so many bytes an input has sent enough, and with so many before they were compressed.
const STREAM_BYTES: usize = 4 << 10;
const PAYLOAD_BYTES: usize = 12 << 10;

/// So many windows are compressed at most: at the end of each, a compressor goes through all of its memory.
const WINDOWS: usize = 4;

/// A long message goes out in about so many fragments, a short one in as many as ten times that: for each, its reader
/// asks for more memory, and the sanitizer moves all of it.
const FRAGMENTS: usize = 4;
const LONG_BYTES_MIN: usize = 4 << 10;

/// Their bytes arrive in about so many pieces, if they are many.
const PIECES: usize = 300;

/// Messages with random settings on both ends (takeover, window, level), in random fragments with pings between them,
/// under random masks.
pub fn round_trip(data: &[u8]) {
    let mut choices = Choices::new(data);
    let bits = choices.within(WINDOW_BITS_MIN..=WINDOW_BITS_MAX);
    let agreed_bits = choices.within(bits..=WINDOW_BITS_MAX);
    let sides = choices.byte();
    let takeover = sides & 1 == 1;
    let role = if sides & 2 == 0 { Role::Server } else { Role::Client };
    let level = choices.within(1..=9);
    let direct_bytes_min = choices.flag().then_some(usize::from(choices.byte()));
    let mut cuts = Cuts::new(choices.byte());
    let mut sender = Sender {
        to: role,
        takeover,
        deflater: Deflater::new(level, bits),
        sequence: Sequence::Between,
        stream: Vec::new(),
        sent: Vec::new(),
        payload_bytes: 0,
        deflate_bytes: WINDOWS << bits,
    };
    while !choices.is_empty() && sender.stream.len() < STREAM_BYTES && sender.payload_bytes < PAYLOAD_BYTES {
        sender.send(&mut choices, &mut cuts);
    }
    let inflating = Some((takeover, agreed_bits));
    let reader = Reader { role, inflating, bytes_max: MESSAGE_BYTES_MAX, direct_bytes_min };
    // The second reader finds the blocks and the inflaters that the first one left.
    let mut spares = Spares::default();
    assert_eq!(reader.read_with(&[&sender.stream], &mut spares), sender.sent, "in one piece");
    assert_eq!(reader.read_with(&cuts.about(PIECES, &sender.stream), &mut spares), sender.sent, "cut");
}

/// A sender, and what the receiver must see of what it sent.
struct Sender {
    to: Role,
    takeover: bool,
    deflater: Deflater,
    sequence: Sequence,
    stream: Vec<u8>,
    sent: Vec<Seen>,
    payload_bytes: usize,
    /// How much may still be compressed.
    deflate_bytes: usize,
}

impl Sender {
    /// Sends one message that the choices describe.
    fn send(&mut self, choices: &mut Choices<'_>, cuts: &mut Cuts) {
        let kind = if choices.flag() { Kind::Binary } else { Kind::Text };
        let (compressed, whole, pings) = (choices.flag(), choices.flag(), choices.flag());
        let forgets = choices.flag();
        // Seldom so much that its length takes 64 bits.
        let repeat = choices.one_of(&[1, 2, 30, 300, 1, 2, 30, 1, 2, 30, 1, 2, 30, 1, 2, 30]);
        let bytes = choices.some().repeat(repeat);
        let payload = match kind {
            Kind::Text => String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
            Kind::Binary => bytes,
        };
        self.payload_bytes += payload.len();
        let compressed = compressed && (1..=self.deflate_bytes).contains(&payload.len());
        let wire = if compressed { self.deflate(&payload, forgets) } else { payload.clone() };
        let count = if wire.len() < LONG_BYTES_MIN { 10 * FRAGMENTS } else { FRAGMENTS };
        let fragments = if whole || wire.is_empty() { vec![&wire[..]] } else { cuts.about(count, &wire) };
        let last = fragments.len() - 1;
        for (number, fragment) in fragments.into_iter().enumerate() {
            let opcode = if number == 0 { kind.opcode() } else { Opcode::Continuation };
            let rsv = if compressed && number == 0 { RSV1 } else { 0 };
            self.frame(opcode, number == last, rsv, fragment, cuts);
            if pings && number < last && number < 3 {
                self.frame(Opcode::Ping, true, 0, &[number as u8], cuts);
                self.sent.push(Seen::Ping(vec![number as u8]));
            }
        }
        self.sent.push(Seen::Message { kind, payload, compressed });
    }

    fn frame(&mut self, opcode: Opcode, fin: bool, rsv: u8, payload: &[u8], cuts: &mut Cuts) {
        assert_eq!(self.sequence.admit(opcode, fin), Ok(Admission::Now));
        let key = std::array::from_fn(|_| cuts.length(256) as u8);
        let key = (self.to == Role::Server).then_some(key);
        append_frame(opcode, Bits { fin, rsv, key }, payload, &mut self.stream);
    }

    /// With a context that is kept, to forget it is the sender's right; without one it is its duty.
    fn deflate(&mut self, payload: &[u8], forgets: bool) -> Vec<u8> {
        if forgets || !self.takeover {
            self.deflater.reset();
        }
        self.deflate_bytes -= payload.len();
        let mut bytes = Vec::new();
        self.deflater.deflate(payload, &mut bytes);
        bytes
    }
}
