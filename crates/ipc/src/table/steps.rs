//! The table under random operations, against a map that is told the same.

use std::collections::BTreeMap;

use proptest::collection;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::facts::{Facts, Origin};
use super::tests::owned_by;
use super::word::Connection;
use super::{Row, Table};

#[derive(Clone, Debug)]
enum Operation {
    Claim(usize),
    Status(u64, u8),
    Close(u64),
    Protect(u64, bool),
    Bind(u64, u32),
    Owe(u64, usize),
    Release(u64),
    Detach(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let fd = || prop_oneof![9 => 0..80u64, 1 => any::<u64>()];
    prop_oneof![
        8 => (0..3usize).prop_map(Operation::Claim),
        1 => (fd(), 0..8u8).prop_map(|(fd, status)| Operation::Status(fd, status)),
        1 => fd().prop_map(Operation::Close),
        1 => (fd(), any::<bool>()).prop_map(|(fd, on)| Operation::Protect(fd, on)),
        1 => (fd(), 0..3u32).prop_map(|(fd, uid)| Operation::Bind(fd, uid)),
        1 => (fd(), any::<usize>()).prop_map(|(fd, bytes)| Operation::Owe(fd, bytes)),
        5 => fd().prop_map(Operation::Release),
        1 => (0..3usize).prop_map(Operation::Detach),
    ]
}

/// What a map knows.
#[derive(Clone, Copy, Debug)]
struct Known {
    row: Row,
    connection: Connection,
    facts: Facts,
}

/// The table, and a map that is told the same.
struct Pair {
    table: Table,
    model: BTreeMap<u64, Known>,
    next: u64,
    accepted: u64,
}

impl Pair {
    fn claim(&mut self, owner: usize) {
        let room = self.model.len() < self.table.max_connection;
        let peer = Some(([127, 0, 0, 1], self.next as u16).into());
        let (descriptor, now_ms) = (self.next as i32, self.next * 1000);
        let origin = Origin { peer, descriptor, port: self.next as u8 };
        let claimed = self.table.claim(owner, origin, now_ms);
        assert_eq!(claimed.is_some(), room);
        let Some((fd, row)) = claimed else { return };
        let capacity = self.table.capacity as u64;
        while self.model.keys().any(|live| live % capacity == self.next % capacity) {
            self.next += 1;
        }
        assert_eq!(fd, self.next);
        self.next += 1;
        self.accepted += 1;
        let facts = Facts {
            origin,
            opened_at_ms: now_ms,
            received_at_ms: now_ms,
            sent_at_ms: now_ms,
            owed_bytes: 0,
            close_errno: 0,
            uid: 0,
        };
        self.model.insert(fd, Known { row, connection: owned_by(owner), facts });
    }

    fn perform(&mut self, operation: Operation) {
        let table = &self.table;
        match operation {
            Operation::Claim(owner) => self.claim(owner),
            Operation::Status(fd, status) => {
                table.set_status(fd, status);
                self.model.entry(fd).and_modify(|known| known.connection.status = status);
            }
            Operation::Close(fd) => {
                let open = self.model.get_mut(&fd).map(|known| !std::mem::replace(&mut known.connection.closing, true));
                assert_eq!(table.begin_closing(fd), open.unwrap_or(false));
            }
            Operation::Protect(fd, on) => {
                assert_eq!(table.protect(fd, on), self.model.contains_key(&fd));
                self.model.entry(fd).and_modify(|known| known.connection.protected = on);
            }
            Operation::Bind(fd, uid) => {
                let known = self.model.get_mut(&fd).filter(|known| known.facts.uid == 0 && uid != 0);
                assert_eq!(table.bind(fd, uid), known.is_some());
                known.into_iter().for_each(|known| known.facts.uid = uid);
            }
            Operation::Owe(fd, bytes) => {
                let Some(known) = self.model.get_mut(&fd) else { return };
                known.facts.owed_bytes = bytes;
                known.facts.sent_at_ms += 1;
                known.facts.received_at_ms += 2;
                table.owes(known.row, bytes);
                table.sent(known.row, known.facts.sent_at_ms);
                table.received(known.row, known.facts.received_at_ms);
            }
            Operation::Release(fd) => {
                table.release(fd);
                self.model.remove(&fd);
            }
            Operation::Detach(owner) => {
                table.detach(owner);
                self.model.retain(|_, known| known.connection.owner != owner);
            }
        }
    }

    fn check(&self) {
        let Pair { table, model, next, accepted } = self;
        let capacity = table.capacity as u64;
        for fd in 0..next + capacity {
            let known = model.get(&fd);
            assert_eq!(table.connection(fd), known.map(|known| known.connection));
            assert_eq!(table.facts(fd), known.map(|known| known.facts));
            assert_eq!(table.owed_bytes(fd), known.map(|known| known.facts.owed_bytes));
        }
        let mut listed = model.iter().map(|(fd, known)| (*fd, known.connection)).collect::<Vec<_>>();
        listed.sort_by_key(|(fd, _)| fd % capacity);
        assert!(table.all().eq(listed.iter().copied()));
        for (at, (fd, _)) in listed.iter().enumerate() {
            assert!(table.after(*fd).unwrap().eq(listed[at + 1..].iter().copied()));
        }
        for owner in 0..3 {
            let load = model.values().filter(|known| known.connection.owner == owner).count();
            assert_eq!(table.load(owner), load);
        }
        assert_eq!((table.accepted(), table.closed()), (*accepted, accepted - model.len() as u64));
    }
}

proptest! {
    #[test]
    fn does_what_a_map_does(operations in collection::vec(operation(), 0..200), max_connection in 1..9usize) {
        let table = Table::new(3, max_connection).unwrap();
        let mut pair = Pair { table, model: BTreeMap::new(), next: 1, accepted: 0 };
        for operation in operations {
            pair.perform(operation);
            pair.check();
        }
    }
}
