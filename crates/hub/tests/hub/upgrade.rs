//! Upgrade requests: which are accepted, what the others get, and what becomes of bytes behind them.

use crate::fake::{
    Connection, Manner, Seen, UPGRADE, World, answer, client_text, closed, echo, from_client, push, server_text, text,
};
use wirewool_hub::command::{After, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::settings::Settings;
use wirewool_proto::websocket::frame::Opcode;

fn first_line(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).expect("ASCII")
}

fn assert_refused(world: &mut World, connection: Connection, status: &str, part: &str) {
    let sent = String::from_utf8(world.sent(connection)).expect("ASCII");
    assert_eq!(first_line(sent.as_bytes()), format!("HTTP/1.1 {status}"));
    assert!(sent.contains("\r\nConnection: close\r\n"), "{sent}");
    assert!(sent.contains(part), "{part} in {sent}");
    assert_eq!(world.seen(), [Seen::Connected, closed(true, Status::Plain)]);
    assert!(world.wire.socket(connection.place, |socket| socket.shut_down));
    world.end(connection);
    assert!(world.hub.is_empty());
}

#[test]
fn refusals() {
    let good = String::from_utf8_lossy(UPGRADE).into_owned();
    let rows = [
        ("GET /", "POST /", "405 Method Not Allowed", "\r\nAllow: GET\r\n"),
        ("HTTP/1.1", "HTTP/1.0", "400 Bad Request", "needs HTTP/1.1"),
        ("Connection: Upgrade", "Connection: close", "400 Bad Request", "Connection must contain"),
        ("Version: 13", "Version: 8", "426 Upgrade Required", "\r\nSec-WebSocket-Version: 13\r\n"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426 Upgrade Required", "\r\nUpgrade: websocket\r\n"),
        ("Key: dGhl", "Key: ", "400 Bad Request", "Sec-WebSocket-Key must be"),
        ("Host: h", "Host: h\r\nContent-Length: 1", "400 Bad Request", "has no body"),
        ("Host: h", "Host: h\r\nTransfer-Encoding: chunked", "400 Bad Request", "has no body"),
    ];
    for (from, to, status, part) in rows {
        let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
        let connection = world.open();
        world.feed(connection, good.replace(from, to).as_bytes());
        assert_refused(&mut world, connection, status, part);
    }
}

#[test]
fn accepted_however_it_is_cut() {
    for manner in [Manner::AtOnce, Manner::Later] {
        for cut in 0..UPGRADE.len() {
            let mut world = World::new(Settings::default(), manner, echo);
            let connection = world.open();
            world.feed(connection, &UPGRADE[..cut]);
            world.feed(connection, &UPGRADE[cut..]);
            assert_eq!(world.sent(connection), b"HTTP/1.1 101\r\n\r\n");
            assert_eq!(world.seen(), [Seen::Connected, Seen::Upgrade("/chat".into())]);
            assert_eq!(world.wire.0.borrow().statuses, [(1, Status::Upgrading), (1, Status::Active)]);
            assert_eq!(world.hub.info(connection.fd).map(|info| info.status), Some(Status::Active));
            assert_eq!(world.hub.next_deadline(), None);
        }
    }
}

#[test]
fn an_own_handshake_looks_at_the_upgrade_header_only() {
    let settings = Settings { own_handshake: true, ..Settings::default() };
    for manner in [Manner::AtOnce, Manner::Later] {
        let mut world = World::new(settings.clone(), manner, |fd, seen, out| {
            if *seen != Seen::Connected {
                assert_eq!(out.info(fd).map(|info| info.status), Some(Status::OwnHandshake));
                assert_eq!(push(out, fd, Opcode::Text, true, b"early"), Err(Refused::NotWebSocket));
                assert_eq!(answer(out, fd, b"101 in", After::More), Ok(()));
                assert_eq!(answer(out, fd, b" pieces", After::Upgrade(None)), Ok(()));
                assert_eq!(answer(out, fd, b"again", After::More), Err(Refused::NotWaiting));
                assert_eq!(push(out, fd, Opcode::Text, true, b"hello"), Ok(()));
            }
        });
        let connection = world.open();
        world.feed(connection, b"PUT / HTTP/1.0\r\nUpgrade: h2c, WebSocket\r\n\r\n");
        assert_eq!(world.sent(connection), [b"101 in pieces", &*server_text("hello")].concat());
    }
    let mut world = World::new(settings, Manner::AtOnce, echo);
    let connection = world.open();
    world.feed(connection, b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nabcde");
    assert_refused(&mut world, connection, "400 Bad Request", "has no body");
}

#[test]
fn frames_behind_the_request_are_kept() {
    let early =
        [UPGRADE, &*client_text("one"), &*client_text("two"), &from_client(Opcode::Binary, false, b"x")].concat();
    for manner in [Manner::AtOnce, Manner::Later, Manner::OnDemand] {
        for cut in [early.len(), UPGRADE.len(), UPGRADE.len() + 1, UPGRADE.len() + 12] {
            let mut world = World::new(Settings::default(), manner, echo);
            let connection = world.open();
            world.feed(connection, &early[..cut]);
            world.feed(connection, &early[cut..]);
            if manner == Manner::OnDemand {
                assert_eq!(world.seen(), [Seen::Connected, Seen::Upgrade("/chat".into())]);
                assert_eq!(world.sent(connection), b"");
                world.work();
                world.run();
                world.work();
            }
            let sent = [b"HTTP/1.1 101\r\n\r\n", &*server_text("one"), &server_text("two")].concat();
            assert_eq!(world.sent(connection), sent, "{manner:?}, cut at {cut}");
            let seen = world.seen();
            assert_eq!(seen[seen.len() - 2..], [text("one"), text("two")]);
            world.feed(connection, &from_client(Opcode::Continuation, true, b"y"));
            world.work();
            assert_eq!(world.sent(connection), [2 << 6 | 2, 2, b'x', b'y']);
        }
    }
}

#[test]
fn a_refusal_of_the_handler_closes_or_goes_on() {
    let rows: [(After, usize); 2] = [(After::Close, 1), (After::KeepAlive, 2)];
    for (after, answers) in rows {
        for manner in [Manner::AtOnce, Manner::Later] {
            let mut world = World::new(Settings::default(), manner, move |fd, seen, out| {
                if let Seen::Upgrade(_) = seen {
                    answer(out, fd, b"no\n", after).expect("it waits for an answer");
                }
            });
            let connection = world.open();
            world.feed(connection, &[UPGRADE, UPGRADE].concat());
            assert_eq!(world.sent(connection), b"no\n".repeat(answers));
            let statuses = [(1, Status::Upgrading), (1, Status::Plain)].repeat(2);
            let told = if after == After::Close { 1 } else { 4 };
            assert_eq!(world.wire.0.borrow().statuses, statuses[..told]);
            assert_eq!(world.hub.info(connection.fd).is_some(), after == After::KeepAlive);
        }
    }
}

#[test]
fn only_an_upgrade_request_upgrades() {
    let settings = Settings { requests: true, ..Settings::default() };
    let mut world = World::new(settings, Manner::AtOnce, |fd, seen, out| {
        if let Seen::Request(..) = seen {
            assert_eq!(answer(out, fd, b"101", After::Upgrade(None)), Err(Refused::NotWebSocket));
            assert_eq!(answer(out, fd, b"200", After::KeepAlive), Ok(()));
        }
    });
    let connection = world.open();
    world.feed(connection, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(world.sent(connection), b"200");
}

#[test]
fn an_upgrade_that_is_not_answered_in_time() {
    for (begun, wanted) in [(false, "HTTP/1.1 503 Service Unavailable"), (true, "half an answer")] {
        let mut world = World::new(Settings::default(), Manner::OnDemand, move |fd, seen, out| {
            if let Seen::Upgrade(_) = seen {
                let _ = answer(out, fd, b"late", After::Upgrade(None));
            }
        });
        let connection = world.open();
        world.feed(connection, UPGRADE);
        if begun {
            assert_eq!(world.apply(|out| answer(out, connection.fd, b"half an answer", After::More)), Ok(()));
        }
        world.wait(9_999);
        assert!(world.hub.info(connection.fd).is_some_and(|info| info.open));
        world.wait(1);
        assert_eq!(first_line(&world.sent(connection)), wanted);
        world.work();
        assert_eq!(world.sent(connection), b"");
        assert_eq!(world.seen().last(), Some(&closed(true, Status::Upgrading)));
        world.end(connection);
        assert!(world.hub.is_empty());
    }
}
