//! What refreshes cost the API server and Milvus. Counts only: they do not depend on the machine.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use milvus_simulator::{Method, Plan};

use crate::harness::{LONG, World};

/// The least time from one listing of all jobs to the next.
const TICK: Duration = Duration::from_millis(500);
/// So long nothing moves before an operator counts as idle, and while it is one.
const IDLE: Duration = Duration::from_secs(15);
/// The status writes of a refresh without its progress: claim, job id, result.
const RESULT: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_finished_objects_cost_no_call() {
    const OBJECTS: usize = 1000;
    let world = World::new().await;
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("c{number}")).collect();
    for name in &names {
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
    }
    stream::iter(&names).for_each_concurrent(16, |name| async { drop(world.create(name, name).await) }).await;
    for name in &names {
        world.until_ended(name).await;
    }
    assert_eq!(world.milvus.calls(Method::Refresh), OBJECTS);
    let calls = || {
        let lines = world.cluster.control_plane.audit().unwrap();
        let ours = |user: &str| user.ends_with(":milvus-refresh-operator");
        lines
            .iter()
            .filter(|line| ours(&line.user) && line.namespace == world.namespace && line.verb != "watch")
            // The cluster's version, asked for before a watch is opened.
            .filter(|line| !line.uri.ends_with("?limit=1"))
            .count()
    };
    // Events come behind the statuses they speak of, and nobody knows how many: some are dropped. Once they are out, nothing
    // moves any more.
    let quiet = async {
        let mut before = calls();
        loop {
            tokio::time::sleep(IDLE).await;
            let now = calls();
            if now == before {
                return before;
            }
            before = now;
        }
    };
    let before = tokio::time::timeout(LONG, quiet).await.expect("an end of the calls");
    let polls = (world.milvus.calls(Method::Progress), world.milvus.calls(Method::List));
    tokio::time::sleep(IDLE).await;
    assert_eq!(calls(), before, "API calls of an idle operator");
    let probes = 2;
    assert!(world.milvus.calls(Method::Progress) <= polls.0 + probes, "finished jobs are polled");
    assert_eq!(world.milvus.calls(Method::List), polls.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_active_jobs_share_one_listing_a_tick() {
    const JOBS: usize = 40;
    let world = World::new().await;
    let began = Instant::now();
    for number in 0..JOBS {
        let name = format!("c{number}");
        world.milvus.create_collection(&name, Plan::completes_in(Duration::from_secs(20)));
        world.create(&name, &name).await;
    }
    world.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) == JOBS).await;
    // The time first, so that no listing is counted without the time in which it was made.
    let since = Instant::now();
    let before = (world.milvus.calls(Method::Progress), world.milvus.calls(Method::List));
    for number in 0..JOBS {
        world.until_ended(&format!("c{number}")).await;
    }
    let progress = world.milvus.calls(Method::Progress) - before.0;
    let lists = world.milvus.calls(Method::List) - before.1;
    let ticks = usize::try_from(since.elapsed().as_millis() / TICK.as_millis()).unwrap();
    assert!(lists > 0, "the jobs are listed");
    assert!(lists <= ticks + 2, "{lists} listings in {ticks} ticks");
    assert!(progress < JOBS, "{progress} single polls for {JOBS} jobs of 20 s");
    let writes: usize = (0..JOBS).map(|number| world.status_writes(&format!("c{number}"))).sum();
    let most = JOBS * (RESULT + progress_writes_within(began.elapsed()));
    assert!(writes <= most, "{writes} status writes for {JOBS} refreshes of 20 s, at most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_less_than_ten_seconds_costs_three_status_writes() {
    const SECONDS: [u64; 3] = [2, 5, 7];
    let world = World::new().await;
    let began = Instant::now();
    for seconds in SECONDS {
        let name = format!("c{seconds}");
        world.milvus.create_collection(&name, Plan::completes_in(Duration::from_secs(seconds)));
        world.create(&name, &name).await;
    }
    for seconds in SECONDS {
        let name = format!("c{seconds}");
        world.until_ended(&name).await;
        // None but on a machine so busy that a job of 7 s takes 10 s.
        let progress = progress_writes_within(began.elapsed());
        let writes = world.until_status_writes(&name, RESULT).await;
        assert!(writes <= RESULT + progress, "{writes} status writes of a job of {seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_progress_of_a_job_is_written_each_five_seconds_once_it_is_ten_seconds_old() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(35)));
    let began = Instant::now();
    world.create("products", "products").await;
    world.until_ended("products").await;
    let progress = world.until_status_writes("products", RESULT + 2).await - RESULT;
    let most = progress_writes_within(began.elapsed());
    assert!((2..=most).contains(&progress), "progress was written {progress} times, at most {most}");
    assert!(RESULT + progress_writes_within(Duration::from_secs(60)) <= 15, "the budget of a job of a minute");
}

/// The most progress writes of a refresh that took so long: none before 10 s, then one each 5 s.
fn progress_writes_within(time: Duration) -> usize {
    time.checked_sub(Duration::from_secs(10)).map_or(0, |rest| usize::try_from(rest.as_secs() / 5).unwrap() + 1)
}
