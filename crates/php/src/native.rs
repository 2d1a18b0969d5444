//! Gives objects of our classes their Rust state, and takes it back.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use crate::atomic::{Atomic, AtomicLong};
use crate::client::state::HttpClient;
use crate::coroutine::batch::Batch;
use crate::coroutine::channel::Channel;
use crate::coroutine::wait_group::WaitGroup;
use crate::guard::take_owed_bailout;
use crate::iterator::Connections;
use crate::port::PortState;
use crate::request::RequestState;
use crate::response::ResponseState;
use crate::server::Server;
use crate::subprocess::Process;
use crate::table::Table;
use crate::task_worker::Task;
use crate::zend::ffi::Family;
use crate::zend::layout::Zval;

/// The Rust state of a family of classes. One is made with each object, before its constructor and also without it.
///
/// It is shared by reference with every call of a method, and methods re-enter: it changes through `Cell` and
/// `RefCell`, and no guard of those may be alive while PHP is called.
pub(crate) trait Native: Default + 'static {
    const FAMILY: Family;

    /// The PHP values it holds, by number, for PHP's cycle collector. None after the last one.
    fn held(&self, _index: usize) -> Option<*mut Zval> {
        None
    }

    /// The object is gone; what it leaves to be done is done here.
    fn end(self) {}
}

fn make<T: Native>() -> *mut c_void {
    Box::into_raw(Box::<T>::default()).cast()
}

#[unsafe(no_mangle)]
extern "C" fn ww_state_new(family: Family) -> *mut c_void {
    match family {
        Family::Server => make::<Server>(),
        Family::Request => make::<RequestState>(),
        Family::Response => make::<ResponseState>(),
        Family::Iterator => make::<Connections>(),
        Family::Atomic => make::<Atomic>(),
        Family::AtomicLong => make::<AtomicLong>(),
        Family::Table => make::<Table>(),
        Family::Channel => make::<Channel>(),
        Family::WaitGroup => make::<WaitGroup>(),
        Family::Batch => make::<Batch>(),
        Family::Client => make::<HttpClient>(),
        Family::Task => make::<Task>(),
        Family::Process => make::<Process>(),
        Family::Port => make::<PortState>(),
    }
}

/// # Safety
/// `state` must come from [`make`] with the same `T`, and nobody may use it any more.
unsafe fn end<T: Native>(state: *mut c_void) {
    // SAFETY: the caller vouches for it.
    let state = unsafe { Box::from_raw(state.cast::<T>()) };
    state.end();
}

/// # Safety
/// As for [`end`]. The shim keeps family and state together.
#[unsafe(no_mangle)]
unsafe extern "C" fn ww_state_free(family: Family, state: *mut c_void) -> bool {
    let free = match family {
        Family::Server => end::<Server>,
        Family::Request => end::<RequestState>,
        Family::Response => end::<ResponseState>,
        Family::Iterator => end::<Connections>,
        Family::Atomic => end::<Atomic>,
        Family::AtomicLong => end::<AtomicLong>,
        Family::Table => end::<Table>,
        Family::Channel => end::<Channel>,
        Family::WaitGroup => end::<WaitGroup>,
        Family::Batch => end::<Batch>,
        Family::Client => end::<HttpClient>,
        Family::Task => end::<Task>,
        Family::Process => end::<Process>,
        Family::Port => end::<PortState>,
    };
    // A panic was reported by its hook, and an object that dies has nobody to tell.
    // SAFETY: the caller vouches for it.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { free(state) }));
    take_owed_bailout()
}

/// # Safety
/// `state` must come from [`make`] with the same `T`.
unsafe fn held<T: Native>(state: *mut c_void, index: usize) -> *mut Zval {
    // SAFETY: the caller vouches for it; states are only ever shared.
    let state = unsafe { &*state.cast::<T>() };
    state.held(index).unwrap_or(null_mut())
}

/// # Safety
/// As for [`held`]. The shim keeps family and state together.
#[unsafe(no_mangle)]
unsafe extern "C" fn ww_state_held(family: Family, state: *mut c_void, index: usize) -> *mut Zval {
    let ask = match family {
        Family::Server => held::<Server>,
        Family::Request => held::<RequestState>,
        Family::Response => held::<ResponseState>,
        Family::Iterator => held::<Connections>,
        Family::Atomic => held::<Atomic>,
        Family::AtomicLong => held::<AtomicLong>,
        Family::Table => held::<Table>,
        Family::Channel => held::<Channel>,
        Family::WaitGroup => held::<WaitGroup>,
        Family::Batch => held::<Batch>,
        Family::Client => held::<HttpClient>,
        Family::Task => held::<Task>,
        Family::Process => held::<Process>,
        Family::Port => held::<PortState>,
    };
    // SAFETY: the caller vouches for it.
    unsafe { ask(state, index) }
}
