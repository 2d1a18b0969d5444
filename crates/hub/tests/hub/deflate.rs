//! Compression: what is compressed, in which order, and what becomes of its context.

use crate::fake::{Connection, Manner, Seen, World, answer, echo, from_client, push};
use wirewool_hub::command::{After, Command, Outlet, Push, Refused};
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::Settings;
use wirewool_proto::block::Block;
use wirewool_proto::http::head::{Head, HeadLimits, HeadReader};
use wirewool_proto::websocket::deflate::{Deflater, Inflater};
use wirewool_proto::websocket::extension::{Compression, negotiate};
use wirewool_proto::websocket::frame::{self, Opcode, RSV1};
use wirewool_proto::websocket::message::{Kind, Payload};

const TAKEOVER: Compression = Compression {
    server_context_takeover: true,
    client_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
    client_window_negotiable: true,
    level: 6,
    threshold: None,
};

/// A connection for which compression was agreed on.
fn world(settings: Settings, wanted: Compression) -> (World, Connection) {
    let text = b"GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let (_, head) = HeadReader::<Head>::new(HeadLimits::default()).next(text).expect("a head").expect("all of it");
    let agreement = negotiate(&head, &wanted);
    assert!(agreement.is_some());
    let mut world = World::new(settings, Manner::AtOnce, move |fd, seen, out| match seen {
        Seen::Upgrade(_) => answer(out, fd, b"101", After::Upgrade(agreement)).expect("it is owed"),
        _ => echo(fd, seen, out),
    });
    let connection = world.open_websocket();
    (world, connection)
}

fn push_compressed(out: &mut dyn Outlet, fd: Fd, payload: &[u8]) -> Result<(), Refused> {
    let push = Push { opcode: Opcode::Text, fin: true, compress: true, payload: Payload::Borrowed(payload) };
    out.apply(fd, Command::Push(push))
}

/// The frames in `bytes`: their opcodes, whether they are compressed, their payloads.
fn frames(mut bytes: &[u8]) -> Vec<(Opcode, bool, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(header) = frame::decode(bytes).expect("legal frames") {
        let end = header.size + header.len as usize;
        frames.push((header.opcode, header.rsv == RSV1, bytes[header.size..end].to_vec()));
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty());
    frames
}

/// The messages in `bytes`, read by one peer that keeps its context.
fn read(bytes: &[u8], inflater: &mut Inflater) -> Vec<Vec<u8>> {
    let message = |(_, compressed, payload): (Opcode, bool, Vec<u8>)| {
        if !compressed {
            return payload;
        }
        let mut block = Block::default();
        inflater.inflate(&payload, &mut block, 1 << 20).expect("a good stream");
        inflater.finish(&mut block, 1 << 20).expect("a good stream");
        block.bytes().to_vec()
    };
    frames(bytes).into_iter().map(message).collect()
}

const WORDS: &[u8] = b"the same words, and once more the same words, and once more";

#[test]
fn only_what_is_asked_for_is_compressed() {
    let (mut world, connection) = world(Settings::default(), TAKEOVER);
    let fd = connection.fd;
    world.apply(|out| push(out, fd, Opcode::Text, true, WORDS)).expect("room");
    world.apply(|out| push_compressed(out, fd, WORDS)).expect("room");
    world.apply(|out| push_compressed(out, fd, b"")).expect("room");
    world.apply(|out| push(out, fd, Opcode::Ping, true, b"p")).expect("room");
    let seen: Vec<bool> = frames(&world.sent(connection)).iter().map(|(_, compressed, _)| *compressed).collect();
    assert_eq!(seen, [false, true, false, false]);
}

#[test]
fn a_threshold_compresses_without_being_asked() {
    let settings = Settings { deflate_threshold: Some(WORDS.len()), ..Settings::default() };
    let (mut world, connection) = world(settings, Compression::default());
    for payload in [WORDS, &WORDS[1..]] {
        world.apply(|out| push(out, connection.fd, Opcode::Text, true, payload)).expect("room");
    }
    let seen: Vec<bool> = frames(&world.sent(connection)).iter().map(|(_, compressed, _)| *compressed).collect();
    assert_eq!(seen, [true, false]);
}

#[test]
fn contexts_are_kept_or_not() {
    for (wanted, kept) in [(TAKEOVER, true), (Compression::default(), false)] {
        let (mut world, connection) = world(Settings::default(), wanted);
        for _ in 0..2 {
            world.apply(|out| push_compressed(out, connection.fd, WORDS)).expect("room");
        }
        let sent = world.sent(connection);
        let sizes: Vec<usize> = frames(&sent).iter().map(|(_, _, payload)| payload.len()).collect();
        assert_eq!(sizes[1] < sizes[0], kept, "{sizes:?}");
        let mut inflater = Inflater::new(15);
        if kept {
            assert_eq!(read(&sent, &mut inflater), [WORDS, WORDS]);
        }
        // What does not get smaller goes out as it is, if the context allows that.
        world.apply(|out| push_compressed(out, connection.fd, b"\x01\xfe")).expect("room");
        assert_eq!(frames(&world.sent(connection))[0].1, kept);
    }
}

#[test]
fn what_is_refused_leaves_no_trace_in_the_context() {
    let settings = Settings { outbox_bytes_max: 1024, ..Settings::default() };
    let (mut world, connection) = world(settings, TAKEOVER);
    let noise: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let refused = world.apply(|out| push_compressed(out, connection.fd, &noise));
    assert!(matches!(refused, Err(Refused::OutboxFull { .. })));
    world.apply(|out| push_compressed(out, connection.fd, WORDS)).expect("room");
    assert_eq!(read(&world.sent(connection), &mut Inflater::new(15)), [WORDS]);
}

#[test]
fn messages_held_behind_a_fragmented_one_keep_their_order() {
    let (mut world, connection) = world(Settings::default(), TAKEOVER);
    let fd = connection.fd;
    world.apply(|out| push_compressed(out, fd, WORDS)).expect("room");
    world.apply(|out| push(out, fd, Opcode::Text, false, b"a")).expect("room");
    for _ in 0..2 {
        world.apply(|out| push_compressed(out, fd, WORDS)).expect("room");
    }
    world.apply(|out| push(out, fd, Opcode::Continuation, true, b"b")).expect("room");
    world.apply(|out| push_compressed(out, fd, WORDS)).expect("room");
    let wanted: [&[u8]; 6] = [WORDS, b"a", b"b", WORDS, WORDS, WORDS];
    assert_eq!(read(&world.sent(connection), &mut Inflater::new(15)), wanted);
}

#[test]
fn compressed_messages_are_received() {
    let (mut world, connection) = world(Settings::default(), TAKEOVER);
    let mut deflater = Deflater::new(6, 15);
    for _ in 0..3 {
        let mut payload = Vec::new();
        deflater.deflate(WORDS, &mut payload);
        let mut bytes = from_client(Opcode::Text, true, &payload);
        bytes[0] |= 0x40;
        world.feed(connection, &bytes);
        assert_eq!(world.seen(), [Seen::Message(Kind::Text, WORDS.to_vec())]);
    }
}
