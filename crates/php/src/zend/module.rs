//! What PHP asks of the library itself: its description, and to forget a request's things.

use std::ffi::c_void;

use crate::coroutine::scheduler;
use crate::event_loop;
use crate::guard::take_owed_bailout;
use crate::last_error;
use crate::task;
use crate::timer;
use crate::zend::ffi;

/// The only name the library exports: PHP's loader looks for it.
#[unsafe(no_mangle)]
extern "C" fn get_module() -> *mut c_void {
    // SAFETY: the entry is static.
    unsafe { ffi::ww_module() }
}

/// The request is over, and with it all objects.
#[unsafe(no_mangle)]
extern "C" fn ww_request_ended() {
    take_owed_bailout();
    last_error::set(0);
    drop(event_loop::take_all());
    drop(timer::take_all());
    drop(task::take_all());
    scheduler::forget_all();
    take_owed_bailout();
}
