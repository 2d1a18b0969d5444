//! `Swoole\Event`: the loop itself, as scripts see it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

use rustix::io::Errno;

use crate::coroutine::registry;
use crate::coroutine::run::run_loop;
use crate::event_loop::{self, Watched, Watcher};
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::server;
use crate::warning;
use crate::zend::value::{Owned, to_descriptor};

const READ: i64 = 512;
const WRITE: i64 = 1024;

/// What may wait to be written to one descriptor, in bytes.
const UNWRITTEN_BYTES_MAX: usize = 8 << 20;

thread_local! {
    /// What `write()` could not write at once.
    static UNWRITTEN: RefCell<BTreeMap<RawFd, VecDeque<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The descriptor of the first argument; a warning says so if it is none.
fn descriptor(call: &Call<'_>) -> Result<Option<RawFd>, Stop> {
    let descriptor = match call.argument(0) {
        Some(value) => to_descriptor(value)?,
        None => None,
    };
    if descriptor.is_none() {
        last_error::set(libc::EBADF.into());
        warning::warn("unknown type: wanted a stream, a socket or the number of an open descriptor")?;
    }
    Ok(descriptor)
}

/// A callable argument, for whoever watches; none if it is null or missing.
fn watcher(call: &Call<'_>, index: usize) -> Result<Option<Watcher>, Stop> {
    match (call.argument(index), call.argument(0)) {
        (Some(callable), Some(value)) if !callable.is_null() => {
            let value = Owned::copy(value);
            Ok(call.callback(index)?.map(|callback| Watcher::Callback(Rc::new(callback), value)))
        }
        _ => Ok(None),
    }
}

/// Watches a descriptor. What was watched before is dropped behind it: that may run PHP.
fn watch(descriptor: RawFd, change: impl FnOnce(&mut Watched)) -> Result<bool, Stop> {
    match event_loop::watch(descriptor, change) {
        Ok(()) => Ok(true),
        Err(error) => {
            last_error::set(error.raw_os_error().map_or(0, i64::from));
            warning::warn(&format!("descriptor {descriptor} cannot be watched: {error}"))?;
            Ok(false)
        }
    }
}

fn add(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 4)?;
    call.give_bool(false);
    let Some(descriptor) = descriptor(call)? else { return Ok(()) };
    let (read, write) = (watcher(call, 1)?, watcher(call, 2)?);
    let events = call.long(3)?.unwrap_or(READ);
    let lacks = (events & READ != 0 && read.is_none()) || (events & WRITE != 0 && write.is_none());
    if lacks || events & (READ | WRITE) == 0 {
        return warning::warn("each of the events that is asked for needs a callback, and there must be one");
    }
    if event_loop::watched(descriptor, |watched| watched.is_some()) {
        last_error::set(libc::EEXIST.into());
        return warning::warn(&format!("already exists: descriptor {descriptor} is watched, set() changes that"));
    }
    let done = watch(descriptor, |watched| {
        (watched.reads, watched.writes) = (events & READ != 0, events & WRITE != 0);
        (watched.read, watched.write) = (read, write);
    })?;
    if done {
        registry::expect_loop()?;
        call.give_long(descriptor.into());
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 4)?;
    call.give_bool(false);
    let Some(descriptor) = descriptor(call)? else { return Ok(()) };
    let (read, write) = (watcher(call, 1)?, watcher(call, 2)?);
    let events = call.long(3)?.unwrap_or(0);
    if !event_loop::watched(descriptor, |watched| watched.is_some()) {
        last_error::set(libc::ENOENT.into());
        return warning::warn(&format!("descriptor {descriptor} is not watched: add() does that"));
    }
    let mut old = (None, None);
    let done = watch(descriptor, |watched| {
        if read.is_some() {
            old.0 = std::mem::replace(&mut watched.read, read);
        }
        if write.is_some() {
            old.1 = std::mem::replace(&mut watched.write, write);
        }
        if events & (READ | WRITE) != 0 {
            (watched.reads, watched.writes) = (events & READ != 0, events & WRITE != 0);
        }
    })?;
    drop(old);
    call.give_bool(done);
    Ok(())
}

fn isset(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 2)?;
    let events = call.long(1)?.unwrap_or(READ | WRITE);
    let is_watched = match descriptor(call)? {
        Some(descriptor) => event_loop::watched(descriptor, |watched| {
            watched.is_some_and(|it| (it.reads && events & READ != 0) || (it.writes && events & WRITE != 0))
        }),
        None => false,
    };
    call.give_bool(is_watched);
    Ok(())
}

fn del(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    call.give_bool(false);
    let Some(descriptor) = descriptor(call)? else { return Ok(()) };
    if !event_loop::watched(descriptor, |watched| watched.is_some()) {
        return Ok(());
    }
    UNWRITTEN.with_borrow_mut(|unwritten| unwritten.remove(&descriptor));
    let mut old = (None, None);
    let done = watch(descriptor, |watched| old = (watched.read.take(), watched.write.take()))?;
    drop(old);
    call.give_bool(done);
    Ok(())
}

/// Writes as much as goes; how much that was.
fn write_now(descriptor: RawFd, bytes: &[u8]) -> std::io::Result<usize> {
    // SAFETY: write itself says if it is not open, and it is not used beyond this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match rustix::io::write(borrowed, bytes) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// A watched descriptor has room for what could not be written before. True when all of it is gone.
///
/// # Errors
/// Those of write: what was left is dropped.
pub(crate) fn write_on(descriptor: RawFd) -> std::io::Result<bool> {
    UNWRITTEN.with_borrow_mut(|unwritten| {
        let Some(left) = unwritten.get_mut(&descriptor) else { return Ok(true) };
        let written = write_now(descriptor, left.make_contiguous());
        if let Ok(written) = written {
            left.drain(..written);
        }
        if written.is_err() || left.is_empty() {
            unwritten.remove(&descriptor);
        }
        written.map(|_| !unwritten.contains_key(&descriptor))
    })
}

/// Writes, now or when there is room.
fn write(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(2, 2)?;
    call.give_bool(false);
    let Some(descriptor) = descriptor(call)? else { return Ok(()) };
    let data = call.text(1)?.unwrap_or_default();
    if data.is_empty() {
        return warning::warn("the data is empty");
    }
    let waiting = UNWRITTEN.with_borrow(|unwritten| unwritten.get(&descriptor).map_or(0, VecDeque::len));
    if waiting + data.len() > UNWRITTEN_BYTES_MAX {
        last_error::set(last_error::OUTPUT_BUFFER_OVERFLOW);
        return warning::warn(&format!("{waiting} bytes wait to be written to descriptor {descriptor} already"));
    }
    let written = if waiting > 0 { Ok(0) } else { write_now(descriptor, data) };
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            last_error::set(error.raw_os_error().map_or(0, i64::from));
            return warning::warn(&format!("nothing can be written to descriptor {descriptor}: {error}"));
        }
    };
    if written < data.len() {
        UNWRITTEN.with_borrow_mut(|unwritten| unwritten.entry(descriptor).or_default().extend(&data[written..]));
        let done = watch(descriptor, |watched| {
            watched.writes = true;
            if watched.write.is_none() {
                watched.write = Some(Watcher::Rest);
            }
        })?;
        if !done {
            return Ok(());
        }
        registry::expect_loop()?;
    }
    call.give_bool(true);
    Ok(())
}

/// Runs the loop of a process that has none yet, until nothing is left to do.
fn wait(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    let is_elsewhere = registry::cid() != 0 || registry::is_looping() || server::is_running_here();
    if is_elsewhere || !(event_loop::has_work() || registry::suspended() > 0) {
        return Ok(());
    }
    run_loop(VecDeque::new())
}

fn exit(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    event_loop::exit();
    Ok(())
}

fn defer(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    if let Some(callback) = call.callback(0)? {
        event_loop::defer(Rc::new(callback));
        registry::expect_loop()?;
    }
    call.give_bool(true);
    Ok(())
}

fn cycle(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 2)?;
    let is_before = call.bool(1)?.unwrap_or(false);
    let callback = match call.argument(0) {
        Some(value) if !value.is_null() => call.callback(0)?.map(Rc::new),
        _ => None,
    };
    let is_set = callback.is_some();
    let old = event_loop::cycle(callback, is_before);
    call.give_bool(is_set || old.is_some());
    Ok(())
}

methods! {
    fn zim_Swoole_Event_add(call) { add(call) }
    fn zim_Swoole_Event_set(call) { set(call) }
    fn zim_Swoole_Event_isset(call) { isset(call) }
    fn zim_Swoole_Event_del(call) { del(call) }
    fn zim_Swoole_Event_write(call) { write(call) }
    fn zif_swoole_event_add(call) { add(call) }
    fn zif_swoole_event_set(call) { set(call) }
    fn zif_swoole_event_isset(call) { isset(call) }
    fn zif_swoole_event_del(call) { del(call) }
    fn zif_swoole_event_write(call) { write(call) }
    fn zim_Swoole_Event_wait(call) { wait(call) }
    fn zim_Swoole_Event_exit(call) { exit(call) }
    fn zim_Swoole_Event_defer(call) { defer(call) }
    fn zim_Swoole_Server_defer(call) { defer(call) }
    fn zim_Swoole_Event_cycle(call) { cycle(call) }
    fn zif_swoole_event_wait(call) { wait(call) }
    fn zif_swoole_event_exit(call) { exit(call) }
    fn zif_swoole_event_defer(call) { defer(call) }
    fn zif_swoole_event_cycle(call) { cycle(call) }
}
