//! Tasks, messages and processes of the program's own, in each mode: this program starts itself as a server and gives it
//! orders.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::pin::pin;
use std::process::{Child, Command, Stdio, abort, exit};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};
use wirewool_engine::{Builder, CrewError, Fd, Frame, Mode, Server, StartError, Task};
use wirewool_ipc::process::kill;
use wirewool_ipc::signal::Signal;

/// Longer than anything here takes: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

const WORKERS: usize = 2;
const TASK_WORKERS: usize = 2;

/// The first task worker's place, and that of the process of the program's own.
const TASK_WORKER: usize = WORKERS;
const OWN: usize = WORKERS + TASK_WORKERS;

/// The length of a task or message that takes many records of a ring.
const LONG: usize = 8 << 20;

type Check = fn(&mut Running);

const CHECKS: [(&str, Check); 10] = [
    ("a task's result comes to whoever has said what happens then", a_result_comes),
    ("results come to the finish handler", results_come_to_the_finish_handler),
    ("other threads and futures wait for results", other_threads_wait),
    ("what cannot be done says why", what_cannot_be_done_says_why),
    ("a task that panics is told, and costs nothing else", a_panic_is_told),
    ("long values come whole", long_values_come_whole),
    ("messages come from each to each, in order", messages_come),
    ("a process of the program's own reaches all and is run again", a_process_runs_again),
    ("a worker that is reloaded calls first what it owes", a_reload_loses_no_call),
    ("a task worker that dies loses its task alone, and that is told", a_dying_task_worker_is_told),
];

#[derive(Debug, Serialize, Deserialize)]
enum Work {
    Square(u64),
    Reverse(#[serde(with = "serde_bytes")] Vec<u8>),
    Slow,
    Panic,
    Die,
    /// Tells who did it.
    Who(u64),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Done {
    Number(u64),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Worker { number: usize },
}

#[derive(Debug, Serialize, Deserialize)]
enum Note {
    /// To be told to a connection.
    Tell { fd: u64, text: String },
    /// To be sent on.
    Pass { fd: u64, to: usize, text: String },
    /// To be measured.
    Long {
        fd: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        return serve(mode(&arguments.next().expect("a mode")));
    }
    configuration_is_checked();
    for name in ["base", "process", "thread"] {
        let mut server = Running::start(name);
        for (what, check) in CHECKS {
            check(&mut server);
            println!("ok: {name}: {what}");
        }
        server.end();
    }
}

fn mode(name: &str) -> Mode {
    match name {
        "base" => Mode::Base,
        "process" => Mode::Process,
        _ => Mode::Thread,
    }
}

/// The server: does what the messages say.
fn serve(mode: Mode) {
    let server = Server::bind("127.0.0.1:0").mode(mode).workers(WORKERS).task_workers(TASK_WORKERS).reactors(1);
    println!("{}", server.local_addr().expect("it is bound"));
    let server = server.on_task(work).on_finish(finished).on_pipe_message(note).on_message(obey).add_process(beside);
    let result = server.start();
    exit(i32::from(result.is_err()));
}

fn work(server: &Server, task: Task<Work>) -> Done {
    let number = server.worker_id().expect("a task worker") - TASK_WORKER;
    match task.data {
        Work::Square(number) => Done::Number(number * number),
        Work::Reverse(bytes) => Done::Bytes(bytes.into_iter().rev().collect()),
        Work::Slow => {
            thread::sleep(Duration::from_millis(200));
            Done::Number(0)
        }
        Work::Panic => panic!("as it was told"),
        Work::Die => abort(),
        Work::Who(fd) => {
            // A task worker reaches connections, and leaves no tasks to others.
            let own = server.task(&Work::Square(1)).expect_err("it sends no tasks");
            let wait = server.task_wait::<Work, Done>(&Work::Square(1), PATIENCE).expect_err("it sends no tasks");
            assert_eq!((own, wait), (CrewError::InTaskWorker, CrewError::InTaskWorker));
            tell(server, fd, &format!("task {} of worker {}", task.id, task.worker_id));
            Done::Worker { number }
        }
    }
}

fn tell(server: &Server, fd: u64, text: &str) {
    server.push(Fd::new(fd).expect("a number"), text).expect("it is open");
}

/// Only squares of even numbers are told, to the connection of that number's half.
fn finished(server: &Server, task: u64, done: Done) {
    match done {
        Done::Number(square) => tell(server, square.isqrt() / 1000, &format!("finished {task}: {square}")),
        other => panic!("nobody has asked for {other:?}"),
    }
}

fn note(server: &Server, from: usize, note: Note) -> Result<(), CrewError> {
    match note {
        Note::Tell { fd, text } => tell(server, fd, &format!("{from}: {text}")),
        Note::Long { fd, bytes } => {
            let same = bytes.iter().enumerate().all(|(index, byte)| *byte == index as u8);
            tell(server, fd, &format!("{from}: {} bytes, {same}", bytes.len()));
        }
        Note::Pass { fd, to, text } => return server.send_message(&Note::Tell { fd, text }, to),
    }
    Ok(())
}

/// The process of the program's own: greets whoever is there, and ends, to be run again.
fn beside(server: &Server) {
    let until = Instant::now() + Duration::from_millis(1100);
    while Instant::now() < until && !server.is_shutting_down() {
        for fd in server.connections() {
            // It may be gone by now.
            let _ = server.push(fd, &format!("beside {:?}", thread::current().id()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    let sum = server.task_wait::<Work, Done>(&Work::Square(12), PATIENCE);
    assert!(sum == Ok(Done::Number(144)) || server.is_shutting_down(), "{sum:?}");
}

fn obey(server: &Server, frame: Frame<'_>) -> Result<(), CrewError> {
    let fd = frame.fd;
    let text = frame.text().expect("an order is text");
    let (order, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = rest.split(' ').filter_map(|number| number.parse::<u64>().ok());
    let mut number = || numbers.next().unwrap_or(0);
    let say = move |server: &Server, done: Result<Done, CrewError>| {
        let text = match done {
            Ok(Done::Bytes(bytes)) => format!("{} bytes, the first is {}", bytes.len(), bytes[0]),
            Ok(done) => format!("{done:?}"),
            Err(error) => error.to_string(),
        };
        tell(server, fd.get(), &text);
    };
    let again = server.clone();
    match order {
        "worker" => tell(server, fd.get(), &server.worker_id().expect("a worker").to_string()),
        "square" => _ = server.task_then(&Work::Square(number()), say)?,
        "reverse" => {
            let bytes = (0..LONG).map(|index| index as u8).collect();
            server.task_then(&Work::Reverse(bytes), say)?;
        }
        "slow" => _ = server.task_then(&Work::Slow, say)?,
        "panic" => _ = server.task_then(&Work::Panic, say)?,
        "die" => _ = server.task_then(&Work::Die, say)?,
        "who" => _ = server.task_then(&Work::Who(fd.get()), say)?,
        "finish" => _ = server.task(&Work::Square(fd.get() * 1000 + number()))?,
        "to" => _ = server.task_to(number() as usize, &Work::Square(fd.get() * 1000))?,
        "nowhere" => say(server, Err(server.task_to(7, &Work::Panic).expect_err("there is none"))),
        "wrong" => say(server, Err(server.task(&"text").expect_err("not the type"))),
        "wrong result" => {
            let wrong = server.task_then(&Work::Panic, |_, _: Result<String, CrewError>| {});
            say(server, Err(wrong.expect_err("not the type")));
        }
        "here" => say(server, server.task_wait(&Work::Square(1), PATIENCE)),
        "late" => _ = thread::spawn(move || say(&again, again.task_wait(&Work::Slow, Duration::ZERO))),
        "wait" => {
            let number = number();
            thread::spawn(move || say(&again, again.task_wait(&Work::Square(number), PATIENCE)));
        }
        "several" => {
            let tasks = [1, 2, 3].map(Work::Square);
            thread::spawn(move || {
                again.task_wait_multi(&tasks, PATIENCE).into_iter().for_each(|done| say(&again, done));
            });
        }
        "future" => {
            let future = server.task_async(&Work::Square(number()))?;
            thread::spawn(move || say(&again, block_on(future)));
        }
        "note" => {
            let (to, text) = (number() as usize, text.to_owned());
            server.send_message(&Note::Tell { fd: fd.get(), text }, to)?;
        }
        "pass" => {
            let (through, to, text) = (number() as usize, number() as usize, text.to_owned());
            server.send_message(&Note::Pass { fd: fd.get(), to, text }, through)?;
        }
        "long" => {
            let bytes = (0..LONG).map(|index| index as u8).collect();
            server.send_message(&Note::Long { fd: fd.get(), bytes }, number() as usize)?;
        }
        other => panic!("no such order: {other}"),
    }
    Ok(())
}

/// The smallest runtime there is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

/// A server, and a connection to it.
struct Running {
    master: Child,
    mode: Mode,
    socket: WebSocket<TcpStream>,
    /// The worker that gets its messages.
    worker: String,
}

impl Running {
    fn start(name: &str) -> Running {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let mut master = command.args(["serve", name]).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut address = String::new();
        let mut stdout = BufReader::new(master.stdout.take().expect("a pipe"));
        stdout.read_line(&mut address).expect("its address");
        let address = address.trim();
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::sleep(Duration::from_millis(2));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(format!("ws://{address}/"), stream).expect("the handshake succeeds");
        let mut server = Running { master, mode: mode(name), socket, worker: String::new() };
        server.worker = server.answer("worker");
        server
    }

    fn order(&mut self, order: &str) {
        self.socket.send(Message::text(order)).expect("it is open");
    }

    /// The next message, but for those that come of themselves.
    fn next(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Those come all the time: no read takes long.
            assert!(Instant::now() < deadline, "nothing comes");
            let text = self.socket.read().expect("a message").into_text().expect("text").to_string();
            if !text.starts_with("beside") {
                return text;
            }
        }
    }

    fn answer(&mut self, order: &str) -> String {
        self.order(order);
        self.next()
    }

    fn end(mut self) {
        let master = rustix::process::Pid::from_child(&self.master);
        kill(master, Signal::Term).expect("it runs");
        let status = self.master.wait().expect("it is our child");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless something failed.
        let _ = self.master.kill();
    }
}

fn a_result_comes(server: &mut Running) {
    for number in 0..50 {
        server.order(&format!("square {number}"));
    }
    let mut results: Vec<String> = (0..50).map(|_| server.next()).collect();
    let mut wanted: Vec<String> = (0..50).map(|number| format!("Number({})", number * number)).collect();
    results.sort();
    wanted.sort();
    assert_eq!(results, wanted);
}

fn results_come_to_the_finish_handler(server: &mut Running) {
    let told = server.answer("finish 7");
    assert!(told.starts_with("finished ") && told.ends_with(": 1014049"), "{told}");
    let told = server.answer("to 1");
    assert!(told.starts_with("finished ") && told.ends_with(": 1000000"), "{told}");
}

fn other_threads_wait(server: &mut Running) {
    assert_eq!(server.answer("wait 9"), "Number(81)");
    assert_eq!(server.answer("future 10"), "Number(100)");
    assert_eq!(server.answer("several"), "Number(1)");
    assert_eq!([server.next(), server.next()], ["Number(4)", "Number(9)"]);
}

fn what_cannot_be_done_says_why(server: &mut Running) {
    assert_eq!(server.answer("nowhere"), "there is no process 7, the highest is 1");
    assert_eq!(server.answer("wrong"), "this server's handler is for crew::Work, not for &str");
    assert_eq!(
        server.answer("here"),
        "a worker's own thread cannot wait for a task: say with task_then what happens then"
    );
    assert_eq!(server.answer("late"), "nothing came of it in time");
}

fn a_panic_is_told(server: &mut Running) {
    assert_eq!(server.answer("panic"), "its handler panicked: as it was told");
    assert_eq!(server.answer("square 4"), "Number(16)");
}

fn long_values_come_whole(server: &mut Running) {
    assert_eq!(server.answer("reverse"), "8388608 bytes, the first is 255");
    assert_eq!(server.answer(&format!("long {TASK_WORKER}")), format!("{}: 8388608 bytes, true", server.worker));
}

fn messages_come(server: &mut Running) {
    let worker = server.worker.clone();
    // To itself, to another worker, to a task worker, to the program's own process, and from each of these.
    for through in 0..=OWN {
        assert_eq!(server.answer(&format!("note {through}")), format!("{worker}: note {through}"));
        for to in 0..=OWN {
            assert_eq!(server.answer(&format!("pass {through} {to}")), format!("{through}: pass {through} {to}"));
        }
    }
    (0..100).for_each(|number| server.order(&format!("note {TASK_WORKER} {number}")));
    for number in 0..100 {
        assert_eq!(server.next(), format!("{worker}: note {TASK_WORKER} {number}"));
    }
}

fn a_process_runs_again(server: &mut Running) {
    let mut seen = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 20 {
        assert!(Instant::now() < deadline, "only {seen:?}");
        let text = server.socket.read().expect("a message").into_text().expect("text").to_string();
        assert!(text.starts_with("beside"), "{text}");
        seen.push(text);
    }
    // It runs for 1.1 s, which are some twenty of these: more come of the next one.
    let more = server.socket.read().expect("a message").into_text().expect("text").to_string();
    assert!(more.starts_with("beside"), "{more}");
}

fn a_reload_loses_no_call(server: &mut Running) {
    if server.mode != Mode::Process {
        // There is no reload, or the connection ends with it.
        return;
    }
    server.order("slow");
    assert_eq!(server.answer("worker"), server.worker, "it has begun with that");
    let master = rustix::process::Pid::from_child(&server.master);
    kill(master, Signal::Usr1).expect("it runs");
    assert_eq!(server.next(), "Number(0)");
}

fn a_dying_task_worker_is_told(server: &mut Running) {
    // Two senders: what the task worker has told itself, and what its task gives.
    let mut told = [server.answer("who"), server.next()];
    told.sort();
    assert!(told[0].starts_with("Worker { number: "), "{told:?}");
    assert!(told[1].starts_with("task ") && told[1].ends_with(&format!(" of worker {}", server.worker)), "{told:?}");
    if server.mode == Mode::Thread {
        return;
    }
    for _ in 0..3 {
        assert_eq!(server.answer("die"), "the task worker that had begun it has died");
        assert_eq!(server.answer("square 5"), "Number(25)");
    }
}

fn configuration_is_checked() {
    let server = || -> Builder { Server::bind("127.0.0.1:0").on_message(|_, _| {}) };
    let told = |server: Builder| match server.start() {
        Err(error @ StartError::Crew(_) | error @ StartError::Config(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(server().task_workers(1)), "the server has no handler for it: set it with Builder::on_task");
    let unfit = server().task_workers(1).on_task(|_, _: Task<u8>| 1u16).on_finish(|_, _, _: u32| {});
    assert_eq!(told(unfit), "what comes of this server's tasks is u16, not u32");
    let many = told(server().on_task(|_, _: Task<u8>| ()).task_workers(1001));
    assert!(many.contains("task_workers") && many.contains("0 to 1000"), "{many}");
    println!("ok: what does not fit together is told");
}
