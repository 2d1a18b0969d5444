//! Turns one word into one connection: whose it is and how far it has come.

const FD_BITS: u32 = 46;
/// The greatest fd.
pub const FD_MAX: u64 = (1 << FD_BITS) - 1;
pub(super) const OWNER_BITS: u32 = 12;
const OWNER_MAX: u64 = (1 << OWNER_BITS) - 1;
const STATUS_BITS: u32 = 3;
pub(super) const STATUS_MAX: u8 = (1 << STATUS_BITS) - 1;

const PUBLISHED: u64 = 1;
const PROTECTED: u64 = 2;
const CLOSING: u64 = 4;
const STATUS_SHIFT: u32 = 3;
const OWNER_SHIFT: u32 = STATUS_SHIFT + STATUS_BITS;
const FD_SHIFT: u32 = OWNER_SHIFT + OWNER_BITS;

const _: () = assert!(FD_SHIFT + FD_BITS == u64::BITS);
const _: () = assert!(PUBLISHED | PROTECTED | CLOSING == (1 << STATUS_SHIFT) - 1);

/// What a connection's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The number of the loop that claimed it.
    pub owner: usize,
    /// How far it has come as a WebSocket, 0..=7, as [`set_status`](super::Table::set_status) noted it.
    pub status: u8,
    /// Nothing more can be sent to it.
    pub closing: bool,
    /// It is not closed for its silence.
    pub protected: bool,
}

/// The word of a row. Any bits are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// One that nobody sees yet. `fd` is within its bits, as is `owner`.
    pub(super) fn claimed(fd: u64, owner: usize) -> Word {
        Word(fd << FD_SHIFT | (owner as u64) << OWNER_SHIFT)
    }

    #[must_use]
    pub(super) fn publish(self) -> Word {
        Word(self.0 | PUBLISHED)
    }

    #[must_use]
    pub(super) fn unpublish(self) -> Word {
        Word(self.0 & !PUBLISHED)
    }

    #[must_use]
    pub(super) fn with_status(self, status: u8) -> Word {
        let others = self.0 & !(u64::from(STATUS_MAX) << STATUS_SHIFT);
        Word(others | u64::from(status & STATUS_MAX) << STATUS_SHIFT)
    }

    #[must_use]
    pub(super) fn with_closing(self) -> Word {
        Word(self.0 | CLOSING)
    }

    #[must_use]
    pub(super) fn with_protected(self, protected: bool) -> Word {
        Word(if protected { self.0 | PROTECTED } else { self.0 & !PROTECTED })
    }

    pub(super) fn fd(self) -> u64 {
        self.0 >> FD_SHIFT
    }

    pub(super) fn owner(self) -> usize {
        (self.0 >> OWNER_SHIFT & OWNER_MAX) as usize
    }

    pub(super) fn is_published(self) -> bool {
        self.0 & PUBLISHED != 0
    }

    pub(super) fn connection(self) -> Connection {
        Connection {
            owner: self.owner(),
            status: (self.0 >> STATUS_SHIFT) as u8 & STATUS_MAX,
            closing: self.0 & CLOSING != 0,
            protected: self.0 & PROTECTED != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, FD_MAX, OWNER_MAX, STATUS_MAX, Word};

    #[test]
    fn every_word_says_what_was_written() {
        for fd in [1, 2, 0xffff_ffff, 0x1_0000_0000, FD_MAX] {
            for owner in [0, 1, 255, OWNER_MAX as usize] {
                for status in 0..=STATUS_MAX {
                    for [closing, protected] in [[false, false], [false, true], [true, false], [true, true]] {
                        let word = Word::claimed(fd, owner).with_status(7).with_protected(true).with_status(status);
                        let word = if closing { word.with_closing() } else { word }.with_protected(protected);
                        assert!(!word.is_published() && word.publish().is_published());
                        assert_eq!(word.publish().unpublish(), word);
                        let expected = Connection { owner, status, closing, protected };
                        assert_eq!((word.publish().fd(), word.publish().connection()), (fd, expected));
                    }
                }
            }
        }
    }
}
