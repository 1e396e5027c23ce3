//! When to poll: pure timing.

use std::time::Duration;

use crate::backoff::doubled;

/// From so many active jobs on, one List a tick replaces a poll for each.
pub(super) const COALESCE_FROM: usize = 16;

/// Down to so many it goes on then: the last of many jobs are old, and singly each would be polled only every few seconds.
pub(super) const COALESCE_DOWN_TO: usize = 4;

/// A server gets at most 16 single polls a second, evenly spaced.
pub(super) const SPACING: Duration = Duration::from_micros(62_500);

/// How soon a doubtful answer is asked for again, and the first backoff.
pub(super) const SOON: Duration = Duration::from_millis(500);

/// A List that Milvus denies, or that is too large to read, is not tried again before this.
pub(super) const LIST_RETRY: Duration = Duration::from_secs(300);

/// The first look at a job, and the shortest interval between two.
pub(super) const SHORTEST: Duration = Duration::from_millis(250);

const LONGEST: Duration = Duration::from_secs(10);

/// Between two polls of a job that was started `age` ago.
pub(super) fn single_interval(age: Duration) -> Duration {
    (age / 10).clamp(SHORTEST, LONGEST)
}

/// From the begin of one List to the next, by the age of the youngest active job.
pub(super) fn list_interval(youngest: Duration) -> Duration {
    (youngest / 60).clamp(SOON, LONGEST)
}

/// Between the end of a List that took `took` and the next, so that Milvus spends at most a fifth of its time on them.
pub(super) fn list_rest(took: Duration) -> Duration {
    took.saturating_mul(4)
}

/// The pause after `failures` failures in a row: doubled from [`SOON`], at most 10 s, none without a failure.
pub(super) fn backoff(failures: u32) -> Duration {
    doubled(SOON, failures, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn single_polls_slow_down_with_age() {
        for (age, interval) in [(0, 250), (2_500, 250), (10_000, 1_000), (100_000, 10_000), (86_400_000, 10_000)] {
            assert_eq!(single_interval(ms(age)), ms(interval), "age {age} ms");
        }
    }

    #[test]
    fn lists_follow_the_youngest_job() {
        for (age, interval) in [(0, 500), (30_000, 500), (60_000, 1_000), (600_000, 10_000), (86_400_000, 10_000)] {
            assert_eq!(list_interval(ms(age)), ms(interval), "age {age} ms");
        }
        assert_eq!(list_rest(ms(1_000)), ms(4_000));
        assert_eq!(list_rest(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn pauses_double_and_end_at_ten_seconds() {
        let pauses: Vec<_> = (0..8).map(|failures| backoff(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert_eq!(backoff(u32::MAX), ms(10_000));
    }
}
