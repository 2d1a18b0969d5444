//! `Swoole\Http\Request`: a request's parts as PHP arrays.

use std::cell::OnceCell;
use std::time::{SystemTime, UNIX_EPOCH};

use wirewool_proto::http::request::Request;

use crate::array::Array;
use crate::guard::Stop;
use crate::method::methods;
use crate::native::Native;
use crate::zend::ffi::{Class, Family};
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// Properties in the order of declaration.
mod slot {
    pub(crate) const FD: u32 = 0;
    pub(crate) const HEADER: u32 = 2;
    pub(crate) const SERVER: u32 = 3;
    pub(crate) const COOKIE: u32 = 4;
    pub(crate) const GET: u32 = 5;
    pub(crate) const POST: u32 = 7;
}

/// A request and where it came from.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) fd: i64,
    pub(crate) request: Request,
    pub(crate) server_port: u16,
    pub(crate) remote_port: u16,
    /// Without the port; the path or nothing for a unix socket.
    pub(crate) remote_addr: String,
    /// When its head was complete.
    pub(crate) time: SystemTime,
    /// The options http_parse_cookie and http_parse_post.
    pub(crate) parse_cookie: bool,
    pub(crate) parse_post: bool,
}

/// The state of a Request object: what its methods give out. One made with `new` has none.
#[derive(Default)]
pub(crate) struct RequestState {
    request: OnceCell<Request>,
}

impl Native for RequestState {
    const FAMILY: Family = Family::Request;
}

impl RequestState {
    /// A Request object.
    ///
    /// # Errors
    /// [`Stop`] when memory runs out, or PHP throws.
    pub(crate) fn create(incoming: Incoming) -> Result<Owned, Stop> {
        let object = Object::create(Class::Request)?;
        if let Some(request) = object.as_object() {
            fill(request, &incoming)?;
            if let Some(state) = request.state::<RequestState>() {
                // A fresh object's cell is empty.
                let _ = state.request.set(incoming.request);
            }
        }
        Ok(object)
    }
}

fn fill(object: Object<'_>, incoming: &Incoming) -> Result<(), Stop> {
    let mut dropped = false;
    object.set_property(slot::FD, Owned::long(incoming.fd))?;
    object.set_property(slot::HEADER, header_array(incoming)?.into_value())?;
    object.set_property(slot::SERVER, server_array(incoming)?.into_value())?;
    if incoming.parse_cookie {
        let (cookies, complete) = cookie_array(incoming)?;
        dropped |= !complete;
        set_unless_empty(object, slot::COOKIE, cookies)?;
    }
    if let Some(query) = incoming.request.head.query().filter(|query| !query.is_empty()) {
        let mut get = Array::new(8)?;
        dropped |= !get.parse(query.as_bytes())?;
        set_unless_empty(object, slot::GET, get)?;
    }
    if incoming.parse_post && has_form(&incoming.request) {
        let mut post = Array::new(8)?;
        dropped |= !post.parse(&incoming.request.body)?;
        set_unless_empty(object, slot::POST, post)?;
    }
    if dropped {
        let fd = incoming.fd;
        tracing::warn!("connection {fd}: variables beyond PHP's max_input_vars or max_input_nesting_level are dropped");
    }
    Ok(())
}

fn set_unless_empty(object: Object<'_>, slot: u32, array: Array) -> Result<(), Stop> {
    if array.len() == 0 { Ok(()) } else { object.set_property(slot, array.into_value()) }
}

/// Of these the last value counts; of all others, each.
const SINGLE: [&str; 8] = [
    "host",
    "user-agent",
    "accept",
    "content-type",
    "content-length",
    "authorization",
    "connection",
    "accept-encoding",
];

/// The headers under lower-case names; an array for a name that came more than once.
fn header_array(incoming: &Incoming) -> Result<Array, Stop> {
    let mut headers = Array::new(16)?;
    for (name, value) in incoming.request.head.headers() {
        let name = name.to_ascii_lowercase();
        if name == "cookie" && incoming.parse_cookie {
            continue;
        }
        let earlier = if SINGLE.contains(&name.as_str()) { None } else { headers.find(&name) };
        let value = Owned::string(value)?;
        let Some(earlier) = earlier else {
            headers.set(&name, value)?;
            continue;
        };
        let mut values = match Array::of(Owned::copy(&earlier)) {
            Some(values) => values,
            None => {
                let mut values = Array::new(2)?;
                values.push(earlier)?;
                values
            }
        };
        values.push(value)?;
        headers.set(&name, values.into_value())?;
    }
    Ok(headers)
}

fn server_array(incoming: &Incoming) -> Result<Array, Stop> {
    let head = &incoming.request.head;
    let time = incoming.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = time.as_secs() as i64;
    let mut server = Array::new(16)?;
    if let Some(query) = head.query().filter(|query| !query.is_empty()) {
        server.set_bytes("query_string", query.as_bytes())?;
    }
    server.set_bytes("request_method", head.method().as_bytes())?;
    server.set_bytes("request_uri", head.path().as_bytes())?;
    server.set_bytes("path_info", &percent_decode(head.path().as_bytes()))?;
    server.set("request_time", Owned::long(seconds))?;
    server.set("request_time_float", Owned::double(time.as_secs_f64()))?;
    server.set_bytes("server_protocol", head.version().as_str().as_bytes())?;
    server.set("server_port", Owned::long(incoming.server_port.into()))?;
    server.set("remote_port", Owned::long(incoming.remote_port.into()))?;
    server.set_bytes("remote_addr", incoming.remote_addr.as_bytes())?;
    server.set("master_time", Owned::long(seconds))?;
    Ok(server)
}

/// The cookies, and whether these are all.
fn cookie_array(incoming: &Incoming) -> Result<(Array, bool), Stop> {
    let mut cookies = Array::new(8)?;
    let mut complete = true;
    for (name, value) in incoming.request.cookies() {
        complete &= cookies.register(name, &percent_decode(value))?;
    }
    Ok((cookies, complete))
}

/// A body that was declared to be a form, with a method that may have one.
fn has_form(request: &Request) -> bool {
    let kind = request.head.header("content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    matches!(request.head.method(), "POST" | "PUT" | "PATCH" | "DELETE")
        && kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        && !request.body.is_empty()
}

/// `%xx` decoded, everything else as it is: PHP's `rawurldecode()`.
pub(crate) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

methods! {
    fn zim_Swoole_Http_Request_getContent(call) {
        call.count(0, 0)?;
        match call.state::<RequestState>()?.request.get() {
            Some(request) => call.give_bytes(&request.body),
            None => {
                call.give_bool(false);
                Ok(())
            }
        }
    }

    fn zim_Swoole_Http_Request_getData(call) {
        call.count(0, 0)?;
        match call.state::<RequestState>()?.request.get() {
            Some(request) => call.give_bytes(&[request.head.raw(), &request.body].concat()),
            None => {
                call.give_bool(false);
                Ok(())
            }
        }
    }

    fn zim_Swoole_Http_Request_getMethod(call) {
        call.count(0, 0)?;
        match call.state::<RequestState>()?.request.get() {
            Some(request) => call.give_bytes(request.head.method().as_bytes()),
            None => {
                call.give_bool(false);
                Ok(())
            }
        }
    }
}
