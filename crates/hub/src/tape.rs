//! The bytes of one batch, written once for all connections that are owed the same.

/// A batch's bytes beyond that are kept by each connection for itself.
const TAPE_BYTES_MAX: usize = 256 << 10;

/// A stretch of the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stretch {
    start: u32,
    end: u32,
}

impl Stretch {
    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// What is sent in a batch, end to end: a broadcast is there once, however many connections it goes to.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    /// Where the last frame begins.
    last: usize,
}

impl Tape {
    /// Nobody has a stretch of it any more.
    #[inline]
    pub(crate) fn rewind(&mut self) {
        self.bytes.clear();
        self.last = 0;
    }

    /// The stretch with these bytes behind it, which are written unless they were the last that were. None if they
    /// cannot stand right behind it, or there is no room.
    #[inline]
    pub(crate) fn extend(&mut self, stretch: Stretch, parts: [&[u8]; 2]) -> Option<Stretch> {
        let end = self.bytes.len();
        let start = if stretch.is_empty() {
            if self.is_last(parts) { self.last } else { self.write(parts)? }
        } else if stretch.end as usize == end {
            self.write(parts)?
        } else if stretch.end as usize == self.last && self.is_last(parts) {
            self.last
        } else {
            return None;
        };
        // Within `TAPE_BYTES_MAX`, nothing is cut off.
        let start = if stretch.is_empty() { start as u32 } else { stretch.start };
        Some(Stretch { start, end: self.bytes.len() as u32 })
    }

    /// Where they begin.
    #[inline]
    fn write(&mut self, parts: [&[u8]; 2]) -> Option<usize> {
        let start = self.bytes.len();
        if start + parts[0].len() + parts[1].len() > TAPE_BYTES_MAX {
            return None;
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.last = start;
        Some(start)
    }

    #[inline]
    fn is_last(&self, parts: [&[u8]; 2]) -> bool {
        let last = &self.bytes[self.last..];
        last.len() == parts[0].len() + parts[1].len() && last.starts_with(parts[0]) && last.ends_with(parts[1])
    }

    /// The bytes of a stretch.
    #[inline]
    pub(crate) fn read(&self, stretch: Stretch) -> &[u8] {
        &self.bytes[stretch.start as usize..stretch.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use crate::tape::{Stretch, TAPE_BYTES_MAX, Tape};

    const NONE: Stretch = Stretch { start: 0, end: 0 };

    #[test]
    fn the_same_is_written_once() {
        let mut tape = Tape::default();
        let one = tape.extend(NONE, [b"ab", b"c"]).expect("room");
        assert_eq!(tape.extend(NONE, [b"ab", b"c"]), Some(one));
        assert_eq!(tape.extend(NONE, [b"a", b"bc"]), Some(one), "the bytes count, not the parts");
        let two = tape.extend(one, [b"ab", b"d"]).expect("room");
        assert_eq!((tape.read(two), tape.bytes.len()), (&b"abcabd"[..], 6));
        assert_eq!(tape.extend(one, [b"ab", b"d"]), Some(two));
        assert_eq!(tape.bytes.len(), 6);
        tape.rewind();
        let anew = tape.extend(NONE, [b"x", b""]).expect("room");
        assert_eq!(tape.read(anew), b"x");
    }

    #[test]
    fn the_same_twice_is_twice_for_one() {
        let mut tape = Tape::default();
        let one = tape.extend(NONE, [b"a", b"b"]).expect("room");
        let two = tape.extend(one, [b"a", b"b"]).expect("room");
        assert_eq!(tape.read(two), b"abab");
        assert_eq!(tape.extend(one, [b"a", b"b"]), Some(two), "another one catches up");
    }

    #[test]
    fn what_does_not_follow_is_kept_elsewhere() {
        let mut tape = Tape::default();
        let one = tape.extend(NONE, [b"1", b""]).expect("room");
        let two = tape.extend(NONE, [b"2", b""]).expect("room");
        assert_eq!((tape.read(one), tape.read(two)), (&b"1"[..], &b"2"[..]));
        assert_eq!(tape.extend(one, [b"3", b""]), None);
        assert!(tape.extend(two, [b"3", b""]).is_some());
    }

    #[test]
    fn it_has_an_end() {
        let mut tape = Tape::default();
        let most = vec![1; TAPE_BYTES_MAX];
        let stretch = tape.extend(NONE, [&most, b""]);
        assert!(stretch.is_some());
        assert_eq!(tape.extend(NONE, [b"x", b""]), None);
        assert_eq!(tape.extend(NONE, [b"", &most]), stretch);
    }
}
