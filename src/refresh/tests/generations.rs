//! Which generation of the spec a status speaks of. kubectl and Flux ignore a condition of an older generation than the
//! object's, so every condition carries the one that is observed.

use super::scene::{NEW, Scene, accepted, job, looked, old, sighted};
use crate::{
    milvus::{Job, JobState},
    refresh::{Fact, Recorded, rests},
};

/// The generation that the status and each of its conditions carry.
fn observed(scene: &Scene) -> i64 {
    let observed = scene.status.observed_generation.unwrap();
    for condition in &scene.status.conditions {
        assert_eq!(condition.observed_generation, Some(observed), "{}", condition.type_);
    }
    observed
}

/// The spec is edited, and what is seen then is played.
fn edited(scene: &mut Scene, edit: impl FnOnce(&mut crate::refresh::Desired), fact: Fact) -> i64 {
    edit(&mut scene.want);
    scene.want.generation += 1;
    scene.play(fact);
    observed(scene)
}

fn going_on() -> Fact {
    sighted(Job { progress: 40, ..job(NEW, JobState::InProgress) })
}

#[test]
fn an_edit_that_needs_no_run_raises_the_status_and_every_condition() {
    for mut scene in [Scene::completed(), Scene::failed("no files found in external source")] {
        assert_eq!(observed(&scene), 1);
        assert_eq!(edited(&mut scene, |want| want.backoff_limit = 7, Fact::Nothing), 2);
        assert_eq!(edited(&mut scene, |want| want.suspend = true, Fact::Nothing), 3);
        assert_eq!(edited(&mut scene, |want| want.suspend = false, Fact::Nothing), 4);
        assert!(rests(&scene.want, &scene.record(), scene.now));
    }
}

#[test]
fn a_token_that_is_reverted_raises_them_too() {
    let mut scene = Scene::completed();
    for (token, id) in [("a", NEW + 1), ("b", NEW + 2)] {
        scene.want.trigger = Some(token.to_owned());
        scene.want.generation += 1;
        scene.play(looked(vec![old()]));
        scene.play(accepted(id));
        scene.play(sighted(job(id, JobState::Completed)));
    }
    assert_eq!(observed(&scene), 3);
    assert_eq!(edited(&mut scene, |want| want.trigger = Some("a".to_owned()), Fact::Nothing), 4);
}

#[test]
fn an_edit_during_a_run_raises_them_at_once_unless_it_asks_for_another_run() {
    let mut scene = Scene::running(40);
    assert_eq!(edited(&mut scene, |want| want.backoff_limit = 7, going_on()), 2);
    assert_eq!(edited(&mut scene, |want| want.suspend = true, going_on()), 3);
    assert_eq!(edited(&mut scene, |want| want.suspend = false, going_on()), 4);
    assert_eq!(edited(&mut scene, |want| want.trigger = Some("a".to_owned()), going_on()), 4);
    scene.play(sighted(job(NEW, JobState::Completed)));
    assert_eq!((observed(&scene), scene.run().number), (5, 2));
    let mut unknown = Scene::unknown();
    assert_eq!(edited(&mut unknown, |want| want.backoff_limit = 7, looked(vec![old()])), 2);
}

#[test]
fn conditions_that_the_release_before_left_behind_are_raised_once() {
    let mut scene = Scene::completed();
    scene.want.generation = 2;
    scene.status.observed_generation = Some(2);
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    scene.play(Fact::Nothing);
    assert_eq!(observed(&scene), 2);
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn an_object_that_no_operator_has_seen_has_no_observed_generation() {
    let mut status = Scene::completed().status;
    for unseen in [None, Some(-1)] {
        status.observed_generation = unseen;
        assert_eq!(Recorded::of(Some(&status)).observed_generation, None);
    }
}
