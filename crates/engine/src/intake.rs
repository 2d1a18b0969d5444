//! Commands that come from other processes: read from their rings, and carried out.

use crate::crew::parcel::{PARCEL, Parcel};
use crate::links::readers::Readers;
use crate::quota::Quota;
use crate::reactor::Reactor;
use crate::relay::Owes;
use crate::remote::{AGAIN, KEEP, REPEAT_BYTES_MAX};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use wirewool_hub::codec::{Malformed, PUSH_TAG, decode_command};
use wirewool_hub::command::{After, Command, Push, Refused};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Departed, Exchange};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;

/// How many records of one ring are one turn: a broadcast of several messages to thousands is one batch.
const RECORDS_PER_TURN: usize = 16 << 10;

/// After so many of them it is time to look whether what they send waits too long.
const RECORDS_PER_LOOK: usize = 32;

/// What a record takes of a ring at least.
const RECORD_BYTES_MIN: usize = 16;

/// Of so many fragmented messages under way, those of closed connections are looked for.
const FRAGMENTED_MAX: usize = 1024;

/// How much of what is not for connections is taken before somebody looks at it.
const PARCEL_BYTES_MAX: usize = 16 << 20;

/// Hears who has ended what it owed about which connection.
type Done<'a> = &'a mut dyn FnMut(usize, Fd, Owes);

/// The reading ends of a loop that owns connections.
pub(crate) struct Intake {
    readers: Readers,
    exchange: Arc<Exchange>,
    seat: usize,
    /// The frame that each other one may name, behind room for an fd.
    kept: Vec<Option<Vec<u8>>>,
    /// Those that one has sent a part of a message to.
    fragmented: HashSet<(usize, Fd)>,
    /// What is for this process itself, not for its connections; none where nobody looks at that.
    parcels: Option<VecDeque<Parcel>>,
    parcel_bytes: usize,
    refusals: Quota,
    version: u64,
}

impl Intake {
    /// For the occupant of `seat`, who looks at parcels or is sent none.
    pub(crate) fn new(exchange: Arc<Exchange>, seat: usize, takes_parcels: bool) -> Intake {
        let readers = Readers::new(exchange.clone(), seat);
        let kept = (0..readers.seats()).map(|_| None).collect();
        let (fragmented, refusals) = (HashSet::new(), Quota::default());
        let parcels = takes_parcels.then(VecDeque::new);
        Intake { readers, exchange, seat, kept, fragmented, parcels, parcel_bytes: 0, refusals, version: 0 }
    }

    /// The doorbell rang: opens the rings of those who have something to say for the first time.
    pub(crate) fn greet(&mut self) {
        self.readers.greet();
    }

    /// What has come for this process itself.
    pub(crate) fn take_parcels(&mut self) -> VecDeque<Parcel> {
        self.parcel_bytes = 0;
        self.parcels.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes a parcel, unless there are many that nobody has looked at; true if there may be more.
    fn take_parcel(&mut self, from: usize, most_bytes: usize) -> bool {
        if self.parcel_bytes > most_bytes {
            return false;
        }
        let Some(record) = self.readers.peek(from) else { return false };
        let parcel = Parcel::decode(record.payload());
        let begun = record.begin().is_ok();
        match (&mut self.parcels, parcel) {
            (Some(parcels), Some(parcel)) => {
                self.parcel_bytes += parcel.payload.len();
                parcels.push_back(parcel);
                begun
            }
            _ => {
                self.readers.fail(from, Malformed::Tag(PARCEL));
                false
            }
        }
    }

    /// May the loop wait for its doorbell? If not, there is something to read.
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.readers.ring();
        self.readers.may_sleep()
    }

    /// Carries out what others have sent, a turn for each.
    pub(crate) fn carry_out(&mut self, reactor: &mut Reactor, done: Done<'_>) {
        for from in 0..self.readers.seats() {
            self.turn(from, PARCEL_BYTES_MAX, reactor, done);
        }
        self.readers.ring();
    }

    /// When somebody came, left or died: those who are dead, once all that they have left is carried out. No ring from
    /// them is open any more.
    pub(crate) fn take_dead(&mut self, reactor: &mut Reactor, done: Done<'_>) -> Option<Vec<Departed>> {
        let version = self.exchange.version();
        if std::mem::replace(&mut self.version, version) == version {
            return None;
        }
        let dead = self.exchange.departed();
        // One of these may not have been seen alive.
        self.readers.greet_all();
        for from in self.readers.leaving() {
            // It begins nothing more. What it has written comes before anything of its successor's.
            self.drain(from, reactor, done);
        }
        for departed in &dead {
            if !self.readers.has_ring_of(*departed) {
                continue;
            }
            let from = departed.seat;
            self.drain(from, reactor, done);
            self.kept[from] = None;
            self.disconnect_fragmented(from, reactor);
            // Behind that: what follows is of somebody else.
            self.readers.close(from);
        }
        Some(dead)
    }

    /// Nobody sends anything any more: carries out what everybody has left.
    pub(crate) fn finish(&mut self, reactor: &mut Reactor, done: Done<'_>) {
        self.readers.greet_all();
        (0..self.readers.seats()).for_each(|from| self.drain(from, reactor, done));
    }

    /// Carries out what is in a ring, and at most as much as has room there.
    fn drain(&mut self, from: usize, reactor: &mut Reactor, done: Done<'_>) {
        let turns = 1 + self.exchange.ring(from, self.seat).capacity() / (RECORD_BYTES_MIN * RECORDS_PER_TURN);
        for _ in 0..turns {
            // It is now or never.
            if !self.turn(from, usize::MAX, reactor, done) {
                return;
            }
        }
    }

    /// Notes who is within a message that goes out in parts.
    fn note_fragment(&mut self, from: usize, fd: Fd, fragment: Fragment, reactor: &Reactor) {
        if fragment == Fragment::Last {
            self.fragmented.remove(&(from, fd));
            return;
        }
        if self.fragmented.len() >= FRAGMENTED_MAX {
            self.fragmented.retain(|(_, fd)| reactor.has(*fd));
        }
        self.fragmented.insert((from, fd));
    }

    /// The rest of a message will never come, and all that follows it would wait for that.
    fn disconnect_fragmented(&mut self, from: usize, reactor: &mut Reactor) {
        for (_, fd) in self.fragmented.extract_if(|(of, _)| *of == from) {
            // It may be closing anyhow.
            let _ = reactor.apply_promised(fd, Command::Disconnect { code: CloseCode::INTERNAL_ERROR, reason: "" });
        }
    }

    /// Carries out what one has sent, up to a limit: was that reached?
    fn turn(&mut self, from: usize, most_bytes: usize, reactor: &mut Reactor, done: Done<'_>) -> bool {
        for count in 1..=RECORDS_PER_TURN {
            let Some(record) = self.readers.peek(from) else { return false };
            if record.tag() == PARCEL {
                if !self.take_parcel(from, most_bytes) {
                    return false;
                }
                continue;
            }
            let understood = understand(record.tag(), record.payload(), &mut self.kept[from]);
            let carried_out = understood.map(|(fd, command)| {
                let (ended, fragment) = (ended_by(&command), Fragment::of(&command));
                (fd, ended, fragment, reactor.apply_promised(fd, command))
            });
            // Behind that: what is owed is known to all before it is under way no more.
            let begun = record.begin().is_ok();
            match carried_out {
                Ok((fd, ended, fragment, result)) => {
                    if let Some(owes) = ended {
                        done(from, fd, owes);
                    }
                    match (result, fragment) {
                        (Err(refused), _) => self.log(fd, refused),
                        (Ok(()), Some(fragment)) => self.note_fragment(from, fd, fragment, reactor),
                        (Ok(()), None) => {}
                    }
                }
                Err(malformed) => {
                    self.readers.fail(from, malformed);
                    return false;
                }
            }
            if !begun {
                return false;
            }
            if count % RECORDS_PER_LOOK == 0 {
                reactor.flush_if_late();
            }
        }
        true
    }

    #[cold]
    fn log(&mut self, fd: Fd, refused: Refused) {
        // A connection that ended meanwhile is a matter of course.
        if !matches!(refused, Refused::Unknown | Refused::Closing | Refused::NotWaiting)
            && self.refusals.admits(Instant::now(), "refusals")
        {
            tracing::warn!("connection {fd}: what another process sent it came to nothing: {refused}");
        }
    }
}

/// The command that a record is. `kept` is the frame that the sender may name, behind room for an fd.
fn understand<'a>(tag: u16, payload: &'a [u8], kept: &'a mut Option<Vec<u8>>) -> Result<(Fd, Command<'a>), Malformed> {
    match tag {
        KEEP => {
            let command = decode_command(PUSH_TAG, payload)?;
            *kept = Some(payload.to_vec());
            Ok(command)
        }
        AGAIN => {
            let kept = kept.as_mut().ok_or(Malformed::Tag(tag))?;
            let front = kept.first_chunk_mut().ok_or(Malformed::Tag(tag))?;
            *front = *payload.first_chunk::<8>().ok_or(Malformed::TooShort(8 - payload.len().min(8)))?;
            decode_command(PUSH_TAG, kept)
        }
        PUSH_TAG => {
            if kept.as_ref().is_some_and(|kept| kept.len() > REPEAT_BYTES_MAX) {
                *kept = None;
            }
            decode_command(tag, payload)
        }
        _ => decode_command(tag, payload),
    }
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fragment {
    /// More of them follow.
    NotLast,
    Last,
}

impl Fragment {
    fn of(command: &Command<'_>) -> Option<Fragment> {
        match command {
            Command::Push(Push { opcode, fin: false, .. }) if !opcode.is_control() => Some(Fragment::NotLast),
            Command::Push(Push { opcode: Opcode::Continuation, fin: true, .. }) => Some(Fragment::Last),
            _ => None,
        }
    }
}

/// What its sender has owed until then.
fn ended_by(command: &Command<'_>) -> Option<Owes> {
    match command {
        Command::Answer { after, .. } if *after != After::More => Some(Owes::Answer),
        Command::Finish => Some(Owes::Finish),
        Command::Forget => Some(Owes::Forget),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::understand;
    use crate::crew::Crew;
    use crate::links::readers::Readers;
    use crate::remote::{Limits, REPEAT_BYTES_MAX, Remote};
    use std::sync::Arc;
    use wirewool_hub::command::{Command, Push};
    use wirewool_hub::event::Status;
    use wirewool_hub::fd::Fd;
    use wirewool_ipc::exchange::Exchange;
    use wirewool_ipc::table::Table;
    use wirewool_ipc::table::facts::Origin;
    use wirewool_proto::websocket::frame::Opcode;
    use wirewool_proto::websocket::message::Payload;

    const FDS: u64 = 3;

    /// What was pushed: to whom, the first byte of how many, whether it is the last of its message, and compressed.
    type Pushed = (u64, u8, usize, bool, bool);

    fn push(remote: &mut Remote, (fd, byte, len, fin, compress): Pushed) {
        let payload = vec![byte; len];
        let payload = Payload::Borrowed(&payload);
        let command = Command::Push(Push { opcode: Opcode::Binary, fin, compress, payload });
        remote.apply(Fd::new(fd).unwrap(), command).unwrap();
        remote.ring();
    }

    fn read(readers: &mut Readers, kept: &mut Option<Vec<u8>>) -> Vec<Pushed> {
        readers.greet();
        let mut pushed = Vec::new();
        while let Some(record) = readers.peek(1) {
            let (fd, command) = understand(record.tag(), record.payload(), kept).unwrap();
            let Command::Push(Push { fin, compress, payload, .. }) = command else { panic!("nothing else was sent") };
            let (first, len) = (payload.bytes()[0], payload.bytes().len());
            assert!(payload.bytes().iter().all(|byte| *byte == first));
            pushed.push((fd.get(), first, len, fin, compress));
            record.begin().unwrap();
        }
        readers.ring();
        pushed
    }

    #[test]
    fn what_is_pushed_again_arrives_whole_whatever_its_length() {
        let limits = Limits { push_bytes_max: 1 << 20, outbox_bytes_max: 1 << 30 };
        for len in (1..3).chain(REPEAT_BYTES_MAX - 20..REPEAT_BYTES_MAX + 4) {
            let exchange = Arc::new(Exchange::new(2, 4096).unwrap());
            let table = Arc::new(Table::new(1, 10).unwrap());
            exchange.seat_next(0);
            exchange.seat_next(1);
            for _ in 0..FDS {
                let (fd, _) = table.claim(0, Origin::UNKNOWN, 0).unwrap();
                table.set_status(fd, Status::Active as u8);
            }
            let crew = Crew { reactors: 1, workers: 1, tasks: 0, users: 0 };
            let mut remote = Remote::new(table, exchange.clone(), crew, 1, limits);
            let (mut readers, mut kept) = (Readers::new(exchange, 0), None);
            // A broadcast, another one, the first one once more; and what differs in its flags alone.
            let all = |byte, len, compress| (1..=FDS).map(move |fd| (fd, byte, len, true, compress));
            let sent = all(1, len, false).chain(all(2, len, false)).chain([(1, 3, 10, true, false)]);
            let sent: Vec<Pushed> =
                sent.chain(all(2, len, false)).chain(all(2, len, true)).chain([(1, 2, len, false, false)]).collect();
            let mut arrived = Vec::new();
            for pushed in &sent {
                push(&mut remote, *pushed);
                // What has no room in this ring waits for that.
                while remote.has_kept() {
                    arrived.extend(read(&mut readers, &mut kept));
                    remote.may_sleep();
                }
            }
            arrived.extend(read(&mut readers, &mut kept));
            assert!(arrived == sent, "frames of {len} bytes");
        }
    }
}
