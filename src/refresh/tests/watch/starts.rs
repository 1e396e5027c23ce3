use serde_json::json;

use super::*;
use crate::refresh::{Cause, FailureClass, Reason, Wake, alarm, rests};

#[test]
fn a_change_starts_one_run_once_the_source_has_been_quiet() {
    let mut scene = fresh(watching());
    let seen = scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::Settling, 1));
    assert_eq!(seen.events(), ["SourceChanged"]);
    assert_eq!(seen.look, None, "what was seen just now");
    scene.later(MINUTE);
    let quiet = scene.see(Fact::Nothing);
    assert!(quiet.look.is_some_and(|within| within <= 2 * SECOND), "a look of its own: {:?}", quiet.look);
    assert_eq!(quiet.next.run.as_ref().unwrap().number, 1, "only what begins after that counts");
    scene.look(saw(files(11, 1)));
    let opened = scene.play(Fact::Nothing);
    assert_eq!((opened.effect, opened.run().number), (Effect::None, 2), "written before it is claimed");
    assert_eq!(opened.run().cause, Some(Cause::SourceChanged));
    assert!(opened.at_once());
    scene.start(NEW + 1);
    assert_eq!(scene.fresh(), FreshReason::ChangePending);
    scene.later(10 * SECOND);
    scene.end(NEW + 1);
    assert_eq!((scene.fresh(), scene.watch().pending_since), (FreshReason::UpToDate, None));
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!(scene.number(), 2, "answered");
}

#[test]
fn while_files_arrive_there_is_one_run_for_each_longest_delay() {
    let mut scene = fresh(watching());
    let mut starts = 0;
    // Something has changed at each look.
    for minute in 0..70 {
        scene.see_later(MINUTE, files(11 + minute, 1));
        if !scene.record().is_at_rest() {
            starts += 1;
            scene.start(NEW + starts);
            scene.end(NEW + starts);
        }
    }
    assert_eq!(starts, 2, "after 30 minutes each");
}

#[test]
fn a_change_that_is_taken_back_is_none() {
    let mut scene = fresh(watching());
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.see_later(MINUTE, files(10, 1));
    assert_eq!((scene.fresh(), scene.number(), scene.watch().pending_since), (FreshReason::UpToDate, 1, None));
}

#[test]
fn a_run_for_a_change_that_is_taken_back_before_it_is_claimed_is_withdrawn() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 } })));
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!(scene.number(), 2);
    scene.see_later(SECOND, files(10, 1));
    assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::UpToDate));
    assert_eq!(scene.record().summary.unwrap().reason, Reason::RefreshCompleted);
}

#[test]
fn what_changes_during_a_run_is_answered_by_one_more() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 } })));
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.start(NEW + 1);
    scene.later(MINUTE);
    scene.look(saw(files(12, 1)));
    scene.play(sighted(job(NEW + 1, JobState::InProgress)));
    assert_eq!((scene.number(), scene.watch().refreshed.unwrap().version.objects), (2, 10));
    scene.later(MINUTE);
    scene.look(saw(files(12, 1)));
    let ended = scene.end(NEW + 1);
    assert_eq!(ended.run().number, 3, "opened with the end of the one before");
    assert_eq!(scene.watch().refreshed.unwrap().version.objects, 11);
    scene.start(NEW + 2);
    scene.end(NEW + 2);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
    scene.see_later(5 * MINUTE, files(12, 1));
    assert_eq!(scene.number(), 3);
}

#[test]
fn runs_for_changes_keep_their_shortest_interval() {
    let spec = json!({ "watch": { "objects": {}, "quietSeconds": 0, "minIntervalSeconds": 600 } });
    let mut scene = fresh(desired(spec));
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.start(NEW + 1);
    scene.end(NEW + 1);
    scene.see_later(MINUTE, files(12, 1));
    assert_eq!((scene.number(), scene.fresh()), (2, FreshReason::ChangePending));
    let last = scene.record().history[0].start_time.unwrap();
    let due = alarm(&scene.want, &scene.record(), last + 599 * SECOND).unwrap();
    assert_eq!(due, last + 600 * SECOND, "woken when it may start");
    while scene.number() == 2 {
        scene.see_later(MINUTE, files(12, 1));
        assert!(scene.number() == 2 || scene.now >= due, "not before its time");
        assert!(scene.now < due + 2 * MINUTE, "and not long after it");
    }
}

#[test]
fn a_version_whose_run_has_failed_is_not_started_again_before_it_changes() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 }, "backoffLimit": 0 })));
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.start(NEW + 1);
    scene.fail(NEW + 1);
    assert_eq!(scene.fresh(), FreshReason::ChangePending);
    assert!(scene.watch().fresh.unwrap().message.contains("failed for it"));
    for _ in 0..10 {
        scene.see_later(5 * MINUTE, files(11, 1));
    }
    assert_eq!(scene.number(), 2);
    scene.see_later(5 * MINUTE, files(12, 1));
    assert_eq!(scene.number(), 3);
}

#[test]
fn a_job_that_failed_waiting_for_indexes_has_brought_the_change_all_the_same() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 } })));
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.start(NEW + 1);
    scene.fail_for(NEW + 1, "timeout waiting for indexes: the refreshed data is applied and serving");
    assert_eq!(scene.record().failure.unwrap(), FailureClass::IndexWaitTimeout);
    assert_eq!((scene.fresh(), scene.watch().pending_since), (FreshReason::UpToDate, None));
    assert_eq!(scene.watch().refreshed.unwrap().version.objects, 11);
    scene.see_later(5 * MINUTE, files(12, 1));
    assert_eq!((scene.number(), scene.fresh()), (3, FreshReason::ChangePending), "the next change has its run");
}

#[test]
fn a_run_that_failed_before_its_claim_is_not_started_again_either() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 }, "backoffLimit": 0 })));
    scene.see_later(5 * MINUTE, files(11, 1));
    let gone = crate::refresh::tests::scene::look_failed(crate::milvus::ErrorKind::CollectionNotFound);
    scene.play(gone);
    assert!(scene.record().failure.is_some());
    for _ in 0..3 {
        scene.see_later(5 * MINUTE, files(11, 1));
    }
    assert_eq!(scene.number(), 2);
}

#[test]
fn a_new_object_runs_for_its_creation_and_not_once_more_for_what_it_has_seen() {
    let scene = fresh(watching());
    assert_eq!(scene.run().cause, Some(Cause::Creation));
    assert_eq!((scene.number(), scene.watch().refreshed.unwrap().version.objects), (1, 10));
}

#[test]
fn what_an_object_that_waits_for_its_first_run_has_first_seen_is_its_baseline() {
    let want = desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 }, "runOnCreation": false }));
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want, ..Scene::new() };
    assert!(scene.play(Fact::Nothing).look.is_some());
    scene.see_later(SECOND, files(10, 1));
    assert_eq!((scene.number(), scene.fresh()), (0, FreshReason::UpToDate));
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!((scene.number(), scene.run().cause), (1, Some(Cause::SourceChanged)));
}

#[test]
fn while_starts_are_held_a_change_waits() {
    let mut scene = fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 0 } })));
    scene.want.suspend = true;
    scene.want.generation += 1;
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::ChangePending));
    assert!(scene.watch().fresh.unwrap().message.contains("spec.suspend"));
    scene.want.suspend = false;
    scene.want.generation += 1;
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!(scene.number(), 2);
}

#[test]
fn after_a_restart_an_object_rests_until_its_next_look() {
    let mut scene = fresh(watching());
    scene.see_later(5 * MINUTE, files(10, 1));
    let record = scene.record();
    assert!(rests(&scene.want, &record, scene.now));
    let next = alarm(&scene.want, &record, scene.now).unwrap();
    assert!(next > scene.now && next <= scene.now + 5 * MINUTE);
    scene.scouted = Scouted::default();
    let woken = scene.see(Fact::Nothing);
    assert!(woken.look.is_some());
    assert_eq!(
        (woken.next, woken.effect, woken.wake),
        (record, Effect::None, Wake::OnChange),
        "and nothing is written"
    );
}

#[test]
fn a_change_that_was_seen_before_a_restart_is_answered_after_it() {
    let mut scene = fresh(watching());
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.scouted = Scouted::default();
    scene.later(10 * MINUTE);
    scene.play(Fact::Nothing);
    assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::ChangePending));
    scene.look(saw(files(11, 1)));
    scene.play(Fact::Nothing);
    assert_eq!(scene.number(), 2);
}

#[test]
fn an_edit_of_what_counts_begins_anew() {
    let mut scene = fresh(watching());
    scene.want = Desired { generation: 2, ..desired(json!({ "watch": { "objects": { "include": ["*.parquet"] } } })) };
    scene.scouted = Scouted::default();
    let decision = scene.play(Fact::Nothing);
    assert!(decision.look.is_some());
    assert_eq!((scene.watch().observed, scene.watch().refreshed), (None, None));
    scene.see_later(SECOND, files(9, 1));
    assert_eq!(scene.fresh(), FreshReason::Settling, "what is not known to be refreshed counts as a change");
}

#[test]
fn with_a_marker_only_a_newer_one_is_a_change() {
    let spec = json!({ "watch": { "objects": { "marker": "_SUCCESS" }, "quietSeconds": 0 } });
    let with = |names, marker: Option<&str>| Snapshot {
        marker: marker.map(|time| crate::stores::Marker { modified: time.parse().unwrap(), etag: "e".into() }),
        ..files(names, 1)
    };
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want: desired(spec), ..Scene::new() };
    scene.look(saw(with(10, Some("2026-11-26T11:00:00Z"))));
    scene.start(NEW);
    scene.end(NEW);
    for (names, marker) in [(11, Some("2026-11-26T11:00:00Z")), (11, None), (12, None)] {
        scene.see_later(5 * MINUTE, with(names, marker));
        assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::UpToDate), "{names} {marker:?}");
    }
    scene.see_later(5 * MINUTE, with(12, Some("2026-11-26T12:30:00Z")));
    assert_eq!(scene.number(), 2);
}

#[test]
fn without_a_marker_there_is_nothing_to_start_for() {
    let spec = json!({ "watch": { "objects": { "marker": "_SUCCESS" }, "quietSeconds": 0 }, "runOnCreation": false });
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want: desired(spec), ..Scene::new() };
    scene.play(Fact::Nothing);
    scene.see_later(SECOND, files(10, 1));
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!((scene.number(), scene.fresh()), (0, FreshReason::UpToDate));
}
