//! The client with a server that others wrote, and with peers that speak no WebSocket.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tungstenite::{Message, WebSocket};
use wirewool_client::{Client, CloseCode, Compression, Connect, Error, Kind, Outgoing, Received};
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::upgrade::UpgradeError;

/// Longer than anything here takes: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A peer for one connection, in a thread of its own.
fn peer<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/chat?room=1", listener.local_addr().expect("it is bound"));
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        serve(stream)
    });
    (url, thread)
}

fn accept(stream: TcpStream) -> WebSocket<TcpStream> {
    tungstenite::accept(stream).expect("the handshake succeeds")
}

fn message(kind: Kind, payload: &[u8]) -> Received {
    Received::Message { kind, payload: payload.to_vec(), compressed: false }
}

#[test]
fn messages_in_both_directions() {
    let (url, server) = peer(|stream| {
        let mut socket = accept(stream);
        loop {
            match socket.read().expect("legal frames") {
                Message::Close(close) => {
                    // Sends the answer, and says that this was the end.
                    let _ = socket.flush();
                    break close.map(|close| (u16::from(close.code), close.reason.to_string()));
                }
                echo @ (Message::Text(_) | Message::Binary(_)) => socket.send(echo).expect("sent"),
                _ => socket.flush().expect("sent"),
            }
        }
    });
    let mut client = Client::connect(url).expect("connected");
    assert_eq!(client.answer().status(), 101);
    assert!(!client.is_compressing());
    client.send(Outgoing::text("hellö")).unwrap();
    assert_eq!(client.receive().unwrap(), message(Kind::Text, "hellö".as_bytes()));
    let large = vec![7; 1 << 20];
    client.send(Outgoing { fragment_bytes_max: 1000, ..Outgoing::binary(&large) }).unwrap();
    assert_eq!(client.receive().unwrap(), message(Kind::Binary, &large));
    client.send_frame(Opcode::Ping, true, b"are you there?").unwrap();
    assert_eq!(client.receive().unwrap(), Received::Pong(b"are you there?".to_vec()));
    client.close(CloseCode::GOING_AWAY, "bye").unwrap();
    let Received::Closed { code, .. } = client.receive().unwrap() else { panic!("wanted the end") };
    assert_eq!(code, Some(CloseCode::GOING_AWAY));
    assert_eq!(server.join().unwrap(), Some((1001, "bye".to_owned())));
    assert!(matches!(client.receive(), Err(Error::Ended)));
    assert!(matches!(client.send(Outgoing::text("late")), Err(Error::NotSent(_))));
}

#[test]
#[expect(clippy::result_large_err, reason = "it is the type of tungstenite's callback")]
fn what_the_request_says() {
    let (url, server) = peer(|stream| {
        let mut seen = None;
        let look = |request: &Request, mut response: Response| {
            let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            seen = Some((request.uri().to_string(), ["authorization", "sec-websocket-protocol"].map(header)));
            response.headers_mut().insert("sec-websocket-protocol", "superchat".parse().expect("a value"));
            Ok(response)
        };
        tungstenite::accept_hdr(stream, look).expect("the handshake succeeds");
        seen
    });
    let connect = Connect::to(url).header("Authorization", "Bearer 1").protocol("chat").protocol("superchat");
    let client = connect.compression(Compression::default()).open().expect("connected");
    assert_eq!(client.protocol(), Some("superchat"));
    assert!(!client.is_compressing(), "tungstenite does not");
    let headers = [Some("Bearer 1".to_owned()), Some("chat, superchat".to_owned())];
    assert_eq!(server.join().unwrap(), Some(("/chat?room=1".to_owned(), headers)));
}

#[test]
fn the_server_closes() {
    let (url, server) = peer(|stream| {
        let mut socket = accept(stream);
        socket.send(Message::text("last words")).expect("sent");
        socket.close(Some(CloseFrame { code: TheirCode::Restart, reason: "later".into() })).expect("sent");
        // The close frame that answers, and then the end.
        let answer = socket.read();
        (
            answer.is_ok_and(|answer| answer.is_close()),
            matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)),
        )
    });
    let mut client = Client::connect(url).expect("connected");
    assert_eq!(client.receive().unwrap(), message(Kind::Text, b"last words"));
    let closed = Received::Closed { code: Some(CloseCode::SERVICE_RESTART), reason: "later".to_owned() };
    assert_eq!(client.receive().unwrap(), closed);
    drop(client);
    assert_eq!(server.join().unwrap(), (true, true));
}

/// A server that breaks the protocol gets a close frame with the code, even if it goes on to send.
#[test]
fn the_server_breaks_the_protocol() {
    let (url, server) = peer(|stream| {
        let mut socket = accept(stream);
        let raw = socket.get_mut();
        raw.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).expect("sent");
        raw.write_all(&vec![0; 1 << 20]).expect("sent");
        let mut received = Vec::new();
        raw.read_to_end(&mut received).expect("the end of the stream");
        received
    });
    let mut client = Client::connect(url).expect("connected");
    let error = client.receive().expect_err("a masked frame");
    assert_eq!(error.to_string(), "the server broke the protocol: a masked frame: a server must mask nothing it sends");
    let received = server.join().unwrap();
    assert_eq!(received.len(), 8);
    let unmasked = [received[6] ^ received[2], received[7] ^ received[3]];
    assert_eq!((received[0], u16::from_be_bytes(unmasked)), (0x88, 1002));
    assert!(matches!(client.receive(), Err(Error::Ended)));
}

#[test]
fn messages_have_a_limit() {
    let (url, server) = peer(|stream| {
        let mut socket = accept(stream);
        socket.send(Message::binary(vec![0; 101])).expect("sent");
        socket.read()
    });
    let mut client = Connect::to(url).message_bytes_max(100).open().expect("connected");
    assert!(matches!(client.receive(), Err(Error::Violation(_))));
    let Ok(Message::Close(Some(close))) = server.join().unwrap() else { panic!("wanted a close frame") };
    assert_eq!(close.code, TheirCode::Size);
}

#[test]
fn what_is_no_websocket_server() {
    type Verdict = fn(&Error) -> bool;
    let accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let wrong = format!("{accept}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    let rows: [(&str, Verdict); 5] = [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            |error| matches!(error, Error::Upgrade(UpgradeError::Status(head)) if head.status() == 403),
        ),
        (&wrong, |error| matches!(error, Error::Upgrade(UpgradeError::Accept { .. }))),
        ("SSH-2.0-OpenSSH_9.2\r\n", |error| matches!(error, Error::Upgrade(UpgradeError::Answer(_)))),
        ("", |error| matches!(error, Error::Ended)),
        ("HTTP/1.1 101", |error| matches!(error, Error::Ended)),
    ];
    for (answer, verdict) in rows {
        let text = answer.to_owned();
        let (url, server) = peer(move |mut stream| {
            let mut request = [0; 4096];
            let n = stream.read(&mut request).expect("a request");
            stream.write_all(text.as_bytes()).expect("sent");
            n
        });
        let error = Client::connect(url).expect_err(answer);
        assert!(verdict(&error), "{answer:?}: {error:?}");
        assert!(server.join().unwrap() > 0);
    }
}

#[test]
fn waiting_has_an_end() {
    let timed_out = |error: &Error| matches!(error, Error::Socket { error, .. } if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    // Nobody answers the upgrade; then nobody sends.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("ws://{}", listener.local_addr().expect("it is bound"));
    let error = Connect::to(silent).timeout(Duration::from_millis(50)).open().expect_err("silence");
    assert!(timed_out(&error), "{error:?}");
    let (url, server) = peer(|stream| {
        let mut socket = accept(stream);
        let first = socket.read().expect("a message");
        socket.send(first).expect("sent");
        socket
    });
    let mut client = Connect::to(url).timeout(Duration::from_millis(50)).open().expect("connected");
    let error = client.receive().expect_err("silence");
    assert!(timed_out(&error), "{error:?}");
    client.send(Outgoing::text("go on")).unwrap();
    let received = (0..100).find_map(|_| client.receive().ok()).expect("after a while");
    assert_eq!(received, message(Kind::Text, b"go on"));
    drop(server.join().unwrap());
    assert!(matches!(client.receive(), Err(Error::Ended)), "no close frame");
}

#[test]
fn nobody_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let error = Client::connect(url).expect_err("nobody listens");
    assert!(error.to_string().starts_with("cannot connect: "), "{error}");
}
