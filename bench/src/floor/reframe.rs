//! Turns a client's frames into a server's, in the buffer that they were read into.

use crate::frame::{CLOSE, PING, PONG, decode, encode, mask};
use std::ops::Range;

/// What became of a buffer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reframed {
    /// Where the answers are in it.
    pub out: Range<usize>,
    /// How much of it was whole frames.
    pub used: usize,
    /// How long the frame is that begins behind them, if that is known.
    pub wanted: usize,
    /// There was a close frame among them.
    pub closing: bool,
}

/// Unmasks every whole frame, and moves it to right behind the one before; the first stays where it is.
///
/// An answer's header is four bytes shorter, so what is written never meets what is still to be read.
pub fn reframe(buffer: &mut [u8]) -> Reframed {
    let mut done = Reframed::default();
    while let Some(header) = decode(&buffer[done.used..]) {
        if buffer.len() - done.used < header.frame_bytes() {
            done.wanted = header.frame_bytes();
            break;
        }
        let payload = done.used + header.bytes;
        let (answer, answer_bytes) = encode(answer_to(header.first), header.payload_bytes);
        if done.used == 0 {
            done.out = payload - answer_bytes..payload - answer_bytes;
        }
        let begin = done.out.end;
        let moved = begin + answer_bytes;
        buffer[begin..moved].copy_from_slice(&answer[..answer_bytes]);
        if moved != payload {
            buffer.copy_within(payload..payload + header.payload_bytes, moved);
        }
        done.out.end = moved + header.payload_bytes;
        mask(&mut buffer[moved..done.out.end], header.key);
        done.used += header.frame_bytes();
        done.closing |= header.opcode() == CLOSE;
    }
    done
}

fn answer_to(first: u8) -> u8 {
    match first & 15 {
        PING => first & 0xF0 | PONG,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{BINARY, FIN, append_masked};

    #[test]
    fn frames_are_answered_whole() {
        let payloads: [&[u8]; 4] = [b"first", &[7; 300], b"", b"last"];
        let (mut input, mut wanted) = (Vec::new(), Vec::new());
        for (number, payload) in payloads.iter().enumerate() {
            append_masked(&mut input, FIN | BINARY, [number as u8, 2, 3, 4], payload);
            let (header, bytes) = encode(FIN | BINARY, payload.len());
            wanted.extend_from_slice(&header[..bytes]);
            wanted.extend_from_slice(payload);
        }
        for cut in 0..=input.len() {
            let mut answers = Vec::new();
            let mut first = input[..cut].to_vec();
            let done = reframe(&mut first);
            answers.extend_from_slice(&first[done.out]);
            let mut second = [&input[done.used..cut], &input[cut..]].concat();
            let done = reframe(&mut second);
            answers.extend_from_slice(&second[done.out]);
            assert_eq!(answers, wanted, "cut at {cut}");
        }
    }

    #[test]
    fn control_frames_are_answered() {
        let mut input = Vec::new();
        append_masked(&mut input, FIN | PING, [9; 4], b"are you there");
        append_masked(&mut input, FIN | CLOSE, [9; 4], &[3, 0xE8]);
        let done = reframe(&mut input);
        assert!(done.closing);
        assert_eq!(input[done.out], *b"\x8A\x0Dare you there\x88\x02\x03\xE8");
    }
}
