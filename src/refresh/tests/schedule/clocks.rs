//! Wall clocks that are wrong, and leaders that change.

use jiff::SignedDuration;

use super::{MINUTE, at, completed, end, kept, next, nightly, run, start, time};
use crate::{
    refresh::tests::scene::NEW,
    refresh::{Effect, Fact, Permission, Reason, is_due, rests},
};

#[test]
fn a_clock_that_was_ahead_delays_and_never_repeats_a_tick() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-28T03:00:00Z");
    run(&mut scene, NEW + 1);
    for early in ["2026-11-27T02:15:00Z", "2026-11-28T02:15:00Z", "2026-11-28T09:00:00Z"] {
        assert_eq!(at(&mut scene, early).run().number, 2, "{early}: this tick was answered");
    }
    assert_eq!(at(&mut scene, "2026-11-29T02:15:00Z").run().number, 3);
    // A start of the schedule that lies ahead is brought back: it would hold everything until then.
    let mut scene = completed(nightly());
    scene.want.generation = 2;
    scene.want.schedule.as_mut().unwrap().cron = "15 4 * * *".into();
    at(&mut scene, "2027-11-26T12:00:00Z");
    scene.now = time("2026-11-26T13:00:00Z");
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    at(&mut scene, "2026-11-26T13:00:00Z");
    assert_eq!(kept(&scene), (Some(scene.now), None, Some(time("2026-11-27T04:15:00Z"))));
}

#[test]
fn suspending_and_resuming_ends_what_a_clock_far_ahead_has_left() {
    let mut scene = completed(nightly());
    at(&mut scene, "2036-11-28T03:00:00Z");
    run(&mut scene, NEW + 1);
    assert_eq!(at(&mut scene, "2026-11-28T03:00:00Z").run().number, 2);
    for (generation, suspend) in [(2, true), (3, false)] {
        scene.want.generation = generation;
        scene.want.suspend = suspend;
        scene.pass(MINUTE);
        scene.play(Fact::Nothing);
    }
    assert_eq!(next(&scene), time("2026-11-29T02:15:00Z"));
}

#[test]
fn a_clock_that_goes_back_after_a_tick_was_answered_does_not_answer_it_again() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-27T02:15:00Z");
    run(&mut scene, NEW + 1);
    scene.set_clock(SignedDuration::from_mins(-20));
    for _ in 0..40 {
        assert_eq!(scene.play(Fact::Nothing).run().number, 2);
        scene.pass(MINUTE);
    }
}

#[test]
fn a_leader_that_changes_in_the_second_of_the_tick_runs_it_once() {
    // The old leader has opened the run and its reply was lost, or not; the new one finds either status.
    for opened in [false, true] {
        let mut scene = completed(nightly());
        if opened {
            at(&mut scene, "2026-11-27T02:15:00Z");
        }
        scene.now = time("2026-11-27T02:15:00Z");
        scene.restart();
        scene.permission = if opened { Permission::Announce } else { Permission::Granted };
        let decision = scene.play(Fact::Nothing);
        assert_eq!((decision.run().number, decision.effect), (2, Effect::None), "{opened}");
        scene.permission = Permission::Granted;
        let ended = run(&mut scene, NEW + 1);
        assert_eq!((ended.run().number, ended.reason()), (2, Reason::RefreshCompleted), "{opened}");
    }
}

#[test]
fn a_new_leader_whose_clock_is_behind_carries_on_with_what_was_opened() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-27T02:15:00Z");
    scene.set_clock(SignedDuration::from_secs(-50));
    scene.restart();
    assert!(is_due(&scene.want, &scene.record()), "it announces it");
    scene.permission = Permission::Announce;
    assert_eq!(scene.play(Fact::Nothing).run().number, 2);
    scene.permission = Permission::Granted;
    start(&mut scene, NEW + 1);
    scene.pass(2 * MINUTE);
    assert_eq!(end(&mut scene, NEW + 1).run().number, 2, "the tick is not answered twice");
}
