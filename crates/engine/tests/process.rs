//! Reactors and forked workers, seen from outside: this program starts itself as a server, and its workers come and go.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

use rustix::process::Pid;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};
use wirewool_engine::{CloseCode, Frame, Kind, Mode, Server};
use wirewool_ipc::process::kill;
use wirewool_ipc::signal::Signal;

/// Longer than anything here takes: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a worker may take to end.
const MAX_WAIT: Duration = Duration::from_secs(1);

const NAP: Duration = Duration::from_millis(20);

const CHECKS: [(&str, fn()); 4] = [
    ("each message is answered, though a worker answers but one", workers_that_answer_once),
    ("a worker that is never idle leaves when it is told to", busy_workers_leave),
    ("a message that its worker's death has cut off costs its connection", half_a_message),
    ("a thread of a worker's own sends more than has room", another_thread_sends_much),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "serve") {
        return serve(arguments[2].parse().expect("a number"));
    }
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
}

/// The server: does what the messages say.
fn serve(max_request: u64) {
    let server = Server::bind("127.0.0.1:0").mode(Mode::Process).reactors(2).ring_bytes(64 << 10);
    println!("{}", server.local_addr().expect("it is bound"));
    server.max_request(max_request).max_wait_time(MAX_WAIT).on_message(obey).start().expect("it runs");
}

fn obey(server: &Server, frame: Frame<'_>) {
    let fd = frame.fd;
    match frame.text() {
        Some("half") => {
            server.push_fragment(fd, Some(Kind::Text), false, b"half").expect("it is open");
            std::process::abort();
        }
        Some("much") => {
            let server = server.clone();
            std::thread::spawn(move || server.push(fd, &vec![1; 1 << 20]).expect("it is open"));
        }
        Some("nap") => {
            sleep(NAP);
            server.push(fd, &std::process::id().to_string()).expect("it is open");
        }
        _ => server.push(fd, &std::process::id().to_string()).expect("it is open"),
    }
}

/// A server of one worker, and a connection to it.
struct Running {
    master: Child,
    socket: WebSocket<TcpStream>,
}

impl Running {
    fn start(max_request: u64) -> Running {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["serve", &max_request.to_string()]).stdout(Stdio::piped());
        let mut master = command.spawn().expect("the server starts");
        let mut address = String::new();
        let mut stdout = BufReader::new(master.stdout.take().expect("a pipe"));
        stdout.read_line(&mut address).expect("its address");
        let address = address.trim().to_owned();
        let stream = wait_for(|| TcpStream::connect(&address).ok());
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(format!("ws://{address}/"), stream).expect("the handshake succeeds");
        Running { master, socket }
    }

    fn send(&mut self, text: &'static str, count: usize) {
        (0..count).for_each(|_| self.socket.write(Message::text(text)).expect("it is open"));
        self.socket.flush().expect("it is open");
    }

    fn answer(&mut self) -> String {
        self.socket.read().expect("it is open").into_text().expect("text").to_string()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_child(&self.master), signal).expect("it runs");
    }

    fn end(mut self) {
        self.signal(Signal::Term);
        let ended = wait_for(|| self.master.try_wait().expect("it is our child"));
        assert!(ended.success());
    }
}

impl Drop for Running {
    /// After a failure nothing is left behind.
    fn drop(&mut self) {
        let _ = self.master.kill();
    }
}

/// What `find` returns once it finds something.
fn wait_for<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        sleep(Duration::from_millis(2));
    }
}

fn workers_that_answer_once() {
    // The upgrade is what the first one has handled.
    let mut server = Running::start(1);
    server.send("who", 20);
    let answers: HashSet<String> = (0..20).map(|_| server.answer()).collect();
    assert_eq!(answers.len(), 20);
    server.end();
}

fn busy_workers_leave() {
    let count = 4 * MAX_WAIT.as_millis() as usize / NAP.as_millis() as usize;
    let mut server = Running::start(0);
    server.send("nap", count);
    let mut answers = vec![server.answer()];
    server.signal(Signal::Usr1);
    answers.extend((1..count).map(|_| server.answer()));
    assert_eq!(answers.into_iter().collect::<HashSet<String>>().len(), 2);
    server.end();
}

fn half_a_message() {
    let mut server = Running::start(0);
    server.send("half", 1);
    match server.socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), CloseCode::INTERNAL_ERROR.get()),
        other => panic!("{other:?} instead of a close frame"),
    }
    server.end();
}

fn another_thread_sends_much() {
    let mut server = Running::start(0);
    for _ in 0..20 {
        server.send("much", 1);
        assert_eq!(server.socket.read().expect("it is open").len(), 1 << 20);
    }
    server.end();
}
