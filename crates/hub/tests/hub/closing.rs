//! How connections end: once, in order, with all that was owed, and never without an end.

use crate::fake::{
    Connection, FakeWire, Manner, Seen, UPGRADE, World, answer, client_text, closed, disconnect, echo, from_client,
    from_server, push, server_close, server_text, text,
};
use std::cell::RefCell;
use std::rc::Rc;
use wirewool_hub::command::{After, Command, Refused};
use wirewool_hub::event::Status;
use wirewool_hub::hub::Target;
use wirewool_hub::settings::{DISCARD_BYTES_MAX, Settings};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::frame::Opcode;

const BOTH: [Manner; 2] = [Manner::AtOnce, Manner::Later];

fn world(manner: Manner) -> (World, Connection) {
    let mut world = World::new(Settings::default(), manner, echo);
    let connection = world.open_websocket();
    (world, connection)
}

/// How the peer of a connection that the server closes ends it, at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Ends,
    Breaks,
    Floods,
    Stays,
}

#[test]
fn flush_then_wait_for_the_peer() {
    for manner in BOTH {
        for blocked in [false, true] {
            for peer in [Peer::Ends, Peer::Breaks, Peer::Floods, Peer::Stays] {
                let (mut world, connection) = world(manner);
                world.change(connection, |socket| socket.room = if blocked { 5 } else { usize::MAX });
                let large = vec![b'x'; 20_000];
                world.apply(|out| push(out, connection.fd, Opcode::Binary, true, &large)).expect("room");
                world.apply(|out| disconnect(out, connection.fd)).expect("it is open");
                assert_eq!(world.seen(), [closed(true, Status::Closing)], "at once, not when the peer is done");
                assert!(world.hub.info(connection.fd).is_none());
                assert_eq!(world.wire.0.borrow().released, [1]);
                assert_eq!(world.apply(|out| disconnect(out, connection.fd)), Err(Refused::Unknown));
                if blocked {
                    assert!(!world.wire.socket(connection.place, |socket| socket.shut_down));
                    world.feed(connection, &client_text("thrown away"));
                    world.change(connection, |socket| socket.room = usize::MAX);
                }
                let wanted = [from_server(Opcode::Binary, true, &large), server_close(1000)].concat();
                assert!(world.sent(connection) == wanted);
                assert!(world.wire.socket(connection.place, |socket| socket.shut_down && !socket.closed));
                assert!(!world.hub.is_empty());
                match peer {
                    Peer::Ends => world.end(connection),
                    Peer::Breaks => world.change(connection, |socket| socket.broken = true),
                    Peer::Floods => {
                        world.feed(connection, &vec![0; 2 * DISCARD_BYTES_MAX]);
                        let unread = world.wire.socket(connection.place, |socket| socket.input.len());
                        assert!(unread > DISCARD_BYTES_MAX / 2, "it is not read for ever");
                        assert!(!world.is_closed(connection), "closing would drop what is under way");
                        world.wait(2_000);
                    }
                    Peer::Stays => {
                        world.wait(1_999);
                        assert!(!world.is_closed(connection));
                        world.wait(1);
                    }
                }
                assert!(world.is_closed(connection) && world.hub.is_empty(), "{peer:?}");
                assert_eq!((world.seen(), world.hub.next_deadline()), (vec![], None));
            }
        }
    }
}

/// A handler that takes long, and then closes, leaves its peer as much time as one that is quick.
#[test]
fn a_slow_handler_does_not_cut_the_wait_short() {
    let clock: Rc<RefCell<Option<FakeWire>>> = Rc::default();
    let in_handler = clock.clone();
    let mut world = World::new(Settings::default(), Manner::AtOnce, move |fd, seen, out| {
        echo(fd, seen, out);
        if let Seen::Message(..) = seen
            && let Some(wire) = &*in_handler.borrow()
        {
            wire.0.borrow_mut().now += 5_000;
            disconnect(out, fd).expect("it is open");
        }
    });
    let connection = world.open_websocket();
    *clock.borrow_mut() = Some(world.wire.clone());
    world.feed(connection, &client_text("a"));
    world.wait(1_999);
    assert!(!world.is_closed(connection));
    world.wait(1);
    assert!(world.is_closed(connection) && world.hub.is_empty());
}

#[test]
fn a_peer_that_takes_nothing_while_it_is_flushed() {
    for manner in BOTH {
        let (mut world, connection) = world(manner);
        world.change(connection, |socket| socket.room = 5);
        world.apply(|out| push(out, connection.fd, Opcode::Binary, true, &[0; 20_000])).expect("room");
        world.apply(|out| disconnect(out, connection.fd)).expect("it is open");
        world.wait(9_999);
        world.change(connection, |socket| socket.room = 1);
        world.wait(9_999);
        assert!(!world.is_closed(connection), "it took a piece meanwhile");
        world.wait(1);
        assert!(world.is_closed(connection) && world.hub.is_empty());
    }
}

#[test]
fn a_flood_while_it_is_flushed_is_not_read_for_ever() {
    let (mut world, connection) = world(Manner::AtOnce);
    world.change(connection, |socket| socket.room = 5);
    world.apply(|out| push(out, connection.fd, Opcode::Binary, true, &[0; 20_000])).expect("room");
    world.apply(|out| disconnect(out, connection.fd)).expect("it is open");
    world.feed(connection, &vec![0; 2 * DISCARD_BYTES_MAX]);
    assert!(world.wire.socket(connection.place, |socket| socket.input.len()) > DISCARD_BYTES_MAX / 2);
    world.change(connection, |socket| socket.room = usize::MAX);
    assert_eq!(world.sent(connection).len(), 20_004 + 4);
    world.wait(2_000);
    assert!(world.is_closed(connection) && world.hub.is_empty());
}

#[test]
fn a_peer_that_ended_already_is_only_flushed() {
    for manner in BOTH {
        let (mut world, connection) = world(manner);
        world.change(connection, |socket| socket.room = 0);
        world.feed(connection, &client_text("a"));
        world.end(connection);
        assert_eq!(world.seen(), [text("a"), closed(false, Status::Active)]);
        assert!(!world.is_closed(connection));
        world.change(connection, |socket| socket.room = usize::MAX);
        assert_eq!(world.sent(connection), server_text("a"));
        assert!(world.is_closed(connection) && world.hub.is_empty());
    }
}

#[test]
fn the_end_of_the_stream_in_every_phase() {
    /// What happens before it; the event that tells of the end.
    type Row = (fn(&mut World, Connection), Seen);
    let rows: [Row; 8] = [
        (|_, _| {}, closed(false, Status::Plain)),
        (|world, c| world.feed(c, b"GET / HT"), closed(false, Status::Plain)),
        (
            |world, c| world.feed(c, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\na"),
            closed(false, Status::Plain),
        ),
        (|world, c| world.feed(c, UPGRADE), closed(false, Status::Active)),
        (
            |world, c| world.feed(c, &[UPGRADE, &from_client(Opcode::Text, true, b"abc")[..7]].concat()),
            closed(false, Status::Active),
        ),
        (
            |world, c| world.feed(c, &[UPGRADE, &from_client(Opcode::Close, true, b"")].concat()),
            closed(false, Status::Active),
        ),
        (|world, c| world.feed(c, b"garbage\r\n"), closed(true, Status::Plain)),
        (
            |world, c| {
                world.feed(c, UPGRADE);
                world.apply(|out| disconnect(out, c.fd)).expect("it is open");
            },
            closed(true, Status::Closing),
        ),
    ];
    for manner in BOTH {
        for (at, (before, end)) in rows.iter().enumerate() {
            let mut world = World::new(Settings { requests: true, ..Settings::default() }, manner, echo);
            let connection = world.open();
            before(&mut world, connection);
            world.end(connection);
            assert_eq!(world.seen().last(), Some(end), "row {at}");
            assert!(world.is_closed(connection) && world.hub.is_empty(), "row {at}");
            assert_eq!(world.hub.next_deadline(), None);
        }
    }
}

#[test]
fn a_half_closed_request_is_answered() {
    let mut world = World::new(Settings { requests: true, ..Settings::default() }, Manner::OnDemand, echo);
    let connection = world.open();
    world.feed(connection, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    world.end(connection);
    world.work();
    world.run();
    assert_eq!(world.sent(connection), b"/a\n");
    world.work();
    assert_eq!(world.seen().last(), Some(&closed(false, Status::Plain)));
    assert!(world.hub.is_empty());
}

/// A handler that answers late, or never, does not keep what its peer has given up.
#[test]
fn a_request_whose_peer_left_is_not_kept_for_ever() {
    let mut world = World::new(Settings { requests: true, ..Settings::default() }, Manner::OnDemand, |_, _, _| {});
    let connection = world.open();
    world.feed(connection, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n");
    world.end(connection);
    world.work();
    world.wait(Settings::default().keep_alive_timeout_ms - 1);
    assert!(!world.is_closed(connection), "it may still take its answer");
    world.wait(1);
    world.work();
    world.wait(2_000);
    assert!(world.is_closed(connection));
    assert_eq!(world.seen().last(), Some(&closed(true, Status::Plain)));
    assert!(world.hub.is_empty());
}

/// Whatever is done in the handler of the first message, the second one is never seen and the end comes once.
#[test]
fn within_a_handler() {
    let rows: [(Command<'static>, &[u8], bool); 3] = [
        (Command::Disconnect { code: CloseCode::NORMAL, reason: "" }, &[0x88, 2, 3, 232], false),
        (Command::Close { reset: false }, b"", false),
        (Command::Close { reset: true }, b"", true),
    ];
    for manner in BOTH {
        for (command, farewell, at_once) in &rows {
            let copy = |command: &Command<'_>| match *command {
                Command::Disconnect { code, .. } => Command::Disconnect { code, reason: "" },
                Command::Close { reset } => Command::Close { reset },
                _ => Command::Finish,
            };
            let command = copy(command);
            let mut world = World::new(Settings::default(), manner, move |fd, seen, out| {
                echo(fd, seen, out);
                if let Seen::Message(..) = seen
                    && out.info(fd).is_some_and(|info| info.open)
                {
                    assert_eq!(out.apply(fd, copy(&command)), Ok(()));
                    assert!(out.has(fd), "until its handler knows of the end");
                    assert_eq!(out.info(fd).map(|info| info.open), Some(false));
                    assert_eq!(push(out, fd, Opcode::Text, true, b"late"), Err(Refused::Closing));
                    assert_eq!(disconnect(out, fd), Err(Refused::Closing));
                    for reset in [true, false] {
                        assert_eq!(out.apply(fd, Command::Close { reset }), Err(Refused::Closing));
                    }
                    assert_eq!(out.apply(fd, Command::Finish), Err(Refused::Closing));
                    assert_eq!(out.apply(fd, Command::Forget), Err(Refused::Unknown), "not before it was told");
                }
            });
            let connection = world.open_websocket();
            world.feed(connection, &[client_text("a"), client_text("b")].concat());
            let seen = world.seen();
            assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Closed(_))).count(), 1);
            assert!(matches!(seen.last(), Some(Seen::Closed(_))));
            assert_eq!(seen.contains(&text("b")), manner == Manner::Later, "{seen:?}");
            let answer = server_text("a");
            // Reset drops what waits for the end of its batch.
            let wanted = if *at_once { vec![] } else { [&*answer, farewell].concat() };
            assert_eq!(world.sent(connection), wanted);
            assert_eq!(world.is_closed(connection), *at_once);
            world.end(connection);
            assert!(world.hub.is_empty());
        }
    }
}

#[test]
fn a_reset_drops_what_is_owed() {
    let (mut world, connection) = world(Manner::AtOnce);
    world.change(connection, |socket| socket.room = 3);
    world.feed(connection, &client_text("owed"));
    world.apply(|out| out.apply(connection.fd, Command::Close { reset: true })).expect("it is open");
    assert_eq!(world.sent(connection).len(), 3);
    assert_eq!(world.seen(), [text("owed"), closed(true, Status::Active)]);
    assert!(world.is_closed(connection) && world.hub.is_empty());
}

/// The peer asked for the end: whatever its handler says to that, the peer's frame is answered by one.
#[test]
fn closing_while_it_ends() {
    let rows: [(Command<'static>, &[u8]); 2] = [
        (Command::Close { reset: false }, b"\x0f\xa0"),
        (Command::Disconnect { code: CloseCode::GOING_AWAY, reason: "" }, b"\x03\xe9"),
    ];
    for (command, payload) in rows {
        let (mut world, connection) = world(Manner::AtOnce);
        world.handler.manner = Manner::OnDemand;
        world.feed(connection, &from_client(Opcode::Close, true, b"\x0f\xa0"));
        assert_eq!((world.sent(connection), world.wire.0.borrow().closing.len()), (vec![], 0));
        assert_eq!(world.apply(|out| out.apply(connection.fd, command)), Ok(()));
        assert_eq!(world.wire.0.borrow().closing, [1]);
        assert_eq!(world.sent(connection), from_server(Opcode::Close, true, payload));
        assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Finish)), Err(Refused::Closing));
        world.work();
        world.end(connection);
        assert_eq!(world.sent(connection), b"");
        assert!(world.hub.is_empty());
    }
}

#[test]
fn a_stale_place_misses() {
    let (mut world, old) = world(Manner::AtOnce);
    world.end(old);
    let new = world.open_websocket();
    assert_eq!(new.place.row, old.place.row, "the row is used again");
    assert_ne!(new.place, old.place);
    let World { hub, wire, handler, .. } = &mut world;
    assert!(matches!(hub.target(old.place, 1, wire), Target::Nowhere));
    hub.receive(old.place, &mut client_text("stale"), wire, handler);
    hub.received_directly(old.place, 1, wire, handler);
    hub.end_of_stream(old.place, wire, handler);
    hub.broken(old.place, wire, handler);
    hub.writable(old.place, wire, handler);
    hub.announce(old.place, wire, handler);
    assert_eq!(world.seen(), []);
    assert!(world.hub.info(new.fd).is_some_and(|info| info.open));
    assert!(world.hub.info(old.fd).is_none());
    assert_eq!(world.hub.connections(), 1);
}

#[test]
fn the_row_waits_for_the_handler_and_for_the_peer() {
    let (mut world, connection) = world(Manner::AtOnce);
    world.handler.manner = Manner::OnDemand;
    world.end(connection);
    assert!(world.is_closed(connection) && !world.hub.is_empty());
    assert!(world.hub.info(connection.fd).is_some(), "its handler may still ask for it");
    assert_eq!(world.hub.next_connection(0), Some((connection.fd, 1)));
    assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Forget)), Ok(()));
    assert_eq!(world.apply(|out| out.apply(connection.fd, Command::Forget)), Err(Refused::Unknown));
    assert!(world.hub.is_empty() && world.hub.next_connection(0).is_none());
    assert_eq!(world.wire.0.borrow().released, [1]);
}

#[test]
fn a_handler_may_forget_by_itself() {
    let mut world = World::new(Settings::default(), Manner::AtOnce, |fd, seen, out| match seen {
        Seen::Closed(_) => {
            assert_eq!(out.apply(fd, Command::Forget), Ok(()));
            assert_eq!(out.apply(fd, Command::Forget), Err(Refused::Unknown));
        }
        Seen::CloseFrame(_) => assert_eq!(out.apply(fd, Command::Finish), Ok(())),
        _ => echo(fd, seen, out),
    });
    let connection = world.open_websocket();
    world.feed(connection, &from_client(Opcode::Close, true, b""));
    world.end(connection);
    assert_eq!(world.sent(connection), from_server(Opcode::Close, true, b""));
    assert!(world.hub.is_empty());
    assert_eq!(world.wire.0.borrow().released, [1]);
}

#[test]
fn all_at_once() {
    for manner in BOTH {
        let settings = Settings { requests: true, ..Settings::default() };
        let mut world = World::new(settings, manner, |fd, seen, out| match seen {
            Seen::Request(..) => {}
            Seen::Closed(end) if end.by_server => {
                // As a chat does, while they all go.
                for other in (1..7).filter_map(wirewool_hub::fd::Fd::new) {
                    let _ = push(out, other, Opcode::Text, true, b"left");
                    let _ = disconnect(out, other);
                }
                assert_eq!(answer(out, fd, b"late", After::Close), Err(Refused::Closing));
            }
            _ => echo(fd, seen, out),
        });
        let websocket = world.open_websocket();
        let second = world.open_websocket();
        let ending = world.open_websocket();
        world.change(ending, |socket| socket.room = 0);
        world.feed(ending, &from_client(Opcode::Close, true, b""));
        let idle = world.open();
        let asked = world.open();
        world.feed(asked, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        world.handler.seen.borrow_mut().clear();
        world.hub.close_all(CloseCode::GOING_AWAY, &mut world.wire, &mut world.handler);
        world.work();
        let ends = world.seen().into_iter().filter(|seen| matches!(seen, Seen::Closed(_))).count();
        assert_eq!(ends, 4, "{manner:?}");
        assert_eq!(world.sent(websocket), server_close(1001));
        assert_eq!(world.sent(second), server_close(1001));
        assert_eq!((world.sent(idle), world.sent(asked)), (vec![], vec![]));
        world.wait(10_000);
        world.wait(2_000);
        assert!(world.hub.is_empty() && world.hub.connections() == 0);
    }
}
