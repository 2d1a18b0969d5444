//! The loop of a worker that runs Rust handlers.

use crate::config::Mode;
use crate::dispatch::Dispatch;
use crate::link::Inbox;
use crate::server::Server;
use crate::station::{Station, Step};
use std::io;
use std::sync::atomic::Ordering::SeqCst;

/// Serves until the server ends, a signal ends this worker, or it has handled `handled_max`. `inbox` is what other threads
/// leave for it.
pub(crate) fn run(
    station: &mut Station,
    dispatch: &mut Dispatch,
    server: &Server,
    inbox: Option<&Inbox>,
    handled_max: Option<u64>,
) -> io::Result<()> {
    let has_letters = server.shared.mode == Mode::Thread;
    station.open()?;
    loop {
        station.wait(None, dispatch)?;
        let is_to_end = |station: &Station, dispatch: &Dispatch| {
            let is_exhausted = handled_max.is_some_and(|most| dispatch.handled() >= most);
            station.is_told_to_end() || is_exhausted && !station.is_ending()
        };
        // Where a successor takes over what was not begun, nothing more is begun then.
        while !(station.is_elsewhere() && is_to_end(station, dispatch))
            && station.step_with(inbox, dispatch) == Step::Served
        {
            dispatch.take_parcels(station);
            station.flush_if_late();
        }
        dispatch.take_parcels(station);
        if has_letters {
            dispatch.take_letters(station);
        }
        dispatch.publish();
        if is_to_end(station, dispatch) || server.shared.stopping.load(SeqCst) {
            station.end(dispatch);
        }
        // Its successor does not have what is to be called when a task is done.
        if station.has_ended() && (station.is_late() || !dispatch.owes_call()) {
            return Ok(());
        }
    }
}
