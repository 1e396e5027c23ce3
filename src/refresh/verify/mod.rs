//! Whether what a run refreshed is served. That Milvus completed the job only says that its metadata points to the files.
//!
//! It never starts anything: it looks, and judges what the look found.

mod judge;
mod step;

use std::time::Duration;

use jiff::Timestamp;

use super::{
    desired::{drawn, seconds},
    record::Recorded,
};
use crate::{
    api::{IndexCheck, LoadCheck, VerifyPolicy, VerifySpec},
    complete::complete,
    milvus::examiner::Plan,
};

pub(in crate::refresh) use step::{next_recheck, rests, stalls};

/// What a refresh asks to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// As the object has it.
    pub spec: VerifySpec,
    /// Where in its interval the object is checked again: the objects of a server at different times, and each at the same after
    /// every restart.
    pub place: u64,
}

impl Verify {
    pub(super) fn of(spec: &VerifySpec, uid: &str) -> Self {
        Self { spec: spec.clone(), place: drawn(uid) }
    }

    /// Whether the run waits for the checks.
    pub(super) fn is_required(&self) -> bool {
        self.spec.policy == VerifyPolicy::Require
    }

    fn needs_load(&self) -> bool {
        self.spec.load == LoadCheck::Required
    }

    fn timeout(&self) -> Duration {
        seconds(self.spec.timeout_seconds)
    }

    fn recheck(&self) -> Option<Duration> {
        self.spec.recheck_interval_seconds.map(seconds)
    }

    /// What to look at for `record`. `allowed` tells whether the connection lets its refreshes use filters.
    pub fn plan(
        &self,
        (database, collection): (&str, &str),
        generation: i64,
        record: &Recorded,
        allowed: bool,
    ) -> Plan {
        let filters = || self.spec.queries.iter().map(|query| query.filter.clone()).collect();
        Plan {
            occasion: (record.verification.as_ref().map_or(0, |checked| checked.run), generation),
            database: database.to_owned(),
            collection: collection.to_owned(),
            indexes: self.spec.index == IndexCheck::Require,
            filters: allowed.then(filters),
        }
    }
}

/// What is recorded of the checks of a run's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The number of the run.
    pub run: i64,
    /// The generation whose checks these are.
    pub generation: i64,
    /// When they began.
    pub since: Timestamp,
    /// What they came to; `None` while they are under way.
    pub outcome: Option<Outcome>,
    /// The reason and the message of the condition.
    pub reason: VerifyReason,
    /// See `reason`.
    pub message: String,
    /// When a check last found something else than before.
    pub time: Option<Timestamp>,
    /// Since when a check at rest has found something worse that is not confirmed.
    pub failing_since: Option<Timestamp>,
    /// The rows by Milvus' metadata.
    pub mapped: Option<i64>,
    /// The rows that a query finds.
    pub served: Option<i64>,
    /// The rows after the last run that was verified before.
    pub previous: Option<i64>,
    /// One by one.
    pub checks: Vec<Check>,
    /// Whether the object, whose last run has completed, is not ready because of them.
    pub stalls: bool,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it came to.
    pub outcome: Outcome,
    /// What was found.
    pub observed: Option<i64>,
    /// What is expected.
    pub expected: Option<i64>,
    /// What is wrong.
    pub message: String,
}

complete! {
    /// What a check can come to, from the best to the worst. An error of the check is no failure of the thing.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Outcome {
        /// It holds.
        Passed,
        /// Milvus cannot tell.
        Inconclusive,
        /// The check could not be made.
        Error,
        /// It does not hold.
        Failed,
    }
}

impl Outcome {
    /// As the status shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Inconclusive => "Inconclusive",
            Self::Error => "Error",
            Self::Failed => "Failed",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

complete! {
    /// Why `Verified` is as it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum VerifyReason {
        /// All checks passed.
        Passed,
        /// Many rows fewer than before.
        RowsDropped,
        /// Fewer rows than the spec demands.
        TooFewRows,
        /// Rows that are mapped are not found.
        NotServed,
        /// An index failed.
        IndexFailed,
        /// Rows are not indexed yet.
        IndexPending,
        /// A query of the spec finds too few rows.
        QueryFailed,
        /// The connection does not allow queries.
        NotAllowed,
        /// The collection is not loaded.
        NotLoaded,
        /// The server does not know the calls that could tell.
        Unsupported,
        /// A check could not be made.
        CheckFailed,
        /// The checks are under way.
        Verifying,
    }
}

impl VerifyReason {
    /// Those that make an object not ready.
    pub const FAILING: [Self; 7] = [
        Self::RowsDropped,
        Self::TooFewRows,
        Self::NotServed,
        Self::IndexFailed,
        Self::IndexPending,
        Self::QueryFailed,
        Self::NotLoaded,
    ];

    /// As the condition shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::RowsDropped => "RowsDropped",
            Self::TooFewRows => "TooFewRows",
            Self::NotServed => "NotServed",
            Self::IndexFailed => "IndexFailed",
            Self::IndexPending => "IndexPending",
            Self::QueryFailed => "QueryFailed",
            Self::NotAllowed => "NotAllowed",
            Self::NotLoaded => "NotLoaded",
            Self::Unsupported => "Unsupported",
            Self::CheckFailed => "CheckFailed",
            Self::Verifying => "Verifying",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}
