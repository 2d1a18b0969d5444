//! Turns random steps of some seats' occupants, and deaths between them, into what each has said, once and in order.

use crate::links::readers::Readers;
use crate::links::writers::Writers;
use proptest::prelude::{Strategy, any};
use proptest::{collection, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::sync::Arc;
use wirewool_ipc::exchange::Exchange;

const SEATS: usize = 3;
const TAG: u16 = 7;

#[derive(Clone, Debug)]
enum Step {
    /// Something is said, so many bytes long at least.
    Say { from: usize, to: usize, length: usize },
    /// A whole pass, as of one that comes back to its loop.
    Pass(usize),
    /// Sees who has died, to say nothing to those any more; reads nothing.
    Rang(usize),
    /// It dies, and another one sits there at once.
    Die(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let say = (0..SEATS, 0..SEATS, prop_oneof![3 => 0..40usize, 1 => 100..300usize]);
    prop_oneof![
        8 => say.prop_map(|(from, to, length)| Step::Say { from, to, length }),
        4 => (0..SEATS).prop_map(Step::Pass),
        2 => (0..SEATS).prop_map(Step::Rang),
        2 => (0..SEATS).prop_map(Step::Die),
    ]
}

/// A seat and an epoch.
type Who = (usize, u32);

struct Occupant {
    writers: Writers,
    readers: Readers,
    epoch: u32,
    version: u64,
    awake: bool,
    /// How much it has said to each occupant, and heard from each.
    said: HashMap<Who, u32>,
    heard: HashMap<Who, u32>,
}

struct World {
    exchange: Arc<Exchange>,
    seats: Vec<Occupant>,
    /// Of those who died with nothing in their own memory: who, to whom, and how much it had said.
    wills: Vec<(Who, Who, u32)>,
}

fn sit(exchange: &Arc<Exchange>, seat: usize) -> Occupant {
    exchange.seat_next(seat);
    Occupant {
        writers: Writers::new(exchange.clone(), seat),
        readers: Readers::new(exchange.clone(), seat),
        epoch: exchange.occupant(seat).map_or(0, |now| now.epoch),
        version: 0,
        awake: true,
        said: HashMap::new(),
        heard: HashMap::new(),
    }
}

impl World {
    fn new() -> World {
        let exchange = Arc::new(Exchange::new(SEATS, 256).unwrap());
        let seats = (0..SEATS).map(|seat| sit(&exchange, seat)).collect();
        World { exchange, seats, wills: Vec::new() }
    }

    fn say(&mut self, from: usize, to: usize, length: usize) {
        let me = &mut self.seats[from];
        close_orphaned(&mut me.writers);
        let to_epoch = self.exchange.occupant(to).unwrap().epoch;
        let number = me.said.entry((to, to_epoch)).or_default();
        let words = [me.epoch, to_epoch, *number].map(u32::to_le_bytes).concat();
        me.writers.push(to, TAG, &[&words, &vec![*number as u8; length]]).unwrap();
        *number += 1;
        me.writers.ring();
        // It is not asleep, and looks for room before it is.
        me.awake = true;
    }

    /// Clears the doorbell, takes what came, writes what has room, and says that it sleeps.
    fn pass(&mut self, seat: usize) {
        self.exchange.doorbell(seat).clear();
        let me = &mut self.seats[seat];
        me.readers.greet();
        let version = self.exchange.version();
        if std::mem::replace(&mut me.version, version) != version {
            let departed = self.exchange.departed();
            me.readers.greet_all();
            for dead in departed.into_iter().filter(|dead| me.readers.has_ring_of(*dead)).collect::<Vec<_>>() {
                read(me, dead.seat);
                me.readers.close(dead.seat);
            }
            close_orphaned(&mut me.writers);
        }
        (0..SEATS).for_each(|from| read(me, from));
        me.readers.ring();
        me.writers.flush();
        me.writers.ring();
        me.awake = !(me.readers.may_sleep() & me.writers.may_sleep());
    }

    fn die(&mut self, seat: usize) {
        let me = &self.seats[seat];
        let whole = me.said.iter().filter(|((to, _), _)| me.writers.kept_bytes(*to) == 0);
        self.wills.extend(whole.map(|(to, said)| ((seat, me.epoch), *to, *said)));
        self.exchange.bury(seat);
        self.exchange.ring_all();
        self.seats[seat] = sit(&self.exchange, seat);
        self.exchange.ring_all();
    }

    fn is_woken(&self, seat: usize) -> bool {
        let mut waiting = [PollFd::new(self.exchange.doorbell(seat), PollFlags::IN)];
        self.seats[seat].awake || poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }
}

fn close_orphaned(writers: &mut Writers) {
    writers.orphaned().into_iter().for_each(|seat| drop(writers.close(seat)));
}

/// Hears one out: nothing is missing before anything else, and all of it is whole.
fn read(me: &mut Occupant, from: usize) {
    while let Some(record) = me.readers.peek(from) {
        let payload = record.payload();
        let [epoch, to, number] = [0, 4, 8].map(|at| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()));
        assert_eq!((record.tag(), to), (TAG, me.epoch), "it was for somebody else");
        assert!(payload[12..].iter().all(|byte| *byte == number as u8));
        let heard = me.heard.entry((from, epoch)).or_default();
        assert_eq!(number, *heard, "from seat {from}, epoch {epoch}");
        *heard += 1;
        record.begin().unwrap();
    }
}

proptest! {
    #[test]
    fn whoever_lives_hears_everybody_out(steps in collection::vec(step(), 0..120), rest in any::<usize>()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Say { from, to, length } => world.say(from, to, length),
                Step::Pass(seat) => world.pass(seat),
                Step::Rang(seat) => close_orphaned(&mut world.seats[seat].writers),
                Step::Die(seat) => world.die(seat),
            }
        }
        // From now on everybody steps when it is woken, and only then.
        let mut passes = 0;
        while let Some(seat) = (0..SEATS).map(|seat| (seat + rest % SEATS) % SEATS).find(|seat| world.is_woken(*seat)) {
            world.pass(seat);
            passes += 1;
            prop_assert!(passes < 10_000, "they ring each other for ever");
        }
        for from in 0..SEATS {
            for to in 0..SEATS {
                let (me, other) = (&world.seats[from], &world.seats[to]);
                let said = me.said.get(&(to, other.epoch)).copied().unwrap_or(0);
                let heard = other.heard.get(&(from, me.epoch)).copied().unwrap_or(0);
                prop_assert_eq!(said, heard, "from {} to {}", from, to);
                prop_assert_eq!(me.writers.kept_bytes(to), 0);
            }
        }
        for (from, (to, epoch), said) in world.wills {
            let reader = &world.seats[to];
            let heard = reader.heard.get(&from).copied().unwrap_or(0);
            prop_assert!(epoch != reader.epoch || heard == said, "{heard} of {said} from the dead {from:?} to {to}");
        }
        prop_assert_eq!(world.exchange.take_wishes().count(), 0, "no ring is given up");
    }
}
