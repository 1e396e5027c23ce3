#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use jiff::SignedDuration;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    milvus::{JobId, JobState},
    refresh::{JobRecord, Run, Summary},
};

fn key(name: &str) -> Key {
    Key { namespace: "n".to_owned(), name: name.to_owned() }
}

fn connection() -> Key {
    key("default")
}

fn due(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn record(state: JobState, job: Option<i64>, reason: Reason) -> Recorded {
    Recorded {
        run: Some(Run { queued_time: Some(due(0)), ..Run::default() }),
        job: JobRecord { state: Some(state), id: job.map(JobId), ..JobRecord::default() },
        summary: Some(Summary { reason, message: String::new() }),
        ..Recorded::default()
    }
}

fn running() -> Recorded {
    record(JobState::InProgress, Some(7), Reason::RefreshInProgress)
}

fn waiting() -> Recorded {
    record(JobState::Pending, None, Reason::ConcurrencyLimit)
}

fn queued() -> Recorded {
    record(JobState::Pending, None, Reason::Queued)
}

fn over() -> Recorded {
    record(JobState::Completed, Some(7), Reason::RefreshCompleted)
}

/// Slots of one connection, and who was woken since that was last asked.
fn slots(limit: usize) -> (Slots, impl FnMut() -> Vec<String>) {
    let (router, woken) = Router::heard();
    let slots = Slots::new(router);
    slots.limit(&connection(), limit);
    (slots, woken)
}

fn take(slots: &Slots, name: &str, second: i64) -> Slot {
    slots.take(name, &connection(), &key(name), due(second))
}

#[test]
fn a_run_that_waits_for_its_checks_has_given_its_slot_to_the_next() {
    let (slots, mut woken) = slots(1);
    take(&slots, "a", 0);
    slots.settled("a", &connection(), &running());
    take(&slots, "b", 1);
    slots.settled("b", &connection(), &waiting());
    let mut verifying = record(JobState::InProgress, Some(7), Reason::Verifying);
    verifying.run.as_mut().unwrap().job_completion_time = Some(due(9));
    slots.settled("a", &connection(), &verifying);
    assert_eq!(woken(), ["b"]);
    assert_eq!(take(&slots, "b", 1), Slot::Mine);
}

#[test]
fn so_many_run_and_the_next_waits_until_one_is_over() {
    let (slots, mut woken) = slots(2);
    for name in ["a", "b"] {
        assert_eq!(take(&slots, name, 0), Slot::Mine);
        slots.settled(name, &connection(), &running());
    }
    assert_eq!(take(&slots, "c", 0), Slot::Waiting);
    slots.settled("c", &connection(), &waiting());
    assert_eq!(woken(), [""; 0]);
    slots.settled("a", &connection(), &over());
    assert_eq!(woken(), ["c"]);
    assert_eq!(take(&slots, "c", 0), Slot::Mine);
}

#[test]
fn the_one_that_has_been_due_longest_goes_first_whoever_asks_first() {
    let (slots, mut woken) = slots(1);
    slots.seen("holder", &connection(), &running());
    for (name, second) in [("late", 9), ("b", 5), ("a", 5), ("early", 1)] {
        assert_eq!(take(&slots, name, second), Slot::Waiting);
        slots.settled(name, &connection(), &waiting());
    }
    slots.gone("holder");
    for (first, second, next) in [("early", 1, "a"), ("a", 5, "b"), ("b", 5, "late")] {
        assert_eq!(woken(), [first]);
        assert_eq!(take(&slots, "late", 9), Slot::Waiting, "{first} is before it");
        assert_eq!(take(&slots, first, second), Slot::Mine);
        slots.settled(first, &connection(), &over());
        assert_ne!(first, next);
    }
}

#[test]
fn one_that_did_not_take_the_slot_that_it_was_woken_for_is_not_woken_again_and_again() {
    let (slots, mut woken) = slots(1);
    slots.seen("holder", &connection(), &running());
    assert_eq!(take(&slots, "a", 1), Slot::Waiting);
    slots.settled("a", &connection(), &waiting());
    slots.gone("holder");
    assert_eq!(woken(), ["a"]);
    // It does not know its connection at the moment, for example, and its status says what it said.
    slots.settled("a", &connection(), &waiting());
    assert_eq!(woken(), [""; 0]);
    assert_eq!(take(&slots, "a", 1), Slot::Mine);
}

#[test]
fn one_that_waits_for_its_collection_has_no_slot() {
    let (slots, mut woken) = slots(1);
    assert_eq!(take(&slots, "a", 0), Slot::Mine);
    assert_eq!(take(&slots, "b", 1), Slot::Waiting);
    slots.settled("b", &connection(), &waiting());
    slots.settled("a", &connection(), &queued());
    assert_eq!(woken(), ["b"]);
    assert_eq!(take(&slots, "b", 1), Slot::Mine);
}

#[test]
fn what_runs_at_a_start_counts_even_above_the_limit() {
    let (slots, mut woken) = slots(1);
    for name in ["a", "b", "c"] {
        slots.seen(name, &connection(), &running());
    }
    assert_eq!(take(&slots, "d", 0), Slot::Waiting);
    slots.settled("d", &connection(), &waiting());
    for name in ["a", "b"] {
        slots.seen(name, &connection(), &over());
        assert_eq!(woken(), [""; 0], "two ran too many");
    }
    slots.seen("c", &connection(), &over());
    assert_eq!(woken(), ["d"]);
}

#[test]
fn a_higher_limit_wakes_as_many_as_it_lets_in() {
    let (slots, mut woken) = slots(1);
    slots.seen("holder", &connection(), &running());
    for (name, second) in [("a", 1), ("b", 2), ("c", 3)] {
        take(&slots, name, second);
        slots.settled(name, &connection(), &waiting());
    }
    slots.limit(&connection(), 3);
    assert_eq!(woken(), ["a", "b"]);
}

#[test]
fn connections_do_not_share_slots() {
    let (slots, _) = slots(1);
    let other = key("other");
    slots.limit(&other, 1);
    assert_eq!(take(&slots, "a", 0), Slot::Mine);
    assert_eq!(slots.take("b", &other, &key("b"), due(0)), Slot::Mine);
    assert_eq!(take(&slots, "c", 0), Slot::Waiting);
}

#[test]
fn nothing_is_kept_of_what_is_gone() {
    let (slots, _) = slots(1);
    take(&slots, "a", 0);
    take(&slots, "b", 0);
    slots.gone("a");
    slots.gone("b");
    slots.unlimited(&connection());
    let inner = slots.inner.lock();
    assert!(inner.connections.is_empty() && inner.users.is_empty(), "{inner:?}");
}

proptest! {
    /// Each step one of the runs does the next thing that a pass can do.
    #[test]
    fn never_more_run_than_the_limit_and_whoever_could_run_is_woken(
        limit in 1..4_usize,
        steps in vec((0..8_usize, 0..4_u8), 1..200),
    ) {
        let (slots, mut woken) = slots(limit);
        let names: Vec<String> = (0..8).map(|number| format!("r{number}")).collect();
        let mut mine = [false; 8];
        // Those that were told to wait, and have not been woken since.
        let mut asleep = [false; 8];
        for (run, what) in steps {
            let name = &names[run];
            match what {
                0 | 1 if !mine[run] => {
                    let slot = take(&slots, name, i64::try_from(run).unwrap());
                    mine[run] = slot == Slot::Mine;
                    asleep[run] = !mine[run];
                    slots.settled(name, &connection(), &if mine[run] { running() } else { waiting() });
                }
                2 => {
                    slots.settled(name, &connection(), &over());
                    (mine[run], asleep[run]) = (false, false);
                }
                3 => {
                    slots.gone(name);
                    (mine[run], asleep[run]) = (false, false);
                }
                _ => {}
            }
            for name in woken() {
                asleep[names.iter().position(|known| *known == name).unwrap()] = false;
            }
            let (holding, sleeping) = (mine.iter().filter(|mine| **mine).count(), asleep.iter().any(|asleep| *asleep));
            prop_assert!(holding <= limit, "{holding} run");
            // Whoever is awake and has no slot asks for one itself.
            let awake = slots.inner.lock().connections.get(&connection()).is_some_and(|slots| slots.waiting.len() > asleep.iter().filter(|asleep| **asleep).count());
            prop_assert!(holding == limit || !sleeping || awake, "a slot is free and its next user sleeps");
        }
    }
}
