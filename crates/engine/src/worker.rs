//! The loop of a worker that runs Rust handlers.

use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::link::Inbox;
use crate::server::Server;
use crate::station::{Station, Step};
use std::io;
use std::sync::atomic::Ordering::SeqCst;

/// Serves until the server ends, a signal ends this worker, or it has handled as much as it should. `inbox` is what
/// other threads leave for it.
pub(crate) fn run(
    station: &mut Station,
    dispatch: &mut Dispatch,
    server: &Server,
    inbox: Option<&Inbox>,
    config: &Config,
) -> io::Result<()> {
    let requests_max = config.requests_of_a_worker();
    station.open()?;
    loop {
        station.wait(None, dispatch)?;
        let is_to_end = |station: &Station, dispatch: &Dispatch| {
            station.is_told_to_end() || requests_max.is_some_and(|most| dispatch.requests() >= most)
        };
        // Where a successor takes over what was not begun, nothing more is begun then.
        while !(station.is_elsewhere() && is_to_end(station, dispatch))
            && station.step_with(inbox, dispatch) == Step::Served
        {
            station.flush_if_late();
        }
        dispatch.publish();
        if is_to_end(station, dispatch) || server.shared.stopping.load(SeqCst) {
            station.end(dispatch);
        }
        if station.has_ended() {
            return Ok(());
        }
    }
}
