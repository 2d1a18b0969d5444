//! Turns what a client asks for into the bytes of a request (RFC 9112, sections 3 to 7).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::http::answer::Asked;
use crate::http::coding::ACCEPT_ENCODING;
use crate::http::head::{Head, HeadError, HeadLimits, HeadReader};
use crate::http::lines::{self, LineError};
use crate::http::response::{LAST_CHUNK, chunk};

/// A request that a server would refuse, or read as something else. Nothing has been written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// A method, target or host that has another shape, a Host or Content-Length that was set twice, a control byte in a
    /// value, a Transfer-Encoding other than chunked.
    #[error("the request would be refused: {0}")]
    Head(#[from] HeadError),
    /// A header line that would be read as something else.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Something in the first line or the host ends the line.
    #[error("the method, target or host of the request has an end of line in it")]
    EndOfLine,
    /// RFC 6265, section 4.1.1. It has the cookie's name.
    #[error("cookie {0:?}: must have a name without \"=\", and neither \";\" nor control bytes in name and value")]
    Cookie(String),
    /// RFC 7617, section 2.
    #[error("user name of basic authentication: must have no colon")]
    User,
}

/// A request, borrowed.
///
/// A header that is set by hand comes in place of the one that would be made of another field: `headers` decides.
///
/// ```
/// use wirewool_proto::http::client_request::ClientRequest;
///
/// let headers = [("X-Room", &b"1"[..])];
/// let request = ClientRequest { headers: &headers, body: b"hello", ..ClientRequest::new("POST", "h:9501", "/chat") };
/// let mut out = Vec::new();
/// let head = request.encode(&mut out).unwrap();
/// assert!(out.starts_with(b"POST /chat HTTP/1.1\r\nHost: h:9501\r\nX-Room: 1\r\nConnection: keep-alive\r\n"));
/// assert_eq!(&out[head.raw().len()..], b"hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRequest<'a> {
    /// The method, a token; it is case-sensitive.
    pub method: &'a str,
    /// `/path?query`; to a proxy `http://host/path?query`, or `host:port` with CONNECT; `*` with OPTIONS. It goes out as
    /// it is, so it must be encoded already.
    pub target: &'a str,
    /// The value of Host: see [`host_line`].
    pub host: &'a str,
    /// Header lines, in the order and spelling in which they go out.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Names and values of one Cookie header. They go out as they are.
    pub cookies: &'a [(&'a [u8], &'a [u8])],
    /// The user's name and password, sent as they are, in base64 (RFC 7617).
    pub basic_auth: Option<(&'a [u8], &'a [u8])>,
    /// Whether the connection is to stay open behind the answer.
    pub keep_alive: bool,
    /// Whether the answer may be compressed. Its reader must decode then.
    pub accept_encoding: bool,
    /// The Content-Type of a body that is not empty; none if this is empty.
    pub content_type: &'a str,
    /// The body. It goes out with its Content-Length, or, if a Transfer-Encoding "chunked" was set, in one chunk.
    pub body: &'a [u8],
}

impl<'a> ClientRequest<'a> {
    /// A request with nothing but these, for a connection that stays open.
    pub fn new(method: &'a str, host: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            host,
            headers: &[],
            cookies: &[],
            basic_auth: None,
            keep_alive: true,
            accept_encoding: false,
            content_type: "",
            body: b"",
        }
    }

    /// Appends the request: Host first, then the headers that were set, then those not set among Connection,
    /// Accept-Encoding, Authorization, Cookie, Content-Type and Content-Length (with a body, and without one for a POST,
    /// PUT or PATCH: RFC 9110, section 8.6). Returns the head as a server reads it.
    ///
    /// # Errors
    ///
    /// What a server would refuse, or read as something else, a second request above all; a Content-Length that is not
    /// the body's.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<Head, RequestError> {
        let coded = self.has("transfer-encoding");
        if !coded {
            lines::check_length(self.headers.iter().copied(), self.body.len())?;
        }
        let authorization = self.authorization()?;
        let cookies = self.cookie_line()?;
        let length = self.body.len().to_string();
        let measured = !coded && (!self.body.is_empty() || matches!(self.method, "POST" | "PUT" | "PATCH"));
        let defaults: [(&str, &[u8], bool); 6] = [
            ("Connection", if self.keep_alive { b"keep-alive" } else { b"close" }, true),
            ("Accept-Encoding", ACCEPT_ENCODING.as_bytes(), self.accept_encoding),
            ("Authorization", authorization.as_bytes(), self.basic_auth.is_some()),
            ("Cookie", &cookies, !cookies.is_empty()),
            ("Content-Type", self.content_type.as_bytes(), !self.body.is_empty() && !self.content_type.is_empty()),
            ("Content-Length", length.as_bytes(), measured),
        ];
        let mut lines = Vec::with_capacity(1 + self.headers.len() + defaults.len());
        lines.extend((!self.has("host")).then_some(("Host", self.host.as_bytes())));
        lines.extend_from_slice(self.headers);
        let missing = defaults.iter().filter(|(name, _, wanted)| *wanted && !self.has(name));
        lines.extend(missing.map(|&(name, value, _)| (name, value)));
        lines::check(&lines)?;
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        lines::write(&lines, &mut bytes);
        let head = check(&bytes, lines.len())?;
        out.append(&mut bytes);
        if coded {
            chunk(self.body, out);
            out.extend_from_slice(LAST_CHUNK);
        } else {
            out.extend_from_slice(self.body);
        }
        Ok(head)
    }

    /// What the reader of the answer must know of this request.
    pub fn asked(&self) -> Asked {
        match self.method {
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ if self.has("upgrade") => Asked::Upgrade,
            _ => Asked::Other,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    fn authorization(&self) -> Result<String, RequestError> {
        let Some((user, password)) = self.basic_auth else { return Ok(String::new()) };
        if user.contains(&b':') {
            return Err(RequestError::User);
        }
        Ok(format!("Basic {}", STANDARD.encode([user, b":", password].concat())))
    }

    fn cookie_line(&self) -> Result<Vec<u8>, RequestError> {
        let is_wrong = |byte: &u8| *byte == b';' || byte.is_ascii_control();
        let mut line = Vec::new();
        for &(name, value) in self.cookies {
            if name.is_empty() || name.contains(&b'=') || name.iter().any(is_wrong) || value.iter().any(is_wrong) {
                return Err(RequestError::Cookie(String::from_utf8_lossy(name).into_owned()));
            }
            line.extend_from_slice(if line.is_empty() { b"" } else { b"; " });
            line.extend_from_slice(name);
            line.push(b'=');
            line.extend_from_slice(value);
        }
        Ok(line)
    }
}

/// Reads a request with a server's eyes: it is one head with so many lines.
fn check(bytes: &[u8], lines: usize) -> Result<Head, RequestError> {
    let limits = HeadLimits { bytes_max: usize::MAX, headers_max: lines };
    let mut reader: HeadReader = HeadReader::new(limits);
    match reader.next(bytes) {
        Ok(Some((_, head))) if head.raw().len() == bytes.len() && head.headers().count() == lines => Ok(head),
        Ok(_) | Err(HeadError::TooManyHeaders { .. }) => Err(RequestError::EndOfLine),
        Err(error) => Err(error.into()),
    }
}

/// The value of Host for a name or address: with the port unless it is the scheme's own, an IPv6 address in brackets
/// (RFC 9110, section 7.2).
pub fn host_line(host: &str, port: u16, scheme_port: u16) -> String {
    let is_bare = host.contains(':') && !host.starts_with('[');
    let host = if is_bare { format!("[{host}]") } else { host.to_owned() };
    if port == scheme_port { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::{ClientRequest, RequestError, host_line};
    use crate::http::answer::Asked;
    use crate::http::body::BodyReader;
    use crate::http::head::HeadError;
    use crate::http::lines::LineError;

    const GET: ClientRequest<'_> = ClientRequest {
        method: "GET",
        target: "/a?b=c",
        host: "h:9501",
        headers: &[],
        cookies: &[],
        basic_auth: None,
        keep_alive: true,
        accept_encoding: false,
        content_type: "",
        body: b"",
    };

    const POST: ClientRequest<'_> = ClientRequest { method: "POST", ..GET };

    type Lines = [(&'static str, &'static [u8])];

    #[test]
    fn requests() {
        let own: &Lines = &[("x-B", b"1"), ("HOST", b"other"), ("X-a", b"\xff"), ("x-B", b"2")];
        let all: &Lines = &[
            ("connection", b"close"),
            ("Cookie", b"c=d"),
            ("authorization", b"Bearer x"),
            ("Content-type", b"text/plain"),
            ("content-Length", b"5"),
            ("accept-encoding", b"br"),
        ];
        let chunked: &Lines = &[("Transfer-Encoding", b"chunked")];
        let everything = ClientRequest {
            cookies: &[(b"a", b"1"), (b"b", b"x=\"y\"")],
            basic_auth: Some((b"user", b"pass:word")),
            accept_encoding: true,
            content_type: "a/b",
            body: b"hello",
            ..POST
        };
        let rows = [
            (GET, "GET /a?b=c HTTP/1.1\nHost: h:9501\nConnection: keep-alive\n\n"),
            (ClientRequest { keep_alive: false, ..GET }, "GET /a?b=c HTTP/1.1\nHost: h:9501\nConnection: close\n\n"),
            (
                ClientRequest { headers: own, ..GET },
                "GET /a?b=c HTTP/1.1\nx-B: 1\nHOST: other\nX-a: \\xff\nx-B: 2\nConnection: keep-alive\n\n",
            ),
            (
                everything,
                "POST /a?b=c HTTP/1.1\nHost: h:9501\nConnection: keep-alive\nAccept-Encoding: gzip, deflate\n\
                Authorization: Basic dXNlcjpwYXNzOndvcmQ=\nCookie: a=1; b=x=\\\"y\\\"\nContent-Type: a/b\n\
                Content-Length: 5\n\nhello",
            ),
            (
                ClientRequest { headers: all, ..everything },
                "POST /a?b=c HTTP/1.1\nHost: h:9501\nconnection: close\nCookie: c=d\nauthorization: Bearer x\n\
                Content-type: text/plain\ncontent-Length: 5\naccept-encoding: br\n\nhello",
            ),
            (
                ClientRequest { headers: chunked, body: b"hello", ..POST },
                "POST /a?b=c HTTP/1.1\nHost: h:9501\nTransfer-Encoding: chunked\nConnection: keep-alive\n\n\
                5\nhello\n0\n\n",
            ),
            (
                ClientRequest { headers: chunked, ..POST },
                "POST /a?b=c HTTP/1.1\nHost: h:9501\nTransfer-Encoding: chunked\nConnection: keep-alive\n\n0\n\n",
            ),
            (POST, "POST /a?b=c HTTP/1.1\nHost: h:9501\nConnection: keep-alive\nContent-Length: 0\n\n"),
            (
                ClientRequest { method: "DELETE", body: b"x", ..GET },
                "DELETE /a?b=c HTTP/1.1\nHost: h:9501\nConnection: keep-alive\nContent-Length: 1\n\nx",
            ),
            (
                ClientRequest { method: "CONNECT", target: "h:443", ..GET },
                "CONNECT h:443 HTTP/1.1\nHost: h:9501\nConnection: keep-alive\n\n",
            ),
            (
                ClientRequest { target: "http://h/\u{fc}", ..GET },
                "GET http://h/\\xc3\\xbc HTTP/1.1\nHost: h:9501\nConnection: keep-alive\n\n",
            ),
        ];
        for (request, text) in rows {
            let mut out = b"before".to_vec();
            let head = request.encode(&mut out).expect("a legal request");
            let written = out.strip_prefix(b"before").expect("appended");
            assert!(written.starts_with(head.raw()));
            assert_eq!(written.escape_ascii().to_string().replace("\\r\\n", "\n"), text);
        }
    }

    #[test]
    fn what_cannot_be_sent() {
        let lines = |name, value| -> &'static Lines { Box::leak(Box::new([("Good", &b"value"[..]), (name, value)])) };
        let headers = |name, value| ClientRequest { headers: lines(name, value), ..GET };
        let target = |target| ClientRequest { target, ..GET };
        let cookie = |name, value| ClientRequest { cookies: Box::leak(Box::new([(name, value)])), ..GET };
        let name = |name: &str| LineError::Name(name.to_owned()).into();
        let value = |name: &str| LineError::Value(name.to_owned()).into();
        let length =
            |declared: &str, body_bytes| LineError::Length { declared: declared.to_owned(), body_bytes }.into();
        let refused_cookie = |name: &str| RequestError::Cookie(name.to_owned());
        let rows: &[(ClientRequest<'_>, RequestError)] = &[
            (headers("X", b"a\r\nY: b"), value("X")),
            (headers("X", b"a\n"), value("X")),
            (headers("X", b"\ra"), value("X")),
            (headers("X", b"\0"), value("X")),
            (headers("X", b"\x01"), HeadError::HeaderValue.into()),
            (headers("X: y\r\nZ", b""), name("X: y\r\nZ")),
            (headers("X Y", b""), name("X Y")),
            (headers("", b""), name("")),
            (headers("\u{fc}", b""), name("\u{fc}")),
            (headers("Host", b"a b"), HeadError::Host.into()),
            (headers("Content-Length", b"5"), length("5", 0)),
            (headers("Transfer-Encoding", b"gzip"), HeadError::EncodingUnframed.into()),
            (target(""), HeadError::RequestLine.into()),
            (target("a"), HeadError::Target.into()),
            (target("/#a"), HeadError::Target.into()),
            (target("/a b"), HeadError::RequestLine.into()),
            (target("/\0"), HeadError::RequestLine.into()),
            (target("/ HTTP/1.1\r\nX: y\r\nZ:"), RequestError::EndOfLine),
            (target("/ HTTP/1.1\r\nHost: h\r\n\r\nGET /"), RequestError::EndOfLine),
            (target("/\n"), HeadError::BareLineFeed.into()),
            (ClientRequest { method: "", ..GET }, HeadError::RequestLine.into()),
            (ClientRequest { method: "G T", ..GET }, HeadError::RequestLine.into()),
            (ClientRequest { method: "\r\nGET", ..GET }, RequestError::EndOfLine),
            (ClientRequest { host: "a b", ..GET }, HeadError::Host.into()),
            (ClientRequest { host: "a\r\nX: y", ..GET }, value("Host")),
            (ClientRequest { content_type: "a\n", body: b"x", ..GET }, value("Content-Type")),
            (ClientRequest { basic_auth: Some((b"a:b", b"")), ..GET }, RequestError::User),
            (cookie(b"", b"a"), refused_cookie("")),
            (cookie(b"a=b", b""), refused_cookie("a=b")),
            (cookie(b"a", b"b; c=d"), refused_cookie("a")),
            (cookie(b"a", b"b\r\nX: y"), refused_cookie("a")),
        ];
        for (request, error) in rows {
            let mut out = Vec::new();
            assert_eq!(request.encode(&mut out).as_ref(), Err(error), "{request:?}");
            assert!(out.is_empty());
        }
        let both: &Lines = &[("Content-Length", b"0"), ("Transfer-Encoding", b"chunked")];
        let twice: &Lines = &[("Host", b"a"), ("Host", b"b")];
        for (headers, error) in [(both, HeadError::LengthAndEncoding), (twice, HeadError::HostRepeated)] {
            assert_eq!(ClientRequest { headers, ..GET }.encode(&mut Vec::new()), Err(error.into()));
        }
    }

    #[test]
    fn what_the_answer_depends_on() {
        let upgrade: &Lines = &[("upgrade", b"websocket")];
        let rows = [
            (GET, Asked::Other),
            (ClientRequest { method: "HEAD", ..GET }, Asked::Head),
            (ClientRequest { method: "CONNECT", ..GET }, Asked::Connect),
            (ClientRequest { headers: upgrade, ..GET }, Asked::Upgrade),
        ];
        for (request, asked) in rows {
            assert_eq!(request.asked(), asked);
        }
    }

    #[test]
    fn host_lines() {
        let rows = [("h", 80, "h"), ("h", 81, "h:81"), ("::1", 80, "[::1]"), ("[::1]", 81, "[::1]:81")];
        for (host, port, line) in rows {
            assert_eq!(host_line(host, port, 80), line);
        }
    }

    proptest! {
        /// Whatever is in it: what is written is one request, with these lines and this body.
        #[test]
        fn what_is_sent_is_what_was_meant(
            method in "[A-Z\r\n ]{0,5}", target in "[/a?\r\n\0 #é]{0,6}", host in "[a:.\r\n ]{0,5}",
            name in "[A-Za: \r\n]{0,8}", value in prop::collection::vec(any::<u8>(), 0..8),
            cookie in prop::collection::vec(any::<u8>(), 0..4), body in prop::collection::vec(any::<u8>(), 0..20),
            chunked: bool,
        ) {
            let lines = [("Transfer-Encoding", &b"chunked"[..]), (&*name, &*value)];
            let headers = if chunked { &lines[..] } else { &lines[1..] };
            let cookies = [(&b"c"[..], &*cookie)];
            let request = ClientRequest {
                method: &method, target: &target, host: &host, headers, cookies: &cookies, body: &body, ..GET
            };
            let mut out = Vec::new();
            match request.encode(&mut out) {
                Err(_) => prop_assert!(out.is_empty()),
                Ok(head) => {
                    prop_assert_eq!((head.method(), head.target()), (&*method, &*target));
                    prop_assert_eq!(head.header(&name), Some(value.trim_ascii()));
                    let mut reader = BodyReader::new(head.framing(), 1000).expect("within the limit");
                    let rest = &out[head.raw().len()..];
                    prop_assert_eq!(reader.next(rest), Ok((rest.len(), true)));
                    prop_assert_eq!(reader.into_bytes(), body);
                }
            }
        }
    }
}
