#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use jiff::SignedDuration;

use super::*;
use crate::{
    api::ExternalCollectionRefresh,
    milvus::JobState,
    refresh::{JobRecord, Run, Summary},
};

const LOCK: Lock = Lock::Collection(7);

fn key(name: &str) -> Key {
    Key { namespace: "n".to_owned(), name: name.to_owned() }
}

/// When the tests play, unless they say another time.
fn now() -> Timestamp {
    later(0)
}

fn later(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1000 + minutes)
}

fn due(second: i64) -> Option<Timestamp> {
    Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second))
}

fn want() -> Desired {
    let spec = serde_json::from_value(serde_json::json!({ "collectionName": "c" })).unwrap();
    Desired::of(&ExternalCollectionRefresh::new("r", spec))
}

fn record(state: JobState, job: Option<i64>, reason: Reason) -> Recorded {
    Recorded {
        run: Some(Run { queued_time: due(0), collection_id: Some(7), ..Run::default() }),
        job: JobRecord { state: Some(state), id: job.map(JobId), ..JobRecord::default() },
        summary: Some(Summary { reason, message: String::new() }),
        ..Recorded::default()
    }
}

/// An index, and what it has woken since it was last asked.
fn index() -> (Queue, impl FnMut() -> Vec<String>) {
    let (router, woken) = Router::heard();
    (Queue::new(router), woken)
}

#[test]
fn the_first_to_come_has_the_collection_and_the_others_queue_in_the_order_in_which_they_became_due() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(5), now()), Turn::Mine);
    assert_eq!(index.join("c", &key("c"), LOCK, due(3), now()), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("b", &key("b"), LOCK, due(2), now()), Turn::Behind { position: Some(1) });
    assert_eq!(index.turn("c", now()).0, Turn::Behind { position: Some(2) });
    assert_eq!(index.join("e", &key("e"), Lock::Collection(8), due(9), now()), Turn::Mine, "another collection");
}

#[test]
fn an_ended_run_wakes_the_next_and_the_three_whose_places_change() {
    let (index, mut woken) = index();
    index.join("a", &key("a"), LOCK, due(0), now());
    for number in 1..10 {
        let name = format!("q{number}");
        index.join(&name, &key(&name), LOCK, due(number), now());
    }
    assert_eq!(index.turn("q3", now()).0, Turn::Behind { position: Some(3) });
    assert_eq!(index.turn("q4", now()).0, Turn::Behind { position: None });
    assert_eq!(woken(), Vec::<String>::new());
    index.settled("a", &key("a"), &want(), &record(JobState::Completed, Some(1), Reason::RefreshCompleted), now());
    assert_eq!(woken(), ["q1", "q2", "q3", "q4"]);
    assert_eq!(index.turn("q1", now()).0, Turn::Unknown, "first in line: it looks and joins");
    assert_eq!(index.turn("q2", now()).0, Turn::Behind { position: Some(1) });
    assert_eq!(index.join("q1", &key("q1"), LOCK, due(1), now()), Turn::Mine);
    assert_eq!(index.turn("q2", now()).0, Turn::Behind { position: Some(1) });
}

#[test]
fn the_first_in_line_keeps_its_turn_while_it_waits_for_a_foreign_job() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(0), now()), Turn::Mine);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1), now()), Turn::Behind { position: Some(1) });
    index.settled("a", &key("a"), &want(), &record(JobState::Pending, None, Reason::WaitingForActiveJob), now());
    assert_eq!(index.turn("b", now()).0, Turn::Behind { position: Some(1) });
    assert_eq!(index.join("b", &key("b"), LOCK, due(1), now()), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("a", &key("a"), LOCK, due(0), now()), Turn::Mine);
}

#[test]
fn a_run_that_cannot_start_for_its_connection_is_passed_over() {
    let (index, mut woken) = index();
    index.join("a", &key("a"), LOCK, due(0), now());
    index.join("b", &key("b"), LOCK, due(1), now());
    index.settled("a", &key("a"), &want(), &record(JobState::Pending, None, Reason::ConnectionNotReady), now());
    assert_eq!(woken(), ["b"]);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1), now()), Turn::Mine);
}

#[test]
fn a_status_of_another_process_takes_the_collection_and_a_deletion_frees_it() {
    let (index, mut woken) = index();
    index.seen("a", &key("a"), &want(), &record(JobState::InProgress, Some(1), Reason::RefreshInProgress), now());
    assert_eq!(index.join("b", &key("b"), LOCK, due(1), now()), Turn::Behind { position: Some(1) });
    index.gone("a");
    assert_eq!(woken(), ["b"]);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1), now()), Turn::Mine);
}

#[test]
fn an_outdated_view_of_a_run_that_is_being_claimed_frees_nothing() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(0), now()), Turn::Mine);
    index.seen("a", &key("a"), &want(), &record(JobState::Pending, None, Reason::Queued), now());
    assert_eq!(index.turn("a", now()).0, Turn::Mine);
}

#[test]
fn jobs_belong_to_who_recorded_them() {
    let (index, _) = index();
    index.seen("a", &key("a"), &want(), &record(JobState::Completed, Some(5), Reason::RefreshCompleted), now());
    let job = |id| Job {
        id: JobId(id),
        collection: String::new(),
        state: JobState::Completed,
        progress: 100,
        reason: String::new(),
        source: String::new(),
        start_time: None,
        end_time: None,
    };
    assert_eq!(index.of_others("b", &[job(5), job(6)]), BTreeSet::from([JobId(5)]));
    assert_eq!(index.of_others("a", &[job(5)]), BTreeSet::new());
    index.gone("a");
    assert_eq!(index.of_others("b", &[job(5)]), BTreeSet::new());
}

#[test]
fn a_queue_of_a_thousand_moves_at_most_three_places_a_run() {
    const RUNS: i64 = 1000;
    let (index, mut woken) = index();
    let place = |name: &str, number: i64| index.join(name, &key(name), LOCK, due(number), now());
    let name = |number: i64| format!("r{number:04}");
    let mut told: Vec<Turn> = (0..RUNS).map(|number| place(&name(number), number)).collect();
    assert!(told.iter().filter(|turn| matches!(turn, Turn::Behind { position: Some(_) })).count() <= 3);
    woken();
    for number in 0..RUNS {
        index.settled(
            &name(number),
            &key(&name(number)),
            &want(),
            &record(JobState::Completed, Some(number), Reason::RefreshCompleted),
            now(),
        );
        let mut moved = 0;
        for next in woken() {
            let next: i64 = next[1..].parse().unwrap();
            let turn = place(&name(next), next);
            let position = &mut told[usize::try_from(next).unwrap()];
            moved += usize::from(*position != turn && turn != Turn::Mine);
            *position = turn;
        }
        assert!(moved <= 3, "{moved} places were told after run {number}");
        let next = told.get(usize::try_from(number + 1).unwrap());
        assert!(next.is_none_or(|turn| *turn == Turn::Mine), "the runs have their turns in order");
    }
}

fn theirs(name: &str) -> Key {
    Key { namespace: "theirs".to_owned(), name: name.to_owned() }
}

fn claimed(second: i64) -> Recorded {
    let mut record = record(JobState::Pending, None, Reason::OutcomeUnknown);
    record.run.as_mut().unwrap().submit_time = due(second);
    record
}

/// The hour and a quarter that a job can run at most.
const LONG: i64 = 75;

#[test]
fn those_who_are_told_their_place_are_told_who_goes_first() {
    let (index, _) = index();
    index.join("a", &theirs("a"), LOCK, due(0), now());
    for name in ["b", "c", "d", "e"] {
        index.join(name, &key(name), LOCK, due(1), now());
    }
    let ahead = |uid| index.turn(uid, now()).1;
    assert_eq!(ahead("a"), None);
    for uid in ["b", "c", "d"] {
        assert_eq!(ahead(uid), Some(Ahead::Refresh("theirs/a".to_owned())));
    }
    assert_eq!(ahead("e"), None, "each run that ends would be a write of each that waits");
    index.gone("a");
    assert_eq!(ahead("c"), Some(Ahead::Refresh("n/b".to_owned())), "before that has taken the collection, too");
}

#[test]
fn a_holder_of_another_namespace_is_waited_for_no_longer_than_a_job_can_run() {
    let (index, _) = index();
    index.seen("a", &theirs("a"), &want(), &claimed(0), later(-1000));
    index.join("same", &theirs("b"), LOCK, due(1), later(-999));
    for (minutes, goes) in [(LONG - 1, false), (LONG, true)] {
        let turn = index.join("ours", &key("b"), LOCK, due(2), later(minutes - 1000));
        assert_eq!(turn == Turn::Mine, goes, "after {minutes} minutes");
    }
    let passed = Some(Ahead::PassedOver("theirs/a".to_owned()));
    assert_eq!(index.turn("ours", later(LONG - 1000)), (Turn::Mine, passed));
    assert!(matches!(index.turn("same", later(0)).0, Turn::Behind { .. }), "its own namespace waits");
    let third =
        index.join("third", &Key { namespace: "third".to_owned(), ..key("c") }, LOCK, due(3), later(LONG - 999));
    assert!(matches!(third, Turn::Behind { .. }), "the one that went on is waited for like any other");
}

#[test]
fn a_holder_whose_claim_lies_in_the_future_counts_from_when_it_was_seen() {
    let (index, _) = index();
    index.seen("a", &theirs("a"), &want(), &claimed(1_000_000_000), later(0));
    index.join("ours", &key("b"), LOCK, due(2), later(1));
    assert!(matches!(index.turn("ours", later(LONG - 1)).0, Turn::Behind { .. }));
    assert_eq!(index.turn("ours", later(LONG)).0, Turn::Unknown);
}

#[test]
fn a_turn_that_another_namespace_does_not_use_ends_like_a_claim() {
    let (index, _) = index();
    let waits = record(JobState::Pending, None, Reason::WaitingForActiveJob);
    for minutes in [0, 30, LONG] {
        index.join("a", &theirs("a"), LOCK, due(0), later(minutes));
        index.settled("a", &theirs("a"), &want(), &waits, later(minutes));
        let turn = index.join("ours", &key("b"), LOCK, due(1), later(minutes));
        assert_eq!(turn == Turn::Mine, minutes == LONG, "after {minutes} minutes");
    }
}

#[test]
fn a_retry_of_another_namespace_holds_the_collection_anew() {
    let (index, _) = index();
    index.seen("a", &theirs("a"), &want(), &claimed(0), later(-1000));
    index.seen("a", &theirs("a"), &want(), &claimed(60_000), later(0));
    index.join("ours", &key("b"), LOCK, due(2), later(0));
    assert!(matches!(index.turn("ours", later(LONG - 1)).0, Turn::Behind { .. }));
}

#[test]
fn a_run_that_waits_for_its_checks_keeps_its_collection_and_other_namespaces_wait_for_it_a_quarter_of_an_hour() {
    let (index, _) = index();
    let mut verifying = record(JobState::InProgress, Some(1), Reason::Verifying);
    let run = verifying.run.as_mut().unwrap();
    (run.submit_time, run.job_completion_time) = (Some(later(0)), Some(later(30)));
    index.settled("a", &theirs("a"), &want(), &verifying, later(30));
    assert!(matches!(index.join("same", &theirs("b"), LOCK, due(1), later(44)), Turn::Behind { .. }));
    for (minutes, goes) in [(44, false), (45, true)] {
        let turn = index.join("ours", &key("b"), LOCK, due(2), later(minutes));
        assert_eq!(turn == Turn::Mine, goes, "after {minutes} minutes");
    }
    assert!(matches!(index.turn("same", later(60)).0, Turn::Behind { .. }), "its own namespace waits for its end");
}
