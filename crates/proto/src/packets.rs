//! Turns the bytes of a raw connection into packets: up to a mark, or as long as a number in them says.

use memchr::memmem;

/// How packets are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// Each ends with the mark; as many as have come are handed out together.
    Gathered(Mark),
    /// Each ends with the mark.
    Split(Mark),
    /// Each says how long it is.
    Counted(Count),
}

/// What packets end with: 1 to 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    bytes: [u8; MARK_BYTES_MAX],
    len: usize,
}

/// The longest mark, in bytes.
pub const MARK_BYTES_MAX: usize = 8;

impl Mark {
    /// An empty line.
    pub const EMPTY_LINE: Mark = Mark { bytes: *b"\r\n\r\n\0\0\0\0", len: 4 };

    /// The mark of these bytes; none if they are no 1 to 8.
    pub fn new(mark: &[u8]) -> Option<Mark> {
        let mut bytes = [0; MARK_BYTES_MAX];
        bytes.get_mut(..mark.len()).filter(|bytes| !bytes.is_empty())?.copy_from_slice(mark);
        Some(Mark { bytes, len: mark.len() })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Where the first one in `input` ends. It may have begun at the end of `before`, which has none.
    fn first_end(&self, before: &[u8], input: &[u8]) -> Option<usize> {
        self.straddling(before, input).or_else(|| memmem::find(input, self.bytes()).map(|at| at + self.len))
    }

    /// Where the last packet in `input` ends, up to one that is longer than `bytes_max`.
    fn last_end(&self, input: &[u8], bytes_max: usize) -> usize {
        let ends = memmem::find_iter(input, self.bytes()).map(|at| at + self.len);
        ends.fold((0, true), |(last, fits), end| {
            let fits = fits && end - last <= bytes_max;
            (if fits { end } else { last }, fits)
        })
        .0
    }

    /// Where one in `input` ends that begins in `before`.
    fn straddling(&self, before: &[u8], input: &[u8]) -> Option<usize> {
        let most = (self.len - 1).min(input.len());
        (1..=most).find(|end| {
            let (head, tail) = self.bytes().split_at(self.len - end);
            before.ends_with(head) && input.starts_with(tail)
        })
    }
}

/// Where a packet says how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// What the number is written as.
    pub number: Number,
    /// How many bytes are before it.
    pub offset: usize,
    /// How many bytes of the packet it does not count.
    pub uncounted: usize,
}

/// A number of 32 bits, big-endian, at the beginning, that counts all bytes of the packet.
impl Default for Count {
    fn default() -> Self {
        Count { number: Number { bytes: 4, is_signed: false, is_big_endian: true }, offset: 0, uncounted: 0 }
    }
}

/// How a number is written: the letters of PHP's `pack()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    bytes: usize,
    is_signed: bool,
    is_big_endian: bool,
}

impl Number {
    /// What a letter of `cCsSnvlLNVqQJP` stands for; none for another one.
    pub fn from_letter(letter: u8) -> Option<Number> {
        const NATIVE: bool = cfg!(target_endian = "big");
        let (bytes, is_signed, is_big_endian) = match letter {
            b'c' => (1, true, NATIVE),
            b'C' => (1, false, NATIVE),
            b's' => (2, true, NATIVE),
            b'S' => (2, false, NATIVE),
            b'n' => (2, false, true),
            b'v' => (2, false, false),
            b'l' => (4, true, NATIVE),
            b'L' => (4, false, NATIVE),
            b'N' => (4, false, true),
            b'V' => (4, false, false),
            b'q' => (8, true, NATIVE),
            b'Q' => (8, false, NATIVE),
            b'J' => (8, false, true),
            b'P' => (8, false, false),
            _ => return None,
        };
        Some(Number { bytes, is_signed, is_big_endian })
    }

    fn read(self, from: &[u8]) -> i128 {
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let from = &from[..self.bytes];
        let value = if self.is_big_endian { from.iter().fold(0, fold) } else { from.iter().rev().fold(0, fold) };
        let unused = u64::BITS - 8 * self.bytes as u32;
        if self.is_signed { i128::from((value << unused) as i64 >> unused) } else { i128::from(value) }
    }
}

impl Count {
    /// How many bytes of a packet tell its length.
    fn header_bytes(self) -> usize {
        self.offset + self.number.bytes
    }

    /// How long the packet with this header is.
    fn packet_bytes(self, header: &[u8], bytes_max: usize) -> Result<usize, PacketError> {
        let total = self.number.read(&header[self.offset..]) + self.uncounted as i128;
        if total < self.header_bytes() as i128 {
            // The largest of them are no less than a u32.
            return Err(PacketError::TooShort { announced: total.max(i64::MIN.into()) as i64 });
        }
        let limit = bytes_max as u64;
        match usize::try_from(total) {
            Ok(total) if total <= bytes_max => Ok(total),
            _ => Err(PacketError::TooLong { announced: u64::try_from(total).unwrap_or(u64::MAX), limit }),
        }
    }
}

/// What cannot be a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It says that it is longer than is taken.
    #[error("a packet of {announced} bytes: at most {limit} are taken")]
    TooLong {
        /// What it says.
        announced: u64,
        /// What is taken.
        limit: u64,
    },
    /// It says that it is shorter than what it says so with.
    #[error("a packet of {announced} bytes: it is too short to say so")]
    TooShort {
        /// What it says.
        announced: i64,
    },
    /// As much as is taken has come, and its end has not.
    #[error("a packet that does not end within {limit} bytes, and no more are taken")]
    Endless {
        /// What is taken.
        limit: u64,
    },
}

/// Puts the packets of one connection together. One that arrives whole is used from where it is.
#[derive(Debug, Default)]
pub struct PacketReader {
    /// What has come of a packet that is not whole.
    held: Vec<u8>,
    /// It is whole, and was handed out.
    is_given: bool,
}

impl PacketReader {
    /// Takes the next bytes: how many were used, and the packet that they completed. Without one, all were used.
    /// `packets` and `bytes_max`, the longest packet, are the same in all calls.
    ///
    /// # Errors
    /// What comes is no packet, nor anything behind it.
    pub fn next<'a>(
        &'a mut self,
        packets: Packets,
        bytes_max: usize,
        input: &'a [u8],
    ) -> Result<Option<(usize, &'a [u8])>, PacketError> {
        if std::mem::take(&mut self.is_given) {
            self.held = Vec::new();
        }
        let end = match packets {
            Packets::Gathered(mark) => self.to_mark(mark, bytes_max, input)?.map(|end| {
                // The first of them shows that there are packets at all.
                end + mark.last_end(&input[end..], bytes_max)
            }),
            Packets::Split(mark) => self.to_mark(mark, bytes_max, input)?,
            Packets::Counted(count) => self.to_count(count, bytes_max, input)?,
        };
        match end {
            Some(end) if self.held.is_empty() => Ok(Some((end, &input[..end]))),
            Some(end) => {
                self.held.extend_from_slice(&input[..end]);
                self.is_given = true;
                Ok(Some((end, &self.held)))
            }
            None => {
                self.held.extend_from_slice(input);
                Ok(None)
            }
        }
    }

    /// Is nothing of a packet held?
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() || self.is_given
    }

    /// Where in `input` the packet ends that a mark ends.
    fn to_mark(&self, mark: Mark, bytes_max: usize, input: &[u8]) -> Result<Option<usize>, PacketError> {
        let end = mark.first_end(&self.held, input);
        let is_endless = match end {
            Some(end) => self.held.len() + end > bytes_max,
            None => self.held.len() + input.len() >= bytes_max,
        };
        if is_endless { Err(PacketError::Endless { limit: bytes_max as u64 }) } else { Ok(end) }
    }

    /// Where in `input` the packet ends that says how long it is.
    fn to_count(&self, count: Count, bytes_max: usize, input: &[u8]) -> Result<Option<usize>, PacketError> {
        let missing = count.header_bytes().saturating_sub(self.held.len());
        let Some(header_end) = input.get(..missing) else { return Ok(None) };
        let total = match (self.held.len(), missing) {
            (_, 0) => count.packet_bytes(&self.held, bytes_max)?,
            (0, _) => count.packet_bytes(header_end, bytes_max)?,
            _ => count.packet_bytes(&[&self.held, header_end].concat(), bytes_max)?,
        };
        Ok(Some(total - self.held.len()).filter(|end| *end <= input.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, MARK_BYTES_MAX, Mark, Number, PacketError, PacketReader, Packets};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const LIMIT: usize = 20;

    /// How packets are told apart, bytes, the packets in them, and how many bytes are held then.
    type Row = (Packets, &'static [u8], &'static [&'static [u8]], Result<usize, PacketError>);

    /// All packets of these pieces, what is held then, and what is wrong with the rest.
    fn read<'a>(
        packets: Packets,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Vec<u8>>, Result<usize, PacketError>) {
        let (mut reader, mut found) = (PacketReader::default(), Vec::new());
        for piece in pieces {
            let mut at = 0;
            loop {
                match reader.next(packets, LIMIT, &piece[at..]) {
                    Ok(Some((used, packet))) => {
                        found.push(packet.to_vec());
                        at += used;
                        assert!(reader.is_empty());
                    }
                    Ok(None) => break,
                    Err(error) => return (found, Err(error)),
                }
            }
            assert!(reader.held.len() <= LIMIT);
        }
        let held = if reader.is_empty() { 0 } else { reader.held.len() };
        (found, Ok(held))
    }

    fn mark(bytes: &[u8]) -> Mark {
        Mark::new(bytes).unwrap()
    }

    fn count(letter: u8, offset: usize, uncounted: usize) -> Packets {
        Packets::Counted(Count { number: Number::from_letter(letter).unwrap(), offset, uncounted })
    }

    fn endless() -> Result<usize, PacketError> {
        Err(PacketError::Endless { limit: LIMIT as u64 })
    }

    #[test]
    fn marks() {
        let crlf = Packets::Split(mark(b"\r\n"));
        let rows: [Row; 9] = [
            (crlf, b"", &[], Ok(0)),
            (crlf, b"a\r\nbc\r\n\r\n", &[b"a\r\n", b"bc\r\n", b"\r\n"], Ok(0)),
            (crlf, b"a\nb\r\r\nc\r", &[b"a\nb\r\r\n"], Ok(2)),
            (crlf, b"123456789012345678\r\nx", &[b"123456789012345678\r\n"], Ok(1)),
            (crlf, b"1234567890123456789\r\n", &[], endless()),
            (crlf, b"a\r\n1234567890123456789\r", &[b"a\r\n"], endless()),
            (Packets::Split(mark(b"aab")), b"aaabaab", &[b"aaab", b"aab"], Ok(0)),
            (Packets::Split(mark(b"12345678")), b"x1234567812345678", &[b"x12345678", b"12345678"], Ok(0)),
            (Packets::Split(mark(b"\0")), b"\0\0x", &[b"\0", b"\0"], Ok(1)),
        ];
        for (packets, bytes, wanted, rest) in rows {
            for size in 1..=bytes.len().max(1) {
                let (found, left) = read(packets, bytes.chunks(size));
                assert_eq!((found, left), (wanted.iter().map(|packet| packet.to_vec()).collect(), rest), "{bytes:?}");
            }
        }
    }

    #[test]
    fn gathered_packets_come_together_up_to_one_that_is_too_long() {
        let lines = Packets::Gathered(mark(b"\n"));
        let long = b"1234567890\n1234567890\n1234567890\nab";
        assert_eq!(read(lines, [&long[..]]), (vec![long[..33].to_vec()], Ok(2)));
        let bytes = b"a\nb\n12345678901234567890\nc\n";
        assert_eq!(read(lines, [&bytes[..]]), (vec![b"a\nb\n".to_vec()], endless()));
        assert_eq!(read(lines, [&b"a\nb"[..], b"c\nd\n", b""]), (vec![b"a\n".to_vec(), b"bc\nd\n".to_vec()], Ok(0)));
        let pair = Packets::Gathered(mark(b"--"));
        assert_eq!(read(pair, [&b"a-"[..], b"-b---"]), (vec![b"a--b--".to_vec()], Ok(1)));
    }

    #[test]
    fn marks_have_1_to_8_bytes() {
        assert_eq!(mark(b"\r\n").bytes(), b"\r\n");
        assert_eq!(mark(&[7; MARK_BYTES_MAX]).bytes(), [7; MARK_BYTES_MAX]);
        assert_eq!((Mark::new(b""), Mark::new(&[7; MARK_BYTES_MAX + 1])), (None, None));
    }

    #[test]
    fn numbers() {
        let native = |bytes: &[u8]| {
            if cfg!(target_endian = "big") { bytes.iter().rev().copied().collect() } else { bytes.to_vec() }
        };
        let rows: [(u8, Vec<u8>, i128); 16] = [
            (b'c', vec![0xff], -1),
            (b'C', vec![0xff], 255),
            (b's', native(&[0xfe, 0xff]), -2),
            (b'S', native(&[0xfe, 0xff]), 65534),
            (b'n', vec![1, 2], 258),
            (b'v', vec![1, 2], 513),
            (b'l', native(&[0, 0, 0, 0x80]), i32::MIN.into()),
            (b'L', native(&[0, 0, 0, 0x80]), 1 << 31),
            (b'N', vec![0, 0, 1, 2], 258),
            (b'V', vec![1, 2, 0, 0], 513),
            (b'q', native(&[0xff; 8]), -1),
            (b'q', native(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), i64::MAX.into()),
            (b'Q', native(&[0xff; 8]), u64::MAX.into()),
            (b'J', vec![0, 0, 0, 0, 0, 0, 1, 2], 258),
            (b'P', vec![1, 2, 0, 0, 0, 0, 0, 0], 513),
            (b'C', vec![7, 8, 9], 7),
        ];
        for (letter, bytes, wanted) in rows {
            assert_eq!(
                Number::from_letter(letter).map(|number| number.read(&bytes)),
                Some(wanted),
                "{}",
                letter as char
            );
        }
        assert_eq!(b"aAhHZfdeEgG@ ".map(Number::from_letter), [None; 13]);
    }

    #[test]
    fn counts() {
        let too_long = |announced| Err(PacketError::TooLong { announced, limit: LIMIT as u64 });
        let too_short = |announced| Err(PacketError::TooShort { announced });
        let rows: [Row; 12] = [
            (count(b'n', 0, 2), b"\0\x03abc\0\0\0\x01z\0", &[b"\0\x03abc", b"\0\0", b"\0\x01z"], Ok(1)),
            (count(b'n', 0, 0), b"\0\x05abc\0\x02\0", &[b"\0\x05abc", b"\0\x02"], Ok(1)),
            (count(b'C', 2, 4), b"ab\x01cdef\x02ghi", &[b"ab\x01cd", b"ef\x02ghi"], Ok(0)),
            (count(b'C', 0, 0), b"\x14abcdefghijklmnopqrsy", &[b"\x14abcdefghijklmnopqrs"], too_long(0x79)),
            (count(b'C', 0, 0), b"\x15", &[], too_long(21)),
            (count(b'C', 0, 1), b"\x14", &[], too_long(21)),
            (count(b'C', 0, 0), b"\x01\0", &[b"\x01"], too_short(0)),
            (count(b'n', 1, 1), b"x\0\x01", &[], too_short(2)),
            (count(b'c', 0, 0), b"\xff", &[], too_short(-1)),
            (count(b'N', 0, 4), b"\xff\xff\xff\xff", &[], too_long(0xffff_ffff + 4)),
            (count(b'J', 0, 8), b"\xff\xff\xff\xff\xff\xff\xff\xff", &[], too_long(u64::MAX)),
            (count(b'n', 0, 2), b"", &[], Ok(0)),
        ];
        for (packets, bytes, wanted, rest) in rows {
            for size in 1..=bytes.len().max(1) {
                let (found, left) = read(packets, bytes.chunks(size));
                assert_eq!((found, left), (wanted.iter().map(|packet| packet.to_vec()).collect(), rest), "{bytes:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same(
            bytes in proptest::collection::vec(0u8..4, 0..100),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
            kind in 0usize..5,
        ) {
            let kinds = [
                Packets::Split(mark(&[0])), Packets::Split(mark(&[1, 1, 0])), Packets::Gathered(mark(&[1, 0])),
                count(b'C', 0, 1), count(b'n', 1, 0),
            ];
            let packets = kinds[kind];
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            ends.sort_unstable();
            let pieces = ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
            let (cut, whole) = (read(packets, pieces), read(packets, [&bytes[..]]));
            if let Packets::Gathered(mark) = packets {
                let split = read(Packets::Split(mark), [&bytes[..]]);
                for (found, rest) in [cut, whole] {
                    prop_assert!(found.iter().all(|found| found.ends_with(mark.bytes())));
                    prop_assert_eq!((found.concat(), rest), (split.0.concat(), split.1));
                }
            } else {
                prop_assert_eq!(cut, whole);
            }
        }
    }
}
