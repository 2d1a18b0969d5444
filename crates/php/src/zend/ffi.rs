//! The functions of `shim/shim.c` (its header says what each does), and two of PHP's own.
//!
//! Most of them may leave by longjmp (the header marks them): they are called inside
//! [`guard`](crate::guard::guard) only.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;

use crate::zend::layout::{ZendArray, ZendObject, ZendString, Zval};

pub(crate) const OK: c_int = 0;
pub(crate) const THREW: c_int = 1;
pub(crate) const EXIT: c_int = 2;

/// Classes whose objects carry Rust state (`ww_family`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Family {
    Server,
    Request,
    Response,
    Iterator,
    Atomic,
    AtomicLong,
    Table,
    Channel,
    WaitGroup,
    Batch,
    Client,
    Task,
    Process,
    Port,
}

/// Classes known by name (`ww_class`); [`Class::PhpError`] is PHP's own `Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Class {
    Request,
    Response,
    Iterator,
    Frame,
    CloseFrame,
    Exception,
    Error,
    BadMethodCall,
    CoroutineContext,
    CoroutineIterator,
    TimerIterator,
    HttpServer,
    WebSocketServer,
    ClientException,
    Task,
    Event,
    PipeMessage,
    StatusInfo,
    TaskResult,
    Packet,
    Port,
    PhpError,
}

/// A stack for PHP code (`ww_context`).
#[repr(C)]
pub(crate) struct RawContext {
    opaque: [u8; 0],
}

/// A callable with what PHP found out about it (`ww_callback`).
#[repr(C)]
pub(crate) struct RawCallback {
    opaque: [u8; 0],
}

unsafe extern "C" {
    pub(crate) fn ww_guard(run: unsafe extern "C" fn(*mut c_void), data: *mut c_void) -> c_int;
    pub(crate) fn ww_bailout() -> !;

    pub(crate) fn ww_string_new(bytes: *const u8, length: usize) -> NonNull<ZendString>;
    pub(crate) fn ww_string_release(string: NonNull<ZendString>);
    pub(crate) fn ww_set_string(to: *mut Zval, string: NonNull<ZendString>);
    pub(crate) fn ww_copy(to: *mut Zval, from: *const Zval);
    pub(crate) fn ww_set_object(to: *mut Zval, object: NonNull<ZendObject>);
    pub(crate) fn ww_release(value: *mut Zval);
    pub(crate) fn ww_to_string(from: *const Zval) -> NonNull<ZendString>;
    pub(crate) fn ww_serialize(from: *const Zval) -> *mut ZendString;
    pub(crate) fn ww_unserialize(to: *mut Zval, bytes: *const u8, length: usize) -> bool;
    pub(crate) fn ww_to_long(from: *const Zval) -> i64;
    pub(crate) fn ww_to_double(from: *const Zval) -> f64;
    pub(crate) fn ww_to_bool(from: *const Zval) -> bool;

    pub(crate) fn ww_argument_string(number: u32, argument: NonNull<Zval>, to: *mut *mut ZendString) -> bool;
    pub(crate) fn ww_argument_long(number: u32, argument: NonNull<Zval>, to: *mut i64) -> bool;
    pub(crate) fn ww_argument_double(number: u32, argument: NonNull<Zval>, to: *mut f64) -> bool;
    pub(crate) fn ww_argument_not_callable(number: u32, argument: NonNull<Zval>);
    pub(crate) fn ww_argument_bool(number: u32, argument: NonNull<Zval>, to: *mut bool) -> bool;
    pub(crate) fn ww_argument_not_array(number: u32, argument: NonNull<Zval>);

    pub(crate) fn ww_descriptor(value: *const Zval) -> c_int;

    pub(crate) fn ww_array_new(to: *mut Zval, size: u32);
    pub(crate) fn ww_array_set(array: *mut Zval, key: *const u8, length: usize, value: *mut Zval);
    pub(crate) fn ww_array_push(array: *mut Zval, value: *mut Zval);
    pub(crate) fn ww_array_merge(array: *mut Zval, from: *const Zval);
    pub(crate) fn ww_array_count(array: NonNull<ZendArray>) -> usize;
    pub(crate) fn ww_array_find(array: NonNull<ZendArray>, key: *const u8, length: usize) -> *mut Zval;
    pub(crate) fn ww_array_next(
        array: NonNull<ZendArray>,
        position: *mut u32,
        key: *mut *mut ZendString,
        index: *mut u64,
    ) -> *mut Zval;
    pub(crate) fn ww_array_parse(array: *mut Zval, bytes: *const u8, length: usize) -> bool;
    pub(crate) fn ww_array_register(array: *mut Zval, name: *const c_char, value: *const u8, length: usize) -> bool;

    pub(crate) fn ww_state(object: NonNull<ZendObject>, family: Family) -> *mut c_void;
    pub(crate) fn ww_object_new(to: *mut Zval, class: Class);
    pub(crate) fn ww_object_new_with(to: *mut Zval, class: Class, argument: *mut Zval);
    pub(crate) fn ww_things_new(to: *mut Zval, class: Class);
    pub(crate) fn ww_instance_of(object: NonNull<ZendObject>, class: Class) -> bool;
    pub(crate) fn ww_class_name(object: NonNull<ZendObject>) -> NonNull<ZendString>;
    pub(crate) fn ww_property(object: NonNull<ZendObject>, slot: u32) -> NonNull<Zval>;
    pub(crate) fn ww_property_named(
        object: NonNull<ZendObject>,
        name: *const u8,
        length: usize,
        room: *mut Zval,
    ) -> NonNull<Zval>;
    pub(crate) fn ww_property_set(object: NonNull<ZendObject>, slot: u32, value: *mut Zval);
    pub(crate) fn ww_frame_new(
        to: *mut Zval,
        class: Class,
        fd: i64,
        opcode: i64,
        flags: i64,
        finish: bool,
        data: *mut ZendString,
    );

    pub(crate) fn ww_callback_new(callable: *const Zval, name: *mut *mut ZendString) -> *mut RawCallback;
    pub(crate) fn ww_callback_free(callback: NonNull<RawCallback>);
    pub(crate) fn ww_callback_callable(callback: NonNull<RawCallback>) -> NonNull<Zval>;
    pub(crate) fn ww_callback_call(
        callback: NonNull<RawCallback>,
        count: u32,
        arguments: *mut Zval,
        result: *mut Zval,
    ) -> c_int;

    pub(crate) fn ww_exception_pending() -> c_int;
    pub(crate) fn ww_exception_take(to: *mut Zval) -> bool;
    pub(crate) fn ww_exception_clear();
    pub(crate) fn ww_exception_report();
    pub(crate) fn ww_exception_throw(class: Class, message: *const u8, length: usize, code: i64);
    pub(crate) fn ww_unwind_exit();
    pub(crate) fn ww_warning(level: c_int, text: *const u8, length: usize);

    pub(crate) fn ww_exit_status_set(status: c_int);
    pub(crate) fn ww_exit_status() -> c_int;
    pub(crate) fn ww_shutdown_functions_forget();
    pub(crate) fn ww_shutdown_functions_call();
    pub(crate) fn ww_sapi_name() -> *const c_char;
    pub(crate) fn ww_output_flush();
    pub(crate) fn ww_forked();
    pub(crate) fn ww_has_failed() -> bool;
    pub(crate) fn ww_process_title(title: NonNull<ZendString>) -> bool;
    pub(crate) fn ww_path_allowed(path: *const c_char) -> bool;

    pub(crate) fn ww_context_new(stack_bytes: usize) -> *mut RawContext;
    pub(crate) fn ww_context_adopt() -> *mut RawContext;
    pub(crate) fn ww_context_free(context: NonNull<RawContext>);
    pub(crate) fn ww_context_abandon(context: NonNull<RawContext>);
    pub(crate) fn ww_context_switch(from: NonNull<RawContext>, to: NonNull<RawContext>);
    pub(crate) fn ww_context_ends_in(context: NonNull<RawContext>, then: NonNull<RawContext>);
    pub(crate) fn ww_context_is_blocked() -> bool;
    pub(crate) fn ww_context_trace(context: NonNull<RawContext>, to: *mut Zval, options: i64, limit: i64);
    pub(crate) fn ww_graceful_exit();
    pub(crate) fn ww_output_end_to(level: c_int);
    pub(crate) fn ww_output_level() -> c_int;

    pub(crate) fn ww_exit_take_status(status: *mut Zval) -> bool;
    pub(crate) fn ww_exit_with(status: *mut Zval);
    pub(crate) fn ww_at_shutdown(callable: *const u8, length: usize) -> bool;
    pub(crate) fn ww_print(text: *const u8, length: usize);

    pub(crate) fn ww_module() -> *mut c_void;

    /// PHP's: throws ArgumentCountError for the function that is running. May leave by longjmp.
    pub(crate) fn zend_wrong_parameters_count_error(min: u32, max: u32);
}
