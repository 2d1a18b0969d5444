//! Turns what a script says through a Response object into bytes: status, headers, cookies, body.

use std::time::SystemTime;

use wirewool_hub::command::After;
use wirewool_proto::http::head::Version;
use wirewool_proto::http::response::{LAST_CHUNK, ResponseHead, chunk, date};

/// What of the request decides how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// HTTP/1.0 knows no chunks.
    pub(crate) version: Version,
    /// The peer wants the connection kept, and so does the server.
    pub(crate) keep_alive: bool,
    /// The method was HEAD: the answer has no body.
    pub(crate) head_only: bool,
    /// Whether headers are added.
    pub(crate) form: Form,
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// To a request: with the headers that HTTP needs.
    Plain,
    /// To a handshake that the script performs: the script's own headers, Server and Date. Status 101 upgrades.
    Handshake,
    /// To nothing: its headers go into an answer that is not the script's. There is nothing to write or to end.
    Headers,
}

/// How far the answer is.
///
/// ```text
/// Open ──write──► Streaming ──end──► Ended
///  └───────────────end───────────────►
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    Streaming,
    Ended,
}

/// How a receiver finds the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Length(usize),
    Chunks,
    /// The connection closes, or there is no body.
    Other,
}

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Reply {
    context: Context,
    stage: Stage,
    status: Option<u16>,
    reason: String,
    headers: Vec<(HeaderName, Vec<Vec<u8>>)>,
    cookies: Vec<Vec<u8>>,
}

/// The name of a header that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderName(String);

/// A name that no header can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameError {
    /// Longer than [`NAME_BYTES_MAX`].
    TooLong,
    /// A byte that is not of a token (RFC 9110, section 5.6.2), or none at all.
    NotToken,
}

/// The longest name of a header, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 127;

impl HeaderName {
    /// Checks `name`; `format` makes `Sec-WebSocket-Accept` into `Sec-Websocket-Accept`.
    ///
    /// # Errors
    /// A name that no header can have.
    pub(crate) fn parse(name: &[u8], format: bool) -> Result<HeaderName, NameError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if name.is_empty() || !name.iter().all(is_tchar) {
            return Err(NameError::NotToken);
        }
        let mut first = true;
        let name = name.iter().map(|byte| {
            let letter = match (format, first) {
                (false, _) => *byte,
                (true, true) => byte.to_ascii_uppercase(),
                (true, false) => byte.to_ascii_lowercase(),
            };
            first = *byte == b'-';
            char::from(letter)
        });
        Ok(HeaderName(name.collect()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A status code of three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u16);

impl Status {
    /// What a response has that nobody has given.
    pub(crate) const INTERNAL_SERVER_ERROR: Status = Status(500);

    /// The status with this number; none unless it has three digits.
    pub(crate) fn from_number(number: i64) -> Option<Status> {
        u16::try_from(number).ok().filter(|status| (100..=999).contains(status)).map(Status)
    }
}

/// The headers that are added when the script has not set them; setting one to "" keeps it out.
const AUTOMATIC: [&str; 7] =
    ["Server", "Date", "Connection", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding"];

/// The headers that make an answer accept a handshake, or give it a body.
const ACCEPTANCE: [&str; 6] = [
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Content-Length",
    "Transfer-Encoding",
];

impl Reply {
    pub(crate) fn new(context: Context) -> Reply {
        Reply {
            context,
            stage: Stage::Open,
            status: None,
            reason: String::new(),
            headers: Vec::new(),
            cookies: Vec::new(),
        }
    }

    pub(crate) fn context(&self) -> Context {
        self.context
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Sets the status; an empty reason means the registered one. A reason with a line end in it is none. False for
    /// one that this answer cannot have: behind 1xx the peer waits for another one (RFC 9110, section 15.2).
    pub(crate) fn set_status(&mut self, status: Status, reason: &str) -> bool {
        let fits = match self.context.form {
            Form::Plain => status.0 >= 200,
            Form::Handshake => true,
            Form::Headers => false,
        };
        if fits {
            self.status = Some(status.0);
            self.reason = if reason.contains(['\r', '\n', '\0']) { String::new() } else { reason.to_owned() };
        }
        fits
    }

    /// Sets a header, in place of one of the same name. A line per value; one with a line end in it is left out.
    pub(crate) fn set_header(&mut self, name: HeaderName, values: Vec<Vec<u8>>) {
        match self.headers.iter_mut().find(|(own, _)| own.0.eq_ignore_ascii_case(&name.0)) {
            Some(header) => *header = (name, values),
            None => self.headers.push((name, values)),
        }
    }

    /// Adds a Set-Cookie header.
    pub(crate) fn add_cookie(&mut self, cookie: Vec<u8>) {
        self.cookies.push(cookie);
    }

    /// A piece of the body; the first one brings the head along. `None` once ended, and for mere headers.
    pub(crate) fn write(&mut self, content: &[u8], now: SystemTime) -> Option<(Vec<u8>, After)> {
        if self.context.form == Form::Headers {
            return None;
        }
        let mut bytes = match self.stage {
            Stage::Open => self.head(self.streamed(), now),
            Stage::Streaming => Vec::new(),
            Stage::Ended => return None,
        };
        self.stage = Stage::Streaming;
        self.append_piece(content, &mut bytes);
        Some((bytes, After::More))
    }

    /// The rest, or all of it. `None` once ended, and for mere headers.
    pub(crate) fn end(&mut self, content: &[u8], now: SystemTime) -> Option<(Vec<u8>, After)> {
        if self.context.form == Form::Headers {
            return None;
        }
        let bytes = match self.stage {
            Stage::Open => self.whole(content, now),
            Stage::Streaming => {
                let mut bytes = Vec::new();
                self.append_piece(content, &mut bytes);
                if self.streamed() == Ending::Chunks && self.has_body() {
                    bytes.extend_from_slice(LAST_CHUNK);
                }
                bytes
            }
            Stage::Ended => return None,
        };
        let ending = if self.stage == Stage::Open { self.ending(content) } else { self.streamed() };
        self.stage = Stage::Ended;
        Some((bytes, self.after(ending)))
    }

    fn whole(&self, content: &[u8], now: SystemTime) -> Vec<u8> {
        let mut bytes = self.head(self.ending(content), now);
        if self.has_body() {
            bytes.extend_from_slice(content);
        }
        bytes
    }

    fn append_piece(&self, content: &[u8], bytes: &mut Vec<u8>) {
        match self.streamed() {
            _ if !self.has_body() => {}
            Ending::Chunks => chunk(content, bytes),
            Ending::Length(_) | Ending::Other => bytes.extend_from_slice(content),
        }
    }

    fn status_or_default(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    /// RFC 9110, section 6.4.1: HEAD, 1xx, 204 and 304 have no content.
    fn has_body(&self) -> bool {
        !self.context.head_only && !self.is_bodiless()
    }

    fn is_bodiless(&self) -> bool {
        matches!(self.status_or_default(), 100..200 | 204 | 304)
    }

    fn ending(&self, content: &[u8]) -> Ending {
        let says_nothing = self.context.head_only && content.is_empty();
        let is_plain = self.context.form == Form::Plain;
        if !is_plain || self.is_bodiless() || says_nothing || self.suppresses("content-length") {
            return Ending::Other;
        }
        Ending::Length(content.len())
    }

    fn streamed(&self) -> Ending {
        let chunks = self.context.form == Form::Plain && self.context.version == Version::Http11 && !self.is_bodiless();
        if chunks && !self.suppresses("transfer-encoding") { Ending::Chunks } else { Ending::Other }
    }

    fn after(&self, ending: Ending) -> After {
        if self.context.form == Form::Handshake {
            return if self.status_or_default() == 101 { After::Upgrade(None) } else { After::Close };
        }
        if self.keeps_alive(ending) { After::KeepAlive } else { After::Close }
    }

    /// Without a known end of the body, only closing tells it.
    fn keeps_alive(&self, ending: Ending) -> bool {
        let ends = ending != Ending::Other || !self.has_body();
        let close = self
            .header("connection")
            .is_some_and(|values| values.iter().any(|value| value.trim_ascii().eq_ignore_ascii_case(b"close")));
        self.context.keep_alive && ends && !close
    }

    fn header(&self, name: &str) -> Option<&[Vec<u8>]> {
        self.headers.iter().find(|(own, _)| own.0.eq_ignore_ascii_case(name)).map(|(_, values)| values.as_slice())
    }

    /// The script has set the header to "".
    fn suppresses(&self, name: &str) -> bool {
        self.header(name).is_some_and(|values| values.iter().all(Vec::is_empty))
    }

    /// Status line and headers: the script's, its cookies, then what it has not set.
    fn head(&self, ending: Ending, now: SystemTime) -> Vec<u8> {
        let mut date_value = Vec::with_capacity(29);
        date(now, &mut date_value);
        let length = if let Ending::Length(length) = ending { length.to_string() } else { String::new() };
        let plain = self.context.form == Form::Plain;
        let automatic: [(&str, &[u8], bool); 6] = [
            ("Server", b"wirewool", true),
            ("Date", &date_value, true),
            ("Connection", if self.keeps_alive(ending) { b"keep-alive" } else { b"close" }, plain),
            ("Content-Type", b"text/html", plain && !self.is_bodiless()),
            ("Content-Length", length.as_bytes(), !length.is_empty()),
            ("Transfer-Encoding", b"chunked", ending == Ending::Chunks),
        ];
        let missing = automatic.iter().filter(|(name, _, wanted)| *wanted && self.is_missing(name));
        let cookies = self.cookies.iter().map(|cookie| ("Set-Cookie", cookie.as_slice()));
        let headers: Vec<_> = self.own_lines().chain(cookies).filter(|(name, value)| is_sent(name, value)).collect();
        let headers = [headers, missing.map(|&(name, value, _)| (name, value)).collect()].concat();

        let mut bytes = Vec::with_capacity(256);
        let head = ResponseHead { status: self.status_or_default(), reason: &self.reason, headers: &headers };
        head.encode(&mut bytes).expect("what it refuses cannot be set, or is left out");
        bytes
    }

    /// The header lines that the script has set for an answer which accepts a handshake, cookies included, each with
    /// its line end. What accepts it, and what says where a body ends, is not the script's to set.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let is_own = |name: &str| !ACCEPTANCE.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        let cookies = self.cookies.iter().map(|cookie| ("Set-Cookie", cookie.as_slice()));
        let mut bytes = Vec::new();
        for (name, value) in
            self.own_lines().chain(cookies).filter(|(name, value)| is_own(name) && is_sent(name, value))
        {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    /// The script's headers, but for what says where the body ends: a wrong one would let the peer read the next
    /// answer at the wrong place.
    fn own_lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let own = self.headers.iter().filter(|(name, _)| !self.is_framing(&name.0));
        own.flat_map(|(name, values)| values.iter().map(|value| (name.0.as_str(), value.as_slice())))
    }

    fn is_missing(&self, name: &str) -> bool {
        self.is_framing(name) || self.header(name).is_none()
    }

    fn is_framing(&self, name: &str) -> bool {
        self.context.form == Form::Plain
            && (name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding"))
    }
}

/// What a peer gets in the place of an answer that cannot be sent; the connection closes behind it.
pub(crate) fn failure(context: Context, now: SystemTime) -> Option<Vec<u8>> {
    let mut reply = Reply::new(Context { keep_alive: false, ..context });
    reply.set_status(Status::INTERNAL_SERVER_ERROR, "");
    reply.end(b"", now).map(|(bytes, _)| bytes)
}

/// Whether a header line goes out: its end must be its own, and "" keeps an automatic header out.
fn is_sent(name: &str, value: &[u8]) -> bool {
    let suppressed = value.is_empty() && AUTOMATIC.iter().any(|automatic| automatic.eq_ignore_ascii_case(name));
    !suppressed && !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
