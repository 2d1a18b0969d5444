//! Counts a server's system calls, with perf: its tracepoint counts in the kernel and stops nothing.

use crate::process::Processes;
use std::process::{Command, Stdio};

const EVENT: &str = "raw_syscalls:sys_enter";

/// Whether this machine can.
///
/// # Errors
/// Why it cannot, in a sentence.
pub fn check() -> Result<(), String> {
    let tried = Command::new("perf").args(["stat", "-x,", "-e", EVENT, "true"]).stderr(Stdio::piped()).output();
    match tried {
        Ok(output) if output.status.success() && count(&output.stderr).is_some() => Ok(()),
        Ok(_) => Err("perf may not count them (it wants root, or another kernel.perf_event_paranoid).".to_owned()),
        Err(_) => Err("perf is missing.".to_owned()),
    }
}

/// How many system calls a server makes in a second, measured for so many.
pub fn per_second(root: u32, seconds: f64) -> Option<f64> {
    let ids: Vec<String> = Processes::below(root).ids().iter().map(u32::to_string).collect();
    let mut command = Command::new("perf");
    command.args(["stat", "-x,", "-e", EVENT, "-p", &ids.join(","), "--", "sleep", &seconds.to_string()]);
    let output = command.output().ok()?;
    Some(count(&output.stderr)? / seconds)
}

/// The first field of perf's line of values separated by commas.
fn count(output: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(output);
    text.lines().find(|line| line.contains(EVENT))?.split(',').next()?.parse().ok()
}
