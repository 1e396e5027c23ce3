//! The checks of a run's result, from the record to the status and back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::read::{condition, read_time};
use crate::{
    api::{CheckStatus, READY, RefreshStatus, VERIFIED, VerificationStatus},
    refresh::{Check, Outcome, Verification, VerifyReason},
};

impl Verification {
    /// What is written of it.
    pub(super) fn status(&self) -> VerificationStatus {
        let check = |check: &Check| CheckStatus {
            name: check.name.clone(),
            outcome: check.outcome.as_str().to_owned(),
            observed: check.observed,
            expected: check.expected,
            message: check.message.clone(),
        };
        VerificationStatus {
            outcome: self.outcome.map(|outcome| outcome.as_str().to_owned()),
            run: self.run,
            observed_generation: self.generation,
            start_time: Some(Time(self.since)),
            time: self.time.map(Time),
            failing_since: self.failing_since.map(Time),
            mapped_rows: self.mapped,
            served_rows: self.served,
            previous_rows: self.previous,
            checks: self.checks.iter().map(check).collect(),
        }
    }

    /// The status of `Verified`.
    pub(super) fn verified(&self) -> &'static str {
        match self.outcome {
            Some(Outcome::Passed) => "True",
            Some(Outcome::Failed) => "False",
            Some(Outcome::Inconclusive | Outcome::Error) | None => "Unknown",
        }
    }

    /// Reads it back. What makes no sense is checked again.
    pub(super) fn of(status: &RefreshStatus) -> Option<Self> {
        let checked = status.verification.as_ref()?;
        let since = read_time(checked.start_time.as_ref()?);
        let verified = condition(status, VERIFIED);
        let reason = verified.and_then(|verified| VerifyReason::parse(&verified.reason));
        let outcome = checked.outcome.as_deref().and_then(Outcome::parse).filter(|_| reason.is_some());
        let check = |check: &CheckStatus| {
            Some(Check {
                name: check.name.clone(),
                outcome: Outcome::parse(&check.outcome)?,
                observed: check.observed,
                expected: check.expected,
                message: check.message.clone(),
            })
        };
        Some(Self {
            run: checked.run,
            generation: checked.observed_generation,
            since,
            outcome,
            reason: reason.filter(|_| outcome.is_some()).unwrap_or(VerifyReason::Verifying),
            message: verified.map(|verified| verified.message.clone()).unwrap_or_default(),
            time: checked.time.as_ref().map(read_time),
            failing_since: checked.failing_since.as_ref().map(read_time),
            mapped: checked.mapped_rows,
            served: checked.served_rows,
            previous: checked.previous_rows,
            checks: checked.checks.iter().filter_map(check).collect(),
            stalls: says_stalled(condition(status, READY), reason),
        })
    }
}

/// Whether `Ready` is false for the reason that `Verified` has.
fn says_stalled(ready: Option<&Condition>, reason: Option<VerifyReason>) -> bool {
    let ready = ready.filter(|ready| ready.status == "False");
    ready.zip(reason).is_some_and(|(ready, reason)| ready.reason == reason.as_str())
}
