//! Turns the first word of a record into its length, its tag and its place among pieces, and back.

use crate::ring::{RingError, WORD_BYTES};

// A header:
//
//   63 ........... 32 | 31 ....... 16 | 15 ...... 2 | 1    | 0
//    payload bytes    |      tag      |  always 0   | last | first
//
// A record in one piece is the first and the last. The pieces of another follow each other, all with its tag.

const LENGTH_SHIFT: u32 = 32;
const TAG_SHIFT: u32 = 16;
const LAST: u64 = 2;
const FIRST: u64 = 1;
const USED_FLAGS: u64 = FIRST | LAST;

const _: () = assert!(TAG_SHIFT + u16::BITS == LENGTH_SHIFT && LENGTH_SHIFT + u32::BITS == u64::BITS);
const _: () = assert!(USED_FLAGS < 1 << TAG_SHIFT);

/// The most that the header has room for.
pub(crate) const PAYLOAD_BYTES_MAX: usize = u32::MAX as usize;

/// A record, or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The bytes of payload that follow.
    pub(crate) length: u32,
    pub(crate) tag: u16,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

impl Header {
    /// Its own size.
    pub(crate) const BYTES: u64 = WORD_BYTES;

    pub(crate) fn word(self) -> u64 {
        let flags = (u64::from(self.last) * LAST) | (u64::from(self.first) * FIRST);
        (u64::from(self.length) << LENGTH_SHIFT) | (u64::from(self.tag) << TAG_SHIFT) | flags
    }

    /// What `word` says, if `unread` bytes, its own included, have room for it.
    pub(crate) fn parse(word: u64, unread: u64) -> Result<Header, RingError> {
        if word & u64::from(u16::MAX) & !USED_FLAGS != 0 {
            return Err(RingError::Corrupt("no header where one should be"));
        }
        let length = (word >> LENGTH_SHIFT) as u32;
        let header =
            Header { length, tag: (word >> TAG_SHIFT) as u16, first: word & FIRST != 0, last: word & LAST != 0 };
        if header.framed() > unread {
            return Err(RingError::Corrupt("a record that is longer than what was written"));
        }
        Ok(header)
    }

    /// What it takes of the ring, in bytes.
    pub(crate) fn framed(self) -> u64 {
        framed(u64::from(self.length))
    }
}

/// What so many bytes of payload take of the ring.
pub(crate) fn framed(payload_bytes: u64) -> u64 {
    Header::BYTES + payload_bytes.next_multiple_of(WORD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::Header;
    use crate::ring::RingError;

    #[test]
    fn is_what_was_written() {
        for length in [0, 1, 8, u32::MAX] {
            for tag in [0, 7, u16::MAX] {
                for (first, last) in [(false, false), (false, true), (true, false), (true, true)] {
                    let header = Header { length, tag, first, last };
                    assert_eq!(Header::parse(header.word(), header.framed()), Ok(header));
                    assert!(Header::parse(header.word(), header.framed() - 8).is_err());
                }
            }
        }
    }

    #[test]
    fn refuses_flags_that_nobody_sets() {
        for bit in 2..16 {
            let parsed = Header::parse(3 | (1 << bit), 64);
            assert_eq!(parsed, Err(RingError::Corrupt("no header where one should be")), "bit {bit}");
        }
    }
}
