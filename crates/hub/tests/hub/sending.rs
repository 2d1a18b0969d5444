//! What is sent: order, batches, limits, back pressure, large payloads, fragments, broken connections.

use crate::fake::{
    Connection, Manner, READ_BYTES, Seen, World, client_text, closed, echo, fd, from_client, from_server, push,
    server_text,
};
use wirewool_hub::command::{Command, Push, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::settings::Settings;
use wirewool_proto::block::Block;
use wirewool_proto::websocket::frame::Opcode::{self, Binary, Continuation, Ping, Text};
use wirewool_proto::websocket::message::Payload;
use wirewool_proto::websocket::sender::OutOfSequence;

fn world(settings: Settings) -> (World, Connection) {
    let mut world = World::new(settings, Manner::AtOnce, echo);
    let connection = world.open_websocket();
    (world, connection)
}

fn sends(world: &World, connection: Connection) -> usize {
    world.wire.socket(connection.place, |socket| socket.sends)
}

fn owed(world: &World, connection: Connection) -> usize {
    world.hub.info(connection.fd).expect("it is open").owed_bytes
}

#[test]
fn a_batch_goes_out_at_once() {
    let messages: Vec<String> = (0..100).map(|n| format!("message {n}")).collect();
    let bytes: Vec<u8> = messages.iter().flat_map(|message| client_text(message)).collect();
    let answers: Vec<u8> = messages.iter().flat_map(|message| server_text(message)).collect();
    for manner in [Manner::AtOnce, Manner::Later] {
        let mut world = World::new(Settings::default(), manner, echo);
        let connection = world.open_websocket();
        world.feed(connection, &bytes);
        assert_eq!(world.sent(connection), answers);
        assert_eq!(sends(&world, connection), 1);
    }
}

#[test]
fn a_batch_to_many_is_one_call_each() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, |to, seen, out| {
        if let Seen::Message(_, payload) = seen {
            (1..4).for_each(|to| push(out, fd(to), Text, true, payload).expect("room"));
        } else {
            echo(to, seen, out);
        }
    });
    let connections: Vec<Connection> = (0..3).map(|_| world.open_websocket()).collect();
    world.feed(connections[1], &[client_text("a"), client_text("b")].concat());
    for connection in connections {
        assert_eq!(world.sent(connection), [server_text("a"), server_text("b")].concat());
        assert_eq!(sends(&world, connection), 1);
    }
}

#[test]
fn a_batch_to_thousands_has_more_time() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, echo);
    let connections: Vec<Connection> = (0..3000).map(|_| world.open_websocket()).collect();
    // How many wait, and how long at most.
    for (count, ms) in [(200, 1), (400, 2), (3000, 10)] {
        for connection in &connections[..count] {
            push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Text, true, b"a").expect("room");
        }
        for (wait, wanted) in [(ms - 1, 0), (1, count)] {
            world.wire.0.borrow_mut().now += wait;
            world.hub.flush_if_late(&mut world.wire);
            let sent = connections.iter().filter(|connection| !world.sent(**connection).is_empty()).count();
            assert_eq!(sent, wanted, "{count} after {ms} ms");
        }
    }
}

#[test]
fn a_push_leaves_at_once_unless_more_is_to_come() {
    let (mut world, connection) = world(Settings::default());
    push(&mut world.hub.outlet(&mut world.wire, false), connection.fd, Text, true, b"a").expect("room");
    assert_eq!(world.sent(connection), server_text("a"));
    push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Text, true, b"b").expect("room");
    assert_eq!((world.sent(connection), owed(&world, connection)), (vec![], 3));
    world.hub.flush_if_late(&mut world.wire);
    assert_eq!(world.sent(connection), b"", "it is not late yet");
    world.wire.0.borrow_mut().now += 1;
    world.hub.flush_if_late(&mut world.wire);
    assert_eq!(world.sent(connection), server_text("b"));
    // What the last message of a batch brings leaves with the rest.
    push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Text, true, b"d").expect("room");
    let before = sends(&world, connection);
    push(&mut world.hub.outlet(&mut world.wire, false), connection.fd, Text, true, b"e").expect("room");
    assert_eq!(world.sent(connection), b"");
    world.hub.settle(&mut world.wire, &mut world.handler);
    assert_eq!(world.sent(connection), [server_text("d"), server_text("e")].concat());
    assert_eq!(sends(&world, connection), before + 1);
    // One batch that was late says nothing about the next.
    push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Text, true, b"c").expect("room");
    assert_eq!(owed(&world, connection), 3);
    world.hub.settle(&mut world.wire, &mut world.handler);
    assert_eq!((world.sent(connection), owed(&world, connection)), (server_text("c"), 0));
    // A batch that has grown large does not wait either.
    for _ in 0..20 {
        push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Binary, true, &[0; 4000]).expect("room");
    }
    assert_eq!(world.sent(connection).len(), 17 * 4004);
}

#[test]
fn a_large_payload_is_not_copied() {
    let (mut world, connection) = world(Settings::default());
    let mut block = Block::default();
    block.append(&[9; 100_000]);
    let whole = Push { opcode: Binary, fin: true, compress: false, payload: Payload::Whole(&mut block) };
    world.change(connection, |socket| socket.room = 30_000);
    assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Push(whole))), Ok(()));
    assert_eq!(block.capacity(), 0, "what the kernel did not take is kept where it was");
    assert_eq!(owed(&world, connection), 70_010);
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection), from_server(Binary, true, &[9; 100_000]));
    block.append(&[8; 100_000]);
    let whole = Push { opcode: Binary, fin: true, compress: false, payload: Payload::Whole(&mut block) };
    let before = sends(&world, connection);
    assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Push(whole))), Ok(()));
    assert_eq!((block.len(), sends(&world, connection)), (100_000, before + 1), "sent from where it is, in one call");
    assert_eq!(world.sent(connection), from_server(Binary, true, &[8; 100_000]));
}

#[test]
fn order_is_kept_whatever_the_kernel_takes() {
    let sizes = [0, 1, 125, 126, 7000, 8192, 70_000, 3, 40_000, 0, 65_536, 10];
    let frames: Vec<Vec<u8>> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
    let wanted: Vec<u8> = frames.iter().flat_map(|frame| from_server(Binary, true, frame)).collect();
    for per_call in [1, 2, 3, 10, 1000, 10_000, 100_000] {
        for room in [0, 1, 100, 10_000, usize::MAX] {
            let (mut world, connection) = world(Settings::default());
            world.change(connection, |socket| (socket.per_call, socket.room) = (per_call, room));
            for (at, frame) in frames.iter().enumerate() {
                let mut out = world.hub.outlet(&mut world.wire, at % 3 == 0);
                assert_eq!(push(&mut out, connection.fd, Binary, true, frame), Ok(()));
            }
            world.hub.settle(&mut world.wire, &mut world.handler);
            let sent = world.wire.socket(connection.place, |socket| socket.bytes.len());
            assert_eq!(owed(&world, connection) + sent, wanted.len());
            let told = world.wire.socket(connection.place, |socket| socket.stuck);
            assert_eq!(told, owed(&world, connection), "{per_call} a call, room for {room}");
            world.change(connection, |socket| (socket.per_call, socket.room) = (10_000, usize::MAX));
            assert!(world.sent(connection) == wanted, "{per_call} a call, room for {room}");
            let interest = world.wire.socket(connection.place, |socket| socket.interest);
            assert_eq!((interest.read, interest.write, owed(&world, connection)), (true, false, 0));
        }
    }
}

#[test]
fn a_full_outbox_refuses_and_loses_nothing() {
    let (mut world, connection) = world(Settings { outbox_bytes_max: 10_000, ..Settings::default() });
    world.change(connection, |socket| socket.room = 0);
    let mut wanted = Vec::new();
    for n in 0..200u8 {
        let frame = vec![n; 100];
        match world.apply(|out| push(out, connection.fd, Binary, true, &frame)) {
            Ok(()) => wanted.extend(from_server(Binary, true, &frame)),
            Err(refused) => assert_eq!(refused, Refused::OutboxFull { owed: 98 * 102, limit: 10_000 }),
        }
    }
    assert_eq!(wanted.len(), 98 * 102);
    // A ping is not answered then; a close frame always has room.
    world.feed(connection, &from_client(Ping, true, b"a ping that is too long for what is left"));
    world.apply(|out| crate::fake::disconnect(out, connection.fd)).expect("it is open");
    wanted.extend(crate::fake::server_close(1000));
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection), wanted);
}

#[test]
fn what_cannot_be_sent() {
    let settings = Settings { push_bytes_max: 1000, requests: true, ..Settings::default() };
    let mut world = World::new(settings, Manner::OnDemand, echo);
    let connection = world.open_websocket();
    let limit = 1000;
    let rows: [(Opcode, usize, Result<(), Refused>); 4] = [
        (Binary, 1000, Ok(())),
        (Binary, 1001, Err(Refused::TooLarge { len: 1001, limit })),
        (Ping, 125, Ok(())),
        (Ping, 126, Err(Refused::ControlTooLong(126))),
    ];
    for (opcode, len, wanted) in rows {
        assert_eq!(world.apply(|out| push(out, connection.fd, opcode, true, &vec![b'x'; len])), wanted);
    }
    let long = world.apply(|out| out.apply(connection.fd, Command::Send(&[0; 1001])));
    assert_eq!(long, Err(Refused::TooLarge { len: 1001, limit }));
    assert_eq!(world.apply(|out| push(out, fd(99), Text, true, b"")), Err(Refused::Unknown));
    let plain = world.open();
    assert_eq!(world.apply(|out| push(out, plain.fd, Text, true, b"")), Err(Refused::NotWebSocket));
    assert_eq!(world.apply(|out| crate::fake::disconnect(out, plain.fd)), Err(Refused::NotWebSocket));
    assert_eq!(world.apply(|out| out.apply(plain.fd, Command::Finish)), Err(Refused::Closing));
    assert_eq!(world.apply(|out| out.apply(plain.fd, Command::Forget)), Err(Refused::Unknown));
}

#[test]
fn fragments() {
    use OutOfSequence::{NotFinished, NothingToContinue};
    type Row = (Opcode, bool, &'static str, Result<(), Refused>);
    let rows: &[(&[Row], &str)] = &[
        (
            &[(Text, false, "a", Ok(())), (Continuation, false, "b", Ok(())), (Continuation, true, "c", Ok(()))],
            "a- b- c.",
        ),
        (&[(Continuation, true, "x", Err(Refused::OutOfSequence(NothingToContinue))), (Text, true, "a", Ok(()))], "a."),
        (&[(Text, false, "a", Ok(())), (Binary, false, "x", Err(Refused::OutOfSequence(NotFinished)))], "a-"),
        (
            &[
                (Text, false, "a", Ok(())),
                (Text, true, "h1", Ok(())),
                (Ping, false, "p", Ok(())),
                (Continuation, false, "b", Ok(())),
                (Binary, true, "h2", Ok(())),
                (Continuation, true, "c", Ok(())),
                (Text, true, "d", Ok(())),
            ],
            "a- p. b- c. h1. h2. d.",
        ),
        (&[(Text, false, "a", Ok(())), (Text, true, "h", Ok(()))], "a-"),
    ];
    for (frames, wanted) in rows {
        for room in [usize::MAX, 0, 2] {
            for more in [true, false] {
                let (mut world, connection) = world(Settings::default());
                world.change(connection, |socket| socket.room = room);
                for (opcode, fin, payload, result) in *frames {
                    let mut out = world.hub.outlet(&mut world.wire, more);
                    assert_eq!(push(&mut out, connection.fd, *opcode, *fin, payload.as_bytes()), *result);
                }
                world.hub.settle(&mut world.wire, &mut world.handler);
                world.change(connection, |socket| socket.room = usize::MAX);
                assert_eq!(describe(&world.sent(connection)), *wanted);
            }
        }
    }
}

/// Frames with short payloads: `-` stands for one that goes on.
fn describe(mut bytes: &[u8]) -> String {
    let mut words = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*len));
        words.push(format!("{}{}", String::from_utf8_lossy(payload), if first & 0x80 != 0 { "." } else { "-" }));
        bytes = rest;
    }
    words.join(" ")
}

#[test]
fn held_messages_count_as_owed_and_end_with_the_connection() {
    for end in [Command::Close { reset: false }, Command::Close { reset: true }] {
        let (mut world, connection) = world(Settings { outbox_bytes_max: 1000, ..Settings::default() });
        let _ = world.apply(|out| push(out, connection.fd, Text, false, b"a"));
        assert_eq!(world.apply(|out| push(out, connection.fd, Binary, true, &[0; 500])), Ok(()));
        assert_eq!(owed(&world, connection), 504);
        let full = world.apply(|out| push(out, connection.fd, Binary, true, &[0; 500]));
        assert_eq!(full, Err(Refused::OutboxFull { owed: 504, limit: 1000 }));
        world.handler.manner = Manner::OnDemand;
        world.apply(|out| out.apply(connection.fd, end)).expect("it is open");
        assert_eq!(owed(&world, connection), 0, "a message that can never go out is not owed");
        assert_eq!(world.sent(connection), from_server(Text, false, b"a"));
    }
}

#[test]
fn back_pressure() {
    let limit = 100_000;
    let (mut world, connection) = world(Settings { outbox_bytes_max: limit, ..Settings::default() });
    world.change(connection, |socket| socket.room = 0);
    let message = from_client(Binary, true, &[b'm'; 1000]);
    world.feed(connection, &message.repeat(200));
    let (reads, left) = world.wire.socket(connection.place, |socket| (socket.interest.read, socket.input.len()));
    assert!(!reads && left > 0, "a peer that does not read is not read from");
    assert!(owed(&world, connection) >= limit / 2 && owed(&world, connection) <= limit / 2 + READ_BYTES);
    world.change(connection, |socket| socket.room = 10_000);
    let reads = world.wire.socket(connection.place, |socket| socket.interest.read);
    assert!(!reads, "not before all is drained");
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection).len(), 200 * 1004);
    assert_eq!(world.seen().len(), 200);
    assert!(world.wire.socket(connection.place, |socket| socket.interest.read));
}

#[test]
fn a_connection_that_breaks_while_it_is_sent_to() {
    for len in [1, 10_000] {
        for more in [false, true] {
            let (mut world, connection) = world(Settings::default());
            let other = world.open_websocket();
            world.wire.socket(connection.place, |socket| socket.broken = true);
            let mut out = world.hub.outlet(&mut world.wire, more);
            assert_eq!(push(&mut out, connection.fd, Binary, true, &vec![0; len]), Ok(()));
            assert_eq!(push(&mut out, other.fd, Text, true, b"a"), Ok(()));
            world.hub.settle(&mut world.wire, &mut world.handler);
            assert_eq!(world.seen(), [closed(false, Status::Active)]);
            assert!(world.is_closed(connection));
            assert_eq!(world.sent(other), server_text("a"));
            assert_eq!(world.apply(|out| push(out, connection.fd, Text, true, b"")), Err(Refused::Unknown));
            assert_eq!(world.hub.connections(), 1);
        }
    }
}

#[test]
fn a_connection_that_breaks_within_a_handler_gets_no_more_messages() {
    let (mut world, connection) = world(Settings::default());
    world.wire.socket(connection.place, |socket| socket.room = 0);
    world.feed(connection, &client_text("blocked"));
    world.wire.socket(connection.place, |socket| socket.broken = true);
    world.run();
    assert_eq!(world.seen().last(), Some(&closed(false, Status::Active)));
    assert!(world.hub.is_empty());
}
