//! Finds a connection's row by its fd, in five bytes a connection.

use crate::fd::Fd;
use crate::sending::Sending;
use hashbrown::HashTable;

/// The rows of all connections. It has no fds of its own: each row knows its own.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    rows: HashTable<u32>,
}

impl Directory {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(crate) fn find(&self, fd: Fd, sending: &[Sending]) -> Option<u32> {
        self.rows.find(hash(fd), |row| sending[*row as usize].fd == Some(fd)).copied()
    }

    /// `fd` is not in it, and `row` is that of `fd` in `sending`.
    pub(crate) fn insert(&mut self, fd: Fd, row: u32, sending: &[Sending]) {
        self.rows.insert_unique(hash(fd), row, |row| sending[*row as usize].fd.map_or(0, hash));
    }

    /// Before its row forgets the fd.
    pub(crate) fn remove(&mut self, fd: Fd, sending: &[Sending]) {
        if let Ok(entry) = self.rows.find_entry(hash(fd), |row| sending[*row as usize].fd == Some(fd)) {
            entry.remove();
        }
    }
}

/// Fds are counted by the server itself: nobody can choose them, one multiplication spreads them.
fn hash(fd: Fd) -> u64 {
    fd.get().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
