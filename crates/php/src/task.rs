//! The sender's side of tasks: what is sent, who waits for what comes of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use wirewool_engine::crew::parcel::{Kind, Parcel};
use wirewool_engine::crew::post::PostError;

use crate::array::{Array, Key};
use crate::callback::Callback;
use crate::connections::shared;
use crate::coroutine::methods::{self, until};
use crate::coroutine::registry::{self, Ticket, Wait, Woken};
use crate::coroutine::scheduler;
use crate::dispatch::{self, Dispatch};
use crate::event::Event;
use crate::event_loop;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::parcels;
use crate::parcels::payload::{self, flag};
use crate::server::Server;
use crate::task_worker;
use crate::warning;
use crate::worker::with;
use crate::zend::ffi::Class;
use crate::zend::layout::{Kind as ZendKind, Zval};
use crate::zend::value::Owned;

/// How many tasks can be waited for at once.
const TASKS_MAX: usize = 1024;

/// How long results are waited for unless the script says otherwise, in seconds.
const PATIENCE: f64 = 0.5;

/// What came of a task.
enum Outcome {
    Value(Owned),
    /// It is done, and has nothing to say.
    Nothing,
    /// It came to nothing, since its task worker…
    Lost(&'static str),
}

/// Somebody who waits for tasks.
struct Waiting {
    /// In the order in which they were given.
    outcomes: RefCell<Vec<Option<Outcome>>>,
    left: Cell<usize>,
    /// The coroutine; none where the process itself waits.
    ticket: Cell<Option<Ticket>>,
}

/// Who wants to know what comes of a task. Without an entry it is for the script's callback for all, unless somebody has
/// waited for it.
enum Wanted {
    By(Rc<Waiting>, usize),
    Callback(Rc<Callback>),
}

thread_local! {
    static WANTED: RefCell<HashMap<u64, Wanted>> = RefCell::default();
}

/// Does a callback of a task's still wait to be called?
pub(crate) fn has_callbacks() -> bool {
    WANTED.with_borrow(|wanted| !wanted.is_empty())
}

/// Who waits for what, and will not hear of it: the process ends, or what this is a copy of is its parent's business.
pub(crate) fn take_all() -> impl Sized {
    WANTED.take()
}

/// Something came of a task.
///
/// # Errors
/// A callback did not return: the process is to end.
pub(crate) fn ended(dispatch: &Dispatch, parcel: &Parcel) -> Result<(), Stop> {
    let is_own = with(|worker| worker.station().occupancy()).flatten() == Some(parcel.origin);
    // The first that comes of a task counts for whoever wants that of this one. If it is not this process's own, who has
    // sent it has died.
    let wanted = if is_own { WANTED.with_borrow_mut(|wanted| wanted.remove(&parcel.task)) } else { None };
    if wanted.is_none() && parcel.flags & flag::AWAITED != 0 {
        return Ok(());
    }
    let outcome = outcome(parcel)?;
    if let Outcome::Lost(why) = outcome {
        tracing::error!("task {} is lost: task worker {} {why}", parcel.task, parcel.from);
    }
    match (wanted, outcome) {
        (Some(Wanted::By(waiting, position)), outcome) => tell(&waiting, position, outcome),
        (Some(Wanted::Callback(callback)), Outcome::Value(value)) => {
            let arguments = vec![dispatch.server(), Owned::long(parcel.task as i64), value];
            event_loop::call(callback, arguments)
        }
        (None, Outcome::Value(value)) => finished(dispatch, parcel, value),
        _ => Ok(()),
    }
}

/// What a parcel says came of its task.
fn outcome(parcel: &Parcel) -> Result<Outcome, Stop> {
    let has = |flag: u8| parcel.flags & flag != 0;
    Ok(match parcel.kind {
        Kind::Lost => Outcome::Lost("has died while it did it"),
        _ if has(flag::UNREAD) => Outcome::Lost("could not read it"),
        _ if has(flag::PRESENT) => match parcels::value(parcel)? {
            Some(value) => Outcome::Value(value),
            None => Outcome::Lost("has sent what cannot be read"),
        },
        _ => Outcome::Nothing,
    })
}

fn finished(dispatch: &Dispatch, parcel: &Parcel, value: Owned) -> Result<(), Stop> {
    let number = Owned::long(parcel.task as i64);
    if !dispatch.config().event_objects {
        return dispatch.call(Event::Finish, [dispatch.server(), number, value]);
    }
    let from = Owned::long(parcel.from as i64);
    let fields = [number, from, Owned::double(parcels::seconds(parcel.sent)), value];
    let result = parcels::object(Class::TaskResult, fields)?;
    dispatch.call(Event::Finish, [dispatch.server(), result])
}

/// Tells somebody who waits.
fn tell(waiting: &Waiting, position: usize, outcome: Outcome) -> Result<(), Stop> {
    if let Some(place) = waiting.outcomes.borrow_mut().get_mut(position) {
        *place = Some(outcome);
    }
    waiting.left.set(waiting.left.get().saturating_sub(1));
    match waiting.ticket.get() {
        Some(ticket) if waiting.left.get() == 0 => scheduler::wake(ticket, Woken::Happened).map(|_| ()),
        _ => Ok(()),
    }
}

/// Says why this process sends no tasks; true if it does.
fn may_send(call: &mut Call<'_>, name: &str, waits: bool) -> Result<bool, Stop> {
    call.give_bool(false);
    let Some(shared) = shared(call)? else { return Ok(false) };
    if shared.crew.tasks == 0 {
        last_error::set(last_error::OPERATION_NOT_SUPPORTED);
        warning::warn(&format!("{name} method can't be executed without task worker: set task_worker_num"))?;
        return Ok(false);
    }
    let Some(place) = with(|worker| worker.id) else {
        warning::warn(&format!("{name} method can't be executed in the master process"))?;
        return Ok(false);
    };
    let is_task_worker = (shared.crew.workers..shared.crew.workers + shared.crew.tasks).contains(&place);
    if is_task_worker || waits && place >= shared.crew.workers {
        let wanted = if waits { "in workers only" } else { "not in a task worker" };
        last_error::set(last_error::WRONG_OPERATION);
        warning::warn(&format!("{name} method can be executed {wanted}"))?;
        return Ok(false);
    }
    Ok(true)
}

/// The task worker that an argument means, `None` within for whichever has the least to do; none, after a warning, if
/// there is no such one.
fn worker_of(call: &Call<'_>, index: usize) -> Result<Option<Option<usize>>, Stop> {
    let tasks = call.state::<Server>()?.shared().map_or(0, |shared| shared.crew.tasks);
    let number = call.long(index)?.unwrap_or(-1);
    if number == -1 {
        return Ok(Some(None));
    }
    let worker = usize::try_from(number).ok().filter(|worker| *worker < tasks);
    if worker.is_none() {
        let wanted = tasks.saturating_sub(1);
        last_error::set(last_error::INVALID_PARAMS);
        warning::warn(&format!("worker_id[{number}] is invalid: wanted 0 to {wanted}, or -1 for any"))?;
    }
    Ok(worker.map(Some))
}

/// Sends one task; none, after a warning, if it has no effect.
fn send(worker: Option<usize>, flags: u8, data: &Zval) -> Result<Option<u64>, Stop> {
    let (more, bytes) = payload::encode(data)?;
    match with(|it| it.post(|station| station.send_task(worker, flags | more, bytes.bytes()))) {
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(error)) => {
            let is_full = matches!(error, PostError::Full { .. });
            last_error::set(if is_full { last_error::OUTPUT_BUFFER_OVERFLOW } else { last_error::INVALID_PARAMS });
            warning::warn(&format!("the task is not sent: {error}"))?;
            Ok(None)
        }
        None => Ok(None),
    }
}

fn task(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 3)?;
    if !may_send(call, "task", false)? {
        return Ok(());
    }
    let Some(worker) = worker_of(call, 1)? else { return Ok(()) };
    let callback = match call.argument(2) {
        Some(value) if !value.is_null() => call.callback(2)?,
        _ => None,
    };
    let Some(data) = call.argument(0) else { return Ok(()) };
    let flags = if callback.is_some() { flag::AWAITED } else { 0 };
    let Some(number) = send(worker, flags, data)? else { return Ok(()) };
    if let Some(callback) = callback {
        WANTED.with_borrow_mut(|wanted| wanted.insert(number, Wanted::Callback(Rc::new(callback))));
    }
    call.give_long(number as i64);
    Ok(())
}

/// Sends tasks and waits for what comes of them, at most so long; none for those that were not sent. The tasks that have
/// not come back by then are for nobody.
fn send_and_wait(worker: Option<usize>, tasks: &[Owned], seconds: f64) -> Result<Vec<Option<Option<Outcome>>>, Stop> {
    let waiting = Rc::new(Waiting { outcomes: RefCell::new(Vec::new()), left: Cell::new(0), ticket: Cell::new(None) });
    let mut numbers = Vec::with_capacity(tasks.len());
    for data in tasks {
        let number = send(worker, flag::AWAITED, data)?;
        if let Some(number) = number {
            let position = waiting.outcomes.borrow().len();
            waiting.outcomes.borrow_mut().push(None);
            waiting.left.set(waiting.left.get() + 1);
            WANTED.with_borrow_mut(|wanted| wanted.insert(number, Wanted::By(waiting.clone(), position)));
        }
        numbers.push(number);
    }
    let waited = if waiting.left.get() == 0 { Ok(()) } else { wait(&waiting, seconds) };
    WANTED.with_borrow_mut(|wanted| {
        numbers.iter().flatten().for_each(|number| drop(wanted.remove(number)));
    });
    waited?;
    let mut outcomes = waiting.outcomes.take().into_iter();
    Ok(numbers.into_iter().map(|number| number.map(|_| outcomes.next().flatten())).collect())
}

fn wait(waiting: &Rc<Waiting>, seconds: f64) -> Result<(), Stop> {
    if registry::cid() != 0 {
        let woken = methods::wait(Wait::Other, until(seconds), |ticket| waiting.ticket.set(Some(ticket)));
        waiting.ticket.set(None);
        return woken.map(|_| ());
    }
    let until = until(seconds);
    while waiting.left.get() > 0 {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            break;
        }
        let limit = until.map(|until| until - now);
        // What comes for others waits for the loop.
        let Some(parcels) = with(|worker| worker.wait_for_answers(limit)) else { break };
        for parcel in parcels {
            if let Some(dispatch) = dispatch::current() {
                ended(&dispatch, &parcel)?;
            }
        }
    }
    Ok(())
}

/// Is it an outcome that somebody waits for in this very process, and not in a coroutine?
pub(crate) fn is_waited_for(parcel: &Parcel) -> bool {
    parcel.kind != Kind::Message
        && parcel.kind != Kind::Task
        && WANTED.with_borrow(
            |wanted| matches!(wanted.get(&parcel.task), Some(Wanted::By(waiting, _)) if waiting.ticket.get().is_none()),
        )
}

fn taskwait(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 3)?;
    if !may_send(call, "taskwait", true)? {
        return Ok(());
    }
    let seconds = call.double(1)?.unwrap_or(PATIENCE);
    let Some(worker) = worker_of(call, 2)? else { return Ok(()) };
    let Some(data) = call.argument(0) else { return Ok(()) };
    let outcome = send_and_wait(worker, &[Owned::copy(data)], seconds)?.pop();
    match outcome.flatten() {
        Some(Some(Outcome::Value(value))) => call.give(value),
        Some(Some(Outcome::Nothing)) => call.give(Owned::null()),
        Some(Some(Outcome::Lost(why))) => {
            last_error::set(last_error::TASK_DISPATCH_FAIL);
            return warning::warn(&format!("taskwait: the task is lost, its task worker {why}"));
        }
        Some(None) => last_error::set(last_error::TASK_TIMEOUT),
        None => {}
    }
    Ok(())
}

/// Sends several tasks. Those that are late are false if `tells_late`, or else left out.
fn several(call: &mut Call<'_>, name: &str, tells_late: bool) -> Result<(), Stop> {
    call.count(1, 2)?;
    if !may_send(call, name, true)? {
        return Ok(());
    }
    let Some(tasks) = call.array(0)?.map(Owned::copy).and_then(Array::of) else { return Ok(()) };
    let seconds = call.double(1)?.unwrap_or(PATIENCE);
    if tasks.len() >= TASKS_MAX {
        last_error::set(last_error::INVALID_PARAMS);
        return warning::warn(&format!("too many concurrent tasks: {} are more than {}", tasks.len(), TASKS_MAX - 1));
    }
    let (keys, tasks): (Vec<Key>, Vec<Owned>) = tasks.elements().unzip();
    let outcomes = send_and_wait(None, &tasks, seconds)?;
    if tells_late && !outcomes.is_empty() && outcomes.iter().all(Option::is_none) {
        last_error::set(last_error::TASK_DISPATCH_FAIL);
        return Ok(());
    }
    let mut results = Array::new(outcomes.len() as u32)?;
    for (key, outcome) in keys.into_iter().zip(outcomes) {
        let value = match outcome {
            Some(Some(Outcome::Value(value))) => Some(value),
            Some(Some(Outcome::Nothing)) => Some(Owned::null()),
            Some(Some(Outcome::Lost(_))) => {
                last_error::set(last_error::TASK_DISPATCH_FAIL);
                Some(Owned::bool(false))
            }
            Some(None) => tells_late.then_some(Owned::bool(false)),
            None => Some(Owned::bool(false)),
        };
        let key = match key {
            Key::Index(index) => index.to_string().into_bytes(),
            Key::Name(name) => name,
        };
        if let Some(value) = value {
            results.set(key, value)?;
        }
    }
    call.give(results.into_value());
    Ok(())
}

/// `sendMessage()`: to any worker or task worker.
fn send_message(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(2, 2)?;
    call.give_bool(false);
    let number = call.long(1)?.unwrap_or(-1);
    let Some(shared) = shared(call)? else { return Ok(()) };
    if call.state::<Server>()?.callback(Event::PipeMessage).is_none() {
        return warning::warn("onPipeMessage is null, unable to use sendMessage: register a pipeMessage callback");
    }
    let places = shared.crew.workers + shared.crew.tasks;
    let Some(place) = usize::try_from(number).ok().filter(|place| *place < places) else {
        last_error::set(last_error::INVALID_PARAMS);
        return warning::warn(&format!("worker_id[{number}] is invalid: wanted 0 to {}", places - 1));
    };
    let Some(own) = with(|worker| worker.id) else {
        return warning::warn("messages cannot be sent from the master");
    };
    if own == place {
        last_error::set(last_error::INVALID_PARAMS);
        return warning::warn("unable to send message to self");
    }
    let Some(data) = call.argument(0).filter(|data| data.kind() != ZendKind::Undefined) else { return Ok(()) };
    let (flags, bytes) = payload::encode(data)?;
    match with(|worker| worker.post(|station| station.send_message(place, flags, bytes.bytes()))) {
        Some(Ok(())) => call.give_bool(true),
        Some(Err(error)) => {
            last_error::set(last_error::OUTPUT_BUFFER_OVERFLOW);
            return warning::warn(&format!("the message is not sent: {error}"));
        }
        None => {}
    }
    Ok(())
}

methods! {
    fn zim_Swoole_Server_task(call) { task(call) }
    fn zim_Swoole_Server_taskwait(call) { taskwait(call) }
    fn zim_Swoole_Server_taskWaitMulti(call) {
        several(call, "taskWaitMulti", registry::cid() != 0)
    }
    fn zim_Swoole_Server_taskCo(call) {
        methods::required()?;
        several(call, "taskCo", true)
    }
    fn zim_Swoole_Server_finish(call) { task_worker::finish(call) }
    fn zim_Swoole_Server_sendMessage(call) { send_message(call) }
}
