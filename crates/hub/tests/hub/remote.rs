//! Handlers in another process: commands that were promised room, handlers that are behind, and handlers that die.

use crate::fake::{
    Connection, Manner, Seen, UPGRADE, World, answer, client_text, closed, disconnect, echo, fd, from_client,
    from_server, push, server_close, server_text, text,
};
use wirewool_hub::command::{After, Command, Outlet, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::hub::Target;
use wirewool_hub::settings::Settings;
use wirewool_proto::websocket::extension::Agreement;
use wirewool_proto::websocket::frame::Opcode::{self, Binary, Close, Continuation, Ping, Text};
use wirewool_proto::websocket::message::Payload;
use wirewool_proto::websocket::sender::OutOfSequence;

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

fn promised(world: &mut World, connection: Connection, command: Command<'_>) -> Result<(), Refused> {
    let result = world.hub.outlet_for_promised(&mut world.wire, false).apply(connection.fd, command);
    world.hub.settle(&mut world.wire, &mut world.handler);
    result
}

fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Command<'_> {
    Command::Push(Push { opcode, fin, compress: true, payload: Payload::Borrowed(payload) })
}

fn stall(world: &mut World, connection: Connection, stalled: bool) {
    world.hub.stall(connection.place, stalled, &mut world.wire);
    world.hub.settle(&mut world.wire, &mut world.handler);
    world.run();
}

fn abandon(world: &mut World, connection: Connection) {
    world.hub.abandon(connection.fd, &mut world.wire);
    world.hub.settle(&mut world.wire, &mut world.handler);
    world.run();
}

fn unread(world: &World, connection: Connection) -> (usize, bool) {
    world.wire.socket(connection.place, |socket| (socket.input.len(), socket.interest.read))
}

// ---- promised room ----

#[test]
fn what_was_promised_is_taken() {
    let limit = 1000;
    let settings = Settings { outbox_bytes_max: limit, push_bytes_max: 5000, requests: true, ..Settings::default() };
    let takeover = Agreement::from_bytes([3, 15, 15]).expect("legal");
    for agreement in [None, Some(takeover)] {
        let mut world = World::new(settings.clone(), Manner::OnDemand, move |fd, seen, out| match seen {
            Seen::Upgrade(_) => answer(out, fd, b"HTTP/1.1 101\r\n\r\n", After::Upgrade(agreement)).expect("owed"),
            seen => echo(fd, seen, out),
        });
        let connection = world.open_websocket();
        world.change(connection, |socket| socket.room = 0);
        let noise: Vec<u8> = (0..900u32).map(|n| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(promised(&mut world, connection, frame(Binary, true, &noise)), Ok(()));
        let owed = world.hub.info(connection.fd).expect("open").owed_bytes;
        let full = Err(Refused::OutboxFull { owed, limit });
        assert_eq!(world.apply(|out| out.apply(connection.fd, frame(Binary, true, &noise))), full);
        assert_eq!(promised(&mut world, connection, frame(Binary, true, &noise)), Ok(()));
        assert_eq!(promised(&mut world, connection, Command::Send(&noise)), Ok(()));
        let owed = world.hub.info(connection.fd).expect("open").owed_bytes;
        assert!(owed > limit);
        let full = Err(Refused::OutboxFull { owed, limit });
        assert_eq!(world.apply(|out| push(out, connection.fd, Ping, true, b"")), full, "the limit holds again");
        world.change(connection, |socket| socket.room = usize::MAX);
        assert_eq!(world.sent(connection).len(), owed);
        if agreement.is_none() {
            assert_eq!(owed, 2 * from_server(Binary, true, &noise).len() + noise.len());
        }
    }
}

#[test]
fn a_promised_answer_is_taken() {
    let settings = Settings { outbox_bytes_max: 1000, requests: true, ..Settings::default() };
    let mut world = World::new(settings, Manner::OnDemand, echo);
    let connection = world.open();
    world.feed(connection, GET);
    let pieces = [(&[b'x'; 2000][..], After::More), (&[b'y'; 2000][..], After::KeepAlive)];
    world.change(connection, |socket| socket.room = 0);
    for (bytes, after) in pieces {
        let refused = world.apply(|out| answer(out, connection.fd, bytes, after));
        assert!(matches!(refused, Err(Refused::OutboxFull { .. })));
        assert_eq!(promised(&mut world, connection, Command::Answer { bytes, after }), Ok(()));
    }
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection), [pieces[0].0, pieces[1].0].concat());
}

#[test]
fn a_promise_is_of_room_only() {
    let settings = Settings { outbox_bytes_max: 100, push_bytes_max: 1000, requests: true, ..Settings::default() };
    let mut world = World::new(settings, Manner::OnDemand, echo);
    let (connection, plain) = (world.open_websocket(), world.open());
    let late = Command::Answer { bytes: b"", after: After::KeepAlive };
    let rows = [
        (connection, frame(Binary, true, &[0; 1001]), Err(Refused::TooLarge { len: 1001, limit: 1000 })),
        (connection, Command::Send(&[0; 1001]), Err(Refused::TooLarge { len: 1001, limit: 1000 })),
        (connection, frame(Ping, true, &[0; 126]), Err(Refused::ControlTooLong(126))),
        (connection, frame(Continuation, true, b""), Err(OutOfSequence::NothingToContinue.into())),
        (connection, late, Err(Refused::NotWaiting)),
        (connection, Command::Finish, Err(Refused::Closing)),
        (connection, Command::Forget, Err(Refused::Unknown)),
        (plain, frame(Text, true, b""), Err(Refused::NotWebSocket)),
        (plain, Command::Close { reset: false }, Ok(())),
        (plain, Command::Send(b"x"), Err(Refused::Closing)),
        (Connection { fd: fd(99), ..plain }, Command::Send(b"x"), Err(Refused::Unknown)),
    ];
    for (to, command, wanted) in rows {
        let text = format!("{command:?}");
        assert_eq!(promised(&mut world, to, command), wanted, "{text}");
    }
}

// ---- behind ----

#[test]
fn a_stalled_connection_is_not_read() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let (connection, other) = (world.open_websocket(), world.open_websocket());
    stall(&mut world, connection, true);
    stall(&mut world, connection, true);
    world.feed(connection, &client_text("a"));
    world.feed(other, &client_text("b"));
    assert_eq!(world.seen(), [text("b")]);
    assert_eq!(unread(&world, connection), (client_text("a").len(), false));
    assert!(matches!(world.hub.target(connection.place, 1000, &mut world.wire), Target::Nowhere));
    // It is sent to as ever.
    world.apply(|out| push(out, connection.fd, Text, true, b"c")).expect("room");
    assert_eq!(world.sent(connection), server_text("c"));
    stall(&mut world, connection, false);
    assert_eq!((world.seen(), unread(&world, connection)), (vec![text("a")], (0, true)));
    assert_eq!(world.wire.socket(connection.place, |socket| socket.interest_changes), 2);
}

#[test]
fn a_stalled_connection_reads_no_message_on() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let connection = world.open_websocket();
    let message = from_client(Binary, true, &[7; 200_000]);
    world.feed(connection, &message[..100_000]);
    stall(&mut world, connection, true);
    world.feed(connection, &message[100_000..]);
    assert_eq!((world.seen(), unread(&world, connection)), (vec![], (message.len() - 100_000, false)));
    stall(&mut world, connection, false);
    assert_eq!(world.seen().len(), 1);
}

#[test]
fn what_came_behind_a_request_waits_for_the_handler() {
    for upgrade in [false, true] {
        for congested in [false, true] {
            let settings = Settings { requests: true, outbox_bytes_max: 10_000, ..Settings::default() };
            let mut world = World::new(settings, Manner::OnDemand, echo);
            let connection = world.open();
            world.seen();
            let (input, behind) = match upgrade {
                false => (GET.repeat(2), Seen::Request("/x".into(), vec![])),
                true => ([UPGRADE, &client_text("a")].concat(), text("a")),
            };
            world.feed(connection, &input);
            assert_eq!(world.seen().len(), 1);
            stall(&mut world, connection, true);
            world.change(connection, |socket| socket.room = if congested { 0 } else { usize::MAX });
            let after = if upgrade { After::Upgrade(None) } else { After::KeepAlive };
            world.apply(|out| answer(out, connection.fd, &[b'x'; 6000], after)).expect("owed");
            world.run();
            assert_eq!(world.seen(), []);
            if congested {
                stall(&mut world, connection, false);
                assert_eq!(world.seen(), [], "nor before its peer takes the answer");
                stall(&mut world, connection, true);
                world.change(connection, |socket| socket.room = usize::MAX);
                assert_eq!(world.seen(), []);
            }
            stall(&mut world, connection, false);
            assert_eq!(world.seen(), [behind]);
        }
    }
}

#[test]
fn a_stalled_connection_whose_peer_is_gone() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let connections: Vec<Connection> = (0..3).map(|_| world.open_websocket()).collect();
    for connection in &connections {
        stall(&mut world, *connection, true);
        world.feed(*connection, &client_text("a"));
    }
    // One that failed says so; one that has ended may still take something, but not for ever.
    world.change(connections[0], |socket| socket.broken = true);
    assert_eq!(world.seen(), [closed(false, Status::Active)]);
    world.end(connections[1]);
    world.end(connections[2]);
    world.wait(74_999);
    assert_eq!(world.seen(), []);
    stall(&mut world, connections[1], false);
    assert_eq!(world.seen(), [text("a"), closed(false, Status::Active)]);
    world.wait(1);
    assert_eq!(world.seen(), [closed(true, Status::Active)]);
    assert!(world.hub.is_empty());
}

#[test]
fn a_stalled_connection_ends_as_others_do() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let connection = world.open_websocket();
    stall(&mut world, connection, true);
    world.feed(connection, &client_text("a"));
    world.apply(|out| disconnect(out, connection.fd)).expect("open");
    world.run();
    assert_eq!(world.seen(), [closed(true, Status::Closing)]);
    assert_eq!((world.sent(connection), unread(&world, connection)), (server_close(1000), (0, true)));
    stall(&mut world, connection, false);
    stall(&mut world, connection, true);
    world.end(connection);
    assert!(world.hub.is_empty());
    // Its row serves another one now, which its place does not reach.
    let next = world.open_websocket();
    assert_eq!(next.place.row, connection.place.row);
    stall(&mut world, connection, true);
    world.feed(next, &client_text("b"));
    assert_eq!(world.seen(), [text("b")]);
}

// ---- dead ----

#[test]
fn a_request_of_a_dead_handler() {
    // What was answered of it, and what goes out then.
    let rows: [(Option<&[u8]>, &str); 2] = [(None, "HTTP/1.1 500 "), (Some(b"a piece"), "a piece")];
    for upgrade in [false, true] {
        for (piece, wanted) in rows {
            let settings = Settings { requests: true, ..Settings::default() };
            let mut world = World::new(settings, Manner::OnDemand, |_, _, _| {});
            let connection = world.open();
            world.feed(connection, if upgrade { UPGRADE } else { GET });
            if let Some(bytes) = piece {
                world.apply(|out| answer(out, connection.fd, bytes, After::More)).expect("owed");
            }
            world.seen();
            abandon(&mut world, connection);
            let status = if upgrade { Status::Upgrading } else { Status::Plain };
            assert_eq!(world.seen(), [closed(true, status)], "its successor hears of the end");
            let sent = String::from_utf8(world.sent(connection)).expect("text");
            assert!(sent.starts_with(wanted) && sent.contains("Connection: close") == piece.is_none(), "{sent}");
            world.end(connection);
            abandon(&mut world, connection);
            assert!(world.hub.is_empty() && world.hub.connections() == 0);
            assert_eq!(*world.wire.0.borrow().released, [1]);
        }
    }
}

#[test]
fn the_end_of_a_dead_handler() {
    let mut world = World::new(Settings::default(), Manner::OnDemand, echo);
    let connection = world.open_websocket();
    world.feed(connection, &from_client(Close, true, b"\x03\xe8"));
    assert_eq!((world.seen(), world.sent(connection)), (vec![Seen::CloseFrame(b"\x03\xe8".to_vec())], vec![]));
    abandon(&mut world, connection);
    assert_eq!((world.seen(), world.sent(connection)), (vec![closed(false, Status::Active)], server_close(1000)));
    world.end(connection);
    assert_eq!((world.is_closed(connection), world.hub.connections()), (true, 1), "nobody has forgotten it");
    abandon(&mut world, connection);
    assert_eq!((world.seen(), world.hub.connections()), (vec![], 0));
    abandon(&mut world, connection);
}

#[test]
fn what_a_dead_handler_owed_nothing() {
    let mut world = World::new(Settings { requests: true, ..Settings::default() }, Manner::OnDemand, echo);
    let websocket = world.open_websocket();
    abandon(&mut world, websocket);
    world.feed(websocket, &client_text("a"));
    let plain = world.open();
    abandon(&mut world, plain);
    world.feed(plain, GET);
    world.work();
    abandon(&mut world, plain);
    world.feed(plain, GET);
    let request = || Seen::Request("/x".into(), vec![]);
    assert_eq!(world.seen(), [text("a"), Seen::Connected, request(), request()]);
    assert_eq!((world.sent(websocket), world.sent(plain)), (server_text("a"), b"/x\n".to_vec()));
}
