//! A run of which nothing can come any more: its object is being deleted, or what became of its start cannot be found out.

use std::time::Duration;

use crate::{
    milvus::Job,
    refresh::{
        FailureClass, Reason,
        decide::{Effect, Outcome, Step, Wake},
        limits::GRACE,
        record::elapsed,
    },
};

/// What the conditions of an object say that is being deleted.
const TERMINATING: &str = "The refresh is being deleted, so the operator starts nothing for it. It stays until whoever set its \
                           finalizers removes them from metadata.finalizers.";

impl Step<'_> {
    /// The object is being deleted: its run is neither claimed nor given a job, and waits for nothing.
    pub(in crate::refresh) fn decline(&mut self) -> Outcome {
        if self.run.attempt == 0 {
            self.run.generation = self.want.generation;
        }
        self.next.observed_generation = Some(self.want.generation);
        if !self.summarised(Reason::Terminating) {
            self.inform(Reason::Terminating.as_str(), TERMINATING);
        }
        self.sum_up(Reason::Terminating, TERMINATING);
        (Effect::None, Wake::OnChange)
    }

    /// The object is being deleted and nothing of its start can arrive any more. What it may have started is not followed:
    /// to the next run of the collection it is a job like any other.
    pub(in crate::refresh) fn leave_behind(&mut self, found: &[&Job]) -> Outcome {
        let Some(job) = found.first() else {
            self.run.clear_claim();
            return self.decline();
        };
        let message = format!(
            "Job {} may come from this refresh, which is being deleted; the operator does not track the job.",
            job.id
        );
        self.fail(FailureClass::OutcomeUnknown, &message)
    }

    /// Waits on for what became of the start, unless the claim is older than `limit`: then nothing of it can be found or can
    /// run any more, and the collection is free. Either clock may say so: the wall clock can be set back, and the other one
    /// begins anew in every process.
    pub(in crate::refresh) fn unless_out_of_reach(
        &mut self,
        limit: Duration,
        why: &str,
        wait: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let known = self.seen.claim_known;
        let age = self.run.submit_time.map_or(known, |submit| elapsed(submit, self.now).max(known));
        if age < limit || known < GRACE || !self.may_start() {
            return wait(self);
        }
        let message = format!(
            "For {} minutes the operator could not find out whether Milvus accepted the start ({}). No job of it can be running \
             any more.",
            limit.as_secs() / 60,
            why.trim_end_matches('.')
        );
        self.fail(FailureClass::OutcomeUnknown, &message)
    }
}
