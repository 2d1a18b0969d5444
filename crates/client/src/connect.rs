//! Turns a URL and wishes into a connection: resolve, connect, upgrade.

use crate::client::Client;
use crate::error::Error;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use wirewool_proto::http::client_request::{ClientRequest, host_line};
use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::websocket::client;
use wirewool_proto::websocket::extension::{Compression, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use wirewool_proto::websocket::keys::Keys;
use wirewool_proto::websocket::upgrade::{Accepted, Upgrade, UpgradeRequest};

/// What is read at once, in bytes.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// A connection to be made.
///
/// ```no_run
/// use wirewool_client::{Compression, Connect};
///
/// let client = Connect::to("ws://127.0.0.1:9501/chat")
///     .header("Authorization", "Bearer 1234")
///     .protocol("chat")
///     .compression(Compression::default())
///     .open()?;
/// # Ok::<(), wirewool_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connect {
    url: String,
    headers: Vec<(String, String)>,
    protocols: Vec<String>,
    compression: Option<Compression>,
    message_bytes_max: usize,
    timeout: Duration,
}

impl Connect {
    /// To `ws://host[:port][/path][?query]`; the port is 80 if none is given.
    pub fn to(url: impl Into<String>) -> Connect {
        Connect {
            url: url.into(),
            headers: Vec::new(),
            protocols: Vec::new(),
            compression: None,
            message_bytes_max: 2 << 20,
            timeout: Duration::from_secs(10),
        }
    }

    /// One more header line of the request. Those that the handshake itself needs are left out.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Connect {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One more subprotocol that is spoken; the best one comes first.
    #[must_use]
    pub fn protocol(mut self, name: impl Into<String>) -> Connect {
        self.protocols.push(name.into());
        self
    }

    /// Offers permessage-deflate (RFC 7692).
    #[must_use]
    pub fn compression(mut self, wanted: Compression) -> Connect {
        self.compression = Some(wanted);
        self
    }

    /// The longest message that is received, in bytes; 2 MiB if nothing is said. A longer one ends the connection
    /// with 1009.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Connect {
        self.message_bytes_max = bytes;
        self
    }

    /// How long to wait for the connection and its upgrade, and from then on for each read and write; 10 s if nothing is
    /// said. At least a millisecond.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Connect {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Connects and upgrades.
    ///
    /// # Errors
    /// A URL or wish that cannot be, a socket's error, or an answer that is no acceptance.
    pub fn open(self) -> Result<Client, Error> {
        if let Some(compression) = &self.compression {
            check(compression)?;
        }
        let place = Place::parse(&self.url)?;
        let deadline = Instant::now() + self.timeout;
        let stream = place.connect(self.timeout)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| Error::socket("no randomness from the system")(error.into()))?;
        let mut keys = Keys::from_seed(seed);
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        let protocols: Vec<&str> = self.protocols.iter().map(String::as_str).collect();
        let request = ClientRequest { headers: &headers, ..ClientRequest::new("GET", &place.host_line, &place.target) };
        let request = UpgradeRequest { request, protocols: &protocols, compression: self.compression };
        let (upgrade, bytes) = Upgrade::begin(&request, HeadLimits::default(), &mut keys)?;
        (&stream).write_all(&bytes).map_err(Error::socket("cannot send the upgrade request"))?;
        let (accepted, behind) = answer(&stream, upgrade, deadline)?;
        set_timeouts(&stream, self.timeout)?;
        let end = client::Client::new(accepted.agreement, self.message_bytes_max, keys);
        let level = self.compression.map_or(1, |compression| compression.level);
        Ok(Client::new(stream, end.with_deflate_level(level), accepted, &behind))
    }
}

/// Reads the answer to the upgrade request, and what came behind it.
fn answer(mut stream: &TcpStream, mut upgrade: Upgrade, deadline: Instant) -> Result<(Accepted, Vec<u8>), Error> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        set_timeouts(stream, left.max(Duration::from_millis(1)))?;
        let n = stream.read(&mut buffer).map_err(Error::socket("no answer to the upgrade request"))?;
        if n == 0 {
            return Err(Error::Ended);
        }
        if let Some((used, accepted)) = upgrade.next(&buffer[..n])? {
            return Ok((accepted, buffer[used..n].to_vec()));
        }
    }
}

fn set_timeouts(stream: &TcpStream, timeout: Duration) -> Result<(), Error> {
    let set = stream.set_read_timeout(Some(timeout)).and_then(|()| stream.set_write_timeout(Some(timeout)));
    set.map_err(Error::socket("cannot set a time-out"))
}

fn check(compression: &Compression) -> Result<(), Error> {
    let windows = (WINDOW_BITS_MIN, WINDOW_BITS_MAX);
    let rows = [
        ("server_max_window_bits", compression.server_max_window_bits, windows),
        ("client_max_window_bits", compression.client_max_window_bits, windows),
        ("the level of compression", compression.level, (1, 9)),
    ];
    match rows.into_iter().find(|(_, value, (least, most))| !(least..=most).contains(&value)) {
        Some((name, value, (least, most))) => Err(Error::Compression { name, value, least, most }),
        None => Ok(()),
    }
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    host_line: String,
    target: String,
}

impl Place {
    /// RFC 6455 §3.
    fn parse(url: &str) -> Result<Place, Error> {
        let wrong = |why: String| Error::Url { url: url.to_owned(), why };
        let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => {}
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => return Err(wrong("TLS is not built in".to_owned())),
            _ => return Err(wrong("the scheme must be ws".to_owned())),
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = uri.host().filter(|host| !host.is_empty());
        let (Some(authority), Some(host)) = (authority, host) else {
            return Err(wrong("there must be a host, without a user".to_owned()));
        };
        let port = match (authority.port(), authority.port_u16()) {
            (None, _) if authority.as_str() == host => 80,
            (Some(_), Some(port)) if port > 0 => port,
            _ => return Err(wrong("the port must be from 1 to 65535".to_owned())),
        };
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Place {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            host_line: host_line(host, port, 80),
            target: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        })
    }

    /// Tries each address of the host.
    fn connect(&self, timeout: Duration) -> Result<TcpStream, Error> {
        let addresses = (&*self.host, self.port).to_socket_addrs().map_err(Error::socket("cannot resolve the host"))?;
        let mut result = Err(std::io::ErrorKind::NotFound.into());
        for address in addresses {
            result = TcpStream::connect_timeout(&address, timeout);
            if result.is_ok() {
                break;
            }
        }
        let stream = result.map_err(Error::socket("cannot connect"))?;
        stream.set_nodelay(true).map_err(Error::socket("cannot set TCP_NODELAY"))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use crate::connect::{Connect, Place};
    use crate::error::Error;
    use wirewool_proto::websocket::extension::Compression;

    #[test]
    fn urls() {
        let rows = [
            ("ws://example.com", "example.com", 80, "example.com", "/"),
            ("ws://example.com:80/", "example.com", 80, "example.com", "/"),
            ("WS://example.com:8080/chat?room=1", "example.com", 8080, "example.com:8080", "/chat?room=1"),
            ("ws://[::1]:9501/a", "::1", 9501, "[::1]:9501", "/a"),
            ("ws://127.0.0.1:1?x", "127.0.0.1", 1, "127.0.0.1:1", "/?x"),
        ];
        for (url, host, port, host_line, target) in rows {
            let (host, host_line, target) = (host.to_owned(), host_line.to_owned(), target.to_owned());
            assert_eq!(Place::parse(url).expect("a URL"), Place { host, port, host_line, target }, "{url}");
        }
        let wrong = [
            "",
            "example.com",
            "http://a",
            "wss://a",
            "ws://",
            "ws://a:0",
            "ws://a:70000",
            "ws://a:",
            "ws://u@a",
            "ws:///x",
        ];
        for url in wrong {
            let error = Place::parse(url).expect_err(url);
            assert!(matches!(&error, Error::Url { url: named, .. } if named == url), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_compressed() {
        let rows = [
            Compression { server_max_window_bits: 8, ..Compression::default() },
            Compression { client_max_window_bits: 16, ..Compression::default() },
            Compression { level: 0, ..Compression::default() },
        ];
        for compression in rows {
            let error = Connect::to("ws://127.0.0.1:1").compression(compression).open().err();
            assert!(matches!(error, Some(Error::Compression { .. })), "{error:?}");
        }
    }
}
