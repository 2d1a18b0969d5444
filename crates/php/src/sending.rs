//! Turns a command for which there is no room into one that waits for it, in a coroutine.
//!
//! Whoever waits for a connection waits in line. The first one looks again every few milliseconds: the connection may be
//! another process's, which has better things to do than to tell everybody.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use wirewool_hub::command::{Command, Refused};
use wirewool_hub::fd::Fd;

use crate::coroutine::context::is_blocked;
use crate::coroutine::registry::{self, Ticket, Wait, Woken};
use crate::coroutine::scheduler;
use crate::guard::Stop;
use crate::last_error;
use crate::worker::with;

/// How long the first in line waits before it looks again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(16);

/// Whether senders wait, and how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(crate) waits: bool,
    pub(crate) time_max: Option<Duration>,
}

struct Waiter {
    number: u64,
    ticket: Option<Ticket>,
}

thread_local! {
    static PATIENCE: Cell<Patience> = const { Cell::new(Patience { waits: false, time_max: None }) };
    static LINES: RefCell<BTreeMap<Fd, VecDeque<Waiter>>> = const { RefCell::new(BTreeMap::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// From now on senders of this process wait so.
pub(crate) fn set_patience(patience: Patience) {
    PATIENCE.set(patience);
}

/// Asks something of a connection, and waits for room if there is none and waiting is possible. None in a process that
/// is no worker, and (with the last error set) when the connection has gone meanwhile.
///
/// # Errors
/// The process ends, or PHP's memory ran out.
pub(crate) fn apply<'a>(fd: Fd, command: impl Fn() -> Command<'a>) -> Result<Option<Result<(), Refused>>, Stop> {
    let waits = PATIENCE.get().waits;
    if !waits || LINES.with_borrow(|lines| !lines.contains_key(&fd)) {
        match with(|worker| worker.apply(fd, command())) {
            Some(Err(Refused::OutboxFull { .. })) if waits && registry::cid() != 0 && !is_blocked() => {}
            done => return Ok(done),
        }
    } else if registry::cid() == 0 || is_blocked() {
        return Ok(with(|worker| worker.apply(fd, command())));
    }
    wait_for_room(fd, &command)
}

/// A place in the line for one connection, left when dropped.
struct Place {
    fd: Fd,
    number: u64,
}

impl Place {
    fn take(fd: Fd) -> Place {
        let number = LAST.get() + 1;
        LAST.set(number);
        LINES.with_borrow_mut(|lines| lines.entry(fd).or_default().push_back(Waiter { number, ticket: None }));
        Place { fd, number }
    }

    fn is_first(&self) -> bool {
        let first = |line: &VecDeque<Waiter>| line.front().is_some_and(|waiter| waiter.number == self.number);
        LINES.with_borrow(|lines| lines.get(&self.fd).is_some_and(first))
    }

    fn waits_with(&self, ticket: Ticket) {
        LINES.with_borrow_mut(|lines| {
            let mut waiters = lines.get_mut(&self.fd).into_iter().flatten();
            if let Some(waiter) = waiters.find(|waiter| waiter.number == self.number) {
                waiter.ticket = Some(ticket);
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = LINES.with_borrow_mut(|lines| {
            let line = lines.get_mut(&self.fd)?;
            line.retain(|waiter| waiter.number != self.number);
            let next = line.front().map(|waiter| waiter.ticket);
            if next.is_none() {
                lines.remove(&self.fd);
            }
            next?
        });
        if let Some(ticket) = next {
            registry::wake_soon(ticket, Woken::Happened);
        }
    }
}

fn wait_for_room<'a>(fd: Fd, command: &impl Fn() -> Command<'a>) -> Result<Option<Result<(), Refused>>, Stop> {
    let place = Place::take(fd);
    let until = PATIENCE.get().time_max.map(|time| Instant::now() + time);
    let mut pause = PAUSE_MIN;
    loop {
        let again = place.is_first().then(|| Instant::now() + pause);
        let limit = [until, again].into_iter().flatten().min();
        let woken = scheduler::wait(Wait::Other, limit, |ticket| place.waits_with(ticket))?;
        let is_late = until.is_some_and(|until| until <= Instant::now());
        let refused = match place.is_first().then(|| with(|worker| worker.apply(fd, command()))) {
            None => None,
            Some(None | Some(Ok(()))) => return Ok(Some(Ok(()))),
            Some(Some(Err(refused @ Refused::OutboxFull { .. }))) => Some(refused),
            Some(Some(Err(_))) => {
                last_error::set(libc::ECONNRESET.into());
                return Ok(None);
            }
        };
        if is_late || matches!(woken, Woken::Canceled | Woken::Refused) {
            return Ok(Some(Err(refused.unwrap_or(Refused::OutboxFull { owed: 0, limit: 0 }))));
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A connection has ended: nobody waits for it any more.
///
/// # Errors
/// One of those that waited did not return.
pub(crate) fn ended(fd: Fd) -> Result<(), Stop> {
    while let Some(ticket) = LINES.with_borrow(|lines| lines.get(&fd)?.front()?.ticket) {
        if !scheduler::wake(ticket, Woken::Happened)? {
            break;
        }
    }
    Ok(())
}
