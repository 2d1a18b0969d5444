//! Commands for connections that other loops own, from a process that has none of them, or not these.
//!
//! A command that is accepted here is carried out there, unless the connection ends before: so all that can be refused
//! is refused here. What a connection is owed already is in the table, what is under way to it is counted here.

pub(crate) mod promises;
pub(crate) mod way;

use crate::crew::Crew;
use crate::crew::parcel::Parcel;
use crate::crew::post::Post;
use crate::links::writers::{Nobody, Writers};
use crate::remote::promises::Promises;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wirewool_hub::codec::{ENGINE_TAG_MIN, encode_command};
use wirewool_hub::command::{After, Command, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Departed, Exchange};
use wirewool_ipc::table::Table;
use wirewool_ipc::table::word::Connection;
use wirewool_proto::websocket::frame::{self, CONTROL_BYTES_MAX, Opcode};
use wirewool_proto::websocket::sender::{OutOfSequence, Sequence};

/// A push whose frame the receiver keeps, since it was pushed before.
pub(crate) const KEEP: u16 = ENGINE_TAG_MIN;

/// The frame that is kept, for another connection.
pub(crate) const AGAIN: u16 = ENGINE_TAG_MIN + 1;

/// A record that is longer is forgotten by both sides as soon as something else is pushed.
pub(crate) const REPEAT_BYTES_MAX: usize = 64 << 10;

/// How long a batch may wait for its end; for each record that waits so much longer, up to a limit: about what sending
/// them takes. Or else a broadcast to thousands would be sent piece by piece.
const BATCH_TIME_MAX: Duration = Duration::from_millis(1);
const BATCH_TIME_EACH: Duration = Duration::from_micros(5);
const BATCH_TIME_LIMIT: Duration = Duration::from_millis(10);

/// What may be kept for one ring, in times of what may be owed to one connection: it is for all of them together.
const KEPT_OUTBOXES_MAX: usize = 8;

/// Of so many fragmented messages under way, those of closed connections are looked for.
const FRAGMENTED_MAX: usize = 1024;

/// Of so many that were opened from here, those that everybody sees as open are forgotten.
const OPENED_MAX: usize = 1024;

/// The bytes of an fd before what is pushed.
const FD_BYTES: usize = 8;

/// What may be pushed, and what may be owed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest message.
    pub push_bytes_max: usize,
    /// What may be owed to one connection.
    pub outbox_bytes_max: usize,
}

impl Limits {
    /// What may be kept for one ring.
    pub(crate) fn kept_bytes_max(&self) -> usize {
        self.outbox_bytes_max.saturating_mul(KEPT_OUTBOXES_MAX)
    }

    /// What is refused whatever the connection's state; otherwise, how much will be owed for it.
    pub(crate) fn check(&self, command: &Command<'_>) -> Result<usize, Refused> {
        let mut header = 0;
        let len = match command {
            Command::Push(Push { opcode, fin, payload, .. }) => {
                let len = payload.bytes().len();
                if opcode.is_control() && len > CONTROL_BYTES_MAX {
                    return Err(Refused::ControlTooLong(len));
                }
                // What is owed is the frame: many empty ones are much.
                header = frame::encode(*opcode, *fin, 0, len, None).bytes().len();
                len
            }
            Command::Send(bytes) | Command::Answer { bytes, .. } => bytes.len(),
            _ => return Ok(0),
        };
        if len > self.push_bytes_max && !matches!(command, Command::Answer { .. }) {
            return Err(Refused::TooLarge { len, limit: self.push_bytes_max });
        }
        if header + len > self.outbox_bytes_max {
            return Err(Refused::OutboxFull { owed: 0, limit: self.outbox_bytes_max });
        }
        Ok(header + len)
    }
}

/// What is known of another loop.
#[derive(Default)]
struct Peer {
    /// Its epoch, once a ring to it is open.
    epoch: Option<u32>,
    promises: Promises,
    /// The frame that it keeps, without the fd.
    repeat: Option<Vec<u8>>,
}

/// The way to all connections of the server.
pub struct Remote {
    table: Arc<Table>,
    writers: Writers,
    post: Post,
    limits: Limits,
    peers: Vec<Peer>,
    /// Those that a fragmented message from here is under way to.
    fragmented: HashSet<Fd>,
    /// Those whose upgrade was answered from here, until everybody sees that.
    opened: HashSet<Fd>,
    /// Since when something waits for its reader to be rung.
    unrung_since: Option<Instant>,
    /// How much does.
    unrung: u32,
    version: u64,
}

impl Remote {
    /// For the occupant of `seat`.
    pub(crate) fn new(table: Arc<Table>, exchange: Arc<Exchange>, crew: Crew, seat: usize, limits: Limits) -> Remote {
        let post = Post::new(crew, &exchange, seat, limits.kept_bytes_max());
        let peers = (0..exchange.seats()).map(|_| Peer::default()).collect();
        let writers = Writers::new(exchange, seat);
        Remote {
            table,
            writers,
            post,
            limits,
            peers,
            fragmented: HashSet::new(),
            opened: HashSet::new(),
            unrung_since: None,
            unrung: 0,
            version: 0,
        }
    }

    /// Asks something of a connection, wherever it is: [`Remote::ring`] is to follow, at the latest when the handler
    /// has returned.
    ///
    /// # Errors
    /// Why it will have no effect.
    pub(crate) fn apply(&mut self, fd: Fd, command: Command<'_>) -> Result<(), Refused> {
        let mut connection = self.table.connection(fd.get()).ok_or(Refused::Unknown)?;
        // Behind that: its owner may sit where somebody sat whose ring is open here.
        self.rang();
        if connection.status < Status::Active as u8 && self.opened.contains(&fd) {
            // The answer is on its way, before whatever follows it.
            connection.status = Status::Active as u8;
        }
        check_state(connection, &command)?;
        let len = self.limits.check(&command)?;
        let seat = connection.owner;
        let peer = self.peers.get_mut(seat).ok_or(Refused::Unknown)?;
        match self.writers.begun(seat).filter(|_| peer.epoch == self.writers.epoch(seat)) {
            Some(begun) => peer.promises.keep(begun),
            // No ring is open, or another one, of which its reader knows nothing.
            None => *peer = Peer::default(),
        }
        if let Err(refused) = self.check_room(fd, seat, len) {
            // Whoever asks again until there is room may do nothing else meanwhile: what waits leaves now.
            self.writers.flush();
            self.ring();
            return Err(refused);
        }
        if let Command::Push(push) = &command {
            self.check_sequence(fd, push)?;
        }
        let had_kept = self.writers.kept_bytes(seat) > 0;
        self.write(seat, fd, &command).map_err(|Nobody| Refused::Unknown)?;
        self.peers[seat].epoch = self.writers.epoch(seat);
        self.unrung = self.unrung.saturating_add(1);
        self.peers[seat].promises.make(fd, len);
        let has_kept = self.writers.kept_bytes(seat) > 0;
        if has_kept && !had_kept {
            // Whoever waits for room may be another thread, which sleeps already.
            self.writers.ring_self();
        }
        match command {
            // What is kept goes with this process: should it die before, the connection stays open.
            Command::Disconnect { .. } | Command::Close { .. } if has_kept => {}
            Command::Disconnect { .. } => {
                self.table.set_status(fd.get(), Status::Closing as u8);
                self.table.begin_closing(fd.get());
            }
            Command::Close { .. } => {
                self.table.begin_closing(fd.get());
            }
            Command::Answer { after: After::Upgrade(_), .. } => self.note_opened(fd),
            _ => {}
        }
        Ok(())
    }

    /// Was its upgrade answered from here?
    pub(crate) fn has_opened(&self, fd: Fd) -> bool {
        self.opened.contains(&fd)
    }

    fn note_opened(&mut self, fd: Fd) {
        if self.opened.len() >= OPENED_MAX {
            let table = &self.table;
            self.opened.retain(|fd| table.connection(fd.get()).is_some_and(|row| row.status < Status::Active as u8));
        }
        self.opened.insert(fd);
    }

    /// Rings those who sleep although there is something for them.
    pub(crate) fn ring(&mut self) {
        self.unrung_since = None;
        self.unrung = 0;
        self.writers.ring();
    }

    /// Rings them if what is for them waits too long.
    pub(crate) fn ring_if_late(&mut self) {
        if !self.writers.has_unrung() {
            return;
        }
        let now = Instant::now();
        let patience = (BATCH_TIME_EACH * self.unrung).clamp(BATCH_TIME_MAX, BATCH_TIME_LIMIT);
        if now.saturating_duration_since(*self.unrung_since.get_or_insert(now)) >= patience {
            self.ring();
        }
    }

    /// Somebody may have come, left or died: closes the rings to the dead, and to those who begin nothing more.
    pub(crate) fn rang(&mut self) {
        let version = self.writers.exchange().version();
        if std::mem::replace(&mut self.version, version) == version {
            return;
        }
        let mut gone = self.writers.orphaned();
        let gives_back = |seat: &usize| self.post.gives_back(self.writers.exchange(), *seat);
        gone.extend((0..self.peers.len()).filter(gives_back));
        for seat in gone {
            // Commands are dropped: whoever owned the connections is dead, and they with him.
            let records = self.writers.close(seat);
            self.post.take_back(seat, records);
        }
        self.post.flush(&mut self.writers);
    }

    /// All that these have sent has been taken: what they had begun of this process's is lost. Behind [`Remote::rang`].
    pub(crate) fn bury(&mut self, dead: &[Departed], lost: &mut VecDeque<Parcel>) {
        self.post.bury(dead, lost);
    }

    /// One step with what is sent to others of the crew: [`Remote::ring`] is to follow.
    pub(crate) fn with_post<R>(&mut self, step: impl FnOnce(&mut Post, &mut Writers) -> R) -> R {
        // What a dead one had not begun comes before what its successor is sent.
        self.rang();
        self.unrung = self.unrung.saturating_add(1);
        step(&mut self.post, &mut self.writers)
    }

    /// A parcel has come.
    pub(crate) fn note_taken(&mut self, parcel: &Parcel) {
        self.post.note_taken(self.writers.exchange(), parcel);
    }

    /// Has another process of the crew something of this one's to begin with still? Nobody can take it back from that
    /// one if this one ends before.
    pub(crate) fn has_unbegun(&self) -> bool {
        let exchange = self.writers.exchange();
        // At the very end whoever is left does it.
        !exchange.is_final() && self.post.seats().any(|seat| self.writers.has_unbegun(seat))
    }

    /// Writes what had no room. May this process wait for its doorbell then? If not, there is room again.
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.writers.flush();
        self.ring();
        self.writers.may_sleep()
    }

    /// Is something kept that has no room yet?
    pub(crate) fn has_kept(&self) -> bool {
        // At the very end nobody comes whom it could go to.
        let has_waiting = self.post.has_waiting() && !self.writers.exchange().is_final();
        has_waiting || self.lacks_room()
    }

    /// Is something kept for somebody who is there?
    pub(crate) fn lacks_room(&self) -> bool {
        (0..self.peers.len()).any(|seat| self.writers.kept_bytes(seat) > 0)
    }

    /// Is so much kept for one that nothing more should be begun?
    pub(crate) fn is_stuffed(&self) -> bool {
        (0..self.peers.len()).any(|seat| self.writers.kept_bytes(seat) > self.limits.kept_bytes_max())
    }

    /// Does what waits and what is owed leave room for so many bytes?
    fn check_room(&mut self, fd: Fd, seat: usize, len: usize) -> Result<(), Refused> {
        let limit = self.limits.outbox_bytes_max;
        if len == 0 {
            return Ok(());
        }
        let (kept, kept_max) = (self.writers.kept_bytes(seat), self.limits.kept_bytes_max());
        if kept > 0 && kept.saturating_add(len) > kept_max {
            return Err(Refused::OutboxFull { owed: kept, limit: kept_max });
        }
        let owed = self.table.owed_bytes(fd.get()).unwrap_or(0);
        let promises = &mut self.peers[seat].promises;
        let all = owed.saturating_add(promises.total()).saturating_add(len);
        let promised = if all <= limit { 0 } else { promises.to(fd) };
        let owed = owed.saturating_add(promised);
        if owed.saturating_add(len) > limit { Err(Refused::OutboxFull { owed, limit }) } else { Ok(()) }
    }

    /// Do the fragments that this process sends follow each other?
    fn check_sequence(&mut self, fd: Fd, push: &Push<'_>) -> Result<(), Refused> {
        if push.opcode.is_control() || (push.fin && push.opcode != Opcode::Continuation) {
            return Ok(());
        }
        let mut sequence = if self.fragmented.contains(&fd) { Sequence::Within } else { Sequence::Between };
        sequence.admit(push.opcode, push.fin).map_err(|error: OutOfSequence| Refused::OutOfSequence(error))?;
        if push.fin {
            self.fragmented.remove(&fd);
        } else {
            if self.fragmented.len() >= FRAGMENTED_MAX {
                self.fragmented.retain(|fd| self.table.connection(fd.get()).is_some());
            }
            self.fragmented.insert(fd);
        }
        Ok(())
    }

    /// Writes a command; the frame of a push that was pushed before goes once more, and from then on only by name.
    fn write(&mut self, seat: usize, fd: Fd, command: &Command<'_>) -> Result<(), Nobody> {
        let (writers, peer) = (&mut self.writers, &mut self.peers[seat]);
        let is_push = matches!(command, Command::Push(_));
        encode_command(fd, command, |tag, parts| {
            if !is_push {
                return writers.push(seat, tag, parts);
            }
            let [front, payload] = parts else { return writers.push(seat, tag, parts) };
            let frame = [&front[FD_BYTES..], payload];
            if peer.repeat.as_ref().is_some_and(|repeat| is_joined(repeat, frame)) {
                return writers.push(seat, AGAIN, &[&front[..FD_BYTES]]);
            }
            if writers.last_is(seat, tag, FD_BYTES, &frame) {
                peer.repeat = Some(frame.concat());
                return writers.push(seat, KEEP, parts);
            }
            if peer.repeat.as_ref().is_some_and(|repeat| FD_BYTES + repeat.len() > REPEAT_BYTES_MAX) {
                peer.repeat = None;
            }
            writers.push(seat, tag, parts)
        })
    }
}

/// Is it both parts, one behind the other?
fn is_joined(whole: &[u8], [first, second]: [&[u8]; 2]) -> bool {
    whole.len() == first.len() + second.len() && whole.starts_with(first) && whole.ends_with(second)
}

/// Can the connection take the command, as far as it is known to all?
pub(crate) fn check_state(connection: Connection, command: &Command<'_>) -> Result<(), Refused> {
    let Connection { status, closing, .. } = connection;
    match command {
        Command::Push(_) | Command::Disconnect { .. } if closing => Err(Refused::Closing),
        Command::Push(_) | Command::Disconnect { .. } if status != Status::Active as u8 => Err(Refused::NotWebSocket),
        // Also if it is to be reset: what closes already has its end told.
        Command::Send(_) | Command::Answer { .. } | Command::Close { .. } if closing => Err(Refused::Closing),
        Command::Answer { after: After::Upgrade(_), .. }
            if status != Status::Upgrading as u8 && status != Status::OwnHandshake as u8 =>
        {
            Err(Refused::NotWebSocket)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_OUTBOXES_MAX, Limits, Remote};
    use crate::crew::Crew;
    use crate::crew::parcel::PARCEL;
    use crate::links::readers::Readers;
    use std::sync::Arc;
    use wirewool_hub::codec::PUSH_TAG;
    use wirewool_hub::command::{After, Command, Push, Refused};
    use wirewool_hub::event::Status;
    use wirewool_hub::fd::Fd;
    use wirewool_ipc::exchange::Exchange;
    use wirewool_ipc::table::Table;
    use wirewool_ipc::table::facts::Origin;
    use wirewool_proto::websocket::close::CloseCode;
    use wirewool_proto::websocket::frame::Opcode;
    use wirewool_proto::websocket::message::Payload;

    /// Whoever has the connections sits in seat 0, whoever asks in seat 1.
    struct World {
        exchange: Arc<Exchange>,
        table: Arc<Table>,
        remote: Remote,
        owner: Readers,
    }

    impl World {
        fn new(outbox_bytes_max: usize) -> World {
            let exchange = Arc::new(Exchange::new(2, 4096).unwrap());
            let table = Arc::new(Table::new(1, 30).unwrap());
            (0..2).for_each(|seat| exchange.seat_next(seat));
            let limits = Limits { push_bytes_max: 1 << 20, outbox_bytes_max };
            let crew = Crew { reactors: 1, workers: 1, tasks: 0, users: 0 };
            let remote = Remote::new(table.clone(), exchange.clone(), crew, 1, limits);
            let owner = Readers::new(exchange.clone(), 0);
            World { exchange, table, remote, owner }
        }

        fn open(&self, status: Status) -> Fd {
            let (fd, _) = self.table.claim(0, Origin::UNKNOWN, 0).unwrap();
            self.table.set_status(fd, status as u8);
            Fd::new(fd).unwrap()
        }

        fn push(&mut self, fd: Fd, len: usize) -> Result<(), Refused> {
            self.remote.apply(fd, message(&vec![7; len]))
        }

        /// Its reader begins with so many of the commands.
        fn begin(&mut self, most: usize) -> usize {
            self.remote.ring();
            self.owner.greet();
            let mut count = 0;
            while count < most
                && let Some(record) = self.owner.peek(1)
            {
                record.begin().unwrap();
                count += 1;
            }
            count
        }
    }

    fn message(bytes: &[u8]) -> Command<'_> {
        Command::Push(Push { opcode: Opcode::Binary, fin: true, compress: false, payload: Payload::Borrowed(bytes) })
    }

    #[test]
    fn what_is_under_way_counts_until_it_is_begun_and_each_connection_for_itself() {
        let mut world = World::new(1024);
        let (one, other) = (world.open(Status::Active), world.open(Status::Active));
        assert_eq!(world.push(one, 1025 - 4), Err(Refused::OutboxFull { owed: 0, limit: 1024 }));
        assert_eq!(world.push(one, 500), Ok(()));
        assert_eq!(world.push(one, 500), Ok(()));
        assert_eq!(world.push(one, 500), Err(Refused::OutboxFull { owed: 1008, limit: 1024 }));
        assert_eq!(world.push(other, 500), Ok(()));
        assert_eq!(world.begin(1), 1);
        assert_eq!(world.push(one, 500), Ok(()));
        assert_eq!(world.push(one, 500), Err(Refused::OutboxFull { owed: 1008, limit: 1024 }));
    }

    #[test]
    fn empty_messages_are_owed_as_well() {
        let mut world = World::new(1024);
        let fd = world.open(Status::Active);
        let accepted = (0..2000).take_while(|_| world.push(fd, 0).is_ok()).count();
        assert!(accepted <= 1024 / 2, "{accepted} of them");
    }

    #[test]
    fn what_owes_nothing_is_forgotten_once_it_is_begun() {
        let mut world = World::new(1024);
        let fd = world.open(Status::Plain);
        for _ in 0..1000 {
            world.remote.apply(fd, Command::Forget).unwrap();
            world.begin(9);
        }
        assert!(world.remote.peers[0].promises.records() <= 1);
    }

    #[test]
    fn what_is_kept_is_bounded_and_only_what_is_not_kept_is_foretold() {
        let mut world = World::new(10_000);
        let (one, other) = (world.open(Status::Active), world.open(Status::Active));
        assert_eq!(world.push(one, 9000), Ok(()));
        assert!(world.remote.has_kept());
        let others: Vec<Fd> = (0..20).map(|_| world.open(Status::Active)).collect();
        // Each of another length: the same ones would go by name.
        let accepted = others.iter().zip(9001..).take_while(|(fd, len)| world.push(**fd, *len).is_ok()).count();
        assert!((1..=KEPT_OUTBOXES_MAX).contains(&accepted), "{accepted} of them");
        let close = Command::Disconnect { code: CloseCode::NORMAL, reason: "" };
        assert_eq!(world.remote.apply(other, close), Ok(()));
        assert!(!world.table.connection(other.get()).unwrap().closing, "it dies with this process");
        while world.remote.has_kept() {
            world.begin(9);
            world.remote.may_sleep();
        }
        assert_eq!(world.remote.apply(one, Command::Close { reset: false }), Ok(()));
        assert!(world.table.connection(one.get()).unwrap().closing);
        for command in [Command::Close { reset: true }, message(b"x"), Command::Send(b"x")] {
            assert_eq!(world.remote.apply(one, command), Err(Refused::Closing));
        }
    }

    #[test]
    fn whoever_asks_until_there_is_room_need_do_nothing_else() {
        let mut world = World::new(100_000);
        let fd = world.open(Status::Active);
        // Each of another length: the same ones would go by name.
        let mut lengths = 9000..;
        let mut push = |world: &mut World| world.push(fd, lengths.next().unwrap()).is_ok();
        for round in 0..10 {
            while push(&mut world) {}
            assert!(world.remote.has_kept());
            world.owner.greet();
            let is_heard = (0..100).any(|_| {
                if let Some(record) = world.owner.peek(1) {
                    record.begin().unwrap();
                }
                push(&mut world)
            });
            assert!(is_heard, "round {round}");
        }
    }

    #[test]
    fn what_is_opened_from_here_can_be_pushed_to_and_what_cannot_be_opened_is_not() {
        let mut world = World::new(1024);
        let upgrade = || Command::Answer { bytes: b"101", after: After::Upgrade(None) };
        let (plain, upgrading) = (world.open(Status::Plain), world.open(Status::Upgrading));
        assert_eq!(world.push(upgrading, 1), Err(Refused::NotWebSocket));
        assert_eq!(world.remote.apply(upgrading, upgrade()), Ok(()));
        assert_eq!(world.push(upgrading, 1), Ok(()));
        assert_eq!(world.remote.apply(plain, upgrade()), Err(Refused::NotWebSocket));
        assert_eq!(world.push(plain, 1), Err(Refused::NotWebSocket));
    }

    #[test]
    fn fragments_follow_each_other() {
        let mut world = World::new(1024);
        let fd = world.open(Status::Active);
        let mut fragment = |opcode, fin| {
            let push = Push { opcode, fin, compress: false, payload: Payload::Borrowed(b"x") };
            world.remote.apply(fd, Command::Push(push)).is_ok()
        };
        assert!(!fragment(Opcode::Continuation, true));
        assert!(fragment(Opcode::Text, false) && !fragment(Opcode::Text, false));
        assert!(fragment(Opcode::Text, true) && fragment(Opcode::Ping, true), "these wait, or go in between");
        assert!(fragment(Opcode::Continuation, false) && fragment(Opcode::Continuation, true));
        assert!(!fragment(Opcode::Continuation, true));
    }

    #[test]
    fn a_ring_to_a_successor_begins_anew_also_if_the_one_before_was_broken() {
        for breaks in [false, true] {
            let mut world = World::new(1024);
            let fd = world.open(Status::Active);
            for _ in 0..3 {
                assert_eq!(world.push(fd, 100), Ok(()));
            }
            world.begin(1);
            if breaks {
                world.exchange.ring(1, 0).reset(Exchange::ring_epoch(9, 9));
                assert_eq!(world.push(fd, 100), Err(Refused::Unknown));
                assert_eq!(world.push(fd, 100), Err(Refused::Unknown), "there is no second one");
            }
            world.exchange.bury(0);
            world.remote.rang();
            world.exchange.seat_next(0);
            world.owner = Readers::new(world.exchange.clone(), 0);
            // All of it can be under way again, and none of it by a name that its reader does not know.
            for _ in 0..2 {
                assert_eq!(world.push(fd, 500), Ok(()));
                assert_eq!(world.push(fd, 500), Ok(()));
                assert!(world.push(fd, 500).is_err());
                assert_eq!(world.begin(9), 2);
            }
        }
    }

    #[test]
    fn whoever_waits_is_rung_when_another_thread_leaves_something_that_has_no_room() {
        let mut world = World::new(1 << 20);
        let fd = world.open(Status::Active);
        assert!(world.remote.may_sleep());
        world.exchange.doorbell(1).clear();
        assert_eq!(world.push(fd, 100), Ok(()));
        let rang = |world: &World| {
            let mut waiting = [rustix::event::PollFd::new(world.exchange.doorbell(1), rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut waiting, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
        };
        assert!(!rang(&world));
        assert_eq!(world.push(fd, 9000), Ok(()));
        assert!(world.remote.has_kept() && rang(&world));
    }

    #[test]
    fn whoever_sits_in_a_dead_ones_seat_is_pushed_to_as_if_for_the_first_time() {
        let exchange = Arc::new(Exchange::new(4, 4096).unwrap());
        let table = Arc::new(Table::new(1, 30).unwrap());
        (0..2).for_each(|seat| exchange.seat_next(seat));
        let limits = Limits { push_bytes_max: 1 << 20, outbox_bytes_max: 1 << 20 };
        let crew = Crew { reactors: 0, workers: 1, tasks: 0, users: 1 };
        let mut remote = Remote::new(table.clone(), exchange.clone(), crew, 1, limits);
        let (fd, _) = table.claim(0, Origin::UNKNOWN, 0).unwrap();
        table.set_status(fd, Status::Active as u8);
        let fd = Fd::new(fd).unwrap();
        for says_more in [false, true] {
            (0..3).for_each(|_| remote.apply(fd, message(b"to all")).unwrap());
            exchange.bury(0);
            exchange.seat_next(0);
            let mut owner = Readers::new(exchange.clone(), 0);
            if says_more {
                remote.with_post(|post, writers| post.send_message(writers, 0, 0, &[b"x"])).unwrap();
            }
            // Nobody has told it that somebody has died.
            remote.apply(fd, message(b"to all")).unwrap();
            remote.ring();
            owner.greet();
            let mut tags = Vec::new();
            while let Some(record) = owner.peek(1) {
                tags.push(record.tag());
                record.begin().unwrap();
            }
            let expected = [PARCEL, PUSH_TAG];
            assert_eq!(tags, &expected[usize::from(!says_more)..]);
        }
    }
}
