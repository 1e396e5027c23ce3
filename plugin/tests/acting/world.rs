//! What these tests do with a namespace: objects, accounts, and the plugin as a process.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use controlplane::{ControlPlane, Process};
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::harness::{Cluster, LONG, World};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
pub const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-ecrefresh");

impl Cluster {
    /// One without CRDs.
    pub fn bare() -> Self {
        let control_plane = ControlPlane::start().unwrap();
        control_plane.kubectl_ok(&["apply", "-f", &format!("{ROOT}/deploy/rbac.yaml")]).unwrap();
        let operator_kubeconfig =
            control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator").unwrap();
        Self { control_plane, operator_kubeconfig }
    }
}

/// How the plugin ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World<'_> {
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

    /// Waits as `kubectl wait` does: for a condition or a field of a refresh.
    pub fn wait_for(&self, name: &str, what: &str) {
        self.wait_for_object(&format!("ecrefresh/{name}"), what);
    }

    /// The same of any object.
    pub fn wait_for_object(&self, object: &str, what: &str) {
        self.kubectl(&["wait", &format!("--for={what}"), "--timeout=120s", object]);
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
    pub fn spawn_plugin(&self, args: &[&str]) -> Process {
        let command = self.command(self.cluster.control_plane.kubeconfig(), args);
        let log = self.cluster.control_plane.folder().join(format!("plugin-{}.log", self.namespace));
        Process::spawn("kubectl-ecrefresh", command, &log).unwrap()
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

/// The exit code of a process once it has ended.
pub fn code(process: &mut Process) -> Option<i32> {
    block_in_place(|| process.wait(LONG)).unwrap().code()
}

/// Waits for a line of a process that begins like this.
pub fn line(process: &mut Process, begins: &str) {
    block_in_place(|| process.wait_for_line(begins, LONG)).unwrap();
}
