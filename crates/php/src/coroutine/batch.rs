//! `Swoole\Coroutine\Scheduler`: collects callables, and runs them as coroutines in a loop of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::callback::Callback;
use crate::coroutine::context::Job;
use crate::coroutine::registry;
use crate::coroutine::run::{is_in_loop, run_loop};
use crate::event_loop;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::warning;
use crate::zend::ffi::Family;
use crate::zend::layout::Zval;
use crate::zend::value::Owned;

/// One callable, to be called so often.
struct Task {
    callback: Rc<Callback>,
    arguments: Vec<Owned>,
    times: usize,
}

#[derive(Default)]
pub(crate) struct Batch(RefCell<Vec<Task>>);

impl Native for Batch {
    const FAMILY: Family = Family::Batch;

    fn held(&self, index: usize) -> Option<*mut Zval> {
        // The collector runs within calls of PHP, and no borrow lives across those.
        let mut tasks = self.0.borrow_mut();
        let mut values = tasks.iter_mut().flat_map(|task| {
            let arguments = task.arguments.iter_mut().map(Owned::raw_mut);
            std::iter::once(task.callback.callable()).chain(arguments)
        });
        values.nth(index)
    }
}

/// The coroutines that are to begin.
fn jobs(tasks: Vec<Task>) -> VecDeque<Job> {
    let mut jobs: VecDeque<Job> = VecDeque::new();
    for task in tasks {
        for _ in 0..task.times {
            let callback = task.callback.clone();
            let arguments = task.arguments.iter().map(|argument| Owned::copy(argument)).collect();
            jobs.push_back(Box::new(move || event_loop::call(callback, arguments)));
        }
    }
    jobs
}

/// Takes a callable, at `first` among the arguments, and what is to be passed to it.
fn add(call: &mut Call<'_>, first: usize, times: usize) -> Result<(), Stop> {
    let Some(callback) = call.callback(first)? else { return Ok(()) };
    let state = call.state::<Batch>()?;
    let rest = first + 1..call.arguments();
    let arguments = rest.filter_map(|index| call.argument(index)).map(Owned::copy).collect();
    state.0.borrow_mut().push(Task { callback: Rc::new(callback), arguments, times });
    call.give_bool(true);
    Ok(())
}

fn start(call: &mut Call<'_>) -> Result<(), Stop> {
    let state = call.state::<Batch>()?;
    call.give_bool(false);
    if is_in_loop() {
        return warning::warn("eventLoop has already been created. unable to start Swoole\\Coroutine\\Scheduler");
    }
    let tasks = state.0.take();
    run_loop(jobs(tasks))?;
    call.give_bool(true);
    Ok(())
}

methods! {
    fn zim_Swoole_Coroutine_Scheduler_add(call) {
        call.count(1, u32::MAX)?;
        add(call, 0, 1)
    }

    fn zim_Swoole_Coroutine_Scheduler_parallel(call) {
        call.count(2, u32::MAX)?;
        let times = call.long(0)?.unwrap_or(0).max(0).unsigned_abs() as usize;
        if times > registry::max() {
            call.give_bool(false);
            return warning::warn(&format!("exceed max number of coroutine {}", registry::max()));
        }
        add(call, 1, times)
    }

    fn zim_Swoole_Coroutine_Scheduler_start(call) {
        call.count(0, 0)?;
        start(call)
    }
}
