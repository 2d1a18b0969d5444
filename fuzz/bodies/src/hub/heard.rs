//! What a handler should hear of a connection: what plain readers of one connection make of the same bytes.

use crate::frames::{Reader, Seen};
use wirewool_hub::command::After;
use wirewool_hub::event::Closed;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::http::body::BodyReader;
use wirewool_proto::http::head::{Framing, Head, HeadReader};
use wirewool_proto::websocket::extension::{Agreement, Compression, WINDOW_BITS_MAX, negotiate};
use wirewool_proto::websocket::handshake;
use wirewool_proto::websocket::role::Role;

/// An event, as the handler keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Connected,
    /// Bytes of a raw connection.
    Received(Vec<u8>),
    /// Target and body.
    Request(String, Vec<u8>),
    /// Target, and what can be agreed on.
    Upgrade(String, Option<Agreement>),
    Frame(Seen),
    /// More than the high mark is owed to it, or no more than the low one again.
    Level(bool),
    Closed(Closed),
}

/// What bytes come to.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) events: Vec<Heard>,
    /// A request was among them that the hub refuses.
    pub(crate) refused: bool,
    /// All answers were used up: what is behind the last request waits.
    pub(crate) waits: bool,
    /// Pings that the hub answers itself.
    pub(crate) pings: Vec<Vec<u8>>,
}

/// What these bytes come to, with these complete answers to the requests among them.
pub(crate) fn due(bytes: &[u8], answers: &[After], settings: &Settings, wanted: &Compression) -> Due {
    let mut due = Due::default();
    if settings.protocol == Protocol::Raw {
        due.events.extend((!bytes.is_empty()).then(|| Heard::Received(bytes.to_vec())));
        return due;
    }
    let mut reader = Requests { rest: bytes, settings, wanted };
    let mut answers = answers.iter();
    loop {
        match reader.next() {
            Ok(Some(event)) => due.events.push(event),
            Ok(None) => return due,
            Err(Refused) => {
                due.refused = true;
                return due;
            }
        }
        match answers.next() {
            None => due.waits = true,
            Some(After::KeepAlive) => continue,
            Some(After::Upgrade(agreement)) => frames(reader.rest, *agreement, settings, &mut due),
            Some(After::More | After::Close) => {}
        }
        return due;
    }
}

/// The frames behind an upgrade.
fn frames(bytes: &[u8], agreement: Option<Agreement>, settings: &Settings, due: &mut Due) {
    let inflating = agreement.map(|agreement| {
        (agreement.client_context_takeover, agreement.client_max_window_bits.unwrap_or(WINDOW_BITS_MAX))
    });
    let reader =
        Reader { role: Role::Server, inflating, bytes_max: settings.message_bytes_max, direct_bytes_min: None };
    for seen in reader.read(&[bytes]) {
        match seen {
            Seen::Ping(payload) if !settings.ping_events => due.pings.push(payload),
            Seen::Pong(_) if !settings.pong_events => {}
            seen => due.events.push(Heard::Frame(seen)),
        }
    }
}

/// A request that the hub answers itself.
struct Refused;

/// Reads requests, one behind the other.
struct Requests<'a> {
    rest: &'a [u8],
    settings: &'a Settings,
    wanted: &'a Compression,
}

impl Requests<'_> {
    /// The next request.
    fn next(&mut self) -> Result<Option<Heard>, Refused> {
        // The hub keeps nothing of empty lines between two reads, and counts them only within one.
        while let Some(rest) = self.rest.strip_prefix(b"\r\n") {
            self.rest = rest;
        }
        let found = HeadReader::<Head>::new(self.settings.head).next(self.rest).map_err(|_| Refused)?;
        let Some((used, head)) = found else { return Ok(None) };
        self.rest = &self.rest[used..];
        let target = head.target().to_owned();
        if self.settings.protocol == Protocol::WebSocket && handshake::is_upgrade(&head) {
            let checked = match self.settings.own_handshake {
                true => handshake::check_bodiless(&head),
                false => handshake::check(&head),
            };
            return checked.map(|()| Some(Heard::Upgrade(target, negotiate(&head, self.wanted)))).map_err(|_| Refused);
        }
        if !self.settings.requests {
            return Err(Refused);
        }
        if matches!(head.framing(), Framing::None | Framing::Length(0)) {
            return Ok(Some(Heard::Request(target, Vec::new())));
        }
        let mut body = BodyReader::new(head.framing(), self.settings.message_bytes_max).map_err(|_| Refused)?;
        let (used, done) = body.next(self.rest).map_err(|_| Refused)?;
        self.rest = &self.rest[used..];
        Ok(done.then(|| Heard::Request(target, body.into_bytes())))
    }
}
