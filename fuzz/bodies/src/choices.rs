//! Takes choices from the front of an input, and cuts bytes into pieces.

/// What is left of the input. Where nothing is left, every choice is zero.
#[derive(Debug, Clone)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of the input.
    pub fn new(data: &'a [u8]) -> Choices<'a> {
        Choices(data)
    }

    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of `options`, which are not empty.
    pub fn one_of<T: Copy>(&mut self, options: &[T]) -> T {
        options[usize::from(self.byte()) % options.len()]
    }

    /// A number in this range.
    pub fn within(&mut self, range: std::ops::RangeInclusive<u8>) -> u8 {
        let count = range.end() - range.start() + 1;
        range.start() + self.byte() % count
    }

    /// As many bytes as the next byte says, or all that are left.
    pub fn some(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        some
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// How bytes are cut: a byte of the input, spread out.
#[derive(Debug, Clone, Copy)]
pub struct Cuts(u64);

impl Cuts {
    /// The cuts that `seed` stands for.
    pub fn new(seed: u8) -> Cuts {
        Cuts(u64::from(seed))
    }

    /// A length of 1 to `most` bytes (xorshift; the product keeps a seed of zero going).
    pub fn length(&mut self, most: usize) -> usize {
        self.0 = (self.0 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
        1 + (self.0 >> 8) as usize % most
    }

    /// `bytes` in pieces: tiny, small or large ones, some thousands at most.
    pub fn pieces<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        self.about(1000, bytes)
    }

    /// As [`Cuts::pieces`], but not many more than twice `count`.
    pub fn about<'a>(&mut self, count: usize, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = [1, 3, 40, 700][(self.0 % 4) as usize].max(bytes.len() / count);
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.length(most).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
