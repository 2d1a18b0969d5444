//! Several ports in one loop: each connection has the settings of the port that accepted it.

use crate::fake::{
    Manner, Seen, World, client_text, closed, disconnect, echo, from_client, from_server, server_close, server_text,
    text,
};
use wirewool_hub::event::Status;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::websocket::frame::Opcode;

fn world() -> World {
    let raw = Settings { protocol: Protocol::Raw, ..Settings::default() };
    let small = Settings { message_bytes_max: 200, ping_events: true, ..Settings::default() };
    World::with_ports(vec![Settings::default(), raw, small], Manner::AtOnce, echo)
}

#[test]
fn each_connection_has_the_settings_of_its_port() {
    let mut world = world();
    let raw = world.open_at(1);
    world.feed(raw, b"abc");
    assert_eq!(world.sent(raw), b"abc");
    assert_eq!(world.seen(), [Seen::Connected, Seen::Received(b"abc".to_vec())]);
    let (usual, small) = (world.open_websocket(), world.open_websocket_at(2));
    let ping = from_client(Opcode::Ping, true, b"1");
    for connection in [usual, small] {
        world.feed(connection, &[client_text("a"), ping.clone()].concat());
    }
    assert_eq!(world.sent(usual), [server_text("a"), from_server(Opcode::Pong, true, b"1")].concat());
    assert_eq!(world.sent(small), server_text("a"), "its handler owes the pong");
    let long = client_text(&"x".repeat(201));
    for connection in [usual, small] {
        world.feed(connection, &long);
    }
    assert_eq!(world.sent(usual), server_text(&"x".repeat(201)));
    assert_eq!(world.sent(small), server_close(1009));
    let heard = [text("a"), text("a"), Seen::Ping(b"1".to_vec()), text(&"x".repeat(201)), Seen::Violation(1009)];
    assert_eq!(world.seen(), [&heard[..], &[closed(false, Status::Active)]].concat());
}

#[test]
fn a_row_forgets_the_port_of_the_connection_before() {
    let mut world = world();
    let before = world.open_at(1);
    world.end(before);
    let websocket = world.open_websocket();
    assert_eq!(websocket.place.row, before.place.row);
    assert_eq!(world.apply(|out| disconnect(out, websocket.fd)), Ok(()));
    assert_eq!(world.sent(websocket), server_close(1000));
}
