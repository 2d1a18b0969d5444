//! What the peers of a hub say: requests, frames and noise, most of it legal.

use crate::choices::Choices;
use crate::frames::{Bits, append_frame};
use wirewool_proto::http::response::{LAST_CHUNK, chunk};
use wirewool_proto::websocket::close::CloseCode;
use wirewool_proto::websocket::deflate::Deflater;
use wirewool_proto::websocket::extension::WINDOW_BITS_MIN;
use wirewool_proto::websocket::frame::{Opcode, RSV1};

/// A peer that has said so much says nothing more.
const SAID_BYTES_MAX: usize = 48 << 10;

const OFFERS: [&str; 6] = [
    "",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n",
    "Sec-WebSocket-Version: 8\r\n",
];

/// One connection's peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// What it says and has not arrived.
    pub(crate) unsaid: Vec<u8>,
    said: usize,
    /// The smallest window and the fastest level: that is legal whatever was agreed on.
    deflater: Option<Deflater>,
}

impl Peer {
    /// So many more bytes arrive.
    pub(crate) fn arrive(&mut self, n: usize) -> impl Iterator<Item = u8> {
        self.unsaid.drain(..n.min(self.unsaid.len()))
    }

    /// It says what the choices describe.
    pub(crate) fn say(&mut self, choices: &mut Choices<'_>) {
        let before = self.unsaid.len();
        match choices.byte() % 16 {
            0 | 1 => self.upgrade(choices),
            2 => self.get(choices),
            3 => self.post(choices),
            4..=9 => self.message(choices),
            10 => self.frame(Opcode::Ping, true, 0, choices.some()),
            11 => self.frame(Opcode::Pong, true, 0, choices.some()),
            12 => self.close(choices),
            13 => self.any_frame(choices),
            _ => self.unsaid.extend_from_slice(choices.some()),
        }
        self.said += self.unsaid.len() - before;
        if self.said > SAID_BYTES_MAX {
            self.unsaid.truncate(before);
        }
    }

    fn upgrade(&mut self, choices: &mut Choices<'_>) {
        let (offer, target) = (choices.one_of(&OFFERS), choices.within(b'a'..=b'z') as char);
        let request = format!(
            "GET /{target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{offer}\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        self.unsaid.extend_from_slice(request.as_bytes());
    }

    fn get(&mut self, choices: &mut Choices<'_>) {
        let (method, target) = (choices.one_of(&["GET", "HEAD", "PUT"]), choices.within(b'a'..=b'z') as char);
        let request = format!("{method} /{target} HTTP/1.1\r\nHost: h\r\n\r\n");
        self.unsaid.extend_from_slice(request.as_bytes());
    }

    fn post(&mut self, choices: &mut Choices<'_>) {
        let (chunked, continues) = (choices.flag(), choices.flag());
        let body = payload(choices);
        let expect = if continues { "Expect: 100-continue\r\n" } else { "" };
        let framing = match chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {}", body.len()),
        };
        let head = format!("POST /post HTTP/1.1\r\nHost: h\r\n{expect}{framing}\r\n\r\n");
        self.unsaid.extend_from_slice(head.as_bytes());
        if chunked {
            body.chunks(200).for_each(|part| chunk(part, &mut self.unsaid));
            self.unsaid.extend_from_slice(LAST_CHUNK);
        } else {
            self.unsaid.extend_from_slice(&body);
        }
    }

    /// A message in up to four frames, with pings between them.
    fn message(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.one_of(&[Opcode::Text, Opcode::Binary]);
        let (how, frames) = (choices.byte(), usize::from(choices.within(1..=4)));
        let (compressed, forgets, pings) = (how & 1 == 1, how & 2 == 0, how & 4 == 4);
        let payload = payload(choices);
        let compressed = compressed && !payload.is_empty();
        let bytes = if compressed { self.deflate(&payload, forgets) } else { payload };
        let mut rest = &bytes[..];
        for number in 0..frames {
            let last = number + 1 == frames;
            let (piece, behind) = rest.split_at(if last { rest.len() } else { rest.len() / 2 });
            let opcode = if number == 0 { kind } else { Opcode::Continuation };
            self.frame(opcode, last, if compressed && number == 0 { RSV1 } else { 0 }, piece);
            if pings && !last {
                self.frame(Opcode::Ping, true, 0, &[number as u8]);
            }
            rest = behind;
        }
    }

    fn close(&mut self, choices: &mut Choices<'_>) {
        let code = choices.one_of(&[CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NO_STATUS]);
        let reason = choices.some();
        match code {
            CloseCode::NO_STATUS => self.frame(Opcode::Close, true, 0, &[]),
            code => self.frame(Opcode::Close, true, 0, &[&code.get().to_be_bytes()[..], reason].concat()),
        }
    }

    fn any_frame(&mut self, choices: &mut Choices<'_>) {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        let opcode = choices.one_of(&[Text, Binary, Continuation, Ping, Pong, Close]);
        let (fin, rsv, masked) = (choices.flag(), choices.one_of(&[0, RSV1, 0, 2]), choices.byte() != 255);
        let bits = Bits { fin, rsv, key: masked.then_some([9, 0, 77, 255]) };
        append_frame(opcode, bits, &payload(choices), &mut self.unsaid);
    }

    fn frame(&mut self, opcode: Opcode, fin: bool, rsv: u8, payload: &[u8]) {
        append_frame(opcode, Bits { fin, rsv, key: Some([1, 20, 133, 244]) }, payload, &mut self.unsaid);
    }

    fn deflate(&mut self, payload: &[u8], forgets: bool) -> Vec<u8> {
        let deflater = self.deflater.get_or_insert_with(|| Deflater::new(1, WINDOW_BITS_MIN));
        if forgets {
            deflater.reset();
        }
        let mut bytes = Vec::new();
        deflater.deflate(payload, &mut bytes);
        bytes
    }
}

/// The payload that the choices describe: theirs, or one letter so many times.
fn payload(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.one_of(&[None, Some(0), Some(3), Some(125), Some(126), Some(900), Some(4_000), Some(20_000)]) {
        None => choices.some().to_vec(),
        // Seldom a byte that is no UTF-8.
        Some(count) => vec![b'a' + choices.byte() % 32; count],
    }
}
