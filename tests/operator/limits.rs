//! What a connection limits: how many refreshes run at a time, and what a dead Milvus costs. Counts and order only.

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams, PostParams};
use milvus_simulator::{Fault, Method, Outcome, Plan, When};
use serde_json::json;

use crate::harness::{World, refresh, status};

#[tokio::test(flavor = "multi_thread")]
async fn so_many_refreshes_run_at_a_time_and_the_one_that_waits_longest_is_next() {
    let world = World::without_operator().await;
    let spec = json!({ "address": world.milvus.url(), "maxConcurrentRefreshes": 2 });
    world.put_connection("default", spec).await;
    world.start_operator();
    let names = ["r0", "r1", "r2", "r3", "r4"];
    for name in names {
        world.milvus.create_collection(name, Plan::hangs());
    }
    for name in &names[..2] {
        world.create(name, name).await;
        world.until(name, "started", |object| status(object).job_id.is_some()).await;
    }
    // The last is created first.
    for name in ["r4", "r3", "r2"] {
        world.create(name, name).await;
        let waiting = world.until_reason(name, "ConcurrencyLimit").await;
        assert_eq!(status(&waiting).job_id, None);
        // Kubernetes' times are whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let end = |name: &str| world.milvus.finish_job(world.milvus.accepted_starts("default", name)[0], Outcome::Complete);
    for (ends, next) in [("r0", "r4"), ("r1", "r3"), ("r4", "r2")] {
        assert!(end(ends));
        world.until(next, "started", |object| status(object).job_id.is_some()).await;
        let started = names.iter().filter(|name| world.starts(name) == 1).count();
        let ended = world.refreshes().list(&Default::default()).await.unwrap();
        let ended = ended.iter().filter(|object| status(object).completion_time.is_some()).count();
        assert!(started <= ended + 2, "{started} started, {ended} ended");
    }
    assert!(end("r3") && end("r2"));
    for name in names {
        world.until_ended(name).await;
        assert_eq!(world.starts(name), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_slot_does_not_keep_its_collection_from_one_that_has_a_slot() {
    let world = World::without_operator().await;
    let spec = |limit: i64| json!({ "address": world.milvus.url(), "maxConcurrentRefreshes": limit });
    world.put_connection("default", spec(1)).await;
    world.put_connection("wide", spec(10)).await;
    world.start_operator();
    let through_wide = async |name: &str| {
        let spec = json!({ "collectionName": "products", "connectionRef": { "name": "wide" } });
        let object = serde_json::from_value(refresh(name, spec)).unwrap();
        world.refreshes().create(&PostParams::default(), &object).await.unwrap();
    };
    let started = async |name: &str| {
        world
            .until(name, "started", |object| object.status.as_ref().is_some_and(|status| status.job_id.is_some()))
            .await;
    };
    world.milvus.create_collection("busy", Plan::hangs());
    world.milvus.create_collection("products", Plan::hangs());
    through_wide("first").await;
    started("first").await;
    // The next in line for the collection has given its slot back, and another run takes it.
    world.create("narrow", "products").await;
    world.until_reason("narrow", "Queued").await;
    world.create("busy", "busy").await;
    started("busy").await;
    // Kubernetes' times are whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    through_wide("second").await;
    world.until_reason("second", "Queued").await;

    let job = world.milvus.accepted_starts("default", "products")[0];
    world.milvus.finish_job(job, Outcome::Complete);
    world.until_reason("narrow", "ConcurrencyLimit").await;
    started("second").await;

    let raised = Patch::Merge(json!({ "spec": { "maxConcurrentRefreshes": 2 } }));
    world.connections().patch("default", &PatchParams::default(), &raised).await.unwrap();
    world.until_reason("narrow", "Queued").await;
    let job = world.milvus.accepted_starts("default", "products")[1];
    world.milvus.finish_job(job, Outcome::Complete);
    started("narrow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_milvus_costs_the_same_few_calls_whatever_waits_for_it_and_each_object_one_write() {
    const RUNNING: usize = 100;
    const DUE: usize = 400;
    const METHODS: [Method; 5] = [Method::Version, Method::Describe, Method::Refresh, Method::Progress, Method::List];
    let world = World::new().await;
    let names: Vec<String> = (0..RUNNING + DUE).map(|number| format!("c{number:03}")).collect();
    let (running, due) = names.split_at(RUNNING);
    let create = async |names: &[String], plan: Plan| {
        for name in names {
            world.milvus.create_collection(name, plan.clone());
        }
        stream::iter(names).for_each_concurrent(16, |name| async { drop(world.create(name, name).await) }).await;
    };
    create(running, Plan::hangs()).await;
    for name in running {
        world.until(name, "started", |object| status(object).job_id.is_some()).await;
    }
    // Their last progress, so that none of it is on its way when Milvus dies.
    world.milvus.advance(Duration::from_secs(60));
    for name in running {
        world.until(name, "at its last progress", |object| status(object).progress == Some(99)).await;
    }
    // Status writes of refreshes and of connections.
    let told = || {
        let lines = world.cluster.control_plane.audit().unwrap();
        let ours = lines.into_iter().filter(|line| line.namespace == world.namespace && line.subresource == "status");
        let told: Vec<_> = ours.filter(|line| line.verb == "update" && line.code == 200).collect();
        let of = |resource: &str| told.iter().filter(|line| line.resource == resource).count();
        (of("externalcollectionrefreshes"), of("milvusconnections"))
    };
    let calls = || METHODS.map(|method| world.milvus.calls(method));

    let before = world.settled(told).await;
    for method in METHODS {
        let dead = Fault::Status { code: 14, text: "no healthy upstream".to_owned(), when: When::Before };
        world.milvus.fault(method, dead.forever());
    }
    world.until_connection("default", "Unreachable", |_| true).await;
    create(due, Plan::completes_in(Duration::ZERO)).await;
    for name in &names {
        world.until_reason(name, "ConnectionNotReady").await;
    }
    let all = world.settled(told).await;
    let written = (all.0 - before.0, all.1 - before.1);
    assert!(written.0 <= RUNNING + DUE, "{} status writes of {} refreshes", written.0, RUNNING + DUE);
    assert!(written.1 <= 2, "{} status writes of the connection", written.1);

    let dead = calls();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let cost: Vec<(Method, usize)> =
        METHODS.into_iter().zip(calls().iter().zip(dead).map(|(now, then)| now - then)).collect();
    let still = world.settled(told).await;
    let more = (still.0 - all.0, still.1 - all.1);
    println!("{cost:?} calls in 30 s while Milvus is dead, status writes {written:?} and then {more:?}");
    // The connection is looked at, and the jobs as one; nothing else is tried before that succeeds.
    for (method, calls) in &cost {
        let most = match method {
            Method::Version | Method::Progress | Method::List => 10,
            _ => 0,
        };
        assert!(*calls <= most, "{calls} calls of {method:?} in 30 s; {cost:?}");
    }
    assert_eq!(more, (0, 0), "status writes while nothing changes");

    world.milvus.clear_faults();
    for name in due {
        world.until_ended(name).await;
        assert_eq!(world.starts(name), 1);
    }
    for name in running {
        world.until_reason(name, "RefreshInProgress").await;
    }
}
