//! One tracked job: what was seen of it last, and when it is due again.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Answer, Sighting,
    schedule::{SHORTEST, SOON, backoff, single_interval},
};
use crate::{
    backoff::lengthened,
    milvus::{ErrorKind, Job, JobId, JobState, MilvusError, Result},
};

/// How long a failure without a reason is held back. Milvus shows it until the next tick of its checker, which comes every
/// 10 s and records the reason.
const UNEXPLAINED: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Tracked {
    pub job: JobId,
    /// Polled singly although others are listed: the List does not show it, or its failure is held back.
    pub alone: bool,
    /// A single poll is under way.
    pub asking: bool,
    pub due: Instant,
    pub since: Instant,
    /// Until then nobody cares for progress.
    pub hushed: Instant,
    /// How old the job was at `since`.
    age: Duration,
    seen: Sighting,
    failures: u32,
    /// Since when it shows a failure without a reason.
    unexplained: Option<Instant>,
}

impl Tracked {
    pub(super) fn new(job: JobId, age: Duration, now: Instant) -> Self {
        Self {
            job,
            alone: false,
            asking: false,
            due: now + SHORTEST,
            since: now,
            hushed: now,
            age,
            seen: Sighting::default(),
            failures: 0,
            unexplained: None,
        }
    }

    pub(super) fn sighting(&self) -> Sighting {
        self.seen.clone()
    }

    pub(super) fn is_active(&self) -> bool {
        !matches!(&self.seen.answer, Some(Answer::Job(job)) if job.state.is_terminal())
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.age.saturating_add(now.saturating_duration_since(self.since))
    }

    /// Takes the outcome of a single poll; whether a reader could care.
    pub(super) fn polled(&mut self, outcome: Result<Job>, now: Instant, random: f64) -> bool {
        self.due = now + lengthened(single_interval(self.age(now)), random);
        match outcome {
            Ok(job) => self.answered(Answer::Job(job), now),
            Err(error) if error.kind == ErrorKind::JobNotFound => self.answered(Answer::NotFound, now),
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.due = self.due.max(now + lengthened(backoff(self.failures), random));
                self.failing(error)
            }
        }
    }

    /// Takes what a List shows of the job; whether a reader could care.
    pub(super) fn listed(&mut self, job: Job, now: Instant, random: f64) -> bool {
        self.alone = false;
        self.polled(Ok(job), now, random)
    }

    /// A List that began after the tracking did not show the job: it alone does not prove that there is none.
    pub(super) fn missing(&mut self, now: Instant) {
        if !self.alone {
            self.alone = true;
            self.due = now;
        }
    }

    fn answered(&mut self, answer: Answer, now: Instant) -> bool {
        self.failures = 0;
        let recovered = self.seen.failing.take().is_some();
        self.unexplained = is_unexplained_failure(&answer).then(|| self.unexplained.unwrap_or(now));
        if let Some(since) = self.unexplained.filter(|since| now < *since + UNEXPLAINED) {
            self.alone = true;
            self.due = (now + SOON.max(now.saturating_duration_since(since))).min(since + UNEXPLAINED);
            return recovered;
        }
        let answer = Some(answer);
        let differs = self.seen.answer != answer;
        let was_active = self.seen.answer.is_some() && self.is_active();
        self.seen.answer = answer;
        let only_progress = was_active && matches!(self.seen.answer, Some(Answer::Job(_))) && self.is_active();
        differs && !(only_progress && now < self.hushed) || recovered
    }

    fn failing(&mut self, error: MilvusError) -> bool {
        let kind = error.kind;
        let before = self.seen.failing.replace(error);
        before.is_none_or(|before| before.kind != kind)
    }
}

fn is_unexplained_failure(answer: &Answer) -> bool {
    match answer {
        Answer::Job(job) => job.state == JobState::Failed && job.end_time.is_none() && job.reason.is_empty(),
        Answer::NotFound => false,
    }
}
