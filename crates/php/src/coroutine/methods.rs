//! `Swoole\Coroutine`: what scripts ask of coroutines.

use std::rc::Rc;
use std::time::{Duration, Instant};

use wirewool_ipc::process::is_foreign;

use crate::array::Array;
use crate::coroutine::context::{Context, Job, is_blocked};
use crate::coroutine::registry::{self, Wait, Woken};
use crate::coroutine::run::trace_text;
use crate::coroutine::scheduler;
use crate::dispatch::within_method;
use crate::event_loop;
use crate::exception;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::server;
use crate::warning;
use crate::zend::ffi::Class;
use crate::zend::object::Object;
use crate::zend::value::{Owned, to_long};

/// The longest time to wait, in seconds: beyond that it is for ever.
const SECONDS_MAX: f64 = 1e9;

/// The moment at which a wait of so many seconds is over; none for one without an end.
pub(crate) fn until(seconds: f64) -> Option<Instant> {
    let waits = seconds > 0.0 && seconds < SECONDS_MAX;
    waits.then(|| Instant::now() + Duration::from_secs_f64(seconds))
}

/// The coroutine that runs; an error is thrown outside of one.
///
/// # Errors
/// [`Stop::Thrown`] outside of a coroutine.
pub(crate) fn required() -> Result<i64, Stop> {
    match registry::cid() {
        0 => {
            last_error::set(last_error::CO_OUT_OF_COROUTINE);
            let code = last_error::CO_OUT_OF_COROUTINE;
            Err(exception::throw(Class::Error, code, "API must be called in the coroutine"))
        }
        cid => Ok(cid),
    }
}

/// Waits as a coroutine.
///
/// # Errors
/// [`Stop::Thrown`] outside of one, and where PHP forbids to leave; as for [`scheduler::wait`].
pub(crate) fn wait(wait: Wait, until: Option<Instant>, told: impl FnOnce(registry::Ticket)) -> Result<Woken, Stop> {
    required()?;
    if is_blocked() {
        let message = "a coroutine cannot wait here: PHP does not let it leave, a destructor for one";
        return Err(exception::throw(Class::Error, last_error::CO_YIELD_FAILED, message));
    }
    let woken = scheduler::wait(wait, until, told)?;
    if woken == Woken::Refused {
        last_error::set(last_error::CO_YIELD_FAILED);
        warning::warn("the coroutine cannot wait: the process can have no more stacks (vm.max_map_count, memory)")?;
    }
    Ok(woken)
}

/// Runs a callable as a coroutine: its id, or none if there can be no more.
fn create(call: &Call<'_>) -> Result<Option<i64>, Stop> {
    let Some(callback) = call.callback(0)? else { return Ok(None) };
    let mut arguments: Vec<Owned> =
        (1..call.arguments()).filter_map(|index| call.argument(index)).map(Owned::copy).collect();
    let job: Job = Box::new(move || {
        let called = event_loop::call_plainly(&callback, &mut arguments);
        drop(arguments);
        drop(callback);
        event_loop::settle(called)
    });
    registry::expect_loop()?;
    let created = match scheduler::create(job) {
        Ok(created) => created.ok(),
        Err(stop) => return Err(within_method(Err(stop)).err().unwrap_or(stop)),
    };
    if created.is_none() {
        let max = registry::max();
        warning::warn(&if registry::has_room() {
            "the coroutine cannot begin: the process can have no more stacks (vm.max_map_count, memory)".to_owned()
        } else {
            format!("exceed max number of coroutine {max}")
        })?;
    }
    Ok(created)
}

fn create_and_give(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, u32::MAX)?;
    let cid = create(call)?;
    call.give(cid.map_or(Owned::bool(false), Owned::long));
    Ok(())
}

/// Waits for a time.
///
/// # Errors
/// As for any wait.
pub(crate) fn sleep(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let seconds = call.double(0)?.unwrap_or(0.0);
    if !(0.0..SECONDS_MAX).contains(&seconds) {
        warning::warn(&format!("{seconds} seconds cannot be slept: wanted 0 to {SECONDS_MAX}"))?;
        call.give_bool(false);
        return Ok(());
    }
    required()?;
    let time = Duration::from_secs_f64(seconds);
    if is_blocked() {
        std::thread::sleep(time);
        call.give_bool(true);
        return Ok(());
    }
    let woken = wait(Wait::Other, Some(Instant::now() + time), |_| {})?;
    call.give_bool(woken == Woken::TimedOut);
    Ok(())
}

fn pause(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    let woken = wait(Wait::Resume, None, |_| {})?;
    call.give_bool(woken == Woken::Happened);
    Ok(())
}

fn resume(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let cid = call.long(0)?.unwrap_or(0);
    match registry::waits(cid) {
        Some((ticket, Wait::Resume)) => {
            let woken = within_method_of(scheduler::wake(ticket, Woken::Happened))?;
            call.give_bool(woken);
            Ok(())
        }
        waits => {
            call.give_bool(false);
            let why = if waits.is_some() { "waits for something else" } else { "does not exist or is not suspended" };
            warning::warn(&format!("coroutine#{cid} cannot be resumed: it {why}"))
        }
    }
}

/// As [`within_method`], with a value.
pub(crate) fn within_method_of<R>(result: Result<R, Stop>) -> Result<R, Stop> {
    match result {
        Ok(value) => Ok(value),
        Err(stop) => Err(within_method(Err(stop)).err().unwrap_or(stop)),
    }
}

fn cancel(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let cid = call.long(0)?.unwrap_or(0);
    let done = match registry::waits(cid) {
        Some((ticket, _)) => within_method_of(scheduler::wake(ticket, Woken::Canceled))?,
        None => {
            let exists = registry::find(cid).is_some();
            last_error::set(if exists { last_error::CO_CANNOT_CANCEL } else { last_error::CO_NOT_EXISTS });
            false
        }
    };
    call.give_bool(done);
    Ok(())
}

fn defer(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    required()?;
    if let Some(callback) = call.callback(0)? {
        registry::with_current(|context| context.coroutine.defers.borrow_mut().push(Rc::new(callback)));
    }
    Ok(())
}

fn cid(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    let cid = registry::cid();
    call.give_long(if cid == 0 { -1 } else { cid });
    Ok(())
}

/// The context that an argument means: of the coroutine that runs, unless it names another.
fn named(call: &Call<'_>) -> Result<Option<Rc<Context>>, Stop> {
    let cid = match call.long(0)?.unwrap_or(0) {
        0 => registry::cid(),
        cid => cid,
    };
    Ok(if cid > 0 { registry::find(cid) } else { None })
}

/// The coroutine's own array of things, made when it is first asked for.
fn things(context: &Context) -> Result<Owned, Stop> {
    if let Some(things) = context.coroutine.things.borrow().as_ref() {
        return Ok(Owned::copy(things));
    }
    let things = Object::create_things()?;
    context.coroutine.things.replace(Some(Owned::copy(&things)));
    Ok(things)
}

fn stats() -> Result<Owned, Stop> {
    let (alive, peak, last) = registry::counts();
    let mut array = Array::new(8)?;
    for (name, number) in [
        ("event_num", event_loop::watched_count()),
        ("signal_listener_num", 0),
        ("aio_task_num", 0),
        ("aio_worker_num", 0),
        ("aio_queue_size", 0),
        ("c_stack_size", registry::stack_bytes()),
        ("coroutine_num", alive),
        ("coroutine_peak_num", peak),
    ] {
        array.set(name, Owned::long(number as i64))?;
    }
    array.set("coroutine_last_cid", Owned::long(last))?;
    Ok(array.into_value())
}

/// Waits until all of some coroutines have ended.
fn join(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 2)?;
    let seconds = call.double(1)?.unwrap_or(-1.0);
    let own = required()?;
    let mut left = Vec::new();
    if let Some(cids) = call.array(0)?.and_then(|cids| Array::of(Owned::copy(cids))) {
        for (_, value) in cids.elements() {
            left.push(to_long(&value)?);
        }
    }
    if left.contains(&own) {
        warning::warn("a coroutine cannot wait for its own end")?;
        call.give_bool(false);
        return Ok(());
    }
    left.retain(|cid| registry::find(*cid).is_some());
    left.sort_unstable();
    left.dedup();
    if left.is_empty() {
        last_error::set(libc::EINVAL.into());
        call.give_bool(false);
        return Ok(());
    }
    let woken = wait(Wait::Other, until(seconds), |ticket| registry::join(ticket, left))?;
    if woken == Woken::TimedOut {
        last_error::set(libc::ETIMEDOUT.into());
    }
    call.give_bool(woken == Woken::Happened);
    Ok(())
}

/// Does `exit()` throw here, and which bits say where it was?
#[unsafe(no_mangle)]
extern "C" fn ww_exit_flags() -> i64 {
    const IN_COROUTINE: i64 = 2;
    const IN_SERVER: i64 = 4;
    // In a process that the script itself has forked, it ends that one.
    if is_foreign() || registry::is_ending() {
        return 0;
    }
    let in_coroutine = if registry::cid() != 0 { IN_COROUTINE } else { 0 };
    let in_server = if server::is_running_here() && !server::has_left() { IN_SERVER } else { 0 };
    in_coroutine | in_server
}

methods! {
    fn zim_Swoole_Coroutine_create(call) { create_and_give(call) }
    fn zif_swoole_coroutine_create(call) { create_and_give(call) }
    fn zif_Swoole_Coroutine_go(call) { create_and_give(call) }
    fn zif_go(call) { create_and_give(call) }
    fn zif_Co_go(call) { create_and_give(call) }
    fn zif_Co_defer(call) { defer(call) }

    fn zim_Swoole_Coroutine_defer(call) { defer(call) }
    fn zif_swoole_coroutine_defer(call) { defer(call) }
    fn zif_Swoole_Coroutine_defer(call) { defer(call) }
    fn zif_defer(call) { defer(call) }

    fn zim_Swoole_Coroutine_sleep(call) { sleep(call) }
    fn zim_Swoole_Coroutine_yield(call) { pause(call) }
    fn zim_Swoole_Coroutine_suspend(call) { pause(call) }
    fn zim_Swoole_Coroutine_resume(call) { resume(call) }
    fn zim_Swoole_Coroutine_cancel(call) { cancel(call) }
    fn zim_Swoole_Coroutine_join(call) { join(call) }
    fn zim_Swoole_Coroutine_getCid(call) { cid(call) }
    fn zim_Swoole_Coroutine_getuid(call) { cid(call) }

    fn zim_Swoole_Coroutine_isCanceled(call) {
        call.count(0, 0)?;
        call.give_bool(registry::with_current(|context| context.coroutine.canceled.get()));
        Ok(())
    }

    fn zim_Swoole_Coroutine_getPcid(call) {
        call.count(0, 1)?;
        let parent = named(call)?.map(|context| context.coroutine.parent.get());
        call.give(match parent {
            None => Owned::bool(false),
            Some(0) => Owned::long(-1),
            Some(parent) => Owned::long(parent),
        });
        Ok(())
    }

    fn zim_Swoole_Coroutine_getContext(call) {
        call.count(0, 1)?;
        let context = named(call)?;
        call.give(match context {
            Some(context) => things(&context)?,
            None => Owned::null(),
        });
        Ok(())
    }

    fn zim_Swoole_Coroutine_exists(call) {
        call.count(1, 1)?;
        let cid = call.long(0)?.unwrap_or(0);
        call.give_bool(cid > 0 && registry::find(cid).is_some());
        Ok(())
    }

    fn zim_Swoole_Coroutine_getElapsed(call) {
        call.count(0, 1)?;
        let began = named(call)?.and_then(|context| context.coroutine.began.get());
        call.give(began.map_or(Owned::bool(false), |began| Owned::long(began.elapsed().as_millis() as i64)));
        Ok(())
    }

    fn zim_Swoole_Coroutine_getBackTrace(call) {
        call.count(0, 3)?;
        let options = call.long(1)?.unwrap_or(1);
        let limit = call.long(2)?.unwrap_or(0);
        let context = named(call)?;
        call.give(match context {
            Some(context) => context.trace(options, limit)?,
            None => Owned::bool(false),
        });
        Ok(())
    }

    fn zim_Swoole_Coroutine_printBackTrace(call) {
        call.count(0, 3)?;
        if let Some(context) = named(call)? {
            crate::process::print(trace_text(&context)?.as_bytes())?;
        }
        Ok(())
    }

    fn zim_Swoole_Coroutine_stats(call) {
        call.count(0, 0)?;
        call.give(stats()?);
        Ok(())
    }

    fn zim_Swoole_Coroutine_list(call) {
        call.count(0, 0)?;
        let cids = Array::of_longs(&registry::list())?;
        call.give(Object::create_with(Class::CoroutineIterator, cids.into_value())?);
        Ok(())
    }

    fn zim_Swoole_Coroutine_listCoroutines(call) {
        call.count(0, 0)?;
        let cids = Array::of_longs(&registry::list())?;
        call.give(Object::create_with(Class::CoroutineIterator, cids.into_value())?);
        Ok(())
    }
}
