//! A client's handshake, and its end of a WebSocket.

use crate::choices::{Choices, Cuts};
use crate::frames::frames;
use wirewool_proto::http::answer_reader::AnswerError;
use wirewool_proto::http::head::{Head, HeadLimits, HeadReader};
use wirewool_proto::websocket::client::{Answers, Client, NotSent, Outgoing};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::extension::{Compression, WINDOW_BITS_MAX, WINDOW_BITS_MIN, negotiate};
use wirewool_proto::websocket::frame::decode;
use wirewool_proto::websocket::handshake::encode_acceptance;
use wirewool_proto::websocket::keys::Keys;
use wirewool_proto::websocket::message::Kind;
use wirewool_proto::websocket::receiver::Event;
use wirewool_proto::websocket::role::Role;
use wirewool_proto::websocket::upgrade::{Accepted, Upgrade, UpgradeError, UpgradeRequest};
use wirewool_proto::websocket::violation::Violation;

/// What stands in an answer for the value that belongs to the request's key.
const ACCEPT: &[u8] = b"{accept}";

/// The same verdict on an answer however it is cut, and nothing accepted that was not offered.
pub fn upgrade(data: &[u8]) {
    let mut choices = Choices::new(data);
    let offered = choices.flag().then(|| Compression {
        server_context_takeover: choices.flag(),
        client_context_takeover: choices.flag(),
        server_max_window_bits: choices.within(WINDOW_BITS_MIN..=WINDOW_BITS_MAX),
        client_max_window_bits: choices.within(WINDOW_BITS_MIN..=WINDOW_BITS_MAX),
        ..Compression::default()
    });
    let protocols: &[&str] = if choices.flag() { &["chat", "superchat"] } else { &[] };
    let mut cuts = Cuts::new(choices.byte());
    let request = UpgradeRequest { protocols, compression: offered, ..UpgradeRequest::new("h", "/") };
    let begin = || Upgrade::begin(&request, HeadLimits::default(), &mut Keys::from_seed([0; 32])).expect("legal");
    let (_, bytes) = begin();
    let answer = with_accept(choices.rest(), &bytes, offered.as_ref());
    let read = |pieces: Vec<&[u8]>| {
        let (mut upgrade, _) = begin();
        let mut before = 0;
        for piece in pieces {
            match upgrade.next(piece) {
                Ok(None) => before += piece.len(),
                Ok(Some((used, accepted))) => return Ok(Some((before + used, accepted))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    };
    let whole = read(vec![&answer]);
    let cut = read(cuts.pieces(&answer));
    // Where an unfinished head is cut moves the moment of an error, not its kind.
    let late = matches!(&whole, Err(UpgradeError::Answer(AnswerError::Head(_)))) && cut == Ok(None);
    assert!(cut == whole || late, "{whole:?} in one piece, {cut:?} cut");
    if let Ok(Some((used, accepted))) = whole {
        assert!(used <= answer.len());
        check_accepted(&accepted, protocols, offered.as_ref());
    }
}

/// The answer, with its mark replaced by what a server makes of the request.
fn with_accept(answer: &[u8], request: &[u8], offered: Option<&Compression>) -> Vec<u8> {
    let mut reader: HeadReader<Head> = HeadReader::new(HeadLimits::default());
    let (_, head) = reader.next(request).expect("a legal request").expect("all of it");
    assert_eq!(negotiate(&head, &Compression::default()).is_some(), offered.is_some());
    let Some(at) = answer.windows(ACCEPT.len()).position(|window| window == ACCEPT) else { return answer.to_vec() };
    let mut acceptance = Vec::new();
    encode_acceptance(&head, None, None, b"", &mut acceptance);
    let text = String::from_utf8(acceptance).expect("ASCII");
    let accept = text.split("Sec-WebSocket-Accept: ").nth(1).expect("it is there");
    [&answer[..at], &accept.as_bytes()[..28], &answer[at + ACCEPT.len()..]].concat()
}

fn check_accepted(accepted: &Accepted, protocols: &[&str], offered: Option<&Compression>) {
    assert_eq!(accepted.head.status(), 101);
    assert!(accepted.head.has_token("connection", "upgrade"));
    assert!(accepted.protocol.as_deref().is_none_or(|chosen| protocols.contains(&chosen)));
    let Some(agreement) = &accepted.agreement else { return };
    let offered = offered.expect("what was not offered is not agreed on");
    assert!(offered.server_context_takeover || !agreement.server_context_takeover);
    assert!(offered.client_context_takeover || !agreement.client_context_takeover);
    assert!((8..=offered.server_max_window_bits).contains(&agreement.server_max_window_bits));
    let client_bits = agreement.client_max_window_bits.expect("a client knows its window");
    assert!((8..=offered.client_max_window_bits).contains(&client_bits));
}

/// The same events and the same answers however a server's frames are cut; what is sent is legal, to the end.
pub fn client(data: &[u8]) {
    let mut choices = Choices::new(data);
    let bytes_max = choices.one_of(&[1000, 0, 130, 1 << 16]);
    let (manner, mut cuts) = (choices.byte(), Cuts::new(choices.byte()));
    let (closes, is_masking) = (manner & 1 == 1, manner & 2 == 0);
    let answers = Answers { pings: manner & 4 == 0, closes: manner & 8 == 0 };
    let stream = frames(Role::Client, choices);
    let read = |pieces: Vec<&[u8]>| {
        let mut client = Client::new(None, bytes_max, Keys::from_seed([0; 32])).with_answers(answers);
        if !is_masking {
            client = client.without_masking();
        }
        client.send(Outgoing { fragment_bytes_max: 3, ..Outgoing::binary(b"several") }).expect("it is open");
        if closes {
            client.close(CloseCode::NORMAL, "").expect("it is open");
        }
        let (mut log, mut output) = (Vec::new(), client.take_output());
        for piece in pieces {
            feed(&mut client, piece.to_vec(), &mut log);
            output.extend(client.take_output());
        }
        let late = client.send(Outgoing { kind: Kind::Text, ..Outgoing::binary(b"late") });
        assert_eq!(late.is_ok(), !client.is_closed() && !closes, "{late:?}");
        assert!(late != Err(NotSent::TextNotUtf8));
        (log, output, client.is_closed())
    };
    let whole = read(vec![&stream]);
    check_output(&whole.1, is_masking);
    assert_eq!(read(cuts.pieces(&stream)), whole, "cut");
}

fn feed(client: &mut Client, mut piece: Vec<u8>, log: &mut Vec<String>) {
    let mut input = &mut piece[..];
    while !input.is_empty() {
        match client.next(input) {
            Ok(None) => return,
            Ok(Some((used, event))) => {
                log.push(match event {
                    Event::Message(message) => format!("{:?} {:?}", message.kind, message.payload.bytes()),
                    Event::Ping(payload) => format!("ping {payload:?}"),
                    Event::Pong(payload) => format!("pong {payload:?}"),
                    Event::Close(payload) => format!("close {payload:?}"),
                });
                input = &mut input[used..];
            }
            Err(violation) => {
                assert!(client.is_closed() && violation != Violation::Unmasked);
                log.push(format!("{violation:?}"));
                return;
            }
        }
    }
}

/// Frames masked or not, and nothing behind a close frame.
fn check_output(output: &[u8], is_masking: bool) {
    let mut rest = output;
    while let Some(header) = decode(rest).expect("legal frames") {
        assert!(header.key.is_some() == is_masking && header.rsv == 0);
        rest = &rest[header.size + header.len as usize..];
        assert!(header.opcode as u8 != 8 || rest.is_empty());
    }
    assert!(rest.is_empty());
}
