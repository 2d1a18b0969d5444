//! Turns real signals into checks of who sees them: before, during and after a fork.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

mod children;

use std::io::{self, Write};
use std::process::{self, Command};

use rustix::process::{Pid, getpid, getppid};
use wirewool_ipc::process::{Ended, kill};
use wirewool_ipc::signal::{Blocked, Signal, Signals};

use children::{ended, mask, readable, readable_within, spawn};

const CHECKS: [(&str, fn()); 11] = [
    ("a watched signal is taken once", watched_signals_are_taken),
    ("nothing is lost or blocks when many come", floods_lose_nothing),
    ("the handler leaves errno alone", errno_is_kept),
    ("there is one installation at a time", second_installation_is_refused),
    ("what was in force is restored", handlers_are_restored),
    ("what is ignored is not ignored by a program that is executed", programs_ignore_nothing),
    ("SIGKILL can be neither watched nor ignored", sigkill_is_refused),
    ("a child sees its own signals, its parent none of them", children_have_their_own),
    ("what the parent had not taken is not the child's", children_start_with_none),
    ("no signal is lost or strays around a fork", forks_lose_nothing),
    ("a child forked by somebody else has the default action", others_children_do_not_take),
];

fn main() {
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
}

fn readable_now(signals: &Signals) -> bool {
    readable_within(signals, 0)
}

fn taken(signals: &Signals) -> Vec<Signal> {
    signals.take().collect()
}

fn send_to_self(signal: Signal) {
    // With one thread, which does not block it, it has been handled when this returns.
    kill(getpid(), signal).unwrap();
}

fn watched_signals_are_taken() {
    let signals = Signals::install(&[Signal::Usr1, Signal::Term]).unwrap();
    assert!(!readable_now(&signals));
    send_to_self(Signal::Usr1);
    assert!(readable_now(&signals));
    assert_eq!(taken(&signals), [Signal::Usr1]);
    assert!(!readable_now(&signals));
    assert_eq!(taken(&signals), []);
    send_to_self(Signal::Term);
    send_to_self(Signal::Usr1);
    send_to_self(Signal::Term);
    let both = taken(&signals);
    assert!(both.len() == 2 && both.contains(&Signal::Term) && both.contains(&Signal::Usr1), "{both:?}");
}

fn floods_lose_nothing() {
    let signals = Signals::install(&[Signal::Usr1, Signal::Term]).unwrap();
    for _ in 0..100_000 {
        send_to_self(Signal::Usr1);
    }
    send_to_self(Signal::Term);
    assert_eq!(taken(&signals).len(), 2);
    assert!(!readable_now(&signals));
}

fn errno_is_kept() {
    let _signals = Signals::install(&[Signal::Usr1]).unwrap();
    // SAFETY: No such descriptor: it fails with EBADF and touches nothing.
    unsafe { libc::close(-1) };
    let before = io::Error::last_os_error().raw_os_error();
    send_to_self(Signal::Usr1);
    assert_eq!((io::Error::last_os_error().raw_os_error(), before), (before, Some(libc::EBADF)));
}

fn second_installation_is_refused() {
    let first = Signals::install(&[Signal::Usr1]).unwrap();
    let Err(second) = Signals::install(&[Signal::Usr2]) else { panic!("there are two") };
    assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
    // The refusal left the first one as it was.
    send_to_self(Signal::Usr1);
    assert_eq!(taken(&first), [Signal::Usr1]);
    send_to_self(Signal::Usr1);
    drop(first);
    let third = Signals::install(&[Signal::Usr1]).unwrap();
    assert!(!readable_now(&third));
    assert_eq!(taken(&third), []);
}

/// Which of the signals used here are caught and which ignored.
fn dispositions() -> (u64, u64) {
    let known = [Signal::Usr1, Signal::Usr2, Signal::Hup, Signal::Chld].map(bit).into_iter().sum::<u64>();
    (mask("SigCgt") & known, mask("SigIgn") & known)
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

fn handlers_are_restored() {
    let (usr1, usr2, hup) = (bit(Signal::Usr1), bit(Signal::Usr2), bit(Signal::Hup));
    // Whoever started this, nohup for one, may have had it ignored.
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    // SAFETY: SIG_IGN runs no code.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    assert_eq!(dispositions(), (0, usr2));
    let mut signals = Signals::install(&[Signal::Usr1, Signal::Usr2]).unwrap();
    assert_eq!(dispositions(), (usr1 | usr2, 0));
    signals.ignore(&[Signal::Hup, Signal::Usr1]).unwrap();
    assert_eq!(dispositions(), (usr1 | usr2 | hup, 0));
    send_to_self(Signal::Hup);
    send_to_self(Signal::Usr1);
    assert_eq!(taken(&signals), []);
    signals.watch(&[Signal::Usr1]).unwrap();
    assert_eq!(dispositions(), (usr1 | usr2 | hup, 0));
    send_to_self(Signal::Usr1);
    assert_eq!(taken(&signals), [Signal::Usr1]);
    signals.release(&[Signal::Usr1, Signal::Chld]);
    assert_eq!(dispositions(), (usr2 | hup, 0));
    drop(signals);
    assert_eq!(dispositions(), (0, usr2));
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_DFL) };
}

fn programs_ignore_nothing() {
    let mut signals = Signals::install(&[Signal::Term]).unwrap();
    signals.ignore(&[Signal::Hup, Signal::Int, Signal::Usr1, Signal::Usr2]).unwrap();
    let output = Command::new("sed").args(["-n", "s/^SigIgn://p", "/proc/self/status"]).output().unwrap();
    let ignored = u64::from_str_radix(String::from_utf8(output.stdout).unwrap().trim(), 16).unwrap();
    for signal in [Signal::Hup, Signal::Int, Signal::Usr1, Signal::Usr2, Signal::Term] {
        assert_eq!(ignored & bit(signal), 0, "{signal:?}");
    }
}

fn sigkill_is_refused() {
    let Err(refused) = Signals::install(&[Signal::Usr1, Signal::Kill]) else { panic!("SIGKILL is watched") };
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(dispositions(), (0, 0));
    let mut signals = Signals::install(&[]).unwrap();
    assert_eq!(signals.ignore(&[Signal::Kill]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

fn children_have_their_own() {
    let mut installed = Some(Signals::install(&[Signal::Usr1, Signal::Usr2]).unwrap());
    let child = spawn(|mut answer| {
        let signals = installed.take().unwrap();
        send_to_self(Signal::Usr1);
        assert!(readable_now(&signals));
        write!(answer, "{:?}", taken(&signals)).unwrap();
        kill(getppid().unwrap(), Signal::Usr2).unwrap();
        assert!(!readable_now(&signals));
        drop(signals);
        // Taken by nobody, and no death either.
        send_to_self(Signal::Usr1);
        let again = Signals::install(&[Signal::Usr1]).unwrap();
        send_to_self(Signal::Usr1);
        write!(answer, "{:?}", taken(&again)).unwrap();
    });
    assert_eq!(child.join(), ("[Usr1][Usr1]".to_owned(), Ended::Exited(0)));
    let signals = installed.unwrap();
    assert!(readable_now(&signals));
    assert_eq!(taken(&signals), [Signal::Usr2]);
    assert_ne!(dispositions(), (0, 0));
}

fn children_start_with_none() {
    let signals = Signals::install(&[Signal::Usr1, Signal::Usr2]).unwrap();
    send_to_self(Signal::Usr1);
    let blocked = Blocked::all().unwrap();
    send_to_self(Signal::Usr2);
    // The closure owns the guard: the child drops it when it runs, the parent when it is back.
    let child = spawn(|mut answer| {
        drop(blocked);
        write!(answer, "{} {:?}", readable_now(&signals), taken(&signals)).unwrap();
    });
    assert_eq!(taken(&signals), [Signal::Usr1, Signal::Usr2]);
    assert_eq!(child.join(), ("false []".to_owned(), Ended::Exited(0)));
}

fn forks_lose_nothing() {
    let signals = Signals::install(&[Signal::Usr1, Signal::Term]).unwrap();
    for _ in 0..200 {
        let child = spawn(|mut answer| {
            assert!(readable(&signals));
            write!(answer, "{:?}", taken(&signals)).unwrap();
        });
        // It may be anywhere in its half of the fork.
        kill(child.pid, Signal::Term).unwrap();
        assert_eq!(child.join(), ("[Term]".to_owned(), Ended::Exited(0)));
        assert!(!readable_now(&signals));
        assert_eq!(taken(&signals), []);
    }
}

fn others_children_do_not_take() {
    let signals = Signals::install(&[Signal::Term, Signal::Chld]).unwrap();
    // SAFETY: The process has one thread.
    let Some(child) = Pid::from_raw(unsafe { libc::fork() }) else {
        send_to_self(Signal::Chld);
        send_to_self(Signal::Term);
        process::exit(0);
    };
    assert_eq!(ended(child), Ended::Killed(libc::SIGTERM));
    assert_eq!(taken(&signals), [Signal::Chld]);
    assert!(!readable_now(&signals));
}
