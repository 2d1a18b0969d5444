//! Turns what a server sends back into the properties of a client.

use std::fs::File;
use std::io::Write;
use std::mem::take;
use std::rc::Rc;
use std::time::Instant;

use wirewool_proto::http::answer::{AnswerHead, Asked};
use wirewool_proto::http::answer_reader::{AnswerError, AnswerReader, AnswerSettings, Part};
use wirewool_proto::http::body::BodyError;
use wirewool_proto::http::head::{HeadError, HeadLimits};

use crate::array::Array;
use crate::callback::{Callback, Outcome};
use crate::client::connection::{Connection, Failure};
use crate::client::settings::Settings;
use crate::client::state::{Cookie, HttpClient, slot};
use crate::guard::Stop;
use crate::last_error;
use crate::request::percent_decode;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// How many cookies are kept.
const COOKIES_MAX: usize = 256;

/// Where a body goes.
pub(crate) enum Sink {
    Memory(Vec<u8>),
    File(File),
    Function(Rc<Callback>),
}

impl Sink {
    /// Takes the next piece.
    fn take(&mut self, client: Object<'_>, piece: &[u8]) -> Result<Result<(), Failure>, Stop> {
        match self {
            Sink::Memory(bytes) => bytes.extend_from_slice(piece),
            Sink::File(file) => {
                if let Err(error) = file.write_all(piece) {
                    return Ok(Err(Failure::system(&error)));
                }
            }
            Sink::Function(function) => {
                let function = function.clone();
                let mut arguments = [Owned::object(client), Owned::string(piece)?];
                match function.call(&mut arguments) {
                    Outcome::Returned => {}
                    Outcome::Threw | Outcome::Exited => return Err(Stop::Thrown),
                    Outcome::Bailout => return Err(Stop::Bailout),
                }
            }
        }
        Ok(Ok(()))
    }
}

/// An answer that is complete.
pub(crate) struct Answer {
    pub(crate) head: AnswerHead,
    /// The connection takes another request.
    pub(crate) keep_alive: bool,
    /// What came behind it.
    pub(crate) rest: Vec<u8>,
}

/// Why there is no answer.
pub(crate) enum Missing {
    /// The connection ended before anything came.
    Silence(Failure),
    Broken(Failure),
}

fn refused(error: &AnswerError) -> Failure {
    let code = match error {
        AnswerError::Body(BodyError::TooLarge { .. })
        | AnswerError::Head(HeadError::TooLarge { .. } | HeadError::TooManyHeaders { .. }) => {
            last_error::PACKAGE_TOO_LARGE
        }
        AnswerError::NoAnswer => libc::ECONNRESET.into(),
        _ => last_error::HTTP_INVALID_PROTOCOL,
    };
    Failure { code, text: error.to_string() }
}

/// Reads the answer to what was asked.
///
/// # Errors
/// As for any wait, and what the function that takes the body throws.
pub(crate) fn read(
    connection: &Connection,
    client: Object<'_>,
    (asked, settings): (Asked, &Settings),
    sink: &mut Sink,
    until: Option<Instant>,
) -> Result<Result<Answer, Missing>, Stop> {
    let body_bytes_max =
        if matches!(sink, Sink::Memory(_)) { settings.body_bytes_max() } else { settings.stream_bytes_max() };
    let limits = AnswerSettings { head: HeadLimits::default(), body_bytes_max, decode: settings.decodes };
    let mut reader = AnswerReader::new(asked, limits);
    let mut found = None;
    loop {
        let input = match connection.read_or_wait(until, |input| input.to_vec())? {
            Ok(input) => input,
            Err(failure) if reader.is_empty() && failure.code == i64::from(libc::ECONNRESET) => {
                return Ok(Err(Missing::Silence(failure)));
            }
            Err(failure) => return Ok(Err(Missing::Broken(failure))),
        };
        if input.is_empty() {
            let is_silent = reader.is_empty();
            return Ok(match (reader.end(), found) {
                (Ok(()), Some(head)) => Ok(Answer { head, keep_alive: false, rest: Vec::new() }),
                _ if is_silent => Err(Missing::Silence(Failure::of(libc::ECONNRESET))),
                (Err(error), _) => Err(Missing::Broken(Failure { code: libc::ECONNRESET.into(), ..refused(&error) })),
                (Ok(()), None) => Err(Missing::Broken(Failure::of(libc::ECONNRESET))),
            });
        }
        let mut at = 0;
        loop {
            match reader.next(&input[at..]) {
                Ok(None) => break,
                Ok(Some((used, part))) => {
                    at += used;
                    match part {
                        Part::Head(head) => found = Some(head),
                        Part::Data(piece) => {
                            if let Err(failure) = sink.take(client, piece)? {
                                return Ok(Err(Missing::Broken(failure)));
                            }
                        }
                        Part::End { keep_alive } => {
                            let Some(head) = found else {
                                return Ok(Err(Missing::Broken(Failure::of(libc::ECONNRESET))));
                            };
                            return Ok(Ok(Answer { head, keep_alive, rest: input[at..].to_vec() }));
                        }
                    }
                }
                Err(error) => return Ok(Err(Missing::Broken(refused(&error)))),
            }
        }
    }
}

/// Forgets the last answer.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn forget(object: Object<'_>) -> Result<(), Stop> {
    object.set_property(slot::STATUS_CODE, Owned::long(0))?;
    object.set_property(slot::HEADERS, Owned::null())?;
    object.set_property(slot::SET_COOKIE_HEADERS, Owned::null())?;
    object.set_property(slot::BODY, Owned::string(b"")?)
}

/// Shows an answer, and takes its cookies.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn show(client: &HttpClient, object: Object<'_>, head: &AnswerHead, sink: &mut Sink) -> Result<(), Stop> {
    let lowers = client.settings.get().lowers_names;
    object.set_property(slot::STATUS_CODE, Owned::long(head.status().into()))?;
    object.set_property(slot::HEADERS, header_array(head, lowers)?.into_value())?;
    let mut lines = Array::new(2)?;
    for line in head.header_all("set-cookie") {
        lines.push(Owned::string(line)?)?;
    }
    if lines.len() > 0 {
        object.set_property(slot::SET_COOKIE_HEADERS, lines.into_value())?;
        take_cookies(client, object, head)?;
    }
    if let Sink::Memory(body) = sink {
        object.set_property(slot::BODY, Owned::string(&take(body))?)?;
    }
    Ok(())
}

/// The headers. Lines of the same name are one list (RFC 9110, section 5.3), but for Set-Cookie, of which it is the last.
fn header_array(head: &AnswerHead, lowers: bool) -> Result<Array, Stop> {
    let mut headers = Array::new(16)?;
    for (name, value) in head.headers() {
        let name = if lowers { name.to_ascii_lowercase() } else { name.to_owned() };
        let earlier = headers.find(&name).filter(|_| !name.eq_ignore_ascii_case("set-cookie"));
        let value = match earlier.as_ref().and_then(|earlier| earlier.as_bytes()) {
            Some(earlier) => Owned::string(&[earlier, b", ", value].concat())?,
            None => Owned::string(value)?,
        };
        headers.set(&name, value)?;
    }
    Ok(headers)
}

fn take_cookies(client: &HttpClient, object: Object<'_>, head: &AnswerHead) -> Result<(), Stop> {
    let mut cookies = Array::new(4)?;
    if let Some(earlier) = Array::of(object.property(slot::COOKIES)) {
        cookies.merge(&earlier.into_value())?;
    }
    for (name, raw) in head.cookies() {
        let is_known = str::from_utf8(name).is_ok_and(|name| cookies.find(name).is_some());
        if !is_known && cookies.len() >= COOKIES_MAX {
            continue;
        }
        let value = percent_decode(raw);
        cookies.set(name, Owned::string(&value)?)?;
        let mut jar = client.jar.borrow_mut();
        if jar.len() >= COOKIES_MAX && !jar.contains_key(name) {
            jar.pop_first();
        }
        jar.insert(name.to_vec(), Cookie { decoded: value, raw: raw.to_vec() });
    }
    object.set_property(slot::COOKIES, cookies.into_value())
}
