//! Task workers, and what the program runs by itself, where the crew are threads of one process.

use crate::crew::duties::panic_text;
use crate::crew::parcel::{Kind, Parcel};
use crate::crew::{message, task};
use crate::dispatch;
use crate::server::Server;
use rustix::event::{PollFd, PollFlags, poll};
use std::panic::{self, AssertUnwindSafe};
use std::thread::{park_timeout, sleep};
use std::time::{Duration, Instant};

/// How long a task worker sleeps until it looks again whether there is room for what came of a task.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// What ended sooner than that ended at once: the next time comes later.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The first and the longest pause then.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Does what others leave for a place, until nobody is there any more who could.
pub(crate) fn serve(server: &Server, place: usize) {
    dispatch::enter(server, place, true);
    let shared = &server.shared;
    loop {
        match shared.boxes.take(place) {
            Some(parcel) if parcel.kind == Kind::Task => run_task(server, place, parcel),
            Some(parcel) => dispatch::guard_parcel(|| match parcel.kind {
                Kind::Message => message::arrived(server, &parcel),
                _ => task::ended(server, None, parcel),
            }),
            None if shared.exchange.is_final() && shared.boxes.close(place) => return,
            None => {
                let doorbell = shared.exchange.doorbell(place);
                // However it ends, what has come is looked at.
                let _ = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], None);
                doorbell.clear();
            }
        }
    }
}

fn run_task(server: &Server, place: usize, task: Parcel) {
    let shared = &server.shared;
    let (to, number) = (task.from, task.task);
    let (flags, bytes) = task::run(server, task);
    // Whoever waits in a thread of its own is told here: the place that the task is from may be blocked, or have ended.
    if let Some(slot) = shared.pending.take_slot(number) {
        return dispatch::guard_parcel(|| slot.fill(task::outcome(flags, bytes)));
    }
    while !shared.boxes.has_room(to) && !shared.exchange.is_final() {
        sleep(ROOM_PAUSE);
    }
    shared.boxes.answer(place, to, number, flags, bytes);
    shared.exchange.doorbell(to).ring();
}

/// Runs one of what the program runs by itself, again and again.
pub(crate) fn run_process(server: &Server, place: usize, number: usize) {
    dispatch::enter(server, place, false);
    let mut pause = PAUSE_MIN;
    while !server.is_shutting_down() {
        let began = Instant::now();
        let ran = panic::catch_unwind(AssertUnwindSafe(|| (server.shared.duties.processes[number])(server)));
        if let Err(payload) = ran {
            tracing::error!("process {number} panicked: {}", panic_text(&*payload));
        }
        if began.elapsed() >= AT_ONCE {
            pause = PAUSE_MIN;
        } else {
            rest(server, pause);
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }
}

/// Sleeps for a time, or until the server ends: then whoever looks after this thread unparks it.
fn rest(server: &Server, pause: Duration) {
    let until = Instant::now() + pause;
    while !server.is_shutting_down() {
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return,
            left => park_timeout(left),
        }
    }
}
