//! What was accepted for connections elsewhere, until those who have them have begun with it.

use std::collections::{HashMap, VecDeque};
use wirewool_hub::fd::Fd;

/// The records that are under way to one other process or thread, in order, and how many bytes each brings to whom.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    records: VecDeque<(Fd, usize)>,
    /// How many were kept already.
    kept: u64,
    total: usize,
    /// The sum for each connection, counted only while it matters.
    sums: Option<HashMap<Fd, usize>>,
}

impl Promises {
    /// A record is on its way.
    #[inline]
    pub(crate) fn make(&mut self, fd: Fd, bytes: usize) {
        self.records.push_back((fd, bytes));
        self.total += bytes;
        if let Some(sums) = &mut self.sums {
            *sums.entry(fd).or_default() += bytes;
        }
    }

    /// So many records were begun with since the beginning.
    #[inline]
    pub(crate) fn keep(&mut self, begun: u64) {
        // The number comes from elsewhere: what was not sent cannot have been begun.
        while self.kept < begun
            && let Some((fd, bytes)) = self.records.pop_front()
        {
            self.kept += 1;
            self.total -= bytes;
            if let Some(sums) = &mut self.sums {
                subtract(sums, fd, bytes);
            }
        }
        if self.records.is_empty() {
            self.sums = None;
        }
    }

    /// The bytes under way to all.
    #[inline]
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    #[cfg(test)]
    pub(crate) fn records(&self) -> usize {
        self.records.len()
    }

    /// The bytes under way to one connection.
    #[cold]
    pub(crate) fn to(&mut self, fd: Fd) -> usize {
        let sums = self.sums.get_or_insert_with(|| {
            let mut sums = HashMap::new();
            self.records.iter().for_each(|(fd, bytes)| *sums.entry(*fd).or_default() += bytes);
            sums
        });
        sums.get(&fd).copied().unwrap_or(0)
    }
}

fn subtract(sums: &mut HashMap<Fd, usize>, fd: Fd, bytes: usize) {
    if let Some(sum) = sums.get_mut(&fd) {
        *sum -= bytes;
        if *sum == 0 {
            sums.remove(&fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::remote::promises::Promises;
    use wirewool_hub::fd::Fd;

    #[test]
    fn what_is_under_way_is_counted_until_it_is_begun() {
        let fd = |number| Fd::new(number).expect("not 0");
        let mut promises = Promises::default();
        for number in 1..=4 {
            promises.make(fd(number % 2 + 1), 10 * number as usize);
        }
        assert_eq!((promises.total(), promises.to(fd(1)), promises.to(fd(2)), promises.to(fd(3))), (100, 60, 40, 0));
        promises.keep(1);
        assert_eq!((promises.total(), promises.to(fd(1)), promises.to(fd(2))), (90, 60, 30));
        promises.make(fd(2), 5);
        promises.keep(3);
        assert_eq!((promises.total(), promises.to(fd(1)), promises.to(fd(2))), (45, 40, 5));
        promises.keep(u64::MAX);
        assert_eq!((promises.total(), promises.to(fd(1))), (0, 0));
        promises.keep(2);
        promises.make(fd(1), 7);
        assert_eq!(promises.total(), 7);
    }
}
