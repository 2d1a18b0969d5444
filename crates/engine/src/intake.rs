//! Commands that come from other processes: read from their rings, and carried out.

use crate::links::readers::Readers;
use crate::quota::Quota;
use crate::reactor::Reactor;
use crate::relay::Owes;
use crate::remote::{AGAIN, KEEP, REPEAT_BYTES_MAX};
use std::sync::Arc;
use std::time::Instant;
use wirewool_hub::codec::{Malformed, PUSH_TAG, decode_command};
use wirewool_hub::command::{After, Command, Refused};
use wirewool_hub::fd::Fd;
use wirewool_ipc::exchange::{Exchange, Standing};

/// How many records of one ring are one turn: a broadcast of several messages to thousands is one batch.
const RECORDS_PER_TURN: usize = 16 << 10;

/// After so many of them it is time to look whether what they send waits too long.
const RECORDS_PER_LOOK: usize = 32;

/// Hears who has ended what it owed about which connection.
type Done<'a> = &'a mut dyn FnMut(usize, Fd, Owes);

/// The reading ends of a loop that owns connections.
pub(crate) struct Intake {
    readers: Readers,
    exchange: Arc<Exchange>,
    seat: usize,
    /// The frame that each other one may name, behind room for an fd.
    kept: Vec<Option<Vec<u8>>>,
    refusals: Quota,
    version: u64,
}

impl Intake {
    pub(crate) fn new(exchange: Arc<Exchange>, seat: usize) -> Intake {
        let readers = Readers::new(exchange.clone(), seat);
        let kept = (0..readers.seats()).map(|_| None).collect();
        Intake { readers, exchange, seat, kept, refusals: Quota::default(), version: 0 }
    }

    /// The doorbell rang: opens the rings of those who have something to say for the first time.
    pub(crate) fn greet(&mut self) {
        self.readers.greet();
    }

    /// May the loop wait for its doorbell? If not, there is something to read.
    pub(crate) fn may_sleep(&mut self) -> bool {
        self.readers.ring();
        self.readers.may_sleep()
    }

    /// Carries out what others have sent, a turn for each.
    pub(crate) fn carry_out(&mut self, reactor: &mut Reactor, done: Done<'_>) {
        for from in 0..self.readers.seats() {
            self.turn(from, reactor, done);
        }
        self.readers.ring();
    }

    /// When somebody came, left or died: the seats and epochs of those who are dead, once all that they have left is
    /// carried out. No ring from them is open any more.
    pub(crate) fn take_dead(&mut self, reactor: &mut Reactor, done: Done<'_>) -> Option<Vec<(usize, u32)>> {
        let version = self.exchange.version();
        if std::mem::replace(&mut self.version, version) == version {
            return None;
        }
        let is_dead = |seat: usize| {
            let occupant = self.exchange.occupant(seat)?;
            (occupant.standing == Standing::Dead).then_some((seat, occupant.epoch))
        };
        let dead: Vec<(usize, u32)> = (0..self.readers.seats()).filter_map(is_dead).collect();
        // One of these may not have been seen alive.
        self.readers.greet();
        for from in self.readers.leaving() {
            // It begins nothing more. What it has written comes before anything of its successor's.
            while self.turn(from, reactor, done) {}
        }
        for (from, _) in &dead {
            // What is in the ring is all there is: its writer is dead.
            while self.turn(*from, reactor, done) {}
            self.readers.close(*from);
            self.kept[*from] = None;
        }
        Some(dead)
    }

    /// No ring is open any more to or from the occupant of a seat with that epoch.
    pub(crate) fn let_go(&self, seat: usize, epoch: u32) {
        self.exchange.let_go(self.seat, seat, epoch);
    }

    /// Carries out what one has sent, up to a limit: was that reached?
    fn turn(&mut self, from: usize, reactor: &mut Reactor, done: Done<'_>) -> bool {
        for count in 1..=RECORDS_PER_TURN {
            let Some(record) = self.readers.peek(from) else { return false };
            let understood = understand(record.tag(), record.payload(), &mut self.kept[from]);
            let carried_out = understood.map(|(fd, command)| {
                let ended = ended_by(&command);
                (fd, ended, reactor.apply_promised(fd, command))
            });
            // Behind that: what is owed is known to all before it is under way no more.
            let begun = record.begin().is_ok();
            match carried_out {
                Ok((fd, ended, result)) => {
                    if let Some(owes) = ended {
                        done(from, fd, owes);
                    }
                    if let Err(refused) = result {
                        self.log(fd, refused);
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
    use crate::links::readers::Readers;
    use crate::remote::{Limits, REPEAT_BYTES_MAX, Remote};
    use std::sync::Arc;
    use wirewool_hub::command::{Command, Push};
    use wirewool_hub::event::Status;
    use wirewool_hub::fd::Fd;
    use wirewool_ipc::exchange::Exchange;
    use wirewool_ipc::table::Table;
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
                let (fd, _) = table.claim(0, None, -1, 0).unwrap();
                table.set_status(fd, Status::Active as u8);
            }
            let mut remote = Remote::new(table, exchange.clone(), 1, limits);
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
