//! Callbacks that wait without blocking their process.
//!
//! * [`context`]: stacks. * [`registry`]: what is on them. * [`scheduler`]: who goes on when one waits.
//! * [`descriptor`]: waiting for sockets. * [`channel`], [`wait_group`]: waiting for each other.
//! * [`methods`], [`options`], [`run`], [`batch`], [`system`]: `Swoole\Coroutine` and what belongs to it.

pub(crate) mod batch;
pub(crate) mod channel;
pub(crate) mod context;
pub(crate) mod descriptor;
pub(crate) mod methods;
pub(crate) mod options;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod scheduler;
pub(crate) mod system;
pub(crate) mod wait_group;
