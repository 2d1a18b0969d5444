//! `beforeShutdown`: what a script does while everybody is still there, before the server ends.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use wirewool_engine::manager::Besides;

use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::{Dispatch, call_plainly};
use crate::event::Event;
use crate::guard::Stop;

/// Tells the script, in a coroutine unless it wants none, and waits until that has come to its end, as long as a process
/// may take to end. `pump` does what is due meanwhile, and `pause` waits for more. Nothing that comes behind it is called
/// in a coroutine.
///
/// # Errors
/// It cannot wait. Within: a callback did not return.
pub(crate) fn tell(
    dispatch: &Dispatch,
    pump: impl Fn() -> Result<Besides, Stop>,
    mut pause: impl FnMut(&Besides) -> io::Result<()>,
) -> io::Result<Result<(), Stop>> {
    let Some(callback) = dispatch.callback(Event::BeforeShutdown) else { return Ok(Ok(())) };
    let until = Instant::now() + dispatch.config().max_wait_time;
    let has_returned = Rc::new(Cell::new(false));
    let (returns, server) = (has_returned.clone(), dispatch.server());
    registry::enable(dispatch.config().coroutines);
    let mut called = scheduler::run_callback(move || {
        call_plainly(callback, [server])?;
        returns.set(true);
        Ok(())
    });
    while called.is_ok() && !has_returned.get() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::warn!("beforeShutdown has not come to its end in time, the server ends");
            break;
        }
        match pump() {
            Ok(_) if has_returned.get() => {}
            Ok(besides) => {
                let limit = [besides.limit, Some(left)].into_iter().flatten().min();
                pause(&Besides { limit, ..besides })?;
            }
            Err(stop) => called = Err(stop),
        }
    }
    registry::enable(false);
    Ok(called)
}
