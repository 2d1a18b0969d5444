//! Decompression of anything.

use crate::choices::{Choices, Cuts};
use wirewool_proto::block::Block;
use wirewool_proto::inflate::InflateError;
use wirewool_proto::websocket::deflate::Inflater;

/// Any two messages: the same result however they are cut, never beyond the bound.
pub fn inflate(data: &[u8]) {
    let mut choices = Choices::new(data);
    let window_bits = choices.within(8..=15);
    let bytes_max = choices.one_of(&[1 << 16, 0, 1, 100, 1 << 20]);
    let (takeover, mut cuts) = (choices.flag(), Cuts::new(choices.byte()));
    let messages = [choices.some(), choices.rest()];
    let (mut of_whole, mut of_cut) = (Inflater::new(window_bits), Inflater::new(window_bits));
    for message in messages {
        let whole = read(&mut of_whole, &[message], bytes_max);
        assert_eq!(read(&mut of_cut, &cuts.pieces(message), bytes_max), whole, "cut");
        // After a mistake an inflater is of no more use.
        if whole.1.is_err() {
            return;
        }
        if !takeover {
            of_whole.reset();
            of_cut.reset();
        }
    }
}

/// What was decompressed, a mistake or not.
fn read(inflater: &mut Inflater, pieces: &[&[u8]], bytes_max: usize) -> (Vec<u8>, Result<(), InflateError>) {
    let mut out = Block::default();
    let mut result = Ok(());
    for piece in pieces {
        result = result.and_then(|()| inflater.inflate(piece, &mut out, bytes_max));
        assert!(out.capacity() <= bytes_max, "{} bytes for at most {bytes_max}", out.capacity());
    }
    result = result.and_then(|()| inflater.finish(&mut out, bytes_max));
    assert!(out.capacity() <= bytes_max, "{} bytes for at most {bytes_max}", out.capacity());
    (out.bytes().to_vec(), result)
}
