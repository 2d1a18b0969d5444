//! What a program has the crew do besides handling connections: its handlers, with values of its own types as bytes.

use crate::crew::parcel::Parcel;
use crate::crew::post::PostError;
use crate::server::Server;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, TypeId, type_name};
use std::fmt::Display;

/// Why a task or a message came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrewError {
    /// It was not accepted.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The handler is for values of another type.
    #[error("this server's handler is for {wanted}, not for {given}")]
    Type {
        /// What the handler takes.
        wanted: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The handler for tasks gives values of another type.
    #[error("what comes of this server's tasks is {wanted}, not {given}")]
    Result {
        /// What the handler gives.
        wanted: &'static str,
        /// What was asked for.
        given: &'static str,
    },
    /// There is nobody to handle it.
    #[error("the server has no handler for it: set it with {0}")]
    NoHandler(&'static str),
    /// A value cannot be turned into bytes, or comes out of them as another one.
    #[error("{what} cannot be sent between processes: {error}")]
    Value {
        /// Its type.
        what: &'static str,
        /// Why not.
        error: String,
    },
    /// Nothing came of it in time. It may be done all the same.
    #[error("nothing came of it in time")]
    Late,
    /// It was begun, and whoever had begun it has died.
    #[error("the task worker that had begun it has died")]
    Lost,
    /// Its handler panicked.
    #[error("its handler panicked: {0}")]
    Panicked(String),
    /// A handler would wait for what only its own loop can bring.
    #[error("a worker's own thread cannot wait for a task: say with task_then what happens then")]
    InHandler,
    /// Task workers leave nothing to others.
    #[error("a task worker sends no tasks")]
    InTaskWorker,
    /// There is no crew yet, or none any more.
    #[error("the server has not begun, or has ended")]
    NotRunning,
}

impl CrewError {
    /// The same about what a handler gives.
    pub(crate) fn of_result(self) -> CrewError {
        match self {
            CrewError::Type { wanted, given } => CrewError::Result { wanted, given },
            other => other,
        }
    }
}

/// A type of the program's, the same in all of its processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    id: TypeId,
    name: &'static str,
}

impl Type {
    pub(crate) fn of<T: 'static>() -> Type {
        Type { id: TypeId::of::<T>(), name: type_name::<T>() }
    }

    /// Is it this one?
    pub(crate) fn check(self, given: Type) -> Result<(), CrewError> {
        if self.id == given.id { Ok(()) } else { Err(CrewError::Type { wanted: self.name, given: given.name }) }
    }
}

/// What a handler says went wrong.
pub(crate) type Failure = Option<Box<dyn Display>>;

type Run = dyn Fn(&Server, Parcel) -> Result<Vec<u8>, CrewError> + Send + Sync;
type Take = dyn Fn(&Server, &Parcel) -> Result<Failure, CrewError> + Send + Sync;

/// Does tasks.
pub(crate) struct OnTask {
    pub(crate) takes: Type,
    pub(crate) gives: Type,
    pub(crate) run: Box<Run>,
}

/// Takes messages, or what came of tasks.
pub(crate) struct OnParcel {
    pub(crate) takes: Type,
    pub(crate) run: Box<Take>,
}

/// A process of the program's own.
pub(crate) type Process = Box<dyn Fn(&Server) + Send + Sync>;

/// A program's handlers for what the crew sends each other.
#[derive(Default)]
pub(crate) struct Duties {
    pub(crate) task: Option<OnTask>,
    pub(crate) finish: Option<OnParcel>,
    pub(crate) message: Option<OnParcel>,
    pub(crate) processes: Vec<Process>,
}

impl Duties {
    /// What does not fit together: the handler for results must take what the one for tasks gives.
    pub(crate) fn check(&self, task_workers: usize) -> Result<(), CrewError> {
        match (&self.task, &self.finish) {
            (None, _) if task_workers > 0 => Err(CrewError::NoHandler("Builder::on_task")),
            (Some(task), Some(finish)) => task.gives.check(finish.takes).map_err(CrewError::of_result),
            _ => Ok(()),
        }
    }
}

/// A value as bytes: MessagePack with the names of fields, so that what serde leaves out or flattens comes out as it went in.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CrewError> {
    rmp_serde::to_vec_named(value).map_err(|error| unfit::<T>(&error))
}

/// The value that bytes are.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CrewError> {
    rmp_serde::from_slice(bytes).map_err(|error| unfit::<T>(&error))
}

fn unfit<T>(error: &impl Display) -> CrewError {
    CrewError::Value { what: type_name::<T>(), error: error.to_string() }
}

/// What a panic says.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
