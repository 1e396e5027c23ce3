//! What this process remembers of an object beyond its status. None of it is needed after a restart.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    api::RefreshStatus,
    milvus::scrub::Secrets,
    object::Key,
    refresh::{
        ClaimKey, Desired, Submission,
        limits::{GRACE, LOOK_FOR_SECRET},
    },
};

/// The memory of all objects, by uid: a re-created object starts with none.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<HashMap<String, Remembered>>,
}

/// What is remembered of one object.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The last status that this process wrote or read directly, until the watch has caught up with it.
    pub newest: Option<Newest>,
    /// The standing claim and when this process first saw it.
    claim: Option<(ClaimKey, Instant)>,
    /// The outcome of a start that is not recorded yet.
    outcome: Option<(ClaimKey, Submission)>,
    /// The last claim that this process wrote, or tried to write, while its start has not been handed to the transport.
    unsent: Option<ClaimKey>,
    /// When the last start was sent, until this process has written that its claim is over.
    sent: Option<Instant>,
    /// A claim whose write was not answered.
    unanswered: Option<Newest>,
    /// When a status was last written.
    pub written: Option<Instant>,
    /// When progress may be written, while that waits.
    pub progress_turn: Option<Instant>,
    /// The connection whose poller follows the object's job, and the object.
    pub followed: Option<(Key, Key)>,
    /// What of the run's spec nobody may read.
    pub spec_secrets: SpecSecrets,
    /// What has been told of the run of this number that it waits for.
    told: (i64, Vec<&'static str>),
    /// Passes in a row that ended with an error.
    pub errors: u32,
}

/// What of a run's spec nobody may read, for as long as the run lives.
#[derive(Debug, Default)]
pub struct SpecSecrets {
    known: Option<Arc<Secrets>>,
    /// When they were last looked for.
    looked: Option<Instant>,
}

impl SpecSecrets {
    /// These are they.
    pub fn know(&mut self, secrets: Arc<Secrets>) {
        self.known = Some(secrets);
    }

    /// What is known, and whether to look for it now.
    pub fn ask(&mut self, now: Instant) -> (Option<Arc<Secrets>>, bool) {
        let rests = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_FOR_SECRET);
        let look = self.known.is_none() && !rests;
        if look {
            self.looked = Some(now);
        }
        (self.known.clone(), look)
    }

    fn is_empty(&self) -> bool {
        self.known.is_none() && self.looked.is_none()
    }
}

/// An object at one version. Who decides on it writes on that version, so that what is wanted must be of the same.
#[derive(Clone, Debug)]
pub struct Newest {
    /// The version.
    pub resource_version: String,
    /// What is wanted of it.
    pub want: Arc<Desired>,
    /// The status.
    pub status: Option<Arc<RefreshStatus>>,
}

/// A version that the watch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// This process wrote it, or has something newer.
    Known,
    /// Of an object that this process is at work on.
    News,
    /// Of one of which nothing is remembered, as of all that rest: somebody else wrote it.
    Foreign,
}

impl Memory {
    /// Works on the memory of one object.
    pub fn with<T>(&self, uid: &str, work: impl FnOnce(&mut Remembered) -> T) -> T {
        work(self.objects.lock().entry(uid.to_owned()).or_default())
    }

    /// Whether something was sent to Milvus whose outcome is not recorded yet.
    pub fn has_outcome(&self, uid: &str) -> bool {
        self.objects.lock().get(uid).is_some_and(|remembered| remembered.outcome.is_some())
    }

    /// The watch has shown the object at this version: what is older is of no use any more.
    pub fn shown(&self, uid: &str, resource_version: &str) -> Version {
        let mut objects = self.objects.lock();
        let Some(remembered) = objects.get_mut(uid) else { return Version::Foreign };
        let newest = remembered.newest.as_ref().map(|newest| newest.resource_version.as_str());
        let own = newest == Some(resource_version);
        if newest.is_some_and(|newest| newer(newest, resource_version)) {
            return Version::Known;
        }
        remembered.newest = None;
        if remembered.is_empty() {
            objects.remove(uid);
        }
        if own { Version::Known } else { Version::News }
    }

    /// The cluster was restored from a backup: the statuses that were written last are not there any more, and nothing that
    /// the watch shows from now on would ever be newer.
    pub fn restored(&self) {
        let mut objects = self.objects.lock();
        objects.values_mut().for_each(|remembered| remembered.newest = None);
        objects.retain(|_, remembered| !remembered.is_empty());
    }

    /// The object is gone: gives what was remembered of it.
    pub fn forget(&self, uid: &str) -> Option<Remembered> {
        self.objects.lock().remove(uid)
    }

    /// The object's run is over: nothing is remembered but a status that the watch has not shown yet, a start that may
    /// still land, and how the next run's statuses fail to be written, its claim among them. Gives the poller's entry, if there was one.
    pub fn rest(&self, uid: &str) -> Option<(Key, Key)> {
        let mut objects = self.objects.lock();
        let Remembered { newest, unsent, sent, unanswered, errors, followed, .. } = objects.remove(uid)?;
        let rest = Remembered { newest, unsent, sent, unanswered, errors, ..Remembered::default() };
        if !rest.is_empty() {
            objects.insert(uid.to_owned(), rest);
        }
        followed
    }
}

impl Remembered {
    fn is_empty(&self) -> bool {
        self.newest.is_none()
            && self.claim.is_none()
            && self.outcome.is_none()
            && self.unsent.is_none()
            && self.sent.is_none()
            && self.unanswered.is_none()
            && self.written.is_none()
            && self.progress_turn.is_none()
            && self.followed.is_none()
            && self.spec_secrets.is_empty()
            && self.told.1.is_empty()
            && self.errors == 0
    }

    /// How long this process has known the standing claim; from now on if it is new to it.
    pub fn claim_known(&mut self, standing: Option<ClaimKey>, now: Instant) -> Duration {
        let Some(standing) = standing else {
            self.claim = None;
            return Duration::ZERO;
        };
        match self.claim {
            Some((known, since)) if known == standing => now.saturating_duration_since(since),
            Some(_) | None => {
                self.claim = Some((standing, now));
                Duration::ZERO
            }
        }
    }

    /// Whether it is the first time that `reason` is told of the run of this number. It counts as told then.
    pub fn tells_first(&mut self, run: i64, reason: &'static str) -> bool {
        if self.told.0 != run {
            self.told = (run, Vec::new());
        }
        let first = !self.told.1.contains(&reason);
        if first {
            self.told.1.push(reason);
        }
        first
    }

    /// This process is about to write this claim. Until it hands the start to the transport it knows that nothing was sent,
    /// whatever becomes of the write.
    pub fn claiming(&mut self, claim: ClaimKey) {
        self.unsent = Some(claim);
    }

    /// The start of the standing claim is handed to the transport.
    pub fn sending(&mut self, now: Instant) {
        self.unsent = None;
        self.sent = Some(now);
    }

    /// This process has written that another claim than the last one stands, or none: it knows what became of the start.
    pub fn claim_over(&mut self, standing: Option<ClaimKey>) {
        self.sent = None;
        self.unsent.take_if(|unsent| Some(*unsent) != standing);
    }

    /// Whether a start may still land although no claim stands: somebody else has taken the claim out of the status.
    pub fn may_land(&self, standing: Option<ClaimKey>, now: Instant) -> bool {
        standing.is_none() && self.sent.is_some_and(|sent| now.saturating_duration_since(sent) < GRACE)
    }

    /// Keeps the outcome of a start until it is recorded.
    pub fn keep_outcome(&mut self, claim: ClaimKey, outcome: Submission) {
        self.outcome = Some((claim, outcome));
    }

    /// The outcome of the standing claim's start, if it waits to be recorded: also that it was never sent. That of an older
    /// claim is dropped.
    pub fn outcome(&mut self, standing: Option<ClaimKey>) -> Option<Submission> {
        match &self.outcome {
            Some((claim, outcome)) if Some(*claim) == standing => Some(outcome.clone()),
            Some((claim, outcome)) => {
                tracing::warn!(
                    claim = %claim,
                    ?outcome,
                    "the outcome of a start is dropped: the run has a newer claim"
                );
                self.outcome = None;
                None
            }
            None => standing.filter(|standing| self.unsent == Some(*standing)).map(|_| Submission::Withheld),
        }
    }

    /// Keeps a claim whose write was not answered, with the version that it was decided on.
    pub fn keep_unanswered(&mut self, claim: Newest) {
        self.unanswered = Some(claim);
    }

    /// A claim to write again before anything else is decided.
    pub fn unanswered(&self) -> Option<Newest> {
        self.unanswered.clone()
    }

    /// The claim was taken or refused.
    pub fn answered(&mut self) {
        self.unanswered = None;
    }

    /// The outcome is recorded.
    pub fn outcome_recorded(&mut self) {
        self.outcome = None;
    }
}

/// Whether `a` is a later version than `b`. Kubernetes' versions are numbers that rise; what is not a number is taken
/// for later when it differs, which costs a conflict at the most.
pub(super) fn newer(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a > b,
        (Err(_), _) | (_, Err(_)) => a != b,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{api::ExternalCollectionRefresh, milvus::JobId};

    const FIRST: ClaimKey = ClaimKey { number: 1, attempt: 1, nonce: Some(1) };
    const SECOND: ClaimKey = ClaimKey { number: 1, attempt: 2, nonce: Some(2) };
    const NEXT_RUN: ClaimKey = ClaimKey { number: 2, attempt: 1, nonce: Some(3) };
    /// What a successor made of the same attempt.
    const SUCCESSORS: ClaimKey = ClaimKey { nonce: Some(4), ..FIRST };

    #[test]
    fn the_outcome_of_an_older_claim_is_dropped() {
        for standing in [Some(SECOND), Some(NEXT_RUN), Some(SUCCESSORS), None] {
            let mut remembered = Remembered::default();
            remembered.keep_outcome(FIRST, Submission::Accepted(JobId(7)));
            assert!(remembered.outcome(standing).is_none(), "{standing:?}");
            assert!(remembered.outcome(Some(FIRST)).is_none(), "dropped for good");
        }
    }

    #[test]
    fn after_a_restore_of_the_cluster_an_older_version_is_news() {
        let memory = Memory::default();
        memory.with("1", |remembered| {
            let spec = serde_json::from_str(r#"{"collectionName":"c"}"#).unwrap();
            let mut object = ExternalCollectionRefresh::new("r", spec);
            object.metadata.resource_version = Some("900".to_owned());
            remembered.newest = Some(Newest::of(&object));
            remembered.errors = 1;
        });
        assert_eq!(memory.shown("1", "12"), Version::Known, "a watch that is behind");
        memory.restored();
        assert_eq!(memory.shown("1", "12"), Version::News);
        assert_eq!(memory.with("1", |remembered| remembered.errors), 1, "all else is remembered");
    }

    #[test]
    fn the_outcome_of_the_standing_claim_is_kept_until_it_is_recorded() {
        let mut remembered = Remembered::default();
        remembered.keep_outcome(FIRST, Submission::Accepted(JobId(7)));
        for _ in 0..2 {
            assert!(matches!(remembered.outcome(Some(FIRST)), Some(Submission::Accepted(JobId(7)))));
        }
        remembered.outcome_recorded();
        assert!(remembered.outcome(Some(FIRST)).is_none());
    }

    #[test]
    fn a_claim_that_comes_to_light_later_was_not_sent_and_only_by_its_own_name() {
        let mut remembered = Remembered::default();
        remembered.claiming(FIRST);
        for standing in [None, Some(SECOND), Some(SUCCESSORS), Some(ClaimKey { nonce: None, ..FIRST })] {
            assert!(remembered.outcome(standing).is_none(), "{standing:?}");
        }
        assert!(matches!(remembered.outcome(Some(FIRST)), Some(Submission::Withheld)));
    }

    #[test]
    fn a_claim_whose_start_was_handed_over_is_not_said_to_be_unsent() {
        let mut remembered = Remembered::default();
        remembered.claiming(FIRST);
        remembered.sending(Instant::now());
        assert!(remembered.outcome(Some(FIRST)).is_none());
    }

    #[test]
    fn an_unsent_claim_is_forgotten_once_this_process_has_written_that_another_one_stands() {
        let mut remembered = Remembered::default();
        remembered.claiming(FIRST);
        remembered.claim_over(Some(FIRST));
        assert!(remembered.outcome(Some(FIRST)).is_some(), "its own write is no reason");
        remembered.claim_over(None);
        assert!(remembered.outcome(Some(FIRST)).is_none() && remembered.is_empty());
    }

    #[test]
    fn what_is_known_of_a_claim_whose_write_was_not_answered_outlives_the_end_of_the_run_before() {
        let memory = Memory::default();
        memory.with("a", |remembered| remembered.claiming(NEXT_RUN));
        memory.rest("a");
        assert!(memory.with("a", |remembered| remembered.outcome(Some(NEXT_RUN))).is_some());
    }
}
