//! One control plane for all tests of a binary; a namespace, a simulator and an operator process for each test.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use controlplane::{ControlPlane, Process};
use milvus_simulator::{Plan, Settings, Simulator};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// Far more than anything here takes, on a machine that is busy with something else.
pub const LONG: Duration = Duration::from_secs(180);
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
pub const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-ecrefresh");

/// A control plane with our RBAC, and CRDs in most tests.
pub struct Cluster {
    pub control_plane: ControlPlane,
    operator_kubeconfig: PathBuf,
}

impl Cluster {
    pub fn bare() -> Self {
        let control_plane = ControlPlane::start().unwrap();
        control_plane.kubectl_ok(&["apply", "-f", &format!("{ROOT}/deploy/rbac.yaml")]).unwrap();
        let operator_kubeconfig =
            control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator").unwrap();
        Self { control_plane, operator_kubeconfig }
    }

    pub fn start() -> Self {
        let cluster = Self::bare();
        cluster.install_crds("crds");
        cluster
    }

    /// Installs the CRDs of this folder of the repository, or brings those that are there to their state.
    pub fn install_crds(&self, folder: &str) {
        let folder = format!("{ROOT}/{folder}");
        self.control_plane.kubectl_ok(&["apply", "--server-side", "-f", &folder]).unwrap();
        let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
        self.control_plane.kubectl_ok(&established).unwrap();
    }

    fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }
}

/// How the plugin ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// What one test works with.
pub struct World<'a> {
    pub cluster: &'a Cluster,
    pub namespace: String,
    pub milvus: Simulator,
    operator: Mutex<Option<Process>>,
}

impl World<'static> {
    /// A namespace with a connection to a simulator, and an operator that has found it.
    pub async fn new() -> Self {
        let world = Self::without_operator().await;
        world.connect();
        world
    }

    /// A namespace and a simulator, nothing else yet.
    pub async fn without_operator() -> Self {
        World::on(block_in_place(Cluster::shared)).await
    }
}

impl<'a> World<'a> {
    pub async fn on(cluster: &'a Cluster) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let namespace = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let milvus = Simulator::start("127.0.0.1:0".parse().unwrap(), Settings::default()).await.unwrap();
        block_in_place(|| cluster.control_plane.kubectl_ok(&["create", "namespace", &namespace])).unwrap();
        Self { cluster, namespace, milvus, operator: Mutex::new(None) }
    }

    /// Creates the connection `default`, starts the operator and waits until it has found Milvus.
    pub fn connect(&self) {
        self.connect_by(&["--leader-elect=false"]);
    }

    /// The same with an operator that is started like this.
    pub fn connect_by(&self, args: &[&str]) {
        self.apply("MilvusConnection", "default", json!({ "address": self.milvus.url() }));
        self.start_operator(args);
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "milvusconn/default"]);
    }

    /// Starts the operator on this namespace alone.
    pub fn start_operator(&self, args: &[&str]) {
        let program = Path::new(PLUGIN).with_file_name("milvus-refresh-operator");
        assert!(program.is_file(), "build the operator first: cargo build --bin milvus-refresh-operator");
        let mut command = Command::new(program);
        command.args(["run", "--http-address", "127.0.0.1:0", "--watch-namespace", &self.namespace]).args(args);
        command.env("KUBECONFIG", &self.cluster.operator_kubeconfig);
        let log = self.log("operator");
        *self.operator.lock().unwrap() = Some(Process::spawn("milvus-refresh-operator", command, &log).unwrap());
    }

    fn log(&self, name: &str) -> PathBuf {
        self.cluster.control_plane.folder().join(format!("{name}-{}.log", self.namespace))
    }

    /// What kubectl prints, in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let all = [&["--namespace", &self.namespace], args].concat();
        block_in_place(|| self.cluster.control_plane.kubectl_ok(&all).unwrap())
    }

    /// Applies an object of ours with this spec.
    pub fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.apply_object(&json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec,
        }));
    }

    /// Applies an object.
    pub fn apply_object(&self, object: &Value) {
        let args = ["--namespace", &self.namespace, "apply", "--server-side", "-f", "-"];
        let said = block_in_place(|| self.cluster.control_plane.kubectl_stdin(&args, &object.to_string()).unwrap());
        assert!(said.status.success(), "{object}: {}", String::from_utf8_lossy(&said.stderr));
    }

    /// A refresh of a collection of its own whose jobs go like this.
    pub fn refresh(&self, name: &str, plan: Plan) {
        self.refresh_with(name, plan, json!({}));
    }

    /// The same, whose spec says this as well.
    pub fn refresh_with(&self, name: &str, plan: Plan, more: Value) {
        self.milvus.create_collection(name, plan);
        let mut spec = json!({ "collectionName": name });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.apply("ExternalCollectionRefresh", name, spec);
    }

    /// Changes how the next jobs of a collection go.
    pub fn plan(&self, name: &str, plan: Plan) {
        assert!(self.milvus.set_plan("default", name, plan));
    }

    /// Waits as `kubectl wait` does.
    pub fn until(&self, name: &str, what: &str) {
        self.kubectl(&["wait", &format!("--for={what}"), "--timeout=120s", &format!("ecrefresh/{name}")]);
    }

    /// What the API server shows of a field.
    pub fn field(&self, name: &str, path: &str) -> String {
        self.kubectl(&["get", "ecrefresh", name, "-o", &format!("jsonpath={{{path}}}")])
    }

    fn command(&self, kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(PLUGIN);
        command.args(args).args(["--namespace", &self.namespace]).env("KUBECONFIG", kubeconfig);
        command
    }

    /// Runs the plugin as the administrator of the cluster.
    pub fn plugin(&self, args: &[&str]) -> Ended {
        self.plugin_as(self.cluster.control_plane.kubeconfig(), args)
    }

    /// Runs the plugin with this kubeconfig.
    pub fn plugin_as(&self, kubeconfig: &Path, args: &[&str]) -> Ended {
        ended(self.command(kubeconfig, args))
    }

    /// Starts the plugin; its output is in its log.
    pub fn spawn(&self, args: &[&str]) -> Process {
        let command = self.command(self.cluster.control_plane.kubeconfig(), args);
        Process::spawn("kubectl-ecrefresh", command, &self.log(&args.join("-").replace('/', "-"))).unwrap()
    }

    /// The kubeconfig of an account of this namespace that may do this with refreshes, and nothing else.
    pub fn account(&self, name: &str, verbs: &str) -> PathBuf {
        self.kubectl(&["create", "serviceaccount", name]);
        if !verbs.is_empty() {
            let resource = "--resource=externalcollectionrefreshes.milvus-refresh.dev";
            self.kubectl(&["create", "role", name, &format!("--verb={verbs}"), resource]);
            let account = format!("--serviceaccount={}:{name}", self.namespace);
            self.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &account]);
        }
        block_in_place(|| self.cluster.control_plane.service_account_kubeconfig(&self.namespace, name).unwrap())
    }
}

/// Runs a command to its end.
pub fn ended(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = block_in_place(|| controlplane::output(command, LONG).unwrap());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: said.status.code().unwrap_or(-1), out: text(said.stdout), err: text(said.stderr) }
}
