//! The status that is written: every row of the condition table, whole, in `golden/`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use super::scene::{NEW, OLD, Scene, accepted, at, down, job, looked, object, old, other_want, sighted};
use crate::{
    milvus::{ErrorKind, Job, JobState},
    refresh::{Desired, Effect, Fact, JobRecord, Recorded, Slot, Turn, differs_only_in_progress, project},
};

fn played(mut scene: Scene, fact: Fact) -> Scene {
    scene.play(fact);
    scene
}

fn disconnected(mut scene: Scene) -> Scene {
    scene.connection = down();
    scene.pass(Duration::from_secs(5));
    played(scene, Fact::Nothing)
}

/// Compares the written status with `golden/<name>.json`, which a person has checked against the condition table.
fn assert_golden(name: &str, scene: &Scene) {
    let path = format!("{}/src/refresh/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let actual = serde_json::to_value(&scene.status).unwrap();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&actual).unwrap())).unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(actual == golden, "{path} differs from what is written:\n{actual:#}");
}

/// An object that waits for its first run by this schedule.
fn idle(cron: &str) -> Scene {
    let spec = serde_json::json!({ "runOnCreation": false, "backoffLimit": 0, "schedule": { "cron": cron } });
    played(Scene { want: Desired::of(&object(spec)), ..Scene::new() }, Fact::Nothing)
}

#[test]
fn waiting_for_its_first_run() {
    assert_golden("idle", &idle("15 2 * * *"));
}

#[test]
fn waiting_for_its_first_run_while_suspended() {
    assert_golden("suspended-idle", &played(idle("15 2 * * *").suspended(), Fact::Nothing));
}

#[test]
fn waiting_for_its_first_run_by_an_invalid_schedule() {
    assert_golden("invalid-schedule", &idle("0 0 30 2 *"));
}

#[test]
fn waiting_for_a_job_of_somebody_else() {
    let active = looked(vec![job(NEW, JobState::InProgress), old()]);
    assert_golden("waiting-for-active-job", &played(Scene::new(), active));
}

#[test]
fn waiting_for_the_connection_before_a_run() {
    assert_golden("connection-not-ready", &disconnected(Scene::new()));
}

#[test]
fn waiting_for_the_connection_while_a_job_runs_keeps_its_fields() {
    assert_golden("connection-not-ready-while-running", &disconnected(Scene::running(40)));
}

#[test]
fn queued_behind_another_run_of_the_collection() {
    let scene = Scene { turn: Turn::Behind { position: Some(2) }, ..Scene::new() };
    assert_golden("queued", &played(scene, Fact::Nothing));
}

#[test]
fn submitting() {
    assert_golden("submitting", &Scene::claimed());
}

#[test]
fn running() {
    assert_golden("running", &Scene::running(40));
}

#[test]
fn the_outcome_of_a_start_is_unknown() {
    assert_golden("outcome-unknown", &Scene::unknown());
}

#[test]
fn completed() {
    assert_golden("completed", &Scene::completed());
}

#[test]
fn failed_for_good() {
    assert_golden("failed", &Scene::failed("no files found in external source"));
}

#[test]
fn due_again_after_a_failure() {
    let mut scene = Scene::failed("no files found in external source");
    scene.want = other_want();
    scene.pass(Duration::from_secs(5));
    assert_golden("due-again", &played(scene, looked(vec![job(NEW, JobState::Failed), old()])));
}

#[test]
fn waiting_to_retry() {
    assert_golden("retrying", &Scene::retrying(3));
}

#[test]
fn waiting_for_a_free_slot_of_the_connection() {
    let scene = Scene { slot: Slot::Waiting, ..Scene::new() };
    assert_golden("concurrency-limit", &played(scene, Fact::Nothing));
}

#[test]
fn suspended_before_its_first_run() {
    assert_golden("suspended-never-ran", &played(Scene::new().suspended(), Fact::Nothing));
}

#[test]
fn suspended_while_its_first_run_waits_in_the_queue() {
    let scene = Scene { turn: Turn::Behind { position: Some(2) }, ..Scene::new() };
    assert_golden("suspended-queued", &played(played(scene, Fact::Nothing).suspended(), Fact::Nothing));
}

#[test]
fn suspended_while_its_first_run_waits_to_retry() {
    assert_golden("suspended-retrying", &played(Scene::retrying(3).suspended(), Fact::Nothing));
}

#[test]
fn suspended_after_a_run_with_none_due() {
    assert_golden("suspended-none-due", &played(Scene::completed().suspended(), Fact::Nothing));
}

#[test]
fn suspended_after_a_run_with_one_due() {
    let mut scene = Scene::completed();
    scene.want = other_want();
    assert_golden("suspended-one-due", &played(scene.suspended(), Fact::Nothing));
}

#[test]
fn suspended_after_a_failure_with_one_due() {
    let mut scene = Scene::failed("no files found in external source");
    scene.want = other_want();
    assert_golden("suspended-failed-one-due", &played(scene.suspended(), Fact::Nothing));
}

/// A later run that waits in the queue, and nothing has been done for it.
fn queued_again() -> Scene {
    let mut scene = Scene { turn: Turn::Behind { position: Some(2) }, ..Scene::completed() };
    scene.want = other_want();
    scene.pass(Duration::from_secs(5));
    played(scene, Fact::Nothing)
}

#[test]
fn suspended_while_a_later_run_waits_in_the_queue_withdraws_it() {
    assert_eq!(queued_again().run().number, 2);
    assert_golden("suspended-withdrawn", &played(queued_again().suspended(), Fact::Nothing));
}

#[test]
fn suspended_while_a_later_run_waits_to_retry() {
    let mut scene = queued_again();
    scene.turn = Turn::Mine;
    scene.want.backoff_limit = 3;
    scene.play(looked(vec![job(NEW, JobState::Completed), old()]));
    scene.play(accepted(NEW + 1));
    scene.play(sighted(Job { reason: "task not found".into(), ..job(NEW + 1, JobState::Failed) }));
    assert_golden("suspended-later-retrying", &played(scene.suspended(), Fact::Nothing));
}

#[test]
fn suspended_while_a_job_runs() {
    let going_on = sighted(Job { progress: 40, ..job(NEW, JobState::InProgress) });
    assert_golden("suspended-running", &played(Scene::running(40).suspended(), going_on));
}

#[test]
fn suspended_while_the_outcome_of_a_start_is_unknown() {
    assert_golden("suspended-outcome-unknown", &played(Scene::unknown().suspended(), looked(vec![old()])));
}

#[test]
fn every_golden_status_is_compared() {
    let folder = format!("{}/src/refresh/tests/golden", env!("CARGO_MANIFEST_DIR"));
    let tests = include_str!("status.rs");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap().replace(".json", "");
        assert!(tests.contains(&format!("(\"{name}\"")), "no test compares golden/{name}.json");
    }
}

fn of_type(conditions: &[Condition], type_: &str) -> Condition {
    conditions.iter().find(|condition| condition.type_ == type_).unwrap().clone()
}

#[test]
fn a_transition_time_stays_while_the_status_of_its_condition_stays() {
    let mut scene = Scene::running(40);
    let before = scene.status.conditions.clone();
    scene.pass(Duration::from_secs(60));
    scene.connection = down();
    scene.play(Fact::Nothing);
    for condition in &scene.status.conditions {
        let stood = of_type(&before, &condition.type_);
        assert_eq!(condition.status, stood.status);
        assert_ne!(condition.reason, stood.reason);
        assert_eq!(condition.last_transition_time, stood.last_transition_time, "{}", condition.type_);
    }
}

#[test]
fn a_transition_time_moves_with_the_status_of_its_condition() {
    let mut scene = Scene::running(40);
    let before = scene.status.conditions.clone();
    scene.pass(Duration::from_secs(60));
    scene.play(sighted(job(NEW, JobState::Completed)));
    let whole_second = Timestamp::from_second(scene.now.as_second()).unwrap();
    for (type_, moves) in [
        ("Ready", true),
        ("Complete", true),
        ("Failed", false),
        ("Reconciling", true),
        ("Stalled", false),
        ("Suspended", false),
    ] {
        let since = of_type(&scene.status.conditions, type_).last_transition_time;
        let expected = if moves { Time(whole_second) } else { of_type(&before, type_).last_transition_time };
        assert_eq!(since, expected, "{type_}");
    }
}

#[test]
fn the_conditions_of_others_stay_until_there_is_something_to_say() {
    let before = Scene::completed().status.conditions;
    assert_eq!(project(&Recorded::default(), &before, at(0)).conditions, before);
}

#[test]
fn progress_alone_is_told_from_what_people_wait_for() {
    let running = Scene::running(40).record();
    let further = |job: Job| played(Scene::running(40), sighted(job)).record();
    let progress = |progress, state| Job { progress, ..job(NEW, state) };

    assert!(differs_only_in_progress(&running, &further(progress(60, JobState::InProgress))));
    let reason = Job { reason: "query task failed".into(), ..progress(40, JobState::InProgress) };
    assert!(differs_only_in_progress(&running, &further(reason)));
    assert!(differs_only_in_progress(&Scene::tracked().record(), &running), "the first sighting");

    assert!(!differs_only_in_progress(&running, &further(progress(100, JobState::Completed))));
    assert!(!differs_only_in_progress(&running, &further(progress(60, JobState::Failed))));
    assert!(!differs_only_in_progress(&Scene::claimed().record(), &Scene::tracked().record()), "a job id");
    assert!(!differs_only_in_progress(&Scene::new().record(), &Scene::claimed().record()), "a claim");
    assert!(!differs_only_in_progress(&running, &disconnected(Scene::running(40)).record()), "a reason");
    let other = Recorded { job: JobRecord { id: Some(crate::milvus::JobId(OLD)), ..running.job.clone() }, ..running };
    assert!(!differs_only_in_progress(&Scene::running(40).record(), &other), "another job");
}

#[test]
fn what_ends_a_run_is_never_only_progress() {
    let ended = Scene::completed().record();
    let raised = Recorded { observed_generation: Some(7), ..ended.clone() };
    assert!(!differs_only_in_progress(&ended, &raised));
    assert!(!differs_only_in_progress(&ended, &ended));
}

#[test]
fn a_waiting_run_writes_no_progress() {
    let mut scene = Scene::new();
    let decision = scene.play(super::scene::look_failed(ErrorKind::Busy));
    assert_eq!(decision.effect, Effect::None);
    assert_eq!((scene.status.progress, scene.status.job_id), (None, None));
    assert_eq!(scene.status.state.as_deref(), Some("RefreshPending"));
}
