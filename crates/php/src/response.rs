//! `Swoole\Http\Response`: the answer to a request, as a script gives it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use wirewool_hub::command::{After, Refused};
use wirewool_ipc::process::is_foreign;

use crate::array::Array;
use crate::connections::note;
use crate::cookie::{Coding, Cookie};
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::reply::{Context, HeaderName, NameError, Reply, Stage, Status, failure};
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::{Kind, Zval};
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString};

/// Properties in the order of declaration.
mod slot {
    pub(crate) const FD: u32 = 0;
    pub(crate) const HEADER: u32 = 2;
    pub(crate) const COOKIE: u32 = 3;
}

/// Where the bytes of an answer go.
pub(crate) trait Sink {
    /// Sends a piece of the answer, at once. Runs no PHP code.
    ///
    /// # Errors
    /// Why nothing of it was sent.
    fn answer(&self, bytes: &[u8], after: After) -> Result<(), Refused>;
    /// Sends a piece of the answer, and waits for room if it can. None when the connection has gone meanwhile.
    ///
    /// # Errors
    /// The process ends. Within: why nothing of it was sent.
    fn answer_patiently(&self, bytes: &[u8], after: After) -> Result<Option<Result<(), Refused>>, Stop>;
    /// Closes the connection; false if it is gone. Runs no PHP code.
    fn close(&self) -> bool;
}

/// The state of a Response object. One made with `new` has nothing to answer: all its methods return false.
#[derive(Default)]
pub(crate) struct ResponseState {
    reply: RefCell<Option<Reply>>,
    sink: RefCell<Option<Rc<dyn Sink>>>,
}

impl Native for ResponseState {
    const FAMILY: Family = Family::Response;

    /// A script that has forgotten to answer: the peer must not wait for ever.
    fn end(self) {
        // The answer is the parent's to give.
        if is_foreign() {
            return;
        }
        let last = self.ask(|reply| {
            let began = reply.stage();
            if began == Stage::Open && reply.status().is_none() {
                reply.set_status(Status::INTERNAL_SERVER_ERROR, "");
            }
            (began, reply.end(b"", SystemTime::now()))
        });
        // An object that is being freed waits for nothing.
        let Some((began, Some((bytes, after)))) = last else { return };
        if let Some(Err(refused)) = self.with_sink(|sink| sink.answer(&bytes, after)) {
            self.refuse(refused, began);
        }
    }
}

impl ResponseState {
    /// A Response object for the request that `context` describes; its bytes go to `sink`.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn create(fd: i64, context: Context, sink: Rc<dyn Sink>) -> Result<Owned, Stop> {
        let object = Object::create(Class::Response)?;
        if let Some(response) = object.as_object() {
            response.set_property(slot::FD, Owned::long(fd))?;
            if let Some(state) = response.state::<ResponseState>() {
                state.reply.replace(Some(Reply::new(context)));
                state.sink.replace(Some(sink));
            }
        }
        Ok(object)
    }

    /// Whether `end()` was called, or there is nothing to answer.
    pub(crate) fn is_ended(&self) -> bool {
        self.reply.borrow().as_ref().is_none_or(|reply| reply.stage() == Stage::Ended)
    }

    /// Gives the connection up: the object answers no more, also not by itself.
    pub(crate) fn abandon(&self) {
        self.reply.replace(None);
        self.sink.replace(None);
    }

    /// The header lines that were set, for somebody else's answer; the object answers no more.
    pub(crate) fn take_lines(&self) -> Vec<u8> {
        let lines = self.ask(|reply| reply.lines()).unwrap_or_default();
        self.abandon();
        lines
    }

    /// What `change` makes of the answer; none when it is ended.
    fn ask<R>(&self, change: impl FnOnce(&mut Reply) -> R) -> Option<R> {
        self.reply.borrow_mut().as_mut().filter(|reply| reply.stage() != Stage::Ended).map(change)
    }

    /// Sends the piece that `make` makes of the answer, and waits for room if it can. False, with the last error set, if
    /// it is not sent: then the answer is over, since a peer must not take one with a hole in it for whole.
    ///
    /// # Errors
    /// The process ends.
    fn send(&self, make: impl FnOnce(&mut Reply) -> Option<(Vec<u8>, After)>) -> Result<bool, Stop> {
        let piece = self.ask(|reply| (reply.stage(), make(reply)));
        let Some((began, piece)) = piece else { return Ok(false) };
        let (Some((bytes, after)), Some(sink)) = (piece, self.sink.borrow().clone()) else {
            last_error::set(last_error::HTTP_CONTEXT_UNAVAILABLE);
            return Ok(false);
        };
        match sink.answer_patiently(&bytes, after)? {
            Some(Ok(())) => Ok(true),
            Some(Err(refused)) => {
                self.refuse(refused, began);
                Ok(false)
            }
            None => {
                self.abandon();
                Ok(false)
            }
        }
    }

    fn refuse(&self, refused: Refused, began: Stage) {
        tracing::warn!("an answer is not sent: {refused}");
        note(&refused);
        self.fail(began);
    }

    /// Gives the answer up: with a 500 if nothing of it was sent, otherwise the connection ends in the middle of it.
    fn fail(&self, began: Stage) {
        let context = self.reply.borrow().as_ref().map(Reply::context);
        let instead = context.filter(|_| began == Stage::Open).and_then(|context| failure(context, SystemTime::now()));
        self.with_sink(|sink| match instead.map(|bytes| sink.answer(&bytes, After::Close)) {
            Some(Ok(())) => true,
            _ => sink.close(),
        });
        self.abandon();
    }

    fn with_sink<R>(&self, act: impl FnOnce(&dyn Sink) -> R) -> Option<R> {
        let sink = self.sink.borrow().clone()?;
        Some(act(sink.as_ref()))
    }
}

/// The state of `$this` if it can still answer; otherwise false is given and the last error set.
fn open<'a>(call: &mut Call<'a>) -> Result<Option<&'a ResponseState>, Stop> {
    let state = call.state::<ResponseState>()?;
    if !state.is_ended() {
        return Ok(Some(state));
    }
    last_error::set(last_error::HTTP_CONTEXT_UNAVAILABLE);
    call.give_bool(false);
    Ok(None)
}

/// The lines of a header: one per element of an array, none for null.
fn header_values(value: &Zval) -> Result<Vec<Vec<u8>>, Stop> {
    match value.kind() {
        Kind::Null => Ok(Vec::new()),
        Kind::Array => {
            let Some(array) = Array::of(Owned::copy(value)) else { return Ok(Vec::new()) };
            array.elements().map(|(_, value)| Ok(PhpString::cast(&value)?.bytes().to_vec())).collect()
        }
        _ => Ok(vec![PhpString::cast(value)?.bytes().to_vec()]),
    }
}

/// Shows in a property of the object what was set; scripts read it there.
fn show(object: Object<'_>, slot: u32, add: impl FnOnce(&mut Array) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut array = match Array::of(object.property(slot)) {
        Some(array) => array,
        None => Array::new(8)?,
    };
    // The property must not hold it meanwhile, or each change would copy it.
    object.set_property(slot, Owned::null())?;
    add(&mut array)?;
    object.set_property(slot, array.into_value())
}

fn set_header(call: &Call<'_>) -> Result<bool, Stop> {
    let name = call.text(0)?.unwrap_or_default();
    let format = call.bool(2)?.unwrap_or(true);
    let name = match HeaderName::parse(name, format) {
        Ok(name) => name,
        Err(NameError::TooLong) => {
            warning::warn("header key is too long")?;
            return Ok(false);
        }
        Err(NameError::NotToken) => return Ok(false),
    };
    let Some(value) = call.argument(1) else { return Ok(false) };
    let values = header_values(value)?;
    show(call.this(), slot::HEADER, |headers| headers.set(name.as_str(), Owned::copy(value)))?;
    // A __toString may have ended the response meanwhile.
    let state = call.state::<ResponseState>()?;
    Ok(state.ask(|reply| reply.set_header(name, values)).is_some())
}

/// The status with this number; none, with a warning, for one that cannot be sent.
fn status_of(code: i64) -> Result<Option<Status>, Stop> {
    let status = Status::from_number(code);
    if status.is_none() {
        warning::warn(&format!("status code[{code}] is invalid: must have three digits"))?;
    }
    Ok(status)
}

/// Says that this answer cannot have the status.
fn unfit(code: i64) -> Result<(), Stop> {
    warning::warn(&format!(
        "status code[{code}] cannot be set here: an answer has 200 to 999, a handshake is accepted with 101"
    ))
}

fn set_status(call: &Call<'_>) -> Result<bool, Stop> {
    let code = call.long(0)?.unwrap_or(0);
    let reason = String::from_utf8_lossy(call.text(1)?.unwrap_or_default()).into_owned();
    let Some(status) = status_of(code)? else { return Ok(false) };
    let state = call.state::<ResponseState>()?;
    let Some(fits) = state.ask(|reply| reply.set_status(status, &reason)) else { return Ok(false) };
    if !fits {
        unfit(code)?;
    }
    Ok(fits)
}

fn redirect(call: &Call<'_>, state: &ResponseState) -> Result<bool, Stop> {
    let location = call.text(0)?.unwrap_or_default();
    let code = call.long(1)?.unwrap_or(302);
    let Some(status) = status_of(code)? else { return Ok(false) };
    let Ok(name) = HeaderName::parse(b"Location", false) else { return Ok(false) };
    if state.ask(|reply| reply.set_status(status, "")) == Some(false) {
        unfit(code)?;
        return Ok(false);
    }
    show(call.this(), slot::HEADER, |headers| headers.set_bytes(name.as_str(), location))?;
    state.ask(|reply| reply.set_header(name, vec![location.to_vec()]));
    end(state, b"")
}

fn set_cookie(call: &Call<'_>, coding: Coding) -> Result<bool, Stop> {
    let cookie = Cookie {
        name: call.text(0)?.unwrap_or_default(),
        value: call.text(1)?.unwrap_or_default(),
        expires: call.long(2)?.unwrap_or(0),
        // The declared default is shown by reflection and not applied.
        path: call.text(3)?.unwrap_or_default(),
        domain: call.text(4)?.unwrap_or_default(),
        secure: call.bool(5)?.unwrap_or(false),
        http_only: call.bool(6)?.unwrap_or(false),
        same_site: call.text(7)?.unwrap_or_default(),
        priority: call.text(8)?.unwrap_or_default(),
        partitioned: call.bool(9)?.unwrap_or(false),
    };
    let text = match cookie.encode(coding) {
        Ok(text) => text,
        Err(error) => {
            warning::warn(&error.to_string())?;
            return Ok(false);
        }
    };
    show(call.this(), slot::COOKIE, |cookies| cookies.push(Owned::string(&text)?))?;
    let state = call.state::<ResponseState>()?;
    Ok(state.ask(|reply| reply.add_cookie(text)).is_some())
}

/// Sends what is left. False once ended.
///
/// # Errors
/// The process ends.
fn end(state: &ResponseState, content: &[u8]) -> Result<bool, Stop> {
    state.send(|reply| reply.end(content, SystemTime::now()))
}

methods! {
    fn zim_Swoole_Http_Response_header(call) {
        call.count(2, 3)?;
        if open(call)?.is_some() {
            let done = set_header(call)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_status(call) {
        call.count(1, 2)?;
        if open(call)?.is_some() {
            let done = set_status(call)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_cookie(call) {
        call.count(1, 10)?;
        if open(call)?.is_some() {
            let done = set_cookie(call, Coding::Url)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_rawcookie(call) {
        call.count(1, 10)?;
        if open(call)?.is_some() {
            let done = set_cookie(call, Coding::Raw)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_redirect(call) {
        call.count(1, 2)?;
        if let Some(state) = open(call)? {
            let done = redirect(call, state)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_write(call) {
        call.count(1, 1)?;
        let content = call.loose_text(0)?;
        let content = content.as_ref().map_or(&b""[..], PhpString::bytes);
        let Some(state) = open(call)? else { return Ok(()) };
        if content.is_empty() {
            last_error::set(last_error::NO_PAYLOAD);
            warning::warn("the data sent must not be empty")?;
            call.give_bool(false);
            return Ok(());
        }
        let done = state.send(|reply| reply.write(content, SystemTime::now()))?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Http_Response_end(call) {
        call.count(0, 1)?;
        let content = call.loose_text(0)?;
        let content = content.as_ref().map_or(&b""[..], PhpString::bytes);
        if let Some(state) = open(call)? {
            let done = end(state, content)?;
            call.give_bool(done);
        }
        Ok(())
    }

    fn zim_Swoole_Http_Response_close(call) {
        call.count(0, 0)?;
        let state = call.state::<ResponseState>()?;
        let closed = state.with_sink(|sink| sink.close()).unwrap_or(false);
        if closed {
            state.abandon();
        }
        call.give_bool(closed);
        Ok(())
    }

    fn zim_Swoole_Http_Response_isWritable(call) {
        call.count(0, 0)?;
        let writable = !call.state::<ResponseState>()?.is_ended();
        call.give_bool(writable);
        Ok(())
    }
}
