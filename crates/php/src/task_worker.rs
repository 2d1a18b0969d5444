//! A task worker's side of tasks: the script's callback, and what it answers.

use std::cell::{Cell, RefCell};

use wirewool_engine::crew::parcel::{Kind, Occupancy, Parcel};

use crate::coroutine::registry;
use crate::coroutine::scheduler;
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::event_loop;
use crate::exception;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::parcels;
use crate::parcels::payload::{self, flag};
use crate::warning;
use crate::worker::{Worker, with};
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::Owned;

/// `SWOOLE_TASK_SERIALIZE`.
const TASK_SERIALIZE: i64 = 2;

/// A task that is being done: whose it is, and what that one has said.
#[derive(Clone, Copy)]
struct Doing {
    origin: Occupancy,
    number: u64,
    flags: u8,
}

/// How far the task of an object has come.
///
/// ```text
///   Unsent ── run() ──► Open ── the callback returns a value, or not at all ──► Over
///                         └── the object is freed: there is no more to come
/// ```
#[derive(Clone, Copy, Default)]
enum State {
    /// It was made by the script.
    #[default]
    Unsent,
    /// Whoever holds the object may answer.
    Open(Doing),
    Over,
}

/// The Rust state of a `Swoole\Server\Task`.
#[derive(Default)]
pub(crate) struct Task {
    state: Cell<State>,
}

impl Native for Task {
    const FAMILY: Family = Family::Task;

    /// The callback has returned nothing, and nobody can answer any more.
    fn end(self) {
        if let State::Open(doing) = self.state.get() {
            doing.end();
        }
    }
}

thread_local! {
    /// The task whose callback runs on this process's own stack.
    static CURRENT: RefCell<Option<Doing>> = const { RefCell::new(None) };
    static RUNNING: Cell<usize> = const { Cell::new(0) };
    /// Those that have come to their end without a value, which nobody was told.
    static ENDED: RefCell<Vec<Doing>> = const { RefCell::new(Vec::new()) };
}

impl Doing {
    /// It is over, and has nothing to say. That is told once the loop goes on: a process that fails releases what it
    /// held, too, and its tasks are lost.
    fn end(self) {
        count(-1);
        if !registry::is_ending() {
            ENDED.with_borrow_mut(|ended| ended.push(self));
        }
    }

    fn answer(self, kind: Kind, value: &Zval) -> Result<bool, Stop> {
        let (flags, bytes) = payload::encode(value)?;
        self.send(kind, flags | flag::PRESENT, bytes.bytes())
    }

    fn send(self, kind: Kind, flags: u8, bytes: &[u8]) -> Result<bool, Stop> {
        let flags = flags | self.flags & flag::AWAITED;
        let task = (self.origin, self.number);
        match with(|worker| worker.station().answer_task(task, kind, flags, bytes)) {
            Some(Ok(())) => Ok(true),
            Some(Err(error)) => {
                last_error::set(last_error::OUTPUT_BUFFER_OVERFLOW);
                warning::warn(&format!("what came of task {} is lost: {error}", self.number))?;
                Ok(false)
            }
            None => Ok(false),
        }
    }
}

/// Does a task.
///
/// # Errors
/// The callback did not return: the process is to end.
pub(crate) fn run(dispatch: &Dispatch, parcel: Parcel) -> Result<(), Stop> {
    let doing = Doing { origin: parcel.origin, number: parcel.task, flags: parcel.flags };
    let Some(data) = parcels::value(&parcel)? else {
        return event_loop::settle(doing.send(Kind::Done, flag::UNREAD, b"").map(|_| ()));
    };
    let Some(callback) = dispatch.callback(Event::Task) else { return Ok(()) };
    let config = dispatch.config();
    let in_coroutines = config.task_coroutines;
    let as_object = in_coroutines || config.task_objects || config.event_objects;
    let (number, from) = (Owned::long(parcel.task as i64), Owned::long(parcel.from as i64));
    let mut arguments = vec![dispatch.server()];
    let mut object = None;
    if as_object {
        let sent = Owned::double(parcels::seconds(parcel.sent));
        let serialized = parcel.flags & flag::SERIALIZED != 0;
        let flags = Owned::long(if serialized { TASK_SERIALIZE } else { 0 });
        let task = parcels::object(Class::Task, [data, sent, number, from, flags])?;
        set_state(&task, State::Open(doing));
        arguments.push(Owned::copy(&task));
        object = Some(task);
    } else {
        arguments.extend([number, from, data]);
    }
    count(1);
    let run = move || {
        let before = CURRENT.replace((!in_coroutines).then_some(doing));
        let called = dispatch::call_for_result(&callback, arguments);
        CURRENT.set(before);
        event_loop::settle(close(doing, object, called))?;
        tell_ended()
    };
    if in_coroutines {
        return scheduler::run_callback(run);
    }
    run()?;
    with(Worker::make_room_behind_task);
    Ok(())
}

fn set_state(task: &Owned, state: State) {
    if let Some(task) = task.as_object().and_then(Object::state::<Task>) {
        task.state.set(state);
    }
}

/// A task's callback has ended. With a value, so has the task; without one, it has when nobody holds its object.
fn close(doing: Doing, object: Option<Owned>, called: Result<Owned, Stop>) -> Result<(), Stop> {
    let is_silent = called.as_ref().is_ok_and(|result| result.is_null());
    match &object {
        Some(_) if is_silent => return Ok(()),
        None if is_silent => {
            doing.end();
            return Ok(());
        }
        Some(object) => set_state(object, State::Over),
        None => {}
    }
    count(-1);
    doing.answer(Kind::Done, &*called?).map(|_| ())
}

/// Tells of the tasks that have ended without a value since.
///
/// # Errors
/// PHP was warned that there is no room, and its handler ended this process.
pub(crate) fn tell_ended() -> Result<(), Stop> {
    for doing in ENDED.take() {
        event_loop::settle(doing.send(Kind::Done, 0, b"").map(|_| ()))?;
    }
    Ok(())
}

/// How many tasks have begun and not ended.
pub(crate) fn running() -> usize {
    RUNNING.get()
}

fn count(more: isize) {
    RUNNING.set(RUNNING.get().saturating_add_signed(more));
    let running = RUNNING.get();
    with(|worker| worker.station().set_busy(running > 0, running.saturating_sub(1)));
}

/// `$server->finish()`: an answer to the task whose callback runs.
pub(crate) fn finish(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let current = CURRENT.with_borrow(|current| *current);
    let Some(doing) = current else {
        let is_task_worker = with(|worker| worker.is_task_worker()).unwrap_or(false);
        if is_task_worker && dispatch::current().is_some_and(|dispatch| dispatch.config().task_coroutines) {
            return Err(warning::fatal("please use Swoole\\Server\\Task->finish(), since task_enable_coroutine is on"));
        }
        warning::warn("finish() answers a task: it can be called in the task callback only")?;
        call.give_bool(false);
        return Ok(());
    };
    answer_with(call, doing)
}

/// Answers a task with the argument of this call.
fn answer_with(call: &mut Call<'_>, doing: Doing) -> Result<(), Stop> {
    let done = match call.argument(0) {
        Some(value) => doing.answer(Kind::Result, value)?,
        None => false,
    };
    call.give_bool(done);
    Ok(())
}

methods! {
    fn zim_Swoole_Server_Task_finish(call) {
        call.count(1, 1)?;
        let why = match call.state::<Task>()?.state.get() {
            State::Open(doing) => return answer_with(call, doing),
            State::Over => "this task is over: its callback has returned what came of it",
            State::Unsent => "this task was not sent to a task worker: nobody waits for what comes of it",
        };
        warning::warn(why)?;
        call.give_bool(false);
        Ok(())
    }

    fn zim_Swoole_Server_Task_pack(call) {
        call.count(1, 1)?;
        let Some(value) = call.argument(0) else { return Ok(()) };
        let (flags, bytes) = payload::encode(value)?;
        call.give_bytes(&[&[flags], bytes.bytes()].concat())
    }

    fn zim_Swoole_Server_Task_unpack(call) {
        call.count(1, 1)?;
        let value = match call.text(0)?.and_then(<[u8]>::split_first) {
            Some((flags, bytes)) if *flags <= flag::SERIALIZED => payload::decode(*flags, bytes)?,
            _ => None,
        };
        if value.is_none() {
            exception::check()?;
            last_error::set(last_error::INVALID_PARAMS);
        }
        call.give(value.unwrap_or(Owned::bool(false)));
        Ok(())
    }
}
