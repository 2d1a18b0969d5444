//! A client's requests meet this library's server side, and its answers come back.

use std::time::UNIX_EPOCH;

use proptest::prelude::{any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};
use wirewool_proto::http::answer::{AnswerHead, Asked};
use wirewool_proto::http::answer_reader::{AnswerReader, AnswerSettings, Part};
use wirewool_proto::http::body::BodyReader;
use wirewool_proto::http::client_request::ClientRequest;
use wirewool_proto::http::head::{Head, HeadLimits, HeadReader};
use wirewool_proto::http::request::Request;
use wirewool_proto::http::response::{Exchange, Response};
use wirewool_proto::websocket::client::{Client, Outgoing};
use wirewool_proto::websocket::extension::{Compression, negotiate};
use wirewool_proto::websocket::frame::{Opcode, encode};
use wirewool_proto::websocket::handshake::{Refusal, check, encode_acceptance};
use wirewool_proto::websocket::keys::Keys;
use wirewool_proto::websocket::receiver::Event;
use wirewool_proto::websocket::upgrade::{Upgrade, UpgradeRequest};

fn serve(bytes: &[u8]) -> Request {
    let (used, head): (usize, Head) =
        HeadReader::new(HeadLimits::default()).next(bytes).expect("a legal request").expect("all of it");
    let mut body = BodyReader::new(head.framing(), 1 << 20).expect("within the limit");
    assert_eq!(body.next(&bytes[used..]), Ok((bytes.len() - used, true)));
    Request { head, body: body.into_bytes() }
}

/// The head, the body, whether the connection is kept, and what is behind the answer.
fn read(asked: Asked, bytes: &[u8], piece_bytes: usize) -> (AnswerHead, Vec<u8>, bool, Vec<u8>) {
    let mut reader = AnswerReader::new(asked, AnswerSettings::default());
    let (mut head, mut body) = (None, Vec::new());
    for (number, mut piece) in bytes.chunks(piece_bytes).enumerate() {
        let mut at = number * piece_bytes;
        while let Some((used, part)) = reader.next(piece).expect("a legal answer") {
            (piece, at) = (&piece[used..], at + used);
            match part {
                Part::Head(found) => head = Some(found),
                Part::Data(data) => body.extend_from_slice(data),
                Part::End { keep_alive } => return (head.expect("a head"), body, keep_alive, bytes[at..].to_vec()),
            }
        }
    }
    panic!("the answer has no end");
}

#[test]
fn an_upgrade_with_frames_right_behind_it() {
    let fixed = Compression { client_window_negotiable: false, ..Compression::default() };
    let request = UpgradeRequest {
        compression: Some(fixed),
        request: ClientRequest { cookies: &[(b"a", b"b")], ..ClientRequest::new("GET", "h", "/chat") },
        ..UpgradeRequest::new("h", "/chat")
    };
    let mut keys = Keys::from_seed([1; 32]);
    let (upgrade, bytes) = Upgrade::begin(&request, HeadLimits::default(), &mut keys).expect("a legal request");
    let served = serve(&bytes);
    assert_eq!(check(&served.head), Ok(()));
    let offer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    assert_eq!(served.head.header("sec-websocket-extensions"), Some(offer.as_bytes()));
    let agreement = negotiate(&served.head, &Compression::default());
    let mut answer = Vec::new();
    encode_acceptance(&served.head, None, agreement.as_ref(), b"", &mut answer);
    answer.extend_from_slice(encode(Opcode::Text, true, 0, 5, None).bytes());
    answer.extend_from_slice(b"hello");
    for piece_bytes in [1, 7, 1000] {
        let (head, body, keep_alive, mut behind) = read(Asked::Upgrade, &answer, piece_bytes);
        assert!(body.is_empty() && !keep_alive);
        let accepted = upgrade.accept(head).expect("an acceptance");
        let mut client = Client::new(accepted.agreement, 1000, Keys::from_seed([2; 32]));
        assert!(client.is_compressing());
        let Ok(Some((7, Event::Message(message)))) = client.next(&mut behind) else { panic!("a message") };
        assert_eq!(message.payload.bytes(), b"hello");
        client.send(Outgoing::text("hello").compressed()).expect("it is open");
    }
}

#[test]
fn an_upgrade_that_is_refused() {
    let request = UpgradeRequest::new("h", "/chat");
    let (upgrade, bytes) =
        Upgrade::begin(&request, HeadLimits::default(), &mut Keys::from_seed([1; 32])).expect("a legal request");
    let mut answer = Vec::new();
    let exchange = Exchange::from(&serve(&bytes).head);
    Refusal::Version.response().encode(exchange, UNIX_EPOCH, &mut answer).expect("a legal answer");
    let (head, body, ..) = read(Asked::Upgrade, &answer, 5);
    assert_eq!((head.status(), &*body), (426, &b"the header Sec-WebSocket-Version must be 13\n"[..]));
    assert!(upgrade.accept(head).is_err());
}

proptest! {
    #[test]
    fn what_is_asked_and_answered_arrives(
        method in "(GET|POST|HEAD|DELETE)", path in "/[a-z/%]{0,9}", value in "[a-z ]{0,9}",
        cookies in prop::collection::vec(("[a-z]{1,4}", "[ -:<-~]{0,6}"), 0..4),
        body in prop::collection::vec(any::<u8>(), 0..300), status in 200_u16..600,
        page in prop::collection::vec(any::<u8>(), 0..300), keep_alive: bool, piece_bytes in 1_usize..100,
    ) {
        let headers = [("X-Value", value.as_bytes())];
        let pairs: Vec<(&[u8], &[u8])> =
            cookies.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = ClientRequest {
            headers: &headers, cookies: &pairs, body: &body, keep_alive,
            ..ClientRequest::new(&method, "example.com", &path)
        };
        let mut bytes = Vec::new();
        let head = request.encode(&mut bytes).expect("a legal request");
        let served = serve(&bytes);
        prop_assert_eq!(&served.head, &head);
        prop_assert_eq!((served.head.method(), served.head.target()), (&*method, &*path));
        prop_assert_eq!(served.head.header("x-value"), Some(value.trim().as_bytes()));
        let trimmed = pairs.iter().map(|(name, value)| (*name, value.trim_ascii()));
        prop_assert!(served.cookies().eq(trimmed));
        prop_assert_eq!(&served.body, &body);

        let response = Response::new(status).header("Set-Cookie", "a=b; Path=/").body(page.clone());
        let mut answer = Vec::new();
        response.encode(Exchange::from(&served.head), UNIX_EPOCH, &mut answer).expect("a legal answer");
        answer.extend_from_slice(b"HTTP/1.1");
        let (head, found, kept, behind) = read(request.asked(), &answer, piece_bytes);
        prop_assert_eq!((head.status(), kept, &*behind), (status, keep_alive, &b"HTTP/1.1"[..]));
        prop_assert!(head.cookies().eq([(&b"a"[..], &b"b"[..])]));
        let is_bodiless = method == "HEAD" || status == 204 || status == 304;
        prop_assert_eq!(found, if is_bodiless { vec![] } else { page });
    }
}
