//! How the jobs of a collection go.

use std::time::Duration;

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `RefreshCompleted`; a source and spec that came with the job become those of the collection.
    Complete,
    /// `RefreshFailed` with this reason; the collection stays as it was.
    Fail(String),
    /// Never: the job stays at 99 % and outlives Milvus' own job timeout, as jobs do whose finalisation keeps failing.
    Hang,
}

/// The course of the jobs that start on a collection from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How long a job stays `RefreshPending`.
    pub pending: Duration,
    /// How long it then is `RefreshInProgress`.
    pub duration: Duration,
    /// Both times vary by up to this share of themselves, drawn from the seed; 0 to 1.
    pub jitter: f64,
    /// The equal tasks that a job consists of, at least 1: progress moves in steps of 100 / `tasks`, as Milvus
    /// reports only finished tasks.
    pub tasks: u32,
    /// How the job ends.
    pub outcome: Outcome,
    /// The reason that the job shows from the middle of its course to its end, as newer builds show the first failure that
    /// they have got over. Empty: none.
    pub stumble: String,
    /// How often its tasks are set back: it is `RefreshPending` again then, and its progress starts anew.
    pub setbacks: u32,
    /// How long a failure shows without reason and end before Milvus has recorded it. Until then the job counts as active.
    pub unrecorded: Duration,
}

impl Plan {
    /// In progress at once, completed after `duration`.
    pub fn completes_in(duration: Duration) -> Self {
        Self {
            pending: Duration::ZERO,
            duration,
            jitter: 0.0,
            tasks: 20,
            outcome: Outcome::Complete,
            stumble: String::new(),
            setbacks: 0,
            unrecorded: Duration::ZERO,
        }
    }

    /// In progress at once, failed with `reason` after `duration`.
    pub fn fails_in(duration: Duration, reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail(reason.into()), ..Self::completes_in(duration) }
    }

    /// In progress for good.
    pub fn hangs() -> Self {
        Self { outcome: Outcome::Hang, ..Self::completes_in(Duration::from_secs(60)) }
    }

    /// The same with a time in the queue first.
    pub fn pending_for(self, pending: Duration) -> Self {
        Self { pending, ..self }
    }

    /// The same with a reason on its way; see [`Plan::stumble`].
    pub fn stumbling(self, reason: impl Into<String>) -> Self {
        Self { stumble: reason.into(), ..self }
    }

    /// The same with tasks that are set back so often; see [`Plan::setbacks`].
    pub fn set_back(self, setbacks: u32) -> Self {
        Self { setbacks, ..self }
    }

    /// The same with a failure that is recorded so much later; see [`Plan::unrecorded`].
    pub fn recorded_after(self, unrecorded: Duration) -> Self {
        Self { unrecorded, ..self }
    }

    /// The same with jitter; see [`Plan::jitter`].
    pub fn jittered(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }
}

impl Default for Plan {
    /// Completes in five seconds.
    fn default() -> Self {
        Self::completes_in(Duration::from_secs(5))
    }
}
