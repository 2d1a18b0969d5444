//! Turns a shared mapping into the state that all workers of one server share: who owns which connection.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use rustix::process::Pid;

use crate::region::Region;

// Layout, in words of 8 bytes; a line is 64 bytes, so that no two workers write to the same one:
//
//   line 0          word 0   the next fd, before it is cut to FD_BITS
//   line 1 + w      word 0   connections of worker w
//                   word 1   process id of worker w, 0 while there is none
//                   word 2   1 when a connection was handed over to worker w, until it looks
//   line 1 + W ...           rows, one word each, as many as `capacity`; the row of an fd is fd modulo capacity
//
//   a row           63 ........ 16 | 15 .... 1 | 0
//                         fd       |  worker   | established
//
// A row that does not hold an fd of its own and a worker that exists is free; 0 is such a row.

const WORD_BYTES: usize = size_of::<AtomicU64>();
const LINE_BYTES: usize = 64;

const FD_BITS: u32 = 48;
const FD_MAX: u64 = (1 << FD_BITS) - 1;
const WORKER_BITS: u32 = 15;
const WORKERS_MAX: usize = 1 << WORKER_BITS;
const CONNECTIONS_MAX: usize = 1_000_000;
const ESTABLISHED: u64 = 1;

const _: () = assert!(WORD_BYTES == 8);
const _: () = assert!(align_of::<AtomicU64>() <= WORD_BYTES);
const _: () = assert!(FD_BITS + WORKER_BITS + 1 == u64::BITS);
const _: () = assert!(CONNECTIONS_MAX < usize::MAX / 4);

/// Who owns a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The index of the worker that claimed it.
    pub worker: usize,
    /// Whether [`Table::establish`] was called for it.
    pub established: bool,
}

/// The connections of one server and the workers that own them.
///
/// It is mapped before the first fork, or shared behind an `Arc` by threads. A connection is called by its *fd*: a
/// number from 1, counted up for the whole server, which is not used again before 2⁴⁸ others were. What is in the
/// memory is not trusted: after any damage to it every call returns, and no index leaves its range.
pub struct Table {
    region: Region,
    workers: usize,
    max_connection: usize,
    capacity: usize,
}

impl Table {
    /// A table for `workers` (1..=32768) workers, none of them attached, with together at most `max_connection`
    /// (1..=1,000,000) connections.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a number outside its range; those of [`Region::new`].
    pub fn new(workers: usize, max_connection: usize) -> io::Result<Table> {
        if !(1..=WORKERS_MAX).contains(&workers) || !(1..=CONNECTIONS_MAX).contains(&max_connection) {
            let message = format!("no table holds {max_connection} connections of {workers} workers");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // Half of the rows stay free, so that a free one is soon found.
        let capacity = (2 * max_connection).next_power_of_two();
        let region = Region::new(LINE_BYTES * (1 + workers) + WORD_BYTES * capacity)?;
        let table = Table { region, workers, max_connection, capacity };
        table.next_fd().store(1, SeqCst);
        Ok(table)
    }

    /// Puts a process into a worker's place, from where [`least_loaded`](Table::least_loaded) sees it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn attach(&self, worker: usize, pid: Pid) {
        self.pid_word(worker).store(u64::from(pid.as_raw_pid().unsigned_abs()), SeqCst);
    }

    /// Takes a worker out of its place and frees everything it still owns. It must be dead, and nobody else claim or
    /// release in its name meanwhile.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn detach(&self, worker: usize) {
        self.pid_word(worker).store(0, SeqCst);
        for (index, row) in self.rows().iter().enumerate().take(self.used()) {
            let word = row.load(SeqCst);
            if self.read(index, word).is_some_and(|(_, owner)| owner.worker == worker) {
                // Were it another worker's by now, this would fail, rightly.
                let _ = row.compare_exchange(word, 0, SeqCst, SeqCst);
            }
        }
        self.count(worker).store(0, SeqCst);
        self.handed_over(worker).store(0, SeqCst);
    }

    /// Leaves word for `worker` that a connection waits at the listener for it; its doorbell is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn hand_over(&self, worker: usize) {
        self.handed_over(worker).store(1, SeqCst);
    }

    /// Takes the word of [`hand_over`](Table::hand_over): was there one? To miss none, clear the doorbell first.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn take_hand_over(&self, worker: usize) -> bool {
        self.handed_over(worker).swap(0, SeqCst) != 0
    }

    /// The process in a worker's place.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn pid(&self, worker: usize) -> Option<Pid> {
        let raw = i32::try_from(self.pid_word(worker).load(SeqCst)).ok()?;
        Pid::from_raw(raw)
    }

    /// An fd for a new connection of `worker`; `None` if the server has `max_connection` of them. Costs a load per
    /// worker. Two processes that race for the last one may both get `None`, but never both an fd.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn claim(&self, worker: usize) -> Option<u64> {
        // Counted first and looked at afterwards: of two that do so at once, one at least sees both.
        self.count(worker).fetch_add(1, SeqCst);
        let fd = if self.connections() <= self.max_connection { self.claim_row(worker) } else { None };
        if fd.is_none() {
            self.uncount(worker);
        }
        fd
    }

    fn claim_row(&self, worker: usize) -> Option<u64> {
        // One lap: at least half of the rows are free, unless the memory was damaged.
        for _ in 0..self.capacity {
            let fd = self.next_fd().fetch_add(1, SeqCst) & FD_MAX;
            if fd == 0 {
                continue;
            }
            let index = self.index(fd);
            let row = &self.rows()[index];
            let word = row.load(SeqCst);
            let claimed = write(fd, Owner { worker, established: false });
            let free = self.read(index, word).is_none();
            if free && row.compare_exchange(word, claimed, SeqCst, SeqCst).is_ok() {
                return Some(fd);
            }
        }
        None
    }

    /// Notes that the WebSocket handshake of `fd` is done. Without effect if there is no such connection.
    pub fn establish(&self, fd: u64) {
        self.update(fd, |owner| write(fd, Owner { established: true, ..owner }));
    }

    /// Frees `fd`: the connection is closed. Without effect if there is no such connection.
    pub fn release(&self, fd: u64) {
        if let Some(owner) = self.update(fd, |_| 0) {
            self.uncount(owner.worker);
        }
    }

    /// Who owns `fd`, any number; `None` if there is no such connection.
    pub fn owner(&self, fd: u64) -> Option<Owner> {
        let index = self.index(fd);
        let (found, owner) = self.read(index, self.rows()[index].load(SeqCst))?;
        (found == fd).then_some(owner)
    }

    /// All connections there are, each as it is when the walk gets to it.
    pub fn all(&self) -> impl Iterator<Item = (u64, Owner)> {
        let rows = self.rows().iter().take(self.used()).enumerate();
        rows.filter_map(|(index, row)| self.read(index, row.load(SeqCst)))
    }

    /// How many rows can have been used: fds count up from 1, so before the first lap the rest never was.
    fn used(&self) -> usize {
        usize::try_from(self.next_fd().load(SeqCst)).map_or(self.capacity, |next| next.min(self.capacity))
    }

    /// The connections of all workers.
    pub fn connections(&self) -> usize {
        (0..self.workers).fold(0, |sum, worker| sum.saturating_add(self.load(worker)))
    }

    /// The connections of `worker`.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn load(&self, worker: usize) -> usize {
        usize::try_from(self.count(worker).load(SeqCst)).unwrap_or(usize::MAX)
    }

    /// The attached worker with the fewest connections, and how many it has; `None` if no worker is attached.
    pub fn least_loaded(&self) -> Option<(usize, usize)> {
        let attached = (0..self.workers).filter(|&worker| self.pid(worker).is_some());
        attached.map(|worker| (worker, self.load(worker))).min_by_key(|&(_, load)| load)
    }

    /// Replaces the row of `fd`, if it is in use, by what `change` makes of its owner, and returns the former owner.
    fn update(&self, fd: u64, change: impl Fn(Owner) -> u64) -> Option<Owner> {
        let index = self.index(fd);
        let change_if_there = |word| {
            let (found, owner) = self.read(index, word)?;
            (found == fd).then(|| change(owner))
        };
        let before = self.rows()[index].fetch_update(SeqCst, SeqCst, change_if_there).ok()?;
        self.read(index, before).map(|(_, owner)| owner)
    }

    /// What a row says, if it can be true.
    fn read(&self, index: usize, word: u64) -> Option<(u64, Owner)> {
        let fd = word >> (WORKER_BITS + 1);
        let worker = (word >> 1) as usize % WORKERS_MAX;
        let valid = fd != 0 && self.index(fd) == index && worker < self.workers;
        valid.then_some((fd, Owner { worker, established: word & ESTABLISHED != 0 }))
    }

    fn index(&self, fd: u64) -> usize {
        // A power of two: the low bits are the same whatever the width of usize.
        fd as usize & (self.capacity - 1)
    }

    /// One connection less, but never less than none: the memory may say 0 wrongly.
    fn uncount(&self, worker: usize) {
        let _ = self.count(worker).fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
    }

    fn next_fd(&self) -> &AtomicU64 {
        &self.region.u64s(0, 1)[0]
    }

    fn count(&self, worker: usize) -> &AtomicU64 {
        &self.place(worker)[0]
    }

    fn pid_word(&self, worker: usize) -> &AtomicU64 {
        &self.place(worker)[1]
    }

    fn handed_over(&self, worker: usize) -> &AtomicU64 {
        &self.place(worker)[2]
    }

    fn place(&self, worker: usize) -> &[AtomicU64] {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        self.region.u64s(LINE_BYTES * (1 + worker), LINE_BYTES / WORD_BYTES)
    }

    fn rows(&self) -> &[AtomicU64] {
        self.region.u64s(LINE_BYTES * (1 + self.workers), self.capacity)
    }
}

/// The row that says so. `fd` is within `FD_BITS`, the worker within `WORKER_BITS`.
fn write(fd: u64, owner: Owner) -> u64 {
    fd << (WORKER_BITS + 1) | (owner.worker as u64) << 1 | u64::from(owner.established)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use proptest::prelude::{Strategy, any, prop_oneof, proptest};
    use proptest::{collection, prop_assert_eq};
    use rustix::process::{Pid, getpid};

    use super::{CONNECTIONS_MAX, FD_MAX, Owner, Table, WORKERS_MAX, write};

    fn owned_by(worker: usize) -> Option<Owner> {
        Some(Owner { worker, established: false })
    }

    #[test]
    fn takes_only_numbers_that_fit() {
        #[rustfmt::skip]
        let cases = [
            // workers, max_connection, capacity
            (1,               1,                   Some(2)),
            (3,               2,                   Some(4)),
            (3,               3,                   Some(8)),
            (WORKERS_MAX,     100,                 Some(256)),
            (1,               CONNECTIONS_MAX,     Some(1 << 21)),
            (0,               1,                   None),
            (1,               0,                   None),
            (WORKERS_MAX + 1, 1,                   None),
            (1,               CONNECTIONS_MAX + 1, None),
            (usize::MAX,      usize::MAX,          None),
        ];
        for (workers, max_connection, expected) in cases {
            let capacity = Table::new(workers, max_connection).ok().map(|table| table.capacity);
            assert_eq!(capacity, expected, "{max_connection} connections of {workers} workers");
        }
    }

    #[test]
    fn every_row_says_what_was_written() {
        let table = Table::new(WORKERS_MAX, 4).unwrap();
        for fd in [1, 2, 7, 8, 0xffff_ffff, 0x1_0000_0000, FD_MAX] {
            for worker in [0, 1, 255, WORKERS_MAX - 1] {
                for established in [false, true] {
                    let owner = Owner { worker, established };
                    assert_eq!(table.read(table.index(fd), write(fd, owner)), Some((fd, owner)));
                }
            }
        }
    }

    #[test]
    fn an_fd_lives_from_claim_to_release() {
        let table = Table::new(2, 2).unwrap();
        assert_eq!(table.claim(1), Some(1));
        assert_eq!(table.owner(1), owned_by(1));
        table.establish(1);
        assert_eq!(table.owner(1), Some(Owner { worker: 1, established: true }));
        assert_eq!((table.load(0), table.load(1), table.connections()), (0, 1, 1));
        table.release(1);
        table.release(1);
        table.establish(1);
        assert_eq!(table.owner(1), None);
        assert_eq!(table.connections(), 0);
        assert_eq!(table.claim(0), Some(2));
    }

    #[test]
    fn max_connection_is_the_limit_of_all_workers_together() {
        let table = Table::new(2, 3).unwrap();
        assert_eq!([table.claim(0), table.claim(1), table.claim(0)], [Some(1), Some(2), Some(3)]);
        assert_eq!([table.claim(0), table.claim(1)], [None, None]);
        assert_eq!(table.connections(), 3);
        table.release(2);
        assert_eq!(table.claim(0), Some(4));
        assert_eq!(table.claim(1), None);
    }

    #[test]
    fn busy_rows_are_skipped_lap_after_lap() {
        let table = Table::new(1, 2).unwrap();
        assert_eq!(table.claim(0), Some(1));
        let mut fds = Vec::new();
        for _ in 0..6 {
            let fd = table.claim(0).unwrap();
            table.release(fd);
            fds.push(fd);
        }
        // Four rows; 1 stays, so 5 and 9 do not come.
        assert_eq!(fds, [2, 3, 4, 6, 7, 8]);
        assert_eq!(table.owner(1), owned_by(0));
        assert_eq!(table.owner(5), None);
    }

    #[test]
    fn the_counter_wraps_past_0() {
        let table = Table::new(1, 2).unwrap();
        table.next_fd().store(FD_MAX, SeqCst);
        assert_eq!([table.claim(0), table.claim(0)], [Some(FD_MAX), Some(1)]);
        assert_eq!(table.owner(FD_MAX), owned_by(0));
        assert_eq!(table.owner(0), None);
        assert_eq!(table.owner(u64::MAX), None);
    }

    #[test]
    fn garbage_is_nobody_and_makes_room() {
        #[rustfmt::skip]
        let cases = [
            ("no fd",              write(0, Owner { worker: 0, established: true })),
            ("an fd of other row", write(2, Owner { worker: 0, established: true })),
            ("no such worker",     write(1, Owner { worker: 2, established: true })),
            ("the last worker",    write(1, Owner { worker: WORKERS_MAX - 1, established: false })),
            ("all bits",           u64::MAX),
        ];
        for (case, word) in cases {
            let table = Table::new(2, 2).unwrap();
            table.rows()[1].store(word, SeqCst);
            table.establish(1);
            table.release(1);
            table.detach(1);
            for fd in [0, 1, 2, 5, FD_MAX, u64::MAX] {
                assert_eq!(table.owner(fd), None, "{case}");
            }
            assert_eq!(table.rows()[1].load(SeqCst), word, "{case}");
            assert_eq!(table.claim(0), Some(1), "{case}");
        }
    }

    #[test]
    fn garbage_in_the_counters_does_no_harm() {
        let table = Table::new(2, 2).unwrap();
        let fd = table.claim(0).unwrap();
        table.count(0).store(0, SeqCst);
        table.release(fd);
        assert_eq!(table.load(0), 0);
        table.count(0).store(u64::MAX - 1, SeqCst);
        table.count(1).store(u64::MAX - 1, SeqCst);
        assert_eq!((table.connections(), table.claim(0)), (usize::MAX, None));
        table.pid_word(0).store(u64::MAX, SeqCst);
        assert_eq!((table.pid(0), table.least_loaded()), (None, None));
        table.next_fd().store(u64::MAX, SeqCst);
        table.detach(0);
        table.detach(1);
        assert_eq!(table.claim(0), Some(FD_MAX));
        // Every row claims to be in use: the search ends.
        for (index, row) in table.rows().iter().enumerate() {
            row.store(write(4 + index as u64, Owner { worker: 1, established: true }), SeqCst);
        }
        assert_eq!(table.claim(0), None);
    }

    #[test]
    fn detach_frees_the_rows_of_one_worker() {
        let table = Table::new(3, 100).unwrap();
        let mut fds = Vec::new();
        for turn in 0..60 {
            let worker = turn % 3;
            fds.push((table.claim(worker).unwrap(), worker));
        }
        table.detach(1);
        for (fd, worker) in fds {
            assert_eq!(table.owner(fd), if worker == 1 { None } else { owned_by(worker) });
        }
        assert_eq!((table.load(0), table.load(1), table.load(2)), (20, 0, 20));
    }

    #[test]
    fn detach_reaches_the_first_and_the_last_row() {
        let table = Table::new(1, 2).unwrap();
        for lap in 1..4 {
            for fd in (4 * lap - 3)..=(4 * lap) {
                assert_eq!(table.claim(0), Some(fd));
                table.detach(0);
                assert_eq!((table.owner(fd), table.connections()), (None, 0));
            }
        }
    }

    #[test]
    fn the_least_loaded_worker_is_attached() {
        let table = Table::new(3, 10).unwrap();
        assert_eq!((table.least_loaded(), table.pid(0)), (None, None));
        table.attach(0, getpid());
        table.attach(2, Pid::INIT);
        assert_eq!(table.least_loaded(), Some((0, 0)));
        table.claim(0).unwrap();
        assert_eq!(table.least_loaded(), Some((2, 0)));
        table.detach(2);
        assert_eq!(table.least_loaded(), Some((0, 1)));
        assert_eq!((table.pid(0), table.pid(2)), (Some(getpid()), None));
    }

    #[test]
    fn a_hand_over_is_taken_once_by_the_worker_it_is_for() {
        let table = Table::new(3, 10).unwrap();
        table.hand_over(1);
        table.hand_over(1);
        table.hand_over(2);
        table.detach(2);
        assert_eq!([0, 1, 2].map(|worker| table.take_hand_over(worker)), [false, true, false]);
        assert!(!table.take_hand_over(1));
    }

    #[test]
    fn threads_get_distinct_fds_and_keep_the_limit() {
        const LIVE_MAX: usize = 8;
        let table = Table::new(2, LIVE_MAX).unwrap();
        let work = |worker| {
            let mut mine: Vec<u64> = Vec::new();
            let mut live: Vec<u64> = Vec::new();
            for turn in 0..20_000 {
                match table.claim(worker) {
                    Some(fd) => live.push(fd),
                    None => live.drain(..).for_each(|fd| table.release(fd)),
                }
                for &fd in &live {
                    assert_eq!(table.owner(fd), owned_by(worker));
                }
                if turn % 3 == 0 {
                    mine.extend(&live);
                    live.drain(..).for_each(|fd| table.release(fd));
                }
            }
            live.into_iter().for_each(|fd| table.release(fd));
            mine
        };
        let (mut fds, others) = thread::scope(|scope| {
            let other = scope.spawn(|| work(1));
            (work(0), other.join().unwrap())
        });
        fds.extend(others);
        let claimed = fds.len();
        fds.sort_unstable();
        fds.dedup();
        assert_eq!(fds.len(), claimed);
        assert_eq!(table.connections(), 0);
        assert!(table.rows().iter().all(|row| row.load(SeqCst) == 0));
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Claim(usize),
        Establish(u64),
        Release(u64),
        Detach(usize),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let fd = prop_oneof![9 => 0..80u64, 1 => any::<u64>()];
        prop_oneof![
            6 => (0..3usize).prop_map(Operation::Claim),
            2 => fd.clone().prop_map(Operation::Establish),
            4 => fd.prop_map(Operation::Release),
            1 => (0..3usize).prop_map(Operation::Detach),
        ]
    }

    proptest! {
        #[test]
        fn does_what_a_map_does(operations in collection::vec(operation(), 0..200), max_connection in 1..9usize) {
            let table = Table::new(3, max_connection).unwrap();
            let capacity = table.capacity as u64;
            let mut model = BTreeMap::new();
            let mut next = 1;
            for operation in operations {
                match operation {
                    Operation::Claim(worker) => {
                        let fd = (model.len() < max_connection).then(|| {
                            let busy = |fd: u64| model.keys().any(|live| live % capacity == fd % capacity);
                            while busy(next) {
                                next += 1;
                            }
                            next += 1;
                            next - 1
                        });
                        prop_assert_eq!(table.claim(worker), fd);
                        model.extend(fd.map(|fd| (fd, Owner { worker, established: false })));
                    }
                    Operation::Establish(fd) => {
                        table.establish(fd);
                        if let Some(owner) = model.get_mut(&fd) {
                            owner.established = true;
                        }
                    }
                    Operation::Release(fd) => {
                        table.release(fd);
                        model.remove(&fd);
                    }
                    Operation::Detach(worker) => {
                        table.detach(worker);
                        model.retain(|_, owner| owner.worker != worker);
                    }
                }
                for fd in 0..next + capacity {
                    prop_assert_eq!(table.owner(fd), model.get(&fd).copied());
                }
                for worker in 0..3 {
                    let load = model.values().filter(|owner| owner.worker == worker).count();
                    prop_assert_eq!(table.load(worker), load);
                }
            }
        }
    }
}
