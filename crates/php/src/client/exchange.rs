//! Sends a request and reads its answer: over the connection that is there, or over a new one.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};
use std::mem::take;
use std::rc::Rc;
use std::time::Instant;

use crate::client::answer::{self, Answer, Missing, Sink};
use crate::client::connection::{Connection, Failure};
use crate::client::form;
use crate::client::request::{Encoded, Wish};
use crate::client::state::{self, HttpClient, Link, slot, status};
use crate::client::websocket;
use crate::coroutine::methods::until;
use crate::guard::Stop;
use crate::last_error;
use crate::warning;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString, to_long};

/// A request on its way to an answer.
pub(crate) struct Exchange {
    encoded: Encoded,
    sink: Sink,
    /// How often it was sent in vain.
    tries: u32,
    /// It went out over a connection that had carried others.
    is_kept: bool,
    /// The server stopped taking it. It may have answered before.
    unsent: Option<Failure>,
}

impl Exchange {
    /// May it be sent once more if its connection ends before an answer begins? A server may have closed a connection
    /// that it kept before it saw the request (RFC 9112, section 9.3.1); for any other reason only if the script says so.
    fn may_repeat(&self, client: &HttpClient) -> bool {
        let is_stale = self.is_kept && self.encoded.is_idempotent && self.tries == 0;
        // The script may change its mind: then the bytes are gone.
        !self.encoded.bytes.is_empty() && (is_stale || self.tries < client.settings.get().retries_max)
    }
}

/// Asks for a path.
///
/// # Errors
/// As for any wait and for a warning.
pub(crate) fn perform(client: &HttpClient, object: Object<'_>, path: &[u8], wish: Wish) -> Result<bool, Stop> {
    let _turns = (client.reading()?, client.writing()?);
    state::forgive(object)?;
    answer::forget(object)?;
    if client.owed.take().is_some() {
        // Its answer would be taken for the next one's.
        client.drop_link(object)?;
    }
    let encoded = Encoded::make(client, object, path, wish)?;
    let sink = open_sink(client, object, wish)?;
    let made = match (encoded, sink) {
        (Ok(encoded), Ok(sink)) => Ok((encoded, sink)),
        (Err(text), _) => Err((last_error::INVALID_PARAMS, text)),
        (_, Err(failure)) => Err((failure.code, failure.text)),
    };
    let (encoded, sink) = match made {
        Ok(made) => made,
        Err((code, text)) => {
            fail(object, status::SEND_FAILED, &Failure { code, text: text.clone() })?;
            warning::warn(&text)?;
            return Ok(false);
        }
    };
    let exchange = Box::new(Exchange { encoded, sink, tries: 0, is_kept: false, unsent: None });
    let limit = until(client.settings.get().read_seconds());
    guarded(client, object, || {
        if client.defers.get() && wish == Wish::Answer {
            return Ok(match send(client, object, exchange, limit)? {
                Some(exchange) => {
                    client.owed.set(Some(exchange));
                    true
                }
                None => false,
            });
        }
        finish(client, object, exchange, None, limit)
    })
}

/// Reads the answer to what was sent before.
///
/// # Errors
/// As for any wait.
pub(crate) fn receive(
    client: &HttpClient,
    object: Object<'_>,
    exchange: Box<Exchange>,
    limit: Option<Instant>,
) -> Result<bool, Stop> {
    guarded(client, object, || finish(client, object, exchange, client.link(), limit))
}

/// Whatever stops in the middle of an exchange leaves a connection that is of no more use.
fn guarded(
    client: &HttpClient,
    object: Object<'_>,
    exchange: impl FnOnce() -> Result<bool, Stop>,
) -> Result<bool, Stop> {
    let done = exchange();
    if done == Err(Stop::Thrown) {
        client.drop_link(object)?;
    }
    done
}

/// Where the next body goes. What is for one request only is given up.
fn open_sink(client: &HttpClient, object: Object<'_>, wish: Wish) -> Result<Result<Sink, Failure>, Stop> {
    let path = object.property(slot::DOWNLOAD_FILE);
    let offset = to_long(&object.property(slot::DOWNLOAD_OFFSET))?.max(0) as u64;
    object.set_property(slot::DOWNLOAD_FILE, Owned::null())?;
    object.set_property(slot::DOWNLOAD_OFFSET, Owned::long(0))?;
    if !path.is_null() {
        let path = PhpString::cast(&path)?;
        let opened = form::open(path.bytes(), OpenOptions::new().write(true).create(true))?;
        let placed = opened.and_then(|mut file| {
            file.set_len(offset)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        });
        return Ok(placed.map(Sink::File).map_err(|error| {
            let name = String::from_utf8_lossy(path.bytes()).into_owned();
            let Failure { code, text } = Failure::system(&error);
            Failure { code, text: format!("the file {name:?} cannot be written: {text}") }
        }));
    }
    let function = client.write_function.borrow().clone().filter(|_| wish == Wish::Answer);
    Ok(Ok(function.map_or_else(|| Sink::Memory(Vec::new()), Sink::Function)))
}

fn fail(object: Object<'_>, status: i64, failure: &Failure) -> Result<bool, Stop> {
    object.set_property(slot::STATUS_CODE, Owned::long(status))?;
    state::fail(object, failure)?;
    Ok(false)
}

/// The connection that is there, if it can be used again; else a new one.
fn obtain(client: &HttpClient, object: Object<'_>, is_fresh: bool) -> Result<Result<(Rc<Link>, bool), Failure>, Stop> {
    if let Some(link) = client.link() {
        if !is_fresh && !link.is_websocket.get() && link.connection.is_flushed() && link.connection.is_quiet() {
            return Ok(Ok((link, true)));
        }
        websocket::leave(&link);
        client.drop_link(object)?;
    }
    let Some(place) = client.place.get() else { return Ok(Err(Failure::of(libc::EINVAL))) };
    let connection = match Connection::open(place, &client.settings.get())? {
        Ok(connection) => connection,
        Err(failure) => return Ok(Err(failure)),
    };
    let link = Rc::new(Link { connection, is_websocket: Cell::new(false), websocket: Cell::new(None) });
    client.link.replace(Some(link.clone()));
    client.was_websocket.set(false);
    object.set_property(slot::CONNECTED, Owned::bool(true))?;
    Ok(Ok((link, false)))
}

/// Sends it. None: it failed, and that is noted.
fn send(
    client: &HttpClient,
    object: Object<'_>,
    mut exchange: Box<Exchange>,
    limit: Option<Instant>,
) -> Result<Option<Box<Exchange>>, Stop> {
    let (link, is_kept) = match obtain(client, object, exchange.tries > 0)? {
        Ok(obtained) => obtained,
        Err(failure) => {
            fail(object, status::CONNECT_FAILED, &failure)?;
            return Ok(None);
        }
    };
    exchange.is_kept = is_kept;
    let encoded = &mut exchange.encoded;
    client.head.replace(encoded.bytes[..encoded.head_bytes].to_vec());
    let bytes =
        if exchange.may_repeat(client) { exchange.encoded.bytes.clone() } else { take(&mut exchange.encoded.bytes) };
    link.connection.put(bytes);
    exchange.unsent = match link.connection.write_or_wait(limit)? {
        Ok(()) => None,
        Err(failure) if is_reset(&failure) => Some(failure),
        Err(failure) => {
            let late = failure.code == i64::from(libc::ETIMEDOUT);
            client.drop_this(object, &link)?;
            fail(object, if late { status::REQUEST_TIMEOUT } else { status::SEND_FAILED }, &failure)?;
            return Ok(None);
        }
    };
    Ok(Some(exchange))
}

fn is_reset(failure: &Failure) -> bool {
    [libc::ECONNRESET, libc::EPIPE].iter().any(|code| failure.code == i64::from(*code))
}

/// Reads the answer, if it was sent (`link`); sends it before, if not, and again if its connection had died.
fn finish(
    client: &HttpClient,
    object: Object<'_>,
    mut exchange: Box<Exchange>,
    mut link: Option<Rc<Link>>,
    limit: Option<Instant>,
) -> Result<bool, Stop> {
    loop {
        if link.is_none() {
            exchange = match send(client, object, exchange, limit)? {
                Some(exchange) => exchange,
                None => return Ok(false),
            };
            link = client.link();
        }
        let Some(used) = link.take() else {
            return fail(object, status::SERVER_RESET, &Failure::of(libc::ECONNRESET));
        };
        let settings = client.settings.get();
        let asked = (exchange.encoded.asked, &settings);
        let missing = match answer::read(&used.connection, object, asked, &mut exchange.sink, limit)? {
            Ok(answer) => return answered(client, object, &mut exchange, &used, answer),
            Err(missing) => missing,
        };
        let was_shut = used.connection.is_shut();
        client.drop_this(object, &used)?;
        let failure = match missing {
            Missing::Silence(failure) => {
                if !was_shut && exchange.may_repeat(client) {
                    exchange.tries += 1;
                    continue;
                }
                failure
            }
            Missing::Broken(failure) => failure,
        };
        return match exchange.unsent.take() {
            Some(unsent) if is_reset(&failure) => fail(object, status::SEND_FAILED, &unsent),
            _ if failure.code == i64::from(libc::ETIMEDOUT) => fail(object, status::REQUEST_TIMEOUT, &failure),
            _ => fail(object, status::SERVER_RESET, &failure),
        };
    }
}

/// The answer is there.
fn answered(
    client: &HttpClient,
    object: Object<'_>,
    exchange: &mut Exchange,
    link: &Rc<Link>,
    answer: Answer,
) -> Result<bool, Stop> {
    let Answer { head, keep_alive, rest } = answer;
    answer::show(client, object, &head, &mut exchange.sink)?;
    if let Some(upgrade) = &exchange.encoded.upgrade {
        let is_switched = head.status() == 101;
        match upgrade.accept(head) {
            Ok(accepted) => {
                websocket::begin(client, link, accepted.agreement, rest);
                return Ok(true);
            }
            Err(error) => {
                if is_switched || !keep_alive {
                    client.drop_this(object, link)?;
                }
                let failure = Failure { code: last_error::WEBSOCKET_HANDSHAKE_FAILED, text: error.to_string() };
                state::fail(object, &failure)?;
                return Ok(false);
            }
        }
    }
    if !keep_alive || !client.settings.get().keep_alive || !rest.is_empty() || exchange.unsent.is_some() {
        client.drop_this(object, link)?;
    }
    Ok(true)
}
