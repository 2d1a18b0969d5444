//! Turns a status, headers and a body into the bytes of a response (RFC 9112, sections 4 to 7).

use std::borrow::Cow;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use httpdate::HttpDate;
use thiserror::Error;

use crate::http::head::Head;
use crate::http::lines::{self, LineError, ends_line};

/// A response that would not arrive as it was meant. Nothing has been written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// A status that is not three digits.
    #[error("status {0}: must be from 100 to 999")]
    Status(u16),
    /// A reason phrase with a byte that ends the line.
    #[error("reason phrase of status {0}: must have no CR, LF or NUL")]
    Reason(u16),
    /// A header line that would be read as something else.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// The status line and headers of a response, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    /// The status, three digits.
    pub status: u16,
    /// The reason phrase. Empty means the registered one, or `Unknown Status`.
    pub reason: &'a str,
    /// Names, and values as they go out, in order. Nothing is added.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl ResponseHead<'_> {
    /// Appends the head, the empty line at its end included.
    ///
    /// # Errors
    ///
    /// What a peer would read as something else, a response split in two above all, is refused.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ResponseError> {
        self.check()?;
        let mut digits = *b"HTTP/1.1 000 ";
        digits[9] += (self.status / 100) as u8;
        digits[10] += (self.status / 10 % 10) as u8;
        digits[11] += (self.status % 10) as u8;
        let reason = if self.reason.is_empty() { registered_reason(self.status) } else { self.reason };
        out.extend_from_slice(&digits);
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        lines::write(self.headers, out);
        Ok(())
    }

    fn check(&self) -> Result<(), ResponseError> {
        if !(100..=999).contains(&self.status) {
            return Err(ResponseError::Status(self.status));
        }
        if ends_line(self.reason.as_bytes()) {
            return Err(ResponseError::Reason(self.status));
        }
        Ok(lines::check(self.headers)?)
    }
}

fn registered_reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown Status")
}

/// Appends one chunk of a chunked body (RFC 9112, section 7.1). No data appends nothing: an empty chunk ends the body.
pub fn chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    append(out, format_args!("{:x}\r\n", data.len()));
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// What ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a time as a Date header has it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). Before 1970 it
/// is the first second of that year, and after 9999 the last one that the format can write.
pub fn date(time: SystemTime, out: &mut Vec<u8>) {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    append(out, format_args!("{}", HttpDate::from(time.clamp(UNIX_EPOCH, last))));
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes everything");
}

/// What a response must know of the request and the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The method was HEAD: the body's headers are sent, the body is not.
    pub request_is_head: bool,
    /// The connection stays open after the response.
    pub keep_alive: bool,
}

impl From<&Head> for Exchange {
    fn from(head: &Head) -> Self {
        Self { request_is_head: head.method() == "HEAD", keep_alive: head.keep_alive() }
    }
}

/// A whole response, owned.
///
/// ```
/// use wirewool_proto::http::response::{Exchange, Response};
///
/// let response = Response::new(404).header("Cache-Control", "no-store").body("nothing here");
/// let mut out = Vec::new();
/// let exchange = Exchange { request_is_head: false, keep_alive: true };
/// response.encode(exchange, std::time::UNIX_EPOCH, &mut out).unwrap();
/// assert!(out.starts_with(b"HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nServer: wirewool\r\n"));
/// assert!(out.ends_with(b"Content-Length: 12\r\n\r\nnothing here"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// A response with this status, no headers of its own and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header line. One that [`encode`](Self::encode) adds by itself is replaced by it.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Appends the response: own headers first, then those not set among Server, Date, Connection, Content-Type (with a
    /// body: text/html) and Content-Length. Statuses 1xx, 204 and 304 go out without a body and without Content-Length
    /// and Transfer-Encoding, whatever was set (RFC 9110, section 8.6; RFC 9112, section 6.1). With a Transfer-Encoding
    /// set, the body goes out as it is, so it must be encoded already, and without Content-Length.
    ///
    /// # Errors
    ///
    /// As [`ResponseHead::encode`], and [`LineError::Length`] for a Content-Length that is not the body's.
    pub fn encode(&self, exchange: Exchange, now: SystemTime, out: &mut Vec<u8>) -> Result<(), ResponseError> {
        let bodiless = matches!(self.status, 100..200 | 204 | 304);
        let coded = self.has("transfer-encoding");
        let body: &[u8] = if bodiless { b"" } else { &self.body };
        if !bodiless && !coded && !exchange.request_is_head {
            lines::check_length(self.lines(), self.body.len())?;
        }
        let mut date_value = Vec::with_capacity(29);
        date(now, &mut date_value);
        let length = body.len().to_string();
        // To HEAD, no body tells nothing about the length that GET would have.
        let measured = !(bodiless || coded || exchange.request_is_head && body.is_empty());
        let defaults: [(&str, &[u8], bool); 5] = [
            ("Server", b"wirewool", true),
            ("Date", &date_value, true),
            ("Connection", if exchange.keep_alive { b"keep-alive" } else { b"close" }, true),
            ("Content-Type", b"text/html", !body.is_empty()),
            ("Content-Length", length.as_bytes(), measured),
        ];
        let is_sent = |name: &str| match name {
            _ if name.eq_ignore_ascii_case("content-length") => !bodiless && !coded,
            _ if name.eq_ignore_ascii_case("transfer-encoding") => !bodiless,
            _ => true,
        };
        let mut headers: Vec<_> = self.lines().filter(|(name, _)| is_sent(name)).collect();
        let missing = defaults.iter().filter(|(name, _, wanted)| *wanted && !self.has(name));
        headers.extend(missing.map(|&(name, value, _)| (name, value)));
        ResponseHead { status: self.status, reason: "", headers: &headers }.encode(out)?;
        if !exchange.request_is_head {
            out.extend_from_slice(body);
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// Its own header lines.
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// What a plain HTTP request gets from a WebSocket server that has no handler for it; the connection closes.
pub fn bad_request_page() -> Response {
    Response::new(400)
        .header("Connection", "close")
        .header("Content-Type", "text/html; charset=UTF-8")
        .header("Cache-Control", "must-revalidate,no-cache,no-store")
        .body("<html><body><h2>HTTP 400 Bad Request</h2><hr><i>Powered by Wirewool</i></body></html>")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use proptest::prelude::{any, prop, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::{Exchange, LAST_CHUNK, Response, ResponseError, ResponseHead, bad_request_page, chunk, date};
    use crate::http::body::BodyReader;
    use crate::http::head::{Framing, HeadLimits, HeadReader};
    use crate::http::lines::LineError;

    const GET: Exchange = Exchange { request_is_head: false, keep_alive: true };
    const HEAD: Exchange = Exchange { request_is_head: true, keep_alive: true };
    const LAST_GET: Exchange = Exchange { request_is_head: false, keep_alive: false };

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    /// The response as text, without the two headers that all have.
    fn encode(response: &Response, exchange: Exchange) -> String {
        let mut out = b"before".to_vec();
        response.encode(exchange, now(), &mut out).expect("encoded");
        let text = String::from_utf8(out).expect("ASCII");
        let common = "Server: wirewool\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert!(text.contains(common), "{text}");
        text.strip_prefix("before").expect("appended").replace(common, "")
    }

    #[test]
    fn heads() {
        type Lines = &'static [(&'static str, &'static [u8])];
        let rows: &[(u16, &str, Lines, &[u8])] = &[
            (200, "", &[], b"HTTP/1.1 200 OK\r\n\r\n"),
            (101, "", &[("Upgrade", b"websocket")], b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
            (299, "", &[], b"HTTP/1.1 299 Unknown Status\r\n\r\n"),
            (999, "Odd \u{fc}", &[], b"HTTP/1.1 999 Odd \xc3\xbc\r\n\r\n"),
            (100, "", &[("a", b""), ("a", b"\xff\t")], b"HTTP/1.1 100 Continue\r\na: \r\na: \xff\t\r\n\r\n"),
        ];
        for &(status, reason, headers, bytes) in rows {
            let mut out = Vec::new();
            assert_eq!(ResponseHead { status, reason, headers }.encode(&mut out), Ok(()));
            assert_eq!(out, bytes, "{}", out.escape_ascii());
        }
    }

    #[test]
    fn splitting_is_refused() {
        let name = |name: &str| LineError::Name(name.to_owned()).into();
        let value = || LineError::Value("X".to_owned()).into();
        let rows: &[(u16, &str, &str, &[u8], ResponseError)] = &[
            (99, "", "X", b"y", ResponseError::Status(99)),
            (1000, "", "X", b"y", ResponseError::Status(1000)),
            (200, "O\r\nK", "X", b"y", ResponseError::Reason(200)),
            (200, "", "", b"y", name("")),
            (200, "", "X Y", b"y", name("X Y")),
            (200, "", "X:", b"y", name("X:")),
            (200, "", "X\r\nY", b"y", name("X\r\nY")),
            (200, "", "\u{fc}", b"y", name("\u{fc}")),
            (200, "", "X", b"y\r\nSet-Cookie: a=b", value()),
            (200, "", "X", b"y\n", value()),
            (200, "", "X", b"\ry", value()),
            (200, "", "X", b"y\0", value()),
        ];
        for (status, reason, name, value, error) in rows {
            let mut out = b"before".to_vec();
            let headers = [("Good", &b"value"[..]), (*name, *value)];
            let head = ResponseHead { status: *status, reason, headers: &headers };
            assert_eq!(head.encode(&mut out).as_ref(), Err(error));
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn responses() {
        let page = || Response::new(200).body("page");
        let rows = [
            (Response::new(200), GET, "200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
            (Response::new(200), LAST_GET, "200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            (Response::new(200), HEAD, "200 OK\r\nConnection: keep-alive\r\n\r\n"),
            (
                page(),
                GET,
                "200 OK\r\nConnection: keep-alive\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage",
            ),
            (page(), HEAD, "200 OK\r\nConnection: keep-alive\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n"),
            (
                page().header("content-type", "a/b").header("CONNECTION", "x").header("Content-Length", "4"),
                GET,
                "200 OK\r\ncontent-type: a/b\r\nCONNECTION: x\r\nContent-Length: 4\r\n\r\npage",
            ),
            (
                Response::new(200).header("Content-Length", "7"),
                HEAD,
                "200 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n",
            ),
            (
                page().header("Transfer-Encoding", "chunked").header("Content-Length", "9"),
                GET,
                "200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nContent-Type: text/html\r\n\r\npage",
            ),
        ];
        for (response, exchange, text) in rows {
            assert_eq!(encode(&response, exchange), format!("HTTP/1.1 {text}"));
        }
        for status in [100, 101, 199, 204, 304] {
            let response = Response::new(status).header("content-length", "9").header("Transfer-Encoding", "chunked");
            let text = encode(&response.body("page"), GET);
            assert!(text.ends_with("\r\nConnection: keep-alive\r\n\r\n"), "{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
        }
        let own = Response::new(200).header("server", "mine").header("date", "now");
        let mut out = Vec::new();
        assert_eq!(own.encode(LAST_GET, now(), &mut out), Ok(()));
        let text = "HTTP/1.1 200 OK\r\nserver: mine\r\ndate: now\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn a_wrong_length_is_refused() {
        let page = || Response::new(200).body("page").header("Content-Length", "4");
        for (response, declared) in [
            (Response::new(200).body("page").header("content-length", "5"), "5"),
            (Response::new(200).header("Content-Length", "4"), "4"),
            (page().header("Content-Length", "4"), "4"),
        ] {
            let mut out = Vec::new();
            let error = LineError::Length { declared: declared.to_owned(), body_bytes: response.body.len() };
            assert_eq!(response.encode(GET, now(), &mut out), Err(error.into()));
            assert!(out.is_empty());
        }
        assert!(page().encode(GET, now(), &mut Vec::new()).is_ok());
    }

    #[test]
    fn the_bad_request_page() {
        let text = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/html; charset=UTF-8\r\n\
            Cache-Control: must-revalidate,no-cache,no-store\r\nContent-Length: 85\r\n\r\n\
            <html><body><h2>HTTP 400 Bad Request</h2><hr><i>Powered by Wirewool</i></body></html>";
        assert_eq!(encode(&bad_request_page(), LAST_GET), text);
    }

    #[test]
    fn dates() {
        let (early, late) = (Duration::from_secs(1), Duration::from_secs(253_402_300_800));
        let rows = [
            (now(), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (UNIX_EPOCH - early, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (UNIX_EPOCH + late, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (time, text) in rows {
            let mut out = Vec::new();
            date(time, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn an_exchange_is_made_of_a_head() {
        for (line, exchange) in [("GET / HTTP/1.1", GET), ("HEAD / HTTP/1.1", HEAD), ("GET / HTTP/1.0", LAST_GET)] {
            let bytes = format!("{line}\r\nHost: h\r\n\r\n");
            let found = HeadReader::new(HeadLimits::default()).next(bytes.as_bytes());
            let (_, head) = found.expect("accepted").expect("whole");
            assert_eq!(Exchange::from(&head), exchange, "{line}");
        }
    }

    proptest! {
        #[test]
        fn chunks_are_read_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut out = Vec::new();
            for part in &parts {
                chunk(part, &mut out);
            }
            out.extend_from_slice(LAST_CHUNK);
            let mut reader = BodyReader::new(Framing::Chunked, 8 * 300).expect("no length is declared");
            prop_assert_eq!(reader.next(&out), Ok((out.len(), true)));
            prop_assert_eq!(reader.into_bytes(), parts.concat());
        }

        #[test]
        fn a_head_has_the_lines_it_was_given(name in ".{0,8}", value in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut out = Vec::new();
            let headers = [(&*name, &*value)];
            let encoded = ResponseHead { status: 200, reason: "", headers: &headers }.encode(&mut out);
            let lines = out.iter().filter(|&&byte| byte == b'\n').count();
            prop_assert_eq!(lines, if encoded.is_ok() { 3 } else { 0 });
            prop_assert!(encoded.is_ok() || out.is_empty());
        }
    }
}
