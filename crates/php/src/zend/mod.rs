//! Zend's values as Rust types.
//!
//! * [`layout`]: the structures that are read in place.
//! * [`ffi`]: the functions of `shim/shim.c`, and PHP's own.
//! * [`value`]: owned values and strings.
//! * [`object`]: objects, their state and their properties.
//! * [`module`]: what PHP asks of the library itself.

pub(crate) mod ffi;
pub(crate) mod layout;
pub(crate) mod module;
pub(crate) mod object;
pub(crate) mod value;
