//! Whose turn it is, what a process may do, and jobs of somebody else.

use std::{collections::BTreeSet, time::Duration};

use super::scene::{
    COLLECTION, ENDPOINT, NEW, OPERATOR, SOURCE, Scene, accepted, at, down, job, listed, look_failed, looked,
    not_found, old, other_want, sighted, submit_failed,
};
use crate::{
    api::ActiveJobPolicy,
    milvus::{ErrorKind, Job, JobId, JobState},
    refresh::{
        Ahead, Connection, Effect, Fact, FailureClass, Look, OwnSourceCheck, Permission, Reason, Slot, Turn, Wake,
        is_due,
        limits::{GRACE, HOLD, LONGEST_SLEEP},
    },
};

fn behind(position: Option<u8>) -> Scene {
    Scene { turn: Turn::Behind { position }, ..Scene::new() }
}

fn adopting(mut scene: Scene) -> Scene {
    scene.want.active_job_policy = ActiveJobPolicy::Adopt;
    scene
}

/// What is seen of a collection that the account may not describe.
fn undescribed(jobs: Vec<Job>) -> Fact {
    Fact::Looked(Ok(Look { collection: None, ..listed(jobs) }))
}

#[test]
fn a_run_behind_another_one_queues_without_a_look_or_a_claim() {
    for fact in [Fact::Nothing, looked(vec![old()])] {
        let mut scene = behind(Some(1));
        let decision = scene.play(fact);
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
        assert_eq!((decision.reason(), decision.next.queue_position), (Reason::Queued, Some(1)));
        assert_eq!((decision.next.claim(), decision.run().attempt), (None, 0));
        assert_eq!(decision.events(), ["Queued"]);
        assert!(scene.play(Fact::Nothing).notices.is_empty(), "announced once");
    }
}

#[test]
fn a_run_without_a_slot_waits_without_a_look_or_a_claim_and_says_so_once() {
    let mut scene = Scene { slot: Slot::Waiting, turn: Turn::Unknown, ..Scene::new() };
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
    assert_eq!((decision.reason(), decision.next.claim()), (Reason::ConcurrencyLimit, None));
    assert_eq!(decision.events(), ["ConcurrencyLimit"]);
    let (queued, before) = (scene.run().queued_time, scene.record());
    scene.pass(Duration::from_secs(60));
    let again = scene.play(Fact::Nothing);
    assert!(again.notices.is_empty());
    assert_eq!(again.next, before, "a wait costs one write");
    scene.slot = Slot::Mine;
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    scene.turn = Turn::Mine;
    assert_eq!(scene.play(looked(vec![old()])).run().queued_time, queued);
}

#[test]
fn a_claim_or_a_job_needs_no_slot_any_more() {
    for mut scene in [Scene::claimed(), Scene::running(40)] {
        scene.slot = Slot::Waiting;
        assert_ne!(scene.see(Fact::Nothing).effect, Effect::None);
    }
}

#[test]
fn the_place_in_the_queue_goes_when_the_turn_comes() {
    let mut scene = behind(None);
    assert_eq!(scene.play(Fact::Nothing).next.queue_position, None);
    scene.turn = Turn::Behind { position: Some(3) };
    assert_eq!(scene.play(Fact::Nothing).next.queue_position, Some(3));
    let queued = scene.run().queued_time;
    scene.pass(Duration::from_secs(60));
    scene.turn = Turn::Mine;
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    let decision = scene.play(looked(vec![old()]));
    assert_eq!((decision.effect, decision.next.queue_position), (Effect::Submit, None));
    assert_eq!(decision.run().queued_time, queued);
}

#[test]
fn a_look_that_found_no_turn_is_repeated_instead_of_used() {
    let mut scene = Scene::new();
    scene.turn = Turn::Unknown;
    assert_eq!(scene.see(looked(vec![old()])).effect, Effect::Find);
}

#[test]
fn what_a_run_waits_for_may_come_and_go_and_what_becomes_of_it_does_not() {
    let foreign = || looked(vec![job(NEW, JobState::InProgress), old()]);
    let missing =
        || Fact::Looked(Ok(Look { own_source: OwnSourceCheck::Missing("none".into()), ..listed(vec![old()]) }));
    let failed = |reason: &str| sighted(Job { reason: reason.into(), ..job(NEW, JobState::Failed) });
    let mut retries = Scene::running(40);
    retries.want.backoff_limit = 3;
    let table = [
        (behind(None), Fact::Nothing, "Queued", true),
        (Scene { slot: Slot::Waiting, ..Scene::new() }, Fact::Nothing, "ConcurrencyLimit", true),
        (Scene { connection: down(), ..Scene::new() }, Fact::Nothing, "ConnectionNotReady", true),
        (Scene::new(), foreign(), "WaitingForActiveJob", true),
        (Scene::new(), missing(), "SecretNotFound", true),
        (Scene::claimed(), accepted(NEW), "RefreshStarted", false),
        (Scene::claimed(), submit_failed(ErrorKind::Timeout), "OutcomeUnknown", false),
        (retries, failed("task not found"), "ServerInternal", false),
        (Scene::running(40), failed("timeout"), "JobTimeout", false),
        (Scene::running(40), sighted(job(NEW, JobState::Completed)), "RefreshCompleted", false),
        (Scene::new().suspended(), Fact::Nothing, "Suspended", false),
    ];
    for (scene, fact, reason, waits) in table {
        let notices = scene.see(fact).notices;
        let told: Vec<_> = notices.iter().map(|notice| (notice.reason, notice.waits())).collect();
        assert_eq!(told, [(reason, waits)]);
    }
}

#[test]
fn a_claimed_or_running_job_does_not_queue() {
    for mut scene in [Scene::tracked(), Scene::running(40)] {
        scene.turn = Turn::Behind { position: Some(1) };
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
    }
    let mut scene = Scene::claimed();
    scene.turn = Turn::Behind { position: Some(1) };
    assert_eq!(scene.play(accepted(NEW)).next.job.id, Some(JobId(NEW)));
}

#[test]
fn a_run_in_line_names_who_goes_first_and_a_change_of_that_is_no_news() {
    let ahead = |name: &str| Some(Ahead::Refresh(name.to_owned()));
    let mut scene = Scene { ahead: ahead("theirs/a"), ..behind(Some(1)) };
    let decision = scene.play(Fact::Nothing);
    assert_eq!(
        decision.message(),
        "Refresh theirs/a of collection products runs first; this one starts after it has ended."
    );
    assert_eq!(decision.events(), ["Queued"]);
    scene.ahead = ahead("ours/b");
    let decision = scene.play(Fact::Nothing);
    assert!(decision.message().contains("ours/b") && decision.notices.is_empty());
}

#[test]
fn a_fenced_run_asks_nothing_says_why_and_waits_to_be_woken() {
    let unwritten = || Ahead::Unwritten("bad/orders".to_owned());
    let reasons = [(unwritten(), "bad/orders"), (Ahead::Unlisted("bad".to_owned()), "namespace bad")];
    for (ahead, named) in reasons {
        for turn in [Turn::Unknown, Turn::Mine] {
            let fenced = Scene { permission: Permission::Fenced, ahead: Some(ahead.clone()), turn, ..Scene::new() };
            for slot in [Slot::Mine, Slot::Waiting] {
                let mut scene = Scene { slot, ..fenced.clone() };
                let decision = scene.play(Fact::Nothing);
                assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
                assert_eq!((decision.reason(), decision.next.claim()), (Reason::Queued, None));
                assert!(decision.message().contains(named), "{}", decision.message());
                assert!(decision.message().contains("2 minutes"), "{}", decision.message());
                let before = scene.record();
                assert_eq!(scene.play(Fact::Nothing).next, before, "it costs one write");
            }
            assert_eq!(fenced.see(looked(vec![old()])).effect, Effect::None, "a look that came meanwhile is not used");
        }
    }
    let mut quiet = Scene { permission: Permission::Fenced, turn: Turn::Unknown, ..Scene::new() };
    assert_eq!(quiet.play(Fact::Nothing).message(), "The refresh of collection products is due.");
    quiet.permission = Permission::Granted;
    assert_eq!(quiet.see(Fact::Nothing).effect, Effect::Find);
}

#[test]
fn without_permission_nothing_is_asked_of_milvus_but_for_a_start_that_may_still_land() {
    for permission in [Permission::Withheld, Permission::Fenced] {
        let mut due = Scene { permission, turn: Turn::Unknown, ..Scene::new() };
        assert_eq!(due.play(Fact::Nothing).effect, Effect::None);
        let mut claimed = Scene { permission, ..Scene::unknown() };
        assert_eq!(claimed.see(Fact::Nothing).effect, Effect::Find);
        claimed.pass(GRACE);
        assert_eq!(claimed.play(Fact::Nothing).effect, Effect::None);
    }
}

#[test]
fn without_permission_nothing_is_claimed() {
    let mut scene = Scene { permission: Permission::Withheld, ..Scene::new() };
    let decision = scene.play(looked(vec![old()]));
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(HOLD)));
    assert_eq!((decision.next.claim(), decision.run().attempt), (None, 0));
    assert_eq!(decision.reason(), Reason::Queued);
    scene.permission = Permission::Granted;
    assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
}

#[test]
fn without_permission_nothing_is_adopted_or_started_again() {
    for permission in [Permission::Withheld, Permission::Announce] {
        let mut scene = Scene { permission, ..Scene::unknown_after_the_grace() };
        let before = scene.record();
        for fact in [looked(vec![job(NEW, JobState::InProgress)]), looked(vec![old()])] {
            let decision = scene.play(fact);
            assert_eq!(decision.next, before);
            assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(HOLD)));
        }
        scene.permission = Permission::Granted;
        assert_eq!(scene.play(looked(vec![job(NEW, JobState::InProgress)])).next.job.id, Some(JobId(NEW)));
    }
}

#[test]
fn without_permission_a_running_job_is_followed_and_an_answer_recorded() {
    let mut scene = Scene { permission: Permission::Withheld, ..Scene::claimed() };
    scene.play(accepted(NEW));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
    assert_eq!(scene.play(sighted(job(NEW, JobState::Completed))).reason(), Reason::RefreshCompleted);
}

#[test]
fn a_process_that_takes_over_writes_its_name_on_a_due_run_first() {
    for connection in [Scene::new().connection, down(), Connection::Unknown] {
        let mut scene = Scene { permission: Permission::Announce, connection, ..Scene::new() };
        let decision = scene.play(Fact::Nothing);
        assert_eq!(decision.effect, Effect::None);
        assert!(decision.at_once());
        assert_eq!(decision.run().operator.as_deref(), Some(OPERATOR));
        assert_eq!((decision.reason(), decision.next.claim()), (Reason::Queued, None));
        assert_eq!(decision.run().generation, scene.want.generation);
    }
}

#[test]
fn a_claimed_running_or_ended_run_is_not_announced() {
    for mut scene in [Scene::claimed(), Scene::running(40), Scene::completed()] {
        scene.permission = Permission::Announce;
        let decision = scene.see(Fact::Nothing);
        assert_eq!(decision.next, scene.record());
    }
}

#[test]
fn due_is_what_has_no_claim_and_no_end() {
    let table = [
        ("never ran", Scene::new(), true),
        (
            "queued",
            {
                let mut scene = behind(None);
                scene.play(Fact::Nothing);
                scene
            },
            true,
        ),
        ("claimed", Scene::claimed(), false),
        ("outcome unknown", Scene::unknown(), false),
        ("running", Scene::running(40), false),
        ("completed", Scene::completed(), false),
        ("failed", Scene::failed("timeout"), false),
    ];
    for (name, scene, due) in table {
        assert_eq!(is_due(&scene.want, &scene.record()), due, "{name}");
    }
    assert!(is_due(&other_want(), &Scene::completed().record()));
    assert!(!is_due(&other_want(), &Scene::running(40).record()));
}

#[test]
fn an_active_job_of_the_same_source_is_adopted_where_the_spec_says_so() {
    let mut scene = adopting(Scene::new());
    let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!((decision.effect, decision.next.job.id), (Effect::None, Some(JobId(NEW))));
    assert!(decision.run().adopted && decision.run().job_seen);
    assert_eq!(decision.next.claimed(), Some((1, 0)));
    assert_eq!(decision.run().attempt, 0, "nothing was claimed to be started");
    assert_eq!(decision.events(), ["RefreshAdopted"]);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
    assert_eq!(scene.play(not_found()).reason(), Reason::Failed(FailureClass::JobLost));
}

#[test]
fn an_active_job_of_another_source_or_object_is_waited_for_even_so() {
    let other = Job { source: "s3://else/".into(), ..job(NEW, JobState::InProgress) };
    let taken = Look { taken: BTreeSet::from([JobId(NEW)]), ..listed(vec![job(NEW, JobState::InProgress)]) };
    for fact in [looked(vec![other]), Fact::Looked(Ok(taken))] {
        let decision = adopting(Scene::new()).play(fact);
        assert_eq!((decision.reason(), decision.next.job.id), (Reason::WaitingForActiveJob, None));
    }
}

#[test]
fn an_ended_job_of_somebody_else_is_never_adopted_for_a_policy() {
    let decision = adopting(Scene::new()).play(looked(vec![old()]));
    assert_eq!(decision.effect, Effect::Submit);
}

#[test]
fn after_a_duplicate_answer_the_policy_decides_only_after_the_grace() {
    let mut scene = adopting(Scene::claimed());
    scene.play(submit_failed(ErrorKind::DuplicateJob));
    let earlier = Job { start_time: Some(at(-5_000)), ..job(NEW - 2, JobState::InProgress) };
    assert_eq!(scene.play(looked(vec![earlier.clone()])).next.job.id, None);
    scene.pass(GRACE);
    assert_eq!(scene.play(looked(vec![earlier])).next.job.id, Some(JobId(NEW - 2)));
}

#[test]
fn without_the_right_to_describe_the_address_stands_in_for_the_collection() {
    let mut scene = Scene::new();
    let decision = scene.play(undescribed(vec![old()]));
    assert_eq!(decision.effect, Effect::Submit);
    assert_eq!((decision.run().collection_id, decision.run().endpoint.as_deref()), (None, Some(ENDPOINT)));
    scene.play(submit_failed(ErrorKind::Timeout));
    scene.pass(GRACE);
    let found = Job { source: SOURCE.into(), ..job(NEW, JobState::InProgress) };
    assert_eq!(scene.see(undescribed(vec![found.clone()])).next.job.id, Some(JobId(NEW)));

    scene.connection = Connection::Ready { endpoint: "http://another:19530".into() };
    let decision = scene.play(undescribed(vec![found]));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::JobLost));
    assert!(decision.message().contains(ENDPOINT) && decision.message().contains("http://another:19530"));
}

#[test]
fn the_same_collection_at_another_address_goes_on() {
    let mut scene = Scene::unknown_after_the_grace();
    assert_eq!(scene.run().collection_id, Some(COLLECTION));
    scene.connection = Connection::Ready { endpoint: "http://another:19530".into() };
    assert_eq!(scene.play(looked(vec![job(NEW, JobState::InProgress)])).next.job.id, Some(JobId(NEW)));
}

#[test]
fn a_look_that_fails_while_it_waits_keeps_the_place() {
    let mut scene = Scene::new();
    scene.play(look_failed(ErrorKind::Busy));
    let queued = scene.run().queued_time;
    scene.pass(Duration::from_secs(30));
    assert_eq!(scene.play(look_failed(ErrorKind::Busy)).run().queued_time, queued);
}
