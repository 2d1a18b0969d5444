//! What a client object has: its connection, and the properties that scripts see.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::callback::Callback;
use crate::client::connection::{Connection, Failure, Place};
use crate::client::exchange::Exchange;
use crate::client::settings::Settings;
use crate::client::websocket::WebSocket;
use crate::coroutine::descriptor;
use crate::exception;
use crate::guard::Stop;
use crate::last_error;
use crate::method::Call;
use crate::native::Native;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// Properties in the order of declaration.
pub(crate) mod slot {
    pub(crate) const ERR_CODE: u32 = 1;
    pub(crate) const ERR_MSG: u32 = 2;
    pub(crate) const CONNECTED: u32 = 3;
    pub(crate) const HOST: u32 = 4;
    pub(crate) const PORT: u32 = 5;
    pub(crate) const SETTING: u32 = 7;
    pub(crate) const REQUEST_METHOD: u32 = 8;
    pub(crate) const REQUEST_HEADERS: u32 = 9;
    pub(crate) const REQUEST_BODY: u32 = 10;
    pub(crate) const UPLOAD_FILES: u32 = 11;
    pub(crate) const DOWNLOAD_FILE: u32 = 12;
    pub(crate) const DOWNLOAD_OFFSET: u32 = 13;
    pub(crate) const STATUS_CODE: u32 = 14;
    pub(crate) const HEADERS: u32 = 15;
    pub(crate) const SET_COOKIE_HEADERS: u32 = 16;
    pub(crate) const COOKIES: u32 = 17;
    pub(crate) const BODY: u32 = 18;
}

/// `SWOOLE_HTTP_CLIENT_ESTATUS_*`: what statusCode is when there is no status.
pub(crate) mod status {
    pub(crate) const CONNECT_FAILED: i64 = -1;
    pub(crate) const REQUEST_TIMEOUT: i64 = -2;
    pub(crate) const SERVER_RESET: i64 = -3;
    pub(crate) const SEND_FAILED: i64 = -4;
}

/// A connection, and the WebSocket on it if it was upgraded.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) is_websocket: Cell<bool>,
    /// Taken out while it is looked at: nothing of it is borrowed when PHP runs.
    pub(crate) websocket: Cell<Option<Box<WebSocket>>>,
}

/// The value of a cookie that a server has set.
pub(crate) struct Cookie {
    /// As scripts see it.
    pub(crate) decoded: Vec<u8>,
    /// As it came, and as it is sent back.
    pub(crate) raw: Vec<u8>,
}

/// The state of a client object.
#[derive(Default)]
pub(crate) struct HttpClient {
    pub(crate) place: OnceCell<Place>,
    pub(crate) link: RefCell<Option<Rc<Link>>>,
    pub(crate) settings: Cell<Settings>,
    pub(crate) write_function: RefCell<Option<Rc<Callback>>>,
    pub(crate) defers: Cell<bool>,
    /// Sent, and its answer not asked for yet.
    pub(crate) owed: Cell<Option<Box<Exchange>>>,
    /// The head of the last request.
    pub(crate) head: RefCell<Vec<u8>>,
    pub(crate) basic_auth: RefCell<Option<(Vec<u8>, Vec<u8>)>>,
    /// Cookies that were received, by name.
    pub(crate) jar: RefCell<BTreeMap<Vec<u8>, Cookie>>,
    /// The last connection was a WebSocket.
    pub(crate) was_websocket: Cell<bool>,
    is_read: Cell<bool>,
    is_written: Cell<bool>,
}

impl Native for HttpClient {
    const FAMILY: Family = Family::Client;

    fn held(&self, index: usize) -> Option<*mut Zval> {
        let function = self.write_function.borrow();
        function.as_ref().filter(|_| index == 0).map(|function| function.callable())
    }
}

/// A coroutine's turn at something that only one can do at a time; over when dropped.
pub(crate) struct Turn<'a>(&'a Cell<bool>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn turn(taken: &Cell<bool>) -> Result<Turn<'_>, Stop> {
    if taken.replace(true) { Err(descriptor::bound("the client")) } else { Ok(Turn(taken)) }
}

impl HttpClient {
    /// The turn to read.
    ///
    /// # Errors
    /// [`Stop::Thrown`] when another coroutine reads.
    pub(crate) fn reading(&self) -> Result<Turn<'_>, Stop> {
        turn(&self.is_read)
    }

    /// The turn to write.
    ///
    /// # Errors
    /// [`Stop::Thrown`] when another coroutine writes.
    pub(crate) fn writing(&self) -> Result<Turn<'_>, Stop> {
        turn(&self.is_written)
    }

    /// Its connection, if it has one.
    pub(crate) fn link(&self) -> Option<Rc<Link>> {
        self.link.borrow().clone()
    }

    /// Gives the connection up. It ends for all who wait for it.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn drop_link(&self, object: Object<'_>) -> Result<(), Stop> {
        let link = self.link.replace(None);
        drop(self.owed.take());
        match link {
            Some(link) => {
                link.connection.shut();
                object.set_property(slot::CONNECTED, Owned::bool(false))
            }
            None => Ok(()),
        }
    }

    /// As [`HttpClient::drop_link`], if it is still this one.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn drop_this(&self, object: Object<'_>, link: &Rc<Link>) -> Result<(), Stop> {
        let is_it = self.link.borrow().as_ref().is_some_and(|own| Rc::ptr_eq(own, link));
        if is_it { self.drop_link(object) } else { Ok(()) }
    }
}

/// The state of `$this`.
///
/// # Errors
/// [`Stop::Thrown`] if its constructor has not run.
pub(crate) fn of<'a>(call: &Call<'a>) -> Result<&'a HttpClient, Stop> {
    let client = call.state::<HttpClient>()?;
    if client.place.get().is_none() {
        return Err(exception::throw(Class::PhpError, 0, "the client has no server: its constructor was not called"));
    }
    Ok(client)
}

/// Notes why something did not come about.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn fail(object: Object<'_>, failure: &Failure) -> Result<(), Stop> {
    last_error::set(failure.code);
    note(object, failure.code, &failure.text)
}

/// Notes that nothing is wrong.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn forgive(object: Object<'_>) -> Result<(), Stop> {
    match object.property(slot::ERR_CODE).as_long() {
        Some(0) => Ok(()),
        _ => note(object, 0, ""),
    }
}

fn note(object: Object<'_>, code: i64, text: &str) -> Result<(), Stop> {
    object.set_property(slot::ERR_CODE, Owned::long(code))?;
    object.set_property(slot::ERR_MSG, Owned::string(text.as_bytes())?)
}
