//! Which claim is which, and which claims are proven over (rule 3 of the start protocol).

use std::fmt;

use crate::{
    milvus::JobId,
    refresh::{Run, limits::ENDED_JOBS_KEPT},
};

/// Names one claim: no two claims share it, and the result of an older one is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// `run.number`
    pub number: i64,
    /// `run.attempt`
    pub attempt: i64,
    /// Tells claims apart that two processes made of the same attempt; `None` for a claim of a version that gave none.
    pub nonce: Option<u64>,
}

impl ClaimKey {
    /// The claim of this run and attempt that `text` names; without a nonce if it names another one or makes no sense.
    pub(in crate::refresh) fn parse(number: i64, attempt: i64, text: Option<&str>) -> Self {
        let random = text.and_then(|text| text.strip_prefix(&format!("{number}-{attempt}-")));
        let nonce = random.filter(|random| random.len() == 16).and_then(|random| u64::from_str_radix(random, 16).ok());
        Self { number, attempt, nonce }
    }

    /// The claim as the status names it, if it has a nonce.
    pub(in crate::refresh) fn id(self) -> Option<String> {
        self.nonce.map(|nonce| format!("{}-{}-{nonce:016x}", self.number, self.attempt))
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => f.write_str(&id),
            None => write!(f, "{}-{}", self.number, self.attempt),
        }
    }
}

impl Run {
    /// The last claim, whether it stands or not.
    pub(in crate::refresh) fn last_claim(&self) -> ClaimKey {
        ClaimKey { number: self.number, attempt: self.attempt, nonce: self.claim_nonce }
    }

    /// The claim that stands, if one does.
    pub fn claim(&self) -> Option<ClaimKey> {
        self.submit_time.map(|_| self.last_claim())
    }

    /// Whether a start of one of its claims may be in Milvus, or still arrive there, for all that is known. While none can,
    /// a job in Milvus' list is somebody else's; else it may be ours, to the end of the run.
    pub fn has_open_claims(&self) -> bool {
        self.proven_claims < self.attempt
    }

    /// The last claim is proven over; to be said in the very write that clears it or ends its job. Proof is that Milvus
    /// refused the start, that it was never sent, or that the job that the reply to it named was seen to end. No proof are an
    /// empty list, a duplicate answer (703), and the end of a job that was found in the list: our own may be another one. A
    /// claim without an id is never proven over, since its run may have had claims that nobody counted.
    pub(in crate::refresh) fn prove_claim(&mut self) {
        if self.claim_nonce.is_some() && self.has_open_claims() {
            self.proven_claims = self.proven_claims.saturating_add(1);
        }
    }

    /// No claim stands any more.
    pub(in crate::refresh) fn clear_claim(&mut self) {
        self.submit_time = None;
        self.refusal = None;
    }

    /// Remembers that `job` has ended or never came into being; the oldest are forgotten.
    pub(in crate::refresh) fn end_job(&mut self, job: JobId) {
        self.ended_job_ids.push(job);
        let excess = self.ended_job_ids.len().saturating_sub(ENDED_JOBS_KEPT);
        self.ended_job_ids.drain(..excess);
    }
}
