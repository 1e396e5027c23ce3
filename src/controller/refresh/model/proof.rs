//! Which claims are proven over by what the world itself knows of their starts: what every status must count, and until
//! when a job of somebody else may be taken for ours.

use std::collections::HashMap;

use super::{
    breach::Breach,
    milvus::{Milvus, Sender},
};
use crate::{
    api::ActiveJobPolicy,
    milvus::{self, JobId, Refusal},
    refresh::{FailureClass, Reason, Recorded, Run},
};

/// The run of an object: its uid and its number.
type RunKey = (String, i64);

#[derive(Default)]
pub struct Ledger {
    answers: Vec<(Sender, milvus::Result<JobId>)>,
    proven: HashMap<RunKey, i64>,
}

impl Ledger {
    /// A start was sent for a claim, and this was said to it.
    pub fn answered(&mut self, sender: Sender, answer: milvus::Result<JobId>) {
        self.answers.push((sender, answer));
    }

    /// A status of the object `uid`, written `by` this process, took the place of another.
    pub fn written(
        &mut self,
        uid: &str,
        by: &str,
        policy: ActiveJobPolicy,
        milvus: &Milvus,
        before: &Recorded,
        after: &Recorded,
    ) -> Result<(), Breach> {
        let Some(run) = &after.run else { return Ok(()) };
        let key = (uid.to_owned(), run.number);
        let known = self.proven.get(&key).copied().unwrap_or_default();
        let was = before.run.as_ref().filter(|was| was.number == run.number);
        let foreign = |id: JobId| !milvus.of_run(uid, run.number).any(|job| job.id == id);
        let found = after.job.id.filter(|id| before.job.id != Some(*id) && run.adopted);
        if let Some(id) = found.filter(|id| policy == ActiveJobPolicy::Wait && foreign(*id))
            && known >= was.map_or(0, |was| was.attempt)
        {
            return Err(format!("job {id} of somebody else is reported as that of {key:?}, of which nothing was open"));
        }
        if let Some(was) = was.filter(|was| was.operator.as_deref() == Some(by) && was.claim().is_some())
            && run.unproven_submits > was.unproven_submits
            && self.answer_to(uid, was).is_none()
        {
            return Err(format!("{by} has looked for the job of a start that it knows was never sent: {was:?}"));
        }
        let proven = known + i64::from(was.is_some_and(|was| self.is_proof(uid, was, before, after)));
        self.proven.insert(key.clone(), proven);
        // A run that was taken back shows the one before it, without its claims.
        if run.attempt > 0 && run.proven_claims != proven {
            return Err(format!(
                "{key:?} counts {} claims as proven over, not {proven}: {before:?}",
                run.proven_claims
            ));
        }
        Ok(())
    }

    /// Whether this write clears a claim, or ends its job, on what proves that nothing of it is left.
    fn is_proof(&self, uid: &str, was: &Run, before: &Recorded, after: &Recorded) -> bool {
        if before.claim().is_none() || was.adopted || after.claim().is_some() {
            return false;
        }
        let answer = self.answer_to(uid, was);
        let says = |reason| after.summary.as_ref().is_some_and(|summary| summary.reason == reason);
        match (before.job.id, answer) {
            (Some(job), Some(Ok(named))) => {
                let unseen = [FailureClass::JobLost, FailureClass::DeadlineExceeded];
                job == *named && after.failure.is_none_or(|class| !unseen.contains(&class))
            }
            (None, Some(Err(error))) => match error.refusal() {
                Some(Refusal::Proven) => says(Reason::ConnectionNotReady),
                Some(Refusal::Later) => was.refusal.is_some() && says(Reason::ConnectionNotReady),
                None => false,
            },
            // It was never sent, and its own process says so; another process finds nothing and counts that.
            (None, None) => {
                let counted = after.run.as_ref().is_some_and(|run| run.unproven_submits > was.unproven_submits);
                says(Reason::Submitting) && !counted
            }
            (Some(_), Some(Err(_)) | None) | (None, Some(Ok(_))) => false,
        }
    }

    /// What was said to the start of the claim that stands; `None` if it was never sent.
    fn answer_to(&self, uid: &str, run: &Run) -> Option<&milvus::Result<JobId>> {
        let sender = Sender { uid: uid.to_owned(), claim: run.claim()? };
        self.answers.iter().find(|(of, _)| *of == sender).map(|(_, answer)| answer)
    }
}
