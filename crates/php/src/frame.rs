//! `Swoole\WebSocket\Frame` and `CloseFrame`: made of what arrives, read when a script sends one.

use wirewool_proto::websocket::frame::Opcode;

use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::pack::{self, PackError, flag};
use crate::warning;
use crate::zend::ffi::{self, Class};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString, to_bool, to_long};

/// Properties in the order of declaration; those from `code` on are CloseFrame's.
mod slot {
    pub(crate) const DATA: u32 = 1;
    pub(crate) const OPCODE: u32 = 2;
    pub(crate) const FLAGS: u32 = 3;
    pub(crate) const FINISH: u32 = 4;
    pub(crate) const CODE: u32 = 5;
    pub(crate) const REASON: u32 = 6;
}

/// The close code of a frame that was given none (`WEBSOCKET_CLOSE_NORMAL`).
const CLOSE_NORMAL: i64 = 1000;

/// A Frame as the message callback gets it. `data` is the message's one copy.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn create(fd: i64, opcode: Opcode, flags: u8, data: PhpString) -> Result<Owned, Stop> {
    make(Class::Frame, fd, opcode, flags, Some(data))
}

/// A CloseFrame; `close` is none for an empty payload, which leaves code 1000.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn create_close(fd: i64, flags: u8, close: Option<(u16, &[u8])>) -> Result<Owned, Stop> {
    let frame = make(Class::CloseFrame, fd, Opcode::Close, flags, None)?;
    if let (Some((code, reason)), Some(object)) = (close, frame.as_object()) {
        object.set_property(slot::CODE, Owned::long(code.into()))?;
        object.set_property(slot::REASON, Owned::string(reason)?)?;
    }
    Ok(frame)
}

fn make(class: Class, fd: i64, opcode: Opcode, flags: u8, data: Option<PhpString>) -> Result<Owned, Stop> {
    let data = data.map_or(std::ptr::null_mut(), |data| data.into_raw().as_ptr());
    let (opcode, flags, finish) = (opcode as i64, i64::from(flags), flags & flag::FIN != 0);
    // SAFETY: `to` is an empty value, the frame takes `data` over; the closure's frame has no destructors.
    Owned::made(|to| unsafe { ffi::ww_frame_new(to, class, fd, opcode, flags, finish, data) })
}

/// A frame that a script wants sent or packed.
pub(crate) struct Outgoing {
    /// As the script gave it: [`pack::opcode`] checks it.
    pub(crate) opcode: i64,
    /// The six bits of [`flag`]; FIN is cleared also by `finish`.
    pub(crate) flags: u8,
    /// The payload; of a close frame, unused.
    pub(crate) data: PhpString,
    /// Code and reason of a close frame; the code as the script gave it.
    pub(crate) close: Option<(i64, PhpString)>,
}

impl Outgoing {
    /// What `data`, `opcode` and `flags` at `index` and behind it say: a Frame object speaks for itself, everything
    /// else is cast to a string.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError, or what a `__toString` throws.
    pub(crate) fn read(call: &Call<'_>, index: usize) -> Result<Outgoing, Stop> {
        let opcode = call.long(index + 1)?.unwrap_or(Opcode::Text as i64);
        let flags = read_flags(call, index + 2)?;
        let data = call.argument(index);
        if let Some(object) = data.and_then(Zval::as_object) {
            // SAFETY: the argument holds the object for the length of the call.
            let object = unsafe { Object::from_raw(object) };
            if object.is(Class::Frame) {
                return Outgoing::of(object);
            }
        }
        let data = match call.loose_text(index)? {
            Some(data) => data,
            None => PhpString::new(b"")?,
        };
        if opcode == Opcode::Close as i64 {
            return Ok(Outgoing { opcode, flags, data: PhpString::new(b"")?, close: Some((CLOSE_NORMAL, data)) });
        }
        Ok(Outgoing { opcode, flags, data, close: None })
    }

    /// What a Frame object says.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: what a `__toString` in one of its properties throws.
    pub(crate) fn of(frame: Object<'_>) -> Result<Outgoing, Stop> {
        let opcode = to_long(&frame.property(slot::OPCODE))?;
        let mut flags = mask_flags(to_long(&frame.property(slot::FLAGS))?);
        let finish = frame.property(slot::FINISH);
        if !finish.is_null() && !to_bool(&finish)? {
            flags &= !flag::FIN;
        }
        let data = PhpString::cast(&frame.property(slot::DATA))?;
        let close = if opcode == Opcode::Close as i64 { Some(close_of(frame)?) } else { None };
        Ok(Outgoing { opcode, flags, data, close })
    }

    /// The opcode and the payload as it goes out.
    ///
    /// # Errors
    /// A frame that cannot be sent.
    pub(crate) fn payload(&self) -> Result<(Opcode, std::borrow::Cow<'_, [u8]>), PackError> {
        let opcode = pack::opcode(self.opcode)?;
        match &self.close {
            Some((code, reason)) => Ok((opcode, pack::close_payload(*code as u16, reason.bytes())?.into())),
            None => Ok((opcode, self.data.bytes().into())),
        }
    }

    /// The whole frame.
    fn pack(&self) -> Result<Vec<u8>, PackError> {
        let (opcode, payload) = self.payload()?;
        // A key is a system call; most frames are not masked.
        let key = if self.flags & flag::MASK != 0 { masking_key() } else { [0; 4] };
        pack::pack(opcode, self.flags, &payload, key)
    }
}

/// Code and reason of a Frame with opcode 8. A plain Frame may have them as dynamic properties.
fn close_of(frame: Object<'_>) -> Result<(i64, PhpString), Stop> {
    let (code, reason) = if frame.is(Class::CloseFrame) {
        (frame.property(slot::CODE), frame.property(slot::REASON))
    } else {
        let code = frame.property_named("code")?;
        let code = if code.is_null() { Owned::long(CLOSE_NORMAL) } else { code };
        let reason = frame.property_named("reason")?;
        (code, if reason.is_null() { frame.property(slot::DATA) } else { reason })
    };
    Ok((to_long(&code)?, PhpString::cast(&reason)?))
}

/// The flags argument: an integer, or true and false for FIN alone and nothing, in strict mode too.
fn read_flags(call: &Call<'_>, index: usize) -> Result<u8, Stop> {
    match call.argument(index).and_then(Zval::as_bool) {
        Some(fin) => Ok(fin.into()),
        None => Ok(call.long(index)?.map_or(flag::FIN, mask_flags)),
    }
}

fn mask_flags(flags: i64) -> u8 {
    flags as u8 & flag::ALL
}

/// RFC 6455, section 5.3: "The masking key needs to be unpredictable".
fn masking_key() -> [u8; 4] {
    let mut key = [0; 4];
    getrandom::fill(&mut key).expect("the system has random numbers");
    key
}

/// Gives the packed frame, or "" with a warning.
fn give_packed(call: &mut Call<'_>, frame: &Outgoing) -> Result<(), Stop> {
    match frame.pack() {
        Ok(bytes) => call.give_bytes(&bytes),
        Err(error) => {
            last_error::set(last_error::WEBSOCKET_PACK_FAILED);
            warning::warn(&error.to_string())?;
            call.give_bytes(b"")
        }
    }
}

methods! {
    fn zim_Swoole_WebSocket_Frame___toString(call) {
        call.count(0, 0)?;
        let frame = Outgoing::of(call.this())?;
        give_packed(call, &frame)
    }

    fn zim_Swoole_WebSocket_Frame_pack(call) {
        call.count(1, 3)?;
        let frame = Outgoing::read(call, 0)?;
        give_packed(call, &frame)
    }

    fn zim_Swoole_WebSocket_Frame_unpack(call) {
        call.count(1, 1)?;
        let Some(frame) = pack::unpack(call.text(0)?.unwrap_or_default()) else {
            last_error::set(last_error::PROTOCOL_ERROR);
            call.give_bool(false);
            return Ok(());
        };
        let object = match (frame.opcode, frame.payload.as_slice()) {
            (Opcode::Close, [high, low, reason @ ..]) => {
                create_close(0, frame.flags, Some((u16::from_be_bytes([*high, *low]), reason)))?
            }
            (Opcode::Close, _) => create_close(0, frame.flags, None)?,
            (opcode, payload) => create(0, opcode, frame.flags, PhpString::new(payload)?)?,
        };
        call.give(object);
        Ok(())
    }
}
