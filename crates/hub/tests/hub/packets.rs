//! Packets of raw connections: whole ones go to the handler, what came before a mistake is answered.

use crate::fake::{Connection, Manner, Seen, World, closed, echo};
use wirewool_hub::event::Status;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::packets::{Mark, PacketError, Packets};

fn world(manner: Manner) -> (World, Connection) {
    let packets = Some(Packets::Split(Mark::new(b"\n").expect("a byte is a mark")));
    let settings = Settings { protocol: Protocol::Raw, packets, message_bytes_max: 10, ..Settings::default() };
    let mut world = World::new(settings, manner, echo);
    let connection = world.open();
    (world, connection)
}

fn received(bytes: &[u8]) -> Seen {
    Seen::Received(bytes.to_vec())
}

#[test]
fn packets_however_they_are_cut() {
    let bytes = b"a\nbc\n\nwith 9 b\nrest";
    for manner in [Manner::AtOnce, Manner::Later, Manner::OnDemand] {
        for piece in 1..=bytes.len() {
            let (mut world, connection) = world(manner);
            bytes.chunks(piece).for_each(|piece| world.feed(connection, piece));
            world.work();
            assert_eq!(world.sent(connection), b"a\nbc\n\nwith 9 b\n");
            world.end(connection);
            world.work();
            let heard = [b"a\n".as_slice(), b"bc\n", b"\n", b"with 9 b\n"].map(received);
            assert_eq!(world.seen(), [&[Seen::Connected], &heard[..], &[closed(false, Status::Plain)]].concat());
            assert!(world.hub.is_empty());
        }
    }
}

#[test]
fn what_came_before_a_mistake_is_answered_and_what_comes_behind_is_not_heard() {
    for manner in [Manner::AtOnce, Manner::Later, Manner::OnDemand] {
        let (mut world, connection) = world(manner);
        world.feed(connection, b"a\nmore than ten\nb\n");
        world.feed(connection, b"c\n");
        world.work();
        assert_eq!(world.sent(connection), b"a\n");
        let mistake = Seen::BadPacket(PacketError::Endless { limit: 10 });
        let end = closed(false, Status::Plain);
        assert_eq!(world.seen(), [Seen::Connected, received(b"a\n"), mistake, end]);
        assert!(world.wire.socket(connection.place, |socket| socket.shut_down));
        world.end(connection);
        assert!(world.hub.is_empty());
    }
}
