//! When a look is due and what follows from it: within a run that is over only when its checks have passed, and of an object
//! that rests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Outcome as Found, Verification, Verify, VerifyReason,
    judge::{Against, Verdict, judge},
};
use crate::{
    milvus::{self, ErrorKind, JobId, JobState, MilvusError, examiner::Evidence},
    refresh::{
        Connection, Desired, Fact, FailureClass, Permission, Reason, Recorded,
        decide::{Effect, Outcome, Step, Wake},
        grid,
        limits::{HOLD, LONGEST_SLEEP, bounded},
        record::{elapsed, not_ahead},
    },
};

/// The shortest pause between two looks that wait for something.
const SOON: Duration = Duration::from_secs(5);
/// The longest.
const LATER: Duration = Duration::from_secs(30);
/// How long after a look that found something worse another one confirms it: Milvus moves segments about at any time.
const CONFIRM: Duration = Duration::from_secs(30);
/// How long after the deadline a look that is under way may still come to its end.
const LAST_LOOK: Duration = Duration::from_mins(6);

/// What is known for a check at the moment.
enum Knows {
    /// A look has ended in this.
    Found(milvus::Result<Evidence>),
    /// A look is under way.
    UnderWay,
    /// The connection is not known yet.
    Nothing,
    /// Somebody has to look.
    Look,
}

impl Step<'_> {
    /// Milvus has completed the job: the run ends, or waits for its checks.
    pub(in crate::refresh) fn completed_by_milvus(&mut self, job: JobId) -> Outcome {
        self.refreshed();
        self.begin_checks();
        let Some(verify) = &self.want.verify else { return self.complete(job) };
        if !verify.is_required() {
            let (effect, wake) = self.complete(job);
            // The checks begin once the end of the run is written.
            return (effect, if self.next.is_at_rest() { wake.sooner(Duration::ZERO) } else { wake });
        }
        self.run.job_completion_time = Some(self.next.job.completion_time.take().unwrap_or(self.now));
        self.next.job.state = Some(JobState::InProgress);
        self.next.job.progress = 100;
        self.say_verifying(job);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    fn say_verifying(&mut self, job: JobId) {
        let message = format!("Job {job} completed. The operator checks what Milvus serves of it.");
        self.sum_up(Reason::Verifying, message);
    }

    /// Milvus has completed the job, and the run is over once its checks have come to something.
    pub(in crate::refresh) fn verify(&mut self, job: JobId) -> Outcome {
        let Some(verify) = self.want.verify.as_ref().filter(|verify| verify.is_required()) else {
            return self.complete(job);
        };
        let run = self.run.number;
        if !self.next.verification.as_ref().is_some_and(|checked| checked.run == run && checked.outcome.is_none()) {
            self.begin_checks();
        }
        if !self.summarised(Reason::Verifying) {
            self.say_verifying(job);
        }
        let left = self.time_left(verify);
        let due = left.is_zero() || self.looked_before(self.pause());
        let found = match self.knows(due) {
            Knows::Look => return (Effect::Examine, Wake::After(LONGEST_SLEEP)),
            Knows::UnderWay | Knows::Nothing if self.waited() < verify.timeout().saturating_add(LAST_LOOK) => {
                return (Effect::None, Wake::After(left.clamp(SOON, LONGEST_SLEEP)));
            }
            Knows::UnderWay | Knows::Nothing => {
                Err(MilvusError::new(ErrorKind::Timeout, "Milvus did not answer the checks in time."))
            }
            Knows::Found(found) => found,
        };
        let verdict = judge(verify, &self.against(), &found);
        if !verdict.settled && !left.is_zero() {
            let pause = self.pause().min(left);
            self.pend(job, verdict);
            return (Effect::None, Wake::After(pause));
        }
        let (outcome, message) = (verdict.outcome, verdict.message.clone());
        self.accept(verdict);
        match outcome {
            Found::Passed | Found::Inconclusive => self.complete(job),
            Found::Failed => self.fail(FailureClass::VerificationFailed, &message),
            Found::Error => {
                let message =
                    format!("Job {job} completed, but what Milvus serves of it could not be checked: {message}");
                self.fail(FailureClass::VerificationFailed, &message)
            }
        }
    }

    /// Looks at what is served while no run is under way, where nothing else is to be done.
    pub(in crate::refresh) fn check_at_rest(&mut self, (effect, wake): Outcome) -> Outcome {
        let Some(verify) = &self.want.verify else {
            self.next.verification = None;
            return (effect, wake);
        };
        // An object that says nothing of itself says nothing of its checks.
        if effect != Effect::None || self.want.terminating || self.next.summary.is_none() {
            return (effect, wake);
        }
        if self.next.verification.is_none() && self.next.job.state == Some(JobState::Completed) {
            self.begin_checks();
        }
        let Some(checked) = &self.next.verification else { return (effect, wake) };
        if self.seen.permission == Permission::Withheld {
            return (effect, wake.sooner(HOLD));
        }
        let (under_way, doubted) = (checked.outcome.is_none(), checked.failing_since);
        let left = self.time_left(verify);
        let due = match doubted {
            _ if under_way => left.is_zero() || self.looked_before(self.pause()),
            Some(since) => elapsed(not_ahead(since, self.now), self.now) >= CONFIRM,
            None => checked.generation != self.want.generation || self.recheck_is_due(verify, checked),
        };
        let found = match self.knows(due) {
            Knows::Look => return (Effect::Examine, wake),
            Knows::UnderWay => return (effect, wake.sooner(LONGEST_SLEEP)),
            Knows::Nothing => return (effect, self.checks_go_on(verify, wake)),
            Knows::Found(found) => found,
        };
        let verdict = judge(verify, &self.against(), &found);
        let before = checked.outcome;
        if !under_way {
            self.weigh(verdict);
        } else if verdict.settled || left.is_zero() {
            self.accept(verdict);
        } else {
            self.note(verdict);
        }
        self.tell(before);
        (effect, self.checks_go_on(verify, wake))
    }

    /// When a check that waits goes on.
    fn checks_go_on(&self, verify: &Verify, wake: Wake) -> Wake {
        let Some(checked) = &self.next.verification else { return wake };
        match checked.failing_since {
            _ if checked.outcome.is_none() => wake.sooner(self.pause().min(self.time_left(verify).max(SOON))),
            Some(since) => wake.sooner(CONFIRM.saturating_sub(elapsed(since, self.now)).max(HOLD)),
            None => wake,
        }
    }

    /// What is known for a check, where one is `due` or a look was begun for one.
    fn knows(&self, due: bool) -> Knows {
        match (&self.seen.connection, &self.seen.fact) {
            (Connection::Ready { .. }, Fact::Examined(Some(found))) => Knows::Found(found.clone()),
            (Connection::Ready { .. }, Fact::Examined(None)) => Knows::UnderWay,
            (Connection::Ready { .. }, _) if due => Knows::Look,
            (Connection::NotReady { reason, message }, _) if due => {
                Knows::Found(Err(MilvusError::new(ErrorKind::Unreachable, format!("{}: {message}", reason.as_str()))))
            }
            (Connection::Ready { .. } | Connection::NotReady { .. } | Connection::Unknown, _) => Knows::Nothing,
        }
    }

    /// The checks of the run that has just brought new data begin.
    fn begin_checks(&mut self) {
        if self.want.verify.is_none() {
            self.next.verification = None;
            return;
        }
        let before = self.next.verification.take();
        let previous = before.and_then(|before| match before.outcome {
            Some(Found::Passed) => before.mapped.or(before.served),
            Some(Found::Inconclusive | Found::Error | Found::Failed) | None => before.previous,
        });
        self.next.verification = Some(Verification {
            run: self.run.number,
            generation: self.want.generation,
            since: self.now,
            outcome: None,
            reason: VerifyReason::Verifying,
            message: "The operator checks what Milvus serves.".to_owned(),
            time: None,
            failing_since: None,
            mapped: None,
            served: None,
            previous,
            checks: Vec::new(),
            stalls: false,
        });
    }

    fn against(&self) -> Against {
        let checked = self.next.verification.as_ref();
        // Of a run after the one whose result stands, the collection may be another one.
        let collection =
            self.run.collection_id.filter(|_| checked.is_some_and(|checked| checked.run == self.run.number));
        Against { previous: checked.and_then(|checked| checked.previous), collection }
    }

    /// How long the checks have been under way.
    fn waited(&self) -> Duration {
        let since = self.next.verification.as_ref().map_or(self.now, |checked| not_ahead(checked.since, self.now));
        elapsed(since, self.now)
    }

    fn time_left(&self, verify: &Verify) -> Duration {
        verify.timeout().saturating_sub(self.waited())
    }

    /// Longer the longer it has waited.
    fn pause(&self) -> Duration {
        (self.waited() / 6).clamp(SOON, LATER)
    }

    /// Whether this process has not looked for so long.
    fn looked_before(&self, pause: Duration) -> bool {
        self.seen.examined.is_none_or(|ago| ago >= pause)
    }

    fn recheck_is_due(&self, verify: &Verify, checked: &Verification) -> bool {
        let Some((last, _)) = check_times(verify, self.now) else { return false };
        let ago = self.seen.examined.and_then(|ago| SignedDuration::try_from(ago).ok());
        let looked = ago.and_then(|ago| self.now.checked_sub(ago).ok());
        let durable = not_ahead(checked.time.unwrap_or(checked.since), self.now);
        last > looked.map_or(durable, |looked| looked.max(durable))
    }

    /// The checks go on: says which do not hold yet.
    fn pend(&mut self, job: JobId, verdict: Verdict) {
        let limit = self.want.verify.as_ref().map_or(Duration::ZERO, Verify::timeout);
        let message = format!(
            "Job {job} completed; not yet right: {} ({}). Checked again every {} to {} s, for {} s at the most \
             (spec.verify.timeoutSeconds). More: status.verification.checks.",
            verdict.pending(),
            verdict.reason.as_str(),
            SOON.as_secs(),
            LATER.as_secs(),
            limit.as_secs()
        );
        self.note(verdict);
        self.sum_up(Reason::Verifying, message);
    }

    /// Shows what does not hold yet, once for each set of it: numbers that move are not worth a write.
    fn note(&mut self, verdict: Verdict) {
        let Some(checked) = &mut self.next.verification else { return };
        let (pending, reason) = (verdict.pending(), verdict.reason.as_str());
        let message = format!("Not yet right: {pending} ({reason}). More: status.verification.checks.");
        if checked.message == message {
            return;
        }
        checked.message = message;
        checked.mapped = verdict.mapped;
        checked.served = verdict.served;
        checked.checks = verdict.checks;
    }

    /// A check at rest counts at once if it finds what stands, or something better; something worse only once it is confirmed.
    fn weigh(&mut self, verdict: Verdict) {
        let now = self.now;
        let Some(checked) = &mut self.next.verification else { return };
        let stands = checked.outcome.unwrap_or(Found::Passed);
        // That nothing can be found out at the moment does not lift what was found.
        if verdict.outcome == Found::Error && stands == Found::Failed {
            checked.generation = self.want.generation;
            return;
        }
        if verdict.outcome > stands && checked.failing_since.is_none() {
            checked.failing_since = Some(now);
            return;
        }
        self.accept(verdict);
    }

    /// This is what the checks have come to.
    fn accept(&mut self, verdict: Verdict) {
        let message = if verdict.outcome == Found::Passed { all_served(&verdict) } else { verdict.message };
        let (now, generation) = (self.now, self.want.generation);
        let Some(checked) = &mut self.next.verification else { return };
        let before = checked.clone();
        *checked = Verification {
            generation,
            outcome: Some(verdict.outcome),
            reason: verdict.reason,
            message: bounded(&message),
            failing_since: None,
            mapped: verdict.mapped,
            served: verdict.served,
            checks: verdict.checks,
            ..before.clone()
        };
        let same =
            Verification { generation: before.generation, failing_since: before.failing_since, ..checked.clone() };
        if same != before {
            checked.time = Some(now);
        }
    }

    /// What checks at rest came to is an Event if it is bad, or good again.
    fn tell(&mut self, before: Option<Found>) {
        let Some(Verification { outcome: Some(outcome), reason, message, .. }) = self.next.verification.clone() else {
            return;
        };
        match outcome {
            _ if before == Some(outcome) => {}
            Found::Failed | Found::Error => self.warn(reason.as_str(), message),
            Found::Passed if before.is_some_and(|before| before != Found::Passed) => self.inform("Verified", message),
            Found::Passed | Found::Inconclusive => {}
        }
    }
}

fn all_served(verdict: &Verdict) -> String {
    match verdict.served.or(verdict.mapped) {
        Some(rows) => format!("All checks passed: Milvus serves {rows} rows."),
        None => "All checks passed.".to_owned(),
    }
}

/// The last time up to `now` at which the object is checked again, and the next one.
fn check_times(verify: &Verify, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    grid::around(verify.place, verify.recheck()?, now)
}

/// When an object that rests is checked again.
pub(in crate::refresh) fn next_recheck(want: &Desired, record: &Recorded, now: Timestamp) -> Option<Timestamp> {
    let verify = want.verify.as_ref().filter(|_| !want.terminating && record.is_at_rest())?;
    record.verification.as_ref()?.outcome?;
    check_times(verify, now).map(|(_, next)| next)
}

/// Whether nothing is to be checked of an object that rests before its next time.
pub(in crate::refresh) fn rests(want: &Desired, record: &Recorded) -> bool {
    match (&want.verify, &record.verification) {
        (None, None) => true,
        (Some(_), None) => record.job.state != Some(JobState::Completed),
        (Some(verify), Some(checked)) => {
            let settled = checked.outcome.is_some() && checked.failing_since.is_none();
            settled && checked.generation == want.generation && checked.stalls == stalls(Some(verify), record)
        }
        (None, Some(_)) => false,
    }
}

/// Whether an object whose last run has completed is not ready because of what the checks found.
pub(in crate::refresh) fn stalls(verify: Option<&Verify>, record: &Recorded) -> bool {
    let failed = record.verification.as_ref().is_some_and(|checked| checked.outcome == Some(Found::Failed));
    failed && verify.is_some_and(Verify::is_required) && record.job.state == Some(JobState::Completed)
}
