//! Callbacks that wait without blocking their process.
//!
//! * [`context`]: stacks. * [`registry`]: what is on them. * [`scheduler`]: who goes on when one waits.
//! * [`descriptor`]: waiting for sockets. * [`methods`], [`system`]: `Swoole\Coroutine` and what belongs to it.

pub(crate) mod context;
pub(crate) mod descriptor;
pub(crate) mod methods;
pub(crate) mod registry;
pub(crate) mod scheduler;
pub(crate) mod system;
