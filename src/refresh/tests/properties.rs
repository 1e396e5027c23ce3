//! What holds for every decision, whatever is recorded and seen. A failure prints the smallest case and a seed that
//! repeats it.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    scene::{is_written, written},
    strategy::{desired, now, observation, status},
};
use crate::{
    api::{COMPLETE, FAILED, READY, RECONCILING, RefreshStatus, STALLED, SUSPENDED},
    milvus::{Answer, JobState, Refusal},
    refresh::{
        Connection, Decision, Desired, Effect, Fact, Observation, Permission, Reason, Recorded, Run, Slot, Submission,
        Turn, Wake, decide,
        limits::{
            ENDED_JOBS_KEPT, GRACE, HISTORY_KEPT, LONGEST_SLEEP, LONGEST_WAIT, MESSAGE_BYTES, PAST_MESSAGE_BYTES,
            TRIGGERS_KEPT,
        },
        rests, schedule,
    },
};

/// One decision with all that went into it.
#[derive(Debug)]
struct Case {
    now: Timestamp,
    want: Desired,
    status: RefreshStatus,
    record: Recorded,
    seen: Observation,
    decision: Decision,
}

impl Case {
    /// Whether the recorded run is over, or none was ever asked for, and no other may start.
    fn is_over(&self) -> bool {
        self.record
            .last()
            .is_some_and(|run| self.want.holds_starts() || !self.want.asks_for_more_than(&run, &self.record.handled))
    }

    /// Whether there is nothing to do for the schedule.
    fn clock_rests(&self) -> bool {
        let Case { want, record, .. } = self;
        let known = want.schedule.is_none() || record.observed_generation == Some(want.generation);
        known && schedule::rests(want.schedule.as_ref(), record.schedule.as_ref(), want.holds_starts(), self.now)
    }

    /// Whether the decision is about the run that is recorded.
    fn same_run(&self) -> bool {
        let number = |record: &Recorded| record.run.as_ref().map(|run| run.number);
        number(&self.record) == number(&self.decision.next)
    }

    /// What is read back of the decision.
    fn written(&self) -> RefreshStatus {
        written(&self.decision.next, &self.status.conditions, self.now)
    }
}

fn case() -> impl Strategy<Value = Case> {
    (now(), desired(), status(), observation()).prop_map(|(now, want, status, seen)| {
        let record = Recorded::of(Some(&status));
        let decision = decide(now, &want, &record, &seen);
        Case { now, want, status, record, seen, decision }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn equal_inputs_give_equal_decisions(case in case()) {
        prop_assert_eq!(decide(case.now, &case.want, &case.record, &case.seen), case.decision);
    }

    #[test]
    fn an_ended_run_stays_as_it_is_until_another_is_due(case in case()) {
        let looks = case.want.verify.is_some() || case.want.watch.is_some();
        if case.is_over() && case.clock_rests() && !looks {
            // An edit is seen, and the token that the spec has is then the last of those that were handled.
            let but_for_the_edit = |record: &Recorded| {
                let mut record = Recorded { observed_generation: None, suspended: None, ..record.clone() };
                record.summary.take_if(|_| record.run.is_none());
                record.invalid_schedule = None;
                record.verification = None;
                record.watch = None;
                record.handled.pending = None;
                record.handled.triggers.sort();
                record.handled.last_trigger = None;
                record
            };
            prop_assert_eq!(but_for_the_edit(&case.decision.next), but_for_the_edit(&case.record));
            prop_assert_eq!((case.decision.effect, case.decision.wake), (Effect::None, Wake::OnChange));
            let told = ["TriggerAlreadyHandled", "Suspended"];
            prop_assert!(case.decision.notices.iter().all(|notice| told.contains(&notice.reason)));
        }
    }

    #[test]
    fn a_pass_over_what_rests_changes_nothing(case in case()) {
        // What is new at the source is another matter.
        if rests(&case.want, &case.record, case.now) && case.seen.scouted.last.is_none() {
            let Decision { next, effect, notices, wake, .. } = case.decision;
            prop_assert_eq!((next, effect, notices.len(), wake), (case.record, Effect::None, 0, Wake::OnChange));
        }
    }

    #[test]
    fn progress_never_falls_within_a_job(case in case()) {
        let (before, after) = (&case.record.job, &case.decision.next.job);
        if case.same_run() && before.id.is_some() && before.id == after.id {
            prop_assert!(after.progress >= before.progress);
        }
        prop_assert!(after.progress <= 100);
    }

    #[test]
    fn a_run_that_waits_for_nobody_wakes_by_itself(case in case()) {
        let reason = case.decision.next.summary.as_ref().map(|summary| summary.reason);
        match case.decision.wake {
            Wake::After(pause) if case.decision.next.run.iter().any(|run| run.next_attempt_time.is_some()) => {
                prop_assert!(pause <= LONGEST_WAIT);
            }
            Wake::After(pause) => {
                let looks = case.want.verify.is_some() || case.want.watch.is_some();
                let rests = case.is_over() && case.clock_rests() && !looks;
                prop_assert!(pause <= LONGEST_SLEEP && !rests);
            }
            Wake::OnChange => prop_assert!(
                case.decision.next.ended() || matches!(reason, Some(Reason::Suspended | Reason::Terminating | Reason::Idle))
            ),
        }
    }

    #[test]
    fn a_pass_that_comes_back_at_once_has_changed_something(case in case()) {
        if case.decision.effect == Effect::None && case.decision.wake == Wake::After(Duration::ZERO) {
            prop_assert_ne!(case.decision.next, case.record);
        }
    }

    #[test]
    fn a_start_goes_only_with_a_new_claim_made_from_a_fresh_look(case in case()) {
        if case.decision.effect == Effect::Submit {
            prop_assert!(case.record.claim().is_none(), "a standing claim is never overtaken");
            prop_assert!(matches!(case.seen.fact, Fact::Looked(Ok(_))));
            let ready = matches!(case.seen.connection, Connection::Ready { .. });
            prop_assert!(ready);
            prop_assert_eq!((case.seen.permission, case.seen.turn), (Permission::Granted, Turn::Mine));
            prop_assert_eq!(case.seen.slot, Slot::Mine);
            prop_assert!(!case.want.terminating);
            let claim = case.decision.next.claim().expect("a claim goes with a start");
            let before = case.record.run.as_ref().filter(|_| case.same_run()).map_or(0, |run| run.attempt);
            prop_assert_eq!(claim.attempt, before + 1);
            let run = case.decision.next.run.as_ref().unwrap();
            prop_assert!(run.job_id_watermark.is_some() && run.endpoint.is_some());
            prop_assert_eq!(run.operator.as_deref(), Some(case.seen.operator.as_str()));
            prop_assert!(case.decision.next.job.id.is_none());
        }
    }

    #[test]
    fn a_run_of_a_watched_table_starts_with_what_the_catalog_has_said(case in case()) {
        let table = case.want.watch.as_ref().is_some_and(|watch| watch.spec.iceberg.is_some());
        if case.decision.effect == Effect::Submit && table {
            let Fact::Looked(Ok(look)) = &case.seen.fact else { return Ok(()) };
            let said = case.want.brings(look.source.as_ref());
            prop_assert_eq!(said.map(|said| said.source), Some(case.decision.run().source.clone()));
        }
    }

    #[test]
    fn a_job_is_taken_only_with_permission(case in case()) {
        let (before, after) = (case.record.job.id, case.decision.next.job.id);
        let told = matches!(case.seen.fact, Fact::Submitted(Submission::Accepted(id)) if Some(id) == after);
        if case.same_run() && after.is_some() && after != before && !told {
            prop_assert_eq!(case.seen.permission, Permission::Granted);
            prop_assert!(!case.want.terminating);
            prop_assert!(case.record.claim().is_none() || case.seen.claim_known >= GRACE);
            let stands = case.decision.next.claim().is_some() || case.decision.next.is_verifying();
            prop_assert!(stands && case.decision.run().adopted);
        }
    }

    #[test]
    fn a_claim_is_given_up_only_on_proof_that_no_start_of_it_is_left(case in case()) {
        let (before, after) = (case.record.claim(), case.decision.next.claim());
        if case.same_run() && before.is_some() && after != before && !case.decision.next.ended() {
            prop_assert_eq!(after, None);
            let proven = match &case.seen.fact {
                Fact::Submitted(Submission::Withheld) => true,
                Fact::Submitted(Submission::Failed(error)) => error.refusal() == Some(Refusal::Proven),
                Fact::Looked(Ok(_)) => case.seen.claim_known >= GRACE,
                Fact::Sighted(Some(Answer::Job(job))) => {
                    job.state == JobState::Failed || case.decision.next.is_verifying() && job.state == JobState::Completed
                }
                Fact::Looked(Err(_)) | Fact::Submitted(Submission::Accepted(_)) => false,
                Fact::Nothing | Fact::Sighted(_) | Fact::Examined(_) => false,
            };
            prop_assert!(proven);
        }
    }

    #[test]
    fn a_claim_is_proven_over_at_most_once_and_only_by_what_proves_it(case in case()) {
        let count = |record: &Recorded| record.run.as_ref().map_or(0, |run| run.proven_claims);
        let next = &case.decision.next;
        prop_assert!(next.run.iter().all(|run| (0..=run.attempt).contains(&run.proven_claims)));
        if !case.same_run() || count(next) == count(&case.record) {
            return Ok(());
        }
        prop_assert_eq!(count(next), count(&case.record) + 1);
        prop_assert!(next.claim().is_none(), "the claim is cleared, or its job ended");
        let run = case.record.run.as_ref().unwrap();
        let proof = match &case.seen.fact {
            Fact::Submitted(Submission::Withheld) => true,
            Fact::Submitted(Submission::Failed(error)) => error.refusal() == Some(Refusal::Proven),
            Fact::Looked(Ok(_)) => run.refusal.is_some() && case.seen.claim_known >= GRACE,
            Fact::Sighted(Some(Answer::Job(job))) => job.state.is_terminal() && !run.adopted,
            Fact::Looked(Err(_)) | Fact::Submitted(Submission::Accepted(_)) => false,
            Fact::Nothing | Fact::Sighted(_) | Fact::Examined(_) => false,
        };
        prop_assert!(proof);
    }

    #[test]
    fn the_watermarks_stay_while_a_claim_is_open(case in case()) {
        let Some(before) = case.record.run.as_ref().filter(|run| case.same_run() && run.has_open_claims()) else {
            return Ok(());
        };
        let after = case.decision.run();
        let marks = |run: &Run| (run.job_id_watermark, run.start_time_watermark, run.collection_id);
        prop_assert_eq!(marks(before), marks(after));
    }

    #[test]
    fn a_run_completes_only_when_milvus_says_so_of_its_own_job(case in case()) {
        if case.same_run() && !case.record.ended() && case.decision.next.job.state == Some(JobState::Completed) {
            let own = match &case.seen.fact {
                Fact::Sighted(Some(Answer::Job(job))) => job.state == JobState::Completed && Some(job.id) == case.record.job.id,
                Fact::Sighted(_) | Fact::Nothing | Fact::Looked(_) | Fact::Submitted(_) | Fact::Examined(_) => false,
            };
            prop_assert!(own || case.record.is_verifying());
        }
    }

    #[test]
    fn what_is_read_back_is_what_was_decided(case in case()) {
        if !is_written(case.decision.effect) {
            return Ok(());
        }
        let read = Recorded::of(Some(&case.written()));
        if case.decision.next.summary.is_some() {
            prop_assert_eq!(&read, &case.decision.next);
        }
        let again = written(&read, &case.written().conditions, case.now);
        prop_assert_eq!(again, case.written(), "writing again changes nothing");
    }

    #[test]
    fn conditions_and_job_agree(case in case()) {
        let Some(summary) = &case.decision.next.summary else { return Ok(()) };
        let status = case.written();
        let is = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str());
        let completed = status.state.as_deref() == Some("RefreshCompleted") && case.decision.next.run.is_some();
        let failed = status.state.as_deref() == Some("RefreshFailed") && case.decision.next.run.is_some();
        let idle = summary.reason == Reason::Idle;
        let stalls = case.decision.next.verification.as_ref().is_some_and(|checked| checked.stalls);
        prop_assert!(!stalls || completed);
        prop_assert_eq!(is(READY) == Some("True"), completed && !stalls || idle);
        prop_assert_eq!(is(COMPLETE) == Some("True"), completed);
        prop_assert_eq!(is(FAILED) == Some("True"), failed);
        prop_assert_eq!(is(STALLED) == Some("True"), failed || stalls || case.decision.next.invalid_schedule.is_some());
        let suspended = matches!(summary.reason, Reason::Suspended | Reason::Terminating);
        prop_assert_eq!(is(RECONCILING) == Some("True"), !completed && !failed && !suspended && !idle);
        prop_assert_eq!(is(SUSPENDED) == Some("True"), case.decision.next.suspended.is_some());
        prop_assert_eq!(matches!(summary.reason, Reason::Failed(_)), failed);
        let retries = case.decision.next.run.iter().any(|run| run.next_attempt_time.is_some());
        prop_assert!(status.failure.is_none() || failed || retries);
    }

    #[test]
    fn every_written_decision_says_what_goes_on(case in case()) {
        if case.seen.connection != Connection::Unknown && !case.is_over() {
            prop_assert!(!is_written(case.decision.effect) || case.decision.next.summary.is_some());
        }
    }

    #[test]
    fn everything_stays_within_its_bounds(case in case()) {
        let next = &case.decision.next;
        prop_assert!(next.job.reason.len() <= MESSAGE_BYTES);
        prop_assert!(next.summary.iter().all(|summary| summary.message.len() <= MESSAGE_BYTES));
        prop_assert!(case.decision.notices.iter().all(|notice| notice.message.len() <= MESSAGE_BYTES));
        prop_assert!(next.run.iter().all(|run| run.ended_job_ids.len() <= ENDED_JOBS_KEPT));
        prop_assert!(next.run.iter().all(|run| run.attempt >= 0));
        prop_assert!(next.history.len() <= HISTORY_KEPT && next.handled.triggers.len() <= TRIGGERS_KEPT);
        let fresh = next.watch.as_ref().and_then(|watch| watch.fresh.as_ref());
        prop_assert!(fresh.is_none_or(|fresh| fresh.message.len() <= MESSAGE_BYTES));
        prop_assert!(next.history.iter().all(|run| run.message.len() <= PAST_MESSAGE_BYTES));
    }
}
