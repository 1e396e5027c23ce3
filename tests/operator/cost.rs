//! What refreshes cost the API server and Milvus. Counts only: they do not depend on the machine.

use std::time::Duration;

use futures::{StreamExt, stream};
use milvus_refresh_operator::simulator::{Method, Plan};

use crate::harness::World;

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
            .count()
    };
    // Events come behind the statuses they speak of; once they are out, nothing moves any more.
    let mut before = calls();
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = calls();
        if now == before {
            break;
        }
        before = now;
    }
    let polls = (world.milvus.calls(Method::Progress), world.milvus.calls(Method::List));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(calls(), before, "API calls of an idle operator");
    let probes = 2;
    assert!(world.milvus.calls(Method::Progress) <= polls.0 + probes, "finished jobs are polled");
    assert_eq!(world.milvus.calls(Method::List), polls.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_active_jobs_share_one_listing_a_tick() {
    const JOBS: usize = 40;
    let world = World::new().await;
    for number in 0..JOBS {
        let name = format!("c{number}");
        world.milvus.create_collection(&name, Plan::completes_in(Duration::from_secs(20)));
        world.create(&name, &name).await;
    }
    world.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) == JOBS).await;
    let before = (world.milvus.calls(Method::Progress), world.milvus.calls(Method::List));
    for number in 0..JOBS {
        world.until_ended(&format!("c{number}")).await;
    }
    let progress = world.milvus.calls(Method::Progress) - before.0;
    let lists = world.milvus.calls(Method::List) - before.1;
    assert!(lists > 0, "the jobs are listed");
    assert!(progress + lists < 5 * JOBS, "{progress} single polls and {lists} listings for {JOBS} jobs of 20 s");
}
