//! `Swoole\Coroutine\Http\Client`: what scripts call.

use std::fs::OpenOptions;
use std::path::Path;
use std::rc::Rc;

use crate::array::Array;
use crate::callback::Callback;
use crate::client::connection::{Failure, Place};
use crate::client::exchange::{self, perform};
use crate::client::form::{self, Upload};
use crate::client::request::Wish;
use crate::client::state::{self, HttpClient, of, slot};
use crate::client::websocket;
use crate::coroutine::methods::{required, until};
use crate::exception;
use crate::frame::Outgoing;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::warning;
use crate::zend::ffi::Class;
use crate::zend::layout::{Kind, Zval};
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString, to_bool};

fn construct(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 3)?;
    let host = call.text(0)?.unwrap_or_default();
    let port = call.long(1)?.unwrap_or(0);
    if call.bool(2)?.unwrap_or(false) {
        let message = "TLS is not available yet: the third argument must be false";
        return Err(exception::throw(Class::ClientException, last_error::OPERATION_NOT_SUPPORTED, message));
    }
    let place = Place::parse(host, port).map_err(|error| {
        exception::throw(
            Class::ClientException,
            last_error::INVALID_PARAMS,
            &format!("there is no such server: {error}"),
        )
    })?;
    let this = call.this();
    let port = match place {
        Place::Tcp(_, port) => port,
        Place::Unix(_) => 0,
    };
    if call.state::<HttpClient>()?.place.set(place).is_err() {
        return Err(exception::throw(Class::PhpError, 0, "the client is constructed already"));
    }
    this.set_property(slot::HOST, Owned::string(host)?)?;
    this.set_property(slot::PORT, Owned::long(port.into()))
}

fn set(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(1, 1)?;
    let client = of(call)?;
    let this = call.this();
    let Some(array) = call.array(0)?.and_then(|array| Array::of(Owned::copy(array))) else { return Ok(false) };
    if array.len() == 0 {
        return Ok(false);
    }
    let mut settings = client.settings.get();
    let changed = settings.change(&array);
    client.settings.set(settings);
    changed?;
    if let Some(defers) = array.find("defer") {
        client.defers.set(to_bool(&defers)?);
    }
    if let Some(function) = array.find("write_func") {
        set_write_function(client, &function)?;
    }
    let mut setting = Array::new(8)?;
    if let Some(earlier) = Array::of(this.property(slot::SETTING)) {
        setting.merge(&earlier.into_value())?;
    }
    setting.merge(&array.into_value())?;
    this.set_property(slot::SETTING, setting.into_value())?;
    Ok(true)
}

fn set_write_function(client: &HttpClient, function: &Zval) -> Result<(), Stop> {
    let new = if function.is_null() {
        None
    } else {
        match Callback::new(function)? {
            Ok(callback) => Some(Rc::new(callback)),
            Err(_) => {
                exception::check()?;
                return warning::warn_user("option [write_func] cannot be that: wanted something that can be called");
            }
        }
    };
    drop(client.write_function.replace(new));
    Ok(())
}

/// A property that the next request is made of.
fn keep(call: &mut Call<'_>, slot: u32, value: Owned) -> Result<(), Stop> {
    of(call)?;
    call.this().set_property(slot, value)?;
    call.give_bool(true);
    Ok(())
}

fn keep_array(call: &mut Call<'_>, slot: u32) -> Result<(), Stop> {
    call.count(1, 1)?;
    match call.array(0)? {
        Some(array) => keep(call, slot, Owned::copy(array)),
        None => Ok(()),
    }
}

/// An array as it is, anything else as a string.
fn data(call: &Call<'_>, index: usize) -> Result<Owned, Stop> {
    match call.argument(index) {
        Some(value) if matches!(value.kind(), Kind::Array | Kind::Null) => Ok(Owned::copy(value)),
        Some(value) => Ok(PhpString::cast(value)?.into()),
        None => Ok(Owned::null()),
    }
}

fn optional<'a>(call: &Call<'a>, index: usize) -> Result<&'a [u8], Stop> {
    match call.argument(index) {
        Some(value) if value.is_null() => Ok(b""),
        _ => Ok(call.text(index)?.unwrap_or_default()),
    }
}

/// Is this a part of the plain file at `path`? If not, says so.
fn is_part(this: Object<'_>, path: &[u8], offset: i64, length: i64) -> Result<bool, Stop> {
    let name = String::from_utf8_lossy(path).into_owned();
    let opened = form::open(path, OpenOptions::new().read(true))?;
    let bytes = match opened.and_then(|file| file.metadata()).map(|facts| facts.len()) {
        Ok(bytes) => bytes,
        Err(error) => {
            let Failure { code, text } = Failure::system(&error);
            let text = format!("the file {name:?} cannot be added: {text}");
            state::fail(this, &Failure { code, text: text.clone() })?;
            warning::warn(&text)?;
            return Ok(false);
        }
    };
    let end = u64::try_from(offset).ok().zip(u64::try_from(length).ok()).and_then(|(at, more)| at.checked_add(more));
    if end.is_some_and(|end| end <= bytes) {
        return Ok(true);
    }
    let text = format!("the file {name:?} has {bytes} bytes, wanted {length} from {offset} on");
    state::fail(this, &Failure { code: last_error::INVALID_PARAMS, text: text.clone() })?;
    warning::warn(&text)?;
    Ok(false)
}

fn add_file(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(2, 6)?;
    of(call)?;
    let path = call.text(0)?.unwrap_or_default();
    let name = call.text(1)?.unwrap_or_default();
    let (mime_type, filename) = (optional(call, 2)?, optional(call, 3)?);
    let (offset, length) = (call.long(4)?.unwrap_or(0), call.long(5)?.unwrap_or(0));
    if !is_part(call.this(), path, offset, length)? {
        return Ok(false);
    }
    let text = String::from_utf8_lossy(path).into_owned();
    let own = Path::new(&text).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let filename = if filename.is_empty() { own.as_bytes() } else { filename };
    form::add(call.this(), &Upload { from: ("path", path), name, mime_type, filename, offset, length })?;
    Ok(true)
}

fn add_data(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(2, 4)?;
    of(call)?;
    let content = call.text(0)?.unwrap_or_default();
    let name = call.text(1)?.unwrap_or_default();
    let (mime_type, filename) = (optional(call, 2)?, optional(call, 3)?);
    let filename = if filename.is_empty() { name } else { filename };
    let from = ("content", content);
    form::add(call.this(), &Upload { from, name, mime_type, filename, offset: 0, length: 0 })?;
    Ok(true)
}

/// Asks for the path that is the first argument.
fn ask(call: &mut Call<'_>, method: Option<&[u8]>, wish: Wish) -> Result<(), Stop> {
    let path = call.text(0)?.unwrap_or_default();
    required()?;
    let client = of(call)?;
    let this = call.this();
    if let Some(method) = method {
        this.set_property(slot::REQUEST_METHOD, Owned::string(method)?)?;
    }
    let done = perform(client, this, path, wish)?;
    call.give_bool(done);
    Ok(())
}

fn receive(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 1)?;
    let seconds = call.double(0)?.unwrap_or(0.0);
    required()?;
    let client = of(call)?;
    let this = call.this();
    state::forgive(this)?;
    if let Some(owed) = client.owed.take() {
        let limit = until(if seconds == 0.0 { client.settings.get().read_seconds() } else { seconds });
        let done = exchange::receive(client, this, owed, limit)?;
        call.give_bool(done);
        return Ok(());
    }
    let code = match client.link() {
        Some(link) if link.is_websocket.get() => {
            let received = websocket::receive(client, this, &link, seconds)?;
            call.give(received);
            return Ok(());
        }
        // There is no request whose answer is still to come.
        Some(_) => last_error::WRONG_OPERATION,
        None => last_error::CLIENT_NO_CONNECTION,
    };
    state::fail(this, &Failure::of(code))?;
    call.give_bool(false);
    Ok(())
}

fn push(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(1, 3)?;
    required()?;
    let client = of(call)?;
    let this = call.this();
    let frame = Outgoing::read(call, 0)?;
    state::forgive(this)?;
    match websocket::upgraded(client, this, "push data")? {
        Some(link) => websocket::push(client, this, &link, &frame),
        None => Ok(false),
    }
}

fn ping(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(0, 1)?;
    required()?;
    let client = of(call)?;
    let this = call.this();
    let data = call.text(0)?.unwrap_or_default();
    state::forgive(this)?;
    match websocket::upgraded(client, this, "send a ping")? {
        Some(link) => websocket::ping(client, this, &link, data),
        None => Ok(false),
    }
}

fn disconnect(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(0, 2)?;
    required()?;
    let client = of(call)?;
    let this = call.this();
    let code = call.long(0)?.unwrap_or(0);
    let reason = call.text(1)?.unwrap_or_default();
    state::forgive(this)?;
    match websocket::upgraded(client, this, "disconnect")? {
        Some(link) => websocket::disconnect(client, this, &link, code, reason),
        None => Ok(false),
    }
}

fn close(call: &Call<'_>) -> Result<bool, Stop> {
    call.count(0, 0)?;
    let client = of(call)?;
    let this = call.this();
    match client.link() {
        Some(link) => {
            state::forgive(this)?;
            websocket::leave(&link);
            client.drop_link(this)?;
            Ok(true)
        }
        None => {
            state::fail(this, &Failure::of(last_error::CLIENT_NO_CONNECTION))?;
            Ok(false)
        }
    }
}

fn give_address(call: &mut Call<'_>, is_own: bool) -> Result<(), Stop> {
    call.count(0, 0)?;
    let found = match of(call)?.link() {
        Some(link) => link.connection.address(is_own),
        None => Err(Failure::of(last_error::CLIENT_NO_CONNECTION)),
    };
    match found {
        Ok((address, port)) => {
            let mut array = Array::new(2)?;
            array.set_bytes("address", address.as_bytes())?;
            array.set("port", Owned::long(port.into()))?;
            call.give(array.into_value());
        }
        Err(failure) => {
            state::fail(call.this(), &failure)?;
            call.give_bool(false);
        }
    }
    Ok(())
}

fn give_property(call: &mut Call<'_>, slot: u32) -> Result<(), Stop> {
    call.count(0, 0)?;
    let property = call.this().property(slot);
    call.give(property);
    Ok(())
}

fn give_done(call: &mut Call<'_>, does: fn(&Call<'_>) -> Result<bool, Stop>) -> Result<(), Stop> {
    let done = does(call)?;
    call.give_bool(done);
    Ok(())
}

methods! {
    fn zim_Swoole_Coroutine_Http_Client___construct(call) { construct(call) }
    fn zim_Swoole_Coroutine_Http_Client_set(call) { give_done(call, set) }
    fn zim_Swoole_Coroutine_Http_Client_setHeaders(call) { keep_array(call, slot::REQUEST_HEADERS) }
    fn zim_Swoole_Coroutine_Http_Client_setCookies(call) { keep_array(call, slot::COOKIES) }
    fn zim_Swoole_Coroutine_Http_Client_addFile(call) { give_done(call, add_file) }
    fn zim_Swoole_Coroutine_Http_Client_addData(call) { give_done(call, add_data) }
    fn zim_Swoole_Coroutine_Http_Client_recv(call) { receive(call) }
    fn zim_Swoole_Coroutine_Http_Client_push(call) { give_done(call, push) }
    fn zim_Swoole_Coroutine_Http_Client_ping(call) { give_done(call, ping) }
    fn zim_Swoole_Coroutine_Http_Client_disconnect(call) { give_done(call, disconnect) }
    fn zim_Swoole_Coroutine_Http_Client_close(call) { give_done(call, close) }
    fn zim_Swoole_Coroutine_Http_Client_getsockname(call) { give_address(call, true) }
    fn zim_Swoole_Coroutine_Http_Client_getpeername(call) { give_address(call, false) }
    fn zim_Swoole_Coroutine_Http_Client_getBody(call) { give_property(call, slot::BODY) }
    fn zim_Swoole_Coroutine_Http_Client_getHeaders(call) { give_property(call, slot::HEADERS) }
    fn zim_Swoole_Coroutine_Http_Client_getCookies(call) { give_property(call, slot::COOKIES) }
    fn zim_Swoole_Coroutine_Http_Client_getStatusCode(call) { give_property(call, slot::STATUS_CODE) }

    fn zim_Swoole_Coroutine_Http_Client_getHeaderOut(call) {
        call.count(0, 0)?;
        let head = of(call)?.head.borrow().clone();
        if head.is_empty() {
            call.give_bool(false);
            return Ok(());
        }
        call.give_bytes(&head)
    }

    fn zim_Swoole_Coroutine_Http_Client_getPeerCert(call) {
        call.count(0, 0)?;
        // There is no TLS.
        call.give_bool(false);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Http_Client_getDefer(call) {
        call.count(0, 0)?;
        let defers = of(call)?.defers.get();
        call.give_bool(defers);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Http_Client_setDefer(call) {
        call.count(0, 1)?;
        of(call)?.defers.set(call.bool(0)?.unwrap_or(true));
        call.give_bool(true);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Http_Client_setMethod(call) {
        call.count(1, 1)?;
        let method = Owned::string(call.text(0)?.unwrap_or_default())?;
        keep(call, slot::REQUEST_METHOD, method)
    }

    fn zim_Swoole_Coroutine_Http_Client_setBasicAuth(call) {
        call.count(2, 2)?;
        let (user, password) = (call.text(0)?.unwrap_or_default(), call.text(1)?.unwrap_or_default());
        of(call)?.basic_auth.replace(Some((user.to_vec(), password.to_vec())));
        Ok(())
    }

    fn zim_Swoole_Coroutine_Http_Client_setData(call) {
        call.count(1, 1)?;
        let data = data(call, 0)?;
        keep(call, slot::REQUEST_BODY, data)
    }

    fn zim_Swoole_Coroutine_Http_Client_execute(call) {
        call.count(1, 1)?;
        ask(call, None, Wish::Answer)
    }

    fn zim_Swoole_Coroutine_Http_Client_get(call) {
        call.count(1, 1)?;
        ask(call, Some(b"GET"), Wish::Answer)
    }

    fn zim_Swoole_Coroutine_Http_Client_post(call) {
        call.count(2, 2)?;
        required()?;
        of(call)?;
        let data = data(call, 1)?;
        call.this().set_property(slot::REQUEST_BODY, data)?;
        ask(call, Some(b"POST"), Wish::Answer)
    }

    fn zim_Swoole_Coroutine_Http_Client_download(call) {
        call.count(2, 3)?;
        required()?;
        of(call)?;
        let file = Owned::string(call.text(1)?.unwrap_or_default())?;
        let offset = call.long(2)?.unwrap_or(0);
        call.this().set_property(slot::DOWNLOAD_FILE, file)?;
        call.this().set_property(slot::DOWNLOAD_OFFSET, Owned::long(offset))?;
        ask(call, Some(b"GET"), Wish::Answer)
    }

    fn zim_Swoole_Coroutine_Http_Client_upgrade(call) {
        call.count(1, 1)?;
        ask(call, None, Wish::WebSocket)
    }
}
