//! One tenant's trouble is that tenant's alone: one operator for all namespaces, a tenant in each.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use controlplane::Process;
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use milvus_simulator::{Fault, Method, Plan};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::harness::{Cluster, World, status};

/// So many objects are created at the same time.
const AT_ONCE: usize = 16;

/// Where the operator's account is.
const SYSTEM: &str = "milvus-refresh-system";

/// The binding of its rights in a namespace.
const RIGHTS: &str = "operator";

/// Two tenants on a control plane that tests have one after the other, for their operators watch all of it.
pub struct Neighbours {
    pub good: World<'static>,
    pub bad: World<'static>,
    operator: Option<Process>,
    _alone: MutexGuard<'static, ()>,
}

impl Neighbours {
    pub async fn new() -> Self {
        static CLUSTER: std::sync::OnceLock<Cluster> = std::sync::OnceLock::new();
        static ALONE: Mutex<()> = Mutex::const_new(());
        let alone = ALONE.lock().await;
        let emptied = || {
            let cluster = CLUSTER.get_or_init(Cluster::start);
            // What the test before has left would be due in this one.
            for left in ["validatingwebhookconfigurations", "externalcollectionrefreshes", "milvusconnections"] {
                cluster.control_plane.kubectl_ok(&["delete", left, "--all", "--all-namespaces"]).unwrap();
            }
            cluster
        };
        let cluster = tokio::task::spawn_blocking(emptied).await.unwrap();
        let (good, bad) = (World::on(cluster).await, World::on(cluster).await);
        // Another Milvus has other ids, also after hundreds of collections and jobs of either.
        for _ in 0..10_000 {
            bad.milvus.create_collection("canary", Plan::default());
        }
        Self { good, bad, operator: None, _alone: alone }
    }

    /// The same with a ready connection each and a running operator.
    pub async fn at_work() -> Self {
        let mut both = Self::new().await;
        both.good.connect(None).await;
        both.bad.connect(None).await;
        both.start_operator();
        both.good.until_connected().await;
        both.bad.until_connected().await;
        both
    }

    /// Starts the operator on all namespaces; one that runs is killed.
    pub fn start_operator(&mut self) {
        let kubeconfig = self.good.cluster.operator_kubeconfig.clone();
        self.start_operator_as(&kubeconfig, &[]);
    }

    /// Starts an operator that watches the two namespaces, each by a right that the namespace gives it.
    pub fn start_operator_with_rights_in_each(&mut self) {
        let (good, bad) = (self.good.namespace.clone(), self.bad.namespace.clone());
        let control_plane = &self.good.cluster.control_plane;
        let account = self.account();
        control_plane.kubectl_ok(&["create", "serviceaccount", "-n", SYSTEM, &account]).unwrap();
        self.give_rights(&self.good);
        self.give_rights(&self.bad);
        let kubeconfig = control_plane.service_account_kubeconfig(SYSTEM, &account).unwrap();
        self.start_operator_as(&kubeconfig, &["--watch-namespace", &good, "--watch-namespace", &bad]);
    }

    /// The operator's account of these two.
    fn account(&self) -> String {
        format!("of-{}", self.bad.namespace)
    }

    /// This tenant gives the operator its rights in its namespace.
    pub fn give_rights(&self, tenant: &World<'_>) {
        let account = format!("--serviceaccount={SYSTEM}:{}", self.account());
        let binding = ["create", "rolebinding", "-n", &tenant.namespace, RIGHTS];
        let to = ["--clusterrole=milvus-refresh-operator", &account];
        tenant.cluster.control_plane.kubectl_ok(&[&binding[..], &to].concat()).unwrap();
    }

    /// The bad tenant takes the operator's rights in its namespace away.
    pub fn take_rights_away(&self) {
        let control_plane = &self.bad.cluster.control_plane;
        control_plane.kubectl_ok(&["delete", "rolebinding", "-n", &self.bad.namespace, RIGHTS]).unwrap();
    }

    fn start_operator_as(&mut self, kubeconfig: &Path, args: &[&str]) {
        if let Some(mut operator) = self.operator.take() {
            operator.kill().unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-refresh-operator"));
        command
            .args(["run", "--http-address", "127.0.0.1:0", "--leader-elect=false"])
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "info,kube=error");
        let folder = self.good.cluster.control_plane.folder();
        let log = folder.join(format!("operator-of-{}-and-{}.log", self.good.namespace, self.bad.namespace));
        self.operator = Some(Process::spawn("milvus-refresh-operator", command, &log).unwrap());
    }

    /// A refresh of the good tenant whose job takes a second, until it has ended.
    pub async fn good_refresh(&self, name: &str) {
        self.good.milvus.create_collection(name, Plan::completes_in(Duration::from_secs(1)));
        self.good.create(name, name).await;
        let ended = self.good.until_ended(name).await;
        assert_eq!(status(&ended).state.as_deref(), Some("RefreshCompleted"));
    }

    /// Creates so many refreshes of the bad tenant, each of a collection of its own.
    pub async fn bad_refreshes(&self, name: &str, count: usize, plan: Plan) {
        let names: Vec<String> = (0..count).map(|number| format!("{name}{number:03}")).collect();
        for name in &names {
            self.bad.milvus.create_collection(name, plan.clone());
        }
        stream::iter(&names)
            .for_each_concurrent(AT_ONCE, |name| async { drop(self.bad.create(name, name).await) })
            .await;
    }

    /// Has status writes of the bad tenant's refreshes go through a webhook at this address, and waits until they do.
    pub async fn put_webhook(&self, address: SocketAddr) {
        let namespace = &self.bad.namespace;
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": namespace },
            "webhooks": [{
                "name": "statuses.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 10,
                "clientConfig": { "url": format!("https://{address}/") },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "rules": [{
                    "apiGroups": ["milvus-refresh.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                    "resources": ["externalcollectionrefreshes/status"],
                }],
            }],
        });
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.bad.client.clone());
        let apply = PatchParams::apply("neighbours").force();
        api.patch(namespace, &apply, &Patch::Apply(&webhook)).await.unwrap();
        let canary = format!("canary-{}", address.port());
        self.bad.create(&canary, "canary").await;
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "status": { "state": "RefreshPending" } }));
        let refreshes = self.bad.refreshes();
        let mut passes = true;
        while passes {
            let write = refreshes.patch_status(&canary, &dry, &patch);
            passes = timeout(Duration::from_secs(1), write).await.is_ok_and(|written| written.is_ok());
        }
    }
}

/// A server that takes every connection and never says a word.
pub struct Silent {
    pub address: SocketAddr,
    taken: Arc<AtomicUsize>,
    given_up: Arc<AtomicUsize>,
}

impl Silent {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = Self { address: listener.local_addr().unwrap(), taken: Arc::default(), given_up: Arc::default() };
        let (taken, given_up) = (silent.taken.clone(), silent.given_up.clone());
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                taken.fetch_add(1, Ordering::SeqCst);
                let given_up = given_up.clone();
                tokio::spawn(async move {
                    let mut heard = [0; 1024];
                    while connection.read(&mut heard).await.is_ok_and(|count| count > 0) {}
                    given_up.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        silent
    }

    async fn until_taken(&self, count: usize) {
        let enough = async {
            while self.taken.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(crate::harness::LONG, enough).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_writes_that_hang_in_one_namespace_keep_nobody_else_waiting() {
    let both = Neighbours::at_work().await;
    let webhook = Silent::start().await;
    both.put_webhook(webhook.address).await;
    both.bad_refreshes("bad", 60, Plan::completes_in(Duration::ZERO)).await;
    webhook.until_taken(16).await;
    let before = webhook.given_up.load(Ordering::SeqCst);
    both.good_refresh("products").await;
    // Each write hangs for 10 s. Who waits for them in turn waits for many more.
    let given_up = webhook.given_up.load(Ordering::SeqCst) - before;
    assert!(given_up <= 64, "{given_up} writes of the neighbour were waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_that_hangs_keeps_no_other_tenant_waiting() {
    let both = Neighbours::at_work().await;
    both.bad.milvus.fault(Method::Describe, Fault::HangBeforeEffect.forever());
    both.bad_refreshes("bad", 100, Plan::completes_in(Duration::ZERO)).await;
    both.bad.milvus.wait_until(|milvus| milvus.calls(Method::Describe) >= 16).await;
    both.good_refresh("products").await;
    // Each call hangs for 30 s. Who waits for them in turn waits for many more.
    let asked = both.bad.milvus.calls(Method::Describe);
    assert!(asked <= 32, "{asked} calls to the neighbour's Milvus were waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_server_that_never_answers_keep_no_other_connection_waiting() {
    /// Two thirds of the time that a call of the neighbour's may take: who waits for one of them comes later.
    const SOON: Duration = Duration::from_secs(200);
    let mut both = Neighbours::new().await;
    both.bad.milvus.fault(Method::Version, Fault::HangBeforeEffect.forever());
    for number in 0..64 {
        let spec = json!({ "address": both.bad.milvus.url(), "requestTimeoutSeconds": 300 });
        both.bad.put_connection(&format!("silent{number:02}"), spec).await;
    }
    both.start_operator();
    both.bad.milvus.wait_until(|milvus| milvus.calls(Method::Version) >= 16).await;
    both.good.connect(None).await;
    timeout(SOON, both.good.until_connected()).await.expect("a look at the connection within seconds");
    let before = both.bad.milvus.calls(Method::Version);
    both.start_operator();
    both.bad.milvus.wait_until(|milvus| milvus.calls(Method::Version) >= before + 16).await;
    timeout(SOON, both.good_refresh("products")).await.expect("all goes on within seconds after a restart");
    let unreachable = both.bad.until_connection("silent00", "Unreachable", |_| true);
    timeout(SOON, unreachable).await.expect("a look takes 30 s at the most");
}
