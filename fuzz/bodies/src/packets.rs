//! Packets of raw connections, however they are cut, against a search in all of their bytes at once.

use crate::choices::{Choices, Cuts};
use wirewool_proto::packets::{Count, Mark, Number, PacketReader, Packets};

/// Any split gives the packets that are in all of the bytes, and an error where they end.
pub fn packets(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut cuts = Cuts::new(choices.byte());
    let bytes_max = choices.one_of(&[100, 10, 1_000]);
    let packets = match choices.byte() % 3 {
        2 => {
            let letter = choices.one_of(b"cCsSnvlLNVqQJP");
            let number = Number::from_letter(letter).expect("one of them");
            let (offset, uncounted) = (choices.within(0..=20), choices.within(0..=20));
            Packets::Counted(Count { number, offset: offset.into(), uncounted: uncounted.into() })
        }
        kind => {
            let bytes = choices.some();
            let mark = Mark::new(&bytes[..bytes.len().min(8)]).or(Mark::new(b"\r\n")).expect("two bytes are one");
            if kind == 0 { Packets::Split(mark) } else { Packets::Gathered(mark) }
        }
    };
    let bytes = choices.rest();
    let (found, is_right) = read(packets, bytes_max, cuts.pieces(bytes));
    let (whole, whole_is_right) = read(packets, bytes_max, [bytes]);
    assert_eq!((found.concat(), is_right), (whole.concat(), whole_is_right), "cut and in one piece");
    assert!(bytes.starts_with(&found.concat()), "in order, and nothing is left out");
    match packets {
        Packets::Split(mark) => {
            assert_eq!(found, whole);
            let is_one = |packet: &Vec<u8>| position(packet, mark.bytes()) == Some(packet.len() - mark.bytes().len());
            assert!(found.iter().all(|packet| is_one(packet) && packet.len() <= bytes_max));
            let rest = &bytes[found.concat().len()..];
            let end = position(rest, mark.bytes()).map_or(rest.len() + 1, |at| at + mark.bytes().len());
            assert_eq!(is_right, end > rest.len() && rest.len() < bytes_max);
        }
        Packets::Gathered(mark) => assert!(found.iter().all(|packet| packet.ends_with(mark.bytes()))),
        Packets::Counted(_) => {
            assert_eq!(found, whole);
            assert!(found.iter().all(|packet| packet.len() <= bytes_max));
        }
    }
}

fn position(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// The packets, and whether all that is left can become one.
fn read<'a>(packets: Packets, bytes_max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut found) = (PacketReader::default(), Vec::new());
    for mut piece in pieces {
        loop {
            match reader.next(packets, bytes_max, piece) {
                Ok(Some((used, packet))) => {
                    found.push(packet.to_vec());
                    piece = &piece[used..];
                }
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}
