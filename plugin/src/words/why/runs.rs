//! What is said of a run that is due or under way.

use milvus_refresh_operator::{milvus::JobId, refresh::Cause};

use super::{Case, Verdict, line_up::due_since};
use crate::{
    screen::age,
    words::eta::{Eta, eta},
};

/// A run that is due starts within moments; one that is older waits for something that is not written yet.
const MOMENTS: i64 = 30;

impl Case<'_> {
    /// Its job is running.
    pub fn runs(&self, job: JobId) -> Verdict {
        let status = self.known.object.status.as_ref();
        let left = match status.and_then(|status| eta(status, self.known.now)) {
            Some(Eta::Left { seconds, .. }) => format!(", about {} left", crate::screen::duration(seconds)),
            Some(Eta::Late { usual, .. }) => {
                format!(", longer already than the {} that runs usually take", crate::screen::duration(usual))
            }
            None => String::new(),
        };
        let why = format!(
            "{} runs: job {job} of run {} is at {}%{left}.",
            self.name(),
            self.run_in_words(),
            self.next().job.progress
        );
        Verdict { why, then: self.what_follows(), failure: None }
    }

    /// Its job is done, and the checks are not.
    pub fn is_checked(&self) -> Verdict {
        let checked = self.next().verification.as_ref();
        let says = checked.map(|checked| checked.message.as_str()).filter(|says| !says.is_empty());
        let why = format!(
            "{} runs: Milvus has completed the job of run {}, and the operator checks what the collection serves (spec.verify){}",
            self.name(),
            self.run_in_words(),
            says.map_or(".".to_owned(), |says| format!(": {says}"))
        );
        Verdict { why, then: self.what_follows(), failure: None }
    }

    /// Nothing that is known keeps it from starting.
    pub fn starts(&self) -> Verdict {
        let since = due_since(self.next(), self.known.now);
        let cause = self.next().run.as_ref().and_then(|run| run.cause).map(Cause::asked_by);
        let cause = cause.map(|cause| format!(" for {cause}")).unwrap_or_default();
        let why = format!("{} starts now: a run is due{cause}, and nothing known keeps it from starting.", self.name());
        let late = self.known.now.duration_since(since).as_secs() > MOMENTS;
        let late = late.then(|| {
            let since = age(since, self.known.now);
            let place = self.known.object.metadata.namespace.as_deref();
            let place = place.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
            format!(
                "It has been due for {since}; a start takes moments. What keeps the operator: kubectl ecrefresh doctor{place}"
            )
        });
        Verdict { why, then: late.into_iter().collect(), failure: None }
    }

    /// What is asked for beyond the run that is under way.
    fn what_follows(&self) -> Vec<String> {
        let (want, next) = (self.want, self.next());
        let more = next.run.as_ref().is_some_and(|run| want.asks_for_more_than(run, &next.handled));
        let more = more.then(|| "One more run starts afterwards: something new was asked for meanwhile.".to_owned());
        let held = want.suspend.then(|| "spec.suspend holds the next start; Milvus cannot cancel this one.".to_owned());
        more.into_iter().chain(held).collect()
    }

    /// `3 (Schedule)`.
    pub fn run_in_words(&self) -> String {
        let Some(run) = &self.next().run else { return "1".to_owned() };
        match run.cause {
            Some(cause) => format!("{} ({})", run.number, cause.as_str()),
            None => run.number.to_string(),
        }
    }
}
