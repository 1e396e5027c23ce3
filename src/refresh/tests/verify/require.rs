//! A run that is over only when its checks have passed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    NEW, SECOND, Scene, checked, completed, condition, failed, found, not_loaded, not_served, run, says, served,
    verdict,
};
use crate::{
    api::{COMPLETE, FAILED, READY, RECONCILING, VERIFIED},
    milvus::{ErrorKind, JobState},
    refresh::{
        Connection, Desired, Effect, Fact, FailureClass, Outcome, Reason, VerifyReason, Wake, limits::LONGEST_SLEEP,
        tests::scene::down,
    },
};

fn require() -> Value {
    json!({ "policy": "Require", "timeoutSeconds": 60 })
}

#[test]
fn a_run_whose_job_milvus_completed_waits_for_its_checks() {
    let scene = completed(&require());
    let record = scene.record();
    assert_eq!((record.job.state, record.job.progress), (Some(JobState::InProgress), 100));
    assert!(record.is_verifying() && record.claim().is_none(), "nothing of it runs in Milvus any more");
    assert!(record.job.completion_time.is_none() && scene.run().job_completion_time.is_some());
    assert_eq!(says(&scene, READY), "Unknown Verifying");
    assert_eq!(says(&scene, RECONCILING), "True Verifying");
    assert_eq!(says(&scene, COMPLETE), "False Verifying");
    assert_eq!(says(&scene, VERIFIED), "Unknown Verifying");
    assert_eq!(record.last_success, None);
}

#[test]
fn it_looks_and_never_asks_for_the_job_again() {
    let scene = completed(&require());
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Examine);
    let waits = scene.see(Fact::Examined(None));
    assert_eq!((waits.effect, waits.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
}

#[test]
fn it_completes_when_all_is_served() {
    let mut scene = completed(&require());
    scene.pass(SECOND * 7);
    scene.play(found(served()));
    assert_eq!(says(&scene, READY), "True RefreshCompleted");
    assert_eq!(says(&scene, VERIFIED), "True Passed");
    assert_eq!(condition(&scene, VERIFIED).2, "All checks passed: Milvus serves 10 rows.");
    let record = scene.record();
    assert_eq!(record.job.completion_time, Some(checked(&scene).time.unwrap()), "the run ended with its checks");
    assert_eq!(record.last_success.unwrap().job.0, NEW);
    assert_eq!(scene.run().job_completion_time, None);
}

#[test]
fn what_takes_time_is_looked_at_again_ever_less_often() {
    let mut scene = completed(&json!({ "policy": "Require", "timeoutSeconds": 600 }));
    let mut pauses = Vec::new();
    while scene.record().is_verifying() {
        scene.examined = Some(Duration::ZERO);
        let Wake::After(pause) = scene.play(found(not_served())).wake else { break };
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::None, "not before the pause is over");
        scene.pass(pause);
        scene.examined = Some(pause);
        pauses.push(pause);
    }
    assert_eq!((pauses[0], pauses.iter().max()), (SECOND * 5, Some(&(SECOND * 30))));
    let growing = &pauses[..pauses.len() - 1];
    assert!(growing.is_sorted(), "{pauses:?}");
    let all: Duration = pauses.iter().sum();
    assert!(all >= SECOND * 597 && all <= SECOND * 601, "to its deadline: {pauses:?}");
}

#[test]
fn a_check_that_does_not_hold_at_the_deadline_ends_the_run() {
    let mut scene = completed(&require());
    scene.play(found(not_served()));
    assert_eq!(says(&scene, READY), "Unknown Verifying");
    assert!(condition(&scene, READY).2.contains("served, count (NotServed)"), "{}", condition(&scene, READY).2);
    scene.pass(SECOND * 60);
    scene.play(found(not_served()));
    assert_eq!(says(&scene, FAILED), "True VerificationFailed");
    assert_eq!(says(&scene, VERIFIED), "False NotServed");
    let record = scene.record();
    assert_eq!(record.failure, Some(FailureClass::VerificationFailed));
    assert_eq!((record.job.state, record.last_success), (Some(JobState::Failed), None));
    assert!(scene.run().next_attempt_time.is_none(), "another refresh would change nothing");
}

#[test]
fn a_check_that_waiting_cannot_mend_ends_the_run_at_once() {
    let mut scene = completed(&json!({ "policy": "Require", "rows": { "min": 1000 } }));
    scene.play(found(served()));
    assert_eq!(says(&scene, FAILED), "True VerificationFailed");
    assert_eq!(verdict(&scene), (Some(Outcome::Failed), VerifyReason::TooFewRows));
}

#[test]
fn a_collection_that_is_not_loaded_completes_unless_it_has_to_be() {
    let mut scene = completed(&require());
    scene.play(found(not_loaded()));
    assert_eq!(
        (says(&scene, READY), says(&scene, VERIFIED)),
        ("True RefreshCompleted".into(), "Unknown NotLoaded".into())
    );

    let mut scene = completed(&json!({ "policy": "Require", "timeoutSeconds": 60, "load": "Required" }));
    scene.play(found(not_loaded()));
    assert_eq!(says(&scene, READY), "Unknown Verifying");
    scene.pass(SECOND * 60);
    scene.play(found(not_loaded()));
    assert_eq!(says(&scene, FAILED), "True VerificationFailed");
}

#[test]
fn checks_that_could_not_be_made_by_the_deadline_fail_the_run_and_say_so() {
    let mut scene = completed(&require());
    scene.play(failed(ErrorKind::Unreachable));
    assert_eq!(says(&scene, READY), "Unknown Verifying");
    scene.pass(SECOND * 60);
    scene.play(failed(ErrorKind::Unreachable));
    assert_eq!(says(&scene, FAILED), "True VerificationFailed");
    assert_eq!(says(&scene, VERIFIED), "Unknown CheckFailed");
    assert!(condition(&scene, READY).2.contains("could not be checked"), "{}", condition(&scene, READY).2);
}

#[test]
fn a_connection_that_is_lost_is_waited_for_until_the_deadline() {
    let mut scene = completed(&require());
    scene.connection = down();
    scene.play(Fact::Nothing);
    assert_eq!(says(&scene, READY), "Unknown Verifying");
    scene.connection = Connection::Unknown;
    scene.play(Fact::Nothing);
    assert_eq!(says(&scene, READY), "Unknown Verifying", "a process that has just started knows no connection");
    scene.connection = down();
    scene.pass(SECOND * 60);
    scene.play(Fact::Nothing);
    assert_eq!(says(&scene, FAILED), "True VerificationFailed");
}

#[test]
fn a_look_that_never_ends_keeps_no_run_for_ever() {
    let mut scene = completed(&require());
    scene.pass(SECOND * 100);
    scene.play(Fact::Examined(None));
    assert!(scene.record().is_verifying(), "a look that began in time may come to its end");
    scene.pass(SECOND * 400);
    scene.play(Fact::Examined(None));
    assert_eq!(scene.record().failure, Some(FailureClass::VerificationFailed));
}

#[test]
fn no_other_deadline_ends_it() {
    let mut scene = completed(&json!({ "policy": "Require", "timeoutSeconds": 6000 }));
    scene.want.active_deadline = SECOND;
    scene.pass(SECOND * 5000);
    scene.play(found(not_served()));
    assert!(scene.record().is_verifying());
}

#[test]
fn a_demand_that_is_taken_back_completes_the_run() {
    for verify in [None, desired_verify(&json!({ "policy": "Report" }))] {
        let mut scene = completed(&require());
        scene.want = Desired { generation: 2, verify, ..scene.want };
        scene.play(Fact::Nothing);
        assert_eq!(says(&scene, READY), "True RefreshCompleted");
    }
}

fn desired_verify(verify: &Value) -> Option<crate::refresh::Verify> {
    super::desired(verify).verify
}

#[test]
fn a_trigger_that_comes_meanwhile_is_answered_by_one_more_run() {
    let mut scene = completed(&require());
    scene.want = Desired { generation: 2, trigger: Some("two".into()), ..scene.want };
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Examine, "the run goes on first");
    let ended = scene.play(found(served()));
    assert_eq!((ended.run().number, ended.reason()), (2, Reason::Queued));
    assert_eq!(ended.next.history[0].number, 1);
    run(&mut scene, NEW + 1);
    assert!(scene.record().is_verifying());
}

#[test]
fn a_suspension_does_not_hold_the_checks() {
    let mut scene = completed(&require());
    scene.want = Desired { generation: 2, suspend: true, ..scene.want };
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Examine);
    scene.play(found(served()));
    assert_eq!(says(&scene, READY), "True RefreshCompleted");
}

#[test]
fn a_process_that_takes_over_goes_on_where_the_last_one_stopped() {
    let mut scene = completed(&require());
    scene.pass(SECOND * 30);
    scene.restart();
    scene.play(found(not_served()));
    assert!(scene.record().is_verifying());
    scene.pass(SECOND * 30);
    scene.restart();
    scene.play(found(not_served()));
    assert_eq!(says(&scene, FAILED), "True VerificationFailed", "the deadline is that of the first");
}

#[test]
fn numbers_that_move_are_not_worth_a_write() {
    let mut scene =
        Scene { examined: Some(SECOND * 90), ..completed(&json!({ "policy": "Require", "timeoutSeconds": 900 })) };
    scene.play(found(not_served()));
    let before = scene.status.clone();
    for rows in 1..9 {
        scene.pass(SECOND * 30);
        let mut evidence = not_served();
        evidence.count = Some(Ok(rows));
        scene.play(found(evidence));
    }
    assert_eq!(scene.status, before);
}
