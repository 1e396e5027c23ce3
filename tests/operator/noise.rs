//! The noisy neighbour: whatever one tenant does, the other hears of the end of its jobs as soon as before.

use std::time::{Duration, Instant};

use futures::future;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use milvus_simulator::{Fault, Method, Outcome, Plan};
use serde_json::json;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    harness::{LONG, status},
    neighbours::{Neighbours, Silent},
};

/// So many jobs of a second, at the same time, are one measurement.
const JOBS: usize = 7;

/// What the machine may add, which is busy with a control plane, two simulators, the tests, and the noise itself: less than a
/// third of what one call that hangs takes, and nothing beside what waiting for such calls in turn takes.
const MACHINE: Duration = Duration::from_secs(10);

/// So long the neighbour is let be loud before it is measured.
const UNTIL_LOUD: Duration = Duration::from_secs(2);

/// The time from the end of a job of the good tenant's to the status that tells it, the median of some.
async fn delay(both: &Neighbours, name: &str) -> Duration {
    let one = async |number: usize| {
        let name = format!("{name}{number}");
        both.good.milvus.create_collection(&name, Plan::hangs());
        both.good.create(&name, &name).await;
        let started = both.good.milvus.wait_until(|milvus| !milvus.accepted_starts("default", &name).is_empty());
        timeout(LONG, started).await.unwrap_or_else(|_| panic!("{name} is not started"));
        sleep(Duration::from_secs(1)).await;
        let ended = Instant::now();
        both.good.milvus.finish_job(both.good.milvus.accepted_starts("default", &name)[0], Outcome::Complete);
        let told = both.good.until_ended(&name).await;
        assert_eq!(status(&told).state.as_deref(), Some("RefreshCompleted"));
        ended.elapsed()
    };
    let mut delays = future::join_all((0..JOBS).map(one)).await;
    delays.sort();
    delays[JOBS / 2]
}

/// Measures while the neighbour is loud in the way that is called `what`.
async fn bear(both: &Neighbours, undisturbed: Duration, what: &str) {
    sleep(UNTIL_LOUD).await;
    let disturbed = delay(both, what).await;
    println!("{what}: {disturbed:?}, undisturbed {undisturbed:?}");
    assert!(disturbed <= 2 * undisturbed + MACHINE, "{what}: {disturbed:?}, undisturbed {undisturbed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_tenant_does_the_other_hears_of_its_jobs_as_soon_as_before() {
    let both = Neighbours::at_work().await;
    let undisturbed = delay(&both, "quiet").await;

    // Each call hangs in turn.
    for (method, what) in [
        (Method::Version, "version"),
        (Method::Describe, "describe"),
        (Method::Refresh, "refresh"),
        (Method::Progress, "progress"),
        (Method::List, "list"),
    ] {
        both.bad.milvus.fault(method, Fault::HangBeforeEffect.forever());
        if method == Method::Version {
            // Another limit makes another connection of it, which is looked at at once.
            let edit = Patch::Merge(json!({ "spec": { "requestTimeoutSeconds": 29 } }));
            both.bad.connections().patch("default", &PatchParams::default(), &edit).await.unwrap();
        }
        both.bad_refreshes(what, 40, Plan::completes_in(Duration::from_secs(5))).await;
        bear(&both, undisturbed, what).await;
        both.bad.milvus.clear_faults();
        both.bad.milvus.release();
    }

    // Hundreds of objects, and answers of megabytes about each.
    both.bad_refreshes("flood", 300, Plan::completes_in(Duration::from_secs(5))).await;
    bear(&both, undisturbed, "flood").await;
    both.bad_refreshes("huge", 20, Plan::fails_in(Duration::ZERO, "x ".repeat(128 << 10))).await;
    bear(&both, undisturbed, "huge").await;

    // Its Milvus comes and goes.
    let restarts = restart_for_ever(&both);
    bear(&both, undisturbed, "restarts").await;
    restarts.abort();
    let _ = restarts.await;
    both.bad.milvus.resume().await.unwrap();

    // Its status writes are refused by a webhook that is down, then by one that hangs.
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    both.put_webhook(down).await;
    both.bad_refreshes("down", 60, Plan::completes_in(Duration::ZERO)).await;
    bear(&both, undisturbed, "down").await;
    let silent = Silent::start().await;
    both.put_webhook(silent.address).await;
    both.bad_refreshes("silent", 60, Plan::completes_in(Duration::ZERO)).await;
    bear(&both, undisturbed, "silent").await;

    // It deletes all that it has, and itself.
    let all = ListParams::default();
    both.bad.refreshes().delete_collection(&DeleteParams::default(), &all).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(both.bad.client.clone());
    namespaces.delete(&both.bad.namespace, &DeleteParams::default()).await.unwrap();
    bear(&both, undisturbed, "deleted").await;
}

fn restart_for_ever(both: &Neighbours) -> JoinHandle<()> {
    let milvus = both.bad.milvus.clone();
    tokio::spawn(async move {
        loop {
            milvus.pause().await;
            sleep(Duration::from_millis(200)).await;
            milvus.resume().await.unwrap();
            sleep(Duration::from_millis(200)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_takes_the_operators_rights_away_silences_itself_alone() {
    let mut both = Neighbours::new().await;
    both.good.connect(None).await;
    both.bad.connect(None).await;
    both.start_operator_with_rights_in_each();
    both.good.until_connected().await;
    both.bad.until_connected().await;
    both.bad_refreshes("before", 20, Plan::completes_in(Duration::from_secs(2))).await;
    let undisturbed = delay(&both, "quiet").await;
    both.bad_refreshes("during", 20, Plan::completes_in(Duration::from_secs(2))).await;
    both.take_rights_away();
    bear(&both, undisturbed, "rights").await;
}
