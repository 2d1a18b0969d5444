//! Values and strings that Rust holds a reference to.

use std::mem::{ManuallyDrop, forget};
use std::ptr::{NonNull, from_mut};

use crate::exception;
use crate::guard::{Stop, guard, owe_bailout};
use crate::zend::ffi;
use crate::zend::layout::{Kind, ZendArray, ZendString, Zval};
use crate::zend::object::Object;

/// A PHP value that this side holds, released when dropped. Dropping may run PHP code (destructors): no lock and no
/// `RefCell` guard may be alive then.
#[repr(transparent)]
pub(crate) struct Owned(Zval);

impl Owned {
    pub(crate) const fn undefined() -> Owned {
        Owned(Zval::UNDEFINED)
    }

    pub(crate) const fn null() -> Owned {
        Owned(Zval::null())
    }

    pub(crate) const fn bool(value: bool) -> Owned {
        Owned(Zval::bool(value))
    }

    pub(crate) const fn long(value: i64) -> Owned {
        Owned(Zval::long(value))
    }

    pub(crate) const fn double(value: f64) -> Owned {
        Owned(Zval::double(value))
    }

    /// A string with a copy of `bytes`.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn string(bytes: &[u8]) -> Result<Owned, Stop> {
        Ok(PhpString::new(bytes)?.into())
    }

    /// Another reference to `value`; of a reference, to what it refers to.
    pub(crate) fn copy(value: &Zval) -> Owned {
        let mut copy = Owned::undefined();
        // SAFETY: both are values; copying one neither allocates nor runs code.
        unsafe { ffi::ww_copy(&raw mut copy.0, value) };
        copy
    }

    /// Another reference to `object`.
    pub(crate) fn object(object: Object<'_>) -> Owned {
        let mut value = Owned::undefined();
        // SAFETY: the object is alive, and a reference to it neither allocates nor runs code.
        unsafe { ffi::ww_set_object(&raw mut value.0, object.raw()) };
        value
    }

    /// What `make` writes into an empty value.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when `make` leaves by longjmp.
    pub(crate) fn made(make: impl FnOnce(*mut Zval) + Copy) -> Result<Owned, Stop> {
        let mut value = ManuallyDrop::new(Owned::undefined());
        let to = &raw mut value.0;
        guard(|| make(to))?;
        Ok(ManuallyDrop::into_inner(value))
    }

    /// The value, for PHP to read.
    pub(crate) fn raw(&self) -> *const Zval {
        &raw const self.0
    }

    /// The value, for PHP to write to.
    pub(crate) fn raw_mut(&mut self) -> *mut Zval {
        &raw mut self.0
    }

    /// The value without the duty to release it: somebody else takes that over.
    pub(crate) fn into_raw(self) -> Zval {
        // SAFETY: `self` is forgotten below, so the value exists once.
        let value = unsafe { NonNull::from(&self.0).read() };
        forget(self);
        value
    }

    pub(crate) fn as_object(&self) -> Option<Object<'_>> {
        // SAFETY: the value holds the object as long as it is borrowed.
        self.0.as_object().map(|object| unsafe { Object::from_raw(object) })
    }

    pub(crate) fn as_array(&self) -> Option<NonNull<ZendArray>> {
        self.0.as_array()
    }
}

impl std::ops::Deref for Owned {
    type Target = Zval;

    fn deref(&self) -> &Zval {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.0.is_counted() {
            return;
        }
        let value = from_mut(&mut self.0);
        // SAFETY: this reference is given up here and not used again; the frame has nothing else to drop.
        if guard(|| unsafe { ffi::ww_release(value) }).is_err() {
            owe_bailout();
        }
    }
}

/// A PHP string that this side holds. Releasing one runs no PHP code.
pub(crate) struct PhpString(NonNull<ZendString>);

impl PhpString {
    /// A string with a copy of `bytes`: the one copy on a message's way up.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn new(bytes: &[u8]) -> Result<PhpString, Stop> {
        let (start, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: `length` bytes begin at `start`; the frame has no destructors.
        guard(|| unsafe { ffi::ww_string_new(start, length) }).map(PhpString)
    }

    /// The string that `value` becomes when cast. Casting an object runs its `__toString`.
    ///
    /// # Errors
    /// [`Stop::Thrown`] when that throws.
    pub(crate) fn cast(value: &Zval) -> Result<PhpString, Stop> {
        let held = Owned::copy(value);
        let from = held.raw();
        // SAFETY: `held` outlives the call; the closure's frame has no destructors.
        let string = PhpString(guard(|| unsafe { ffi::ww_to_string(from) })?);
        exception::check()?;
        Ok(string)
    }

    /// Takes over a reference that a function of the shim has returned.
    ///
    /// # Safety
    /// The reference must be the caller's to give.
    pub(crate) unsafe fn from_raw(string: NonNull<ZendString>) -> PhpString {
        PhpString(string)
    }

    /// The string without the duty to release it: somebody else takes that over.
    pub(crate) fn into_raw(self) -> NonNull<ZendString> {
        let string = self.0;
        forget(self);
        string
    }

    pub(crate) fn raw(&self) -> NonNull<ZendString> {
        self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: this side holds the string as long as it is borrowed.
        unsafe { ZendString::bytes(self.0) }
    }
}

impl From<PhpString> for Owned {
    fn from(string: PhpString) -> Owned {
        let mut value = Owned::undefined();
        // SAFETY: the reference moves from the string into the value; nothing is allocated.
        unsafe { ffi::ww_set_string(&raw mut value.0, string.into_raw()) };
        value
    }
}

impl Drop for PhpString {
    fn drop(&mut self) {
        // SAFETY: this reference is given up here and not used again; freeing a string cannot bail out.
        unsafe { ffi::ww_string_release(self.0) };
    }
}

/// The integer that `value` becomes when cast.
///
/// # Errors
/// [`Stop::Thrown`] when the cast warns and the script's error handler throws.
pub(crate) fn to_long(value: &Zval) -> Result<i64, Stop> {
    if let Some(long) = value.as_long() {
        return Ok(long);
    }
    let held = Owned::copy(value);
    let from = held.raw();
    // SAFETY: `held` outlives the call; the closure's frame has no destructors.
    let long = guard(|| unsafe { ffi::ww_to_long(from) })?;
    exception::check()?;
    Ok(long)
}

/// The descriptor that a number, a stream or a socket means; none if it is none of them, or closed.
///
/// # Errors
/// [`Stop`] when PHP warns and the script's error handler throws.
pub(crate) fn to_descriptor(value: &Zval) -> Result<Option<i32>, Stop> {
    let held = Owned::copy(value);
    let from = held.raw();
    // SAFETY: `held` outlives the call; the closure's frame has no destructors.
    let descriptor = guard(|| unsafe { ffi::ww_descriptor(from) })?;
    exception::check()?;
    Ok((descriptor >= 0).then_some(descriptor))
}

/// The floating-point number that `value` becomes when cast.
///
/// # Errors
/// [`Stop::Thrown`] when the cast warns and the script's error handler throws.
pub(crate) fn to_double(value: &Zval) -> Result<f64, Stop> {
    if let Some(double) = value.as_double() {
        return Ok(double);
    }
    let held = Owned::copy(value);
    let from = held.raw();
    // SAFETY: `held` outlives the call; the closure's frame has no destructors.
    let double = guard(|| unsafe { ffi::ww_to_double(from) })?;
    exception::check()?;
    Ok(double)
}

/// Whether `value` counts as true.
///
/// # Errors
/// [`Stop::Thrown`] when an object refuses to be asked.
pub(crate) fn to_bool(value: &Zval) -> Result<bool, Stop> {
    match value.kind() {
        Kind::True => Ok(true),
        Kind::False | Kind::Null | Kind::Undefined => Ok(false),
        _ => {
            let held = Owned::copy(value);
            let from = held.raw();
            // SAFETY: `held` outlives the call; the closure's frame has no destructors.
            let truth = guard(|| unsafe { ffi::ww_to_bool(from) })?;
            exception::check()?;
            Ok(truth)
        }
    }
}
