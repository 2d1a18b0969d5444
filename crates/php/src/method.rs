//! Turns a call of PHP's into a call of a Rust body: arguments, result, panics, bailouts.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};

use crate::exception;
use crate::guard::{Stop, guard, take_owed_bailout};
use crate::native::Native;
use crate::zend::ffi::{self, Class};
use crate::zend::layout::{ExecuteData, Kind, ZendString, Zval};
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString};

/// Defines the functions that PHP's class tables name: `zim_<Class>_<method>` and `zif_<function>`.
///
/// Each body is a `fn(&mut Call) -> Result<(), Stop>`. The generated header declares the names hidden, so the
/// library does not export them.
macro_rules! methods {
    ($(fn $symbol:ident($call:ident) $body:block)+) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(
            frame: std::ptr::NonNull<$crate::zend::layout::ExecuteData>,
            result: std::ptr::NonNull<$crate::zend::layout::Zval>,
        ) {
            fn body($call: &mut $crate::method::Call<'_>) -> Result<(), $crate::guard::Stop> $body
            // SAFETY: PHP passes the frame of this call and room for its result.
            unsafe { $crate::method::run(frame, result, body) }
        }
    )+};
}
pub(crate) use methods;

/// Runs `body` for the call in `frame`.
///
/// # Safety
/// PHP must have passed both for the call that is under way. The caller's frame must have no destructors: a bailout
/// goes on through it.
pub(crate) unsafe fn run(
    frame: NonNull<ExecuteData>,
    result: NonNull<Zval>,
    body: fn(&mut Call<'_>) -> Result<(), Stop>,
) {
    if settle(&mut Call { frame, result, length: PhantomData }, body) == Err(Stop::Bailout) {
        // SAFETY: all that had a destructor is gone: `settle` has returned, and this frame has nothing else.
        unsafe { ffi::ww_bailout() }
    }
}

/// Runs `body` to its end, whichever that is.
fn settle(call: &mut Call<'_>, body: fn(&mut Call<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut verdict = match catch_unwind(AssertUnwindSafe(|| body(call))) {
        Ok(verdict) => verdict,
        Err(panic) => Err(exception::throw(Class::PhpError, 0, &panic_text(panic.as_ref()))),
    };
    if take_owed_bailout() {
        verdict = Err(Stop::Bailout);
    }
    verdict
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("Wirewool failed: {}", text.unwrap_or("panic"))
}

/// A call under way: `$this`, the arguments and the place of the result, for as long as `'a` lasts.
pub(crate) struct Call<'a> {
    frame: NonNull<ExecuteData>,
    result: NonNull<Zval>,
    length: PhantomData<&'a Zval>,
}

impl<'a> Call<'a> {
    /// `$this`.
    ///
    /// # Panics
    /// In a static method or a function.
    pub(crate) fn this(&self) -> Object<'a> {
        // SAFETY: the frame is of the call under way.
        let this = unsafe { self.frame.as_ref() }.this().expect("an instance method");
        // SAFETY: the frame holds the object for the length of the call.
        unsafe { Object::from_raw(this) }
    }

    /// The Rust state of `$this`.
    ///
    /// # Errors
    /// [`Stop::Thrown`] in an object that is being freed.
    pub(crate) fn state<T: Native>(&self) -> Result<&'a T, Stop> {
        self.this().state().ok_or_else(|| exception::throw(Class::PhpError, 0, "the object is being freed"))
    }

    /// Checks the number of arguments.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: PHP's ArgumentCountError.
    pub(crate) fn count(&self, min: u32, max: u32) -> Result<(), Stop> {
        let count = self.arguments();
        if (min as usize..=max as usize).contains(&count) {
            return Ok(());
        }
        // SAFETY: a function of ours is running, as PHP expects; the closure's frame has no destructors.
        guard(|| unsafe { ffi::zend_wrong_parameters_count_error(min, max) })?;
        Err(Stop::Thrown)
    }

    fn arguments(&self) -> usize {
        // SAFETY: the frame is of the call under way.
        unsafe { self.frame.as_ref() }.arguments()
    }

    fn slot(&self, index: usize) -> Option<NonNull<Zval>> {
        // SAFETY: the frame is of the call under way, and the index was compared with its number of arguments.
        (index < self.arguments()).then(|| unsafe { ExecuteData::slot(self.frame, index) })
    }

    /// Argument `index` as it was passed; none if it was not.
    pub(crate) fn argument(&self, index: usize) -> Option<&'a Zval> {
        // SAFETY: the frame holds its arguments for the length of the call; only a coercion changes one, and only
        // when it is not of the type asked for.
        self.slot(index).map(|slot| unsafe { slot.as_ref() })
    }

    /// Argument `index` as a string, coerced as PHP's own functions do it.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError, or what a `__toString` throws.
    pub(crate) fn text(&self, index: usize) -> Result<Option<&'a [u8]>, Stop> {
        let Some(slot) = self.slot(index) else { return Ok(None) };
        if let Some(bytes) = self.argument(index).and_then(Zval::as_bytes) {
            return Ok(Some(bytes));
        }
        let mut string: *mut ZendString = null_mut();
        let (to, number) = (&raw mut string, index as u32 + 1);
        // SAFETY: the slot is an argument of the call under way; the closure's frame has no destructors.
        let fits = guard(|| unsafe { ffi::ww_argument_string(number, slot, to) })?;
        match NonNull::new(string) {
            // SAFETY: PHP has put the string into the slot, which holds it for the length of the call.
            Some(string) if fits => Ok(Some(unsafe { ZendString::bytes(string) })),
            _ => Err(Stop::Thrown),
        }
    }

    /// Argument `index` as an integer, coerced as PHP's own functions do it.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError.
    pub(crate) fn long(&self, index: usize) -> Result<Option<i64>, Stop> {
        let Some(slot) = self.slot(index) else { return Ok(None) };
        if let Some(long) = self.argument(index).and_then(Zval::as_long) {
            return Ok(Some(long));
        }
        let mut long = 0;
        let (to, number) = (&raw mut long, index as u32 + 1);
        // SAFETY: the slot is an argument of the call under way; the closure's frame has no destructors.
        let fits = guard(|| unsafe { ffi::ww_argument_long(number, slot, to) })?;
        fits.then_some(Some(long)).ok_or(Stop::Thrown)
    }

    /// Argument `index` as a floating-point number, coerced as PHP's own functions do it.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError.
    pub(crate) fn double(&self, index: usize) -> Result<Option<f64>, Stop> {
        let Some(slot) = self.slot(index) else { return Ok(None) };
        if let Some(double) = self.argument(index).and_then(Zval::as_double) {
            return Ok(Some(double));
        }
        let mut double = 0.0;
        let (to, number) = (&raw mut double, index as u32 + 1);
        // SAFETY: the slot is an argument of the call under way; the closure's frame has no destructors.
        let fits = guard(|| unsafe { ffi::ww_argument_double(number, slot, to) })?;
        fits.then_some(Some(double)).ok_or(Stop::Thrown)
    }

    /// Argument `index` as a boolean, coerced as PHP's own functions do it.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError.
    pub(crate) fn bool(&self, index: usize) -> Result<Option<bool>, Stop> {
        let Some(slot) = self.slot(index) else { return Ok(None) };
        if let Some(bool) = self.argument(index).and_then(Zval::as_bool) {
            return Ok(Some(bool));
        }
        let mut bool = false;
        let (to, number) = (&raw mut bool, index as u32 + 1);
        // SAFETY: the slot is an argument of the call under way; the closure's frame has no destructors.
        let fits = guard(|| unsafe { ffi::ww_argument_bool(number, slot, to) })?;
        fits.then_some(Some(bool)).ok_or(Stop::Thrown)
    }

    /// Argument `index`, which must be an array.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: a TypeError.
    pub(crate) fn array(&self, index: usize) -> Result<Option<&'a Zval>, Stop> {
        let Some(slot) = self.slot(index) else { return Ok(None) };
        match self.argument(index) {
            Some(value) if value.kind() == Kind::Array => Ok(Some(value)),
            _ => {
                let number = index as u32 + 1;
                // SAFETY: the slot is an argument of the call under way; the closure's frame has no destructors.
                guard(|| unsafe { ffi::ww_argument_not_array(number, slot) })?;
                Err(Stop::Thrown)
            }
        }
    }

    /// Argument `index` cast to a string, whatever it is and also in strict mode; none for null.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: what a `__toString` throws.
    pub(crate) fn loose_text(&self, index: usize) -> Result<Option<PhpString>, Stop> {
        match self.argument(index) {
            Some(value) if !value.is_null() => PhpString::cast(value).map(Some),
            _ => Ok(None),
        }
    }

    /// Sets the result.
    pub(crate) fn give(&mut self, value: Owned) {
        // SAFETY: PHP passed room for one value, null to begin with, and takes the reference over.
        unsafe { self.result.write(value.into_raw()) };
    }

    /// Sets the result: true or false.
    pub(crate) fn give_bool(&mut self, value: bool) {
        self.give(Owned::bool(value));
    }

    /// Sets the result: an integer.
    pub(crate) fn give_long(&mut self, value: i64) {
        self.give(Owned::long(value));
    }

    /// Sets the result: a string.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn give_bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.give(Owned::string(bytes)?);
        Ok(())
    }
}
