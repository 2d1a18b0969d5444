//! Both sides of permessage-deflate with each other: every combination of the four parameters' presence (RFC 7692 §7.1).

use proptest::prelude::{ProptestConfig, any, proptest};
use wirewool_proto::block::Pool;
use wirewool_proto::http::head::{HeadLimits, HeadReader};
use wirewool_proto::websocket::client::{Client, Outgoing};
use wirewool_proto::websocket::deflate::Inflaters;
use wirewool_proto::websocket::deflation::{Deflaters, Deflation};
use wirewool_proto::websocket::extension::{Compression, negotiate};
use wirewool_proto::websocket::frame::{Opcode, RSV1, encode};
use wirewool_proto::websocket::handshake;
use wirewool_proto::websocket::keys::Keys;
use wirewool_proto::websocket::receiver::{Event, Means, Receiver};
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::upgrade::{Upgrade, UpgradeRequest};

const BYTES_MAX: usize = 1 << 20;

/// The parameters that a client sets; the others it leaves out.
fn offers() -> impl Iterator<Item = Compression> {
    (0..32).map(|present| Compression {
        server_context_takeover: present & 1 == 0,
        client_context_takeover: present & 2 == 0,
        server_max_window_bits: if present & 4 == 0 { 15 } else { 9 },
        client_max_window_bits: if present & 8 == 0 { 15 } else { 9 },
        client_window_negotiable: present & 16 == 0,
        level: 6,
        threshold: None,
    })
}

/// A server's end, as far as compression goes.
struct Server {
    deflation: Deflation,
    receiver: Receiver,
    deflaters: Deflaters,
    pool: Pool,
    inflaters: Inflaters,
}

/// Both ends of a connection, after the handshake that leads to them.
fn connect(offered: Compression, wanted: Compression) -> (Client, Server) {
    let mut keys = Keys::from_seed([5; 32]);
    let request = UpgradeRequest { compression: Some(offered), ..UpgradeRequest::new("h", "/") };
    let (mut upgrade, bytes) = Upgrade::begin(&request, HeadLimits::default(), &mut keys).expect("a legal request");
    let mut reader: HeadReader = HeadReader::new(HeadLimits::default());
    let (_, head) = reader.next(&bytes).expect("accepted").expect("whole");
    let agreement = negotiate(&head, &wanted).expect("nothing keeps them from it");
    let mut answer = Vec::new();
    handshake::encode_acceptance(&head, None, Some(&agreement), b"", &mut answer);
    let (_, accepted) = upgrade.next(&answer).expect("accepted").expect("whole");
    let client = Client::new(accepted.agreement, BYTES_MAX, keys).with_deflate_level(offered.level);
    let deflation = Deflation::new(Role::Server, &agreement);
    let (deflaters, pool, inflaters) = (Deflaters::default(), Pool::default(), Inflaters::default());
    (client, Server { receiver: deflation.receiver(), deflation, deflaters, pool, inflaters })
}

/// Sends a message from the client to the server and back, in fragments of so many bytes on the way there.
fn echo(client: &mut Client, server: &mut Server, message: &[u8], fragment_bytes_max: usize) {
    client.send(Outgoing { fragment_bytes_max, ..Outgoing::binary(message).compressed() }).expect("it is open");
    let mut input = client.take_output();
    let Server { receiver, pool, inflaters, .. } = server;
    let means = &mut Means { pool, inflaters, message_bytes_max: BYTES_MAX };
    let Some((used, Event::Message(received))) = receiver.next(&mut input, means).expect("legal frames") else {
        panic!("wanted a message");
    };
    assert!(received.payload.bytes() == message && used == input.len());
    let deflated = if message.is_empty() { None } else { server.deflation.deflate(message, 6, &mut server.deflaters) };
    server.receiver.recycle(&mut server.pool);
    let (rsv, payload) = deflated.as_deref().map_or((0, message), |bytes| (RSV1, bytes));
    let mut input = [encode(Opcode::Binary, true, rsv, payload.len(), None).bytes(), payload].concat();
    let Some((_, Event::Message(received))) = client.next(&mut input).expect("legal frames") else {
        panic!("wanted a message");
    };
    assert!(received.payload.bytes() == message);
}

fn noise(bytes: usize, mut seed: u32) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn all_combinations_on_both_sides() {
    let random = noise(20_000, 1);
    let compressed_before = {
        let (mut client, _) = connect(Compression::default(), Compression::default());
        client.send(Outgoing::binary(&b"words and words ".repeat(5000)).compressed()).expect("it is open");
        client.take_output()
    };
    // The second half refers to the first, further back than the smallest window reaches.
    let far = [&random[..5000], &random[..5000]].concat();
    for offered in offers() {
        for wanted in offers().filter(|wanted| wanted.server_context_takeover && wanted.client_window_negotiable) {
            let (mut client, mut server) = connect(offered, wanted);
            for message in [&b"x"[..], &random, b"y", &compressed_before, b"", &far, &far, b"x"] {
                echo(&mut client, &mut server, message, usize::MAX);
            }
            for byte in 0..20 {
                echo(&mut client, &mut server, &[byte], usize::MAX);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_messages(
        offered in 0usize..32,
        wanted in 0usize..32,
        messages in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 1usize..30, 1usize..200), 1..12),
    ) {
        let pick = |n| offers().nth(n).expect("there are so many");
        let (mut client, mut server) = connect(pick(offered), pick(wanted));
        for (bytes, repeat, fragment_bytes_max) in messages {
            echo(&mut client, &mut server, &bytes.repeat(repeat), fragment_bytes_max);
        }
    }
}
