//! The structures of Zend that are read in place; `shim/shim.h` asserts every offset against PHP's headers.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::slice;

/// A PHP value as Zend stores it. It does not own what it points to: [`Owned`](crate::zend::value::Owned) does.
#[repr(C)]
pub(crate) struct Zval {
    payload: Payload,
    type_info: u32,
    extra: u32,
}

#[repr(C)]
union Payload {
    long: i64,
    double: f64,
    string: NonNull<ZendString>,
    array: NonNull<ZendArray>,
    object: NonNull<ZendObject>,
}

/// The type of a value, for those that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Never written, or unset.
    Undefined,
    Null,
    False,
    True,
    Long,
    Double,
    String,
    Array,
    Object,
    /// A resource, a reference, or something inside the engine.
    Other,
}

/// Bits of `type_info` above the type: set when the value is counted.
const TYPE_FLAGS: u32 = 0xff00;

impl Zval {
    pub(crate) const UNDEFINED: Zval = Zval::plain(0);

    const fn plain(type_info: u32) -> Zval {
        Zval { payload: Payload { long: 0 }, type_info, extra: 0 }
    }

    pub(crate) const fn null() -> Zval {
        Zval::plain(1)
    }

    pub(crate) const fn bool(value: bool) -> Zval {
        Zval::plain(if value { 3 } else { 2 })
    }

    pub(crate) const fn long(value: i64) -> Zval {
        Zval { payload: Payload { long: value }, type_info: 4, extra: 0 }
    }

    pub(crate) const fn double(value: f64) -> Zval {
        Zval { payload: Payload { double: value }, type_info: 5, extra: 0 }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.type_info & 0xff {
            0 => Kind::Undefined,
            1 => Kind::Null,
            2 => Kind::False,
            3 => Kind::True,
            4 => Kind::Long,
            5 => Kind::Double,
            6 => Kind::String,
            7 => Kind::Array,
            8 => Kind::Object,
            _ => Kind::Other,
        }
    }

    /// Null, or never written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind(), Kind::Null | Kind::Undefined)
    }

    /// Whether letting go of it means anything.
    pub(crate) fn is_counted(&self) -> bool {
        self.type_info & TYPE_FLAGS != 0
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    pub(crate) fn as_long(&self) -> Option<i64> {
        match self.kind() {
            // SAFETY: the type says which member of the union was written.
            Kind::Long => Some(unsafe { self.payload.long }),
            _ => None,
        }
    }

    pub(crate) fn as_double(&self) -> Option<f64> {
        match self.kind() {
            // SAFETY: the type says which member of the union was written.
            Kind::Double => Some(unsafe { self.payload.double }),
            _ => None,
        }
    }

    pub(crate) fn as_string(&self) -> Option<NonNull<ZendString>> {
        match self.kind() {
            // SAFETY: the type says which member of the union was written.
            Kind::String => Some(unsafe { self.payload.string }),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<NonNull<ZendArray>> {
        match self.kind() {
            // SAFETY: the type says which member of the union was written.
            Kind::Array => Some(unsafe { self.payload.array }),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<NonNull<ZendObject>> {
        match self.kind() {
            // SAFETY: the type says which member of the union was written.
            Kind::Object => Some(unsafe { self.payload.object }),
            _ => None,
        }
    }

    /// The bytes of a string, for as long as the value is not changed.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        // SAFETY: the value holds the string, and strings do not change while they are held.
        self.as_string().map(|string| unsafe { ZendString::bytes(string) })
    }
}

/// The head of a PHP string; its bytes follow.
#[repr(C)]
pub(crate) struct ZendString {
    refcount: u32,
    type_info: u32,
    hash: u64,
    length: usize,
}

impl ZendString {
    /// The bytes of `string`.
    ///
    /// # Safety
    /// The string must be held by somebody for as long as `'a` lasts.
    pub(crate) unsafe fn bytes<'a>(string: NonNull<ZendString>) -> &'a [u8] {
        // SAFETY: the caller vouches for the string.
        let length = unsafe { (*string.as_ptr()).length };
        // SAFETY: the bytes begin right behind the head (asserted in shim.h), in the same allocation.
        let start = unsafe { string.add(1) }.cast::<u8>().as_ptr();
        // SAFETY: as many bytes as the head says, initialised when the string was made.
        unsafe { slice::from_raw_parts(start, length) }
    }
}

/// An array's hash table; seen through the shim only.
#[repr(C)]
pub(crate) struct ZendArray {
    opaque: [u8; 0],
}

/// An object; seen through the shim only.
#[repr(C)]
pub(crate) struct ZendObject {
    opaque: [u8; 0],
}

/// The head of a call's frame; the arguments follow in slots of a [`Zval`] each.
#[repr(C)]
pub(crate) struct ExecuteData {
    opline: *const c_void,
    call: *mut c_void,
    return_value: *mut Zval,
    function: *mut c_void,
    this: Zval,
}

/// Where the arguments begin, in slots from the frame's start.
const ARGUMENTS_AT: usize = 5;

impl ExecuteData {
    /// `$this`, or null in a static method and a function.
    pub(crate) fn this(&self) -> Option<NonNull<ZendObject>> {
        self.this.as_object()
    }

    /// How many arguments were passed: Zend keeps it in the spare part of `$this`.
    pub(crate) fn arguments(&self) -> usize {
        self.this.extra as usize
    }

    /// The slot of argument `index`.
    ///
    /// # Safety
    /// `frame` must be of a call under way, `index` less than [`arguments`](Self::arguments).
    pub(crate) unsafe fn slot(frame: NonNull<ExecuteData>, index: usize) -> NonNull<Zval> {
        // SAFETY: the slots of the arguments are part of the frame, as the caller vouches.
        unsafe { frame.cast::<Zval>().add(ARGUMENTS_AT + index) }
    }
}

const _: () = {
    assert!(size_of::<Zval>() == 16);
    assert!(std::mem::offset_of!(Zval, type_info) == 8);
    assert!(std::mem::offset_of!(Zval, extra) == 12);
    assert!(std::mem::offset_of!(ZendString, length) == 16);
    assert!(size_of::<ZendString>() == 24);
    assert!(std::mem::offset_of!(ExecuteData, this) == 32);
};
