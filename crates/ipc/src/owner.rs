//! Turns a thread into a number that another process can ask about: whether the thread still runs.

use std::cell::Cell;
use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use rustix::thread::gettid;

/// A thread of some process: its id in the low half, and in the high half when it began, since ids are given again.
///
/// A thread and not a process, because the threads of a killed process do not end at the same instant: only of one that
/// is gone itself is it certain that it writes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

/// The bits that an id may have.
const ID_MASK: u64 = 0x7fff_ffff;

/// When it began is not known: /proc cannot be read.
const BEGAN_UNKNOWN: u64 = 0;

thread_local! {
    /// This thread, 0 if it has not been asked for yet.
    static ME: Cell<u64> = const { Cell::new(0) };
}

impl Owner {
    /// The calling thread.
    pub(crate) fn me() -> Owner {
        match ME.get() {
            0 => Owner::look_up(),
            known => Owner(known),
        }
    }

    fn look_up() -> Owner {
        let thread = gettid();
        let began = Stat::of(thread).map_or(BEGAN_UNKNOWN, |stat| stat.began);
        let me = began << 32 | u64::from(thread.as_raw_pid().unsigned_abs());
        if is_forgotten_by_children() {
            ME.set(me);
        }
        Owner(me)
    }

    /// Who is meant by the bits of a word, which may be any.
    pub(crate) fn from_bits(bits: u64) -> Owner {
        Owner(bits & !(1 << 31))
    }

    /// Never 0, and bit 31 is clear.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Whether it is certain that it runs no more, or that there never was such a thread.
    pub(crate) fn is_gone(self) -> bool {
        let id = i32::try_from(self.0 & ID_MASK).ok().and_then(Pid::from_raw);
        let Some(id) = id else { return true };
        if test_kill_process(id) == Err(Errno::SRCH) {
            return true;
        }
        // One that exists and cannot be read is somebody else's whom /proc hides: it counts as alive.
        Stat::of(id).is_some_and(|stat| stat.is_over || stat.is_another_than(self.0 >> 32))
    }
}

/// What /proc tells of a thread.
struct Stat {
    is_over: bool,
    /// In ticks since the system's start, the low 32 bits.
    began: u64,
}

impl Stat {
    fn of(thread: Pid) -> Option<Stat> {
        let line = fs::read_to_string(format!("/proc/{}/stat", thread.as_raw_pid())).ok()?;
        // The name in front may hold anything, parentheses included. Behind it: 3 is the state, 22 the start.
        let (_, fields) = line.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let is_over = matches!(fields.next()?, "Z" | "X" | "x");
        let began: u64 = fields.nth(18)?.parse().ok()?;
        Some(Stat { is_over, began: (began & u64::from(u32::MAX)).max(1) })
    }

    fn is_another_than(&self, began: u64) -> bool {
        began != BEGAN_UNKNOWN && began != self.began
    }
}

/// A fork's child is somebody else. Whether that is taken care of; if not, nothing may be remembered.
fn is_forgotten_by_children() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    extern "C" fn forget() {
        ME.set(0);
    }

    *REGISTERED.get_or_init(|| {
        // SAFETY: `forget` only stores to a constant-initialised cell of the only thread that the child has.
        unsafe { libc::pthread_atfork(None, None, Some(forget)) == 0 }
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{ID_MASK, Owner};

    #[test]
    fn tells_who_is_alive() {
        let me = Owner::me();
        assert_eq!(Owner::me(), me);
        assert_eq!(Owner::from_bits(me.bits() | 1 << 31), me);
        assert!(me.bits() & ID_MASK != 0 && me.bits() >> 32 != 0);
        assert!(!me.is_gone());
        let other = thread::scope(|scope| scope.spawn(Owner::me).join().unwrap());
        assert_ne!(other, me);
        #[rustfmt::skip]
        let cases = [
            ("one whose start is unknown", me.bits() & ID_MASK,       false),
            ("the id of another life",     me.bits() ^ 1 << 32,       true),
            ("no id that there may be",    me.bits() | ID_MASK,       true),
            ("nobody",                     0,                         true),
            ("nobody, who began",          7 << 32,                   true),
        ];
        for (what, bits, expected) in cases {
            assert_eq!(Owner::from_bits(bits).is_gone(), expected, "{what}");
        }
    }
}
