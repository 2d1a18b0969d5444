//! What is sent and what must come back, made before the clock runs: then a message costs a slice and a comparison.

use crate::floor::codec::{Codec, LEVEL};
use crate::frame::{BINARY, COMPRESSED, FIN, TEXT, append_masked, decode, encode};
use crate::load::connect;
use std::io::{Read, Write};
use std::time::Duration;

/// A tape is about that long, so that it stays in the cache, but has at least a few messages.
const TAPE_BYTES: usize = 64 << 10;
const MESSAGES_MIN: usize = 3;
const MESSAGES_MAX: usize = 256;

/// Up to this length each answer's content is compared, beyond it that of one in sixteen.
const CHECKED_BYTES: usize = 1024;
const CHECKED_EVERY: u64 = 16;

/// Messages to send round and round, each different from the next, and their answers.
#[derive(Debug)]
pub struct Tape {
    /// The frames; behind the last, the first ones once more, so that what is in flight is always one slice.
    pub requests: Vec<u8>,
    /// Where each frame of `requests` begins, and the end.
    pub request_begins: Vec<usize>,
    /// The answers, byte by byte.
    pub answers: Vec<u8>,
    /// Where each answer begins, and the end.
    pub answer_begins: Vec<usize>,
    /// Where the payload of each answer begins.
    pub payload_begins: Vec<usize>,
    /// The content of one in so many answers is compared.
    pub checked_every: u64,
}

impl Tape {
    /// Binary messages that come back as they are.
    pub fn plain(size: usize, in_flight: usize) -> Tape {
        let messages = messages(size, noise);
        let mut tape = Tape::requests(&messages, FIN | BINARY, in_flight);
        for message in &messages {
            let (header, bytes) = encode(FIN | BINARY, message.len());
            tape.answer(&header[..bytes], message);
        }
        tape.checked_every = if size <= CHECKED_BYTES { 1 } else { CHECKED_EVERY };
        tape
    }

    /// Compressed texts. How a server compresses is its own affair, so each is sent once and its answer is inflated and
    /// compared; without a context, the same message must be compressed the same way ever after.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn compressed(size: usize, in_flight: usize, port: u16) -> Result<Tape, String> {
        let messages = messages(size, words);
        let mut codec = Codec::new(LEVEL);
        let deflated: Vec<Vec<u8>> = messages.iter().map(|message| codec.deflate_message(message).to_vec()).collect();
        let mut tape = Tape::requests(&deflated, FIN | COMPRESSED | TEXT, in_flight);
        let mut opened = connect::open(port, 1, true)?.remove(0);
        let broken = |error: std::io::Error| format!("while the answers were learnt: {error}");
        opened.socket.set_nonblocking(false).map_err(broken)?;
        opened.socket.set_read_timeout(Some(Duration::from_secs(10))).map_err(broken)?;
        for (number, message) in messages.iter().enumerate() {
            let frame = tape.request_begins[number]..tape.request_begins[number + 1];
            opened.socket.write_all(&tape.requests[frame]).map_err(broken)?;
            let answer = read_frame(&mut opened).map_err(broken)?;
            let Some(header) = decode(&answer) else { return Err("an answer without a header".to_owned()) };
            if header.first != FIN | COMPRESSED | TEXT {
                return Err(format!("message {number} was answered with {:#04x}: not compressed text", header.first));
            }
            let payload = &answer[header.bytes..];
            if codec.inflate(payload).ok() != Some(message.as_slice()) {
                return Err(format!("the answer to message {number} inflates to something else"));
            }
            tape.answer(&answer[..header.bytes], payload);
        }
        Ok(tape)
    }

    /// How many different messages there are.
    pub fn messages(&self) -> usize {
        self.payload_begins.len()
    }

    fn requests(payloads: &[Vec<u8>], first: u8, in_flight: usize) -> Tape {
        let (mut requests, mut request_begins) = (Vec::new(), vec![0]);
        for (number, payload) in payloads.iter().cycle().take(payloads.len() + in_flight).enumerate() {
            let key = (number as u32).wrapping_mul(0x9E37_79B9).wrapping_add(0x1234_5678).to_be_bytes();
            append_masked(&mut requests, first, key, payload);
            request_begins.push(requests.len());
        }
        let (answers, payload_begins) = (Vec::new(), Vec::new());
        Tape { requests, request_begins, answers, answer_begins: vec![0], payload_begins, checked_every: 1 }
    }

    fn answer(&mut self, header: &[u8], payload: &[u8]) {
        self.answers.extend_from_slice(header);
        self.payload_begins.push(self.answers.len());
        self.answers.extend_from_slice(payload);
        self.answer_begins.push(self.answers.len());
    }
}

fn read_frame(opened: &mut connect::Opened) -> std::io::Result<Vec<u8>> {
    loop {
        if let Some(header) = decode(&opened.rest)
            && opened.rest.len() >= header.frame_bytes()
        {
            let rest = opened.rest.split_off(header.frame_bytes());
            return Ok(std::mem::replace(&mut opened.rest, rest));
        }
        let mut buffer = [0; 4096];
        let count = opened.socket.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        opened.rest.extend_from_slice(&buffer[..count]);
    }
}

fn messages(size: usize, fill: fn(&mut Random, usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    let count = (TAPE_BYTES / size.max(1)).clamp(MESSAGES_MIN, MESSAGES_MAX);
    let mut random = Random(1);
    (0..count).map(|_| fill(&mut random, size)).collect()
}

fn noise(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.next() as u8).collect()
}

/// Such as applications send: names that come again, values that do not.
fn words(random: &mut Random, size: usize) -> Vec<u8> {
    const WORDS: [&str; 12] =
        ["the", "price", "of", "seven", "apples", "went", "up", "again", "today", "nobody", "knows", "why"];
    let mut text = String::from("{\"type\":\"messages\",\"items\":[");
    while text.len() < size {
        let said: Vec<&str> = (0..6).map(|_| WORDS[random.next() as usize % WORDS.len()]).collect();
        let (id, user) = (random.next() % 1_000_000, random.next() % 1000);
        text += &format!("{{\"id\":{id},\"user\":\"user{user}\",\"text\":\"{}\",\"read\":false}},", said.join(" "));
    }
    text.truncate(size);
    text.into_bytes()
}

/// Numbers that are the same in every run: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }
}
