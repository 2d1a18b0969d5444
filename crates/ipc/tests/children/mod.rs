//! Turns a closure into a forked child, and the child into its answer and its end.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::process;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wirewool_ipc::process::{Ended, Fork, fork, wait};

/// No wait in these tests is longer.
pub(crate) const PATIENCE_S: i64 = 20;

/// Runs `work` in a child; what it writes is its answer. A panic in it ends the child with code 101.
pub(crate) fn spawn(work: impl FnOnce(PipeWriter)) -> Child {
    let (answer, writer) = io::pipe().unwrap();
    match fork().unwrap() {
        Fork::Parent(pid) => Child { pid, answer },
        Fork::Child => {
            drop(answer);
            work(writer);
            process::exit(0);
        }
    }
}

pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) answer: PipeReader,
}

impl Child {
    /// All that was written until the child and its own children have closed the pipe, as text, and the child's end.
    pub(crate) fn join(mut self) -> (String, Ended) {
        let mut answer = Vec::new();
        loop {
            assert!(readable(&self.answer), "the child does not answer");
            let mut chunk = [0; 65536];
            match self.answer.read(&mut chunk).unwrap() {
                0 => break,
                read => answer.extend_from_slice(&chunk[..read]),
            }
        }
        (String::from_utf8(answer).unwrap(), ended(self.pid))
    }
}

/// Waits for the end of the child `pid`.
pub(crate) fn ended(pid: Pid) -> Ended {
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    assert!(readable(&process), "the child does not end");
    wait(pid).unwrap().expect("its pidfd says that it ended")
}

/// Waits until it is; false if it never is.
pub(crate) fn readable(descriptor: &impl AsFd) -> bool {
    readable_within(descriptor, PATIENCE_S)
}

/// Whether it is within so many seconds.
pub(crate) fn readable_within(descriptor: &impl AsFd, seconds: i64) -> bool {
    let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
    loop {
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return ready == 1,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// A signal mask of this thread as the kernel shows it: `SigBlk`, `SigIgn`, `SigCgt`. Bit n - 1 is signal n.
pub(crate) fn mask(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}
