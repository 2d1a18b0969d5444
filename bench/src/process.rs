//! Turns what /proc tells of a server's processes into times, switches and memory.

use std::fs;

/// A server: the process that was started, and all below it.
#[derive(Debug, Clone)]
pub struct Processes {
    ids: Vec<u32>,
}

/// What its threads have used up until now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu_ns: u64,
    /// How often a thread gave up its core to wait.
    pub waits: u64,
}

impl Processes {
    /// The process `root` and its descendants, as they are now.
    pub fn below(root: u32) -> Processes {
        let parents: Vec<(u32, u32)> = numbers("/proc").filter_map(|id| Some((id, parent(id)?))).collect();
        let mut ids = vec![root];
        let mut next = 0;
        while let Some(&above) = ids.get(next) {
            ids.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| id));
            next += 1;
        }
        Processes { ids }
    }

    /// Their process ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The scheduler's own count, in nanoseconds; the clock ticks of /proc/PID/stat would be 10 ms each.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for id in &self.ids {
            let tasks = format!("/proc/{id}/task");
            for task in numbers(&tasks) {
                usage.cpu_ns += first_number(&format!("{tasks}/{task}/schedstat")).unwrap_or_default();
                usage.waits += field(&format!("{tasks}/{task}/status"), "voluntary_ctxt_switches:").unwrap_or_default();
            }
        }
        usage
    }

    /// The proportional set size: their own memory, and their share of what is shared.
    pub fn pss_bytes(&self) -> u64 {
        let kilobytes = |id| field(&format!("/proc/{id}/smaps_rollup"), "Pss:").unwrap_or_default();
        self.ids.iter().map(|id| kilobytes(id) * 1024).sum()
    }
}

/// What the calling process has had of its core, and how long it waited in vain for that, in nanoseconds.
pub fn own_times_ns() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let mut numbers = text.split_ascii_whitespace().map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may contain anything, parentheses too.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn first_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok())
}
