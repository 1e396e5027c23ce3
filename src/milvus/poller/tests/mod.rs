//! The poller against a scripted Milvus, in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Answer, Poller, Sighting};
use crate::milvus::{ErrorKind, JobId, JobState};

mod fake;
mod pace;
mod plan;

use fake::{Fake, Scene, pass};

fn gaps(times: &[Instant]) -> Vec<u128> {
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_list_does_not_show_is_asked_for_before_it_is_called_not_found() {
    let scene = Scene::with(20);
    scene.fake.hide(3);
    scene.fake.remove(4);
    pass(2_000).await;
    assert!(scene.job(3).is_some());
    assert_eq!(scene.track(4), Sighting { answer: Some(Answer::NotFound), failing: None });
    let asked: Vec<_> = scene.fake.polls().into_iter().map(|(_, job)| job.0).collect();
    assert!(asked.contains(&3) && asked.contains(&4) && asked.iter().all(|id| [3, 4].contains(id)), "{asked:?}");
    pass(60_000).await;
    let gaps = gaps(&scene.fake.polls_of(4));
    assert!((4_500..=6_200).contains(gaps.last().unwrap()), "asked ever less often: {gaps:?}");
    assert_eq!(scene.changes(), (1..=20).collect::<Vec<_>>(), "each told once");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_appears_later_is_seen() {
    let scene = Scene::new();
    scene.track(1);
    pass(1_000).await;
    assert_eq!(scene.track(1).answer, Some(Answer::NotFound));
    scene.fake.set(1, |_| {});
    pass(1_000).await;
    assert!(scene.job(1).is_some());
    assert_eq!(scene.changes(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_ended_job_is_told_once_and_polled_no_more() {
    for count in [1, 16] {
        let scene = Scene::with(count);
        pass(1_000).await;
        scene.changes();
        for id in 1..=count {
            scene.fake.set(id, |job| (job.state, job.progress) = (JobState::Completed, 100));
        }
        pass(1_000).await;
        assert_eq!(scene.changes(), (1..=count).collect::<Vec<_>>());
        assert_eq!(scene.poller.active(), 0);
        scene.fake.reset();
        pass(600_000).await;
        assert!(scene.fake.polls().is_empty() && scene.fake.lists().is_empty());
        assert_eq!(scene.job(1).unwrap().state, JobState::Completed, "it stays known");
    }
}

#[tokio::test(start_paused = true)]
async fn only_differences_are_told() {
    let scene = Scene::with(1);
    pass(5_000).await;
    assert_eq!(scene.changes(), [1]);
    scene.fake.set(1, |job| job.progress = 40);
    pass(2_000).await;
    scene.fake.set(1, |job| job.reason = "a node was lost".to_owned());
    pass(2_000).await;
    assert_eq!(scene.changes(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_reason_is_held_back_until_the_reason_is_there() {
    for count in [1, 16] {
        let scene = Scene::with(count);
        pass(1_000).await;
        scene.changes();
        scene.fake.take(Duration::from_millis(100), Duration::from_millis(100));
        scene.fake.set(1, |job| job.state = JobState::Failed);
        let mut waited = 0;
        while scene.changes().is_empty() {
            assert_eq!(scene.job(1).unwrap().state, JobState::InProgress, "not told yet");
            pass(50).await;
            waited += 50;
            if waited == 10_000 {
                scene.fake.set(1, |job| {
                    job.reason = "no files found in external source".to_owned();
                    job.end_time = Some(Timestamp::UNIX_EPOCH);
                });
            }
            assert!(waited < 20_000, "told in the end");
        }
        let job = scene.job(1).unwrap();
        assert_eq!((job.state, job.reason.as_str()), (JobState::Failed, "no files found in external source"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_without_a_reason_is_told_after_some_looks() {
    let scene = Scene::with(1);
    pass(1_000).await;
    scene.fake.set(1, |job| job.state = JobState::Failed);
    scene.fake.reset();
    pass(10_000).await;
    assert_eq!(scene.job(1).unwrap().state, JobState::InProgress, "Milvus may still be about to say why");
    pass(10_000).await;
    assert_eq!(scene.job(1).unwrap().state, JobState::Failed);
    assert!((4..=8).contains(&scene.fake.polls().len()), "{:?}", scene.fake.polls());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_told_and_followed_on() {
    let scene = Scene::with(1);
    scene.fake.set(1, |job| job.state = JobState::Unknown(9));
    pass(1_000).await;
    assert_eq!(scene.job(1).unwrap().state, JobState::Unknown(9));
    scene.fake.set(1, |job| job.state = JobState::Completed);
    pass(1_000).await;
    assert_eq!(scene.job(1).unwrap().state, JobState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_failing_poll_hides_nothing_backs_off_and_recovers() {
    for kind in [ErrorKind::Unreachable, ErrorKind::Malformed, ErrorKind::Internal, ErrorKind::Unauthenticated] {
        let scene = Scene::with(1);
        pass(1_000).await;
        scene.changes();
        scene.fake.fail_polls(Some(kind));
        scene.fake.reset();
        pass(60_000).await;
        assert_eq!(scene.changes(), [1], "{kind:?} is told once");
        let sighting = scene.track(1);
        assert!(matches!(sighting.answer, Some(Answer::Job(_))), "{sighting:?}");
        assert_eq!(sighting.failing.unwrap().kind, kind);
        let polls = scene.fake.polls_of(1);
        assert!((6..=12).contains(&polls.len()), "{kind:?}: {:?}", gaps(&polls));
        scene.fake.fail_polls(None);
        pass(11_000).await;
        assert_eq!(scene.changes(), [1], "recovery from {kind:?} is told once");
        assert_eq!(scene.track(1).failing, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_not_hammered_by_many_jobs() {
    let scene = Scene::with(1000);
    pass(2_000).await;
    scene.fake.fail_lists(Some(ErrorKind::NotSent));
    scene.fake.fail_polls(Some(ErrorKind::NotSent));
    scene.fake.reset();
    pass(120_000).await;
    let calls = scene.fake.lists().len() + scene.fake.polls().len();
    assert!((10..=60).contains(&calls), "{calls} calls in two minutes");
    assert!(scene.job(1).is_some(), "what was seen stays");
    scene.fake.fail_lists(None);
    scene.fake.fail_polls(None);
    scene.fake.set(500, |job| job.progress = 77);
    pass(25_000).await;
    assert_eq!(scene.job(500).unwrap().progress, 77);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_poll_of_one_job_does_not_delay_the_others() {
    let scene = Scene::with(1);
    scene.fake.take(Duration::ZERO, Duration::from_secs(30));
    pass(300).await;
    scene.fake.take(Duration::ZERO, Duration::ZERO);
    scene.fake.set(2, |_| {});
    scene.track(2);
    pass(1_000).await;
    assert!(scene.job(2).is_some());
    assert!(scene.job(1).is_none());
}

#[tokio::test(start_paused = true)]
async fn forgotten_jobs_cost_nothing() {
    let scene = Scene::with(20);
    pass(1_000).await;
    for id in 1..=20 {
        scene.poller.forget(&id);
    }
    assert_eq!(scene.poller.active(), 0);
    scene.fake.reset();
    pass(600_000).await;
    assert!(scene.fake.polls().is_empty() && scene.fake.lists().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_new_job_starts_afresh_and_ignores_the_old_one() {
    let scene = Scene::with(1);
    pass(1_000).await;
    scene.fake.take(Duration::ZERO, Duration::from_secs(1));
    pass(500).await;
    scene.fake.set(2, |job| job.progress = 5);
    assert_eq!(scene.poller.track(1, JobId(2), Duration::ZERO), Sighting::default());
    scene.changes();
    pass(3_000).await;
    let sighting = scene.poller.track(1, JobId(2), Duration::ZERO);
    assert!(matches!(sighting.answer, Some(Answer::Job(job)) if job.id == JobId(2)));
    assert_eq!(scene.changes(), [1], "the late answer about the old job is not told");
}

#[tokio::test(start_paused = true)]
async fn tracking_again_changes_nothing() {
    let scene = Scene::with(1);
    for _ in 0..100 {
        scene.track(1);
        pass(25).await;
    }
    assert!((9..=10).contains(&scene.fake.polls().len()), "{}", scene.fake.polls().len());
    assert_eq!(scene.poller.active(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_job_is_looked_at_once_soon_and_then_seldom() {
    let scene = Scene::new();
    scene.fake.set(1, |_| {});
    scene.poller.track(1, JobId(1), Duration::from_secs(3600));
    pass(300).await;
    assert!(scene.job(1).is_some());
    pass(60_000).await;
    assert_eq!(scene.fake.polls().len(), 6 + 1);
}

#[tokio::test(start_paused = true)]
async fn the_reader_may_call_the_poller_when_told() {
    let fake = Arc::new(Fake::default());
    let handle = Arc::new(std::sync::OnceLock::<Poller<i64>>::new());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let in_callback = Arc::clone(&handle);
    let changed = move |key| {
        let sighting = in_callback.get().unwrap().track(key, JobId(key), Duration::ZERO);
        tell.send(sighting).unwrap();
    };
    let poller = handle.get_or_init(|| Poller::new(Arc::clone(&fake) as _, changed, || 1.0));
    fake.set(1, |_| {});
    poller.track(1, JobId(1), Duration::ZERO);
    assert!(matches!(told.recv().await.unwrap().answer, Some(Answer::Job(_))));
}

#[tokio::test(start_paused = true)]
async fn polling_ends_with_the_last_handle() {
    let scene = Scene::with(1);
    let Scene { fake, poller, .. } = scene;
    let clone = poller.clone();
    drop(poller);
    pass(1_100).await;
    assert!(!fake.polls().is_empty(), "a clone keeps it alive");
    drop(clone);
    fake.reset();
    pass(60_000).await;
    assert!(fake.polls().is_empty());
    assert_eq!(Arc::strong_count(&fake), 1, "the task is gone");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_progress_nobody_waits_for_tells_only_its_end() {
    for count in [1, 16] {
        let scene = Scene::with(count);
        pass(2_000).await;
        assert_eq!(scene.changes(), (1..=count).collect::<Vec<_>>());
        scene.poller.hush(&1, Instant::now() + Duration::from_secs(60));
        scene.fake.set(1, |job| job.progress = 50);
        pass(50_000).await;
        assert!(scene.changes().is_empty());
        assert_eq!(scene.job(1).unwrap().progress, 50, "it is known to who asks");
        pass(20_000).await;
        scene.fake.set(1, |job| job.progress = 60);
        pass(20_000).await;
        assert_eq!(scene.changes(), [1]);

        scene.poller.hush(&1, Instant::now() + Duration::from_secs(60));
        scene.fake.set(1, |job| job.state = JobState::Completed);
        pass(20_000).await;
        assert_eq!(scene.changes(), [1]);
    }
}
