//! The atomics of this crate's protocols: the standard library's, or a model checker's that tries all their orders.

#[cfg(loom)]
pub(crate) use crate::region::Word as AtomicU64;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, fence};
