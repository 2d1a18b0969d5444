//! Turns the number of a worker or a reactor into the processor that it stays on.

use crate::config::Config;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// This thread, and those that it starts, stay on one processor of those that it may use, if the configuration says so.
///
/// # Errors
/// Those of sched_setaffinity(2).
pub fn stay(config: &Config, number: usize) -> io::Result<()> {
    if !config.cpu_affinity {
        return Ok(());
    }
    let allowed = sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect();
    let mut chosen = allowed.clone();
    chosen.retain(|processor| !config.cpu_affinity_ignore.contains(processor));
    let among = if chosen.is_empty() { allowed } else { chosen };
    let mut own = CpuSet::new();
    if let Some(processor) = among.get(number % among.len().max(1)) {
        own.set(*processor);
        sched_setaffinity(None, &own)?;
    }
    Ok(())
}
