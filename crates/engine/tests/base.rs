//! Forked workers, seen from outside: this program starts itself as a server and does things to its processes.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

use rustix::process::{Pid, getppid, set_child_subreaper};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};
use wirewool_engine::{Frame, Mode, Server};
use wirewool_ipc::process::kill;
use wirewool_ipc::signal::{Signal, Signals};

/// Longer than anything here takes: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server may take to end.
const MAX_WAIT: Duration = Duration::from_secs(1);

const CHECKS: [(&str, fn()); 4] = [
    ("a worker's shutdown() ends the server", shutdown_ends_the_server),
    ("shutdown() after the master's death is nobody else's", shutdown_signals_no_stranger),
    ("a server that ends refuses connections at once", an_ending_server_refuses),
    ("a stuck worker does not outlive its master for long", stuck_orphans_die),
];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
}

/// The server: does what the messages say, and tells each client its worker's process id first.
fn serve() {
    let server = Server::bind("127.0.0.1:0").mode(Mode::Base).max_wait_time(MAX_WAIT);
    println!("{}", server.local_addr().expect("it is bound"));
    let server =
        server.on_open(|server, request| server.push(request.fd, &std::process::id().to_string())).on_message(obey);
    server.start().expect("it runs");
}

fn obey(server: &Server, frame: Frame<'_>) {
    match frame.text() {
        Some("shutdown") => server.shutdown(),
        Some("shutdown as an orphan") => {
            let master = getppid();
            let _ = server.close(frame.fd);
            wait_until(|| getppid() != master);
            server.shutdown();
        }
        Some("hang") => {
            let _ = server.close(frame.fd);
            wait_until(|| false);
        }
        other => panic!("no such order: {other:?}"),
    }
}

/// A server of one worker, and a connection to it.
struct Running {
    master: Child,
    worker: Pid,
    address: String,
    socket: WebSocket<TcpStream>,
}

impl Running {
    fn start() -> Running {
        let program = std::env::current_exe().expect("this program");
        let mut master = Command::new(program).arg("serve").stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut address = String::new();
        let mut stdout = BufReader::new(master.stdout.take().expect("a pipe"));
        stdout.read_line(&mut address).expect("its address");
        let address = address.trim().to_owned();
        let stream = wait_for(|| TcpStream::connect(&address).ok());
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (mut socket, _) = tungstenite::client(format!("ws://{address}/"), stream).expect("the handshake succeeds");
        let worker = socket.read().expect("the worker's id").into_text().expect("text").parse().ok();
        let worker = worker.and_then(Pid::from_raw).expect("a process id");
        Running { master, worker, address, socket }
    }

    /// Gives an order; each of them ends the connection once the worker is at it.
    fn order(&mut self, order: &'static str) {
        self.socket.send(Message::text(order)).expect("it is open");
        wait_until(|| self.socket.read().is_err());
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

fn wait_until(mut condition: impl FnMut() -> bool) {
    wait_for(|| condition().then_some(()));
}

fn ended(child: &mut Child) -> ExitStatus {
    wait_for(|| child.try_wait().expect("it is our child"))
}

fn shutdown_ends_the_server() {
    let mut server = Running::start();
    server.order("shutdown");
    assert!(ended(&mut server.master).success());
}

fn shutdown_signals_no_stranger() {
    // Orphans become children of this process instead of init's: what would hit init hits this.
    set_child_subreaper(Some(Pid::INIT)).expect("it may");
    let signals = Signals::install(&[Signal::Term]).expect("none are installed");
    let mut server = Running::start();
    server.order("shutdown as an orphan");
    kill(Pid::from_child(&server.master), Signal::Kill).expect("it runs");
    ended(&mut server.master);
    wait_until(|| !matches!(wirewool_ipc::process::wait(server.worker), Ok(None) | Err(_)));
    assert_eq!(signals.take().count(), 0);
}

fn an_ending_server_refuses() {
    let mut server = Running::start();
    server.order("hang");
    kill(Pid::from_child(&server.master), Signal::Term).expect("it runs");
    wait_until(|| TcpStream::connect(&server.address).is_err());
    assert!(server.master.try_wait().expect("it is our child").is_none(), "it waits for the worker");
    TcpListener::bind(&server.address).expect("another server may have the port");
    assert!(ended(&mut server.master).success());
}

fn stuck_orphans_die() {
    let mut server = Running::start();
    server.order("hang");
    kill(Pid::from_child(&server.master), Signal::Kill).expect("it runs");
    ended(&mut server.master);
    let ended = wait_for(|| wirewool_ipc::process::wait(server.worker).ok().flatten());
    assert_eq!(ended.to_string(), "was killed by signal 14 (SIGALRM)");
}
