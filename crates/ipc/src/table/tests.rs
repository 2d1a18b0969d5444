//! The table case by case, against threads that race, and against damage.

use std::array;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};
use rustix::process::{Pid, getpid};

use super::facts::{Facts, Origin};
use super::word::{Connection, FD_MAX, Word};
use super::{CONNECTIONS_MAX, LINE_WORDS, OWNERS_MAX, ROWS_MAX, Row, Signs, Table, WORD_BYTES, facts, owners};

/// A connection of which nothing is told: its fd.
fn claim(table: &Table, owner: usize) -> Option<u64> {
    table.claim(owner, Origin::UNKNOWN, 0).map(|(fd, _)| fd)
}

pub(super) fn owned_by(owner: usize) -> Connection {
    Connection { owner, status: 0, closing: false, protected: false }
}

/// All words of the table, but for the next fd if not asked for.
fn damage(table: &Table, next_fd: bool, mut value: impl FnMut() -> u64) {
    let words = table.region.u64s(0, table.region.bytes() / WORD_BYTES);
    for word in &words[if next_fd { 0 } else { 1 }..] {
        word.store(value(), SeqCst);
    }
}

#[test]
fn takes_only_numbers_that_fit() {
    #[rustfmt::skip]
    let cases = [
        // owners, max_connection, capacity
        (1,              1,                   Some(2)),
        (3,              2,                   Some(4)),
        (3,              3,                   Some(8)),
        (OWNERS_MAX,     100,                 Some(256)),
        (1,              CONNECTIONS_MAX,     Some(ROWS_MAX)),
        (0,              1,                   None),
        (1,              0,                   None),
        (OWNERS_MAX + 1, 1,                   None),
        (1,              CONNECTIONS_MAX + 1, None),
        (usize::MAX,     usize::MAX,          None),
    ];
    for (owners, max_connection, expected) in cases {
        let capacity = Table::new(owners, max_connection).ok().map(|table| table.capacity);
        assert_eq!(capacity, expected, "{max_connection} connections of {owners} owners");
    }
}

#[test]
fn its_parts_lie_one_behind_the_other_on_lines_of_their_own() {
    for (owners, max_connection) in [(1, 1), (3, 5000), (OWNERS_MAX, CONNECTIONS_MAX)] {
        let table = Table::new(owners, max_connection).unwrap();
        let [leaves, middles, tops] = table.bits;
        let mut end = 0;
        let next_fd = super::Part { byte_offset: 0, words: 1 };
        for part in [next_fd, table.owner_lines, tops, middles, leaves, table.words, table.records] {
            assert_eq!(part.byte_offset, end);
            end = (part.byte_offset + part.words * WORD_BYTES).next_multiple_of(LINE_WORDS * WORD_BYTES);
        }
        assert_eq!(table.region.bytes(), end);
        assert_eq!(table.records.words, table.capacity * facts::WORDS);
        assert_eq!(table.owner_lines.words, owners * owners::WORDS);
    }
}

#[test]
fn an_fd_lives_from_claim_to_release() {
    let table = Table::new(2, 2).unwrap();
    let peer = "[2001:db8::1]:4567".parse::<SocketAddr>().ok();
    let origin = Origin { peer, descriptor: 17, port: 9 };
    let (fd, row) = table.claim(1, origin, 1000).unwrap();
    assert_eq!((fd, table.connection(1)), (1, Some(owned_by(1))));
    let fresh = Facts {
        origin,
        opened_at_ms: 1000,
        received_at_ms: 1000,
        sent_at_ms: 1000,
        owed_bytes: 0,
        close_errno: 0,
        uid: 0,
    };
    assert_eq!((table.facts(1), table.port(1), table.port(2)), (Some(fresh), Some(9), None));
    table.received(row, 1001);
    table.sent(row, 1002);
    table.owes(row, 70_000);
    assert_eq!([table.bind(1, 0), table.bind(1, 9), table.bind(1, 10), table.bind(2, 9)], [false, true, false, false]);
    assert_eq!(table.last_fd(), 1);
    let later = Facts { received_at_ms: 1001, sent_at_ms: 1002, owed_bytes: 70_000, uid: 9, ..fresh };
    assert_eq!((table.facts(1), table.owed_bytes(1)), (Some(later), Some(70_000)));
    table.set_status(1, 3);
    assert_eq!([table.begin_closing(1), table.begin_closing(1), table.protect(1, true)], [true, false, true]);
    assert_eq!(table.connection(1), Some(Connection { owner: 1, status: 3, closing: true, protected: true }));
    assert_eq!((table.load(0), table.load(1), table.connections()), (0, 1, 1));
    table.release(1);
    table.release(1);
    table.set_status(1, 3);
    assert_eq!([table.begin_closing(1), table.protect(1, true), table.bind(1, 1)], [false; 3]);
    assert_eq!((table.connection(1), table.facts(1), table.owed_bytes(1)), (None, None, None));
    assert_eq!((table.connections(), table.accepted(), table.closed()), (0, 1, 1));
    // Nothing of it is left for the next ones, the one that gets its row included.
    for expected in 2..=5 {
        let (fd, _) = table.claim(0, Origin::UNKNOWN, 2000).unwrap();
        let fresh = Facts {
            origin: Origin::UNKNOWN,
            opened_at_ms: 2000,
            received_at_ms: 2000,
            sent_at_ms: 2000,
            owed_bytes: 0,
            close_errno: 0,
            uid: 0,
        };
        assert_eq!((fd, table.connection(fd), table.facts(fd)), (expected, Some(owned_by(0)), Some(fresh)));
        assert!(table.bind(fd, 5));
        table.release(fd);
    }
}

#[test]
fn max_connection_is_the_limit_of_all_owners_together() {
    let table = Table::new(2, 3).unwrap();
    assert_eq!([claim(&table, 0), claim(&table, 1), claim(&table, 0)], [Some(1), Some(2), Some(3)]);
    assert_eq!([claim(&table, 0), claim(&table, 1)], [None, None]);
    assert_eq!((table.connections(), table.accepted()), (3, 3));
    table.release(2);
    assert_eq!(claim(&table, 0), Some(4));
    assert_eq!(claim(&table, 1), None);
}

#[test]
fn busy_rows_are_skipped_lap_after_lap() {
    let table = Table::new(1, 2).unwrap();
    assert_eq!(claim(&table, 0), Some(1));
    let mut fds = Vec::new();
    for _ in 0..6 {
        let fd = claim(&table, 0).unwrap();
        table.release(fd);
        fds.push(fd);
    }
    // Four rows; 1 stays, so 5 and 9 do not come.
    assert_eq!(fds, [2, 3, 4, 6, 7, 8]);
    assert_eq!(table.connection(1), Some(owned_by(0)));
    assert_eq!(table.connection(5), None);
}

#[test]
fn the_counter_wraps_past_0() {
    let table = Table::new(1, 2).unwrap();
    table.next_fd().store(FD_MAX, SeqCst);
    assert_eq!([claim(&table, 0), claim(&table, 0)], [Some(FD_MAX), Some(1)]);
    assert_eq!(table.connection(FD_MAX), Some(owned_by(0)));
    assert_eq!((table.connection(0), table.connection(u64::MAX)), (None, None));
}

#[test]
fn what_is_claimed_but_not_published_is_nobody_and_not_free() {
    let table = Table::new(2, 2).unwrap();
    table.words()[1].store(Word::claimed(1, 1).0, SeqCst);
    table.bitmap().set(1);
    assert_eq!((table.connection(1), table.facts(1), table.all().count()), (None, None, 0));
    table.release(1);
    assert_eq!((claim(&table, 0), table.all().count()), (Some(2), 1));
    // It died before it published.
    table.detach(1);
    assert_eq!(table.words()[1].load(SeqCst), 0);
    assert_eq!([claim(&table, 0), claim(&table, 0)], [Some(3), None]);
}

#[test]
fn garbage_is_nobody_and_makes_room() {
    #[rustfmt::skip]
    let cases = [
        ("no fd",              Word::claimed(0, 0)),
        ("an fd of other row", Word::claimed(2, 0)),
        ("no such owner",      Word::claimed(1, 2)),
        ("the last owner",     Word::claimed(1, OWNERS_MAX - 1)),
        ("all bits",           Word(u64::MAX)),
    ];
    for (case, word) in cases {
        let table = Table::new(2, 2).unwrap();
        let word = word.publish().with_status(3);
        table.words()[1].store(word.0, SeqCst);
        table.bitmap().set(1);
        table.set_status(1, 2);
        table.release(1);
        table.detach(1);
        for fd in [0, 1, 2, 5, FD_MAX, u64::MAX] {
            assert_eq!((table.connection(fd), table.facts(fd), table.bind(fd, 1)), (None, None, false), "{case}");
        }
        assert_eq!((table.words()[1].load(SeqCst), table.all().count()), (word.0, 0), "{case}");
        assert_eq!(claim(&table, 0), Some(1), "{case}");
    }
}

#[test]
fn garbage_in_the_counters_does_no_harm() {
    let table = Table::new(2, 2).unwrap();
    let fd = claim(&table, 0).unwrap();
    table.of(0, 0).store(0, SeqCst);
    table.release(fd);
    assert_eq!(table.load(0), 0);
    for word in 0..owners::WORDS {
        table.of(0, word).store(u64::MAX - 1, SeqCst);
        table.of(1, word).store(u64::MAX - 1, SeqCst);
    }
    assert_eq!((table.connections(), claim(&table, 0)), (usize::MAX, None));
    assert_eq!((table.pid(0), table.least_loaded()), (None, None));
    assert_eq!(table.accepted(), u64::MAX - 3);
    table.count_received(0, 2);
    table.count_sent(1, 1);
    assert_eq!((table.received_bytes(), table.sent_bytes()), (u64::MAX - 1, u64::MAX - 2));
    table.detach(0);
    table.detach(1);
    assert_eq!((table.connections(), table.accepted(), table.closed()), (0, u64::MAX - 3, u64::MAX - 3));
    table.next_fd().store(u64::MAX, SeqCst);
    assert_eq!(claim(&table, 0), Some(FD_MAX));
    // Every row claims to be in use: the search ends.
    for (index, row) in table.words().iter().enumerate() {
        row.store(Word::claimed(4 + index as u64, 1).0, SeqCst);
    }
    assert_eq!(claim(&table, 0), None);
}

#[test]
fn detach_frees_the_rows_of_one_owner() {
    let table = Table::new(3, 100).unwrap();
    let mut fds = Vec::new();
    for turn in 0..60 {
        let owner = turn % 3;
        fds.push((claim(&table, owner).unwrap(), owner));
    }
    table.detach(1);
    for &(fd, owner) in &fds {
        assert_eq!(table.connection(fd), (owner != 1).then(|| owned_by(owner)));
    }
    assert_eq!((table.load(0), table.load(1), table.load(2)), (20, 0, 20));
    assert_eq!((table.accepted(), table.closed()), (60, 20));
    let left = fds.into_iter().filter(|(_, owner)| *owner != 1);
    assert!(table.all().eq(left.map(|(fd, owner)| (fd, owned_by(owner)))));
}

#[test]
fn detach_reaches_the_first_and_the_last_row() {
    let table = Table::new(1, 2).unwrap();
    for lap in 1..4 {
        for fd in (4 * lap - 3)..=(4 * lap) {
            assert_eq!(claim(&table, 0), Some(fd));
            table.detach(0);
            assert_eq!((table.connection(fd), table.connections(), table.closed()), (None, 0, fd));
        }
    }
}

#[test]
fn detach_repairs_the_summaries() {
    let table = Table::new(2, 50_000).unwrap();
    let fds = (0..40_000).map(|_| claim(&table, 0).unwrap()).collect::<Vec<_>>();
    fds.iter().filter(|fd| *fd % 9_999 != 0).for_each(|fd| table.release(*fd));
    for part in &table.bits[1..] {
        table.part(*part).iter().for_each(|word| word.store(0, SeqCst));
        assert_eq!(table.all().count(), 0);
        table.detach(1);
        assert!(table.all().map(|(fd, _)| fd).eq([9_999, 19_998, 29_997, 39_996]));
    }
}

#[test]
fn the_least_loaded_owner_is_attached() {
    let table = Table::new(3, 10).unwrap();
    assert_eq!((table.least_loaded(), table.pid(0)), (None, None));
    table.attach(0, getpid());
    table.attach(2, Pid::INIT);
    assert_eq!(table.least_loaded(), Some((0, 0)));
    claim(&table, 0).unwrap();
    assert_eq!(table.least_loaded(), Some((2, 0)));
    table.detach(2);
    assert_eq!(table.least_loaded(), Some((0, 1)));
    assert_eq!((table.pid(0), table.pid(2)), (Some(getpid()), None));
}

#[test]
fn a_hand_over_is_taken_once_by_the_owner_it_is_for() {
    let table = Table::new(3, 10).unwrap();
    table.hand_over(1);
    table.hand_over(1);
    table.hand_over(2);
    table.detach(2);
    assert_eq!([0, 1, 2].map(|owner| table.take_hand_over(owner)), [false, true, false]);
    assert!(!table.take_hand_over(1));
    table.want_look(2);
    assert_eq!([0, 1, 2].map(|owner| table.take_want_look(owner)), [false, false, true]);
    assert!(!table.take_want_look(2) && !table.take_hand_over(1));
}

#[test]
fn the_silent_are_those_who_said_nothing_for_so_long() {
    let table = Table::new(1, 10).unwrap();
    let now_ms = table.now_ms();
    let claim = |ago_ms: u64| table.claim(0, Origin::UNKNOWN, now_ms - ago_ms).unwrap();
    let [(late, row), (early, _), (protected, _), (closing, _), (_, heard_row)] =
        [5000, 900_000, 5000, 5000, 5000].map(claim);
    table.protect(protected, true);
    table.begin_closing(closing);
    table.received(heard_row, now_ms);
    let silent = |ms| table.silent(ms).map(|(fd, _)| fd).collect::<Vec<_>>();
    assert_eq!((silent(5000), silent(60_000)), (vec![late, early], vec![early]));
    let signs = Signs { received_at_ms: now_ms - 5000, sent_at_ms: now_ms - 5000, protected: false };
    assert_eq!(table.signs(row), signs);
    table.protect(late, true);
    table.sent(row, now_ms);
    assert_eq!(table.signs(row), Signs { sent_at_ms: now_ms, protected: true, ..signs });
}

#[test]
fn the_walk_goes_on_behind_any_connection() {
    let table = Table::new(1, 5000).unwrap();
    let fds = (0..5000).map(|_| claim(&table, 0).unwrap()).filter(|fd| fd % 63 == 0 || *fd > 4990);
    let fds = fds.collect::<Vec<_>>();
    (1..=4990).filter(|fd| fd % 63 != 0).for_each(|fd| table.release(fd));
    let rest = |fd: u64| table.after(fd).map(|rest| rest.map(|(fd, _)| fd).collect::<Vec<_>>());
    for (at, fd) in fds.iter().enumerate() {
        assert_eq!(rest(*fd).as_deref(), Some(&fds[at + 1..]));
    }
    assert_eq!((rest(0), rest(1), rest(u64::MAX)), (Some(fds), None, None));
}

/// The resident pages of the table's mapping, in KiB.
fn resident_kb(table: &Table) -> usize {
    let start = format!("{:x}-", table.next_fd().as_ptr().addr());
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
    let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn only_what_is_used_takes_memory() {
    let table = Table::new(4, CONNECTIONS_MAX).unwrap();
    assert!(resident_kb(&table) <= 4, "{} KiB", resident_kb(&table));
    let fds = (0..1000).map(|_| claim(&table, 0).unwrap()).collect::<Vec<_>>();
    assert_eq!(table.all().count(), 1000);
    table.detach(1);
    fds.into_iter().for_each(|fd| table.release(fd));
    // Of 145 MB: 8 KB of words and 64 KB of facts, and a page or two for each part.
    assert!(resident_kb(&table) <= 110, "{} KiB", resident_kb(&table));
}

#[test]
fn threads_get_distinct_fds_and_keep_the_limit() {
    const LIVE_MAX: usize = 8;
    let table = Table::new(2, LIVE_MAX).unwrap();
    let work = |owner| {
        let mut mine: Vec<u64> = Vec::new();
        let mut live: Vec<u64> = Vec::new();
        for turn in 0..20_000 {
            match claim(&table, owner) {
                Some(fd) => live.push(fd),
                None => live.drain(..).for_each(|fd| table.release(fd)),
            }
            for &fd in &live {
                assert_eq!(table.connection(fd), Some(owned_by(owner)));
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
    assert_eq!((table.connections(), table.accepted()), (0, table.closed()));
    assert!(table.words().iter().all(|row| row.load(SeqCst) == 0));
    assert_eq!(table.all().count(), 0);
}

/// What a connection's peer, times and user are while threads race, all told from its owner and descriptor.
fn raced(owner: usize, turn: u64) -> (Origin, u64) {
    let port = turn as u16;
    let peer = Some(([10, 0, owner as u8, 1], port).into());
    (Origin { peer, descriptor: i32::from(port), port: turn as u8 }, turn)
}

#[test]
fn facts_are_of_one_connection_while_rows_change_hands() {
    const TURNS: u64 = 20_000;
    // Four rows: each fd's successor comes soon.
    let table = Table::new(2, 2).unwrap();
    let over = AtomicBool::new(false);
    let own = |owner: usize| {
        for turn in 1..=TURNS {
            let (origin, now_ms) = raced(owner, turn);
            let Some((fd, row)) = table.claim(owner, origin, now_ms) else { continue };
            table.owes(row, turn as usize);
            table.set_status(fd, 3);
            assert!(table.bind(fd, 1 + owner as u32) || table.facts(fd).is_some_and(|facts| facts.uid == 99));
            assert_eq!(table.connection(fd).map(|it| (it.owner, it.status)), Some((owner, 3)));
            table.release(fd);
            assert!(!table.bind(fd, 98) && table.facts(fd).is_none());
        }
    };
    let look = || {
        let mut seen = 0;
        while !over.load(SeqCst) {
            for (fd, connection) in table.all().collect::<Vec<_>>() {
                let Some(facts) = table.facts(fd) else { continue };
                let turn = facts.opened_at_ms;
                assert_eq!((facts.origin, facts.received_at_ms), raced(connection.owner, turn));
                assert!([0, turn as usize].contains(&facts.owed_bytes), "{facts:?}");
                assert!([0, 1 + connection.owner as u32, 99].contains(&facts.uid), "{facts:?}");
                table.bind(fd, 99);
                seen += 1;
            }
        }
        seen
    };
    let seen: usize = thread::scope(|scope| {
        let owners = [0, 1].map(|owner| scope.spawn(move || own(owner)));
        let lookers = [(); 2].map(|()| scope.spawn(look));
        owners.into_iter().for_each(|owner| owner.join().unwrap());
        over.store(true, SeqCst);
        lookers.map(|looker| looker.join().unwrap()).iter().sum()
    });
    assert!(seen > 0);
    assert_eq!((table.connections(), table.all().count(), table.accepted()), (0, 0, table.closed()));
}

/// Every call there is.
fn call_everything(table: &Table, fd: u64, row: Row) {
    let owner = fd as usize % 3;
    let claimed = table.claim(owner, Origin::UNKNOWN, fd);
    for fd in [fd, fd % 64, 0, u64::MAX].into_iter().chain(claimed.map(|(fd, _)| fd)) {
        table.set_status(fd, 255);
        let _ = (table.connection(fd), table.facts(fd), table.owed_bytes(fd), table.begin_closing(fd));
        let _ = (table.protect(fd, true), table.bind(fd, 7), table.after(fd).map(Iterator::count));
        table.release(fd);
    }
    table.received(row, fd);
    table.sent(row, fd);
    table.owes(row, usize::MAX);
    table.attach(owner, getpid());
    table.hand_over(owner);
    let _ = (table.take_hand_over(owner), table.pid(owner), table.least_loaded(), table.connections());
    table.count_received(owner, fd);
    table.count_sent(owner, fd);
    let _ = (table.accepted(), table.closed(), table.received_bytes(), table.sent_bytes());
    assert!(table.all().count() <= table.capacity);
    table.detach(owner);
}

proptest! {
    #[test]
    fn any_damage_is_survived(
        words in collection::vec(prop_oneof![any::<u64>(), 0..200u64, (0..64u64).prop_map(|bit| 1 << bit)], 1..50),
        fds in collection::vec(any::<u64>(), 3),
        row in any::<u32>(),
        max_connection in 1..200usize,
        next_fd in any::<bool>(),
    ) {
        let table = Table::new(3, max_connection).unwrap();
        let mut values = words.iter().copied().cycle();
        damage(&table, next_fd, || values.next().unwrap());
        for fd in fds {
            call_everything(&table, fd, Row(row));
            damage(&table, next_fd, || values.next().unwrap().rotate_left(7));
        }
    }

    #[test]
    fn rows_that_look_right_beside_damage_are_survived(seeds: [u64; 4]) {
        let table = Table::new(3, 100).unwrap();
        let fds: [u64; 4] = array::from_fn(|_| claim(&table, 1).unwrap());
        // The words of the rows are as they were, all else is not.
        let kept = table.words().iter().map(|word| word.load(SeqCst)).collect::<Vec<_>>();
        let mut values = seeds.iter().copied().cycle();
        damage(&table, true, || values.next().unwrap());
        table.words().iter().zip(kept).for_each(|(word, value)| word.store(value, SeqCst));
        for fd in fds {
            prop_assert!(table.facts(fd).is_some() && table.connection(fd) == Some(owned_by(1)));
            table.release(fd);
            prop_assert_eq!(table.connection(fd), None);
        }
    }
}
