use super::*;
use crate::{
    milvus::ErrorKind,
    refresh::{
        Cause, Reason, Slot, Wake,
        tests::scene::{looked, submit_failed},
    },
};

fn due() -> Scene {
    Scene { now: time("2026-11-26T12:00:00Z"), want: watching(), ..Scene::new() }
}

#[test]
fn a_run_waits_half_a_minute_for_a_look() {
    let mut scene = due();
    let waits = scene.play(Fact::Nothing);
    assert_eq!((waits.effect, waits.wake), (Effect::None, Wake::After(30 * SECOND)));
    assert!(waits.look.is_some());
    assert_eq!(waits.reason(), Reason::Queued);
    scene.scouted.waited = Some(29 * SECOND);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
    scene.scouted.waited = Some(30 * SECOND);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
}

#[test]
fn a_run_that_waits_for_a_look_has_no_need_of_a_slot() {
    let mut scene = due();
    scene.slot = Slot::Waiting;
    assert_eq!(scene.see(Fact::Nothing).reason(), Reason::Queued);
    scene.look(saw(files(10, 1)));
    assert_eq!(scene.see(Fact::Nothing).reason(), Reason::ConcurrencyLimit);
}

#[test]
fn a_look_that_is_too_old_is_made_anew() {
    let mut scene = due();
    scene.look(saw(files(10, 1)));
    scene.later(31 * SECOND);
    let waits = scene.see(Fact::Nothing);
    assert_eq!((waits.effect, waits.look.is_some()), (Effect::None, true));
}

#[test]
fn a_claim_captures_what_was_seen_before_it() {
    let mut scene = due();
    scene.look(saw(files(10, 1)));
    scene.start(NEW);
    let seen = scene.run().seen.unwrap();
    assert_eq!((seen.version.objects, seen.time), (10, scene.now));
    let status = scene.status.run.as_ref().unwrap();
    assert_eq!(status.source_version.as_deref(), Some("0a".repeat(16).as_str()));
}

#[test]
fn when_the_look_fails_the_run_goes_on_and_the_next_good_look_counts_as_a_change() {
    let mut scene = due();
    scene.look(blind(BlindReason::CheckFailed));
    scene.start(NEW);
    assert_eq!(scene.run().seen, None);
    scene.end(NEW);
    assert_eq!(scene.fresh(), FreshReason::CheckFailed);
    scene.see_later(5 * MINUTE, files(10, 1));
    assert_eq!(scene.fresh(), FreshReason::Settling);
    scene.see_later(2 * MINUTE, files(10, 1));
    assert_eq!(scene.number(), 2);
    scene.play(Fact::Looked(Ok(scene.listing(NEW + 1))));
    assert_eq!(
        (scene.number(), scene.run().cause),
        (2, Some(Cause::SourceChanged)),
        "and not taken back before its claim"
    );
}

#[test]
fn a_run_that_had_not_looked_leaves_what_was_refreshed_unknown_but_not_how_much_it_was() {
    let mut scene = fresh(watching());
    scene.want.trigger = Some("again".into());
    scene.want.generation += 1;
    scene.later(5 * MINUTE);
    scene.look(blind(BlindReason::CheckFailed));
    scene.start(NEW + 1);
    scene.end(NEW + 1);
    let refreshed = scene.watch().refreshed.unwrap().version;
    assert_eq!((refreshed.name.as_str(), refreshed.objects), ("", 10));
    scene.see_later(5 * MINUTE, files(4, 1));
    assert_eq!(scene.fresh(), FreshReason::Held, "an emptied source is noticed even so");
}

#[test]
fn a_run_that_a_change_made_due_is_not_started_over_and_over_where_looks_take_too_long() {
    let mut scene = fresh(watching());
    scene.see_later(5 * MINUTE, files(11, 1));
    scene.see_later(2 * MINUTE, files(11, 1));
    assert_eq!(scene.number(), 2);
    scene.later(31 * SECOND);
    scene.scouted.waited = Some(31 * SECOND);
    scene.scouted.last = None;
    scene.start(NEW + 1);
    assert_eq!(scene.run().seen.unwrap().version.objects, 11);
    scene.scouted.waited = None;
    scene.end(NEW + 1);
    scene.see_later(5 * MINUTE, files(11, 1));
    assert_eq!((scene.number(), scene.fresh()), (2, FreshReason::UpToDate));
}

#[test]
fn each_claim_of_a_run_captures_anew() {
    let mut scene = due();
    scene.look(saw(files(10, 1)));
    assert_eq!(scene.play(Fact::Looked(Ok(scene.listing(NEW)))).effect, Effect::Submit);
    scene.play(submit_failed(ErrorKind::NotSent));
    scene.later(10 * SECOND);
    scene.look(saw(files(11, 1)));
    assert_eq!(scene.play(Fact::Looked(Ok(scene.listing(NEW)))).effect, Effect::Submit);
    assert_eq!((scene.run().attempt, scene.run().seen.unwrap().version.objects), (2, 11));
}

#[test]
fn a_job_of_somebody_else_that_is_taken_may_have_listed_before_the_look() {
    let mut scene = due();
    scene.want.active_job_policy = crate::api::ActiveJobPolicy::Adopt;
    scene.look(saw(files(10, 1)));
    let active = looked(vec![old(), job(NEW, JobState::InProgress)]);
    scene.play(active);
    assert!(scene.run().adopted);
    assert_eq!(scene.run().seen, None);
    scene.end(NEW);
    assert_eq!(scene.fresh(), FreshReason::Settling);
}

#[test]
fn verification_that_fails_leaves_what_milvus_has_read() {
    let mut scene = due();
    scene.want = desired(serde_json::json!({ "watch": { "objects": {} }, "verify": { "policy": "Require" } }));
    scene.look(saw(files(10, 1)));
    scene.start(NEW);
    scene.end(NEW);
    assert!(scene.record().is_verifying());
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
}
