//! Turns signals into a descriptor that becomes readable and a set to take, one of each per process.

use std::ffi::c_int;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::doorbell::{self, Doorbell};
use crate::process::is_orphan;

/// The signals that a server deals in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Signal {
    /// The terminal went away.
    Hup = libc::SIGHUP,
    /// Ctrl-C.
    Int = libc::SIGINT,
    /// Ends a process at once. Can be sent, but neither watched nor ignored.
    Kill = libc::SIGKILL,
    /// Reload all workers.
    Usr1 = libc::SIGUSR1,
    /// Reload the task workers.
    Usr2 = libc::SIGUSR2,
    /// Written to a connection that the peer has closed.
    Pipe = libc::SIGPIPE,
    /// End gracefully. Also what a child of [`fork`](crate::process::fork) gets when its parent dies.
    Term = libc::SIGTERM,
    /// A child ended.
    Chld = libc::SIGCHLD,
    /// The terminal changed its size; here: reopen the log.
    Winch = libc::SIGWINCH,
    /// SIGRTMIN, as the GNU C library counts: reopen the log.
    Rtmin = 34,
}

impl Signal {
    const CATCHABLE: [Signal; 9] = [
        Signal::Hup,
        Signal::Int,
        Signal::Usr1,
        Signal::Usr2,
        Signal::Pipe,
        Signal::Term,
        Signal::Chld,
        Signal::Winch,
        Signal::Rtmin,
    ];

    /// Its number, as in signal(7).
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// No doorbell: nothing is installed.
const NONE: i32 = -1;

/// The descriptor of the installed doorbell, or `NONE`.
static BELL: AtomicI32 = AtomicI32::new(NONE);

/// The process that the installation belongs to: a fork that is not ours copies everything but this.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// What came and was not taken yet: bit n is signal n. A signal that comes twice before it is taken was one signal, as
/// in the kernel. Since this, not the doorbell, carries the numbers, none is lost however many come.
static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// How many seconds an orphan has left from SIGTERM on; 0 for ever.
static ORPHAN_S: AtomicU32 = AtomicU32::new(0);

/// How many threads are inside the handler right now, and so may be about to ring.
static IN_HANDLER: AtomicU32 = AtomicU32::new(0);

/// The process's watched and ignored signals. Poll it for readability, then [`take`](Signals::take).
///
/// A child of [`fork`](crate::process::fork) inherits the value with what it watches and ignores, but with a doorbell
/// of its own behind the same descriptor number: nothing sent to one process is ever seen by the other. In any other
/// child the watched signals fall back to their default action as they come.
///
/// On drop, what was in force before is restored; not in a child of [`fork`](crate::process::fork), which is on its way
/// out then: a SIGTERM that comes once more must not turn its orderly end into a death.
pub struct Signals {
    bell: Doorbell,
    /// The process that installed them.
    home: i32,
    before: Vec<(Signal, libc::sigaction)>,
}

impl Signals {
    /// Watches `signals`. With other threads in the process, whichever the kernel picks runs the handler; see
    /// [`Blocked`] for how to leave a thread out.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if a `Signals` is installed in this process; `InvalidInput` for [`Signal::Kill`]; no descriptor
    /// left. Then nothing has changed.
    pub fn install(signals: &[Signal]) -> io::Result<Signals> {
        let bell = Doorbell::new()?;
        if BELL.compare_exchange(NONE, bell.as_fd().as_raw_fd(), SeqCst, SeqCst).is_err() {
            let message = "signal handlers are installed in this process already, there can be only one set of them";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        OWNER.store(own_pid(), SeqCst);
        RECEIVED.store(0, SeqCst);
        let mut installed = Signals { bell, home: own_pid(), before: Vec::new() };
        installed.watch(signals)?;
        Ok(installed)
    }

    /// Watches `signals` as well; one that was ignored is so no longer.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for [`Signal::Kill`]; those before it in the list are watched.
    pub fn watch(&mut self, signals: &[Signal]) -> io::Result<()> {
        signals.iter().try_for_each(|&signal| self.act(signal, address(report)))
    }

    /// Ignores `signals`; one that was watched is so no longer, but may still be there to be taken. A program that is
    /// executed does not inherit this, [`Signal::Pipe`] apart.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for [`Signal::Kill`]; those before it in the list are ignored.
    pub fn ignore(&mut self, signals: &[Signal]) -> io::Result<()> {
        signals.iter().try_for_each(|&signal| {
            // SIG_IGN outlives exec, a handler does not. But a handler makes waits return early, and SIGPIPE is
            // common; who executes others is used to it.
            let ignored = address(nothing);
            self.act(signal, if signal == Signal::Pipe { libc::SIG_IGN } else { ignored })
        })
    }

    /// Neither watches nor ignores `signals` any longer: what was in force before is restored.
    pub fn release(&mut self, signals: &[Signal]) {
        self.before.retain(|(signal, action)| {
            let released = signals.contains(signal);
            if released {
                // The kernel took this action for this signal before, so it takes it again.
                let _ = exchange(*signal, action);
            }
            !released
        });
    }

    /// From now on, SIGTERM in a child of [`fork`](crate::process::fork) whose parent is dead ends it by SIGALRM a second
    /// after `limit`, rounded up: it may be stuck, and nobody is left to kill it.
    pub fn end_orphan_after(&self, limit: Duration) {
        let seconds = limit.as_secs() + u64::from(limit.subsec_nanos() > 0) + 1;
        ORPHAN_S.store(u32::try_from(seconds).unwrap_or(u32::MAX), SeqCst);
    }

    /// What came since the last time, each once, in no particular order; makes the descriptor silent.
    pub fn take(&self) -> impl Iterator<Item = Signal> + use<> {
        self.bell.clear();
        let received = RECEIVED.swap(0, SeqCst);
        Signal::CATCHABLE.into_iter().filter(move |signal| received & bit(signal.number()) != 0)
    }

    fn act(&mut self, signal: Signal, handler: libc::sighandler_t) -> io::Result<()> {
        // SAFETY: All zeros is a valid sigaction: SIG_DFL, no flags, an empty mask, no restorer.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = handler;
        // ONSTACK: the thread may be on a stack (a coroutine's) that is too small for a handler.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        let before = exchange(signal, &action)?;
        if !self.before.iter().any(|(known, _)| *known == signal) {
            self.before.push((signal, before));
        }
        Ok(())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if self.home == own_pid() {
            self.release(&Signal::CATCHABLE);
        }
        BELL.store(NONE, SeqCst);
        // A thread inside the handler may have read the number before: it must not ring what is closed, or opened
        // anew as something else. In a fork that is not ours such a thread does not exist, though it was counted.
        while OWNER.load(SeqCst) == own_pid() && IN_HANDLER.load(SeqCst) != 0 {
            thread::yield_now();
        }
    }
}

/// In a child that has nothing to do with whoever installed [`Signals`]: none of its signals is watched or ignored. What
/// somebody else has installed stays.
pub(crate) fn restore_defaults() {
    if BELL.load(SeqCst) == NONE {
        return;
    }
    for signal in Signal::CATCHABLE {
        // SAFETY: All zeros is a valid sigaction: SIG_DFL.
        let default: libc::sigaction = unsafe { mem::zeroed() };
        let Ok(before) = exchange(signal, &default) else { continue };
        let handler = before.sa_sigaction;
        let is_ignored = signal == Signal::Pipe && handler == libc::SIG_IGN;
        if ![address(report), address(nothing)].contains(&handler) && !is_ignored {
            // The kernel took this action for this signal before, so it takes it again.
            let _ = exchange(signal, &before);
        }
    }
}

fn address(handler: extern "C" fn(c_int)) -> libc::sighandler_t {
    handler as libc::sighandler_t
}

/// What is done about an ignored signal.
extern "C" fn nothing(_: c_int) {}

/// Notes the signal and rings. Async-signal-safe: atomics, getpid, getppid, write, signal, raise, alarm.
extern "C" fn report(number: c_int) {
    // SAFETY: libc keeps one errno per thread, valid while the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: As above; nobody else uses this thread's errno while it is here.
    let interrupted = unsafe { errno.read() };
    if OWNER.load(SeqCst) == own_pid() {
        IN_HANDLER.fetch_add(1, SeqCst);
        RECEIVED.fetch_or(bit(number), SeqCst);
        #[cfg(not(loom))]
        crate::reopen::note(number);
        let seconds = ORPHAN_S.load(SeqCst);
        if number == libc::SIGTERM && seconds != 0 && is_orphan() {
            // SAFETY: Async-signal-safe, and SIG_DFL runs no code of ours.
            unsafe { libc::signal(libc::SIGALRM, libc::SIG_DFL) };
            // SAFETY: Async-signal-safe.
            unsafe { libc::alarm(seconds) };
        }
        let bell = BELL.load(SeqCst);
        if bell != NONE {
            // SAFETY: `Signals` owns the descriptor. It sets BELL to NONE and waits for IN_HANDLER before it closes it.
            doorbell::ring(unsafe { BorrowedFd::borrow_raw(bell) });
        }
        IN_HANDLER.fetch_sub(1, SeqCst);
    } else {
        // The doorbell is the parent's. Nobody here takes signals: the default action is what the sender expects.
        // SAFETY: Async-signal-safe, and SIG_DFL runs no code of ours.
        unsafe { libc::signal(number, libc::SIG_DFL) };
        // SAFETY: Async-signal-safe. It is blocked now and comes when the handler returns.
        unsafe { libc::raise(number) };
    }
    // SAFETY: As for the read.
    unsafe { errno.write(interrupted) };
}

fn bit(number: i32) -> u64 {
    1 << number
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_pid()
}

/// Puts `action` in force and returns what was before.
fn exchange(signal: Signal, action: &libc::sigaction) -> io::Result<libc::sigaction> {
    // SAFETY: All zeros is a valid sigaction.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: Both point to a sigaction for the length of the call. The handler in `action` is `report`, which is
    // async-signal-safe, a constant, or what somebody else had installed.
    match unsafe { libc::sigaction(signal.number(), action, &mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// All signals blocked in the calling thread, until dropped. A thread spawned meanwhile starts with all of them
/// blocked and stays so: this is how reactor threads are left out of signal handling.
pub struct Blocked {
    before: libc::sigset_t,
    /// A mask belongs to a thread: the guard must be dropped where it was made.
    _not_send: PhantomData<*const ()>,
}

impl Blocked {
    /// Blocks them.
    ///
    /// # Errors
    ///
    /// Those of pthread_sigmask(3), which has none for valid arguments.
    pub fn all() -> io::Result<Blocked> {
        // SAFETY: A sigset_t is an array of integers.
        let mut every: libc::sigset_t = unsafe { mem::zeroed() };
        // SAFETY: It points to a sigset_t.
        unsafe { libc::sigfillset(&mut every) };
        // SAFETY: As above.
        let mut before: libc::sigset_t = unsafe { mem::zeroed() };
        // SAFETY: Both point to a sigset_t for the length of the call.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &every, &mut before) } {
            0 => Ok(Blocked { before, _not_send: PhantomData }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `before` is a mask that the kernel gave us, and nothing is written through the null pointer.
        let error = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
        debug_assert_eq!(error, 0);
    }
}

/// The doorbell of a child that is about to be forked, made in the parent so that the child has nothing that can fail.
pub(crate) struct ChildBell {
    bell: Option<Doorbell>,
}

impl ChildBell {
    /// None is needed, and none made, while nothing is installed.
    pub(crate) fn new() -> io::Result<ChildBell> {
        let installed = BELL.load(SeqCst) != NONE;
        Ok(ChildBell { bell: installed.then(Doorbell::new).transpose()? })
    }

    /// In the child, with all signals blocked: puts it in the place of the parent's doorbell.
    pub(crate) fn adopt(self) -> io::Result<()> {
        let Some(bell) = self.bell else { return Ok(()) };
        // SAFETY: The target is the descriptor of the `Signals` that this process inherited: replacing what is behind
        // its number is meant. It is still alive, for its drop would have set BELL to NONE.
        let adopted = unsafe { libc::dup3(bell.as_fd().as_raw_fd(), BELL.load(SeqCst), libc::O_CLOEXEC) };
        if adopted < 0 {
            return Err(io::Error::last_os_error());
        }
        RECEIVED.store(0, SeqCst);
        OWNER.store(own_pid(), SeqCst);
        Ok(())
    }
}
