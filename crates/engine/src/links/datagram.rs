//! Datagrams on their way from a reactor to a worker, as records.

use std::net::{IpAddr, SocketAddr};
use wirewool_hub::codec::ENGINE_TAG_MIN;
use wirewool_hub::event::Datagram;

/// A datagram: the index of its port, its sender, its bytes.
pub(crate) const DATAGRAM: u16 = ENGINE_TAG_MIN + 0x10;

/// The longest one that there can be: what a length of 16 bits says.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 64 << 10;

const FRONT_BYTES: usize = 1 + 1 + 16 + 2;

/// Gives `write` the record of a datagram: its tag, and its bytes in parts.
pub(crate) fn encode<R>(datagram: &Datagram<'_>, write: impl FnOnce(u16, &[&[u8]]) -> R) -> R {
    let mut front = [0; FRONT_BYTES];
    front[0] = datagram.port;
    match datagram.sender.ip() {
        IpAddr::V4(ip) => {
            front[1] = 4;
            front[2..6].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            front[1] = 6;
            front[2..18].copy_from_slice(&ip.octets());
        }
    }
    front[18..].copy_from_slice(&datagram.sender.port().to_le_bytes());
    write(DATAGRAM, &[&front, datagram.bytes])
}

/// The datagram that a record is; none if it is none.
pub(crate) fn decode(payload: &[u8]) -> Option<Datagram<'_>> {
    let (front, bytes) = payload.split_first_chunk::<FRONT_BYTES>()?;
    let ip = match (front[1], front[2..18].split_first_chunk::<4>()?, front[2..18].first_chunk::<16>()?) {
        (4, (ip, rest), _) if rest.iter().all(|byte| *byte == 0) => IpAddr::from(*ip),
        (6, _, ip) => IpAddr::from(*ip),
        _ => return None,
    };
    let sender = SocketAddr::new(ip, u16::from_le_bytes([front[18], front[19]]));
    Some(Datagram { port: front[0], sender, bytes })
}

#[cfg(test)]
mod tests {
    use super::{DATAGRAM, FRONT_BYTES, decode, encode};
    use wirewool_hub::event::Datagram;

    #[test]
    fn every_datagram_comes_out_as_it_went_in() {
        for sender in ["127.0.0.1:1", "255.1.2.3:65535", "[::1]:9501", "[2001:db8::ff:8000]:443"] {
            for (port, bytes) in [(0, &b""[..]), (255, b"hello")] {
                let datagram = Datagram { port, sender: sender.parse().unwrap(), bytes };
                let record = encode(&datagram, |tag, parts| {
                    assert_eq!(tag, DATAGRAM);
                    parts.concat()
                });
                assert_eq!(decode(&record), Some(datagram));
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let mut record = [0; FRONT_BYTES];
        assert_eq!(decode(&record), None);
        record[1] = 4;
        assert!(decode(&record).is_some() && decode(&record[1..]).is_none());
        record[9] = 1;
        assert_eq!(decode(&record), None);
    }
}
