//! Turns the properties of a client into the bytes of its next request.

use wirewool_proto::http::answer::Asked;
use wirewool_proto::http::client_request::{ClientRequest, host_line};
use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::websocket::keys::Keys;
use wirewool_proto::websocket::upgrade::{Upgrade, UpgradeRequest};

use crate::array::{Array, Key};
use crate::client::connection::Place;
use crate::client::form::Body;
use crate::client::state::{HttpClient, slot};
use crate::guard::Stop;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString};

/// The port that Host leaves out.
const HTTP_PORT: u16 = 80;

/// A request as it goes out.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// How many of them are its head.
    pub(crate) head_bytes: usize,
    pub(crate) asked: Asked,
    /// A server that gets it twice does no more than one that gets it once (RFC 9110, section 9.2.2).
    pub(crate) is_idempotent: bool,
    /// What reads the answer, if it asks for a WebSocket.
    pub(crate) upgrade: Option<Upgrade>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Answer,
    WebSocket,
}

/// Names and values of a property.
type Pairs = Vec<(Vec<u8>, PhpString)>;

/// The elements of an array; an element that is a list is several.
fn pairs(value: Owned) -> Result<Pairs, Stop> {
    let mut pairs = Vec::new();
    let Some(array) = Array::of(value) else { return Ok(pairs) };
    for (key, value) in array.elements() {
        let name = match key {
            Key::Index(index) => index.to_string().into_bytes(),
            Key::Name(name) => name,
        };
        match Array::of(Owned::copy(&value)) {
            Some(list) => {
                for (_, value) in list.elements() {
                    pairs.push((name.clone(), PhpString::cast(&value)?));
                }
            }
            None if value.is_null() => {}
            None => pairs.push((name, PhpString::cast(&value)?)),
        }
    }
    Ok(pairs)
}

/// A path as it goes out: with a `/` before it, unless it is something else altogether.
fn target_of(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    if path.starts_with('/') || path == "*" || path.contains("://") { path.into_owned() } else { format!("/{path}") }
}

/// Every byte of a cookie that is not plainly one of a name is written `%XX`.
fn percent_encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(*byte),
            _ => text.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    text
}

type Cookies = Vec<(Vec<u8>, Vec<u8>)>;

/// The cookies as they go out: those that were received as they came, those of the script's encoded.
fn cookies(client: &HttpClient, object: Object<'_>) -> Result<Cookies, Stop> {
    let given = pairs(object.property(slot::COOKIES))?;
    let jar = client.jar.borrow();
    let written = given.into_iter().map(|(name, value)| {
        let received = jar.get(&name).filter(|cookie| cookie.decoded == value.bytes());
        let value = received.map_or_else(|| percent_encode(value.bytes()), |cookie| cookie.raw.clone());
        (name, value)
    });
    Ok(written.collect())
}

impl Encoded {
    /// The request for this path. What is for one request only is given up.
    ///
    /// # Errors
    /// What a `__toString` throws. What cannot be sent is in words.
    pub(crate) fn make(
        client: &HttpClient,
        object: Object<'_>,
        path: &[u8],
        wish: Wish,
    ) -> Result<Result<Encoded, String>, Stop> {
        let method = PhpString::cast(&object.property(slot::REQUEST_METHOD))?;
        let headers = pairs(object.property(slot::REQUEST_HEADERS))?;
        let body = if wish == Wish::WebSocket { Ok(Body::default()) } else { Body::read(object)? };
        for used in [slot::REQUEST_METHOD, slot::REQUEST_BODY, slot::UPLOAD_FILES] {
            object.set_property(used, Owned::null())?;
        }
        let body = match body {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let method = match method.bytes() {
            _ if wish == Wish::WebSocket => "GET".into(),
            b"" if body.is_none() => "GET".into(),
            b"" => "POST".into(),
            given => String::from_utf8_lossy(given),
        };
        let cookies = cookies(client, object)?;
        let host = match client.place.get() {
            Some(Place::Tcp(host, port)) => host_line(host, *port, HTTP_PORT),
            _ => "localhost".to_owned(),
        };
        let names: Vec<String> = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        let lines: Vec<(&str, &[u8])> =
            names.iter().zip(&headers).map(|(name, (_, value))| (name.as_str(), value.bytes())).collect();
        let cookies: Vec<(&[u8], &[u8])> =
            cookies.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let settings = client.settings.get();
        let auth = client.basic_auth.borrow();
        let target = target_of(path);
        let request = ClientRequest {
            headers: &lines,
            cookies: &cookies,
            basic_auth: auth.as_ref().map(|(user, password)| (user.as_slice(), password.as_slice())),
            keep_alive: settings.keep_alive,
            accept_encoding: settings.accepts_encoding && wish == Wish::Answer,
            content_type: &body.content_type,
            body: body.bytes(),
            ..ClientRequest::new(&method, &host, &target)
        };
        let encoded = match wish {
            Wish::Answer => plain(&request),
            Wish::WebSocket => upgrade(&UpgradeRequest { request, protocols: &[], compression: settings.compression }),
        };
        Ok(encoded)
    }
}

fn plain(request: &ClientRequest<'_>) -> Result<Encoded, String> {
    let mut bytes = Vec::new();
    let head = request.encode(&mut bytes).map_err(|error| error.to_string())?;
    let is_idempotent = matches!(request.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE");
    // A script that asks for another protocol by hand does not get to speak it.
    let asked = if request.asked() == Asked::Head { Asked::Head } else { Asked::Other };
    Ok(Encoded { bytes, head_bytes: head.raw().len(), asked, is_idempotent, upgrade: None })
}

fn upgrade(request: &UpgradeRequest<'_>) -> Result<Encoded, String> {
    let begun = Upgrade::begin(request, HeadLimits::default(), &mut keys());
    let (upgrade, bytes) = begun.map_err(|error| error.to_string())?;
    let head_bytes = bytes.len();
    Ok(Encoded { bytes, head_bytes, asked: Asked::Upgrade, is_idempotent: true, upgrade: Some(upgrade) })
}

/// Keys that nobody can foresee.
pub(crate) fn keys() -> Keys {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has random numbers");
    Keys::from_seed(seed)
}
