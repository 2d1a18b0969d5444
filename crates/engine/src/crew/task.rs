//! Work that workers leave to task workers: the front door's part, in values of the program's own types.
//!
//! ```no_run
//! use wirewool_engine::{CrewError, Server, Task};
//!
//! Server::bind("0.0.0.0:9501")
//!     .task_workers(4)
//!     .on_task(|_, task: Task<String>| task.data.chars().rev().collect::<String>())
//!     .on_message(|server, frame| {
//!         let (fd, text) = (frame.fd, frame.text().unwrap_or_default().to_owned());
//!         server.task_then(&text, move |server, reversed: Result<String, CrewError>| match reversed {
//!             Ok(reversed) => _ = server.push(fd, &reversed),
//!             Err(error) => _ = server.push(fd, &error.to_string()),
//!         })
//!     })
//!     .start()
//!     .expect("the server runs");
//! ```

use crate::builder::Builder;
use crate::config::Mode;
use crate::crew::Role;
use crate::crew::duties::{CrewError, OnParcel, OnTask, Type, decode, encode, panic_text};
use crate::crew::parcel::{Kind, Occupancy, Parcel};
use crate::crew::pending::{Awaiter, Outcome, Slot};
use crate::dispatch;
use crate::frame::Outcome as HandlerOutcome;
use crate::server::Server;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

/// What is said about a parcel's payload.
mod flag {
    /// Somebody waits for what comes of the task: it is for nobody else.
    pub(super) const AWAITED: u8 = 1;
    /// It is what the handler's panic said, instead of a result.
    pub(super) const PANICKED: u8 = 2;
}

/// A task, in the task worker that does it.
#[derive(Debug)]
pub struct Task<T> {
    /// Its number among those of its sender's process.
    pub id: u64,
    /// The worker that has sent it.
    pub worker_id: usize,
    /// When it was sent.
    pub dispatch_time: SystemTime,
    /// What it is about.
    pub data: T,
}

impl Builder {
    /// How many task workers there are: processes, in [`Mode::Thread`] threads, that do what [`Server::task`] leaves to
    /// them, one task after the other; none by default.
    #[must_use]
    pub fn task_workers(mut self, workers: usize) -> Builder {
        self.config.task_workers = workers;
        self
    }

    /// A task worker process is replaced after so many tasks; never by default.
    #[must_use]
    pub fn task_max_request(mut self, tasks: u64) -> Builder {
        self.config.task_max_request = tasks;
        self
    }

    /// Up to so many more, by chance; half of [`Builder::task_max_request`] by default, if that is more than 10.
    #[must_use]
    pub fn task_max_request_grace(mut self, tasks: u64) -> Builder {
        self.config.task_max_request_grace = Some(tasks);
        self
    }

    /// Does a task, in a task worker: what it returns goes to whoever has sent the task. Required where there are task
    /// workers. A handler that panics costs its task, nothing else.
    ///
    /// Tasks and results go from process to process as bytes, in MessagePack; long ones that are bytes already are best
    /// told so, with the crate `serde_bytes`. An option in an option, or of `()`, is none behind that if it was `Some(None)`
    /// or `Some(())`.
    #[must_use]
    pub fn on_task<T, R>(mut self, handler: impl Fn(&Server, Task<T>) -> R + Send + Sync + 'static) -> Builder
    where
        T: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let run = move |server: &Server, parcel: Parcel| {
            let (id, worker_id, dispatch_time) = (parcel.task, parcel.from, parcel.sent);
            let data = decode(&parcel.payload)?;
            drop(parcel);
            encode(&handler(server, Task { id, worker_id, dispatch_time, data }))
        };
        self.duties.task = Some(OnTask { takes: Type::of::<T>(), gives: Type::of::<R>(), run: Box::new(run) });
        self
    }

    /// A task is done that was sent by [`Server::task`] or [`Server::task_to`]: gets its number and what came of it, in the
    /// worker that has sent it, or in that one's successor, whose own numbers begin anew. Not called for a task that
    /// panicked or is lost: the log says so.
    #[must_use]
    pub fn on_finish<R, O>(mut self, handler: impl Fn(&Server, u64, R) -> O + Send + Sync + 'static) -> Builder
    where
        R: DeserializeOwned + 'static,
        O: HandlerOutcome,
    {
        let run = move |server: &Server, parcel: &Parcel| {
            Ok(handler(server, parcel.task, decode(&parcel.payload)?).into_error())
        };
        self.duties.finish = Some(OnParcel { takes: Type::of::<R>(), run: Box::new(run) });
        self
    }
}

impl Server {
    /// Leaves a task to the task worker with the least to do: the task's number. What comes of it goes to
    /// [`Builder::on_finish`].
    ///
    /// # Errors
    /// It will not be done, and why.
    pub fn task<T: Serialize + 'static>(&self, data: &T) -> Result<u64, CrewError> {
        self.send_task(None, 0, data)
    }

    /// As [`Server::task`], to the task worker with that number: 0 is the first one.
    ///
    /// # Errors
    /// As [`Server::task`]; there is no such task worker.
    pub fn task_to<T: Serialize + 'static>(&self, worker: usize, data: &T) -> Result<u64, CrewError> {
        self.send_task(Some(worker), 0, data)
    }

    /// As [`Server::task`]; what comes of it goes to `then`, which the worker that has sent the task calls between two
    /// events. A worker that ends waits for that, as long as for its connections: [`Builder::max_wait_time`].
    ///
    /// # Errors
    /// As [`Server::task`]; the handler for tasks gives something else.
    pub fn task_then<T, R>(
        &self,
        data: &T,
        then: impl FnOnce(&Server, Result<R, CrewError>) + Send + 'static,
    ) -> Result<u64, CrewError>
    where
        T: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let call = move |server: &Server, outcome: Outcome| then(server, outcome.and_then(|bytes| decode(&bytes)));
        self.send_awaited::<T, R>(data, Awaiter::Call(dispatch::own_place(self).unwrap_or(0), Box::new(call)))
    }

    /// Leaves a task to a task worker and waits for what comes of it, without an end for [`Duration::MAX`]. For threads of
    /// the program's own: a handler's worker could do nothing else meanwhile. A worker that is replaced does not wait for
    /// these.
    ///
    /// # Errors
    /// As [`Server::task_then`]; it was not done in time, or is lost.
    pub fn task_wait<T, R>(&self, data: &T, timeout: Duration) -> Result<R, CrewError>
    where
        T: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let until = Instant::now().checked_add(timeout);
        let result = self.begin_task(data)?;
        result.wait(until)
    }

    /// As [`Server::task_wait`] for several tasks, which are done side by side: what comes of each, in their order.
    ///
    /// # Errors
    /// For each of them as [`Server::task_wait`].
    pub fn task_wait_multi<T, R>(&self, tasks: &[T], timeout: Duration) -> Vec<Result<R, CrewError>>
    where
        T: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let until = Instant::now().checked_add(timeout);
        let begun: Vec<_> = tasks.iter().map(|data| self.begin_task(data)).collect();
        begun.into_iter().map(|result| result?.wait(until)).collect()
    }

    /// As [`Server::task_then`], for asynchronous code under whichever runtime: a future of what comes of the task. The
    /// task is sent at once, and done also if the future is dropped.
    ///
    /// # Errors
    /// As [`Server::task_then`].
    pub fn task_async<T, R>(&self, data: &T) -> Result<TaskFuture<R>, CrewError>
    where
        T: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let slot = Arc::new(Slot::default());
        let number = self.send_awaited::<T, R>(data, Awaiter::Slot(slot.clone()))?;
        Ok(TaskFuture { server: self.clone(), number, slot, result: PhantomData })
    }

    fn begin_task<T, R>(&self, data: &T) -> Result<TaskFuture<R>, CrewError>
    where
        T: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let is_task_worker = self.worker_id().is_some_and(|place| self.shared.crew.role(place) == Role::Task);
        if dispatch::is_loop(self) && !is_task_worker { Err(CrewError::InHandler) } else { self.task_async(data) }
    }

    fn send_awaited<T, R>(&self, data: &T, awaiter: Awaiter) -> Result<u64, CrewError>
    where
        T: Serialize + 'static,
        R: 'static,
    {
        if let Some(handler) = &self.shared.duties.task {
            handler.gives.check(Type::of::<R>()).map_err(CrewError::of_result)?;
        }
        // What the program's types do meanwhile holds up nobody else.
        let payload = self.encode_task(data)?;
        self.shared.pending.send(awaiter, || self.send_encoded(None, flag::AWAITED, payload))
    }

    fn send_task<T: Serialize + 'static>(&self, worker: Option<usize>, flags: u8, data: &T) -> Result<u64, CrewError> {
        let payload = self.encode_task(data)?;
        self.send_encoded(worker, flags, payload)
    }

    fn encode_task<T: Serialize + 'static>(&self, data: &T) -> Result<Vec<u8>, CrewError> {
        let handler = self.shared.duties.task.as_ref().ok_or(CrewError::NoHandler("Builder::on_task"))?;
        handler.takes.check(Type::of::<T>())?;
        if dispatch::own_place(self).is_some_and(|place| self.shared.crew.role(place) == Role::Task) {
            return Err(CrewError::InTaskWorker);
        }
        encode(data)
    }

    fn send_encoded(&self, worker: Option<usize>, flags: u8, payload: Vec<u8>) -> Result<u64, CrewError> {
        if self.has_ended() {
            return Err(CrewError::NotRunning);
        }
        if self.shared.mode == Mode::Thread {
            let place = dispatch::own_place(self);
            let (number, place) = self.shared.boxes.send_task(place.unwrap_or(0), worker, flags, payload)?;
            self.shared.exchange.doorbell(place).ring();
            return Ok(number);
        }
        let way = self.shared.way.get().ok_or(CrewError::NotRunning)?;
        Ok(way.post(|post, writers| post.send_task(writers, worker, flags, &[&payload]))?)
    }
}

/// What will come of a task.
#[must_use = "a future does nothing unless it is awaited; `Server::task` wants no result"]
pub struct TaskFuture<R> {
    server: Server,
    number: u64,
    slot: Arc<Slot>,
    result: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for TaskFuture<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TaskFuture").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<R: DeserializeOwned> TaskFuture<R> {
    fn wait(self, until: Option<Instant>) -> Result<R, CrewError> {
        self.slot.wait(until).and_then(|bytes| decode(&bytes))
    }
}

impl<R: DeserializeOwned> Future for TaskFuture<R> {
    type Output = Result<R, CrewError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.slot.poll(context).map(|outcome| outcome.and_then(|bytes| decode(&bytes)))
    }
}

impl<R> Drop for TaskFuture<R> {
    fn drop(&mut self) {
        // What comes too late is for nobody.
        drop(self.server.shared.pending.take(self.number));
    }
}

/// Does a task: what is answered, and what is said about that.
pub(crate) fn run(server: &Server, parcel: Parcel) -> (u8, Vec<u8>) {
    let (flags, number) = (parcel.flags, parcel.task);
    let duties = &server.shared.duties;
    let Some(handler) = &duties.task else { return (flags, Vec::new()) };
    let (more, bytes) = match panic::catch_unwind(AssertUnwindSafe(|| (handler.run)(server, parcel))) {
        Ok(Ok(bytes)) => (0, bytes),
        // It cannot be read, or what came of it cannot be sent.
        Ok(Err(error)) => (flag::PANICKED, error.to_string().into_bytes()),
        Err(payload) => (flag::PANICKED, panic_text(&*payload).as_bytes().to_vec()),
    };
    if more != 0 {
        tracing::error!("task {number}: its handler failed: {}", String::from_utf8_lossy(&bytes));
    }
    // Nobody takes it.
    let is_for_nobody = flags & flag::AWAITED == 0 && (more != 0 || duties.finish.is_none());
    (flags | more, if is_for_nobody { Vec::new() } else { bytes })
}

/// What [`run`] answers, to whoever waits for it.
pub(crate) fn outcome(flags: u8, bytes: Vec<u8>) -> Outcome {
    if flags & flag::PANICKED == 0 {
        return Ok(bytes);
    }
    Err(CrewError::Panicked(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Something came of a task of this process's, or of the one before it: `me` is who this process is.
pub(crate) fn ended(server: &Server, me: Option<Occupancy>, parcel: Parcel) {
    let is_mine = me.is_none_or(|me| parcel.origin == me);
    if let Some(awaiter) = is_mine.then(|| server.shared.pending.take(parcel.task)).flatten() {
        let outcome = match parcel.kind {
            Kind::Lost => Err(CrewError::Lost),
            _ => outcome(parcel.flags, parcel.payload),
        };
        return awaiter.tell(server, outcome);
    }
    if parcel.kind == Kind::Lost {
        tracing::warn!("task {} is lost: the task worker that had begun it has died", parcel.task);
    } else if parcel.flags & (flag::AWAITED | flag::PANICKED) == 0
        && let Some(handler) = &server.shared.duties.finish
    {
        dispatch::log_parcel("finish", (handler.run)(server, &parcel));
    }
}
