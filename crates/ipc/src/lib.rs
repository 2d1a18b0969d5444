//! Turns what Linux offers for sharing between processes into safe parts: memory, wake-ups, signals and fork.
//!
//! | module | holds |
//! |---|---|
//! | [`region`] | memory that later forks share, reached only through atomics |
//! | [`table`] | what every process may ask about every connection, and who owns it |
//! | [`shared_table`] | rows of typed columns under names, which survive the death of whoever writes them |
//! | [`atomics`] | numbers that processes count with, and wait for |
//! | [`lock`] | a word that one process has at a time, also when the last one died with it |
//! | [`ring`] | a queue of records from one process to one other, which survives either's death |
//! | [`exchange`] | who sits where, and a ring for each two who talk |
//! | [`doorbell`] | waking another process or thread |
//! | [`signal`] | signals as something that a poller waits for |
//! | [`reopen`] | telling all processes that the log was rotated |
//! | [`daemon`] | going on without a terminal |
//! | [`socket`] | options of sockets |
//! | [`process`] | fork, wait, kill, and telling our children from an application's |
//!
//! All unsafe code of the workspace is here and in the PHP extension.

#[cfg(not(target_os = "linux"))]
compile_error!("wirewool runs on Linux only");

#[cfg(not(loom))]
pub mod atomics;
pub mod daemon;
pub mod doorbell;
#[cfg(not(loom))]
pub mod exchange;
#[cfg(not(loom))]
mod futex;
#[cfg(not(loom))]
pub mod lock;
#[cfg(not(loom))]
mod owner;
pub mod process;
#[cfg_attr(loom, path = "model.rs")]
pub mod region;
#[cfg(not(loom))]
pub mod reopen;
pub mod ring;
#[cfg(not(loom))]
pub mod shared_table;
pub mod signal;
pub mod socket;
mod sync;
#[cfg(not(loom))]
pub mod table;
