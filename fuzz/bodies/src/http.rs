//! Request heads and bodies, and the handshake in a head.

use crate::choices::{Choices, Cuts};
use wirewool_proto::http::body::{BodyError, BodyReader};
use wirewool_proto::http::head::{Framing, Head, HeadError, HeadLimits, HeadReader};
use wirewool_proto::http::request::Request;
use wirewool_proto::http::response::{Exchange, LAST_CHUNK, chunk};
use wirewool_proto::websocket::extension::{Compression, WINDOW_BITS_MAX, WINDOW_BITS_MIN, negotiate};
use wirewool_proto::websocket::handshake::{check, choose_protocol, encode_acceptance, is_upgrade};

/// What bytes come to: the head and how many bytes it took, or the error, or nothing yet.
type HeadOutcome = Result<Option<(usize, Head)>, HeadError>;

/// The same head, or the same error, however the bytes are cut; an accepted head is what its own bytes say.
pub fn request_head(data: &[u8]) {
    let mut choices = Choices::new(data);
    let bytes_max = choices.one_of(&[64 << 10, 1, 40, 300]);
    let limits = HeadLimits { bytes_max, headers_max: choices.one_of(&[128, 0, 2, 200]) };
    let mut cuts = Cuts::new(choices.byte());
    let bytes = choices.rest();
    let whole = read_head(limits, [bytes]);
    let cut = read_head(limits, cuts.pieces(bytes));
    // Where the bytes are cut moves the moment of an error, not its kind.
    assert!(cut == whole || whole.is_err() && cut == Ok(None), "{whole:?} in one piece, {cut:?} cut");

    let ended = [bytes, b"\r\n\r\n"].concat();
    let whole = read_head(limits, [&*ended]);
    assert_eq!(read_head(limits, cuts.pieces(&ended)), whole, "an ended head, cut");
    if let Ok(Some((used, head))) = whole {
        assert!(used <= ended.len().min(bytes_max));
        check_head(&head, limits);
    }
}

fn read_head<'a>(limits: HeadLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> HeadOutcome {
    let mut reader = HeadReader::new(limits);
    let mut before = 0;
    for piece in pieces {
        if let Some((used, head)) = reader.next(piece)? {
            assert!(used <= piece.len());
            assert!(reader.is_empty(), "as new after a head");
            return Ok(Some((before + used, head)));
        }
        before += piece.len();
    }
    Ok(None)
}

fn check_head(head: &Head, limits: HeadLimits) {
    let again = read_head(limits, [head.raw()]);
    assert_eq!(again, Ok(Some((head.raw().len(), head.clone()))), "a head's own bytes are that head");
    assert!(head.raw().ends_with(b"\r\n\r\n"));
    assert!(head.headers().count() <= limits.headers_max);
    assert!(head.target().contains(head.path()) || head.path() == "/");
    assert!(head.query().is_none_or(|query| head.target().ends_with(query)));
    for (name, value) in head.headers() {
        assert!(!name.is_empty() && name.is_ascii() && !name.contains([' ', ':']));
        assert!(!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'));
        assert!(head.header_all(name).any(|other| other == value));
    }
    let framed = head.header("content-length").is_some() || head.header("transfer-encoding").is_some();
    assert_eq!(head.framing() != Framing::None, framed);
    assert!(!head.expects_continue() || framed);
    let _ = (is_upgrade(head), check(head));
    let request = Request { head: head.clone(), body: Vec::new() };
    assert!(request.cookies().all(|(name, _)| !name.is_empty()));
}

/// The same body, or the same error, however the bytes are cut; never more than the limit, nor than came.
pub fn request_body(data: &[u8]) {
    let mut choices = Choices::new(data);
    let length = u64::from(choices.byte());
    let framing = choices.one_of(&[
        Framing::Chunked,
        Framing::Length(length),
        Framing::None,
        Framing::Length(length << 56 | length),
        Framing::ToEnd,
    ]);
    let bytes_max = choices.one_of(&[1 << 20, 0, 8, 100, usize::MAX]);
    let mut cuts = Cuts::new(choices.byte());
    let bytes = choices.rest();
    let whole = read_body(framing, bytes_max, [bytes]);
    assert_eq!(read_body(framing, bytes_max, cuts.pieces(bytes)), whole, "cut");
    if let Ok((used, _, body)) = whole {
        assert!(body.len() <= used && used <= bytes.len());
        // What a vector may set aside: twice as much as it holds, and a few bytes.
        assert!(body.capacity() <= 2 * bytes.len() + 8);
    }

    let mut chunked = Vec::new();
    let pieces = cuts.pieces(bytes);
    pieces.iter().for_each(|piece| chunk(piece, &mut chunked));
    chunked.extend_from_slice(LAST_CHUNK);
    let read = read_body(Framing::Chunked, bytes.len(), cuts.pieces(&chunked));
    assert_eq!(read, Ok((chunked.len(), true, bytes.to_vec())), "what is written is read back");
}

/// Bytes used, whether the body is complete, and the body.
fn read_body<'a>(
    framing: Framing,
    bytes_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(usize, bool, Vec<u8>), BodyError> {
    let mut reader = BodyReader::new(framing, bytes_max)?;
    let (mut total, mut complete) = (0, false);
    // What is complete must stay so, and be so without a byte.
    for piece in pieces.into_iter().chain([&b""[..]]) {
        let (used, done) = reader.next(piece)?;
        assert!(done || used == piece.len());
        assert!(!complete || done && used == 0);
        (total, complete) = (total + used, done);
    }
    let body = reader.into_bytes();
    assert!(body.len() <= bytes_max);
    Ok((total, complete, body))
}

/// An upgrade request is answered with what it offered and this side wants, in a form that is legal again.
pub fn handshake(data: &[u8]) {
    let mut choices = Choices::new(data);
    let wanted = Compression {
        server_context_takeover: choices.flag(),
        client_context_takeover: choices.flag(),
        server_max_window_bits: choices.within(WINDOW_BITS_MIN..=WINDOW_BITS_MAX),
        client_max_window_bits: choices.within(WINDOW_BITS_MIN..=WINDOW_BITS_MAX),
        ..Compression::default()
    };
    let lines = choices.rest();
    let Some(head) = head_with(lines) else { return };
    let supported = ["chat", "", "superchat", "v2.chat"];
    let protocol = choose_protocol(&head, supported);
    if let Some(protocol) = protocol {
        assert!(!protocol.is_empty() && supported.contains(&protocol));
        let mut offers = head.header_all("sec-websocket-protocol");
        assert!(offers.any(|line| contains(line, protocol.as_bytes())), "{protocol} was not offered");
    }
    let agreement = negotiate(&head, &wanted);
    if let Some(agreement) = &agreement {
        assert!(wanted.server_context_takeover || !agreement.server_context_takeover);
        assert!(wanted.client_context_takeover || !agreement.client_context_takeover);
        assert!((WINDOW_BITS_MIN..=wanted.server_max_window_bits).contains(&agreement.server_max_window_bits));
        let client_bits = agreement.client_max_window_bits;
        assert!(client_bits.is_none_or(|bits| (8..=wanted.client_max_window_bits).contains(&bits)));
        let mut offers = head.header_all("sec-websocket-extensions");
        assert!(client_bits.is_none() || offers.any(|line| contains(line, b"client_max_window_bits")));
        check_answer(&agreement.to_string());
    }
    match check(&head) {
        Ok(()) => {
            let mut answer = Vec::new();
            encode_acceptance(&head, protocol, agreement.as_ref(), b"X: y\r\n", &mut answer);
            let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
            assert_eq!(end, Some(answer.len() - 4), "one head and nothing behind it");
        }
        Err(refusal) => {
            let encoded = refusal.response().encode(Exchange::from(&head), std::time::UNIX_EPOCH, &mut Vec::new());
            assert_eq!(encoded, Ok(()));
        }
    }
}

/// Whoever allows everything accepts the answer to an offer as an offer, and answers the same.
fn check_answer(answer: &str) {
    let all = Compression {
        server_context_takeover: true,
        client_context_takeover: true,
        server_max_window_bits: WINDOW_BITS_MAX,
        client_max_window_bits: WINDOW_BITS_MAX,
        ..Compression::default()
    };
    let head = head_with(format!("Sec-WebSocket-Extensions: {answer}").as_bytes()).expect("a legal header line");
    let again = negotiate(&head, &all).map(|agreement| agreement.to_string());
    assert_eq!(again.as_deref(), Some(answer));
}

/// An upgrade request with these lines, if they are header lines.
fn head_with(lines: &[u8]) -> Option<Head> {
    let bytes = [b"GET / HTTP/1.1\r\nHost: x\r\n", lines, b"\r\n\r\n"].concat();
    let found = HeadReader::new(HeadLimits::default()).next(&bytes).ok()??;
    Some(found.1)
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}
