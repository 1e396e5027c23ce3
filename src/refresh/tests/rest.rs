//! What becomes of an object whose run is over: how long it stays, what it remembers, what it tells.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::scene::{NEW, Scene, accepted, job, looked, object, old, other_want, sighted};
use crate::{
    api::ExternalCollectionRefresh,
    milvus::{Job, JobId, JobState},
    refresh::{
        Decision, Desired, Effect, Fact, Permission, Wake,
        limits::{HISTORY_KEPT, PAST_MESSAGE_BYTES},
        rests,
    },
};

const TTL: Duration = Duration::from_secs(60);

/// Completes the running job now, for an object that stays a minute after that.
fn end(scene: &mut Scene) -> Decision {
    scene.want.ttl = Some(TTL);
    scene.play(sighted(Job { end_time: Some(scene.now), ..job(NEW, JobState::Completed) }))
}

#[test]
fn a_finished_object_is_deleted_once_its_time_has_passed() {
    for failed in [false, true] {
        let mut scene = Scene::running(40);
        scene.want.ttl = Some(TTL);
        let state = if failed { JobState::Failed } else { JobState::Completed };
        let end = Job { end_time: Some(scene.now), reason: "timeout".into(), ..job(NEW, state) };
        assert_eq!(scene.play(sighted(end)).wake, Wake::After(TTL));
        scene.pass(TTL - Duration::from_secs(1));
        let decision = scene.play(Fact::Nothing);
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(Duration::from_secs(1))));
        scene.pass(Duration::from_secs(1));
        let decision = scene.see(Fact::Nothing);
        assert_eq!((decision.effect, decision.wake), (Effect::Delete, Wake::OnChange));
        assert_eq!(decision.next, scene.record(), "nothing is written for it");
    }
}

#[test]
fn without_a_time_it_stays_for_ever_and_with_a_late_one_it_goes_at_once() {
    let mut scene = Scene::completed();
    scene.pass(Duration::from_secs(1_000_000));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
    scene.want.ttl = Some(TTL);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Delete);
}

#[test]
fn only_a_process_that_leads_deletes() {
    for permission in [Permission::Withheld, Permission::Announce] {
        let mut scene = Scene { permission, ..Scene::completed() };
        scene.want.ttl = Some(TTL);
        scene.pass(TTL);
        let decision = scene.see(Fact::Nothing);
        assert_eq!(decision.effect, Effect::None, "{permission:?}");
        assert!(matches!(decision.wake, Wake::After(_)), "{permission:?}");
    }
}

#[test]
fn what_is_not_over_is_never_deleted() {
    for scene in [Scene::new(), Scene::claimed(), Scene::unknown(), Scene::running(40), Scene::retrying(3)] {
        let mut scene = scene;
        scene.want.ttl = Some(TTL);
        scene.pass(Duration::from_secs(3600));
        for fact in [Fact::Nothing, looked(vec![old()]), sighted(job(NEW, JobState::InProgress))] {
            assert_ne!(scene.see(fact).effect, Effect::Delete);
        }
    }
}

#[test]
fn a_run_that_is_due_comes_before_the_deletion() {
    for suspend in [false, true] {
        let mut scene = Scene::completed();
        scene.want = Desired { ttl: Some(TTL), suspend, ..other_want() };
        scene.pass(TTL);
        assert_ne!(scene.see(Fact::Nothing).effect, Effect::Delete, "suspended: {suspend}");
    }
    let mut scene = Scene::running(40);
    scene.want = other_want();
    let decision = end(&mut scene);
    assert_eq!(decision.run().number, 2);
    scene.pass(TTL);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
}

/// An object with these labels and annotations.
fn kept(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> ExternalCollectionRefresh {
    let map = |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let mut object = object(json!({ "backoffLimit": 0, "ttlSecondsAfterFinished": 60 }));
    object.metadata.labels = map(labels);
    object.metadata.annotations = map(annotations);
    object
}

fn owned(controller: Option<bool>) -> ExternalCollectionRefresh {
    let mut object = kept(&[], &[]);
    let (kind, name) = ("CronJob".to_owned(), "nightly".to_owned());
    object.metadata.owner_references =
        Some(vec![OwnerReference { controller, kind, name, ..OwnerReference::default() }]);
    object
}

#[test]
fn what_a_tool_would_bring_back_is_not_deleted_and_says_so_once() {
    let table = [
        (kept(&[], &[("argocd.argoproj.io/tracking-id", "app:x")]), "Argo CD"),
        (kept(&[("argocd.argoproj.io/instance", "app")], &[]), "Argo CD"),
        (kept(&[("app.kubernetes.io/instance", "app")], &[]), "Argo CD"),
        (kept(&[("app.kubernetes.io/instance", "app"), ("app.kubernetes.io/managed-by", "argo-cd")], &[]), "Argo CD"),
        (kept(&[("kustomize.toolkit.fluxcd.io/name", "app")], &[]), "Flux"),
        (kept(&[("helm.toolkit.fluxcd.io/name", "app"), ("app.kubernetes.io/managed-by", "Helm")], &[]), "Flux"),
        (kept(&[("app.kubernetes.io/managed-by", "Helm"), ("app.kubernetes.io/instance", "app")], &[]), "Helm"),
    ];
    for (object, tool) in table {
        let mut scene = Scene { want: Desired::of(&object), ..Scene::running(40) };
        let decision = end(&mut scene);
        assert_eq!(decision.events(), ["RefreshCompleted", "TTLSkipped"], "{tool}");
        assert!(decision.notices[1].message.contains(tool), "{}", decision.notices[1].message);
        scene.pass(TTL);
        for _ in 0..2 {
            let decision = scene.play(Fact::Nothing);
            assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange), "{tool}");
            assert!(decision.notices.is_empty(), "{tool}");
        }
    }
}

#[test]
fn the_event_names_the_mark_that_it_saw_and_the_way_out() {
    let manager = "app.kubernetes.io/managed-by";
    let table = [
        (
            kept(&[], &[("argocd.argoproj.io/tracking-id", "app:x")]),
            "annotation argocd.argoproj.io/tracking-id",
            "remove",
        ),
        (kept(&[("app.kubernetes.io/instance", "app")], &[]), "label app.kubernetes.io/instance", manager),
        (kept(&[("kustomize.toolkit.fluxcd.io/name", "app")], &[]), "label kustomize.toolkit.fluxcd.io/name", "remove"),
        (kept(&[(manager, "Helm")], &[]), "label app.kubernetes.io/managed-by: Helm", "remove"),
        (owned(Some(true)), "CronJob nightly", "ownerReferences"),
    ];
    for (object, mark, way_out) in table {
        let mut scene = Scene { want: Desired::of(&object), ..Scene::running(40) };
        let decision = end(&mut scene);
        let message = &decision.notices.last().unwrap().message;
        assert!(message.contains(mark) && message.contains(way_out), "{message}");
        assert!(message.contains("Remove spec.ttlSecondsAfterFinished") || message.contains("Set the limit there"));
    }
}

#[test]
fn a_label_of_an_owner_that_is_removed_lets_the_object_go() {
    let mut scene =
        Scene { want: Desired::of(&kept(&[("app.kubernetes.io/instance", "app")], &[])), ..Scene::running(40) };
    end(&mut scene);
    scene.pass(TTL);
    assert_eq!(scene.play(Fact::Nothing).effect, Effect::None);
    scene.want = Desired::of(&kept(&[], &[]));
    assert!(!rests(&scene.want, &scene.record(), scene.now), "the edit is looked at");
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Delete);
}

#[test]
fn an_object_with_a_time_to_live_has_its_time_kept_by_a_process_that_takes_over() {
    let mut scene = Scene { want: Desired::of(&kept(&[], &[])), ..Scene::running(40) };
    end(&mut scene);
    scene.restart();
    assert!(!rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn an_owner_with_limits_of_its_own_decides_alone_and_the_object_says_so() {
    let mut scene = Scene { want: Desired::of(&owned(Some(true))), ..Scene::running(40) };
    assert_eq!(end(&mut scene).events(), ["RefreshCompleted", "TTLSkipped"]);
    scene.pass(TTL);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
}

#[test]
fn other_owners_and_labels_keep_nothing() {
    let by_hand = [("app.kubernetes.io/instance", "shop"), ("app.kubernetes.io/managed-by", "kubectl")];
    let plain = [
        kept(&[("team", "search"), ("app.kubernetes.io/managed-by", "someone")], &[("note", "x")]),
        kept(&by_hand, &[]),
        owned(None),
    ];
    for object in plain {
        let mut scene = Scene { want: Desired::of(&object), ..Scene::running(40) };
        assert_eq!(end(&mut scene).events(), ["RefreshCompleted"]);
        scene.pass(TTL);
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Delete);
    }
}

/// Runs once more for `token`, with a job that ends as `state` says.
fn run_again(scene: &mut Scene, token: &str, job_id: i64, state: JobState) -> Decision {
    scene.want.trigger = Some(token.to_owned());
    scene.want.generation += 1;
    scene.pass(Duration::from_secs(60));
    scene.play(looked(vec![old()]));
    scene.play(accepted(job_id));
    scene.play(sighted(Job { reason: "é".repeat(1000), ..job(job_id, state) }))
}

#[test]
fn the_history_keeps_the_ten_newest_runs_with_short_messages() {
    let mut scene = Scene::completed();
    for number in 2..=13 {
        let state = if number % 2 == 0 { JobState::Failed } else { JobState::Completed };
        run_again(&mut scene, &number.to_string(), NEW + number, state);
    }
    let history = scene.record().history;
    let numbers: Vec<i64> = history.iter().map(|past| past.number).collect();
    assert_eq!(numbers, (4..=13).rev().collect::<Vec<_>>());
    assert_eq!(history.len(), HISTORY_KEPT);
    for past in &history {
        assert_eq!(past.trigger, Some(past.number.to_string()));
        assert_eq!(past.job, Some(JobId(NEW + past.number)));
        assert_eq!(past.failure.is_some(), past.number % 2 == 0);
        assert!(!past.message.is_empty() && past.message.len() <= PAST_MESSAGE_BYTES, "{:?}", past.message);
        assert!(past.start_time.is_some() && past.completion_time.is_some());
    }
}

#[test]
fn a_token_that_was_answered_before_is_told_once() {
    let mut scene = Scene::completed();
    run_again(&mut scene, "a", NEW + 1, JobState::Completed);
    run_again(&mut scene, "b", NEW + 2, JobState::Completed);
    scene.want.trigger = Some("a".to_owned());
    scene.want.generation += 1;
    assert_eq!(scene.play(Fact::Nothing).events(), ["TriggerAlreadyHandled"]);
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0]);
    scene.restart();
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0]);
    scene.want.trigger = Some("b".to_owned());
    scene.want.generation += 1;
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0], "the token of the last run is where it was");
}

#[test]
fn an_object_rests_once_its_token_needs_no_run_and_that_is_told() {
    let at_rest = |scene: &Scene| rests(&scene.want, &scene.record(), scene.now);
    let mut scene = Scene::completed();
    for (job, token) in (NEW + 1..).zip(["a", "b"]) {
        run_again(&mut scene, token, job, JobState::Completed);
        assert!(at_rest(&scene), "{token}");
    }
    let mut removed = scene.clone();
    removed.want.trigger = None;
    assert!(at_rest(&removed));
    let mut reverted = scene.clone();
    reverted.want.trigger = Some("a".to_owned());
    assert!(!at_rest(&reverted), "lastHandledTrigger does not say so yet");
    reverted.play(Fact::Nothing);
    assert!(at_rest(&reverted));
    scene.want.trigger = Some("c".to_owned());
    assert!(!at_rest(&scene), "a run is due");
    let mut held = scene.suspended();
    held.play(Fact::Nothing);
    assert!(at_rest(&held), "and would be due, were starts not held");
}

/// What is told once the spec, whose token is `token`, is edited.
fn told_of_an_edit(scene: &mut Scene, token: &str) -> Vec<&'static str> {
    scene.want.trigger = Some(token.to_owned());
    scene.want.generation += 1;
    scene.play(Fact::Nothing).events()
}

#[test]
fn a_token_that_was_answered_before_is_told_once_however_often_something_else_is_edited() {
    let mut scene = Scene::completed();
    for (job, token) in (NEW + 1..).zip(["a", "b", "c"]) {
        run_again(&mut scene, token, job, JobState::Completed);
    }
    for token in ["a", "b", "a", "c", "a"] {
        let told: &[&str] = if token == "c" { &[] } else { &["TriggerAlreadyHandled"] };
        assert_eq!(told_of_an_edit(&mut scene, token), told, "{token}");
        for _ in 0..2 {
            assert_eq!(told_of_an_edit(&mut scene, token), [""; 0], "{token} is where it was");
        }
    }
    // A run that is asked for by other means captures another one, which is reverted before it ends.
    scene.want.requested_at = Some("now".to_owned());
    scene.want.trigger = Some("b".to_owned());
    scene.play(looked(vec![old()]));
    scene.play(accepted(NEW + 4));
    scene.want.trigger = Some("a".to_owned());
    let decision = scene.play(sighted(job(NEW + 4, JobState::Completed)));
    assert_eq!(decision.events(), ["RefreshCompleted", "TriggerAlreadyHandled"]);
}

#[test]
fn a_token_that_is_reverted_while_a_run_is_under_way_is_told_at_its_end() {
    let mut scene = Scene::completed();
    run_again(&mut scene, "a", NEW + 1, JobState::Completed);
    scene.want.trigger = Some("b".to_owned());
    scene.want.generation += 1;
    scene.play(looked(vec![old()]));
    scene.play(accepted(NEW + 2));
    scene.want.trigger = Some("a".to_owned());
    scene.want.generation += 1;
    assert_eq!(scene.play(sighted(job(NEW + 2, JobState::InProgress))).events(), [""; 0]);
    let decision = scene.play(sighted(job(NEW + 2, JobState::Completed)));
    assert_eq!(decision.events(), ["RefreshCompleted", "TriggerAlreadyHandled"]);
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0]);
}

#[test]
fn a_generation_is_observed_together_with_its_run_or_at_once_when_it_asks_for_none() {
    let mut scene = Scene::running(40);
    let going_on = || sighted(Job { progress: 40, ..job(NEW, JobState::InProgress) });
    let edits = [(None, 2), (Some("a"), 2), (Some("b"), 2), (None, 5), (Some("c"), 5)];
    for (generation, (token, observed)) in (2..).zip(edits) {
        scene.want.trigger = token.map(str::to_owned);
        scene.want.generation = generation;
        assert_eq!(scene.play(going_on()).next.observed_generation, Some(observed), "{token:?}");
    }
    let decision = scene.play(sighted(job(NEW, JobState::Completed)));
    assert_eq!((decision.next.observed_generation, decision.run().number), (Some(6), 2));
}
