//! Turns the array given to a client's `set()` into what its connections and requests go by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wirewool_proto::websocket::client::Answers;
use wirewool_proto::websocket::extension::{Compression, WINDOW_BITS_MAX, WINDOW_BITS_MIN};

use crate::array::{Array, Key};
use crate::guard::Stop;
use crate::warning;
use crate::zend::layout::{Kind, Zval};
use crate::zend::value::{Owned, PhpString, to_bool, to_double, to_long};

/// How long a connection may take to come about, in seconds, unless a time-out is set.
const CONNECT_SECONDS: f64 = 2.0;

/// How long everything else may take.
const SECONDS: f64 = 60.0;

/// The longest message that is taken, in bytes, unless it is set.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// The longest body of an answer that is kept in memory, likewise.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What a script wants of a kind of control frame: not said, or whether it is to be handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control(Option<bool>);

impl Control {
    /// Does `recv()` return it?
    pub(crate) fn is_handed_out(self) -> bool {
        self.0 != Some(false)
    }

    /// Is it answered here? A script that asks for them answers them itself.
    fn is_answered(self) -> bool {
        self.0 != Some(true)
    }
}

/// The settings of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    connect_timeout: Option<f64>,
    timeout: Option<f64>,
    read_timeout: Option<f64>,
    write_timeout: Option<f64>,
    pub(crate) keep_alive: bool,
    pub(crate) masks: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) closes: Control,
    pub(crate) pings: Control,
    pub(crate) pongs: Control,
    /// Whether an answer may come compressed.
    pub(crate) accepts_encoding: bool,
    pub(crate) decodes: bool,
    pub(crate) lowers_names: bool,
    pub(crate) retries_max: u32,
    bytes_max: Option<usize>,
    pub(crate) socket_buffer_bytes: Option<usize>,
    bind_address: Option<IpAddr>,
    bind_port: u16,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connect_timeout: None,
            timeout: None,
            read_timeout: None,
            write_timeout: None,
            keep_alive: true,
            masks: true,
            compression: None,
            closes: Control::default(),
            pings: Control::default(),
            pongs: Control::default(),
            accepts_encoding: true,
            decodes: true,
            lowers_names: true,
            retries_max: 0,
            bytes_max: None,
            socket_buffer_bytes: None,
            bind_address: None,
            bind_port: 0,
        }
    }
}

/// What `set()` knows besides the settings themselves.
const ELSEWHERE: [&str; 2] = ["defer", "write_func"];

/// Known, and not available.
const UNAVAILABLE: [&str; 2] = ["socks5_", "http_proxy_"];

impl Settings {
    /// For a connection to come about, in seconds; as for the others, a negative one has no end.
    pub(crate) fn connect_seconds(&self) -> f64 {
        self.connect_timeout.or(self.timeout).unwrap_or(CONNECT_SECONDS)
    }

    /// For an answer, and for the next frame.
    pub(crate) fn read_seconds(&self) -> f64 {
        self.read_timeout.or(self.timeout).unwrap_or(SECONDS)
    }

    /// For a frame to be taken.
    pub(crate) fn write_seconds(&self) -> f64 {
        self.write_timeout.or(self.timeout).unwrap_or(SECONDS)
    }

    /// The longest message, in bytes.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.bytes_max.unwrap_or(MESSAGE_BYTES_MAX)
    }

    /// The longest body, in bytes.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.bytes_max.unwrap_or(BODY_BYTES_MAX)
    }

    /// The longest body that goes to a file or a function piece by piece, in bytes: as long as it is, unless set.
    pub(crate) fn stream_bytes_max(&self) -> usize {
        self.bytes_max.unwrap_or(usize::MAX)
    }

    /// What a WebSocket answers by itself.
    pub(crate) fn answers(&self) -> Answers {
        Answers { pings: self.pings.is_answered(), closes: self.closes.is_answered() }
    }

    /// The address that a connection is to come from.
    pub(crate) fn bound_to(&self, is_ipv6: bool) -> Option<SocketAddr> {
        let any = if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let is_bound = self.bind_address.is_some() || self.bind_port > 0;
        is_bound.then(|| SocketAddr::new(self.bind_address.unwrap_or(any), self.bind_port))
    }

    /// Changes what the array sets. What cannot be set is named in a warning, and changes nothing.
    ///
    /// # Errors
    /// As for a warning, and what casting a value throws.
    pub(crate) fn change(&mut self, array: &Array) -> Result<(), Stop> {
        for (key, value) in array.elements() {
            let name = match key {
                Key::Index(index) => index.to_string(),
                Key::Name(name) => String::from_utf8_lossy(&name).into_owned(),
            };
            if let Err(wanted) = self.set(&name, &value)? {
                let text = match wanted {
                    Refused::Wanted(wanted) => format!("option [{name}] cannot be that: wanted {wanted}"),
                    Refused::Unavailable => format!("option [{name}] is not available yet and has no effect"),
                    Refused::Unknown => format!("unknown option [{name}]"),
                };
                warning::warn_user(&text)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Zval) -> Result<Result<(), Refused>, Stop> {
        match name {
            "connect_timeout" => self.connect_timeout = seconds(value)?,
            "timeout" => self.timeout = seconds(value)?,
            "read_timeout" => self.read_timeout = seconds(value)?,
            "write_timeout" => self.write_timeout = seconds(value)?,
            "keep_alive" => self.keep_alive = to_bool(value)?,
            "websocket_mask" => self.masks = to_bool(value)?,
            "websocket_compression" => match compression(value)? {
                Ok(compression) => self.compression = compression,
                Err(wanted) => return Ok(Err(Refused::Wanted(wanted))),
            },
            "open_websocket_close_frame" => self.closes = Control(Some(to_bool(value)?)),
            "open_websocket_ping_frame" => self.pings = Control(Some(to_bool(value)?)),
            "open_websocket_pong_frame" => self.pongs = Control(Some(to_bool(value)?)),
            "http_compression" => self.accepts_encoding = to_bool(value)?,
            "body_decompression" => self.decodes = to_bool(value)?,
            "lowercase_header" => self.lowers_names = to_bool(value)?,
            "max_retries" => match u32::try_from(to_long(value)?) {
                Ok(retries) => self.retries_max = retries,
                Err(_) => return Ok(Err(Refused::Wanted("a number from 0 on"))),
            },
            "package_max_length" => match usize::try_from(to_long(value)?) {
                Ok(bytes) if bytes > 0 => self.bytes_max = Some(bytes),
                _ => return Ok(Err(Refused::Wanted("a number of bytes from 1 on"))),
            },
            "socket_buffer_size" => match i32::try_from(to_long(value)?) {
                Ok(bytes) if bytes > 0 => self.socket_buffer_bytes = Some(bytes as usize),
                _ => return Ok(Err(Refused::Wanted("a number of bytes from 1 to 2147483647"))),
            },
            "bind_address" => match address(value)? {
                Some(address) => self.bind_address = Some(address),
                None => return Ok(Err(Refused::Wanted("an IPv4 or IPv6 address"))),
            },
            "bind_port" => match u16::try_from(to_long(value)?) {
                Ok(port) => self.bind_port = port,
                Err(_) => return Ok(Err(Refused::Wanted("0 to 65535"))),
            },
            // It is what happens anyhow.
            "open_tcp_nodelay" => {}
            _ if ELSEWHERE.contains(&name) => {}
            _ if name.starts_with("ssl_") || UNAVAILABLE.iter().any(|known| name.starts_with(known)) => {
                return Ok(Err(Refused::Unavailable));
            }
            _ => return Ok(Err(Refused::Unknown)),
        }
        Ok(Ok(()))
    }
}

/// Why an option was not set.
enum Refused {
    Wanted(&'static str),
    Unavailable,
    Unknown,
}

/// A time; none for zero, which means the default.
fn seconds(value: &Zval) -> Result<Option<f64>, Stop> {
    let seconds = to_double(value)?;
    Ok((seconds != 0.0 && !seconds.is_nan()).then_some(seconds))
}

fn address(value: &Zval) -> Result<Option<IpAddr>, Stop> {
    let text = PhpString::cast(value)?;
    Ok(str::from_utf8(text.bytes()).ok().and_then(|text| text.parse().ok()))
}

/// What is offered unless an array says otherwise: nothing to be bargained over.
const OFFER: Compression = Compression {
    server_context_takeover: false,
    client_context_takeover: false,
    server_max_window_bits: WINDOW_BITS_MAX,
    client_max_window_bits: WINDOW_BITS_MAX,
    client_window_negotiable: false,
    level: 1,
    threshold: None,
};

fn compression(value: &Zval) -> Result<Result<Option<Compression>, &'static str>, Stop> {
    if value.kind() != Kind::Array {
        return Ok(Ok(to_bool(value)?.then_some(OFFER)));
    }
    let Some(array) = Array::of(Owned::copy(value)) else { return Ok(Ok(None)) };
    let mut offer = OFFER;
    for (key, value) in array.elements() {
        let Key::Name(name) = key else { return Ok(Err("names and values, of these names none")) };
        let within = |least: u8, most: u8| -> Result<Option<u8>, Stop> {
            Ok(u8::try_from(to_long(&value)?).ok().filter(|number| (least..=most).contains(number)))
        };
        match name.as_slice() {
            b"server_context_takeover" => offer.server_context_takeover = to_bool(&value)?,
            b"client_context_takeover" => offer.client_context_takeover = to_bool(&value)?,
            b"server_max_window_bits" => match within(WINDOW_BITS_MIN, WINDOW_BITS_MAX)? {
                Some(bits) => offer.server_max_window_bits = bits,
                None => return Ok(Err("9 to 15 for server_max_window_bits")),
            },
            b"client_max_window_bits" => match within(WINDOW_BITS_MIN, WINDOW_BITS_MAX)? {
                Some(bits) => {
                    offer.client_max_window_bits = bits;
                    offer.client_window_negotiable = true;
                }
                None => return Ok(Err("9 to 15 for client_max_window_bits")),
            },
            b"level" => match within(1, 9)? {
                Some(level) => offer.level = level,
                None => return Ok(Err("1 to 9 for level")),
            },
            b"threshold" => match usize::try_from(to_long(&value)?) {
                Ok(bytes) => offer.threshold = Some(bytes),
                Err(_) => return Ok(Err("a number of bytes for threshold")),
            },
            _ => {
                return Ok(Err("true, false, or an array of server_context_takeover, client_context_takeover, \
                     server_max_window_bits, client_max_window_bits, level, threshold"));
            }
        }
    }
    Ok(Ok(Some(offer)))
}
