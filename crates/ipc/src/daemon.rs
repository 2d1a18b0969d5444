//! Turns a process into a daemon, and whoever started it into somebody who waits until it is ready.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{self, Pid, WaitOptions};

use crate::process::{fork_free, leave_at_once};

/// The first byte of the word that all is well; any other begins the reason why not.
const READY: u8 = 0;

/// How much of a reason is told.
const REASON_BYTES_MAX: u64 = 4096;

/// The daemon's way to whoever waits for it. Dropped without a word, it says that the daemon has failed.
#[derive(Debug)]
pub struct Starter {
    pipe: File,
}

impl Starter {
    /// The daemon is ready: whoever waits exits with 0.
    pub fn ready(mut self) {
        // He may have lost his patience.
        let _ = self.pipe.write_all(&[READY]);
    }

    /// The daemon ends: whoever waits prints why, and exits with 1.
    pub fn failed(mut self, why: &str) {
        let _ = self.pipe.write_all(why.as_bytes());
    }
}

/// Goes on in another process: without a terminal, in a session that it does not lead. Standard streams and working
/// directory stay. The process that called it does not return: it waits for the daemon's word, and exits, without
/// anything that a program does at its end.
///
/// The process must have a single thread. A child of a [`fork`](crate::process::fork) is none that may do this.
///
/// # Errors
///
/// `Other` if another thread is alive; those of pipe(2) and fork(2).
pub fn daemonize() -> io::Result<Starter> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    if let Some(child) = fork_free()? {
        drop(writer);
        wait(child, reader)
    }
    drop(reader);
    let starter = Starter { pipe: File::from(writer) };
    // A child leads no group of processes: this cannot fail.
    let _ = process::setsid();
    // Who does not lead a session gets no terminal by opening one.
    match fork_free() {
        Ok(None) => Ok(starter),
        Ok(Some(_)) => leave_at_once(0),
        Err(error) => {
            starter.failed(&format!("cannot fork: {error}"));
            leave_at_once(1)
        }
    }
}

/// In the process that started it.
fn wait(child: Pid, reader: OwnedFd) -> ! {
    // The one between ends at once.
    let _ = process::waitpid(Some(child), WaitOptions::empty());
    let mut word = Vec::new();
    let _ = File::from(reader).take(REASON_BYTES_MAX).read_to_end(&mut word);
    let why = match word.first() {
        Some(&READY) => leave_at_once(0),
        Some(_) => String::from_utf8_lossy(&word).into_owned(),
        None => "the server ended before it was ready, its log may say why".to_owned(),
    };
    let _ = writeln!(io::stderr(), "{why}");
    leave_at_once(1)
}
