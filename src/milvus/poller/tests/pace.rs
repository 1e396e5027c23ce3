//! How often Milvus is asked, by the number and the age of the jobs.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    fake::{Scene, pass},
    gaps,
};
use crate::milvus::{ErrorKind, JobId, JobState};

/// Timers have a resolution of a millisecond.
fn close(actual: u128, expected: u128) -> bool {
    actual.abs_diff(expected) <= 2
}

fn busiest_second(times: &[Instant]) -> usize {
    let within =
        |start: &Instant| times.iter().filter(|at| **at >= *start && **at < *start + Duration::from_secs(1)).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn one_job_is_polled_alone_and_less_often_as_it_ages() {
    let scene = Scene::with(1);
    pass(2_600).await;
    assert_eq!(scene.fake.polls().len(), 10);
    pass(200_000).await;
    let polls = scene.fake.polls_of(1);
    let gaps = gaps(&polls);
    assert!(gaps.windows(2).all(|pair| pair[1] + 2 >= pair[0]), "{gaps:?}");
    assert!(close(*gaps.last().unwrap(), 10_000), "{gaps:?}");
    assert!(scene.fake.lists().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fifteen_jobs_are_polled_singly_and_sixteen_by_one_list_a_tick() {
    let scene = Scene::with(15);
    pass(10_000).await;
    assert!(scene.fake.lists().is_empty());
    let polls: Vec<_> = scene.fake.polls().into_iter().map(|(at, _)| at).collect();
    assert!((100..=160).contains(&polls.len()), "{} polls", polls.len());
    assert!(busiest_second(&polls) <= 17, "{}", busiest_second(&polls));

    let scene = Scene::with(16);
    pass(10_000).await;
    assert!(scene.fake.polls().is_empty(), "{:?}", scene.fake.polls());
    let lists = scene.fake.lists();
    assert!(gaps(&lists).into_iter().all(|gap| close(gap, 500)), "{:?}", gaps(&lists));
    assert_eq!(scene.changes(), (1..=16).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_cost_as_many_calls_as_sixteen() {
    let (few, many) = (Scene::with(16), Scene::with(1000));
    pass(300_000).await;
    assert_eq!(few.fake.lists().len(), many.fake.lists().len());
    assert!(many.fake.polls().is_empty());
    assert_eq!(many.changes().len(), 1000);
    let gaps = gaps(&many.fake.lists());
    assert!(gaps.is_sorted() && (4_500..=5_000).contains(gaps.last().unwrap()), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_of_many_jobs_are_followed_as_closely_as_the_many_were() {
    let scene = Scene::with(20);
    pass(60_000).await;
    let end = |id| scene.fake.set(id, |job| job.state = JobState::Completed);
    (1..=16).for_each(end);
    pass(2_000).await;
    let lists = scene.fake.lists().len();
    pass(10_000).await;
    assert!(scene.fake.polls().is_empty(), "{:?}", scene.fake.polls());
    assert!(scene.fake.lists().len() >= lists + 8, "{} lists", scene.fake.lists().len() - lists);
    end(17);
    pass(15_000).await;
    assert!(!scene.fake.polls().is_empty(), "three are a few");
}

#[tokio::test(start_paused = true)]
async fn a_young_job_quickens_the_lists_of_old_ones() {
    let scene = Scene::new();
    for id in 1..=20 {
        scene.fake.set(id, |_| {});
        scene.poller.track(id, JobId(id), Duration::from_secs(3600));
    }
    pass(30_000).await;
    assert!(close(*gaps(&scene.fake.lists()).last().unwrap(), 10_000));
    scene.fake.set(21, |_| {});
    scene.track(21);
    pass(600).await;
    assert!(scene.job(21).is_some());
    assert!(scene.fake.polls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_list_is_given_four_times_its_own_time_to_rest_and_never_doubled() {
    let scene = Scene::with(16);
    scene.fake.take(Duration::from_secs(2), Duration::ZERO);
    pass(60_000).await;
    let gaps = gaps(&scene.fake.lists());
    assert!(gaps.len() >= 3 && gaps.iter().skip(1).all(|gap| *gap >= 8_000), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_denied_list_leaves_sixteen_polls_a_second_and_is_retried_after_minutes() {
    let scene = Scene::with(1000);
    scene.fake.fail_lists(Some(ErrorKind::PermissionDenied));
    pass(70_000).await;
    assert_eq!(scene.fake.lists().len(), 1);
    let polls: Vec<_> = scene.fake.polls().into_iter().map(|(at, _)| at).collect();
    assert!(busiest_second(&polls) <= 16, "{}", busiest_second(&polls));
    assert_eq!(scene.changes().len(), 1000, "every job has had its turn");

    scene.fake.fail_lists(None);
    pass(240_000).await;
    assert_eq!(scene.fake.lists().len(), 2 + lists_since_recovery(&scene));
    scene.fake.reset();
    pass(30_000).await;
    assert!(scene.fake.polls().is_empty(), "a List that works replaces the polls");
}

/// The first List failed, the second was the first to succeed.
fn lists_since_recovery(scene: &Scene) -> usize {
    let gaps = gaps(&scene.fake.lists());
    assert!(gaps[0] >= 300_000, "{gaps:?}");
    gaps.len() - 1
}

#[tokio::test(start_paused = true)]
async fn a_list_that_times_out_does_not_stop_the_polls() {
    let scene = Scene::with(20);
    scene.fake.take(Duration::from_secs(30), Duration::ZERO);
    scene.fake.fail_lists(Some(ErrorKind::Timeout));
    pass(60_000).await;
    assert_eq!(scene.changes(), (1..=20).collect::<Vec<_>>());
    assert_eq!(scene.fake.lists().len(), 1, "it rests four times the 30 s that it took");
}
