//! One run of the load generator: what was asked for, and what came of it, as a line of JSON.

use crate::process::{Processes, Usage, own_times_ns};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What one run found out. Messages are answers in `echo` and `deflate`, deliveries in `broadcast`, connections in
/// `handshake` and `idle`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Run {
    /// How long it measured.
    pub seconds: f64,
    /// How many messages came in that time.
    pub messages: u64,
    /// The server's user and system time, over messages.
    pub cpu_us_per_message: f64,
    /// Of the time measured, how much the server's threads ran: above 1 there are several.
    pub server_share: f64,
    /// The same for the load generator: near 1, `messages` says how fast the load is, not the server.
    pub load_share: f64,
    /// How much of the time others had the load generator's core while it wanted to run.
    pub disturbed_share: f64,
    /// How often the server went to sleep, over messages.
    pub waits_per_message: f64,
    /// The server's system calls over messages, where they were counted.
    pub calls_per_message: Option<f64>,
    /// The server's proportional set size at the end.
    pub pss_bytes: u64,
    /// What one of many idle connections takes of it.
    pub bytes_per_connection: Option<f64>,
    /// How long answers took.
    pub latency: Option<Latency>,
    /// The share of answers whose content was compared; all lengths were.
    pub content_checked: f64,
}

/// How long the answers took that were timed.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them were faster.
    pub p50_us: f64,
    /// 99 of 100 were.
    pub p99_us: f64,
    /// 999 of 1000 were.
    pub p999_us: f64,
    /// How many were timed.
    pub samples: u64,
}

/// Counts from the end of the warm-up on, until the time is over.
#[derive(Debug)]
pub struct Meter {
    server: Processes,
    warm: Instant,
    end: Instant,
    phase: Phase,
    /// Messages since the meter started to count.
    pub messages: u64,
    latencies: Histogram<u64>,
}

/// WarmUp ─► Counting ─► (finished)
#[derive(Debug)]
enum Phase {
    WarmUp,
    Counting { begin: Instant, usage: Usage, own_ns: (u64, u64) },
}

impl Meter {
    /// Warms up from now on.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants that it accepts.
    pub fn new(server: Processes, warm_up: Duration, time: Duration) -> Meter {
        let warm = Instant::now() + warm_up;
        // A minute at most, to three digits.
        let latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order");
        Meter { server, warm, end: warm + time, phase: Phase::WarmUp, messages: 0, latencies }
    }

    /// How long an answer took.
    pub fn record(&mut self, time: Duration) {
        self.latencies.saturating_record(time.as_nanos() as u64);
    }

    /// To be asked once per pass; the run, once the time is over.
    pub fn pass(&mut self, now: Instant) -> Option<Run> {
        match self.phase {
            Phase::WarmUp if now >= self.warm => {
                self.phase =
                    Phase::Counting { usage: self.server.usage(), own_ns: own_times_ns(), begin: Instant::now() };
                self.messages = 0;
                self.latencies.reset();
                None
            }
            Phase::Counting { begin, usage, own_ns } if now >= self.end => Some(self.finish(begin, usage, own_ns)),
            _ => None,
        }
    }

    fn finish(&mut self, begin: Instant, before: Usage, own_before: (u64, u64)) -> Run {
        let time = begin.elapsed();
        let after = self.server.usage();
        let own_after = own_times_ns();
        let share = |ns: u64| ns as f64 / time.as_nanos() as f64;
        let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
        let per_message = |total: u64| total as f64 / self.messages.max(1) as f64;
        Run {
            seconds: time.as_secs_f64(),
            messages: self.messages,
            cpu_us_per_message: per_message(cpu_ns) / 1e3,
            server_share: share(cpu_ns),
            load_share: share(own_after.0 - own_before.0),
            disturbed_share: share(own_after.1 - own_before.1),
            waits_per_message: per_message(after.waits.saturating_sub(before.waits)),
            pss_bytes: self.server.pss_bytes(),
            latency: (!self.latencies.is_empty()).then(|| self.latency()),
            ..Run::default()
        }
    }

    fn latency(&self) -> Latency {
        let us = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Latency { p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999), samples: self.latencies.len() }
    }
}
