//! Why a refresh does or does not run now, and what would make it run: decided by the operator's own core.

mod line_up;
mod observed;
mod rests;
mod runs;

use jiff::Timestamp;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection},
    object::Key,
    refresh::{Decision, Desired, Effect, FailureClass, Reason, Recorded, Summary, Wake, decide, due_in_words},
};

use crate::{cluster::Operator, named::named, screen::ahead};

/// All that is known.
pub struct Known<'a> {
    /// The refresh.
    pub object: &'a ExternalCollectionRefresh,
    /// Its connection: none if it does not exist, or why it cannot be had.
    pub connection: Result<Option<&'a MilvusConnection>, &'a str>,
    /// The refreshes that it may have to wait for.
    pub others: &'a [ExternalCollectionRefresh],
    /// Whether an operator is at work.
    pub operator: &'a Operator,
    /// The time.
    pub now: Timestamp,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it runs or does not.
    pub why: String,
    /// What else matters for that, and what would make it run.
    pub then: Vec<String>,
    /// The class of the failure that it is about.
    pub failure: Option<FailureClass>,
}

/// As many steps as the operator makes in one pass.
const MOST_STEPS: usize = 12;

/// Why it runs or does not.
pub fn why(known: &Known<'_>) -> Verdict {
    let want = Desired::of(known.object);
    let record = Recorded::of(known.object.status.as_ref());
    let decision = decided(known, &want, record.clone());
    let case = Case { known, want: &want, record: &record, decision: &decision };
    let mut verdict = case.verdict();
    verdict.then.splice(0..0, case.about_the_operator());
    verdict
}

/// What the operator would come to if it looked now and Milvus did not answer yet.
fn decided(known: &Known<'_>, want: &Desired, mut record: Recorded) -> Decision {
    let others = line_up::others(known);
    let mut steps = 0;
    loop {
        let seen = observed::observation(known, &others, want, &record);
        let decision = decide(known.now, want, &record, &seen);
        steps += 1;
        let goes_on = decision.effect == Effect::None && decision.wake == Wake::After(std::time::Duration::ZERO);
        if !goes_on || steps == MOST_STEPS {
            return decision;
        }
        record = decision.next;
    }
}

/// One refresh and what was decided about it.
struct Case<'a> {
    known: &'a Known<'a>,
    want: &'a Desired,
    /// What is written.
    record: &'a Recorded,
    decision: &'a Decision,
}

impl Case<'_> {
    fn name(&self) -> &str {
        self.known.object.metadata.name.as_deref().unwrap_or_default()
    }

    fn key(&self) -> Key {
        Key::of(self.known.object)
    }

    /// What was decided to record.
    fn next(&self) -> &Recorded {
        &self.decision.next
    }

    fn verdict(&self) -> Verdict {
        match self.decision.effect {
            Effect::Poll(job) => self.runs(job),
            Effect::Examine => self.is_checked(),
            Effect::Delete => Verdict {
                why: format!("{} is about to be deleted: spec.ttlSecondsAfterFinished has passed.", self.name()),
                then: Vec::new(),
                failure: None,
            },
            Effect::None if self.next().is_at_rest() => self.rests(),
            Effect::None if self.is_merely_due() && !self.nobody_works() => self.starts(),
            Effect::Find | Effect::Submit if self.next().claim().is_none() && !self.says_why_it_waits() => {
                self.starts()
            }
            Effect::Find | Effect::Submit | Effect::None => self.waits(),
        }
    }

    /// Whether the run waits for nothing in particular.
    fn is_merely_due(&self) -> bool {
        self.next().summary.as_ref().is_none_or(|summary| summary.message == due_in_words(&self.want.collection))
    }

    /// Whether what the run waits for stands in its status: only the operator knows what Milvus, Secrets and sources say, and not
    /// everybody may see the refreshes that go first.
    fn says_why_it_waits(&self) -> bool {
        let waits = [
            Reason::Queued,
            Reason::ConcurrencyLimit,
            Reason::WaitingForActiveJob,
            Reason::SecretNotFound,
            Reason::SourceNotResolved,
            Reason::ConnectionNotReady,
        ];
        !self.is_merely_due() && self.reason().is_some_and(|reason| waits.contains(&reason))
    }

    fn reason(&self) -> Option<Reason> {
        self.next().summary.as_ref().map(|summary| summary.reason)
    }

    /// The sentence of the status, where it says the same as what was decided: the operator sees more than anybody else.
    fn message(&self) -> &str {
        let (written, decided) = (self.record.summary.as_ref(), self.next().summary.as_ref());
        let is_same = |written: &&Summary| decided.is_some_and(|decided| decided.reason == written.reason);
        let says_more =
            written.filter(is_same).filter(|written| written.message != due_in_words(&self.want.collection));
        says_more.or(decided).map(|summary| summary.message.as_str()).unwrap_or_default()
    }

    fn nobody_works(&self) -> bool {
        matches!(self.known.operator, Operator::Silent(_))
    }

    /// Whether somebody works on it, where that explains why nothing happens.
    fn about_the_operator(&self) -> Vec<String> {
        match self.known.operator {
            Operator::Silent(why) => vec![why.clone()],
            Operator::Works(_) => Vec::new(),
            Operator::Unknown(_) if self.is_up_to_date() => Vec::new(),
            Operator::Unknown(why) => vec![why.clone()],
        }
    }

    /// Whether the status already says what was decided.
    fn is_up_to_date(&self) -> bool {
        let reason = |record: &Recorded| record.summary.as_ref().map(|summary| summary.reason);
        self.record.observed_generation == self.next().observed_generation && reason(self.record) == reason(self.next())
    }

    /// Something else has to happen first, which the operator's own sentence says.
    fn waits(&self) -> Verdict {
        let name = self.name();
        let message = self.message();
        let (why, failure) = match self.reason() {
            Some(Reason::Submitting) => (format!("{name} starts now: {message}"), None),
            Some(Reason::Retrying(class)) => {
                (format!("{name} waits to retry ({}): {message}", class.as_str()), Some(class))
            }
            Some(Reason::Suspended) => (format!("{name} does not run: {message}"), self.next().failure),
            Some(reason) => (format!("{name} waits ({}): {message}", reason.as_str()), None),
            None => (format!("{name} waits: the operator has not seen it yet."), None),
        };
        let retry =
            self.next().run.as_ref().and_then(|run| run.next_attempt_time).filter(|time| *time > self.known.now);
        let retry = retry.map(|time| format!("The retry starts {}.", ahead(time, self.known.now)));
        let connection = self.about_the_connection().filter(|_| self.reason() == Some(Reason::ConnectionNotReady));
        let resume = (self.reason() == Some(Reason::Suspended)).then(|| self.resume());
        let retry = retry.filter(|_| resume.is_none());
        Verdict { why, then: retry.into_iter().chain(connection).chain(resume).collect(), failure }
    }

    fn resume(&self) -> String {
        format!("To continue: kubectl ecrefresh resume {}", named(&self.key()))
    }

    /// Where there is more about a connection that is not ready; none about one that may not exist.
    fn about_the_connection(&self) -> Option<String> {
        self.known.connection.ok().flatten()?;
        let connection = named(&self.known.object.connection());
        Some(format!("More about the connection: kubectl describe milvusconn {connection}"))
    }
}

#[cfg(test)]
mod tests;
