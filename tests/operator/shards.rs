//! Three operators, each with a namespace and a lease of its own: what one process cannot do, several can.

use std::time::Duration;

use controlplane::Process;
use milvus_simulator::{Outcome, Plan};
use serde_json::json;

use crate::harness::{World, status};

/// One of several operators over one Milvus.
struct Shard {
    world: World<'static>,
    operator: Process,
}

impl Shard {
    /// The operator of a namespace of its own, for the Milvus at `url`, or else one of its own.
    async fn new(url: Option<&str>) -> Self {
        let world = World::without_operator().await;
        let (role, account) = ("--role=lease", "--serviceaccount=milvus-refresh-system:milvus-refresh-operator");
        world.kubectl(&["create", "role", "lease", "--verb=get,create,update", "--resource=leases"]);
        world.kubectl(&["create", "rolebinding", "lease", role, account]);
        world.connect_with(url.map_or(json!({}), |url| json!({ "address": url }))).await;
        let operator = operator(&world);
        world.until_connected().await;
        Self { world, operator }
    }

    async fn waits(&self, name: &str) {
        self.world.until_reason(name, "WaitingForActiveJob").await;
    }
}

fn operator(world: &World<'_>) -> Process {
    let lease = format!("--lease-namespace={}", world.namespace);
    world.spawn_operator("shard", &world.cluster.operator_kubeconfig, &["--leader-elect=true", &lease])
}

#[tokio::test(flavor = "multi_thread")]
async fn three_shards_work_beside_each_other_and_milvus_keeps_their_runs_of_one_collection_apart() {
    let first = Shard::new(None).await;
    let milvus = &first.world.milvus;
    let url = milvus.url();
    let (second, third) = tokio::join!(Shard::new(Some(&url)), Shard::new(Some(&url)));
    milvus.create_collection("shared", Plan::hangs());
    for name in ["one", "two", "three"] {
        milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
    }

    first.world.create("shared", "shared").await;
    first.world.until("shared", "started", |object| status(object).job_id.is_some()).await;
    milvus.set_plan("default", "shared", Plan::completes_in(Duration::from_secs(1)));
    for shard in [&second, &third] {
        shard.world.create("shared", "shared").await;
        shard.waits("shared").await;
    }
    let Shard { world, operator: killed } = first;
    let mut killed = killed;
    killed.kill().unwrap();

    let mut holders = Vec::new();
    for (shard, name) in [(&second, "two"), (&third, "three")] {
        shard.world.create("own", name).await;
        let object = shard.world.until_ended("own").await;
        holders.extend(status(&object).run.as_ref().and_then(|run| run.operator.clone()));
    }
    assert_ne!(holders[0], holders[1], "each is run by its own operator");
    world.create("own", "one").await;
    assert_eq!(world.milvus.accepted_starts("default", "one"), [], "nobody stands in for the one that is gone");

    let milvus = &world.milvus;
    milvus.finish_job(milvus.accepted_starts("default", "shared")[0], Outcome::Complete);
    // Both start at once. Milvus refuses one, which cannot tell the other's job from its own, and so takes it.
    let mut adopted = 0;
    for shard in [&second, &third] {
        let object = shard.world.until_ended("shared").await;
        assert_eq!(status(&object).state.as_deref(), Some("RefreshCompleted"));
        adopted += usize::from(status(&object).run.as_ref().is_some_and(|run| run.adopted));
    }
    let _successor = operator(&world);
    for name in ["shared", "own"] {
        let object = world.until_ended(name).await;
        assert_eq!(status(&object).state.as_deref(), Some("RefreshCompleted"));
    }
    let starts = milvus.accepted_starts("default", "shared").len();
    assert_eq!(starts + adopted, 3, "one start a run, or the job of another shard: {adopted}");
    assert_eq!(milvus.accepted_starts("default", "one").len(), 1);
    drop((second.operator, third.operator));
}
