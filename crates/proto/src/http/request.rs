//! Puts a head and its body together into a request.

use crate::http::grammar::cookie_pair;
use crate::http::head::Head;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request line and the headers.
    pub head: Head,
    /// The body, chunks already joined; empty if there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// The cookies of all Cookie headers as they came: name and value, in order, not decoded, quotes kept. A part
    /// without a name, or without `=`, is no cookie (RFC 6265, section 4.2.1) and left out.
    pub fn cookies(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pairs = self.head.header_all("cookie").flat_map(|value| value.split(|&byte| byte == b';'));
        pairs.filter_map(cookie_pair)
    }
}

#[cfg(test)]
mod tests {
    use super::Request;
    use crate::http::head::{HeadLimits, HeadReader};

    #[test]
    fn cookies() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("Cookie: a=1\r\n", &[("a", "1")]),
            (
                "Cookie: a=1; b=\"x=y\" ;c=\r\ncookie:d=%20\r\n",
                &[("a", "1"), ("b", "\"x=y\""), ("c", ""), ("d", "%20")],
            ),
            ("Cookie: a=1; a=2;;;\r\n", &[("a", "1"), ("a", "2")]),
            ("Cookie: a; =b; = ;\r\n", &[]),
            ("Cookie: a = b\r\n", &[("a", "b")]),
            ("Cookie2: a=1\r\n", &[]),
        ];
        for &(lines, cookies) in rows {
            let bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
            let found = HeadReader::new(HeadLimits::default()).next(bytes.as_bytes());
            let (_, head) = found.expect("accepted").expect("whole");
            let request = Request { head, body: Vec::new() };
            let cookies: Vec<_> = cookies.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            assert_eq!(request.cookies().collect::<Vec<_>>(), cookies, "{lines}");
        }
    }
}
