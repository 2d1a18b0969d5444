//! Finds a connection's row by its fd.

use crate::fd::Fd;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type Directory = HashMap<Fd, u32, BuildHasherDefault<FdHasher>>;

/// Fds are counted by the server itself: nobody can choose them, one multiplication spreads them.
#[derive(Debug, Default, Clone)]
pub(crate) struct FdHasher(u64);

impl Hasher for FdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}
