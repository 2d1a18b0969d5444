//! `Swoole\Timer`: callbacks after a time, once or again and again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::array::Array;
use crate::callback::Callback;
use crate::coroutine::registry;
use crate::event_loop;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::timers::Key;
use crate::warning;
use crate::zend::ffi::Class;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// The longest time: some 292 years would overflow the clock.
const MILLISECONDS_MAX: i64 = 1 << 42;

struct Timer {
    interval: Duration,
    repeats: bool,
    callback: Rc<Callback>,
    arguments: Rc<Vec<Owned>>,
    due: Instant,
    key: Option<Key>,
    fired: i64,
    took: Duration,
    round: i64,
}

struct All {
    timers: BTreeMap<i64, Timer>,
    last: i64,
    round: i64,
}

thread_local! {
    static ALL: RefCell<All> = const { RefCell::new(All { timers: BTreeMap::new(), last: 0, round: 0 }) };
}

fn with<R>(look: impl FnOnce(&mut All) -> R) -> R {
    ALL.with_borrow_mut(look)
}

/// Ends all of them: what they had is for the caller to release, which may run PHP, or in a child process to forget.
pub(crate) fn take_all() -> impl Sized {
    with(|all| std::mem::take(&mut all.timers))
}

/// The timer `id` is due.
///
/// # Errors
/// Its callback did not return: this process is to end.
pub(crate) fn fire(id: i64) -> Result<(), Stop> {
    let now = Instant::now();
    let due = with(|all| {
        all.round += 1;
        let round = all.round;
        let timer = all.timers.get_mut(&id)?;
        timer.fired += 1;
        timer.round = round;
        timer.key = None;
        if timer.repeats {
            // Not behind the time when one comes late, and not all at once.
            timer.due = (timer.due + timer.interval).max(now);
            timer.key = Some(event_loop::timer_at(timer.due, id));
            return Some((timer.callback.clone(), timer.arguments.clone(), true));
        }
        let timer = all.timers.remove(&id)?;
        Some((timer.callback, timer.arguments, false))
    });
    let Some((callback, arguments, repeats)) = due else { return Ok(()) };
    let mut passed: Vec<Owned> = Vec::with_capacity(arguments.len() + 1);
    if repeats {
        passed.push(Owned::long(id));
    }
    passed.extend(arguments.iter().map(|argument| Owned::copy(argument)));
    drop(arguments);
    let called = event_loop::call(callback, passed);
    with(|all| {
        if let Some(timer) = all.timers.get_mut(&id) {
            timer.took = now.elapsed();
        }
    });
    called
}

fn add(call: &Call<'_>, repeats: bool) -> Result<Option<i64>, Stop> {
    let milliseconds = call.long(0)?.unwrap_or(0);
    if !(1..=MILLISECONDS_MAX).contains(&milliseconds) {
        warning::warn("Timer must be greater than or equal to 1 millisecond, and less than 140 years")?;
        return Ok(None);
    }
    let Some(callback) = call.callback(1)? else { return Ok(None) };
    let arguments = (2..call.arguments()).filter_map(|index| call.argument(index)).map(Owned::copy).collect();
    let interval = Duration::from_millis(milliseconds.unsigned_abs());
    let due = Instant::now() + interval;
    let id = with(|all| {
        all.last += 1;
        let id = all.last;
        let key = Some(event_loop::timer_at(due, id));
        let (callback, arguments) = (Rc::new(callback), Rc::new(arguments));
        let timer =
            Timer { interval, repeats, callback, arguments, due, key, fired: 0, took: Duration::ZERO, round: 0 };
        all.timers.insert(id, timer);
        id
    });
    registry::expect_loop()?;
    Ok(Some(id))
}

/// Removes a timer; false if there is none such.
fn clear(id: i64) -> bool {
    let Some(timer) = with(|all| all.timers.remove(&id)) else { return false };
    if let Some(key) = timer.key {
        event_loop::forget_wake(key);
    }
    true
}

fn info(id: i64) -> Result<Owned, Stop> {
    let known = with(|all| {
        let timer = all.timers.get(&id)?;
        let interval = if timer.repeats { timer.interval } else { Duration::ZERO };
        Some((timer.took, timer.fired, interval, timer.round))
    });
    let Some((took, fired, interval, round)) = known else { return Ok(Owned::null()) };
    let mut array = Array::new(8)?;
    array.set("exec_msec", Owned::long(took.as_millis() as i64))?;
    array.set("exec_count", Owned::long(fired))?;
    array.set("interval", Owned::long(interval.as_millis() as i64))?;
    array.set("round", Owned::long(round))?;
    array.set("removed", Owned::bool(false))?;
    Ok(array.into_value())
}

fn stats() -> Result<Owned, Stop> {
    let (count, last, round) = with(|all| (all.timers.len(), all.last, all.round));
    let mut array = Array::new(4)?;
    array.set("initialized", Owned::bool(last > 0))?;
    array.set("num", Owned::long(count as i64))?;
    array.set("round", Owned::long(round))?;
    Ok(array.into_value())
}

fn tick_or_after(call: &mut Call<'_>, repeats: bool) -> Result<(), Stop> {
    call.count(2, u32::MAX)?;
    let id = add(call, repeats)?;
    call.give(id.map_or(Owned::bool(false), Owned::long));
    Ok(())
}

fn clear_one(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let done = clear(call.long(0)?.unwrap_or(0));
    call.give_bool(done);
    Ok(())
}

fn clear_all(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    let ids: Vec<i64> = with(|all| all.timers.keys().copied().collect());
    for id in ids {
        clear(id);
    }
    call.give_bool(true);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let id = call.long(0)?.unwrap_or(0);
    call.give_bool(with(|all| all.timers.contains_key(&id)));
    Ok(())
}

fn info_of(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let info = info(call.long(0)?.unwrap_or(0))?;
    call.give(info);
    Ok(())
}

fn stats_of(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    call.give(stats()?);
    Ok(())
}

fn list(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    let ids: Vec<i64> = with(|all| all.timers.keys().copied().collect());
    call.give(Object::create_with(Class::TimerIterator, Array::of_longs(&ids)?.into_value())?);
    Ok(())
}

methods! {
    fn zim_Swoole_Timer_tick(call) { tick_or_after(call, true) }
    fn zim_Swoole_Timer_after(call) { tick_or_after(call, false) }
    fn zim_Swoole_Timer_clear(call) { clear_one(call) }
    fn zim_Swoole_Timer_clearAll(call) { clear_all(call) }
    fn zim_Swoole_Timer_exists(call) { exists(call) }
    fn zim_Swoole_Timer_info(call) { info_of(call) }
    fn zim_Swoole_Timer_stats(call) { stats_of(call) }
    fn zim_Swoole_Timer_list(call) { list(call) }
    fn zim_Swoole_Timer_set(call) {
        call.count(1, 1)?;
        call.array(0)?;
        call.give_bool(true);
        Ok(())
    }

    fn zif_swoole_timer_tick(call) { tick_or_after(call, true) }
    fn zif_swoole_timer_after(call) { tick_or_after(call, false) }
    fn zif_swoole_timer_clear(call) { clear_one(call) }
    fn zif_swoole_timer_clear_all(call) { clear_all(call) }
    fn zif_swoole_timer_exists(call) { exists(call) }
    fn zif_swoole_timer_info(call) { info_of(call) }
    fn zif_swoole_timer_stats(call) { stats_of(call) }
    fn zif_swoole_timer_list(call) { list(call) }

    fn zim_Swoole_Server_tick(call) { tick_or_after(call, true) }
    fn zim_Swoole_Server_after(call) { tick_or_after(call, false) }
    fn zim_Swoole_Server_clearTimer(call) { clear_one(call) }
}
