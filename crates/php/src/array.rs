//! PHP arrays: built, and read element by element.

use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use crate::exception;
use crate::guard::{Stop, guard};
use crate::zend::ffi;
use crate::zend::layout::{Kind, ZendString, Zval};
use crate::zend::value::Owned;

/// A PHP array that this side holds. What others hold of it does not see the changes made here.
pub(crate) struct Array(Owned);

impl Array {
    /// An empty array with room for `size` elements.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out; so do all methods that add.
    pub(crate) fn new(size: u32) -> Result<Array, Stop> {
        // SAFETY: `to` is an empty value; the closure's frame has no destructors.
        Ok(Array(Owned::made(|to| unsafe { ffi::ww_array_new(to, size) })?))
    }

    /// A list of integers.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn of_longs(longs: &[i64]) -> Result<Array, Stop> {
        let mut array = Array::new(longs.len() as u32)?;
        for long in longs {
            array.push(Owned::long(*long))?;
        }
        Ok(array)
    }

    /// The array that `value` is; none if it is something else.
    pub(crate) fn of(value: Owned) -> Option<Array> {
        (value.kind() == Kind::Array).then_some(Array(value))
    }

    /// Sets an element. As in PHP's own code, a key of decimal digits is an integer.
    pub(crate) fn set(&mut self, key: impl AsRef<[u8]>, value: Owned) -> Result<(), Stop> {
        let key = key.as_ref();
        let (start, length, array) = (key.as_ptr(), key.len(), self.0.raw_mut());
        let mut value = ManuallyDrop::new(value.into_raw());
        let from = &raw mut *value;
        // SAFETY: `array` is an array and takes the reference over; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_array_set(array, start, length, from) })
    }

    /// Sets an element to a string.
    pub(crate) fn set_bytes(&mut self, key: impl AsRef<[u8]>, value: &[u8]) -> Result<(), Stop> {
        self.set(key, Owned::string(value)?)
    }

    /// Adds an element at the end.
    pub(crate) fn push(&mut self, value: Owned) -> Result<(), Stop> {
        let array = self.0.raw_mut();
        let mut value = ManuallyDrop::new(value.into_raw());
        let from = &raw mut *value;
        // SAFETY: `array` is an array and takes the reference over; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_array_push(array, from) })
    }

    /// Takes over the elements of `other`, which must be an array; they replace those of the same key.
    pub(crate) fn merge(&mut self, other: &Zval) -> Result<(), Stop> {
        assert_eq!(other.kind(), Kind::Array, "only arrays can be merged");
        let array = self.0.raw_mut();
        // SAFETY: both are arrays; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_array_merge(array, other) })
    }

    /// Adds what `query` says, percent-encoded, as PHP fills `$_GET`: `a[b]=1` makes arrays, `max_input_vars` counts.
    /// False if PHP dropped some of it: too many variables, or nested too deep. No code of the script's runs.
    pub(crate) fn parse(&mut self, query: &[u8]) -> Result<bool, Stop> {
        let (start, length, array) = (query.as_ptr(), query.len(), self.0.raw_mut());
        // SAFETY: `array` is an array held once, `length` bytes begin at `start`; the closure's frame has no
        // destructors.
        let complete = guard(|| unsafe { ffi::ww_array_parse(array, start, length) })?;
        exception::check()?;
        Ok(complete)
    }

    /// Adds one variable under a name that may have brackets. The name ends at a zero byte. False if PHP dropped it:
    /// nested too deep. No code of the script's runs.
    pub(crate) fn register(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Stop> {
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let name = CString::new(&name[..end]).expect("cut at its first zero byte");
        let (array, start, length) = (self.0.raw_mut(), value.as_ptr(), value.len());
        let name = name.as_ptr();
        // SAFETY: `array` is an array held once; the closure's frame has no destructors, `name` is dropped behind it.
        let complete = guard(|| unsafe { ffi::ww_array_register(array, name, start, length) })?;
        exception::check()?;
        Ok(complete)
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.0.as_array().map_or(0, |array| {
            // SAFETY: this side holds the array.
            unsafe { ffi::ww_array_count(array) }
        })
    }

    /// The element of this key.
    pub(crate) fn find(&self, key: &str) -> Option<Owned> {
        let array = self.0.as_array()?;
        // SAFETY: this side holds the array; finding runs no code.
        let value = NonNull::new(unsafe { ffi::ww_array_find(array, key.as_ptr(), key.len()) })?;
        // SAFETY: the array holds the element, and nothing runs while it is copied.
        Some(Owned::copy(unsafe { value.as_ref() }))
    }

    /// Its elements in order.
    pub(crate) fn elements(&self) -> Elements<'_> {
        Elements { array: self, position: 0 }
    }

    /// The array as a value.
    pub(crate) fn into_value(self) -> Owned {
        self.0
    }
}

/// A key of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Index(i64),
    Name(Vec<u8>),
}

/// The elements of an array, copied one by one.
pub(crate) struct Elements<'a> {
    array: &'a Array,
    position: u32,
}

impl Iterator for Elements<'_> {
    type Item = (Key, Owned);

    fn next(&mut self) -> Option<(Key, Owned)> {
        let array = self.array.0.as_array()?;
        let (mut name, mut index) = (null_mut::<ZendString>(), 0);
        // SAFETY: the array is held, and held arrays are copied by whoever changes them; stepping runs no code.
        let value = unsafe { ffi::ww_array_next(array, &raw mut self.position, &raw mut name, &raw mut index) };
        // SAFETY: the array holds the element, and nothing runs while it is copied.
        let value = Owned::copy(unsafe { NonNull::new(value)?.as_ref() });
        let key = match NonNull::new(name) {
            // SAFETY: the array holds the key.
            Some(name) => Key::Name(unsafe { ZendString::bytes(name) }.to_vec()),
            None => Key::Index(index as i64),
        };
        Some((key, value))
    }
}
