//! The loop of a worker that runs Rust handlers.

use crate::dispatch::Dispatch;
use crate::quota::Quota;
use crate::reactor::{Reactor, Served};
use crate::server::Server;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use wirewool_ipc::signal::{Signal, Signals};
use wirewool_proto::websocket::close::CloseCode;

/// Serves until the server ends, or a signal ends this worker; then closes all connections, and waits for them for
/// at most `max_wait`.
pub(crate) fn run(
    reactor: &mut Reactor,
    dispatch: &mut Dispatch,
    server: &Server,
    worker: usize,
    signals: Option<&Signals>,
    max_wait: Duration,
) -> io::Result<()> {
    let shared = &server.shared;
    let mut ends_at: Option<Instant> = None;
    let mut refusals = Quota::default();
    loop {
        reactor.wait(ends_at.map(|at| at.saturating_duration_since(Instant::now())))?;
        reactor.tick(dispatch);
        let mut ending = shared.stopping.load(SeqCst);
        loop {
            match reactor.serve(dispatch) {
                Served::Nothing | Served::Stop => break,
                Served::Connection => {}
                Served::Rang => run_errands(reactor, dispatch, server, worker, &mut refusals),
                Served::Signalled => ending |= signals.is_some_and(|s| s.take().any(|s| s == Signal::Term)),
            }
        }
        if ending && ends_at.is_none() {
            ends_at = Some(Instant::now() + max_wait);
            reactor.stop_accepting();
            reactor.close_all(CloseCode::GOING_AWAY, dispatch);
        }
        if ends_at.is_some_and(|at| reactor.is_empty() || at <= Instant::now()) {
            return Ok(());
        }
    }
}

/// Does what other threads left for this worker.
fn run_errands(reactor: &mut Reactor, dispatch: &mut Dispatch, server: &Server, worker: usize, refusals: &mut Quota) {
    let errands = server.shared.inboxes[worker].take();
    for (fd, errand) in &errands {
        if let Err(refused) = reactor.apply(*fd, errand.as_command(), true)
            && refusals.admits(Instant::now(), "refusals")
        {
            tracing::warn!("connection {fd}: what was left for it came to nothing: {refused}");
        }
    }
    reactor.settle(dispatch);
}
