//! The front door for Rust, with a client that others wrote.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};
use wirewool_engine::{Acceptance, Builder, CloseCode, Fd, Mode, Port, Refused, Response, Server, StartError};

/// Longer than anything here takes: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What answers a handshake.
type Answer = tungstenite::handshake::client::Response;

/// A server in a thread of its own, ended with the test.
struct Running {
    server: Server,
    address: SocketAddr,
    thread: Option<JoinHandle<Result<(), StartError>>>,
}

impl Running {
    fn start(builder: Builder) -> Running {
        let address = builder.local_addr().expect("it is bound");
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            builder.start_with(move |server| sender.send(server).expect("the test waits for it"))
        });
        let server = receiver.recv_timeout(PATIENCE).expect("the server starts");
        Running { server, address, thread: Some(thread) }
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        self.try_connect("/", &[]).expect("the handshake succeeds").0
    }

    fn try_connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(WebSocket<TcpStream>, Answer), Box<Answer>> {
        let stream = self.stream();
        let mut request = format!("ws://{}{path}", self.address).into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        match tungstenite::client(request, stream) {
            Ok(connected) => Ok(connected),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.shutdown();
        let Some(thread) = self.thread.take() else { return };
        let ended = thread.join();
        if !std::thread::panicking() {
            ended.expect("start() does not panic").expect("start() ends well");
        }
    }
}

fn builder() -> Builder {
    Server::bind("127.0.0.1:0").mode(Mode::Thread)
}

fn text(socket: &mut WebSocket<TcpStream>) -> String {
    loop {
        match socket.read().expect("a message") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("wanted text, got {other:?}"),
        }
    }
}

fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
            Ok(_) => {}
            Err(error) => panic!("wanted a close frame, got {error}"),
        }
    }
}

#[test]
fn the_page_s_first_example() {
    let (events, seen) = mpsc::channel();
    let (opened, closed) = (events.clone(), events);
    let server = Running::start(
        builder()
            .on_open(move |_, request| opened.send(format!("open {}", request.fd)).expect("the test listens"))
            .on_message(|server, frame| server.push(frame.fd, "this is server"))
            .on_close(move |_, fd| closed.send(format!("close {fd}")).expect("the test listens")),
    );
    let mut socket = server.connect();
    socket.send(Message::text("hello")).expect("it is open");
    assert_eq!(text(&mut socket), "this is server");
    socket.close(None).expect("it is open");
    assert_eq!(close_code(&mut socket), 1005);
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("open 1".to_owned()));
    assert_eq!(seen.recv_timeout(PATIENCE), Ok("close 1".to_owned()));
}

#[test]
fn a_message_handler_is_required() {
    let error = builder().start().expect_err("nothing to do");
    assert!(matches!(error, StartError::NoMessageHandler), "{error}");
    assert!(error.to_string().contains("on_message"), "{error}");
}

#[test]
fn what_cannot_start_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let rows = [
        (Server::bind(&address), address.as_str()),
        (Server::bind("203.0.113.7:0"), "203.0.113.7:0"),
        (Server::bind("no such host"), "no such host"),
        (builder().workers(1001), "workers is 1001: wanted 0 to 1000"),
        (builder().message_bytes_max(1), "message_bytes_max is 1: wanted 125 to 4G"),
        (builder().message_bytes_max(usize::MAX), "message_bytes_max is"),
        (builder().head_timeout(Duration::ZERO), "head_timeout is 0: wanted 0.001 to 3600 seconds"),
        (builder().workers(1001).ring_bytes(1), "workers is 1001: wanted 0 to 1000; ring_bytes is 1: wanted 4K to 16M"),
        (builder().subprotocols(["a b"]), "subprotocols is [\"a b\"]"),
    ];
    for (builder, wanted) in rows {
        let error = builder.on_message(|_, _| ()).start().expect_err(wanted).to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn base_mode_refuses_other_threads() {
    // The threads of the test runner are others enough.
    let error = Server::bind("127.0.0.1:0").mode(Mode::Base).on_message(|_, _| ()).start().expect_err("threads");
    assert!(matches!(error, StartError::Threads(n) if n > 0), "{error}");
}

#[test]
fn a_handler_that_panics_costs_its_connection_alone() {
    let server = Running::start(builder().on_message(|server, frame| {
        assert_ne!(frame.text(), Some("panic"), "as the test wants it");
        server.push(frame.fd, frame)
    }));
    let (mut good, mut bad) = (server.connect(), server.connect());
    bad.send(Message::text("panic")).expect("it is open");
    assert_eq!(close_code(&mut bad), 1011);
    good.send(Message::text("still there")).expect("it is open");
    assert_eq!(text(&mut good), "still there");
}

#[test]
fn a_panic_instead_of_an_answer_is_a_500() {
    let server = Running::start(
        builder()
            .on_handshake(|_, _| panic!("as the test wants it"))
            .on_request(|_, _| panic!("as the test wants it"))
            .on_message(|_, _| ()),
    );
    assert_eq!(server.try_connect("/", &[]).expect_err("refused").status(), 500);
    let mut stream = server.stream();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[test]
fn the_handle_works_from_any_thread_and_reaches_all_workers() {
    let (events, seen) = mpsc::channel();
    let server = Running::start(
        builder().workers(3).on_open(move |_, request| events.send(request.fd).expect("the test listens")).on_message(
            |server, frame| {
                for fd in server.connections() {
                    server.push(fd, &frame)?;
                }
                Ok::<(), Refused>(())
            },
        ),
    );
    let mut sockets: Vec<_> = (0..30).map(|_| server.connect()).collect();
    let fds: Vec<Fd> = (0..30).map(|_| seen.recv_timeout(PATIENCE).expect("all are opened")).collect();
    // From a thread that is no worker.
    for fd in &fds {
        assert!(server.server.exists(*fd) && server.server.is_established(*fd));
        server.server.push(*fd, &format!("to {fd}")).expect("it is open");
    }
    let heard: Vec<String> = sockets.iter_mut().map(text).collect();
    // From one worker to the connections of all.
    sockets[0].send(Message::text("everybody")).expect("it is open");
    for socket in &mut sockets {
        assert_eq!(text(socket), "everybody");
    }
    let nobody = Fd::new(1 << 40).expect("a number");
    assert_eq!(server.server.push(nobody, "x"), Err(Refused::Unknown));
    let code = CloseCode::sendable(4000, wirewool_proto::websocket::role::Role::Server).expect("an own code");
    server.server.disconnect(fds[0], code, "enough").expect("it is open");
    let first = heard.iter().position(|text| *text == format!("to {}", fds[0])).expect("each heard its own");
    assert_eq!(close_code(&mut sockets[first]), 4000);
}

#[test]
fn what_can_never_be_sent_is_refused_at_once_from_any_thread() {
    let (events, seen) = mpsc::channel();
    let server = Running::start(
        builder()
            .push_bytes_max(1000)
            .outbox_bytes_max(1024)
            .on_open(move |_, request| events.send(request.fd).expect("the test listens"))
            .on_message(|_, _| ()),
    );
    let mut socket = server.connect();
    let fd = seen.recv_timeout(PATIENCE).expect("it is opened");
    assert_eq!(server.server.push(fd, &vec![0; 1001]), Err(Refused::TooLarge { len: 1001, limit: 1000 }));
    assert_eq!(server.server.ping(fd, &[0; 126]), Err(Refused::ControlTooLong(126)));
    assert_eq!(server.server.pong(fd, &[0; 126]), Err(Refused::ControlTooLong(126)));
    server.server.ping(fd, &[0; 125]).expect("it fits");
    server.server.push(fd, "the next").expect("it fits");
    assert_eq!(text(&mut socket), "the next");
}

#[test]
fn a_server_that_ends_refuses_connections_at_once() {
    let server = Running::start(builder().close_timeout(PATIENCE).on_message(|_, _| ()));
    // It does not answer the close frame: the server waits for it.
    let _deaf = server.connect();
    server.server.shutdown();
    while TcpStream::connect(server.address).is_ok() {}
    assert!(!server.thread.as_ref().expect("it runs").is_finished());
}

#[test]
fn a_stuck_worker_is_told_of_and_its_handles_refuse() {
    let (events, seen) = mpsc::channel();
    let (release, stuck) = mpsc::channel::<()>();
    let stuck = std::sync::Mutex::new(stuck);
    let mut server = Running::start(builder().max_wait_time(Duration::ZERO).on_message(move |_, frame| {
        events.send(frame.fd).expect("the test listens");
        // Until the test lets go.
        let _ = stuck.lock().expect("one handler").recv();
    }));
    let mut socket = server.connect();
    socket.send(Message::text("get stuck")).expect("it is open");
    let fd = seen.recv_timeout(PATIENCE).expect("it is stuck");
    server.server.push(fd, "later").expect("it is open");
    server.server.shutdown();
    let ended = server.thread.take().expect("it runs").join().expect("start() does not panic");
    assert!(matches!(ended, Err(StartError::Busy(1))), "{ended:?}");
    assert_eq!(server.server.push(fd, "too late"), Err(Refused::Unknown));
    assert!(!server.server.exists(fd) && server.server.connections().is_empty());
    drop(release);
}

#[test]
fn requests_and_handshakes_are_the_program_s_business() {
    let server = Running::start(
        builder()
            .subprotocols(["chat", "old"])
            .on_handshake(|_, request| match request.head.path() {
                "/secret" => Err(Response::new(403).body("not you")),
                _ => Ok(Acceptance::default().header("X-Room", "7")),
            })
            .on_request(|_, request| Response::new(200).body(format!("you asked for {}", request.head.path())))
            .on_message(|_, _| ()),
    );
    let (_, response) = server.try_connect("/", &[("Sec-WebSocket-Protocol", "old, chat")]).expect("accepted");
    assert_eq!(response.headers()["x-room"], "7");
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    let refused = server.try_connect("/secret", &[]).expect_err("refused");
    assert_eq!(refused.status(), 403);
    let mut stream = server.stream();
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("two answers and an end");
    let (a, b) = (answer.find("you asked for /a"), answer.find("you asked for /b"));
    assert!(a.is_some() && a < b, "{answer}");
}

#[test]
fn pings_may_go_to_a_handler() {
    let server = Running::start(
        builder()
            .on_ping(|server, fd, payload| server.pong(fd, payload))
            .on_message(|server, frame| server.ping(frame.fd, b"back")),
    );
    let mut socket = server.connect();
    socket.send(Message::Ping("there".into())).expect("it is open");
    assert!(matches!(socket.read(), Ok(Message::Pong(payload)) if payload == "there"));
    socket.send(Message::text("x")).expect("it is open");
    assert!(matches!(socket.read(), Ok(Message::Ping(payload)) if payload == "back"));
}

#[test]
fn whoever_has_a_handle_knows_all_connections() {
    let running =
        Running::start(Server::bind("127.0.0.1:0").workers(2).on_message(|server, frame| server.push(frame.fd, frame)));
    let mut sockets: Vec<_> = (0..6).map(|_| running.connect()).collect();
    for socket in &mut sockets {
        socket.send(Message::text("hello")).expect("it is open");
        assert_eq!(socket.read().expect("an answer"), Message::text("hello"));
    }
    let server = &running.server;
    let fds = server.connections();
    assert_eq!((fds.len(), server.connection_count()), (6, 6));
    for fd in &fds {
        let facts = server.info(*fd).expect("it is there");
        assert!(facts.origin.peer.is_some_and(|peer| peer.ip().is_loopback()));
        assert!(facts.opened_at_ms > 0 && facts.received_at_ms >= facts.opened_at_ms && facts.sent_at_ms > 0);
        assert_eq!((server.bind_user(*fd, 7), server.bind_user(*fd, 8)), (true, false));
        assert_eq!(server.info(*fd).map(|facts| facts.uid), Some(7));
        assert!(server.protect(*fd, true));
    }
    let nobody = Fd::new(1 << 40).expect("not 0");
    assert!(server.info(nobody).is_none() && !server.bind_user(nobody, 7) && !server.protect(nobody, true));
    let stats = server.stats();
    assert_eq!((stats.connections, stats.accepted, stats.closed, stats.aborted), (6, 6, 0, 0));
    // Told at the end of a pass, which its answers do not wait for: six upgrades and six messages.
    let began = std::time::Instant::now();
    while server.stats().requests < 12 {
        assert!(began.elapsed() < PATIENCE, "{:?}", server.stats());
        std::thread::yield_now();
    }
    assert_eq!(server.stats().requests, 12);
}

#[test]
fn the_silent_are_closed_unless_they_are_protected() {
    let time = Duration::from_millis(300);
    let (sender, closed) = mpsc::channel();
    let builder = Server::bind("127.0.0.1:0").workers(2).heartbeat_idle_time(time).on_message(|server, frame| {
        let protected = server.protect(frame.fd, frame.data() == b"protect");
        server.push(frame.fd, if protected { "done" } else { "nobody" })
    });
    let running = Running::start(builder.on_close(move |_, fd| sender.send(fd).expect("the test waits for it")));
    let mut protected = running.connect();
    protected.send(Message::text("protect")).expect("it is open");
    assert_eq!(protected.read().expect("an answer"), Message::text("done"));
    let mut silent = running.connect();
    let frame = match silent.read() {
        Ok(Message::Close(Some(frame))) => frame,
        other => panic!("{other:?} instead of a close frame"),
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "idle timeout"));
    assert_eq!(closed.recv_timeout(PATIENCE).map(Fd::get), Ok(2));
    assert_eq!(running.server.heartbeat(true), Some(vec![]));
    protected.send(Message::text("protect no more")).expect("it is open");
    assert_eq!(protected.read().expect("an answer"), Message::text("done"));
    assert_eq!(closed.recv_timeout(PATIENCE).map(Fd::get), Ok(1));
}

#[test]
fn there_is_no_heartbeat_without_a_time_for_it() {
    let none = Running::start(Server::bind("127.0.0.1:0").on_message(|_, _| ()));
    assert_eq!(none.server.heartbeat(true), None);
    let builder = Server::bind("127.0.0.1:0").heartbeat_idle_time(Duration::MAX).on_message(|_, _| ());
    let refused = builder.start().expect_err("longer than a day").to_string();
    assert!(refused.starts_with("heartbeat_idle_time is 1844"), "{refused}");
}

#[test]
fn a_slow_readers_pushes_are_refused_at_once_from_another_thread() {
    const LIMIT: usize = 1 << 20;
    let builder = Server::bind("127.0.0.1:0").workers(1).outbox_bytes_max(LIMIT).on_message(|_, _| ());
    let running = Running::start(builder);
    let (_slow, mut other) = (running.connect(), running.connect());
    // The client may read the answer before the table has heard of it.
    let began = std::time::Instant::now();
    while running.server.connections().len() < 2 {
        assert!(began.elapsed() < PATIENCE, "both are open");
        std::thread::yield_now();
    }
    let [slow, other_fd] = running.server.connections()[..] else { panic!("two connections") };
    let message = vec![7; 100 << 10];
    let refused = (0..10_000).find_map(|_| running.server.push(slow, &message[..]).err());
    assert!(matches!(refused, Some(Refused::OutboxFull { limit: LIMIT, .. })), "{refused:?}");
    assert_eq!(running.server.push(other_fd, "still here"), Ok(()));
    assert_eq!(other.read().expect("a message"), Message::text("still here"));
}

#[test]
fn each_port_has_its_own_handlers_and_speaks_what_it_was_told() {
    let http = Port::bind("127.0.0.1:0")
        .http()
        .on_request(|_, request| Response::new(200).body(request.head.target().to_owned()));
    let (sender, events) = mpsc::channel();
    let closed = sender.clone();
    let raw = Port::bind("127.0.0.1:0")
        .on_connect(move |_, fd| sender.send(format!("connect {fd}")).expect("the test waits"))
        .on_receive(|server, fd, bytes| server.send(fd, &bytes.to_ascii_uppercase()))
        .on_close(move |_, fd| closed.send(format!("close {fd}")).expect("the test waits"));
    let chat =
        Port::bind("127.0.0.1:0").websocket().on_message(|server, frame| server.push(frame.fd, "of the other port"));
    let addresses = [&http, &raw, &chat].map(|port| port.local_addr().expect("it is bound"));
    let server = Server::bind("127.0.0.1:0").on_message(|server, frame| server.push(frame.fd, &frame));
    let mut server = Running::start(server.listen(http).listen(raw).listen(chat));
    let connect = |address| {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    };
    let mut stream = connect(addresses[0]);
    stream.write_all(b"GET /here HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("/here"), "{answer}");
    let mut stream = connect(addresses[1]);
    stream.write_all(b"hello").expect("sent");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HELLO");
    drop(stream);
    let heard: Vec<String> = (0..2).map(|_| events.recv_timeout(PATIENCE).expect("an event")).collect();
    assert_eq!(heard, ["connect 2", "close 2"]);
    server.address = addresses[2];
    let mut websocket = server.connect();
    websocket.send(Message::text("x")).expect("sent");
    assert_eq!(websocket.read().expect("a message"), Message::text("of the other port"));
}

#[test]
fn ports_that_cannot_be() {
    let start = |port| {
        let server = Server::bind("127.0.0.1:0").on_message(|_, _| {}).listen(port);
        server.start().map_err(|error| error.to_string())
    };
    let raw = Port::bind("127.0.0.1:0");
    let address = raw.local_addr().expect("it is bound");
    assert_eq!(start(raw), Err(format!("the port {address} needs a handler: set it with Port::on_receive")));
    let datagrams = Port::bind_datagrams("127.0.0.1:0");
    let address = datagrams.local_addr().expect("it is bound");
    assert_eq!(start(datagrams), Err(format!("the port {address} needs a handler: set it with Port::on_packet")));
    let rows = [(Port::bind("[::1]:0").websocket(), "on_message"), (Port::bind("[::1]:0").http(), "on_request")];
    for (port, wanted) in rows {
        assert!(start(port).is_err_and(|error| error.ends_with(wanted)));
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let refused = start(Port::bind(&address).on_receive(|_, _, _| {}));
    assert!(refused.is_err_and(|error| error.starts_with(&format!("failed to listen server port[{address}]"))));
    let small = start(Port::bind("127.0.0.1:0").message_bytes_max(1).on_receive(|_, _, _| {}));
    assert_eq!(small, Err("message_bytes_max is 1: wanted 125 to 4G".to_owned()));
}
