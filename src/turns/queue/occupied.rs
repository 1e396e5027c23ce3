//! For how long an object keeps those of other namespaces from a collection.

use jiff::Timestamp;

use crate::refresh::{
    Recorded,
    limits::{LONGEST_CHECK, LONGEST_JOB},
};

/// What an object has a collection for, and until when others have to wait for that.
#[derive(Debug)]
pub(super) struct Occupied {
    pub(super) by: Standing,
    until: Timestamp,
}

/// What an object has a collection for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The time of its claim, if one stands.
    claimed: Option<Timestamp>,
    /// When its job completed, while the run waits for its checks.
    completed: Option<Timestamp>,
}

impl Occupied {
    /// First seen at `now`.
    pub(super) fn from(by: Standing, now: Timestamp) -> Self {
        Self { by, until: by.until(now) }
    }

    /// Whether it has lasted for longer than any job can run.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.until <= now
    }
}

impl Standing {
    /// By what `record` says.
    pub(super) fn of(record: &Recorded) -> Self {
        let run = record.run.as_ref();
        Self {
            claimed: run.and_then(|run| run.submit_time),
            completed: run.and_then(|run| run.job_completion_time).filter(|_| record.is_verifying()),
        }
    }

    /// Longer than any job can run, or than others wait for checks. A time counts from when it was first seen where it is said
    /// to be later.
    fn until(self, now: Timestamp) -> Timestamp {
        let later = |time: Timestamp, wait| time.min(now).checked_add(wait).unwrap_or(Timestamp::MAX);
        let job = later(self.claimed.unwrap_or(now), LONGEST_JOB);
        self.completed.map_or(job, |completed| later(completed, LONGEST_CHECK).min(job))
    }
}
