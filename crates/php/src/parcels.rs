//! What other processes of the crew have sent, turned into calls of the script's callbacks.

pub(crate) mod payload;

use std::time::{SystemTime, UNIX_EPOCH};

use wirewool_engine::crew::parcel::{Kind, Parcel};

use crate::dispatch::Dispatch;
use crate::event::Event;
use crate::exception;
use crate::guard::Stop;
use crate::task;
use crate::task_worker;
use crate::worker::with;
use crate::zend::ffi::Class;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// Handles one parcel.
///
/// # Errors
/// A callback did not return: the process is to end.
pub(crate) fn handle(dispatch: &Dispatch, parcel: Parcel) -> Result<(), Stop> {
    match parcel.kind {
        Kind::Message => message(dispatch, &parcel),
        Kind::Task => task_worker::run(dispatch, parcel),
        Kind::Result | Kind::Done | Kind::Lost => task::ended(dispatch, &parcel),
    }
}

/// The value that a parcel brings; none, and the log says why, when it cannot be read. That is its sender's mistake: this
/// process goes on.
///
/// # Errors
/// What is read ended the process, or PHP's memory ran out.
pub(crate) fn value(parcel: &Parcel) -> Result<Option<Owned>, Stop> {
    let why = match payload::decode(parcel.flags, &parcel.payload) {
        Ok(Some(value)) => return Ok(Some(value)),
        Ok(None) => "it is no value of PHP's".to_string(),
        Err(Stop::Thrown) => exception::take_text()?,
        Err(stop) => return Err(stop),
    };
    tracing::error!("what process {} has sent cannot be read, and is dropped: {why}", parcel.from);
    Ok(None)
}

/// Seconds since 1970, as PHP's `microtime(true)` has them.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn message(dispatch: &Dispatch, parcel: &Parcel) -> Result<(), Stop> {
    let Some(value) = value(parcel)? else { return Ok(()) };
    let from = Owned::long(parcel.from as i64);
    if !dispatch.config().event_objects {
        return dispatch.call(Event::PipeMessage, [dispatch.server(), from, value]);
    }
    let own = with(|worker| worker.id).unwrap_or(0);
    let fields = [from, Owned::long(own as i64), Owned::double(seconds(parcel.sent)), value];
    let object = object(Class::PipeMessage, fields)?;
    dispatch.call(Event::PipeMessage, [dispatch.server(), object])
}

/// An object with these values in its properties, in the order of their declaration.
///
/// # Errors
/// PHP's memory ran out.
pub(crate) fn object<const N: usize>(class: Class, fields: [Owned; N]) -> Result<Owned, Stop> {
    let object = Object::create(class)?;
    if let Some(object) = object.as_object() {
        for (slot, field) in fields.into_iter().enumerate() {
            object.set_property(slot as u32, field)?;
        }
    }
    Ok(object)
}
