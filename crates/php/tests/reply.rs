//! The bytes of HTTP answers: `src/reply.rs` and `src/cookie.rs` have no PHP in them, so they are tested without one.

#[path = "../src/cookie.rs"]
mod cookie;
#[path = "../src/reply.rs"]
#[expect(dead_code, reason = "the library uses the rest")]
mod reply;

use std::time::UNIX_EPOCH;

use cookie::{Coding, Cookie, CookieError};
use reply::{Context, Form, HeaderName, NAME_BYTES_MAX, NameError, Reply, Status};
use wirewool_hub::command::After;
use wirewool_proto::http::head::Version;

const PLAIN: Context = Context { version: Version::Http11, keep_alive: true, head_only: false, form: Form::Plain };

/// The text of an answer without its Server and Date lines, and what follows it.
type Outcome = (String, After);

fn set(reply: &mut Reply, name: &str, values: &[&str]) {
    let name = HeaderName::parse(name.as_bytes(), true).expect("a header name");
    reply.set_header(name, values.iter().map(|value| value.as_bytes().to_vec()).collect());
}

fn text((bytes, after): (Vec<u8>, After)) -> Outcome {
    let text = String::from_utf8(bytes).expect("text");
    let text = text.replace("Server: wirewool\r\n", "").replace("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "");
    (text, after)
}

/// Context, status (0: none set), headers, body; text, and what becomes of the connection.
type Row<'a> = (Context, i64, &'a [(&'a str, &'a [&'a str])], &'a str, String, After);

/// What `end(body)` makes of an answer with this status and these headers.
fn end(context: Context, status: i64, headers: &[(&str, &[&str])], body: &str) -> Outcome {
    let mut reply = Reply::new(context);
    if status != 0 {
        reply.set_status(Status::from_number(status).expect("three digits"), "");
    }
    for (name, values) in headers {
        set(&mut reply, name, values);
    }
    let answer = text(reply.end(body.as_bytes(), UNIX_EPOCH).expect("not ended"));
    assert!(reply.end(b"", UNIX_EPOCH).is_none());
    assert!(reply.write(b"x", UNIX_EPOCH).is_none());
    answer
}

const KEPT: &str = "Connection: keep-alive\r\nContent-Type: text/html\r\n";
const CLOSED: &str = "Connection: close\r\nContent-Type: text/html\r\n";

#[test]
fn whole_answers() {
    let old = Context { version: Version::Http10, keep_alive: false, ..PLAIN };
    let head = Context { head_only: true, ..PLAIN };
    let ok = "HTTP/1.1 200 OK\r\n";
    let rows: &[Row<'_>] = &[
        (PLAIN, 0, &[], "hi", format!("{ok}{KEPT}Content-Length: 2\r\n\r\nhi"), After::KeepAlive),
        (PLAIN, 0, &[], "", format!("{ok}{KEPT}Content-Length: 0\r\n\r\n"), After::KeepAlive),
        (old, 0, &[], "hi", format!("{ok}{CLOSED}Content-Length: 2\r\n\r\nhi"), After::Close),
        (head, 0, &[], "hi", format!("{ok}{KEPT}Content-Length: 2\r\n\r\n"), After::KeepAlive),
        (head, 0, &[], "", format!("{ok}{KEPT}\r\n"), After::KeepAlive),
        (
            PLAIN,
            799,
            &[],
            "",
            format!("HTTP/1.1 799 Unknown Status\r\n{KEPT}Content-Length: 0\r\n\r\n"),
            After::KeepAlive,
        ),
        (PLAIN, 204, &[], "x", "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n".into(), After::KeepAlive),
        (
            PLAIN,
            0,
            &[("x-one", &["1"]), ("x-TWO", &["a", "b"]), ("X-ONE", &["2"]), ("x-none", &[])],
            "",
            format!("{ok}X-One: 2\r\nX-Two: a\r\nX-Two: b\r\n{KEPT}Content-Length: 0\r\n\r\n"),
            After::KeepAlive,
        ),
        // A line end in a value would begin another header.
        (
            PLAIN,
            0,
            &[("x", &["a\r\nb: c", "d"])],
            "",
            format!("{ok}X: d\r\n{KEPT}Content-Length: 0\r\n\r\n"),
            After::KeepAlive,
        ),
        (
            PLAIN,
            0,
            &[("content-type", &["text/plain"]), ("content-length", &["99"]), ("transfer-encoding", &["gzip"])],
            "hi",
            format!("{ok}Content-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"),
            After::KeepAlive,
        ),
        (
            PLAIN,
            0,
            &[("connection", &["Close"])],
            "hi",
            format!("{ok}Connection: Close\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"),
            After::Close,
        ),
        (
            PLAIN,
            0,
            &[("content-type", &[""]), ("content-length", &[""])],
            "hi",
            format!("{ok}Connection: close\r\n\r\nhi"),
            After::Close,
        ),
    ];
    for (context, status, headers, body, wanted, after) in rows {
        assert_eq!(end(*context, *status, headers, body), (wanted.clone(), *after), "{status} {headers:?} {body:?}");
    }
}

#[test]
fn handshake_answers_get_nothing_added() {
    let handshake = Context { form: Form::Handshake, ..PLAIN };
    let wanted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-Websocket-Accept: x\r\n\r\n";
    let headers: &[(&str, &[&str])] = &[("Upgrade", &["websocket"]), ("Sec-WebSocket-Accept", &["x"])];
    assert_eq!(end(handshake, 101, headers, "ignored"), (wanted.into(), After::Upgrade(None)));
    assert_eq!(end(handshake, 0, &[], "no"), ("HTTP/1.1 200 OK\r\n\r\nno".into(), After::Close));
    assert_eq!(end(handshake, 500, &[], ""), ("HTTP/1.1 500 Internal Server Error\r\n\r\n".into(), After::Close));
}

#[test]
fn streamed_answers() {
    let old = Context { version: Version::Http10, ..PLAIN };
    let head = Context { head_only: true, ..PLAIN };
    let chunked = format!("HTTP/1.1 200 OK\r\n{KEPT}Transfer-Encoding: chunked\r\n\r\n");
    let rows = [
        (PLAIN, format!("{chunked}2\r\nab\r\n"), "1\r\nc\r\n", "1\r\nd\r\n0\r\n\r\n", After::KeepAlive),
        (old, format!("HTTP/1.1 200 OK\r\n{CLOSED}\r\nab"), "c", "d", After::Close),
        (head, chunked.clone(), "", "", After::KeepAlive),
    ];
    for (context, first, second, last, after) in rows {
        let mut reply = Reply::new(context);
        set(&mut reply, "Content-Length", &["4"]);
        assert_eq!(reply.write(b"ab", UNIX_EPOCH).map(text), Some((first, After::More)));
        assert_eq!(reply.write(b"c", UNIX_EPOCH).map(text), Some((second.into(), After::More)));
        assert_eq!(reply.end(b"d", UNIX_EPOCH).map(text), Some((last.into(), after)));
        assert!(reply.end(b"", UNIX_EPOCH).is_none());
    }
}

#[test]
fn reasons_and_cookies() {
    let mut reply = Reply::new(PLAIN);
    reply.set_status(Status::from_number(404).expect("three digits"), "Nothing here");
    reply.add_cookie(b"a=1".to_vec());
    reply.add_cookie(b"b=2".to_vec());
    let (answer, _) = text(reply.end(b"", UNIX_EPOCH).expect("not ended"));
    assert!(answer.starts_with("HTTP/1.1 404 Nothing here\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"), "{answer}");

    let mut reply = Reply::new(PLAIN);
    reply.set_status(Status::from_number(404).expect("three digits"), "a\r\nb: c");
    let (answer, _) = text(reply.end(b"", UNIX_EPOCH).expect("not ended"));
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}

#[test]
fn names_and_statuses() {
    let name = |text: &str, format| HeaderName::parse(text.as_bytes(), format).map(|name| name.as_str().to_owned());
    assert_eq!(name("Sec-WebSocket-Accept", true), Ok("Sec-Websocket-Accept".into()));
    assert_eq!(name("sec-webSocket-accept", false), Ok("sec-webSocket-accept".into()));
    assert_eq!(name(&"x".repeat(NAME_BYTES_MAX), false).map(|name| name.len()), Ok(NAME_BYTES_MAX));
    assert_eq!(name(&"x".repeat(NAME_BYTES_MAX + 1), false), Err(NameError::TooLong));
    for wrong in ["", "a b", "a:", "a\r\nb", "\u{e9}"] {
        assert_eq!(name(wrong, true), Err(NameError::NotToken), "{wrong:?}");
    }
    for (number, fits) in [(-1, false), (99, false), (100, true), (999, true), (1000, false), (65736, false)] {
        assert_eq!(Status::from_number(number).is_some(), fits, "{number}");
    }
}

#[test]
fn cookie_texts() {
    let plain = Cookie {
        name: b"n",
        value: b"a b/\xc3\xa9;",
        expires: 0,
        path: b"",
        domain: b"",
        same_site: b"",
        priority: b"",
        secure: false,
        http_only: false,
        partitioned: false,
    };
    let full = Cookie {
        value: b"v",
        expires: 784_111_777,
        path: b"/p",
        domain: b"example.com",
        same_site: b"Lax",
        priority: b"High",
        secure: true,
        http_only: true,
        partitioned: true,
        ..plain
    };
    let attributes = "; path=/p; domain=example.com; secure; httponly; samesite=Lax; priority=High; Partitioned";
    let all = format!("n=v; expires=Sun, 06-Nov-1994 08:49:37 GMT{attributes}");
    let rows: &[(Cookie<'_>, Coding, Result<&str, CookieError>)] = &[
        (plain, Coding::Url, Ok("n=a+b%2F%C3%A9%3B")),
        (plain, Coding::Raw, Err(CookieError::Value)),
        (Cookie { value: b"a=b/c", ..plain }, Coding::Raw, Ok("n=a=b/c")),
        (Cookie { value: b"", ..plain }, Coding::Url, Ok("n=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT")),
        (full, Coding::Url, Ok(&all)),
        (Cookie { expires: -5, value: b"v", ..plain }, Coding::Url, Ok("n=v")),
        (Cookie { name: b"", ..plain }, Coding::Url, Err(CookieError::Name)),
        (Cookie { name: b"a=b", ..plain }, Coding::Url, Err(CookieError::Name)),
        (Cookie { name: b"a\r\nb", ..plain }, Coding::Url, Err(CookieError::Name)),
        (Cookie { path: b"/;secure", ..plain }, Coding::Url, Err(CookieError::Value)),
        (Cookie { domain: b"a\r\nX: y", ..plain }, Coding::Url, Err(CookieError::Value)),
    ];
    for (cookie, coding, wanted) in rows {
        let text = cookie.encode(*coding).map(|text| String::from_utf8(text).expect("text"));
        assert_eq!(text, wanted.map(str::to_owned), "{cookie:?} {coding:?}");
    }
    let late = Cookie { expires: i64::MAX, value: b"v", ..plain }.encode(Coding::Url).expect("clamped");
    assert!(late.ends_with(b" GMT"));
}
