//! Objects: their class, Rust state and declared properties.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::exception;
use crate::guard::{Stop, guard};
use crate::native::Native;
use crate::zend::ffi::{self, Class};
use crate::zend::layout::{ZendObject, ZendString, Zval};
use crate::zend::value::Owned;

/// An object that somebody holds for as long as `'a` lasts.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    raw: NonNull<ZendObject>,
    held: PhantomData<&'a Zval>,
}

impl<'a> Object<'a> {
    /// # Safety
    /// The object must be held by somebody for as long as `'a` lasts.
    pub(crate) unsafe fn from_raw(raw: NonNull<ZendObject>) -> Object<'a> {
        Object { raw, held: PhantomData }
    }

    pub(crate) fn raw(self) -> NonNull<ZendObject> {
        self.raw
    }

    /// A fresh object of one of our classes; its constructor is not run.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn create(class: Class) -> Result<Owned, Stop> {
        // SAFETY: `to` is an empty value; the closure's frame has no destructors.
        Owned::made(|to| unsafe { ffi::ww_object_new(to, class) })
    }

    /// An empty `Coroutine\Context`: an array object whose elements are properties as well.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn create_things() -> Result<Owned, Stop> {
        // SAFETY: `to` is an empty value; the closure's frame has no destructors.
        Owned::made(|to| unsafe { ffi::ww_things_new(to, Class::CoroutineContext) })
    }

    /// A new object of one of our classes, whose constructor takes one argument.
    ///
    /// # Errors
    /// [`Stop`] when the constructor throws, or memory runs out.
    pub(crate) fn create_with(class: Class, argument: Owned) -> Result<Owned, Stop> {
        let mut argument = ManuallyDrop::new(argument);
        let from = argument.raw_mut();
        // SAFETY: `to` is an empty value, the argument is alive; the closure's frame has no destructors.
        let made = Owned::made(|to| unsafe { ffi::ww_object_new_with(to, class, from) });
        drop(ManuallyDrop::into_inner(argument));
        exception::check()?;
        made
    }

    /// The name of its class.
    pub(crate) fn class_name(self) -> &'a str {
        // SAFETY: the object is alive.
        let name = unsafe { ffi::ww_class_name(self.raw) };
        // SAFETY: a class outlives its objects.
        let bytes = unsafe { ZendString::bytes(name) };
        str::from_utf8(bytes).unwrap_or("object")
    }

    /// Whether it is of this class, or of one that extends it.
    pub(crate) fn is(self, class: Class) -> bool {
        // SAFETY: the object is alive; asking neither allocates nor runs code.
        unsafe { ffi::ww_instance_of(self.raw, class) }
    }

    /// The Rust state of the object; none if it is not of that family, or is being freed.
    pub(crate) fn state<T: Native>(self) -> Option<&'a T> {
        // SAFETY: the object is alive; the shim compares its handlers with the family's.
        let state = unsafe { ffi::ww_state(self.raw, T::FAMILY) }.cast::<T>();
        // SAFETY: states of this family are made as `T`, live as long as their object and are only ever shared.
        unsafe { state.as_ref() }
    }

    /// A copy of the declared property in `slot`.
    ///
    /// Slots count in the order of declaration, a parent's first; no subclass can move or remove them.
    pub(crate) fn property(self, slot: u32) -> Owned {
        // SAFETY: the object is alive, and callers pass slots of its class.
        let property = unsafe { ffi::ww_property(self.raw, slot) };
        // SAFETY: nothing runs between finding the value and copying it.
        Owned::copy(unsafe { property.as_ref() })
    }

    /// A copy of the property `name`, declared or not; null if there is none.
    ///
    /// # Errors
    /// [`Stop::Thrown`] when a `__get` throws.
    pub(crate) fn property_named(self, name: &str) -> Result<Owned, Stop> {
        let (start, length) = (name.as_ptr(), name.len());
        let mut room = ManuallyDrop::new(Owned::undefined());
        let to = room.raw_mut();
        // SAFETY: the object is alive, the name is `length` bytes; the closure's frame has no destructors.
        let property = guard(|| unsafe { ffi::ww_property_named(self.raw, start, length, to) })?;
        // SAFETY: it is a property or in `room`; nothing has run since.
        let value = Owned::copy(unsafe { property.as_ref() });
        drop(ManuallyDrop::into_inner(room));
        exception::check()?;
        Ok(value)
    }

    /// Writes the declared property in `slot`. The old value's destructor may run PHP.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when that ends fatally.
    pub(crate) fn set_property(self, slot: u32, value: Owned) -> Result<(), Stop> {
        let mut value = ManuallyDrop::new(value.into_raw());
        let from = &raw mut *value;
        // SAFETY: the slot is one of the class; it takes the reference over; the closure's frame has no destructors.
        guard(|| unsafe { ffi::ww_property_set(self.raw, slot, from) })
    }
}
