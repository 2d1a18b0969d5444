//! Turns a number of bytes into words that a model checker watches: what it gets in place of a mapped region.

use std::io;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;

/// An atomic word, which may have one owner at a time.
///
/// The checker never lets a load see a store that comes later, as a processor may. So it does not notice by itself
/// when a word is written while somebody may still read it; but with a cell at its side it sees that nothing orders
/// the two.
pub struct Word {
    atomic: AtomicU64,
    owned: Option<UnsafeCell<()>>,
}

impl Word {
    fn new(owned: bool) -> Word {
        Word { atomic: AtomicU64::new(0), owned: owned.then(|| UnsafeCell::new(())) }
    }

    /// The value. If it has an owner, every store is to be ordered before this or behind it.
    pub fn load(&self, order: Ordering) -> u64 {
        if let Some(cell) = &self.owned {
            cell.with(|_| ());
        }
        self.atomic.load(order)
    }

    /// Sets the value. If it has an owner, everything else is to be ordered before this or behind it.
    pub fn store(&self, value: u64, order: Ordering) {
        if let Some(cell) = &self.owned {
            cell.with_mut(|_| ());
        }
        self.atomic.store(value, order);
    }
}

// SAFETY: The cell holds nothing, and nobody follows its pointers; the rest is atomic.
unsafe impl Sync for Word {}

/// Words, all zero.
pub struct Region {
    words: Vec<Word>,
}

impl Region {
    /// So many bytes, a multiple of 8.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new(bytes: usize) -> io::Result<Region> {
        Ok(Region::with_owned(bytes, bytes))
    }

    /// So many bytes, a multiple of 8; each word from `byte_offset` on has one owner at a time.
    pub fn with_owned(byte_offset: usize, bytes: usize) -> Region {
        Region { words: (0..bytes / 8).map(|place| Word::new(8 * place >= byte_offset)).collect() }
    }

    /// The size that was asked for, in bytes.
    pub fn bytes(&self) -> usize {
        8 * self.words.len()
    }

    /// `count` words from `byte_offset` on.
    ///
    /// # Panics
    ///
    /// If they do not lie inside.
    pub fn u64s(&self, byte_offset: usize, count: usize) -> &[Word] {
        &self.words[byte_offset / 8..][..count]
    }
}
