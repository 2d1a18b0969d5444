//! Tasks and processes of the program's own where they are threads: what happens at the end, and to whoever waits.

use serde::{Deserialize, Serialize, Serializer};
use std::cell::RefCell;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wirewool_engine::{Builder, CrewError, Server, StartError, Task};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server in a thread of its own.
fn start(builder: Builder) -> (Server, JoinHandle<Result<(), StartError>>) {
    let (sender, receiver) = mpsc::channel();
    let running = thread::spawn(move || builder.start_with(|server| sender.send(server).expect("it is waited for")));
    (receiver.recv_timeout(PATIENCE).expect("it starts"), running)
}

fn server() -> Builder {
    Server::bind("127.0.0.1:0").on_message(|_, _| {})
}

thread_local! {
    /// Whom [`Nosy`] asks.
    static ASKED: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// A value that leaves a task to others while it is turned into bytes.
#[derive(Deserialize)]
struct Nosy(u64);

impl Serialize for Nosy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(server) = ASKED.take() {
            server.task_then(&Nosy(0), |_, _: Result<u64, CrewError>| {}).expect("it is accepted");
        }
        serializer.serialize_newtype_struct("Nosy", &self.0)
    }
}

#[test]
fn a_value_may_send_a_task_while_it_is_turned_into_bytes() {
    let (server, running) = start(server().task_workers(1).on_task(|_, task: Task<Nosy>| task.data.0));
    ASKED.set(Some(server.clone()));
    assert_eq!(server.task_wait(&Nosy(7), PATIENCE), Ok(7u64));
    server.shutdown();
    running.join().expect("no panic").expect("it ends in order");
}

#[test]
fn whoever_has_time_waits() {
    let (server, running) = start(server().task_workers(1).on_task(|_, task: Task<u64>| task.data));
    for patience in [Duration::MAX, Duration::from_secs(u64::MAX / 2), PATIENCE] {
        assert_eq!(server.task_wait(&7u64, patience), Ok(7u64));
        assert_eq!(server.task_wait_multi(&[1u64, 2], patience), [Ok(1u64), Ok(2)]);
    }
    server.shutdown();
    running.join().expect("no panic").expect("it ends in order");
}
