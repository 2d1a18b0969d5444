//! Turns one mapping into seats, from which the processes and reactors of a server talk to each other over rings.
//!
//! A *seat* is taken by one process or thread after the other, each with an epoch of its own. There is a ring for each
//! ordered pair of seats; nothing of it is touched until its writer opens it. Whoever has an end of a ring open *holds*
//! the seat at the other end, and a dead occupant's seat is not given away before everybody alive has let go of it.

mod counts;

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use rustix::process::Pid;

pub use crate::exchange::counts::Count;

use crate::doorbell::Doorbell;
use crate::region::Region;
use crate::ring::{CAPACITY_MAX, CAPACITY_MIN, Ring};

// Layout, in lines of 64 bytes, for N seats:
//
//   line 0            word 0   the version: how often a seat changed hands or standing
//                     word 1   wishes: what the manager is asked for
//                     word 2   1 while a reload is under way
//                     word 3   1 when the server is to end, 2 when nobody follows those who leave, 3 for both
//                     word 4   counters of all dead occupants: see `Count`
//   line 1 + 2s       word 0   seat s: epoch << 8 | standing
//                     word 1   its process id
//                     word 2   1 when its occupant is wanted to leave
//                     word 3   counters of its occupant: see `Count`
//   line 2 + 2s       word 0   how much others have sent it that it is to do: a line that all write to
//   then N bitmaps    bit w of bitmap r: the writer in seat w has opened its ring to r, who has not looked yet
//   then N × N words  word h × N + s: the epoch of seat s that the occupant of h holds, 0 if none
//   then N × N rings  ring w × N + r: from w to r

const WORD_BYTES: usize = size_of::<AtomicU64>();
const LINE_BYTES: usize = 64;
const LINE_WORDS: usize = LINE_BYTES / WORD_BYTES;
const STANDING_BITS: u32 = 8;
const COUNT_WORD: usize = 3;
const TOTAL_WORD: usize = 4;

const SHUT_DOWN: u64 = 1;
const FINAL: u64 = 2;

/// The most seats there can be.
pub const SEATS_MAX: usize = 4096;

/// What all rings together may take of the address space; they get smaller when there are many.
const RINGS_BYTES_MAX: usize = 4 << 30;

const SEAT_LINES: usize = 2;
const QUEUED_WORD: usize = LINE_WORDS;

const _: () = assert!(COUNT_WORD + Count::ALL.len() <= LINE_WORDS);
const _: () = assert!(TOTAL_WORD + Count::SUMMED.len() <= LINE_WORDS);
const _: () = assert!(SEATS_MAX.checked_mul(SEATS_MAX).is_some());

/// What the occupant of a seat is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes what comes.
    Serving,
    /// It ends what it has begun, and begins nothing more: what its rings still hold is for its successor.
    Leaving,
    /// It is dead.
    Dead,
}

/// Who sits in a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its epoch: no other occupant of the seat has the same.
    pub epoch: u32,
    /// What it is up to.
    pub standing: Standing,
}

/// What the manager may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// All workers are replaced.
    Reload = 1,
    /// The task workers are replaced.
    ReloadTasks = 2,
    /// Those who are wanted to leave do.
    Leave = 4,
}

impl Wish {
    const ALL: [Wish; 3] = [Wish::Reload, Wish::ReloadTasks, Wish::Leave];
}

/// The seats of one server and the rings between them, mapped before the first fork.
///
/// What is in the memory is not trusted: after any damage to it every call returns, and no index leaves its range.
pub struct Exchange {
    region: Arc<Region>,
    doorbells: Box<[Doorbell]>,
    manager: Doorbell,
    master: Doorbell,
    seats: usize,
    ring_capacity: usize,
}

impl Exchange {
    /// An exchange with so many seats, 1 to [`SEATS_MAX`], all of them free, and rings for `ring_bytes` of records each,
    /// or fewer if there are very many: rounded to a power of two.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for another number of seats; those of [`Region::new`] and [`Doorbell::new`].
    pub fn new(seats: usize, ring_bytes: usize) -> io::Result<Exchange> {
        if !(1..=SEATS_MAX).contains(&seats) {
            let message = format!("no exchange has {seats} seats, 1 to {SEATS_MAX} are possible");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let rings = seats * seats;
        let share = RINGS_BYTES_MAX / rings;
        let wanted = ring_bytes.clamp(CAPACITY_MIN, CAPACITY_MAX).next_power_of_two();
        let affordable = if share < 2 * CAPACITY_MIN { CAPACITY_MIN } else { 1 << (share.ilog2()) };
        let ring_capacity = wanted.min(affordable);
        let doorbells = (0..seats).map(|_| Doorbell::new()).collect::<io::Result<_>>()?;
        let region = Arc::new(Region::sparse(rings_at(seats) + rings * Ring::bytes(ring_capacity))?);
        let (manager, master) = (Doorbell::new()?, Doorbell::new()?);
        Ok(Exchange { region, doorbells, manager, master, seats, ring_capacity })
    }

    /// How many seats there are.
    pub fn seats(&self) -> usize {
        self.seats
    }

    /// The doorbell of a seat: its occupant waits for it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn doorbell(&self, seat: usize) -> &Doorbell {
        &self.doorbells[seat]
    }

    /// The manager's doorbell.
    pub fn manager(&self) -> &Doorbell {
        &self.manager
    }

    /// The master's doorbell: whoever waits in `start()`.
    pub fn master(&self) -> &Doorbell {
        &self.master
    }

    /// Asks master and manager to end the server.
    pub fn shut_down(&self) {
        self.server()[3].fetch_or(SHUT_DOWN, SeqCst);
        self.master.ring();
        self.manager.ring();
    }

    /// Is the server to end?
    pub fn is_shutting_down(&self) -> bool {
        self.server()[3].load(SeqCst) & SHUT_DOWN != 0
    }

    /// From now on nobody follows those who leave: whatever they do not do is left undone.
    pub fn set_final(&self) {
        self.server()[3].fetch_or(FINAL, SeqCst);
    }

    /// Does nobody follow those who leave?
    pub fn is_final(&self) -> bool {
        self.server()[3].load(SeqCst) & FINAL != 0
    }

    /// A number that is another one after every change of who sits where.
    pub fn version(&self) -> u64 {
        self.server()[0].load(SeqCst)
    }

    /// Who sits in a seat; none if nobody ever did.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn occupant(&self, seat: usize) -> Option<Occupant> {
        let word = self.seat(seat)[0].load(SeqCst);
        let standing = match word & ((1 << STANDING_BITS) - 1) {
            1 => Standing::Serving,
            2 => Standing::Leaving,
            3 => Standing::Dead,
            _ => return None,
        };
        Some(Occupant { epoch: (word >> STANDING_BITS) as u32, standing })
    }

    /// Can the seat be given to another occupant: is the last one dead, and has everybody alive seen what it has said,
    /// and let go of it?
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn is_free(&self, seat: usize) -> bool {
        match self.occupant(seat) {
            None => true,
            Some(Occupant { standing: Standing::Dead, .. }) => {
                // In this order: whoever takes a greeting holds the seat before.
                let is_held = |holder| self.has_greeted(seat, holder) || self.held(holder, seat).load(SeqCst) != 0;
                (0..self.seats).all(|holder| !self.is_alive(holder) || !is_held(holder))
            }
            Some(_) => false,
        }
    }

    /// Gives a free seat to a new occupant, from whom on it is another epoch.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn seat_next(&self, seat: usize) {
        let epoch = self.occupant(seat).map_or(0, |before| before.epoch).wrapping_add(1).max(1);
        (0..self.seats).for_each(|other| self.held(seat, other).store(0, SeqCst));
        self.greetings(seat).iter().for_each(|word| word.store(0, SeqCst));
        self.seat(seat)[1..].iter().for_each(|word| word.store(0, SeqCst));
        self.stand(seat, Occupant { epoch, standing: Standing::Serving });
    }

    /// Says which process sits in a seat.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn set_pid(&self, seat: usize, pid: Pid) {
        self.seat(seat)[1].store(u64::from(pid.as_raw_pid().unsigned_abs()), SeqCst);
    }

    /// The process in a seat, if it is alive. To be shown, not to be killed: anybody may have written it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn pid(&self, seat: usize) -> Option<Pid> {
        let raw = i32::try_from(self.seat(seat)[1].load(SeqCst)).ok()?;
        Pid::from_raw(raw).filter(|_| self.is_alive(seat))
    }

    /// The occupant begins nothing more. To be said by itself, when the last of what it has begun is published.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn leave(&self, seat: usize) {
        if let Some(Occupant { epoch, standing: Standing::Serving }) = self.occupant(seat) {
            self.stand(seat, Occupant { epoch, standing: Standing::Leaving });
        }
    }

    /// The occupant is dead. To be said by whoever has reaped it, and everybody is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn bury(&self, seat: usize) {
        let Some(Occupant { epoch, standing }) = self.occupant(seat) else { return };
        if standing == Standing::Dead {
            return;
        }
        for count in Count::SUMMED {
            let counted = self.count(seat, count).swap(0, SeqCst);
            self.server()[TOTAL_WORD + count as usize].fetch_add(counted, SeqCst);
        }
        self.stand(seat, Occupant { epoch, standing: Standing::Dead });
    }

    /// Rings all who are alive.
    pub fn ring_all(&self) {
        (0..self.seats).filter(|seat| self.is_alive(*seat)).for_each(|seat| self.doorbells[seat].ring());
    }

    /// The occupant of `holder` is about to open an end of a ring to or from the occupant of `seat`: whose epoch is it?
    /// None if nobody alive sits there.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn hold(&self, holder: usize, seat: usize) -> Option<u32> {
        let epoch = self.occupant(seat)?.epoch;
        self.held(holder, seat).store(u64::from(epoch), SeqCst);
        // The manager looks who holds it and gives it away then: one of us sees the other.
        match self.occupant(seat) {
            Some(now) if now.epoch == epoch && now.standing != Standing::Dead => Some(epoch),
            _ => {
                self.let_go(holder, seat, epoch);
                None
            }
        }
    }

    /// The occupant of `holder` has no ring open any more to or from the occupant of `seat` with that epoch. Without
    /// effect if it holds another one by now.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn let_go(&self, holder: usize, seat: usize, epoch: u32) {
        let _ = self.held(holder, seat).compare_exchange(u64::from(epoch), 0, SeqCst, SeqCst);
    }

    /// The ring from one seat to another.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn ring(&self, from: usize, to: usize) -> Ring {
        assert!(from < self.seats && to < self.seats, "seats {from} and {to} of {}", self.seats);
        let at = rings_at(self.seats) + (from * self.seats + to) * Ring::bytes(self.ring_capacity);
        Ring::new(self.region.clone(), at, self.ring_capacity).expect("the region was mapped for these rings")
    }

    /// The epoch of a ring between two occupants with these epochs.
    pub fn ring_epoch(from: u32, to: u32) -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(u64::from(from) << 32 | u64::from(to))
    }

    /// Tells the occupant of `to` that the one of `from` has opened their ring; its doorbell is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn greet(&self, from: usize, to: usize) {
        self.greetings(to)[from / 64].fetch_or(1 << (from % 64), SeqCst);
    }

    /// Who has opened a ring to `seat` since the last time, each with its epoch. They are held from now on: also one
    /// that is dead meanwhile, whose ring is still to be read. To miss none, clear the doorbell first.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn take_greetings(&self, seat: usize) -> Vec<(usize, u32)> {
        let mut greeted = Vec::new();
        for (index, word) in self.greetings(seat).iter().enumerate() {
            let mut bits = word.load(SeqCst);
            while bits != 0 {
                let from = 64 * index + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if from < self.seats
                    && let Some(Occupant { epoch, .. }) = self.occupant(from)
                {
                    // Its seat is not given away before the greeting is taken, so it is still the one who greeted.
                    self.held(seat, from).store(u64::from(epoch), SeqCst);
                    greeted.push((from, epoch));
                }
                word.fetch_and(!(1 << (from % 64)), SeqCst);
            }
        }
        greeted
    }

    /// Asks the manager for something, and rings it.
    pub fn wish(&self, wish: Wish) {
        self.server()[1].fetch_or(wish as u64, SeqCst);
        self.manager.ring();
    }

    /// What the manager was asked for since the last time. To miss nothing, clear its doorbell first.
    pub fn take_wishes(&self) -> impl Iterator<Item = Wish> + use<> {
        let wishes = self.server()[1].swap(0, SeqCst);
        Wish::ALL.into_iter().filter(move |wish| wishes & *wish as u64 != 0)
    }

    /// Asks the manager to have the occupant of a seat replaced.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn want_leave(&self, seat: usize) {
        self.seat(seat)[2].store(1, SeqCst);
        self.wish(Wish::Leave);
    }

    /// Is the occupant of a seat wanted to leave? It was asked now.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn take_want_leave(&self, seat: usize) -> bool {
        self.seat(seat)[2].swap(0, SeqCst) != 0
    }

    /// A reload is under way, or over.
    pub fn set_reloading(&self, reloading: bool) {
        self.server()[2].store(u64::from(reloading), SeqCst);
    }

    /// Is a reload under way?
    pub fn is_reloading(&self) -> bool {
        self.server()[2].load(SeqCst) != 0
    }

    fn has_greeted(&self, from: usize, to: usize) -> bool {
        self.greetings(to)[from / 64].load(SeqCst) & (1 << (from % 64)) != 0
    }

    fn is_alive(&self, seat: usize) -> bool {
        self.occupant(seat).is_some_and(|occupant| occupant.standing != Standing::Dead)
    }

    fn stand(&self, seat: usize, occupant: Occupant) {
        let standing = match occupant.standing {
            Standing::Serving => 1,
            Standing::Leaving => 2,
            Standing::Dead => 3,
        };
        self.seat(seat)[0].store(u64::from(occupant.epoch) << STANDING_BITS | standing, SeqCst);
        self.server()[0].fetch_add(1, SeqCst);
    }

    fn server(&self) -> &[AtomicU64] {
        self.region.u64s(0, LINE_WORDS)
    }

    fn seat(&self, seat: usize) -> &[AtomicU64] {
        assert!(seat < self.seats, "seat {seat} of {}", self.seats);
        self.region.u64s((1 + SEAT_LINES * seat) * LINE_BYTES, SEAT_LINES * LINE_WORDS)
    }

    fn greetings(&self, seat: usize) -> &[AtomicU64] {
        assert!(seat < self.seats, "seat {seat} of {}", self.seats);
        let words = bitmap_words(self.seats);
        self.region.u64s(bitmaps_at(self.seats) + seat * words * WORD_BYTES, words)
    }

    fn held(&self, holder: usize, seat: usize) -> &AtomicU64 {
        assert!(holder < self.seats && seat < self.seats, "seats {holder} and {seat} of {}", self.seats);
        &self.region.u64s(holds_at(self.seats) + (holder * self.seats + seat) * WORD_BYTES, 1)[0]
    }
}

/// Whole lines, so that no two readers' bitmaps share one.
const fn bitmap_words(seats: usize) -> usize {
    seats.div_ceil(64).next_multiple_of(LINE_WORDS)
}

const fn bitmaps_at(seats: usize) -> usize {
    (1 + SEAT_LINES * seats) * LINE_BYTES
}

const fn holds_at(seats: usize) -> usize {
    bitmaps_at(seats) + seats * bitmap_words(seats) * WORD_BYTES
}

const fn rings_at(seats: usize) -> usize {
    (holds_at(seats) + seats * seats * WORD_BYTES).next_multiple_of(LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Count, Exchange, Occupant, SEATS_MAX, Standing, Wish};
    use crate::ring::reader::Reader;
    use crate::ring::writer::{Limits, Pushed, Writer};
    use rustix::process::getpid;
    use std::sync::atomic::Ordering::SeqCst;

    const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, kept_bytes_max: 1 << 20 };

    fn serving(epoch: u32) -> Option<Occupant> {
        Some(Occupant { epoch, standing: Standing::Serving })
    }

    #[test]
    fn a_seat_has_one_occupant_after_the_other() {
        let exchange = Exchange::new(3, 4096).unwrap();
        assert_eq!((exchange.occupant(1), exchange.is_free(1), exchange.hold(0, 1)), (None, true, None));
        let version = exchange.version();
        exchange.seat_next(1);
        exchange.set_pid(1, getpid());
        assert_ne!(exchange.version(), version);
        assert_eq!((exchange.occupant(1), exchange.is_free(1), exchange.pid(1)), (serving(1), false, Some(getpid())));
        exchange.leave(1);
        assert_eq!(exchange.occupant(1), Some(Occupant { epoch: 1, standing: Standing::Leaving }));
        assert_eq!((exchange.is_free(1), exchange.hold(2, 1)), (false, Some(1)));
        exchange.let_go(2, 1, 1);
        exchange.bury(1);
        assert_eq!((exchange.is_free(1), exchange.pid(1), exchange.hold(2, 1)), (true, None, None));
        exchange.seat_next(1);
        assert_eq!(exchange.occupant(1), serving(2));
    }

    #[test]
    fn a_dead_occupants_seat_is_free_once_nobody_alive_holds_it() {
        let exchange = Exchange::new(3, 4096).unwrap();
        (0..3).for_each(|seat| exchange.seat_next(seat));
        assert_eq!((exchange.hold(0, 1), exchange.hold(2, 1)), (Some(1), Some(1)));
        exchange.bury(1);
        assert!(!exchange.is_free(1));
        exchange.let_go(0, 1, 2);
        exchange.let_go(2, 1, 2);
        exchange.let_go(0, 1, 1);
        assert!(!exchange.is_free(1));
        exchange.bury(2);
        assert!(exchange.is_free(1));
        // The one who held it is followed by one who does not.
        exchange.seat_next(2);
        assert!(exchange.is_free(1));
    }

    #[test]
    fn a_seat_is_not_given_away_before_its_occupant_s_greetings_are_taken() {
        let exchange = Exchange::new(3, 4096).unwrap();
        (0..3).for_each(|seat| exchange.seat_next(seat));
        exchange.greet(1, 0);
        exchange.greet(1, 2);
        exchange.bury(1);
        exchange.bury(2);
        assert!(!exchange.is_free(1), "somebody alive has not looked yet");
        assert_eq!(exchange.take_greetings(0), [(1, 1)]);
        assert!(!exchange.is_free(1), "and holds it since he has");
        exchange.let_go(0, 1, 1);
        assert!(exchange.is_free(1));
    }

    #[test]
    fn greetings_and_wishes_are_taken_once() {
        let exchange = Exchange::new(70, 64).unwrap();
        [3, 69, 69].into_iter().for_each(|seat| exchange.seat_next(seat));
        exchange.greet(3, 5);
        exchange.greet(69, 5);
        exchange.greet(69, 5);
        assert_eq!((exchange.take_greetings(4), exchange.take_greetings(5)), (vec![], vec![(3, 1), (69, 2)]));
        assert_eq!(exchange.take_greetings(5), vec![]);
        exchange.wish(Wish::Reload);
        exchange.want_leave(7);
        assert_eq!(exchange.take_wishes().collect::<Vec<_>>(), [Wish::Reload, Wish::Leave]);
        assert_eq!((exchange.take_want_leave(6), exchange.take_want_leave(7)), (false, true));
        assert_eq!((exchange.take_wishes().count(), exchange.take_want_leave(7)), (0, false));
    }

    #[test]
    fn a_ring_of_two_occupants_is_none_of_their_successors() {
        let exchange = Exchange::new(2, 4096).unwrap();
        (0..2).for_each(|seat| exchange.seat_next(seat));
        let open = |from: u32, to: u32| {
            let ring = exchange.ring(0, 1);
            let epoch = Exchange::ring_epoch(from, to);
            ring.reset(epoch);
            Writer::open(ring, epoch, LIMITS).unwrap()
        };
        let mut writer = open(1, 1);
        assert_eq!(writer.push(7, &[b"x"]), Ok(Pushed::Whole));
        let read = |from, to| Reader::open(exchange.ring(0, 1), Exchange::ring_epoch(from, to), 64).is_ok();
        assert_eq!((read(1, 1), read(1, 2), read(2, 1)), (true, false, false));
        open(2, 1);
        assert_eq!((read(1, 1), read(2, 1)), (false, true));
    }

    #[test]
    fn counts_belong_to_an_occupant() {
        let exchange = Exchange::new(2, 64).unwrap();
        exchange.seat_next(0);
        for (number, count) in Count::ALL.into_iter().enumerate() {
            exchange.count(0, count).store(number as u64 + 1, SeqCst);
            assert_eq!(exchange.count(0, count).load(SeqCst), number as u64 + 1);
            assert_eq!(exchange.count(1, count).load(SeqCst), 0);
        }
        let before = exchange.total(Count::Requests);
        exchange.bury(0);
        exchange.seat_next(0);
        assert_eq!((exchange.total(Count::Requests), exchange.busy(0)), (before, (false, 0)));
        assert!(Count::ALL.into_iter().all(|count| exchange.count(0, count).load(SeqCst) == 0));
    }

    #[test]
    fn many_seats_get_small_rings() {
        assert_eq!(Exchange::new(2, 100_000).unwrap().ring_capacity, 131_072);
        assert_eq!(Exchange::new(200, 1 << 20).unwrap().ring_capacity, 65_536);
        let refused = Exchange::new(SEATS_MAX + 1, 64).err().unwrap().to_string();
        assert_eq!(refused, "no exchange has 4097 seats, 1 to 4096 are possible");
    }

    #[test]
    fn damage_stops_nobody() {
        let exchange = Exchange::new(5, 64).unwrap();
        for value in [1, 3, 255, u64::MAX, u64::MAX << 8 | 1] {
            exchange.region.u64s(0, super::rings_at(5) / 8).iter().for_each(|word| word.store(value, SeqCst));
            for seat in 0..5 {
                let _ = (exchange.occupant(seat), exchange.is_free(seat), exchange.pid(seat), exchange.hold(0, seat));
                assert!(exchange.take_greetings(seat).iter().all(|(from, _)| *from < 5));
                exchange.leave(seat);
                exchange.bury(seat);
                exchange.seat_next(seat);
                assert!(exchange.occupant(seat).is_some_and(|now| now.standing == Standing::Serving));
            }
            let _ = (exchange.take_wishes().count(), exchange.is_reloading());
        }
    }
}
