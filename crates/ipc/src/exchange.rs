//! Turns one mapping into seats, from which the processes and reactors of a server talk to each other over rings.
//!
//! A *seat* is taken by one process or thread after the other, each with an epoch of its own. There is a ring for each
//! ordered pair of seats; nothing of it is touched until its writer opens it, who alone resets it. So a ring to somebody
//! dead harms nobody, and a dead occupant's seat is free at once, whatever others do. What it has said is still theirs to
//! read: until the reader of one of its rings has *let go* of that, its successor does not open the same ring.

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
//   then N × N words  word r × N + w: the epoch of the ring from w that r has not let go of, 0 if none. The occupant of
//                     w makes it one, if it is none that the occupant of r is to read; that one makes it 0.
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

/// The last occupant of a seat that has died; those before it have, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The seat.
    pub seat: usize,
    /// Its epoch.
    pub epoch: u32,
}

impl Departed {
    /// Is the occupant with that epoch among them?
    pub fn includes(&self, epoch: u32) -> bool {
        // Epochs go up, and begin anew some day.
        self.epoch.wrapping_sub(epoch) <= u32::MAX / 2
    }
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

    /// Has everybody alive let go of all that was said from a seat?
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn is_read_out(&self, seat: usize) -> bool {
        let is_unread = |reader| match self.occupant(reader) {
            Some(Occupant { epoch, standing }) if standing != Standing::Dead => {
                self.unread(seat, reader, epoch).is_some()
            }
            _ => false,
        };
        !(0..self.seats).any(is_unread)
    }

    /// Who has died: nobody of them says anything more.
    pub fn departed(&self) -> Vec<Departed> {
        let last = |seat: usize| {
            let Occupant { epoch, standing } = self.occupant(seat)?;
            let epoch = if standing == Standing::Dead { epoch } else { epoch.wrapping_sub(1) };
            Some(Departed { seat, epoch }).filter(|_| epoch != 0)
        };
        (0..self.seats).filter_map(last).collect()
    }

    /// Gives a seat, whose last occupant must be dead, to a new one, from whom on it is another epoch.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn seat_next(&self, seat: usize) {
        let epoch = self.occupant(seat).map_or(0, |before| before.epoch).wrapping_add(1).max(1);
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

    /// The epochs of the two occupants between whom a ring with that epoch is.
    pub fn occupants_of(ring_epoch: NonZeroU64) -> (u32, u32) {
        let both = ring_epoch.get() - 1;
        ((both >> 32) as u32, both as u32)
    }

    /// The epoch of the ring from `from` that the occupant of `to` with this epoch has not let go of. While there is one,
    /// that ring is its to read, and must not be reset.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn unread(&self, from: usize, to: usize, to_epoch: u32) -> Option<NonZeroU64> {
        let epoch = NonZeroU64::new(self.reads(to, from).load(SeqCst))?;
        // Otherwise it was for somebody before, who is dead.
        (Exchange::occupants_of(epoch).1 == to_epoch).then_some(epoch)
    }

    /// Tells the occupant of `to` that the one of `from` has opened their ring as this epoch, of which nothing is to be
    /// [unread](Exchange::unread) from an earlier one; its doorbell is to be rung behind it.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn greet(&self, from: usize, to: usize, ring_epoch: NonZeroU64) {
        self.reads(to, from).store(ring_epoch.get(), SeqCst);
        self.greetings(to)[from / 64].fetch_or(1 << (from % 64), SeqCst);
    }

    /// Who may have opened a ring to `seat` since the last time: [`Exchange::unread`] says which one. To miss none, clear
    /// the doorbell first.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn take_greetings(&self, seat: usize) -> Vec<usize> {
        let mut greeted = Vec::new();
        for (index, word) in self.greetings(seat).iter().enumerate() {
            let mut bits = word.load(SeqCst);
            if bits != 0 {
                word.fetch_and(!bits, SeqCst);
            }
            while bits != 0 {
                let from = 64 * index + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                greeted.extend(Some(from).filter(|from| *from < self.seats));
            }
        }
        greeted
    }

    /// The occupant of `to` reads no more from the ring from `from` with that epoch; whoever sits there by now, and may
    /// wait for that, is rung.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn let_go(&self, from: usize, to: usize, ring_epoch: NonZeroU64) {
        let _ = self.reads(to, from).compare_exchange(ring_epoch.get(), 0, SeqCst, SeqCst);
        // It looks at that word, and waits for its doorbell then.
        self.doorbells[from].ring();
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

    /// The same, if it has that epoch: not when another one sits there by now.
    ///
    /// # Panics
    ///
    /// If there is no such seat.
    pub fn want_leave_of(&self, seat: usize, epoch: u32) {
        if self.occupant(seat).is_some_and(|now| now.epoch == epoch) {
            self.want_leave(seat);
        }
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

    fn reads(&self, reader: usize, writer: usize) -> &AtomicU64 {
        assert!(reader < self.seats && writer < self.seats, "seats {reader} and {writer} of {}", self.seats);
        &self.region.u64s(reads_at(self.seats) + (reader * self.seats + writer) * WORD_BYTES, 1)[0]
    }
}

/// Whole lines, so that no two readers' bitmaps share one.
const fn bitmap_words(seats: usize) -> usize {
    seats.div_ceil(64).next_multiple_of(LINE_WORDS)
}

const fn bitmaps_at(seats: usize) -> usize {
    (1 + SEAT_LINES * seats) * LINE_BYTES
}

const fn reads_at(seats: usize) -> usize {
    bitmaps_at(seats) + seats * bitmap_words(seats) * WORD_BYTES
}

const fn rings_at(seats: usize) -> usize {
    (reads_at(seats) + seats * seats * WORD_BYTES).next_multiple_of(LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Count, Departed, Exchange, Occupant, SEATS_MAX, Standing, Wish};
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
        assert_eq!((exchange.occupant(1), exchange.departed()), (None, vec![]));
        let version = exchange.version();
        exchange.seat_next(1);
        exchange.set_pid(1, getpid());
        assert_ne!(exchange.version(), version);
        assert_eq!((exchange.occupant(1), exchange.pid(1), exchange.departed()), (serving(1), Some(getpid()), vec![]));
        exchange.leave(1);
        assert_eq!(exchange.occupant(1), Some(Occupant { epoch: 1, standing: Standing::Leaving }));
        exchange.bury(1);
        assert_eq!((exchange.pid(1), exchange.departed()), (None, vec![Departed { seat: 1, epoch: 1 }]));
        exchange.seat_next(1);
        assert_eq!((exchange.occupant(1), exchange.departed()), (serving(2), vec![Departed { seat: 1, epoch: 1 }]));
        exchange.bury(1);
        assert_eq!(exchange.departed(), [Departed { seat: 1, epoch: 2 }]);
    }

    #[test]
    fn who_has_died_has_died_before_those_who_follow() {
        for (last, epoch, is_dead) in [
            (3, 3, true),
            (3, 1, true),
            (3, 4, false),
            (1, 2, false),
            (2, u32::MAX, true),
            (u32::MAX, 1, false),
            (u32::MAX, u32::MAX - 1, true),
        ] {
            assert_eq!(Departed { seat: 0, epoch: last }.includes(epoch), is_dead, "{epoch} when {last} has died");
        }
    }

    #[test]
    fn what_a_dead_one_has_said_is_its_readers_until_he_lets_go() {
        let exchange = Exchange::new(3, 4096).unwrap();
        (0..3).for_each(|seat| exchange.seat_next(seat));
        let epoch = Exchange::ring_epoch;
        assert_eq!(Exchange::occupants_of(epoch(7, u32::MAX)), (7, u32::MAX));
        assert_eq!(exchange.unread(1, 0, 1), None);
        exchange.greet(1, 0, epoch(1, 1));
        exchange.greet(1, 2, epoch(1, 1));
        assert_eq!((exchange.unread(1, 0, 1), exchange.unread(1, 2, 1)), (Some(epoch(1, 1)), Some(epoch(1, 1))));
        exchange.bury(1);
        exchange.seat_next(1);
        assert_eq!(exchange.unread(1, 0, 1), Some(epoch(1, 1)), "also before he has taken the greeting");
        assert_eq!(exchange.take_greetings(0), [1]);
        assert!(!exchange.is_read_out(1));
        exchange.let_go(1, 0, epoch(2, 1));
        assert_eq!(exchange.unread(1, 0, 1), Some(epoch(1, 1)), "that was another ring");
        exchange.let_go(1, 0, epoch(1, 1));
        assert_eq!((exchange.unread(1, 0, 1), exchange.is_read_out(1)), (None, false));
        // The other reader is followed by one for whom it is not.
        exchange.bury(2);
        assert!(exchange.is_read_out(1));
        exchange.seat_next(2);
        assert_eq!((exchange.is_read_out(1), exchange.unread(1, 2, 2)), (true, None));
    }

    #[test]
    fn greetings_and_wishes_are_taken_once() {
        let exchange = Exchange::new(70, 64).unwrap();
        [3, 69, 69].into_iter().for_each(|from| exchange.greet(from, 5, Exchange::ring_epoch(1, 1)));
        assert_eq!((exchange.take_greetings(4), exchange.take_greetings(5)), (vec![], vec![3, 69]));
        assert_eq!(exchange.take_greetings(5), vec![]);
        exchange.wish(Wish::Reload);
        exchange.want_leave(7);
        assert_eq!(exchange.take_wishes().collect::<Vec<_>>(), [Wish::Reload, Wish::Leave]);
        assert_eq!((exchange.take_want_leave(6), exchange.take_want_leave(7)), (false, true));
        exchange.seat_next(8);
        exchange.want_leave_of(8, 2);
        assert!(!exchange.take_want_leave(8), "another one is meant");
        exchange.want_leave_of(8, 1);
        assert_eq!((exchange.take_want_leave(8), exchange.take_wishes().count()), (true, 1));
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
                let _ = (exchange.occupant(seat), exchange.is_read_out(seat), exchange.pid(seat));
                if let Some(epoch) = exchange.unread(seat, 0, seat as u32) {
                    exchange.let_go(seat, 0, epoch);
                }
                assert!(exchange.departed().iter().all(|departed| departed.seat < 5));
                assert!(exchange.take_greetings(seat).iter().all(|from| *from < 5));
                exchange.leave(seat);
                exchange.bury(seat);
                exchange.seat_next(seat);
                assert!(exchange.occupant(seat).is_some_and(|now| now.standing == Standing::Serving));
            }
            let _ = (exchange.take_wishes().count(), exchange.is_reloading());
        }
    }
}
