//! What a server answers to a client's request.

use crate::choices::{Choices, Cuts};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Write;
use wirewool_proto::http::answer::{AnswerHead, Asked};
use wirewool_proto::http::answer_reader::{AnswerError, AnswerReader, AnswerSettings, Part};
use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::http::response::{LAST_CHUNK, chunk};

/// An answer as far as it came: its head, its body, whether the connection is kept if it is whole, and the bytes used.
type Outcome = (Option<AnswerHead>, Vec<u8>, Option<bool>, usize);

/// The same answer, or the same error, however the bytes are cut; and what a server makes of a body is read back.
pub fn answer(data: &[u8]) {
    let mut choices = Choices::new(data);
    let asked = choices.one_of(&[Asked::Other, Asked::Head, Asked::Connect, Asked::Upgrade]);
    let head = HeadLimits { bytes_max: choices.one_of(&[64 << 10, 1, 40, 300]), headers_max: 8 };
    let body_bytes_max = choices.one_of(&[1 << 16, 0, 8, 100, 1 << 20]);
    let settings = AnswerSettings { head, body_bytes_max, decode: !choices.flag() };
    let ends = choices.flag();
    let mut cuts = Cuts::new(choices.byte());
    let coding = choices.byte();
    let bytes = choices.rest();

    let whole = read(asked, settings, vec![bytes], ends);
    let cut = read(asked, settings, cuts.pieces(bytes), ends);
    // Where an unfinished head is cut moves the moment of an error, not its kind.
    let late =
        matches!(&whole, Err(AnswerError::Head(_))) && matches!(&cut, Ok((None, ..)) | Err(AnswerError::NoAnswer));
    assert!(cut == whole || late, "{whole:?} in one piece, {cut:?} cut");
    if let Ok((head, body, kept, used)) = whole {
        assert!(used <= bytes.len() && body.len() <= body_bytes_max);
        assert!(kept.is_none_or(|_| head.is_some()));
        head.iter().for_each(|head| check_head(head, asked));
    }
    round_trip(bytes, coding, &mut cuts);
}

fn read(asked: Asked, settings: AnswerSettings, pieces: Vec<&[u8]>, ends: bool) -> Result<Outcome, AnswerError> {
    let mut reader = AnswerReader::new(asked, settings);
    let (mut head, mut body, mut total) = (None, Vec::new(), 0);
    for mut piece in pieces {
        while let Some((used, part)) = reader.next(piece)? {
            (piece, total) = (&piece[used..], total + used);
            match part {
                Part::Head(found) => assert!(head.replace(found).is_none(), "one head"),
                Part::Data(data) => {
                    assert!(!data.is_empty() && head.is_some());
                    body.extend_from_slice(data);
                }
                Part::End { keep_alive } => {
                    assert_eq!(reader.next(piece), Ok(None));
                    return Ok((head, body, Some(keep_alive), total));
                }
            }
            assert!(body.len() <= settings.body_bytes_max);
        }
        total += piece.len();
    }
    let kept = if ends { reader.end().map(|()| Some(false))? } else { None };
    Ok((head, body, kept, total))
}

fn check_head(head: &AnswerHead, asked: Asked) {
    assert!(head.status() >= 200 || head.is_switching(asked));
    assert!(head.framing(asked).is_ok(), "it was looked at before the head was handed out");
    for (name, value) in head.cookies() {
        assert!(!name.is_empty() && !name.contains(&b';') && !value.contains(&b';'));
    }
}

/// A body in this coding, with this framing, comes out as it went in.
fn round_trip(content: &[u8], coding: u8, cuts: &mut Cuts) {
    let (name, body) = match coding % 4 {
        0 => ("identity", content.to_vec()),
        1 => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            ("gzip", encoder.write_all(content).and_then(|()| encoder.finish()).expect("a vector takes everything"))
        }
        2 => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            ("deflate", encoder.write_all(content).and_then(|()| encoder.finish()).expect("a vector takes everything"))
        }
        _ => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            ("deflate", encoder.write_all(content).and_then(|()| encoder.finish()).expect("a vector takes everything"))
        }
    };
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\n").into_bytes();
    let framing = coding / 4 % 3;
    match framing {
        0 => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            cuts.pieces(&body).into_iter().for_each(|piece| chunk(piece, &mut bytes));
            bytes.extend_from_slice(LAST_CHUNK);
        }
        1 => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        }
        _ => {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&body);
        }
    }
    let settings = AnswerSettings { body_bytes_max: content.len() + 1000, ..AnswerSettings::default() };
    let (_, found, kept, used) =
        read(Asked::Other, settings, cuts.pieces(&bytes), true).expect("what is written is read back");
    assert!(found == content);
    assert_eq!((kept, used), (Some(framing < 2), bytes.len()));
}
