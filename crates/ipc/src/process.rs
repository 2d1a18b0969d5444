//! Turns fork, wait and kill into calls that cannot reap, signal or inherit what is not theirs.

use std::fmt;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{self, Pid, Resource, Rlimit, WaitOptions};

use crate::signal::{self, Blocked, ChildBell, Signal};

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The one that called it, with the child's id.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Forks, with libc's atfork handlers. The process must have a single thread.
///
/// The child gets SIGTERM when its parent dies, and does not return from here if the parent is dead already. It
/// inherits an installed [`Signals`](crate::signal::Signals) with a doorbell of its own. All signals are blocked
/// meanwhile: one that is sent to either process during the fork is seen by that process afterwards.
///
/// # Errors
///
/// `Other` if another thread is alive; those of fork(2); no descriptor left.
pub fn fork() -> io::Result<Fork> {
    require_single_thread()?;
    let parent = process::getpid();
    let bell = ChildBell::new()?;
    let blocked = Blocked::all()?;
    // SAFETY: The only thread of the process is here: no lock is held and nothing half written by another one, which
    // the child would find so for ever.
    let forked = unsafe { libc::fork() };
    if forked < 0 {
        return Err(io::Error::last_os_error());
    }
    if let Some(child) = Pid::from_raw(forked) {
        return Ok(Fork::Parent(child));
    }
    if become_child(parent, bell).is_err() {
        // The exit handlers are the parent's.
        leave_at_once(1);
    }
    drop(blocked);
    Ok(Fork::Child)
}

/// Forks a child that nobody watches and that outlives its parent; none in the child. The process must have a single
/// thread.
pub(crate) fn fork_free() -> io::Result<Option<Pid>> {
    require_single_thread()?;
    // SAFETY: As in `fork`.
    let forked = unsafe { libc::fork() };
    if forked < 0 {
        return Err(io::Error::last_os_error());
    }
    if forked == 0 {
        FOREIGN.store(false, SeqCst);
    }
    Ok(Pid::from_raw(forked))
}

/// Ends the process, with nothing of what a program does at its end.
pub fn leave_at_once(status: i32) -> ! {
    // SAFETY: Async-signal-safe, and runs none of the exit handlers.
    unsafe { libc::_exit(status) }
}

/// The parent at the fork of a child of ours, 0 in any other process.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// Whether this is a child of [`fork`] and its parent is dead. Async-signal-safe.
pub fn is_orphan() -> bool {
    let parent = PARENT.load(SeqCst);
    parent != 0 && !is_foreign() && process::getppid().is_none_or(|now| now.as_raw_pid() != parent)
}

/// Forks as any program does: the child is nobody's but the program's own, and [`is_foreign`] where that was asked for.
/// Signals that [`Signals`](crate::signal::Signals) watches or ignores have their default effect there. None in the child. The process must have a single thread.
///
/// # Errors
///
/// `Other` if another thread is alive; those of fork(2).
pub fn fork_plain() -> io::Result<Option<Pid>> {
    require_single_thread()?;
    // SAFETY: As in `fork`.
    match unsafe { libc::fork() } {
        error if error < 0 => Err(io::Error::last_os_error()),
        0 => {
            signal::restore_defaults();
            Ok(None)
        }
        child => Ok(Pid::from_raw(child)),
    }
}

/// Whether a child of [`fork`] is killed when its parent dies, and not asked to end.
static DIES_WITH_PARENT: AtomicBool = AtomicBool::new(false);

fn become_child(parent: Pid, bell: ChildBell) -> io::Result<()> {
    FOREIGN.store(false, SeqCst);
    PARENT.store(parent.as_raw_pid(), SeqCst);
    DIES_WITH_PARENT.store(false, SeqCst);
    bell.adopt()?;
    follow_parent()
}

/// From now on, the kernel kills this child of [`fork`] when its parent dies, whatever it does about signals. If the
/// parent is dead already, this does not return.
pub fn die_with_parent() {
    DIES_WITH_PARENT.store(true, SeqCst);
    if follow_parent().is_err() {
        // The exit handlers are the parent's.
        leave_at_once(1);
    }
}

/// To be called by a child of [`fork`] that has become somebody else: the kernel forgets then whom the child is to follow.
///
/// # Errors
///
/// ESRCH if its parent is dead: it is to end. Those of prctl(2).
pub fn follow_parent() -> io::Result<()> {
    let parent = PARENT.load(SeqCst);
    if parent == 0 || is_foreign() {
        return Ok(());
    }
    let signal = if DIES_WITH_PARENT.load(SeqCst) { process::Signal::KILL } else { process::Signal::TERM };
    process::set_parent_process_death_signal(Some(signal))?;
    // It may have died before we asked to be told.
    if is_orphan() { Err(Errno::SRCH.into()) } else { Ok(()) }
}

/// How long a thread that was joined may stay in /proc: the kernel wakes the joiner a moment before it removes it.
const JOINED_THREAD_TIMEOUT_MS: u64 = 50;

fn require_single_thread() -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_millis(JOINED_THREAD_TIMEOUT_MS);
    loop {
        let threads = threads()?;
        if threads == 1 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let others = threads - 1;
            return Err(io::Error::other(format!(
                "cannot fork while other threads are alive, this process has {others}"
            )));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The number of threads in this process, the calling one included.
///
/// # Errors
///
/// If /proc cannot be read.
pub fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By the signal with this number.
    Killed(i32),
}

impl fmt::Display for Ended {
    /// `exited with code 3`, `was killed by signal 9 (SIGKILL)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ended::Exited(code) => write!(f, "exited with code {code}"),
            Ended::Killed(number) => match name(number) {
                Some(name) => write!(f, "was killed by signal {number} ({name})"),
                None => write!(f, "was killed by signal {number}"),
            },
        }
    }
}

/// The signals that end a process, as they are called in logs.
fn name(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

/// How the child `pid` ended, or `None` if it has not. Never blocks. An ended child is reaped by this, and no other
/// one: those of the application are its own to wait for.
///
/// # Errors
///
/// ECHILD if it is no child of this process, or somebody else has reaped it.
pub fn wait(pid: Pid) -> io::Result<Option<Ended>> {
    let status = match process::waitpid(Some(pid), WaitOptions::NOHANG)? {
        Some((_, status)) => status,
        None => return Ok(None),
    };
    let exited = status.exit_status().map(Ended::Exited);
    Ok(exited.or_else(|| status.terminating_signal().map(Ended::Killed)))
}

/// Any child that has ended, and how: of a program that has no others than its own. None if none has, and it does not
/// block.
///
/// # Errors
///
/// ECHILD if there are none.
pub fn wait_any(blocks: bool) -> io::Result<Option<(Pid, Ended)>> {
    let options = if blocks { WaitOptions::empty() } else { WaitOptions::NOHANG };
    let Some((pid, status)) = process::wait(options)? else { return Ok(None) };
    let exited = status.exit_status().map(Ended::Exited);
    Ok(exited.or_else(|| status.terminating_signal().map(Ended::Killed)).map(|ended| (pid, ended)))
}

/// Sends `signal` to `pid`. A child that has ended but was not waited for takes it without effect.
///
/// # Errors
///
/// ESRCH if there is no such process, EPERM.
pub fn kill(pid: Pid, signal: Signal) -> io::Result<()> {
    let signal = process::Signal::from_named_raw(signal.number()).ok_or(Errno::INVAL)?;
    Ok(process::kill_process(pid, signal)?)
}

/// Set in a child that was forked by somebody else.
static FOREIGN: AtomicBool = AtomicBool::new(false);

/// From now on, [`is_foreign`] is true in every child that is not made by [`fork`], and in its children. Calling it
/// again changes nothing.
///
/// # Errors
///
/// `OutOfMemory`.
pub fn mark_foreign_children() -> io::Result<()> {
    static MARKED: AtomicBool = AtomicBool::new(false);
    extern "C" fn mark() {
        FOREIGN.store(true, SeqCst);
    }

    if MARKED.swap(true, SeqCst) {
        return Ok(());
    }
    // SAFETY: `mark` only stores to a static, which it may do in the child of a process with many threads.
    match unsafe { libc::pthread_atfork(None, None, Some(mark)) } {
        0 => Ok(()),
        error => {
            MARKED.store(false, SeqCst);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// Whether this process was forked by somebody else (a script's own `pcntl_fork`) after [`mark_foreign_children`].
/// What it inherited of a server is not its own to use.
pub fn is_foreign() -> bool {
    FOREIGN.load(SeqCst)
}

/// Raises the limit of open descriptors as far as it goes without privileges, and returns it (`u64::MAX`: no limit).
///
/// # Errors
///
/// Those of setrlimit(2): EPERM if the system's own maximum has been lowered meanwhile.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = process::getrlimit(Resource::Nofile);
    if current != maximum {
        process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::{Ended, fork, raise_descriptor_limit, threads};

    #[test]
    fn names_how_a_process_ended() {
        #[rustfmt::skip]
        let cases = [
            (Ended::Exited(0),   "exited with code 0"),
            (Ended::Exited(255), "exited with code 255"),
            (Ended::Killed(9),   "was killed by signal 9 (SIGKILL)"),
            (Ended::Killed(11),  "was killed by signal 11 (SIGSEGV)"),
            (Ended::Killed(64),  "was killed by signal 64"),
        ];
        for (ended, expected) in cases {
            assert_eq!(ended.to_string(), expected);
        }
    }

    #[test]
    fn refuses_to_fork_among_threads() {
        assert!(threads().unwrap() >= 2, "the harness runs tests in threads of their own");
        let refused = fork().unwrap_err().to_string();
        assert!(refused.starts_with("cannot fork while other threads are alive"), "{refused}");
    }

    #[test]
    fn raises_the_descriptor_limit_once() {
        let raised = raise_descriptor_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised);
        assert_eq!(raise_descriptor_limit().unwrap(), raised);
    }
}
