//! One process's or reactor's ends of the rings to and from all others.
//!
//! | module | holds |
//! |---|---|
//! | [`writers`] | the writing ends, opened when there is something to say |
//! | [`readers`] | the reading ends, opened when somebody says that there is something |
//! | [`datagram`] | what is in a record that is about no connection |
//!
//! In each pass: clear the doorbell, `greet`, flush, read, ring for both kinds, then ask both whether they may sleep.
//! When the exchange's version has changed, somebody came, left or died.

pub(crate) mod datagram;
pub(crate) mod readers;
#[cfg(test)]
mod steps;
pub(crate) mod writers;

/// The longest record: a message or a request of 4 GiB, less what stands around it.
pub(crate) const RECORD_BYTES_MAX: usize = u32::MAX as usize;
