//! A growable buffer that a message is put together in, and the pool that lends such buffers.

use std::fmt;

/// The smallest piece of memory a [`Block`] asks for, in bytes.
pub const BLOCK_BYTES_MIN: usize = 64 << 10;

/// What a [`Pool`] keeps at most, in bytes of capacity.
pub const POOL_BYTES_MAX: usize = 8 << 20;

/// A growable buffer, initialised throughout and filled up to a cursor.
///
/// A read may fill its spare part without `unsafe`, and memory is zeroed once, not at each use.
#[derive(Default)]
pub struct Block {
    store: Vec<u8>,
    filled: usize,
}

impl Block {
    /// The bytes received so far.
    pub fn bytes(&self) -> &[u8] {
        &self.store[..self.filled]
    }

    /// The bytes received from `start` on, to be changed in place.
    pub fn bytes_from_mut(&mut self, start: usize) -> &mut [u8] {
        &mut self.store[start..self.filled]
    }

    /// How many bytes were received.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// How many bytes fit without growing.
    pub fn capacity(&self) -> usize {
        self.store.len()
    }

    /// Forgets the bytes, keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Room for at most `wanted` more bytes, at least one if `wanted` is not zero.
    ///
    /// It grows to twice what was *received*, whatever was announced: a peer that declares much and sends little
    /// costs little.
    pub fn spare(&mut self, wanted: usize) -> &mut [u8] {
        let limit = self.filled.saturating_add(wanted);
        if self.filled == self.store.len() {
            let size = (2 * self.filled).max(BLOCK_BYTES_MIN).min(limit);
            self.store.reserve_exact(size - self.store.len());
            self.store.resize(size, 0);
        }
        let end = self.store.len().min(limit);
        &mut self.store[self.filled..end]
    }

    /// Counts `n` bytes of [`Block::spare`] as received.
    ///
    /// # Panics
    /// When `n` is more than there was room for.
    pub fn fill(&mut self, n: usize) {
        assert!(n <= self.store.len() - self.filled, "filled beyond the spare part");
        self.filled += n;
    }

    /// Adds a copy of `bytes`.
    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.spare(bytes.len());
            let n = room.len();
            room.copy_from_slice(&bytes[..n]);
            self.filled += n;
            bytes = &bytes[n..];
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {} bytes)", self.filled, self.store.len())
    }
}

/// A loop's spare blocks: at most [`POOL_BYTES_MAX`] bytes, last in first out.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Block>,
    bytes: usize,
}

impl Pool {
    /// A block with nothing in it.
    pub fn take(&mut self) -> Block {
        let block = self.free.pop().unwrap_or_default();
        self.bytes -= block.capacity();
        block
    }

    /// Takes a block back; one that does not fit the bound is freed.
    pub fn give(&mut self, mut block: Block) {
        if block.capacity() > 0 && self.bytes + block.capacity() <= POOL_BYTES_MAX {
            block.clear();
            self.bytes += block.capacity();
            self.free.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::block::{BLOCK_BYTES_MIN, Block, POOL_BYTES_MAX, Pool};

    #[test]
    fn grows_with_what_arrives_not_with_what_is_announced() {
        let mut block = Block::default();
        assert_eq!(block.spare(1 << 40).len(), BLOCK_BYTES_MIN);
        block.fill(BLOCK_BYTES_MIN);
        assert_eq!(block.spare(1 << 40).len(), BLOCK_BYTES_MIN);
        assert_eq!(block.spare(5).len(), 5);
    }

    #[test]
    fn append_keeps_order() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        let mut block = Block::default();
        for piece in bytes.chunks(70_001) {
            block.append(piece);
        }
        assert_eq!(block.bytes(), bytes);
    }

    #[test]
    fn the_pool_is_bounded() {
        let mut pool = Pool::default();
        for _ in 0..3 {
            let mut block = Block::default();
            block.append(&vec![0; POOL_BYTES_MAX / 2]);
            pool.give(block);
        }
        assert!(pool.take().is_empty());
        assert_eq!(pool.take().capacity(), POOL_BYTES_MAX / 2);
        assert_eq!(pool.take().capacity(), 0);
    }
}
