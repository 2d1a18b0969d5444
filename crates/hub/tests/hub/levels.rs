//! What a connection does not take: what the wire is told of it, and the two marks that the handler hears of.

use crate::fake::{Connection, Manner, Seen, World, answer, closed, echo, push};
use wirewool_hub::command::{After, Command};
use wirewool_hub::event::Status;
use wirewool_hub::settings::Settings;
use wirewool_proto::websocket::frame::Opcode::{Binary, Continuation, Text};

fn marks(high: Option<usize>, low: usize) -> Settings {
    Settings {
        buffer_events: true,
        buffer_high_watermark_bytes: high,
        buffer_low_watermark_bytes: low,
        outbox_bytes_max: 10_000,
        ..Settings::default()
    }
}

fn world(settings: Settings) -> (World, Connection) {
    let mut world = World::new(settings, Manner::AtOnce, echo);
    let connection = world.open_websocket();
    world.change(connection, |socket| socket.room = 0);
    (world, connection)
}

/// Pushes a frame of `len` bytes, from 130 on; what was heard then.
fn push_frame(world: &mut World, connection: Connection, len: usize) -> Vec<Seen> {
    world.apply(|out| push(out, connection.fd, Binary, true, &vec![0; len - 4])).expect("room");
    world.seen()
}

/// The peer takes so many bytes; what was heard then.
fn take(world: &mut World, connection: Connection, bytes: usize) -> Vec<Seen> {
    world.change(connection, |socket| socket.room = bytes);
    world.seen()
}

fn stuck(world: &World, connection: Connection) -> usize {
    world.wire.socket(connection.place, |socket| socket.stuck)
}

#[test]
fn full_and_empty_alternate() {
    let (mut world, connection) = world(marks(Some(1000), 100));
    assert_eq!(push_frame(&mut world, connection, 1000), [], "not more than the mark");
    assert_eq!(push_frame(&mut world, connection, 150), [Seen::BufferFull]);
    assert_eq!(push_frame(&mut world, connection, 2000), [], "once");
    assert_eq!(take(&mut world, connection, 3000), [], "below the one mark, above the other");
    assert_eq!(push_frame(&mut world, connection, 2000), []);
    assert_eq!(take(&mut world, connection, 2049), [], "101 are left");
    assert_eq!(take(&mut world, connection, 1), [Seen::BufferEmpty]);
    assert_eq!(take(&mut world, connection, 100), []);
    assert_eq!(push_frame(&mut world, connection, 1001), [Seen::BufferFull]);
    assert_eq!(take(&mut world, connection, usize::MAX), [Seen::BufferEmpty]);
}

#[test]
fn where_the_marks_are() {
    // The high mark and the low one, and what they come to.
    let rows = [
        (None, 0, 8000, 0),
        (Some(0), 0, 0, 0),
        (Some(500), 500, 500, 500),
        (Some(500), 600, 500, 500),
        (Some(9999), 5, 9999, 5),
    ];
    for (high, low, wanted_high, wanted_low) in rows {
        let (mut world, connection) = world(marks(high, low));
        if wanted_high > 0 {
            assert_eq!(push_frame(&mut world, connection, wanted_high.min(5000)), []);
        }
        if wanted_high > 5000 {
            assert_eq!(push_frame(&mut world, connection, wanted_high - 5000), []);
        }
        world.apply(|out| out.apply(connection.fd, Command::Send(b"x"))).expect("room");
        assert_eq!(world.seen(), [Seen::BufferFull], "{high:?} {low}");
        let more = wanted_high + 1 - wanted_low;
        if more > 1 {
            assert_eq!(take(&mut world, connection, more - 1), [], "{high:?} {low}");
        }
        assert_eq!(take(&mut world, connection, 1), [Seen::BufferEmpty], "{high:?} {low}");
    }
}

#[test]
fn nobody_asked() {
    let (mut world, connection) = world(Settings { buffer_events: false, ..marks(Some(1000), 100) });
    assert_eq!(push_frame(&mut world, connection, 5000), []);
    assert_eq!(take(&mut world, connection, usize::MAX), []);
}

#[test]
fn what_the_kernel_takes_is_not_stuck() {
    for len in [5000, 9000] {
        let (mut world, connection) = world(marks(Some(1000), 100));
        world.change(connection, |socket| socket.room = usize::MAX);
        push(&mut world.hub.outlet(&mut world.wire, true), connection.fd, Binary, true, &vec![0; len]).expect("room");
        world.hub.settle(&mut world.wire, &mut world.handler);
        assert_eq!((world.seen(), stuck(&world, connection)), (vec![], 0));
        assert_eq!(world.sent(connection).len(), len + 4);
    }
}

#[test]
fn one_batch_that_is_taken_late_is_nothing() {
    let (mut world, connection) = world(marks(Some(1000), 100));
    push(&mut world.hub.outlet(&mut world.wire, false), connection.fd, Binary, true, &[0; 5000]).expect("room");
    assert_eq!(stuck(&world, connection), 5004);
    world.wire.socket(connection.place, |socket| socket.room = usize::MAX);
    world.hub.writable(connection.place, &mut world.wire, &mut world.handler);
    assert_eq!((world.seen(), stuck(&world, connection)), (vec![], 0));
}

#[test]
fn what_is_held_aside_counts() {
    let (mut world, connection) = world(marks(Some(1000), 100));
    world.change(connection, |socket| socket.room = usize::MAX);
    world.apply(|out| push(out, connection.fd, Text, false, b"a")).expect("room");
    assert_eq!(push_frame(&mut world, connection, 1500), [Seen::BufferFull]);
    assert_eq!(stuck(&world, connection), 1500);
    for more in [true, false] {
        let mut out = world.hub.outlet(&mut world.wire, more);
        push(&mut out, connection.fd, Continuation, !more, b"b").expect("room");
    }
    world.hub.settle(&mut world.wire, &mut world.handler);
    assert_eq!((world.seen(), stuck(&world, connection)), (vec![Seen::BufferEmpty], 0));
    // With a backlog before it.
    world.change(connection, |socket| socket.room = 0);
    world.apply(|out| push(out, connection.fd, Text, false, b"a")).expect("room");
    assert_eq!(push_frame(&mut world, connection, 900), []);
    assert_eq!(push_frame(&mut world, connection, 900), [Seen::BufferFull]);
    world.apply(|out| push(out, connection.fd, Continuation, true, b"b")).expect("room");
    assert_eq!((world.seen(), stuck(&world, connection)), (vec![], 1806));
    assert_eq!(take(&mut world, connection, usize::MAX), [Seen::BufferEmpty]);
    assert_eq!(stuck(&world, connection), 0);
}

#[test]
fn a_connection_that_ends_crosses_nothing() {
    for full in [false, true] {
        for reset in [false, true] {
            let (mut world, connection) = world(marks(Some(1000), 100));
            if full {
                assert_eq!(push_frame(&mut world, connection, 1500), [Seen::BufferFull]);
            }
            let mut out = world.hub.outlet(&mut world.wire, false);
            push(&mut out, connection.fd, Text, false, &[b'a'; 2000]).expect("room");
            push(&mut out, connection.fd, Text, true, b"held").expect("room");
            world.apply(|out| out.apply(connection.fd, Command::Close { reset })).expect("it is open");
            assert_eq!(world.seen(), [closed(true, Status::Active)]);
            world.change(connection, |socket| socket.room = usize::MAX);
            assert_eq!((world.seen(), stuck(&world, connection)), (vec![], 0));
        }
    }
}

#[test]
fn an_answer_counts() {
    let settings = Settings { requests: true, ..marks(Some(1000), 100) };
    let mut world = World::new(settings, Manner::AtOnce, |fd, seen, out| {
        if let Seen::Request(..) = seen {
            answer(out, fd, &[b'x'; 5000], After::KeepAlive).expect("owed");
        }
    });
    let connection = world.open();
    world.change(connection, |socket| socket.room = 10);
    world.seen();
    world.feed(connection, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(world.seen(), [Seen::Request("/".into(), vec![]), Seen::BufferFull]);
    assert_eq!(take(&mut world, connection, usize::MAX), [Seen::BufferEmpty]);
}

#[test]
fn a_handler_that_fills_up_when_it_hears_of_room() {
    let mut world = World::new(marks(Some(1000), 100), Manner::AtOnce, |to, seen, out| match seen {
        Seen::BufferEmpty => push(out, to, Binary, true, &[0; 3000]).expect("room"),
        seen => echo(to, seen, out),
    });
    let connection = world.open_websocket();
    world.change(connection, |socket| socket.room = 0);
    assert_eq!(push_frame(&mut world, connection, 2000), [Seen::BufferFull]);
    assert_eq!(take(&mut world, connection, 2000), [Seen::BufferEmpty, Seen::BufferFull]);
    assert_eq!(stuck(&world, connection), 3004);
}

#[test]
fn a_connection_that_is_gone_owes_nothing() {
    let mut world = World::new(marks(Some(1000), 100), Manner::OnDemand, echo);
    let connection = world.open_websocket();
    world.change(connection, |socket| socket.room = 0);
    assert_eq!(push_frame(&mut world, connection, 5000), [Seen::BufferFull]);
    world.apply(|out| out.apply(connection.fd, Command::Close { reset: true })).expect("it is open");
    // Its handler has not forgotten it, and the poller has not either.
    world.hub.writable(connection.place, &mut world.wire, &mut world.handler);
    assert_eq!((world.seen(), stuck(&world, connection)), (vec![closed(true, Status::Active)], 0));
}

#[test]
fn what_was_held_aside_is_not_owed_when_it_ends() {
    let (mut world, connection) = world(marks(Some(1000), 100));
    world.change(connection, |socket| socket.room = usize::MAX);
    world.apply(|out| push(out, connection.fd, Text, false, b"a")).expect("room");
    assert_eq!(push_frame(&mut world, connection, 500), []);
    assert_eq!(stuck(&world, connection), 500);
    world.apply(|out| out.apply(connection.fd, Command::Close { reset: false })).expect("it is open");
    assert_eq!((world.seen(), stuck(&world, connection)), (vec![closed(true, Status::Active)], 0));
}
