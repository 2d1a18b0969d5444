//! `Swoole\Process`: a process of the script's own, started by itself or kept running by a server.

pub(crate) mod signals;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use wirewool_ipc::process::{Ended, fork_plain};

use crate::array::Array;
use crate::callback::Callback;
use crate::coroutine::context::Job;
use crate::coroutine::registry;
use crate::coroutine::run::{is_in_loop, run_loop};
use crate::coroutine::scheduler;
use crate::dispatch::within_method;
use crate::event_loop;
use crate::exception;
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::process;
use crate::server;
use crate::serving;
use crate::start;
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::{Owned, to_bool};

/// Properties in the order of declaration.
mod slot {
    pub(crate) const PIPE: u32 = 0;
    pub(crate) const PID: u32 = 3;
    pub(crate) const ID: u32 = 4;
}

const PIPE_STREAM: i64 = 1;
const PIPE_DGRAM: i64 = 2;

/// `close()`: which of the two ends.
const PIPE_MASTER: i64 = 1;
const PIPE_WORKER: i64 = 2;

/// What one `read()` gives at most.
const READ_MAX: i64 = 64 << 20;

/// The Rust state of a `Swoole\Process`.
#[derive(Default)]
pub(crate) struct Process {
    callback: RefCell<Option<Rc<Callback>>>,
    /// The end of those who have started it, and its own.
    outer: RefCell<Option<Rc<Socket>>>,
    inner: RefCell<Option<Rc<Socket>>>,
    is_inside: Cell<bool>,
    redirects: Cell<bool>,
    in_coroutine: Cell<bool>,
    is_started: Cell<bool>,
}

impl Native for Process {
    const FAMILY: Family = Family::Process;

    fn held(&self, index: usize) -> Option<*mut Zval> {
        self.callback.borrow().iter().nth(index).map(|callback| callback.callable())
    }
}

impl Process {
    fn pipe(&self) -> Option<Rc<Socket>> {
        if self.is_inside.get() { self.inner.borrow().clone() } else { self.outer.borrow().clone() }
    }

    /// It belongs to somebody who starts it: false if it did before.
    pub(crate) fn claim(&self) -> bool {
        !self.is_started.replace(true)
    }
}

/// What the constructor's argument says about the pipe.
fn pipe(kind: i64) -> io::Result<Option<(Socket, Socket)>> {
    match kind {
        PIPE_STREAM => Socket::pair(Domain::UNIX, Type::STREAM, None).map(Some),
        PIPE_DGRAM => Socket::pair(Domain::UNIX, Type::DGRAM, None).map(Some),
        _ => Ok(None),
    }
}

/// They fork and wait for the server's processes, and have threads: the script's children would be in their way.
fn refuse_in_master() -> Result<(), Stop> {
    if serving::is_master() {
        let text =
            "a process cannot be made in the server's master or manager: use addProcess(), or make it in a worker";
        return Err(exception::throw(Class::Error, last_error::WRONG_OPERATION, text));
    }
    Ok(())
}

fn construct(call: &Call<'_>) -> Result<(), Stop> {
    call.count(1, 4)?;
    let state = call.state::<Process>()?;
    let Some(callback) = call.callback(0)? else { return Ok(()) };
    let redirects = call.bool(1)?.unwrap_or(false);
    let kind = call.long(2)?.unwrap_or(PIPE_DGRAM);
    if !matches!(kind, 0..=2) {
        let text = format!("pipe type[{kind}] is not available: wanted 0 for none, 1 (SOCK_STREAM) or 2 (SOCK_DGRAM)");
        return Err(exception::throw(Class::Error, last_error::INVALID_PARAMS, &text));
    }
    refuse_in_master()?;
    // What is printed is bytes without borders.
    let pair = pipe(if redirects { PIPE_STREAM } else { kind }).map_err(|error| {
        let code = error.raw_os_error().map_or(0, i64::from);
        exception::throw(Class::Exception, code, &format!("the process cannot have a pipe: {error}"))
    })?;
    if let Some((outer, inner)) = pair {
        call.this().set_property(slot::PIPE, Owned::long(outer.as_raw_fd().into()))?;
        state.outer.replace(Some(Rc::new(outer)));
        state.inner.replace(Some(Rc::new(inner)));
    }
    state.redirects.set(redirects);
    state.in_coroutine.set(call.bool(3)?.unwrap_or(false));
    let old = state.callback.replace(Some(Rc::new(callback)));
    drop(old);
    Ok(())
}

/// In the new process: its callback, then whatever it has put into a loop.
///
/// # Errors
/// It did not come to its end: the process exits as that says.
pub(crate) fn run(object: Object<'_>) -> Result<(), Stop> {
    let Some(state) = object.state::<Process>() else { return Ok(()) };
    let Some(callback) = state.callback.borrow().clone() else { return Ok(()) };
    state.is_inside.set(true);
    object.set_property(slot::PID, Owned::long(std::process::id().into()))?;
    // Whoever reads from the other end sees when this process has ended.
    drop(state.outer.take());
    if let Some(pipe) = state.pipe() {
        object.set_property(slot::PIPE, Owned::long(pipe.as_raw_fd().into()))?;
        if state.redirects.get()
            && let Err(error) = rustix::stdio::dup2_stdin(&*pipe).and_then(|()| rustix::stdio::dup2_stdout(&*pipe))
        {
            tracing::error!("the process's input and output stay as they are: {error}");
        }
    }
    let mut arguments = vec![Owned::object(object)];
    if state.in_coroutine.get() {
        registry::enable(true);
        let job: Job = Box::new(move || event_loop::call(callback, arguments));
        return run_loop(VecDeque::from([job]));
    }
    event_loop::call_plainly(&callback, &mut arguments)?;
    drop(arguments);
    if event_loop::has_work() || registry::suspended() > 0 { run_loop(VecDeque::new()) } else { Ok(()) }
}

fn start(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 0)?;
    call.give_bool(false);
    let object = call.this();
    let state = call.state::<Process>()?;
    if state.callback.borrow().is_none() {
        return Err(exception::throw(Class::PhpError, 0, "the constructor was not called"));
    }
    refuse_in_master()?;
    let is_in_server = server::is_running_here();
    if !is_in_server && is_in_loop() {
        return Err(exception::throw(
            Class::Error,
            0,
            "a process cannot be started in a coroutine, nor in a loop that runs",
        ));
    }
    if !state.claim() {
        return warning::warn("the process has been started already");
    }
    process::flush_output()?;
    match fork_plain() {
        Err(error) => {
            state.is_started.set(false);
            last_error::set(error.raw_os_error().map_or(0, i64::from));
            warning::warn(&format!("the process cannot be forked: {error}"))
        }
        Ok(Some(pid)) => {
            let pid = i64::from(pid.as_raw_pid());
            object.set_property(slot::PID, Owned::long(pid))?;
            // Whoever reads sees when the process has ended.
            drop(state.inner.take());
            call.give_long(pid);
            Ok(())
        }
        Ok(None) if is_in_server => {
            serving::forked_by_script();
            start::forked();
            scheduler::expect_none();
            process::begin_anew();
            // The callback in whose midst this is, and the loop around it, are the worker's.
            end_here(run(object))
        }
        Ok(None) => {
            start::forked();
            let ran = run(object);
            Err(start::end_of_child(ran))
        }
    }
}

/// Ends this process, whose callback has come to its end so.
fn end_here(ran: Result<(), Stop>) -> ! {
    // An exception is reported; what exit() throws has done its work. What else goes wrong is in the status.
    if ran != Err(Stop::Bailout) && exception::settle() != Err(Stop::Bailout) && exception::pending() {
        let _ = exception::clear();
    }
    process::leave()
}

/// Which process of a server's own this is, for the script.
///
/// # Errors
/// PHP's memory ran out.
pub(crate) fn set_id(object: Object<'_>, id: usize) -> Result<(), Stop> {
    object.set_property(slot::ID, Owned::long(id as i64))
}

/// The pipe, or a warning.
fn open_pipe(call: &mut Call<'_>) -> Result<Option<Rc<Socket>>, Stop> {
    call.give_bool(false);
    let pipe = call.state::<Process>()?.pipe();
    if pipe.is_none() {
        warning::warn("no pipe was created, or it is closed")?;
    }
    Ok(pipe)
}

fn failed(what: &str, error: &io::Error) -> Result<(), Stop> {
    last_error::set(error.raw_os_error().map_or(0, i64::from));
    warning::warn(&format!("{what}: {error}"))
}

/// PHP runs a script's handler for a signal once the call is over.
fn whatever_signals_come<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn write(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let data = call.text(0)?.unwrap_or_default();
    let Some(pipe) = open_pipe(call)? else { return Ok(()) };
    if data.is_empty() {
        last_error::set(last_error::NO_PAYLOAD);
        return warning::warn("the data to send is empty");
    }
    let is_stream = pipe.r#type().is_ok_and(|kind| kind == Type::STREAM);
    let written = if is_stream {
        (&*pipe).write_all(data).map(|()| data.len())
    } else {
        whatever_signals_come(|| pipe.send(data))
    };
    match written {
        Ok(length) => {
            call.give_long(length as i64);
            Ok(())
        }
        Err(error) => failed("the data is not written", &error),
    }
}

fn read(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 1)?;
    let size = call.long(0)?.unwrap_or(8192);
    let Some(pipe) = open_pipe(call)? else { return Ok(()) };
    if !(1..=READ_MAX).contains(&size) {
        last_error::set(last_error::INVALID_PARAMS);
        return warning::warn(&format!("{size} bytes cannot be read: wanted 1 to {READ_MAX}"));
    }
    let mut buffer = vec![0; size as usize];
    match whatever_signals_come(|| (&*pipe).read(&mut buffer)) {
        Ok(length) => call.give_bytes(&buffer[..length]),
        // Nothing has come in time, or yet.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            last_error::set(libc::EAGAIN.into());
            Ok(())
        }
        Err(error) => failed("nothing can be read", &error),
    }
}

fn close(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 1)?;
    let which = call.long(0)?.unwrap_or(0);
    let state = call.state::<Process>()?;
    let (outer, inner) = (which != PIPE_WORKER, which != PIPE_MASTER);
    let closed = [outer.then(|| state.outer.take()).flatten(), inner.then(|| state.inner.take()).flatten()];
    let done = closed.iter().any(Option::is_some);
    if !done {
        warning::warn("the pipe is closed already, or there was none")?;
    }
    call.give_bool(done);
    Ok(())
}

fn exit(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 1)?;
    call.give_bool(false);
    let code = call.long(0)?.unwrap_or(0);
    if !call.state::<Process>()?.is_inside.get() {
        return warning::warn("a process ends by itself: exit() is for its own callback, kill() for others");
    }
    let Some(code) = i32::try_from(code).ok().filter(|code| (0..256).contains(code)) else {
        return warning::warn(&format!("exit_code[{code}] is invalid: wanted 0 to 255"));
    };
    process::set_exit_status(code);
    Err(exception::unwind_exit())
}

fn exec(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(2, 2)?;
    call.give_bool(false);
    let file = call.text(0)?.unwrap_or_default();
    let Some(arguments) = call.array(1)?.map(Owned::copy).and_then(Array::of) else { return Ok(()) };
    if !call.state::<Process>()?.is_inside.get() {
        return warning::warn("exec() replaces the process itself: it is for its own callback");
    }
    let mut command = Command::new(OsStr::from_bytes(file));
    for (_, argument) in arguments.elements() {
        let argument = crate::zend::value::PhpString::cast(&argument)?;
        command.arg(OsStr::from_bytes(argument.bytes()));
    }
    process::flush_output()?;
    // It returns only when it has failed.
    let error = command.exec();
    failed(&format!("{} cannot be executed", String::from_utf8_lossy(file)), &error)
}

fn kill(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 2)?;
    call.give_bool(false);
    let (pid, number) = (call.long(0)?.unwrap_or(0), call.long(1)?.unwrap_or(libc::SIGTERM.into()));
    let (Ok(raw), Ok(signal)) = (i32::try_from(pid), i32::try_from(number)) else {
        last_error::set(last_error::INVALID_PARAMS);
        return warning::warn(&format!("kill({pid}, {number}): there is no such process or signal"));
    };
    // SAFETY: It touches no memory.
    if unsafe { libc::kill(raw, signal) } == 0 {
        call.give_bool(true);
        return Ok(());
    }
    let error = io::Error::last_os_error();
    last_error::set(error.raw_os_error().map_or(0, i64::from));
    // 0 asks whether it is there.
    if number == 0 { Ok(()) } else { failed(&format!("kill({pid}, {number})"), &error) }
}

fn wait(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(0, 1)?;
    call.give_bool(false);
    let blocks = call.bool(0)?.unwrap_or(true);
    match wirewool_ipc::process::wait_any(blocks) {
        Ok(Some((pid, ended))) => {
            let (code, signal) = match ended {
                Ended::Exited(code) => (code, 0),
                Ended::Killed(signal) => (0, signal),
            };
            let mut array = Array::new(3)?;
            for (key, value) in [("pid", pid.as_raw_pid()), ("code", code), ("signal", signal)] {
                array.set(key, Owned::long(value.into()))?;
            }
            call.give(array.into_value());
            Ok(())
        }
        Ok(None) => Ok(()),
        // None left is a matter of course.
        Err(error) => {
            last_error::set(error.raw_os_error().map_or(0, i64::from));
            Ok(())
        }
    }
}

fn set(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 1)?;
    let Some(options) = call.array(0)?.map(Owned::copy).and_then(Array::of) else { return Ok(()) };
    if let Some(value) = options.find("enable_coroutine") {
        call.state::<Process>()?.in_coroutine.set(to_bool(&value)?);
    }
    Ok(())
}

fn change_pipe(call: &mut Call<'_>, change: impl FnOnce(&Socket) -> io::Result<()>) -> Result<(), Stop> {
    let Some(pipe) = open_pipe(call)? else { return Ok(()) };
    match change(&pipe) {
        Ok(()) => {
            call.give_bool(true);
            Ok(())
        }
        Err(error) => failed("the pipe stays as it is", &error),
    }
}

methods! {
    fn zim_Swoole_Process___construct(call) { construct(call) }
    fn zim_Swoole_Process_start(call) { start(call) }
    fn zim_Swoole_Process_write(call) { write(call) }
    fn zim_Swoole_Process_read(call) { read(call) }
    fn zim_Swoole_Process_close(call) { close(call) }
    fn zim_Swoole_Process_exit(call) { within_method(exit(call)) }
    fn zim_Swoole_Process_exec(call) { exec(call) }
    fn zim_Swoole_Process_name(call) {
        call.count(1, 1)?;
        let done = process::set_title(call.text(0)?.unwrap_or_default())?;
        call.give_bool(done);
        Ok(())
    }
    fn zim_Swoole_Process_set(call) { set(call) }
    fn zim_Swoole_Process_setTimeout(call) {
        call.count(1, 1)?;
        let seconds = call.double(0)?.unwrap_or(0.0);
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
        change_pipe(call, |pipe| pipe.set_read_timeout(time).and_then(|()| pipe.set_write_timeout(time)))
    }
    fn zim_Swoole_Process_setBlocking(call) {
        call.count(1, 1)?;
        let blocks = call.bool(0)?.unwrap_or(true);
        change_pipe(call, |pipe| pipe.set_nonblocking(!blocks))
    }
    fn zim_Swoole_Process_kill(call) { kill(call) }
    fn zim_Swoole_Process_signal(call) { signals::hear_with(call) }
    fn zim_Swoole_Process_wait(call) { wait(call) }
}

/// Adds a process to a server that has not started: its number.
///
/// # Errors
/// As for a warning.
pub(crate) fn add(call: &mut Call<'_>, processes: &RefCell<Vec<Owned>>) -> Result<(), Stop> {
    let Some(value) = call.argument(0) else { return Ok(()) };
    let object = Owned::copy(value);
    let Some(state) = object.as_object().and_then(Object::state::<Process>) else {
        return Err(warning::fatal("object is not instanceof Swoole\\Process"));
    };
    if state.callback.borrow().is_none() || !state.claim() {
        return warning::warn("this process has been started or added already, or its constructor was not called");
    }
    let id = processes.borrow().len();
    if let Some(object) = object.as_object() {
        set_id(object, id)?;
    }
    processes.borrow_mut().push(object);
    call.give_long(id as i64);
    Ok(())
}
