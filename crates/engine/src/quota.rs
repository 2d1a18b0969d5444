//! Turns log lines that peers can cause at will into a few a second, and the number of those left out.

use std::time::{Duration, Instant};

/// How many lines a second are logged.
pub const LINES_PER_SECOND: u32 = 10;

/// The log lines of one kind in one worker: a client that breaks the rules as fast as it can must neither fill the
/// disk nor stop the worker at a full pipe.
#[derive(Debug, Default)]
pub struct Quota {
    /// When the second began, and how many lines it has had.
    second: Option<Instant>,
    lines: u32,
}

impl Quota {
    /// May a line be logged `now`? Those left out in the second before are logged as one line, in words of `what`
    /// ("violations of the protocol"), before the first line of another second.
    pub fn admits(&mut self, now: Instant, what: &str) -> bool {
        if let Some(left_out) = self.count(now) {
            tracing::warn!("and {left_out} more {what}");
        }
        self.lines <= LINES_PER_SECOND
    }

    /// Counts a line; how many were left out in the second that is over, if one is and there were any.
    fn count(&mut self, now: Instant) -> Option<u32> {
        let is_over = self.second.is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1));
        let before = self.lines;
        if is_over {
            (self.second, self.lines) = (Some(now), 0);
        }
        self.lines = self.lines.saturating_add(1);
        (is_over && before > LINES_PER_SECOND).then(|| before - LINES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_PER_SECOND, Quota};
    use std::time::{Duration, Instant};

    #[test]
    fn admits_so_many_a_second_and_counts_the_others() {
        let mut quota = Quota::default();
        let began = Instant::now();
        for second in 0..3 {
            let now = began + Duration::from_secs(second);
            assert_eq!(quota.count(now), (second > 0).then_some(90));
            let admitted = 1 + (1..100).filter(|_| quota.admits(now, "lines")).count();
            assert_eq!(admitted, LINES_PER_SECOND as usize);
        }
        assert_eq!(quota.count(began + Duration::from_secs(3)), Some(90));
        assert_eq!(quota.count(began + Duration::from_secs(5)), None);
    }
}
