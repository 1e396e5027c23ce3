//! A wall clock that jumps only delays.

use std::time::Duration;

use jiff::SignedDuration;

use super::scene::{NEW, Scene, job, looked, old, sighted};
use crate::{
    milvus::JobState,
    refresh::{
        Effect, Fact, Reason,
        limits::{GRACE, LOOK_AGAIN},
    },
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn a_clock_that_jumps_never_shortens_the_grace() {
    for jump in [HOUR, -HOUR, SignedDuration::from_hours(11)] {
        let mut scene = Scene::unknown();
        scene.set_clock(jump);
        for _ in 0..11 {
            let decision = scene.play(looked(vec![old()]));
            assert_eq!((decision.effect, decision.reason()), (Effect::None, Reason::OutcomeUnknown), "{jump}");
            assert!(decision.next.claim().is_some(), "{jump}");
            scene.pass(LOOK_AGAIN);
        }
    }
}

#[test]
fn a_clock_that_jumps_keeps_no_run_from_its_next_claim() {
    for jump in [HOUR, -HOUR] {
        let mut scene = Scene::unknown_after_the_grace();
        scene.set_clock(jump);
        scene.play(looked(vec![old()]));
        scene.restart();
        let decision = scene.play(looked(vec![old()]));
        assert_eq!((decision.effect, decision.run().attempt), (Effect::Submit, 2), "{jump}");
    }
}

#[test]
fn a_job_that_landed_is_found_whatever_the_clock_says() {
    for jump in [HOUR, -HOUR, SignedDuration::from_hours(48), SignedDuration::from_hours(-48)] {
        let mut scene = Scene::unknown();
        scene.set_clock(jump);
        scene.pass(GRACE);
        let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
        assert!(decision.next.job.id.is_some() && decision.effect == Effect::None, "{jump}");
    }
}

#[test]
fn a_clock_far_ahead_ends_an_unknown_outcome_rather_than_start_again() {
    let mut scene = Scene::unknown();
    scene.set_clock(SignedDuration::from_hours(48));
    scene.pass(GRACE);
    let decision = scene.play(looked(vec![old()]));
    assert!(decision.next.ended());
    assert_eq!(decision.effect, Effect::None);
}

#[test]
fn a_running_job_and_an_ended_run_do_not_care_about_the_clock() {
    for jump in [HOUR, -HOUR] {
        let mut running = Scene::running(40);
        running.set_clock(jump);
        running.pass(Duration::from_secs(1));
        assert_eq!(running.see(sighted(super::scene::old())).next, running.record(), "{jump}");
        let mut ended = Scene::completed();
        ended.set_clock(jump);
        let decision = ended.see(Fact::Nothing);
        assert_eq!((decision.next, decision.effect), (ended.record(), Effect::None), "{jump}");
    }
}
