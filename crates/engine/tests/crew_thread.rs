//! Tasks and processes of the program's own where they are threads: what happens at the end, and to whoever waits.

use serde::{Deserialize, Serialize, Serializer};
use std::cell::RefCell;
use std::net::TcpStream;
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
fn nobody_waits_before_there_is_a_crew() {
    let (sender, receiver) = mpsc::channel();
    let builder = server().task_workers(1).on_task(|_, task: Task<u64>| task.data);
    let running = thread::spawn(move || {
        builder.start_with(move |server| {
            let waited = server.task_wait::<u64, u64>(&7, Duration::MAX);
            sender.send((server, waited)).expect("it is waited for");
        })
    });
    let (server, waited) = receiver.recv_timeout(PATIENCE).expect("it starts");
    assert_eq!(waited, Err(CrewError::InHandler));
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

#[test]
fn a_process_that_ends_at_once_does_not_hold_up_the_end() {
    let (sender, receiver) = mpsc::channel();
    let (server, running) = start(server().add_process(move |_| _ = sender.send(())));
    // Its pauses are 100, 200, 400 and 800 ms by then.
    (0..4).for_each(|_| receiver.recv_timeout(PATIENCE).expect("it runs again"));
    let begun = Instant::now();
    server.shutdown();
    running.join().expect("no panic").expect("it ends in order");
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
}

/// What a process of the program's own hears that waits for one task after the other, from before the server's end on.
fn outcomes_at_the_end(task: Duration, pause: Duration) -> Vec<Result<u64, CrewError>> {
    let (sender, receiver) = mpsc::channel();
    let work = move |_: &Server, task: Task<u64>| {
        thread::sleep(Duration::from_millis(task.data));
        task.data
    };
    let task = u64::try_from(task.as_millis()).expect("a short time");
    let beside = move |server: &Server| {
        while !server.is_shutting_down() {
            thread::sleep(pause);
            _ = sender.send(server.task_wait(&task, PATIENCE));
        }
    };
    let (server, running) = start(server().task_workers(1).on_task(work).add_process(beside));
    let first = receiver.recv_timeout(PATIENCE).expect("it runs");
    thread::sleep(Duration::from_millis(50));
    server.shutdown();
    running.join().expect("no panic").expect("it ends in order");
    [first].into_iter().chain(receiver.try_iter()).collect()
}

#[test]
fn whoever_waits_for_a_task_when_the_server_ends_hears_of_it() {
    let outcomes = outcomes_at_the_end(Duration::from_millis(300), Duration::ZERO);
    assert_eq!(outcomes, [Ok(300), Ok(300)], "the second one was under way");
    let outcomes = outcomes_at_the_end(Duration::from_millis(1), Duration::from_millis(300));
    assert_eq!(outcomes, [Ok(1), Err(CrewError::NotRunning)], "nobody was there any more to do it");
}

#[test]
fn whoever_is_not_busy_is_not_left_behind() {
    let (entered, is_in) = mpsc::channel();
    let (release, is_released) = mpsc::channel::<()>();
    let is_released = std::sync::Mutex::new(is_released);
    let builder = Server::bind("127.0.0.1:0").max_wait_time(Duration::from_millis(100)).task_workers(3);
    let address = builder.local_addr().expect("it is bound").to_string();
    let builder = builder.on_task(|_, task: Task<u64>| task.data).add_process(|_| {}).on_message(move |server, _| {
        // A thread that a handler waits for gets what it waits for.
        let asker = server.clone();
        let asked = thread::spawn(move || asker.task_wait::<u64, u64>(&7, PATIENCE));
        _ = entered.send(asked.join().expect("no panic"));
        _ = is_released.lock().expect("no panic").recv();
    });
    let (server, running) = start(builder);
    let stream = TcpStream::connect(&address).expect("it listens");
    let (mut socket, _) = tungstenite::client(format!("ws://{address}/"), stream).expect("the handshake succeeds");
    socket.send(tungstenite::Message::text("block")).expect("it is open");
    assert_eq!(is_in.recv_timeout(PATIENCE), Ok(Ok(7)));
    server.shutdown();
    let ended = running.join().expect("no panic");
    assert!(matches!(ended, Err(StartError::Busy(1))), "{ended:?}");
    drop(release);
}
