//! One control plane for all tests of this binary; a namespace, a simulator and an operator process for each test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use controlplane::{ControlPlane, Process};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::await_condition,
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use milvus_simulator::{Settings, Simulator};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// Far more than anything here takes, on a machine that is busy with something else.
pub const LONG: Duration = Duration::from_secs(300);

/// A file or folder of the repository: the tests of another member of the workspace use this harness, too.
fn of_repository(path: &str) -> String {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = member.ancestors().find(|folder| folder.join("deploy/rbac.yaml").exists()).unwrap();
    root.join(path).to_str().unwrap().to_owned()
}

/// The operator's program. Cargo builds it for the tests of the operator's own package; elsewhere it lies beside the folder of the
/// tests' programs, and must be as new as what it is made from.
fn operator() -> PathBuf {
    if let Some(program) = option_env!("CARGO_BIN_EXE_milvus-refresh-operator") {
        return PathBuf::from(program);
    }
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("milvus-refresh-operator");
    let made = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let sources = std::fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let is_newer = |source: &&str| made(Path::new(source)) > made(&program);
    let newer = sources.split_whitespace().skip(1).find(is_newer);
    let up_to_date = program.exists() && newer.is_none();
    assert!(
        up_to_date,
        "{} is missing or old ({newer:?}): cargo build --bin milvus-refresh-operator",
        program.display()
    );
    program
}

/// A control plane with CRDs and our RBAC installed.
pub struct Cluster {
    pub control_plane: ControlPlane,
    pub operator_kubeconfig: PathBuf,
}

impl Cluster {
    /// One with the CRDs of now.
    pub fn start() -> Self {
        Self::with_crds("crds")
    }

    /// One with the CRDs of this folder of the repository.
    pub fn with_crds(folder: &str) -> Self {
        let control_plane = ControlPlane::start().expect("a control plane");
        control_plane.kubectl_ok(&["apply", "-f", &of_repository("deploy/rbac.yaml")]).unwrap();
        let operator_kubeconfig =
            control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator").unwrap();
        let cluster = Self { control_plane, operator_kubeconfig };
        cluster.apply_crds(folder);
        cluster
    }

    /// Installs the CRDs of this folder of the repository, or brings those that are there to their state.
    pub fn apply_crds(&self, folder: &str) {
        let folder = of_repository(folder);
        self.control_plane.kubectl_ok(&["apply", "--server-side", "-f", &folder]).unwrap();
        let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
        self.control_plane.kubectl_ok(&established).unwrap();
    }

    /// The one that tests share unless they stop it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(self.control_plane.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }
}

/// What one test works with.
pub struct World<'a> {
    pub cluster: &'a Cluster,
    pub client: Client,
    pub namespace: String,
    pub milvus: Simulator,
    operator: Mutex<Option<Process>>,
}

impl World<'static> {
    /// A namespace with a ready simulator, a connection to it, and a running operator.
    pub async fn new() -> Self {
        let world = Self::without_operator().await;
        world.connect(None).await;
        world.start_operator();
        world.until_connected().await;
        // What is created before that costs a write more: the operator cannot tell it from what a predecessor has left.
        world.until_logged("are listed").await;
        world
    }

    /// A namespace with a simulator, nothing else yet.
    pub async fn without_operator() -> Self {
        let shared = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
        World::on(shared).await
    }
}

impl<'a> World<'a> {
    pub async fn on(cluster: &'a Cluster) -> Self {
        Self::with_milvus(cluster, Settings::default()).await
    }

    /// A namespace with a simulator that is set up like this.
    pub async fn with_milvus(cluster: &'a Cluster, settings: Settings) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let namespace = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let world = Self::of_parts(cluster, namespace.clone(), settings).await;
        let object = Namespace {
            metadata: kube::core::ObjectMeta { name: Some(namespace), ..Default::default() },
            ..Default::default()
        };
        Api::<Namespace>::all(world.client.clone()).create(&PostParams::default(), &object).await.unwrap();
        world
    }

    /// The same in a namespace that exists.
    pub async fn in_namespace(cluster: &'a Cluster, namespace: String) -> Self {
        Self::of_parts(cluster, namespace, Settings::default()).await
    }

    async fn of_parts(cluster: &'a Cluster, namespace: String, settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = cluster.client().await;
        let milvus = Simulator::start("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
        Self { cluster, client, namespace, milvus, operator: Mutex::new(None) }
    }

    pub fn refreshes(&self) -> Api<ExternalCollectionRefresh> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn connections(&self) -> Api<MilvusConnection> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates the connection `default` to the simulator, with a login from `secret` if one is named.
    pub async fn connect(&self, secret: Option<&str>) {
        self.connect_with(secret.map_or(json!({}), |name| json!({ "auth": { "secretRef": { "name": name } } }))).await;
    }

    /// Creates the connection `default` to the simulator whose spec says this as well.
    pub async fn connect_with(&self, more: Value) {
        // No test but that of the limit itself is to meet it.
        let mut spec = json!({ "address": self.milvus.url(), "maxConcurrentRefreshes": 100_000 });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let connection = json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
            "metadata": { "name": "default" }, "spec": spec,
        });
        let connection = serde_json::from_value(connection).unwrap();
        self.connections().create(&PostParams::default(), &connection).await.unwrap();
    }

    /// Waits until the connection `default` is ready, so that the operator is known to be at work.
    pub async fn until_connected(&self) {
        let wait = await_condition(self.connections(), "default", |object: Option<&MilvusConnection>| {
            let status = object.and_then(|object| object.status.as_ref());
            status.is_some_and(|status| status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
        });
        let ready = tokio::time::timeout(LONG, wait).await;
        assert!(ready.is_ok_and(|ready| ready.is_ok()), "the connection is not ready\noperator: {}", self.log_tail());
    }

    /// Waits until `Ready` of the connection has this reason and satisfies `condition`.
    pub async fn until_connection(
        &self,
        name: &str,
        reason: &str,
        condition: impl Fn(&Condition) -> bool,
    ) -> Condition {
        let of = |object: Option<&MilvusConnection>| {
            let conditions = object.and_then(|object| object.status.as_ref()).map(|status| &status.conditions);
            conditions.and_then(|conditions| conditions.iter().find(|condition| condition.type_ == "Ready")).cloned()
        };
        let holds = |object: Option<&MilvusConnection>| {
            of(object).is_some_and(|ready| ready.reason == reason && condition(&ready))
        };
        match tokio::time::timeout(LONG, await_condition(self.connections(), name, holds)).await {
            Ok(Ok(object)) => of(object.as_ref()).unwrap(),
            other => {
                let now = self.connections().get_opt(name).await;
                panic!("{name} is not {reason}: {other:?}\nnow: {now:#?}\noperator: {}", self.log_tail())
            }
        }
    }

    /// Creates or replaces a Secret with a user and a password.
    pub async fn put_login(&self, name: &str, user: &str, password: &str) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let _ = api.delete(name, &DeleteParams::default()).await;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "stringData": { "username": user, "password": password },
        });
        api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    pub async fn create(&self, name: &str, collection: &str) -> ExternalCollectionRefresh {
        self.create_with(name, collection, json!({})).await
    }

    /// Creates a refresh of the collection whose spec says this as well.
    pub async fn create_with(&self, name: &str, collection: &str, more: Value) -> ExternalCollectionRefresh {
        let mut spec = json!({ "collectionName": collection });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let object = serde_json::from_value(refresh(name, spec)).unwrap();
        self.refreshes().create(&PostParams::default(), &object).await.unwrap()
    }

    /// Applies a merge patch to the refresh.
    pub async fn edit(&self, name: &str, change: Value) -> ExternalCollectionRefresh {
        self.refreshes().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap()
    }

    /// What kubectl prints, in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let all = [&["--namespace", &self.namespace], args].concat();
        block_in_place(|| self.cluster.control_plane.kubectl_ok(&all).unwrap())
    }

    /// Starts the operator on this namespace alone, without leader election.
    pub fn start_operator(&self) {
        let process = self.spawn_operator("operator", &self.cluster.operator_kubeconfig, &["--leader-elect=false"]);
        *self.operator.lock().unwrap() = Some(process);
    }

    /// An operator process on this namespace alone, with these arguments besides; its log is called after `name`.
    pub fn spawn_operator(&self, name: &str, kubeconfig: &Path, args: &[&str]) -> Process {
        let filter = "debug,kube=info,hyper=info,h2=info,tower=info,tonic=info,kube_client=info,rustls=info";
        self.spawn_operator_logging(name, kubeconfig, args, filter)
    }

    /// The same with this log filter.
    pub fn spawn_operator_logging(&self, name: &str, kubeconfig: &Path, args: &[&str], filter: &str) -> Process {
        let mut command = Command::new(operator());
        command
            .args(["run", "--http-address", "127.0.0.1:0", "--watch-namespace", &self.namespace])
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", filter);
        let log = self.cluster.control_plane.folder().join(format!("{name}-{}.log", self.namespace));
        Process::spawn("milvus-refresh-operator", command, &log).unwrap()
    }

    /// Kills the operator with SIGKILL.
    pub fn kill_operator(&self) {
        self.operator.lock().unwrap().take().unwrap().kill().unwrap();
    }

    /// Ends the operator with SIGTERM and gives its exit code.
    pub fn end_operator(&self) -> Option<i32> {
        self.operator.lock().unwrap().take().unwrap().terminate(LONG).unwrap().code()
    }

    /// Waits until the operator's log has `text`.
    pub async fn until_logged(&self, text: &str) {
        let log = self.operator.lock().unwrap().as_ref().map(|operator| operator.log().to_owned()).unwrap();
        logged(&log, text).await;
    }

    pub fn log_tail(&self) -> String {
        self.operator.lock().unwrap().as_ref().map(Process::log_tail).unwrap_or_default()
    }

    /// Waits until the refresh satisfies `condition`.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&ExternalCollectionRefresh) -> bool,
    ) -> ExternalCollectionRefresh {
        let wait = await_condition(self.refreshes(), name, |object: Option<&ExternalCollectionRefresh>| {
            object.is_some_and(&condition)
        });
        match tokio::time::timeout(LONG, wait).await {
            Ok(Ok(Some(object))) => object,
            other => {
                let now = self.refreshes().get_opt(name).await;
                panic!("{name} is not {what}: {other:?}\nnow: {now:#?}\noperator: {}", self.log_tail())
            }
        }
    }

    /// Waits until `Ready` of the refresh has this reason.
    pub async fn until_reason(&self, name: &str, reason: &str) -> ExternalCollectionRefresh {
        self.until(name, reason, |object| ready(object).is_some_and(|ready| ready.reason == reason)).await
    }

    /// Waits until the refresh has ended.
    pub async fn until_ended(&self, name: &str) -> ExternalCollectionRefresh {
        self.until(name, "ended", |object| {
            ["Complete", "Failed"].iter().any(|type_| condition(object, type_).is_some_and(|c| c.status == "True"))
        })
        .await
    }

    /// How many status writes the API server has taken for `name`.
    pub fn status_writes(&self, name: &str) -> usize {
        let lines = self.cluster.control_plane.audit().unwrap();
        lines
            .iter()
            .filter(|line| line.namespace == self.namespace && line.name == name && line.subresource == "status")
            .filter(|line| line.resource == "externalcollectionrefreshes" && line.verb == "update" && line.code == 200)
            .count()
    }

    /// How many status writes there are once there are `least`: a watch shows an object a moment before the audit log has its
    /// write.
    pub async fn until_status_writes(&self, name: &str, least: usize) -> usize {
        let logged = async {
            while self.status_writes(name) < least {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(LONG, logged).await.unwrap();
        self.status_writes(name)
    }

    /// What is counted in the audit log while nothing more is written. What a watch has shown may be missing from the log still:
    /// so the log must have a later request of ours, and the count must stand still.
    pub async fn settled<T: PartialEq>(&self, count: impl Fn() -> T) -> T {
        let settled = async {
            let mut before = None;
            loop {
                self.until_audited().await;
                let now = count();
                if before.as_ref() == Some(&now) {
                    return now;
                }
                before = Some(now);
            }
        };
        tokio::time::timeout(LONG, settled).await.expect("a count that stands still")
    }

    /// Waits until the audit log has a request that is made now.
    async fn until_audited(&self) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let marker = format!("marker-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (_, mut end) = self.cluster.control_plane.audit_from(0).unwrap();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        assert!(secrets.get_opt(&marker).await.unwrap().is_none());
        loop {
            let (lines, next) = self.cluster.control_plane.audit_from(end).unwrap();
            if lines.iter().any(|line| line.namespace == self.namespace && line.name == marker) {
                return;
            }
            end = next;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The starts that the simulator has accepted on a collection.
    pub fn starts(&self, collection: &str) -> usize {
        self.milvus.accepted_starts("default", collection).len()
    }
}

/// Waits until this log has a line with `text`, and gives it.
pub async fn logged(log: &Path, text: &str) -> String {
    let wait = async {
        loop {
            let log = std::fs::read_to_string(log).unwrap();
            if let Some(line) = log.split_inclusive('\n').find(|line| line.contains(text) && line.ends_with('\n')) {
                return line.trim_end().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let line = tokio::time::timeout(LONG, wait).await;
    line.unwrap_or_else(|_| panic!("{text:?} is not in {}", log.display()))
}

pub fn refresh(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "name": name }, "spec": spec,
    })
}

pub fn condition<'a>(object: &'a ExternalCollectionRefresh, type_: &str) -> Option<&'a Condition> {
    object.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
}

pub fn ready(object: &ExternalCollectionRefresh) -> Option<&Condition> {
    condition(object, "Ready")
}

/// The status of an object that has one.
pub fn status(object: &ExternalCollectionRefresh) -> &milvus_refresh_operator::api::RefreshStatus {
    object.status.as_ref().unwrap_or_else(|| panic!("{} has no status", object.name_any()))
}
