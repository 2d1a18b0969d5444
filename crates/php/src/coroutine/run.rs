//! Turns a process without a loop into one that has one, until nothing is left to do.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::array::Array;
use crate::coroutine::context::{Context, Job};
use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::within_method;
use crate::event_loop;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::serving;
use crate::warning;
use crate::zend::value::Owned;

/// Makes a loop, runs a callable in it as a coroutine, and comes back when nothing is left to do.
fn run(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, u32::MAX)?;
    if is_in_loop() {
        warning::warn("eventLoop has already been created. unable to start Swoole\\Coroutine\\run()")?;
        call.give_bool(false);
        return Ok(());
    }
    let Some(callback) = call.callback(0)? else { return Ok(()) };
    let arguments = (1..call.arguments()).filter_map(|index| call.argument(index)).map(Owned::copy).collect();
    let job: Job = Box::new(move || {
        registry::enable(true);
        event_loop::call(Rc::new(callback), arguments)
    });
    let ran = run_loop(VecDeque::from([job]));
    call.give_bool(ran.is_ok());
    ran
}

/// Is this a coroutine, or a process with a loop that runs?
pub(crate) fn is_in_loop() -> bool {
    registry::cid() != 0 || registry::is_looping() || serving::has_loop()
}

/// Runs a loop of its own in a process without one, to its end.
///
/// # Errors
/// A callback did not return.
pub(crate) fn run_loop(first: VecDeque<Job>) -> Result<(), Stop> {
    registry::enable(true);
    let ran = scheduler::run(first);
    let asleep = registry::list();
    if ran.is_ok() && !asleep.is_empty() && !event_loop::is_told_to_end() {
        report_deadlock(&asleep)?;
    }
    within_method(scheduler::end().and(ran))
}

/// All coroutines wait, and nothing can wake any of them.
fn report_deadlock(asleep: &[i64]) -> Result<(), Stop> {
    const LINE: &str = "===================================================================";
    const SHOWN_MAX: usize = 32;
    let mut text =
        format!("{LINE}\n [FATAL ERROR]: all coroutines (count: {}) are asleep - deadlock!\n{LINE}\n", asleep.len());
    for cid in asleep.iter().take(SHOWN_MAX) {
        text += &format!("\n [Coroutine-{cid}]\n{}\n", "-".repeat(68));
        let Some(context) = registry::find(*cid) else { continue };
        text += &trace_text(&context)?;
    }
    crate::process::print(format!("{text}\n").as_bytes())
}

/// A back trace as text, a line for each call.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn trace_text(context: &Context) -> Result<String, Stop> {
    const IGNORE_ARGUMENTS: i64 = 2;
    let mut text = String::new();
    let Some(trace) = Array::of(context.trace(IGNORE_ARGUMENTS, 0)?) else { return Ok(text) };
    for (number, (_, call)) in trace.elements().enumerate() {
        let Some(call) = Array::of(call) else { continue };
        let part = |key: &str| {
            let value = call.find(key);
            let bytes = value.as_ref().and_then(|value| value.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let line = call.find("line").and_then(|line| line.as_long());
        let place = line.map_or("[internal function]".to_owned(), |line| format!("{}({line})", part("file")));
        text += &format!("#{number} {place}: {}{}{}()\n", part("class"), part("type"), part("function"));
    }
    Ok(text)
}

methods! {
    fn zif_Co_run(call) { run(call) }
    fn zif_Swoole_Coroutine_run(call) { run(call) }
}
