//! Signals that a script has callbacks for, in processes of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::rc::Rc;

use signal_hook::SigId;

use crate::callback::Callback;
use crate::coroutine::registry;
use crate::event_loop::{self, Watcher};
use crate::guard::Stop;
use crate::last_error;
use crate::method::Call;
use crate::serving;
use crate::warning;

struct Heard {
    id: SigId,
    reader: UnixStream,
}

thread_local! {
    static HEARD: RefCell<BTreeMap<i32, Heard>> = const { RefCell::new(BTreeMap::new()) };
    /// What signal-hook has installed: it does so once for each signal, whatever was in force meanwhile.
    static ACTIONS: RefCell<BTreeMap<i32, libc::sigaction>> = const { RefCell::new(BTreeMap::new()) };
}

/// Forgets what was sent so far: the callback is called once for all of it.
pub(crate) fn clear_signal(number: i32) {
    HEARD.with_borrow(|heard| {
        if let Some(heard) = heard.get(&number) {
            let mut buffer = [0; 64];
            while matches!((&heard.reader).read(&mut buffer), Ok(length) if length == buffer.len()) {}
        }
    });
}

/// In a child process: signals have their default effect there.
pub(crate) fn forked() {
    for (number, heard) in HEARD.take() {
        ignore_signal(number, &heard);
    }
}

fn ignore_signal(number: i32, heard: &Heard) {
    signal_hook::low_level::unregister(heard.id);
    set_default(number);
}

fn set_default(number: i32) {
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(number, libc::SIG_DFL) };
}

/// Puts this action in force, or none, and returns the one before.
fn exchange_action(number: i32, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut before = MaybeUninit::zeroed();
    let action = action.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `action` is null or one that was in force in this process; `before` has room for one.
    if unsafe { libc::sigaction(number, action, before.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeros are a valid action, and the call has filled it in.
    Ok(unsafe { before.assume_init() })
}

fn hear(number: i32, callback: Callback) -> io::Result<()> {
    forget_signal(number)?;
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    let descriptor = reader.as_raw_fd();
    let known = ACTIONS.with_borrow(|actions| actions.get(&number).copied());
    if known.is_none() {
        // signal-hook calls what it finds: PHP's own handler, which does what the signal did by default.
        set_default(number);
    }
    let id = signal_hook::low_level::pipe::register(number, OwnedFd::from(writer))?;
    let installed = exchange_action(number, known.as_ref())?;
    ACTIONS.with_borrow_mut(|actions| *actions.entry(number).or_insert(installed));
    HEARD.with_borrow_mut(|heard| heard.insert(number, Heard { id, reader }));
    event_loop::watch(descriptor, |watched| {
        watched.read = Some(Watcher::Signal(Rc::new(callback), number));
        watched.reads = true;
    })
}

fn forget_signal(number: i32) -> io::Result<()> {
    let Some(heard) = HEARD.with_borrow_mut(|heard| heard.remove(&number)) else { return Ok(()) };
    let mut old = None;
    event_loop::watch(heard.reader.as_raw_fd(), |watched| old = watched.read.take())?;
    drop(old);
    ignore_signal(number, &heard);
    Ok(())
}

/// `Process::signal()`: a callback for a signal, or none any more.
///
/// # Errors
/// As for a warning.
pub(crate) fn hear_with(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 2)?;
    call.give_bool(false);
    let number = call.long(0)?.unwrap_or(0);
    let wanted = "wanted the number of a signal that a process can catch, SIGUSR1 for example";
    let Some(number) = i32::try_from(number).ok().filter(|number| is_catchable(*number)) else {
        return warning::warn(&format!("signal[{number}] is invalid: {wanted}"));
    };
    if serving::owns_signals() {
        last_error::set(last_error::OPERATION_NOT_SUPPORTED);
        return warning::warn(&format!("signal[{number}] is the server's in its own processes"));
    }
    let callback = match call.argument(1) {
        Some(value) if !value.is_null() => call.callback(1)?,
        _ => None,
    };
    let done = match callback {
        Some(callback) => {
            let heard = hear(number, callback);
            registry::expect_loop()?;
            heard
        }
        None => forget_signal(number),
    };
    match done {
        Ok(()) => {
            call.give_bool(true);
            Ok(())
        }
        Err(error) => {
            last_error::set(error.raw_os_error().map_or(0, i64::from));
            warning::warn(&format!("signal[{number}] cannot be heard: {error}"))
        }
    }
}

/// Real-time signals included; not those that a process cannot catch, or that mean that it is broken.
fn is_catchable(number: i32) -> bool {
    (1..=64).contains(&number) && !signal_hook::consts::FORBIDDEN.contains(&number)
}
