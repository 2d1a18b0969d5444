//! Turns a seed into messages: their content, their fragments, the pings between these, and which are under way at once.

use fastrand::Rng;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

/// Every plan has one message of this many bytes.
pub const LARGEST: usize = 16 << 20;

/// Where a frame's header changes its length.
const EDGES: [usize; 8] = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537];
const BATCH_MAX: usize = 8;
const FRAGMENTS_MAX: usize = 40;
const PING_BYTES_MAX: usize = 125;
const WORDS: [&str; 10] = ["alpha", " ", "\n", "Grüße", "€", "𝄞", "漢字", "\u{0}", "{\"id\":1}", "\u{10ffff}"];

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A message, and how it is to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub payload: Vec<u8>,
    /// Whether it should be compressed, where the sender can choose.
    pub compress: bool,
    /// The fragments: where each ends, the last at the payload's end, and the ping that follows it.
    fragments: Vec<(usize, Option<Vec<u8>>)>,
}

/// A frame of a message, or between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A fragment.
    Data {
        /// What the message is, in its first fragment; the others continue it.
        first: Option<Kind>,
        /// A part of the payload, with no regard for where characters end.
        payload: &'a [u8],
        /// Whether the message ends here.
        fin: bool,
    },
    /// A ping, of at most 125 bytes.
    Ping(&'a [u8]),
}

impl Message {
    /// `payload` in random fragments.
    pub fn random(rng: &mut Rng, kind: Kind, payload: Vec<u8>) -> Message {
        let count = match rng.u32(..10) {
            0..=5 => 1,
            6..=8 => rng.usize(2..8),
            _ => rng.usize(8..FRAGMENTS_MAX),
        };
        // Some cuts are the same, and some at the ends: these make empty fragments.
        let mut ends: Vec<usize> = (1..count).map(|_| cut(rng, payload.len())).collect();
        ends.push(payload.len());
        ends.sort_unstable();
        let fragments = ends.into_iter().map(|end| (end, (rng.u32(..10) == 0).then(|| ping(rng)))).collect();
        Message { kind, payload, compress: rng.u32(..4) > 0, fragments }
    }

    /// The frames to send, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut start = 0;
        let last = self.fragments.len() - 1;
        self.fragments.iter().enumerate().flat_map(move |(number, (end, ping))| {
            let payload = &self.payload[start..*end];
            start = *end;
            let data = Piece::Data { first: (number == 0).then_some(self.kind), payload, fin: number == last };
            [Some(data), ping.as_deref().map(Piece::Ping)].into_iter().flatten()
        })
    }
}

/// A place in a payload of `length` bytes.
fn cut(rng: &mut Rng, length: usize) -> usize {
    match rng.u32(..6) {
        0 => 0,
        1 => length,
        _ => rng.usize(..=length),
    }
}

fn ping(rng: &mut Rng) -> Vec<u8> {
    let mut payload = vec![0; rng.usize(..=PING_BYTES_MAX)];
    rng.fill(&mut payload);
    payload
}

/// The parameters of permessage-deflate that a client asks for (RFC 7692, section 7.1).
#[derive(Debug, Clone, Copy)]
pub struct Deflate {
    /// The server forgets its window after each message.
    pub server_no_context_takeover: bool,
    /// The client does.
    pub client_no_context_takeover: bool,
    /// The size of the server's window, 9 to 15.
    pub server_max_window_bits: Option<u8>,
    /// The size of the client's.
    pub client_max_window_bits: Option<u8>,
}

/// Messages in batches: those of a batch are sent without waiting for an answer in between.
#[derive(Debug)]
pub struct Plan {
    /// What to ask for, if the driver is to compress.
    pub deflate: Deflate,
    rng: Rng,
    left: usize,
    /// How many messages are left when the longest one is due.
    longest_at: usize,
}

impl Plan {
    /// `count` messages, always the same for a seed.
    pub fn new(seed: u64, count: usize) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let deflate = Deflate {
            server_no_context_takeover: rng.bool(),
            client_no_context_takeover: rng.bool(),
            server_max_window_bits: rng.bool().then(|| rng.u8(9..=15)),
            client_max_window_bits: rng.bool().then(|| rng.u8(9..=15)),
        };
        let longest_at = rng.usize(1..=count.max(1));
        Plan { deflate, rng, left: count, longest_at }
    }

    fn message(&mut self) -> Message {
        let rng = &mut self.rng;
        let length = if self.left == self.longest_at { LARGEST } else { length(rng) };
        self.left -= 1;
        let (kind, payload) = match rng.u32(..10) {
            0..=2 => (Kind::Text, text(rng, length)),
            3..=4 => (Kind::Text, characters(rng, length)),
            5 => (Kind::Binary, vec![rng.u8(..); length]),
            6 => (Kind::Binary, text(rng, length)),
            7 => (Kind::Binary, compressed(rng, length)),
            _ => (Kind::Binary, noise(rng, length)),
        };
        Message::random(rng, kind, payload)
    }
}

impl Iterator for Plan {
    type Item = Vec<Message>;

    fn next(&mut self) -> Option<Vec<Message>> {
        if self.left == 0 {
            return None;
        }
        let count = if self.rng.u32(..3) == 0 { self.rng.usize(2..=BATCH_MAX) } else { 1 };
        Some((0..count.min(self.left)).map(|_| self.message()).collect())
    }
}

/// Mostly short.
fn length(rng: &mut Rng) -> usize {
    match rng.u32(..100) {
        0..=39 => rng.usize(..300),
        40..=64 => rng.choice(EDGES).unwrap_or_default(),
        65..=89 => rng.usize(..10_000),
        90..=96 => rng.usize(..200_000),
        _ => (1 << 20) - 3 + rng.usize(..6),
    }
}

fn noise(rng: &mut Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

/// Words: what compresses well.
fn text(rng: &mut Rng, length: usize) -> Vec<u8> {
    fill(length, |text| text.push_str(rng.choice(WORDS).unwrap_or_default()))
}

/// Characters of one to four bytes: what hardly compresses.
fn characters(rng: &mut Rng, length: usize) -> Vec<u8> {
    fill(length, |text| {
        let last = rng.choice(['\u{7f}', '\u{7ff}', '\u{ffff}', char::MAX]).unwrap_or_default();
        text.push(rng.char(..=last));
    })
}

/// Exactly `length` bytes of UTF-8.
fn fill(length: usize, mut more: impl FnMut(&mut String)) -> Vec<u8> {
    let mut text = String::with_capacity(length + 8);
    while text.len() < length {
        more(&mut text);
    }
    let end = (0..=length).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.truncate(end);
    text.extend(std::iter::repeat_n('x', length - text.len()));
    text.into_bytes()
}

/// What was compressed already.
fn compressed(rng: &mut Rng, length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(length), Compression::fast());
    while encoder.get_ref().len() < length {
        encoder.write_all(&text(rng, 1 << 16)).expect("a vector takes everything");
    }
    let mut bytes = encoder.finish().expect("a vector takes everything");
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use crate::plan::{Kind, LARGEST, Message, Piece, Plan};

    fn messages(seed: u64, count: usize) -> Vec<Message> {
        Plan::new(seed, count).flatten().collect()
    }

    #[test]
    fn a_seed_gives_the_same_messages_each_time() {
        let (one, other) = (messages(1, 20), messages(1, 20));
        assert!(one.iter().zip(&other).all(|(one, other)| one.pieces().eq(other.pieces())));
        assert!(one.iter().zip(&messages(2, 20)).any(|(one, other)| one.payload != other.payload));
    }

    #[test]
    fn one_message_is_the_longest() {
        for (seed, count) in [(1, 1), (2, 2), (3, 30)] {
            let messages = messages(seed, count);
            assert_eq!(messages.len(), count);
            assert_eq!(messages.iter().filter(|message| message.payload.len() == LARGEST).count(), 1);
        }
    }

    #[test]
    fn fragments_make_up_the_message() {
        let (mut split, mut empty, mut pings) = (0, 0, 0);
        for message in messages(4, 200) {
            assert!(message.kind == Kind::Binary || str::from_utf8(&message.payload).is_ok());
            let mut whole = Vec::new();
            let mut ended = false;
            for (number, piece) in message.pieces().enumerate() {
                let Piece::Data { first, payload, fin } = piece else {
                    pings += 1;
                    continue;
                };
                assert!(!ended);
                assert_eq!(first, (number == 0).then_some(message.kind));
                split += usize::from(message.kind == Kind::Text && str::from_utf8(payload).is_err());
                empty += usize::from(payload.is_empty() && !message.payload.is_empty());
                whole.extend_from_slice(payload);
                ended = fin;
            }
            assert!(ended && whole == message.payload);
        }
        assert!(split > 10 && empty > 10 && pings > 10, "{split} {empty} {pings}");
    }
}
