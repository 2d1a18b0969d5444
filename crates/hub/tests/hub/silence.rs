//! Silence: who says nothing is pinged or closed, and nobody else is looked at.

use crate::fake::{
    Connection, Manner, World, answer, client_text, closed, echo, from_client, from_server, server_close, text,
};
use proptest::prelude::{any, prop_assert, proptest};
use wirewool_hub::command::After;
use wirewool_hub::event::Status;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::websocket::close::{self, CloseCode};
use wirewool_proto::websocket::frame::Opcode;

fn heartbeat(ms: u64) -> Settings {
    Settings { heartbeat_ms: Some(ms), heartbeat_check_ms: ms / 20, ..Settings::default() }
}

/// The close frame of a connection that was silent.
fn farewell() -> Vec<u8> {
    from_server(Opcode::Close, true, &close::payload(CloseCode::GOING_AWAY, "idle timeout"))
}

fn protect(world: &World, connection: Connection, protected: bool) {
    world.wire.socket(connection.place, |socket| socket.protected = protected);
}

#[test]
fn the_silent_are_closed_once_and_the_others_stay() {
    let mut world = World::new(heartbeat(2000), Manner::AtOnce, echo);
    let all: Vec<Connection> = (0..4).map(|_| world.open_websocket()).collect();
    let [silent, speaks, pings, protected] = all[..] else { panic!("four of them") };
    protect(&world, protected, true);
    for round in 0..10 {
        world.feed(speaks, &client_text("x"));
        world.feed(pings, &from_client(Opcode::Ping, true, b""));
        assert_eq!(world.wire.socket(silent.place, |socket| socket.shut_down), round > 2);
        world.wait(700);
    }
    assert_eq!(world.sent(silent), farewell());
    let seen = world.seen();
    assert_eq!(seen.iter().filter(|event| **event == closed(false, Status::Active)).count(), 1);
    assert!(world.is_closed(silent), "it has had its time to end");
    for stays in [speaks, pings, protected] {
        assert!(!world.is_closed(stays));
    }
    protect(&world, protected, false);
    world.feed(speaks, &client_text("x"));
    world.wait(2200);
    assert_eq!(world.sent(protected), farewell());
}

#[test]
fn only_those_are_looked_at_who_may_be_late() {
    for speakers in [10, 100] {
        let mut world = World::new(heartbeat(10_000), Manner::AtOnce, echo);
        let all: Vec<Connection> = (0..200).map(|_| world.open_websocket()).collect();
        // Ever so many messages, in ever so many passes.
        for _ in 0..33 {
            for speaker in &all[..speakers] {
                world.feed(*speaker, &client_text("x"));
            }
            world.wait(300);
        }
        assert_eq!(world.hub.silence_visits(), 0);
        // Those who are late are looked at once, and those who spoke once in all that time.
        world.wait(600);
        assert_eq!(world.hub.connections(), speakers);
        assert_eq!(world.hub.silence_visits(), 200);
    }
}

#[test]
fn a_great_silence_ends_over_several_passes() {
    let mut world = World::new(heartbeat(1000), Manner::AtOnce, echo);
    for _ in 0..600 {
        world.open_websocket();
    }
    let mut left = vec![];
    world.wait(1100);
    while world.hub.connections() > 0 {
        left.push(world.hub.connections());
        assert!(world.hub.next_deadline().is_some_and(|at| at.0 <= 1100), "the rest is due at once");
        world.wait(0);
    }
    assert_eq!(left, [344, 88]);
}

#[test]
fn who_spoke_while_nobody_listened_is_not_silent() {
    let mut world = World::new(heartbeat(1000), Manner::AtOnce, echo);
    let (speaks, silent) = (world.open_websocket(), world.open_websocket());
    world.wire.socket(speaks.place, |socket| socket.input.extend(client_text("x")));
    // A handler took five seconds: the pass that comes now begins with what is late.
    world.wait(5000);
    assert_eq!(world.seen(), [closed(false, Status::Active), text("x")]);
    assert!(!world.is_closed(speaks) && !world.sent(silent).is_empty());
    // Behind its handler, it is not read from.
    world.hub.stall(speaks.place, true, &mut world.wire);
    world.wire.socket(speaks.place, |socket| socket.input.extend(client_text("y")));
    world.wait(5000);
    assert_eq!(world.hub.connections(), 1);
}

#[test]
fn requests_and_raw_connections() {
    for protocol in [Protocol::Raw, Protocol::Http, Protocol::WebSocket] {
        let settings = Settings { protocol, requests: true, ..heartbeat(1000) };
        let mut world = World::new(settings, Manner::AtOnce, |_, _, _| ());
        let connection = world.open();
        world.wait(1050);
        assert!(world.sent(connection).is_empty());
        assert_eq!(world.seen().last(), Some(&closed(false, Status::Plain)), "{protocol:?}");
        if protocol == Protocol::Raw {
            continue;
        }
        // A request that is not answered yet is the server's silence.
        let asks = world.open();
        world.feed(asks, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        world.wait(5000);
        world.apply(|out| answer(out, asks.fd, b"HTTP/1.1 200 OK\r\n\r\n", After::KeepAlive)).unwrap();
        world.wait(500);
        assert_eq!(world.hub.connections(), 1);
        world.wait(1550);
        assert_eq!(world.hub.connections(), 0);
    }
}

#[test]
fn one_that_is_sent_to_is_not_idle() {
    let mut world = World::new(Settings { idle_ms: Some(1000), ..Settings::default() }, Manner::AtOnce, echo);
    let connection = world.open_websocket();
    for _ in 0..5 {
        world.wait(800);
        world.apply(|out| crate::fake::push(out, connection.fd, Opcode::Text, true, b"x")).unwrap();
    }
    assert_eq!(world.hub.connections(), 1);
    world.wait(1200);
    assert_eq!(world.hub.connections(), 0);
}

#[test]
fn a_websocket_is_pinged_and_closed_if_it_does_not_answer() {
    let mut world = World::new(Settings { ping_ms: Some(1000), ..Settings::default() }, Manner::AtOnce, echo);
    let ping = from_server(Opcode::Ping, true, b"");
    let (answers, silent, protected) = (world.open_websocket(), world.open_websocket(), world.open_websocket());
    protect(&world, protected, true);
    for _ in 0..3 {
        world.wait(1125);
        assert_eq!(world.sent(answers), ping);
        world.feed(answers, &from_client(Opcode::Pong, true, b""));
    }
    assert_eq!(world.sent(silent), [ping.clone(), farewell()].concat());
    assert_eq!(world.sent(protected), ping.repeat(3));
    assert_eq!(world.seen(), [closed(false, Status::Active)], "no pong goes to the handler");
    // What comes in time needs no ping.
    for _ in 0..4 {
        world.wait(800);
        world.feed(answers, &client_text("x"));
    }
    assert!(!world.sent(answers).windows(2).any(|two| *two == ping));
}

#[test]
fn who_is_late_can_be_closed_at_once() {
    let settings = Settings { heartbeat_check_ms: 500, ..heartbeat(1000) };
    let mut world = World::new(settings, Manner::AtOnce, echo);
    world.wait(100);
    let (late, later) = (world.open_websocket(), world.open_websocket());
    let freed = world.open_websocket();
    protect(&world, freed, true);
    world.wait(300);
    world.feed(later, &client_text("x"));
    world.wait(750);
    assert_eq!(world.hub.connections(), 3, "the next look is at 1500");
    protect(&world, freed, false);
    world.hub.end_silent(&mut world.wire);
    world.hub.settle(&mut world.wire, &mut world.handler);
    assert_eq!((world.sent(late), world.sent(freed), world.hub.connections()), (farewell(), farewell(), 1));
    world.hub.end_silent(&mut world.wire);
    assert_eq!(world.hub.connections(), 1);
    world.feed(later, &from_client(Opcode::Close, true, b"\x03\xe8"));
    assert_eq!(world.sent(later)[3..], server_close(1000));
}

proptest! {
    /// Whatever is said, and whenever the loop looks: nobody is closed too early, and nobody too late.
    #[test]
    fn agrees_with_a_model(
        check in 1u64..600,
        ops in proptest::collection::vec((0usize..5, 0u8..8, 0u64..900, any::<bool>()), 1..60),
    ) {
        const IDLE: u64 = 1000;
        let settings = Settings { heartbeat_check_ms: check, ..heartbeat(IDLE) };
        let mut world = World::new(settings, Manner::AtOnce, echo);
        let all: Vec<Connection> = (0..5).map(|_| world.open_websocket()).collect();
        // When each was heard, and since when it is protected no more; none: it is.
        let (mut heard, mut exposed, mut now) = ([0u64; 5], [Some(0u64); 5], 0);
        for (at, action, pause, unread) in ops {
            let connection = all[at];
            let is_open = world.wire.socket(connection.place, |socket| !socket.shut_down && !socket.closed);
            match action {
                // Said, and not read before time passes.
                0..=3 if is_open && unread => {
                    world.wire.socket(connection.place, |socket| socket.input.extend(client_text("x")));
                    heard[at] = now + pause;
                }
                0..=3 if is_open => {
                    world.feed(connection, &client_text("x"));
                    heard[at] = now;
                }
                4 => {
                    protect(&world, connection, true);
                    exposed[at] = None;
                }
                5 => {
                    protect(&world, connection, false);
                    exposed[at] = exposed[at].or(Some(now));
                }
                6 => {
                    world.hub.end_silent(&mut world.wire);
                    world.hub.settle(&mut world.wire, &mut world.handler);
                }
                _ => {}
            }
            let late_at = |at: usize, now: u64| exposed[at].is_some() && now >= heard[at] + IDLE;
            let was_open: Vec<bool> = all.iter().map(|one| !is_over(&world, *one)).collect();
            if action == 6 {
                prop_assert!((0..5).all(|at| !was_open[at] || !late_at(at, now)), "looked at: {heard:?} at {now}");
            }
            now += pause;
            world.wait(pause);
            for (at, connection) in all.iter().enumerate() {
                let over = is_over(&world, *connection);
                prop_assert!(!over || !was_open[at] || late_at(at, now), "{at} is closed too early: {heard:?} at {now}");
                let latest = heard[at].max(exposed[at].unwrap_or(now)) + IDLE + check.min(IDLE / 2);
                prop_assert!(over || now < latest || exposed[at].is_none(), "{at} is not closed: {heard:?} at {now}");
            }
        }
    }
}

fn is_over(world: &World, connection: Connection) -> bool {
    world.wire.socket(connection.place, |socket| socket.shut_down || socket.closed)
}
