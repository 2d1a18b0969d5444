//! Turns what Linux offers for sharing between processes into safe parts: memory, wake-ups, signals and fork.
//!
//! | module | holds |
//! |---|---|
//! | [`region`] | memory that later forks share, reached only through atomics |
//! | [`table`] | which connection belongs to which worker, and how many each has |
//! | [`doorbell`] | waking another process or thread |
//! | [`signal`] | signals as something that a poller waits for |
//! | [`process`] | fork, wait, kill, and telling our children from an application's |
//!
//! All unsafe code of the workspace is here and in the PHP extension.

#[cfg(not(target_os = "linux"))]
compile_error!("wirewool runs on Linux only");

pub mod doorbell;
pub mod process;
pub mod region;
pub mod signal;
pub mod table;
