//! Plain requests: answered in order, at once or later; bodies; bad ones; slow ones.

use crate::fake::{Manner, Seen, World, answer, closed, echo};
use wirewool_hub::command::{After, Command, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::settings::{Protocol, Settings};

fn settings() -> Settings {
    Settings { requests: true, message_bytes_max: 1000, ..Settings::default() }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let targets: Vec<String> = (0..50).map(|n| format!("/{n}")).collect();
    let bytes: String = targets.iter().map(|target| get(target)).collect();
    let wanted: String = targets.iter().map(|target| format!("{target}\n")).collect();
    for manner in [Manner::AtOnce, Manner::Later, Manner::OnDemand] {
        for piece in [1, 7, 100, bytes.len()] {
            let mut world = World::new(settings(), manner, echo);
            let connection = world.open();
            for piece in bytes.as_bytes().chunks(piece) {
                world.feed(connection, piece);
            }
            world.work();
            world.run();
            for _ in 0..if manner == Manner::OnDemand { 50 } else { 0 } {
                world.work();
                world.run();
            }
            assert_eq!(String::from_utf8_lossy(&world.sent(connection)), wanted, "{manner:?}, {piece} bytes a piece");
            assert_eq!(world.seen().len(), 51);
        }
    }
}

#[test]
fn one_request_at_a_time() {
    let mut world = World::new(settings(), Manner::OnDemand, |_, _, _| {});
    let connection = world.open();
    world.feed(connection, (get("/1") + &get("/2")).as_bytes());
    world.feed(connection, get("/3").as_bytes());
    assert_eq!(world.seen(), [Seen::Connected, Seen::Request("/1".into(), vec![])]);
    assert!(
        !world.wire.socket(connection.place, |socket| socket.interest.read),
        "what comes behind stays in the kernel"
    );
    assert_eq!(world.hub.next_deadline(), None, "a handler may take its time");
    for (request, next) in [(1, Some("/2")), (2, Some("/3")), (3, None)] {
        assert_eq!(world.apply(|out| answer(out, connection.fd, b"a", After::More)), Ok(()));
        assert_eq!(world.seen(), []);
        assert_eq!(world.apply(|out| answer(out, connection.fd, b"b", After::KeepAlive)), Ok(()));
        world.run();
        let wanted: Vec<Seen> = next.into_iter().map(|target| Seen::Request(target.into(), vec![])).collect();
        assert_eq!(world.seen(), wanted, "behind {request}");
    }
    assert_eq!(world.sent(connection), b"ababab");
    assert_eq!(world.apply(|out| answer(out, connection.fd, b"c", After::KeepAlive)), Err(Refused::NotWaiting));
}

#[test]
fn an_answer_may_be_the_last() {
    let mut world = World::new(settings(), Manner::AtOnce, |fd, seen, out| {
        if let Seen::Request(..) = seen {
            answer(out, fd, b"last", After::Close).expect("it waits for an answer");
        }
    });
    let connection = world.open();
    world.feed(connection, (get("/1") + &get("/2")).as_bytes());
    assert_eq!(world.sent(connection), b"last");
    let wanted = [Seen::Connected, Seen::Request("/1".into(), vec![]), closed(true, Status::Plain)];
    assert_eq!(world.seen(), wanted);
    assert!(world.wire.socket(connection.place, |socket| socket.shut_down && !socket.closed));
    world.end(connection);
    assert!(world.is_closed(connection) && world.hub.is_empty());
}

#[test]
fn without_a_handler_there_is_a_page() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let connection = world.open();
    world.feed(connection, (get("/") + &get("/")).as_bytes());
    let sent = String::from_utf8(world.sent(connection)).expect("ASCII");
    assert!(sent.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{sent}");
    assert!(sent.ends_with("<i>Powered by Wirewool</i></body></html>"), "{sent}");
    assert_eq!(world.seen(), [Seen::Connected, closed(true, Status::Plain)]);
}

#[test]
fn an_upgrade_header_means_nothing_to_plain_http() {
    let mut world = World::new(Settings { protocol: Protocol::Http, ..settings() }, Manner::AtOnce, echo);
    let connection = world.open();
    world.feed(connection, crate::fake::UPGRADE);
    assert_eq!(world.sent(connection), b"/chat\n");
}

#[test]
fn bodies() {
    let rows: &[(&str, &[u8])] = &[
        ("Content-Length: 5\r\n\r\nhello", b"hello"),
        ("Content-Length: 0\r\n\r\n", b""),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!"),
    ];
    for (rest, body) in rows {
        let bytes = format!("POST /b HTTP/1.1\r\nHost: h\r\n{rest}{}", get("/next"));
        for piece in [1, 10, bytes.len()] {
            let mut world = World::new(settings(), Manner::AtOnce, echo);
            let connection = world.open();
            bytes.as_bytes().chunks(piece).for_each(|piece| world.feed(connection, piece));
            let wanted =
                [Seen::Connected, Seen::Request("/b".into(), body.to_vec()), Seen::Request("/next".into(), vec![])];
            assert_eq!(world.seen(), wanted, "{bytes}, {piece} bytes a piece");
        }
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_continue() {
    let mut world = World::new(settings(), Manner::AtOnce, echo);
    let connection = world.open();
    world.feed(connection, b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(world.sent(connection), b"HTTP/1.1 100 Continue\r\n\r\n");
    world.feed(connection, b"ab");
    assert_eq!(world.sent(connection), b"/\n");
    world.feed(connection, b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
    assert!(world.sent(connection).starts_with(b"HTTP/1.1 413 "));
}

#[test]
fn bad_requests_are_answered_and_end_it() {
    let rows = [
        ("\x16\x03\x01\x02\0\x01\0\x01", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: h\n\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413),
    ];
    for (bytes, status) in rows {
        let mut world = World::new(settings(), Manner::AtOnce, echo);
        let connection = world.open();
        // Behind a good one, whose answer goes first.
        world.feed(connection, (get("/1") + bytes).as_bytes());
        let sent = String::from_utf8(world.sent(connection)).expect("ASCII");
        assert!(sent.starts_with(&format!("/1\nHTTP/1.1 {status} ")), "{bytes}: {sent}");
        assert_eq!(world.seen().last(), Some(&closed(true, Status::Plain)));
        world.end(connection);
        assert!(world.hub.is_empty());
    }
}

#[test]
fn deadlines() {
    /// What the peer sends, how long each time until the next; whether the connection lives then, and what it is sent.
    type Row<'a> = (&'a [(&'a str, u64)], bool, &'a str);
    let rows: &[Row<'_>] = &[
        (&[("", 9_999)], true, ""),
        (&[("", 10_000)], false, ""),
        (&[("\r\n", 10_000)], false, ""),
        (&[("", 5_000), ("GET", 4_999)], true, ""),
        (&[("", 5_000), ("GET", 3_000), (" /", 2_000)], false, "HTTP/1.1 408 "),
        (&[("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 74_999)], true, "/\n"),
        (&[("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 75_000)], false, "/\n"),
        (&[("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 74_000), ("\r\n", 1_000)], false, "/\n"),
        (&[("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 74_000), ("G", 9_999)], true, "/\n"),
        (&[("GET / HTTP/1.1\r\nHost: h\r\n\r\nG", 10_000)], false, "/\nHTTP/1.1 408 "),
        (&[("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na", 9_000), ("b", 9_000), ("c", 9_999)], true, ""),
        (&[("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", 9_000), ("b", 10_000)], false, "HTTP/1.1 408 "),
    ];
    for (pieces, lives, wanted) in rows {
        let mut world = World::new(settings(), Manner::AtOnce, echo);
        let connection = world.open();
        for (bytes, ms) in *pieces {
            world.feed(connection, bytes.as_bytes());
            world.wait(*ms);
        }
        let sent = String::from_utf8(world.sent(connection)).expect("ASCII");
        assert!(sent.starts_with(wanted) && sent.is_empty() == wanted.is_empty(), "{pieces:?}: {sent}");
        let open = world.hub.info(connection.fd).is_some_and(|info| info.open);
        assert_eq!(open, *lives, "{pieces:?}");
        world.wait(100_000);
        world.wait(100_000);
        assert!(world.hub.is_empty() && world.hub.next_deadline().is_none(), "{pieces:?}");
    }
}

/// Pipelining costs in proportion to its bytes, and answers that the peer does not take are not piled up.
#[test]
fn a_pipelining_peer_that_reads_nothing_waits_for_itself() {
    let limits = Settings { outbox_bytes_max: 100_000, ..settings() };
    for manner in [Manner::AtOnce, Manner::Later] {
        let mut world = World::new(limits.clone(), manner, |fd, seen, out| {
            if let Seen::Request(..) = seen {
                answer(out, fd, &[b'a'; 1000], After::KeepAlive).expect("there is room for an answer");
            }
        });
        let connection = world.open();
        world.change(connection, |socket| socket.room = 0);
        let requests = 2000;
        world.feed(connection, get("/").repeat(requests).as_bytes());
        let seen = world.seen().len();
        assert!(seen < 100, "{seen}");
        let info = world.hub.info(connection.fd).expect("it is open");
        assert!(info.owed_bytes <= 52_000, "{}", info.owed_bytes);
        world.change(connection, |socket| socket.room = usize::MAX);
        assert_eq!(world.sent(connection).len(), requests * 1000);
        assert_eq!(world.seen().len(), requests - seen + 1);
    }
}

#[test]
fn a_slow_reader_keeps_its_connection() {
    let mut world = World::new(settings(), Manner::AtOnce, |fd, seen, out| {
        if let Seen::Request(..) = seen {
            answer(out, fd, &[b'a'; 50_000], After::KeepAlive).expect("there is room for an answer");
        }
    });
    let connection = world.open();
    world.change(connection, |socket| socket.room = 0);
    world.feed(connection, get("/").as_bytes());
    for _ in 0..5 {
        world.change(connection, |socket| socket.room = 9_000);
        world.wait(74_000);
    }
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection).len(), 50_000);
    world.wait(74_999);
    assert!(world.hub.info(connection.fd).is_some_and(|info| info.open));
    world.wait(1);
    assert!(world.hub.info(connection.fd).is_none());
}

#[test]
fn raw_connections() {
    let raw = Settings { protocol: Protocol::Raw, ..Settings::default() };
    let mut world = World::new(raw, Manner::AtOnce, echo);
    let connection = world.open();
    world.wait(1_000_000);
    world.feed(connection, b"abc");
    assert_eq!(world.sent(connection), b"abc");
    assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Send(b"more"))), Ok(()));
    assert_eq!(world.apply(|out| answer(out, connection.fd, b"", After::More)), Err(Refused::NotWaiting));
    world.end(connection);
    assert_eq!(world.sent(connection), b"more");
    assert_eq!(world.seen(), [Seen::Connected, Seen::Received(b"abc".to_vec()), closed(false, Status::Plain)]);
    assert!(world.hub.is_empty());
}
