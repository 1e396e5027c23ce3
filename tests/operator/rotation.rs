//! A login or a CA that changes while jobs run.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use milvus_simulator::{Outcome, Plan, Simulator};
use serde_json::json;

use crate::{
    certificates::Ca,
    connection::tls,
    harness::{LONG, World, status},
};

/// Longer than a call needs from the operator to the simulator.
const ON_THE_WAY: Duration = Duration::from_secs(10);

async fn with_running_jobs(world: &World<'_>, names: &[&str]) {
    for name in names {
        world.milvus.create_collection(name, Plan::hangs());
        world.create(name, name).await;
    }
    for name in names {
        world.until(name, "started", |object| status(object).job_id.is_some()).await;
    }
}

async fn until(world: &World<'_>, condition: impl Fn(&Simulator) -> bool) {
    tokio::time::timeout(LONG, world.milvus.wait_until(condition)).await.expect("a call in time");
}

async fn jobs_end_well(world: &World<'_>, names: &[&str]) {
    for name in names {
        let jobs = world.milvus.accepted_starts("default", name);
        assert_eq!(jobs.len(), 1, "{name}");
        world.milvus.finish_job(jobs[0], Outcome::Complete);
        let done = world.until_ended(name).await;
        assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_login_takes_over_while_jobs_run_and_the_old_one_is_never_used_again() {
    let names = ["a", "b", "c"];
    let world = World::without_operator().await;
    world.put_login("login", "old", "hunter2").await;
    world.connect(Some("login")).await;
    world.start_operator();
    with_running_jobs(&world, &names).await;
    let by = |milvus: &Simulator, user: &str| {
        milvus.journal().into_iter().filter(|call| call.user.as_deref() == Some(user)).map(|call| call.at).max()
    };
    assert!(by(&world.milvus, "old").is_some() && by(&world.milvus, "new").is_none());
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let rotated = Patch::Merge(json!({ "stringData": { "username": "new", "password": "hunter3" } }));
    secrets.patch("login", &PatchParams::default(), &rotated).await.unwrap();
    until(&world, |milvus| by(milvus, "new").is_some()).await;
    let taken_over = by(&world.milvus, "new").unwrap();
    // Many more calls: the jobs are polled all the time.
    until(&world, |milvus| by(milvus, "new").is_some_and(|last| last > taken_over + 3 * ON_THE_WAY)).await;
    let last_old = by(&world.milvus, "old").unwrap();
    assert!(last_old < taken_over + ON_THE_WAY, "the old login was used after {taken_over:?}, at {last_old:?}");
    jobs_end_well(&world, &names).await;
    let log = world.log_tail();
    assert!(!log.contains("hunter"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_login_is_not_used_any_more_and_a_new_one_finds_the_job_again() {
    let world = World::without_operator().await;
    world.put_login("login", "old", "hunter2").await;
    world.connect(Some("login")).await;
    world.start_operator();
    with_running_jobs(&world, &["a"]).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    secrets.delete("login", &Default::default()).await.unwrap();
    world.until_connection("default", "SecretNotFound", |_| true).await;
    world.until_reason("a", "ConnectionNotReady").await;
    let calls = world.milvus.journal().len();
    tokio::time::timeout(Duration::from_secs(12), world.milvus.wait_until(|milvus| milvus.journal().len() > calls))
        .await
        .expect_err("a call without a login");
    world.put_login("login", "new", "hunter3").await;
    world.until_reason("a", "RefreshInProgress").await;
    jobs_end_well(&world, &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ca_takes_over_while_jobs_run() {
    let world = World::without_operator().await;
    let (first, second) = (Ca::new(), Ca::new());
    world.milvus.configure(|settings| settings.tls = tls(&first.server("127.0.0.1"), None));
    world.put_config_map("ca", json!({ "ca.crt": first.pem })).await;
    let trusted = json!({ "caRef": { "kind": "ConfigMap", "name": "ca" } });
    world.put_connection("default", json!({ "address": world.milvus.url(), "tls": trusted })).await;
    world.start_operator();
    with_running_jobs(&world, &["a"]).await;
    let connections = |milvus: &Simulator| milvus.journal().last().map_or(0, |call| call.connection);
    let before = connections(&world.milvus);
    world.milvus.configure(|settings| settings.tls = tls(&second.server("127.0.0.1"), None));
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    let rotated = Patch::Merge(json!({ "data": { "ca.crt": second.pem } }));
    maps.patch("ca", &PatchParams::default(), &rotated).await.unwrap();
    until(&world, |milvus| connections(milvus) > before).await;
    jobs_end_well(&world, &["a"]).await;
    world.until_connection("default", "Connected", |_| true).await;
    // No label or annotation makes another connection.
    let now = connections(&world.milvus);
    let noted = Patch::Merge(json!({ "metadata": { "annotations": { "note": "x" } } }));
    maps.patch("ca", &PatchParams::default(), &noted).await.unwrap();
    with_running_jobs(&world, &["b"]).await;
    assert_eq!(connections(&world.milvus), now);
}
