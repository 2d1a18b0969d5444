//! Frames: messages go to the handler in order, pings are answered, and whoever breaks the protocol is told why.

use crate::fake::{
    Connection, Manner, Seen, World, client_text, closed, echo, from_client, from_server, push, server_close,
    server_text, text,
};
use wirewool_hub::event::Status;
use wirewool_hub::settings::Settings;
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Kind;

const ALL: [Manner; 3] = [Manner::AtOnce, Manner::Later, Manner::OnDemand];

fn world(settings: Settings, manner: Manner) -> (World, Connection) {
    let mut world = World::new(settings, manner, echo);
    let connection = world.open_websocket();
    (world, connection)
}

#[test]
fn messages_however_they_are_cut() {
    let long = vec![7; 5000];
    let bytes = [
        client_text("a"),
        from_client(Opcode::Binary, true, &long),
        from_client(Opcode::Text, false, b"b"),
        from_client(Opcode::Ping, true, b"p"),
        from_client(Opcode::Continuation, true, b"c"),
        from_client(Opcode::Text, true, b""),
    ]
    .concat();
    let answers = [
        server_text("a"),
        from_server(Opcode::Binary, true, &long),
        from_server(Opcode::Pong, true, b"p"),
        server_text("bc"),
        server_text(""),
    ]
    .concat();
    for manner in [Manner::AtOnce, Manner::Later] {
        for piece in [1, 3, 1000, 2000, bytes.len()] {
            let (mut world, connection) = world(Settings::default(), manner);
            bytes.chunks(piece).for_each(|piece| world.feed(connection, piece));
            assert_eq!(world.seen(), [text("a"), Seen::Message(Kind::Binary, long.clone()), text("bc"), text("")]);
            let sent = world.sent(connection);
            // A pong does not wait for a handler that works later.
            assert!(sent == answers || manner == Manner::Later && sent.len() == answers.len(), "{piece} bytes a piece");
        }
    }
}

#[test]
fn pings_and_pongs() {
    let bytes = [from_client(Opcode::Ping, true, b"123"), from_client(Opcode::Pong, true, b"x")].concat();
    let (mut world_, connection) = world(Settings::default(), Manner::AtOnce);
    world_.feed(connection, &bytes);
    assert_eq!(world_.sent(connection), from_server(Opcode::Pong, true, b"123"));
    assert_eq!(world_.seen(), []);
    let events = Settings { ping_events: true, pong_events: true, ..Settings::default() };
    let (mut world_, connection) = world(events, Manner::AtOnce);
    world_.feed(connection, &bytes);
    assert_eq!(world_.sent(connection), b"", "the handler owes the pong");
    assert_eq!(world_.seen(), [Seen::Ping(b"123".to_vec()), Seen::Pong(b"x".to_vec())]);
}

#[test]
fn a_close_frame_is_echoed_behind_the_answers() {
    let payloads: [&[u8]; 4] = [b"", b"\x03\xe8", b"\x0f\xa1bye", &[b"\x03\xe9".as_slice(), &[b'r'; 123]].concat()];
    for payload in payloads {
        for manner in ALL {
            let (mut world, connection) = world(Settings::default(), manner);
            let close = from_client(Opcode::Close, true, payload);
            world.feed(connection, &[client_text("a"), client_text("b"), close, client_text("behind")].concat());
            world.work();
            let wanted = [server_text("a"), server_text("b"), from_server(Opcode::Close, true, payload)].concat();
            assert_eq!(world.sent(connection), wanted, "{manner:?}");
            let end = closed(false, Status::Active);
            assert_eq!(world.seen(), [text("a"), text("b"), Seen::CloseFrame(payload.to_vec()), end]);
            assert!(world.wire.socket(connection.place, |socket| socket.shut_down && !socket.closed));
            world.end(connection);
            assert!(world.is_closed(connection) && world.hub.is_empty());
        }
    }
}

#[test]
fn violations() {
    let unmasked = from_server(Opcode::Text, true, b"x");
    let rows: [(&[u8], u16); 12] = [
        (&unmasked, 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x89\xfe\0\x7e", 1002),
        (&from_client(Opcode::Continuation, true, b"x"), 1002),
        (&[from_client(Opcode::Text, false, b"x"), client_text("y")].concat(), 1002),
        (&from_client(Opcode::Close, true, b"\x03"), 1002),
        (&from_client(Opcode::Close, true, b"\x03\xed"), 1002),
        (&from_client(Opcode::Close, true, b"\x03\xe8\xff"), 1007),
        (&from_client(Opcode::Text, false, b"\xc3\x28"), 1007),
        (&from_client(Opcode::Binary, true, &[0; 1001]), 1009),
    ];
    for (bytes, code) in rows {
        for manner in ALL {
            for piece in [1, usize::MAX] {
                let settings = Settings { message_bytes_max: 1000, ..Settings::default() };
                let (mut world, connection) = world(settings, manner);
                let bytes = [&*client_text("good"), bytes, &client_text("behind")].concat();
                bytes.chunks(piece.min(bytes.len())).for_each(|piece| world.feed(connection, piece));
                world.work();
                let wanted = [server_text("good"), server_close(code)].concat();
                assert_eq!(world.sent(connection), wanted, "{manner:?}: {bytes:x?}");
                assert_eq!(world.seen(), [text("good"), Seen::Violation(code), closed(false, Status::Active)]);
                world.wait(2_000);
                assert!(world.is_closed(connection) && world.hub.is_empty());
            }
        }
    }
}

/// While the handler is not done with the ending, the peer is not read from, and answers still go out.
#[test]
fn an_ending_waits_for_its_handler() {
    let (mut world, connection) = world(Settings::default(), Manner::OnDemand);
    world.feed(connection, &[client_text("a"), from_client(Opcode::Close, true, b"")].concat());
    world.feed(connection, &client_text("behind"));
    assert!(!world.wire.socket(connection.place, |socket| socket.interest.read));
    let large = [b'l'; 10_000];
    assert_eq!(world.apply(|out| push(out, connection.fd, Opcode::Binary, true, &large)), Ok(()));
    assert!(!world.wire.socket(connection.place, |socket| socket.interest.read));
    world.work();
    let wanted = [from_server(Opcode::Binary, true, &large), server_text("a"), from_server(Opcode::Close, true, b"")];
    assert_eq!(world.sent(connection), wanted.concat());
    world.run();
    assert!(world.wire.socket(connection.place, |socket| socket.input.is_empty()), "it is read from again");
}

#[test]
fn a_message_that_is_under_way_ends_with_its_connection() {
    let (mut world, connection) = world(Settings::default(), Manner::AtOnce);
    world.feed(connection, &from_client(Opcode::Binary, true, &[0; 100_000])[..70_000]);
    assert_eq!(world.seen(), []);
    world.end(connection);
    assert_eq!(world.seen(), [closed(false, Status::Active)]);
    assert!(world.hub.is_empty());
}
