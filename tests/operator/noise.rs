//! The noisy neighbour: whatever one tenant does, the other hears of the end of its jobs as soon as before.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

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

/// So often it may look as if somebody waited for the neighbour.
const ATTEMPTS: usize = 3;

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

/// Measures while the neighbour is loud in the way that is called `what`: `loud` makes it so, under a name that is new each time,
/// and `quiet` ends what does not end with its objects. The machine may have become slower since the measurement without it, so a
/// bad one is repeated, and so is that one, just before it. What is blocked is so each time.
async fn bear(
    both: &Neighbours,
    mut undisturbed: Duration,
    what: &str,
    loud: impl AsyncFn(&str),
    quiet: impl AsyncFn(),
) {
    for attempt in 1..=ATTEMPTS {
        let name = format!("{what}{attempt}x");
        loud(&name).await;
        sleep(UNTIL_LOUD).await;
        let disturbed = delay(both, &name).await;
        quiet().await;
        println!("{what}: {disturbed:?}, undisturbed {undisturbed:?}");
        if disturbed <= 2 * undisturbed + MACHINE {
            return;
        }
        assert!(attempt < ATTEMPTS, "{what}: {disturbed:?}, undisturbed {undisturbed:?}, {ATTEMPTS} times");
        delete_all(both).await;
        undisturbed = delay(both, &format!("quiet{name}")).await;
    }
}

/// The neighbour deletes all that it has.
async fn delete_all(both: &Neighbours) {
    both.bad.refreshes().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_tenant_does_the_other_hears_of_its_jobs_as_soon_as_before() {
    let both = &Neighbours::at_work().await;
    let undisturbed = delay(both, "quiet").await;

    // Each call hangs in turn.
    for (method, what) in [
        (Method::Version, "version"),
        (Method::Describe, "describe"),
        (Method::Refresh, "refresh"),
        (Method::Progress, "progress"),
        (Method::List, "list"),
    ] {
        let timeouts = AtomicUsize::new(29);
        let hangs = async |name: &str| {
            both.bad.milvus.fault(method, Fault::HangBeforeEffect.forever());
            if method == Method::Version {
                // Another limit makes another connection of it, which is looked at at once.
                let timeout = timeouts.fetch_sub(1, Ordering::SeqCst);
                let edit = Patch::Merge(json!({ "spec": { "requestTimeoutSeconds": timeout } }));
                both.bad.connections().patch("default", &PatchParams::default(), &edit).await.unwrap();
            }
            both.bad_refreshes(name, 40, Plan::completes_in(Duration::from_secs(5))).await;
        };
        let works = async || {
            both.bad.milvus.clear_faults();
            both.bad.milvus.release();
        };
        bear(both, undisturbed, what, hangs, works).await;
    }

    // Hundreds of objects, and answers of megabytes about each.
    let by_itself = async || {};
    let flood = async |name: &str| {
        both.bad_refreshes(name, 300, Plan::completes_in(Duration::from_secs(5))).await;
    };
    bear(both, undisturbed, "flood", flood, by_itself).await;
    let huge = async |name: &str| {
        both.bad_refreshes(name, 20, Plan::fails_in(Duration::ZERO, "x ".repeat(128 << 10))).await;
    };
    bear(both, undisturbed, "huge", huge, by_itself).await;

    // Its Milvus comes and goes.
    let restarting = Mutex::new(None);
    let restarts = async |_: &str| *restarting.lock().unwrap() = Some(restart_for_ever(both));
    let stays = async || {
        let restarts: JoinHandle<()> = restarting.lock().unwrap().take().unwrap();
        restarts.abort();
        let _ = restarts.await;
        both.bad.milvus.resume().await.unwrap();
    };
    bear(both, undisturbed, "restarts", restarts, stays).await;

    // Its status writes are refused by a webhook that is down, then by one that hangs.
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = Silent::start().await;
    for (what, address) in [("down", down), ("silent", silent.address)] {
        let refused = async |name: &str| {
            both.put_webhook(address).await;
            both.bad_refreshes(name, 60, Plan::completes_in(Duration::ZERO)).await;
        };
        bear(both, undisturbed, what, refused, by_itself).await;
    }

    // It deletes all that it has, and itself.
    let deletes = async |name: &str| {
        both.bad_refreshes(name, 300, Plan::completes_in(Duration::from_secs(5))).await;
        delete_all(both).await;
    };
    bear(both, undisturbed, "deleted", deletes, by_itself).await;
    let ends = async |_: &str| {
        let namespaces: Api<Namespace> = Api::all(both.bad.client.clone());
        namespaces.delete(&both.bad.namespace, &DeleteParams::default()).await.unwrap();
    };
    bear(both, undisturbed, "ends", ends, by_itself).await;
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
    let both = &both;
    let undisturbed = delay(both, "quiet").await;
    let silenced = async |name: &str| {
        both.bad_refreshes(name, 20, Plan::completes_in(Duration::from_secs(2))).await;
        both.take_rights_away();
    };
    let heard = async || both.give_rights(&both.bad);
    bear(both, undisturbed, "rights", silenced, heard).await;
}
