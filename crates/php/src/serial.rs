//! Turns events of one connection into callbacks that never overlap (`websocket_serial`).
//!
//! While a callback for a connection waits, what else comes from that connection waits here, in order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use wirewool_hub::fd::Fd;

use crate::guard::Stop;
use crate::queue::Item;

/// So much may wait here: then the worker takes nothing more until less does.
const ITEMS_MAX: usize = 4096;
const BYTES_MAX: usize = 16 << 20;

thread_local! {
    /// The connections for which a callback runs, with what waits for its end.
    static RUNNING: RefCell<BTreeMap<Fd, VecDeque<Item>>> = const { RefCell::new(BTreeMap::new()) };
    static ITEMS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Does so much wait that nothing more should come?
pub(crate) fn is_full() -> bool {
    ITEMS.get() >= ITEMS_MAX || BYTES.get() >= BYTES_MAX
}

/// The worker is over: nothing that waits here will be handled.
pub(crate) fn forget() {
    // Dropped behind the borrow.
    drop(RUNNING.take());
    ITEMS.set(0);
    BYTES.set(0);
}

fn put(fd: Fd, item: Item) -> Option<Item> {
    RUNNING.with_borrow_mut(|running| match running.get_mut(&fd) {
        Some(waiting) => {
            ITEMS.set(ITEMS.get() + 1);
            BYTES.set(BYTES.get() + item.bytes());
            waiting.push_back(item);
            None
        }
        None => {
            running.insert(fd, VecDeque::new());
            Some(item)
        }
    })
}

/// Leaves an item to whoever handles one of that connection just now; gives it back if nobody does.
pub(crate) fn leave(fd: Fd, item: Item) -> Option<Item> {
    if RUNNING.with_borrow(|running| running.contains_key(&fd)) { put(fd, item) } else { Some(item) }
}

fn next(fd: Fd) -> Option<Item> {
    RUNNING.with_borrow_mut(|running| {
        let item = running.get_mut(&fd)?.pop_front();
        match &item {
            Some(item) => {
                ITEMS.set(ITEMS.get() - 1);
                BYTES.set(BYTES.get() - item.bytes());
            }
            None => {
                running.remove(&fd);
            }
        }
        item
    })
}

/// Handles one item, and what has come meanwhile; or leaves it to whoever handles one of that connection just now.
///
/// # Errors
/// The worker is to end.
pub(crate) fn handle(fd: Fd, item: Item, run: impl Fn(Fd, Item) -> Result<(), Stop>) -> Result<(), Stop> {
    let Some(item) = put(fd, item) else { return Ok(()) };
    let mut handled = run(fd, item);
    while handled.is_ok() {
        let Some(item) = next(fd) else { return Ok(()) };
        handled = run(fd, item);
    }
    handled
}
