#![allow(clippy::unwrap_used)]

use super::*;
use crate::milvus::ErrorKind;

fn connection() -> Key {
    Key { namespace: "n".to_owned(), name: "default".to_owned() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Looks through one connection, and the time.
struct Scene {
    looks: Looks,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self { looks: Looks::default(), now: Instant::now() }
    }

    /// With a gate that the looks of three others have closed.
    fn closed() -> Self {
        let scene = Self::new();
        for uid in ["x", "y", "z"] {
            scene.fail(uid, "no");
        }
        scene
    }

    fn fail(&self, uid: &str, text: &str) -> String {
        self.fail_as(uid, ErrorKind::Internal, text)
    }

    fn fail_as(&self, uid: &str, kind: ErrorKind, text: &str) -> String {
        self.looks.begin(&connection(), uid, self.now);
        self.looks.failed(&connection(), uid, MilvusError::new(kind, text), self.now).message
    }

    fn may_look(&self, uid: &str) -> bool {
        self.looks.may_look(&connection(), uid, self.now)
    }

    fn come_back(&self, uid: &str) -> Option<Duration> {
        self.looks.come_back(&connection(), uid, self.now)
    }

    fn shown(&self, uid: &str) -> Option<String> {
        self.looks.trouble(&connection(), uid).map(|error| error.message)
    }
}

#[test]
fn an_object_whose_looks_fail_rests_ever_longer_and_nobody_else() {
    let mut scene = Scene::new();
    for pause in [5, 10, 20, 40, 60, 60] {
        scene.fail("a", "no");
        assert!(!scene.may_look("a") && scene.may_look("b"));
        assert_eq!((scene.come_back("a"), scene.come_back("b")), (Some(seconds(pause)), None));
        assert_eq!((scene.shown("a").as_deref(), scene.shown("b")), (Some("no"), None));
        scene.now += seconds(pause);
        assert!(scene.may_look("a"));
        assert_eq!(scene.come_back("a"), None);
    }
    scene.looks.answered(&connection(), "a");
    scene.fail("a", "no");
    assert_eq!(scene.come_back("a"), Some(seconds(5)), "a success counts");
}

#[test]
fn three_objects_in_a_row_close_the_gate_and_fewer_never_do() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.fail("a", "no");
        scene.fail("b", "no");
        scene.now += seconds(60);
    }
    assert!(scene.may_look("other"));
    scene.looks.answered(&connection(), "well");
    scene.fail("c", "no");
    scene.fail("a", "no");
    assert!(scene.may_look("other"), "one has succeeded in between");
    scene.fail("b", "broken");
    assert!(!scene.may_look("other"));
    assert_eq!(scene.shown("other").as_deref(), Some("no"), "b was told so before");
    let elsewhere = Key { name: "another".to_owned(), ..connection() };
    assert!(scene.looks.may_look(&elsewhere, "other", scene.now));
}

#[test]
fn a_closed_gate_lets_one_look_at_a_time_through_after_a_pause_that_grows() {
    let mut scene = Scene::closed();
    for pause in [1, 2, 4, 8, 15, 15] {
        scene.now += seconds(pause) - Duration::from_millis(1);
        assert!(!scene.may_look("a"), "{pause}");
        scene.now += Duration::from_millis(1);
        assert!(scene.may_look("a") && scene.may_look("x"), "{pause}: any of them, a rest of its own does not count");
        scene.looks.begin(&connection(), "a", scene.now);
        assert!(!scene.may_look("b"), "{pause}");
        scene.looks.failed(&connection(), "a", MilvusError::new(ErrorKind::Internal, "no"), scene.now);
        assert!(!scene.may_look("b"), "{pause}");
    }
}

#[test]
fn a_look_from_before_the_gate_was_closed_is_no_trial() {
    let mut scene = Scene::closed();
    scene.now += seconds(1);
    scene.looks.begin(&connection(), "a", scene.now);
    scene.looks.failed(&connection(), "late", MilvusError::new(ErrorKind::Internal, "no"), scene.now);
    assert!(!scene.may_look("b"), "the trial is under way still");
    scene.now += LONGEST_TRIAL;
    assert!(scene.may_look("b"), "a trial that is cut off is none for ever");
}

#[test]
fn a_success_opens_the_gate_once() {
    let scene = Scene::closed();
    assert!(scene.looks.answered(&connection(), "a"));
    assert!(!scene.looks.answered(&connection(), "a"));
    assert!(scene.may_look("b"));
    assert_eq!((scene.shown("b"), scene.come_back("b")), (None, None));
    assert!(!scene.may_look("x"), "its own look has not succeeded yet");
}

#[test]
fn a_few_come_back_for_the_trial_and_those_first_that_have_not_failed() {
    let scene = Scene::closed();
    let of_failed = seconds(1) + AFTER_OTHERS;
    assert_eq!(["x", "y", "z"].map(|uid| scene.come_back(uid)), [Some(of_failed); 3]);
    assert_eq!(["a", "b", "c", "d"].map(|uid| scene.come_back(uid)), [Some(seconds(1)); 4]);
    assert_eq!(["e", "x"].map(|uid| scene.come_back(uid)), [Some(LONGEST_SLEEP); 2]);
}

#[test]
fn runs_are_shown_the_first_error_of_its_kind() {
    let mut scene = Scene::new();
    assert_eq!(scene.fail("a", "node 1 failed"), "node 1 failed");
    assert_eq!(scene.fail("a", "node 2 failed"), "node 1 failed");
    assert_eq!(scene.fail_as("a", ErrorKind::Timeout, "too late"), "too late");
    scene.fail("b", "node 3 failed");
    scene.fail("c", "node 4 failed");
    assert_eq!(scene.shown("d").as_deref(), Some("node 4 failed"));
    scene.now += seconds(1);
    assert_eq!(scene.fail("d", "node 5 failed"), "node 4 failed", "as it was told all along");
}

#[test]
fn another_connection_and_another_object_begin_anew() {
    let scene = Scene::closed();
    scene.looks.anew(&connection());
    assert!(scene.may_look("a") && scene.may_look("x"));
    scene.fail("a", "no");
    scene.looks.forget("a");
    assert!(scene.may_look("a"));
    assert!(scene.looks.inner.lock().failing.is_empty());
}
