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
fn index() -> (Index, impl FnMut() -> Vec<String>) {
    let (router, woken) = Router::heard();
    (Index::new(router), woken)
}

#[test]
fn the_first_to_come_has_the_collection_and_the_others_queue_in_the_order_in_which_they_became_due() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(5)), Turn::Mine);
    assert_eq!(index.join("c", &key("c"), LOCK, due(3)), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("b", &key("b"), LOCK, due(2)), Turn::Behind { position: Some(1) });
    assert_eq!(index.turn("c"), Turn::Behind { position: Some(2) });
    assert_eq!(index.join("e", &key("e"), Lock::Collection(8), due(9)), Turn::Mine, "another collection");
}

#[test]
fn an_ended_run_wakes_the_next_and_the_three_whose_places_change() {
    let (index, mut woken) = index();
    index.join("a", &key("a"), LOCK, due(0));
    for number in 1..10 {
        let name = format!("q{number}");
        index.join(&name, &key(&name), LOCK, due(number));
    }
    assert_eq!(index.turn("q3"), Turn::Behind { position: Some(3) });
    assert_eq!(index.turn("q4"), Turn::Behind { position: None });
    assert_eq!(woken(), Vec::<String>::new());
    index.settled("a", &key("a"), &want(), &record(JobState::Completed, Some(1), Reason::RefreshCompleted));
    assert_eq!(woken(), ["q1", "q2", "q3", "q4"]);
    assert_eq!(index.turn("q1"), Turn::Unknown, "first in line: it looks and joins");
    assert_eq!(index.turn("q2"), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("q1", &key("q1"), LOCK, due(1)), Turn::Mine);
    assert_eq!(index.turn("q2"), Turn::Behind { position: Some(1) });
}

#[test]
fn the_first_in_line_keeps_its_turn_while_it_waits_for_a_foreign_job() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(0)), Turn::Mine);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1)), Turn::Behind { position: Some(1) });
    index.settled("a", &key("a"), &want(), &record(JobState::Pending, None, Reason::WaitingForActiveJob));
    assert_eq!(index.turn("b"), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("b", &key("b"), LOCK, due(1)), Turn::Behind { position: Some(1) });
    assert_eq!(index.join("a", &key("a"), LOCK, due(0)), Turn::Mine);
}

#[test]
fn a_run_that_cannot_start_for_its_connection_is_passed_over() {
    let (index, mut woken) = index();
    index.join("a", &key("a"), LOCK, due(0));
    index.join("b", &key("b"), LOCK, due(1));
    index.settled("a", &key("a"), &want(), &record(JobState::Pending, None, Reason::ConnectionNotReady));
    assert_eq!(woken(), ["b"]);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1)), Turn::Mine);
}

#[test]
fn a_status_of_another_process_takes_the_collection_and_a_deletion_frees_it() {
    let (index, mut woken) = index();
    index.seen("a", &want(), &record(JobState::InProgress, Some(1), Reason::RefreshInProgress));
    assert_eq!(index.join("b", &key("b"), LOCK, due(1)), Turn::Behind { position: Some(1) });
    index.gone("a");
    assert_eq!(woken(), ["b"]);
    assert_eq!(index.join("b", &key("b"), LOCK, due(1)), Turn::Mine);
}

#[test]
fn an_outdated_view_of_a_run_that_is_being_claimed_frees_nothing() {
    let (index, _) = index();
    assert_eq!(index.join("a", &key("a"), LOCK, due(0)), Turn::Mine);
    index.seen("a", &want(), &record(JobState::Pending, None, Reason::Queued));
    assert_eq!(index.turn("a"), Turn::Mine);
}

#[test]
fn jobs_belong_to_who_recorded_them() {
    let (index, _) = index();
    index.seen("a", &want(), &record(JobState::Completed, Some(5), Reason::RefreshCompleted));
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
    let place = |name: &str, number: i64| index.join(name, &key(name), LOCK, due(number));
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
