//! What a script asks of the server as a whole: reload, stop, shutdown, who its processes are, and what they count.

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use wirewool_ipc::exchange::{Count, Wish};

use crate::array::Array;
use crate::connections::{NO_WORKER, shared};
use crate::coroutine::registry;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::server::{Phase, Server, Shared};
use crate::warning;
use crate::worker::{self, with};
use crate::zend::value::Owned;

const WORKER_BUSY: i64 = 1;
const WORKER_IDLE: i64 = 2;
const WORKER_EXIT: i64 = 3;

/// Replaces all workers; false with an error if there are no task workers, or it is under way.
fn reload(call: &mut Call<'_>) -> Result<(), Stop> {
    let only_tasks = call.bool(0)?.unwrap_or(false);
    let Some(shared) = shared(call)? else { return Ok(()) };
    if only_tasks && shared.crew.tasks == 0 || shared.exchange.is_reloading() {
        last_error::set(last_error::OPERATION_NOT_SUPPORTED);
        return Ok(());
    }
    shared.exchange.wish(if only_tasks { Wish::ReloadTasks } else { Wish::Reload });
    call.give_bool(true);
    Ok(())
}

/// Replaces one worker, by default the current one.
fn stop(call: &mut Call<'_>) -> Result<(), Stop> {
    let id = call.long(0)?.unwrap_or(-1);
    let Some(shared) = shared(call)? else { return Ok(()) };
    let own = worker::number();
    if id < 0 || own.is_some_and(|own| own as i64 == id) {
        let left = own.and_then(|_| with(|worker| worker.leave_soon())).is_some();
        call.give_bool(left);
        return Ok(());
    }
    let workers = shared.crew.workers + shared.crew.tasks;
    match usize::try_from(id).ok().filter(|id| *id < workers) {
        Some(id) => {
            // One that has no successor yet is on its way out already.
            if let Some(seat) = shared.seat_of(id) {
                shared.exchange.want_leave(seat);
            }
            call.give_bool(true);
            Ok(())
        }
        None => {
            last_error::set(last_error::INVALID_PARAMS);
            warning::warn(&format!("worker_id[{id}] is invalid: must be below {workers}"))
        }
    }
}

/// Ends the server, from whichever of its processes.
fn shutdown(call: &Call<'_>) -> Result<bool, Stop> {
    let state = call.state::<Server>()?;
    // Not a signal: $master_pid is a property that the script may write to.
    if let Some(shared) = state.shared() {
        shared.exchange.shut_down();
        return Ok(true);
    }
    last_error::set(last_error::WRONG_OPERATION);
    warning::warn(if state.phase() == Phase::Running { NO_WORKER } else { "server is not running" })?;
    Ok(false)
}

/// The worker that an argument means: its own number if it is -1.
fn worker_of(call: &Call<'_>, shared: &Shared) -> Result<Option<usize>, Stop> {
    let id = call.long(0)?.unwrap_or(-1);
    if id < 0 {
        return Ok(worker::number());
    }
    Ok(usize::try_from(id).ok().filter(|id| *id < shared.crew.workers + shared.crew.tasks))
}

fn status(shared: &Shared, worker: usize) -> i64 {
    match shared.seat_of(worker) {
        Some(seat) if shared.exchange.busy(seat).0 => WORKER_BUSY,
        Some(_) => WORKER_IDLE,
        None => WORKER_EXIT,
    }
}

/// What all processes together have done.
fn stats(shared: &Shared) -> Result<Owned, Stop> {
    let (table, exchange) = (&shared.table, &shared.exchange);
    let workers = shared.config.workers;
    let idle = (0..workers).filter(|worker| status(shared, *worker) == WORKER_IDLE).count();
    let concurrency = |seat| {
        let (busy, waiting) = exchange.busy(seat);
        waiting + usize::from(busy)
    };
    let all = (0..workers).filter_map(|worker| shared.seat_of(worker)).map(concurrency).sum::<usize>();
    let sum = |count| exchange.total(count);
    let seat = worker::number().and_then(|_| with(|worker| worker.seat));
    let own = |count| seat.map(|seat| exchange.count(seat, count).load(Ordering::Relaxed));
    let (least, most) = table
        .all()
        .fold((0, 0), |(least, most): (u64, u64), (fd, _)| (if least == 0 { fd } else { least.min(fd) }, most.max(fd)));
    let (coroutines, coroutines_peak, _) = registry::counts();
    let mut array = Array::new(28)?;
    for (key, value) in [
        ("start_time", shared.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        ("connection_num", table.connections() as u64),
        ("abort_count", table.aborted()),
        ("accept_count", table.accepted()),
        ("close_count", table.closed()),
        ("worker_num", workers as u64),
        ("task_worker_num", shared.crew.tasks as u64),
        ("user_worker_num", shared.crew.users as u64),
        ("idle_worker_num", idle as u64),
        ("dispatch_count", sum(Count::Begun)),
        ("request_count", sum(Count::Requests)),
        ("response_count", sum(Count::Responses)),
        ("total_recv_bytes", table.received_bytes()),
        ("total_send_bytes", table.sent_bytes()),
        ("pipe_packet_msg_id", 0),
        ("concurrency", all as u64),
        ("session_round", table.last_fd()),
        ("min_fd", least),
        ("max_fd", most),
        ("coroutine_num", coroutines as u64),
        ("coroutine_peek_num", coroutines_peak as u64),
    ] {
        array.set(key, Owned::long(value as i64))?;
    }
    for (key, count) in [
        ("worker_request_count", Count::Requests),
        ("worker_response_count", Count::Responses),
        ("worker_dispatch_count", Count::Begun),
    ] {
        if let Some(value) = own(count) {
            array.set(key, Owned::long(value as i64))?;
        }
    }
    if shared.crew.tasks > 0 {
        let seats: Vec<usize> = (workers..workers + shared.crew.tasks).filter_map(|it| shared.seat_of(it)).collect();
        let under_way = |seat: &usize| exchange.queued(*seat).load(Ordering::Relaxed) + concurrency(*seat) as u64;
        for (key, value) in [
            ("task_idle_worker_num", seats.iter().filter(|seat| !exchange.busy(**seat).0).count() as u64),
            ("tasking_num", seats.iter().map(under_way).sum()),
            ("task_count", sum(Count::Tasks)),
        ] {
            array.set(key, Owned::long(value as i64))?;
        }
    }
    if let Some(value) = seat.map(concurrency) {
        array.set("worker_concurrency", Owned::long(value as i64))?;
    }
    Ok(array.into_value())
}

methods! {
    fn zim_Swoole_Server_reload(call) {
        call.count(0, 1)?;
        reload(call)
    }

    fn zim_Swoole_Server_stop(call) {
        call.count(0, 2)?;
        stop(call)
    }

    fn zim_Swoole_Server_shutdown(call) {
        call.count(0, 0)?;
        let done = shutdown(call)?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Server_stats(call) {
        call.count(0, 0)?;
        if let Some(shared) = shared(call)? {
            let stats = stats(&shared)?;
            call.give(stats);
        }
        Ok(())
    }

    fn zim_Swoole_Server_getWorkerId(call) {
        call.count(0, 0)?;
        let id = worker::number();
        call.give(id.map_or(Owned::bool(false), |id| Owned::long(id as i64)));
        Ok(())
    }

    fn zim_Swoole_Server_getWorkerPid(call) {
        call.count(0, 1)?;
        if let Some(shared) = shared(call)? {
            let worker = worker_of(call, &shared)?;
            let pid = worker.and_then(|worker| shared.exchange.pid(shared.seat_of(worker)?));
            call.give(pid.map_or(Owned::bool(false), |pid| Owned::long(pid.as_raw_pid().into())));
        }
        Ok(())
    }

    fn zim_Swoole_Server_getWorkerStatus(call) {
        call.count(0, 1)?;
        if let Some(shared) = shared(call)? {
            let worker = worker_of(call, &shared)?;
            call.give(worker.map_or(Owned::bool(false), |worker| Owned::long(status(&shared, worker))));
        }
        Ok(())
    }

    fn zim_Swoole_Server_getManagerPid(call) {
        call.count(0, 0)?;
        let pid = call.this().property(crate::server::slot::MANAGER_PID);
        call.give(pid);
        Ok(())
    }

    fn zim_Swoole_Server_getMasterPid(call) {
        call.count(0, 0)?;
        let pid = call.this().property(crate::server::slot::MASTER_PID);
        call.give(pid);
        Ok(())
    }
}
