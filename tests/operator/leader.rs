//! Several replicas: one works, the others stand by and take over.

use std::{path::Path, process::Command, time::Duration};

use controlplane::Process;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use milvus_simulator::{Outcome, Plan};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Mutex, MutexGuard},
};

use crate::harness::{Cluster, LONG, World, logged, status};

const SYSTEM: &str = "milvus-refresh-system";
/// The exit code of a process that has lost the lease.
const LOST: Option<i32> = Some(3);

/// The RBAC that we ship names one lease: the tests that share a cluster take turns.
static ONE_LEASE: Mutex<()> = Mutex::const_new(());

/// Replicas that compete for the lease; nobody holds it at first.
struct Election<'a> {
    world: World<'a>,
    leases: Api<Lease>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Election<'static> {
    async fn new() -> Self {
        let turn = ONE_LEASE.lock().await;
        Self { _turn: Some(turn), ..Election::in_world(World::without_operator().await).await }
    }
}

impl<'a> Election<'a> {
    async fn in_world(world: World<'a>) -> Self {
        world.connect(None).await;
        let leases = Api::namespaced(world.client.clone(), SYSTEM);
        let _ = leases.delete("milvus-refresh-operator", &DeleteParams::default()).await;
        Self { world, leases, _turn: None }
    }

    fn replica(&self, name: &str) -> Process {
        self.replica_as(name, &self.world.cluster.operator_kubeconfig)
    }

    fn replica_as(&self, name: &str, kubeconfig: &Path) -> Process {
        self.world.spawn_operator(name, kubeconfig, &["--leader-elect=true"])
    }

    async fn lease(&self) -> Option<LeaseSpec> {
        self.leases.get_opt("milvus-refresh-operator").await.unwrap()?.spec
    }

    async fn leader(&self) -> String {
        self.lease().await.and_then(|lease| lease.holder_identity).unwrap_or_default()
    }

    /// Waits until somebody other than `last` leads, and gives its name.
    async fn leader_after(&self, last: &str) -> String {
        let wait = async {
            loop {
                let leader = self.leader().await;
                if !leader.is_empty() && leader != last {
                    return leader;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(LONG, wait).await.expect("somebody leads")
    }
}

/// The status line of a replica's answer to `GET path`.
async fn probe(replica: &Process, path: &str) -> String {
    let line = logged(replica.log(), "serving /livez").await;
    let address = line.rsplit("address=").next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn ended(replica: &mut Process) -> Option<i32> {
    tokio::task::block_in_place(|| replica.wait(LONG)).unwrap().code()
}

fn signal(replica: &Process, signal: &str) {
    assert!(Command::new("kill").args([signal, &replica.pid().to_string()]).status().unwrap().success());
}

/// A second account with exactly the rights of the operator's own, so that the audit log tells two replicas apart.
fn standby_account(cluster: &Cluster) -> std::path::PathBuf {
    let kubectl = |args: &[&str]| drop(cluster.control_plane.kubectl_ok(args).unwrap());
    let account = format!("--serviceaccount={SYSTEM}:standby");
    kubectl(&["create", "serviceaccount", "standby", "-n", SYSTEM]);
    kubectl(&["create", "clusterrolebinding", "standby", "--clusterrole=milvus-refresh-operator", &account]);
    let role = "--role=milvus-refresh-operator-lease";
    kubectl(&["create", "rolebinding", "standby", "-n", SYSTEM, role, &account]);
    cluster.control_plane.service_account_kubeconfig(SYSTEM, "standby").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_ready_asks_for_the_lease_alone_and_carries_on_when_the_leader_is_killed() {
    let election = Election::new().await;
    let world = &election.world;
    world.milvus.create_collection("products", Plan::hangs());
    world.milvus.create_collection("orders", Plan::completes_in(Duration::ZERO));
    let mut leader = election.replica("first");
    let first = election.leader_after("").await;
    let kubeconfig = tokio::task::block_in_place(|| standby_account(world.cluster));
    let standby = election.replica_as("second", &kubeconfig);
    logged(standby.log(), &format!("{first} is the leader; this process stands by")).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(probe(&standby, path).await, "HTTP/1.1 200 OK");
    }
    world.create("products", "products").await;
    let before = world.until("products", "started", |object| status(object).job_id.is_some()).await;
    let lines = world.cluster.control_plane.audit().unwrap();
    let asked: Vec<_> = lines.iter().filter(|line| line.user.ends_with(":standby")).collect();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|line| (line.resource.as_str(), line.verb.as_str()) == ("leases", "get")), "{asked:#?}");
    let refused = lines.iter().filter(|line| line.resource == "leases" && line.code == 403).count();
    assert_eq!(refused, 0, "the RBAC that we ship is enough");

    tokio::task::block_in_place(|| leader.kill().unwrap());
    election.leader_after(&first).await;
    assert_eq!(election.lease().await.unwrap().lease_transitions, Some(1));
    // It looked each second until the lease had run out.
    let said = std::fs::read_to_string(standby.log()).unwrap().matches("stands by").count();
    assert_eq!(said, 1, "who leads is said once, not at each look");
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).job_id, status(&before).job_id);
    world.create("orders", "orders").await;
    world.until_ended("orders").await;
    assert_eq!((world.starts("products"), world.starts("orders")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_the_leader_hands_over() {
    let election = Election::new().await;
    let world = &election.world;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let mut leader = election.replica("first");
    let first = election.leader_after("").await;
    let standby = election.replica("second");
    logged(standby.log(), "stands by").await;
    let code = tokio::task::block_in_place(|| leader.terminate(LONG)).unwrap().code();
    assert_eq!(code, Some(0));
    assert_ne!(election.leader().await, first, "the lease was released, not left to run out");
    election.leader_after(&first).await;
    world.create("products", "products").await;
    world.until_ended("products").await;
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_a_standby_ends_in_order() {
    let election = Election::new().await;
    let _leader = election.replica("first");
    let first = election.leader_after("").await;
    let mut standby = election.replica("second");
    logged(standby.log(), "stands by").await;
    assert_eq!(tokio::task::block_in_place(|| standby.terminate(LONG)).unwrap().code(), Some(0));
    assert_eq!(election.leader().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_is_taken_away_ends_with_code_3_and_says_why() {
    let election = Election::new().await;
    let mut leader = election.replica("first");
    let first = election.leader_after("").await;
    let standby = election.replica("second");
    logged(standby.log(), &format!("{first} is the leader; this process stands by")).await;
    // It would be the standby's once it has run out, perhaps before somebody looks here.
    let patch = json!({ "spec": { "holderIdentity": "somebody-else", "leaseDurationSeconds": 3600 } });
    election.leases.patch("milvus-refresh-operator", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(ended(&mut leader), LOST);
    let line = logged(leader.log(), "this process no longer holds the lease").await;
    assert!(line.contains("somebody-else holds it") && line.contains("starts it again"), "{line}");
    assert_eq!(election.leader().await, "somebody-else");
    logged(standby.log(), "somebody-else is the leader; this process stands by").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stood_still_for_longer_than_its_lease_ends_and_does_not_act_again() {
    let election = Election::new().await;
    let world = &election.world;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let mut leader = election.replica("first");
    let first = election.leader_after("").await;
    let standby = election.replica("second");
    logged(standby.log(), "stands by").await;
    signal(&leader, "-STOP");
    // Due while nobody runs: the new leader starts it, and the old one finds it when it wakes.
    world.create("products", "products").await;
    election.leader_after(&first).await;
    signal(&leader, "-CONT");
    assert_eq!(ended(&mut leader), LOST);
    world.until_ended("products").await;
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_reach_the_api_server_ends_with_code_3() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let election = Election::in_world(World::on(&cluster).await).await;
    let mut leader = election.replica("first");
    election.leader_after("").await;
    tokio::task::block_in_place(|| cluster.control_plane.stop_api_server().unwrap());
    assert_eq!(ended(&mut leader), LOST);
    logged(leader.log(), "the lease could not be renewed for 10 s").await;
}
