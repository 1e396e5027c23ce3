//! The RBAC that the chart makes, in each of its forms: with it the operator does its job, is refused nothing, and is
//! granted nothing that it does not use.

use std::{
    collections::BTreeSet,
    process::Command,
    time::{Duration, Instant},
};

use chart::{Helm, RELEASE, manifests};
use controlplane::{AuditLine, ControlPlane, Process};
use kube::runtime::wait::await_condition;
use milvus_refresh_operator::api::MilvusConnection;
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::harness::{Cluster, LONG, World, status};

const LOGIN: &str = "milvus-login";
const USER: &str = "system:serviceaccount:milvus-refresh-system:milvus-refresh-operator";

/// What lists are for.
const UNSTREAMED: &str = "only before a watch is reopened, and where the API server does not stream";
/// Grants that this test has no use for, and what has.
const NOT_EXERCISED: [(&str, &str, &str, &str); 11] = [
    ("milvus-refresh.dev", "externalcollectionrefreshes", "list", UNSTREAMED),
    ("milvus-refresh.dev", "milvusconnections", "list", UNSTREAMED),
    ("", "secrets", "list", UNSTREAMED),
    ("milvus-refresh.dev", "externalcollectionrefreshes", "get", "only after a write conflict"),
    ("milvus-refresh.dev", "externalcollectionrefreshes", "delete", "only with ttlSecondsAfterFinished"),
    (
        "milvus-refresh.dev",
        "externalcollectionrefreshes/status",
        "patch",
        "only for the release before, while it is replaced",
    ),
    ("milvus-refresh.dev", "milvusconnections/status", "patch", "only for the release before, while it is replaced"),
    ("events.k8s.io", "events", "patch", "only for an Event that repeats within minutes"),
    ("", "secrets", "get", "only with externalSpecFrom"),
    ("", "configmaps", "list", "only with a CA in a ConfigMap"),
    ("", "configmaps", "watch", "only with a CA in a ConfigMap"),
];

/// The cluster-wide form watches all namespaces, so each test has a control plane of its own; one at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// A control plane with the chart installed, and the namespace `shop`.
struct Installed {
    cluster: Cluster,
    objects: Vec<Value>,
}

impl Installed {
    fn with(values: &Value) -> Self {
        let helm = Helm::three().unwrap();
        let control_plane = ControlPlane::start().unwrap();
        control_plane.kubectl_ok(&["create", "namespace", "shop"]).unwrap();
        helm.upgrade(control_plane.kubeconfig(), values).unwrap();
        control_plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).unwrap();
        let (account, namespace) = RELEASE;
        let operator_kubeconfig = control_plane.service_account_kubeconfig(namespace, account).unwrap();
        let objects = manifests::objects(&helm.template(values).unwrap()).unwrap();
        Self { cluster: Cluster { control_plane, operator_kubeconfig }, objects }
    }

    /// The operator as its Deployment runs it, but for the address of its pages.
    fn operator(&self) -> Process {
        let deployment = self.objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        let args = args.iter().map(|arg| match arg.as_str().unwrap() {
            "--http-address=0.0.0.0:8080" => "--http-address=127.0.0.1:0",
            arg => arg,
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-refresh-operator"));
        command.args(args).env("KUBECONFIG", &self.cluster.operator_kubeconfig);
        let log = self.cluster.control_plane.folder().join("operator.log");
        Process::spawn("milvus-refresh-operator", command, &log).unwrap()
    }

    /// What the operator has asked of the API server.
    fn asked(&self) -> Vec<AuditLine> {
        let mut lines = self.cluster.control_plane.audit().unwrap();
        lines.retain(|line| line.user == USER);
        lines
    }

    /// Group, resource and verb of all that it has asked for.
    fn used(&self) -> BTreeSet<[String; 3]> {
        let used = self.asked().into_iter().map(|line| {
            let resource = match line.subresource.as_str() {
                "" => line.resource,
                sub => format!("{}/{sub}", line.resource),
            };
            [line.group, resource, line.verb]
        });
        used.collect()
    }

    /// Group, resource and verb of everything that a rendered binding grants to the operator.
    fn granted(&self) -> BTreeSet<[String; 3]> {
        let bindings = self.objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding"));
        let roles = bindings.flat_map(|binding| {
            self.objects.iter().filter(|role| {
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && role["metadata"]["namespace"] == binding["metadata"]["namespace"]
            })
        });
        let mut granted = BTreeSet::new();
        for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
            let words = |list: &str| -> Vec<String> {
                rule[list].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    granted.extend(words("verbs").into_iter().map(|verb| [group.clone(), resource.clone(), verb]));
                }
            }
        }
        granted
    }
}

/// A connection with a login and a refresh that completes, under the RBAC of these values.
async fn refreshes_with(values: Value) -> Installed {
    let installed = tokio::task::spawn_blocking(move || Installed::with(&values)).await.unwrap();
    let world = World::in_namespace(&installed.cluster, "shop".to_owned()).await;
    world.put_login(LOGIN, "refresher", "secret").await;
    world.connect(Some(LOGIN)).await;
    let mut operator = installed.operator();
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"), "{}", operator.log_tail());
    // Events come behind the statuses they speak of, and nobody waits for them at the end.
    let reported = async {
        while !installed.asked().iter().any(|line| line.resource == "events") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LONG, reported).await.expect("an Event");
    tokio::task::block_in_place(|| operator.terminate(LONG)).unwrap();
    drop(world);

    let asked = installed.asked();
    let refused: Vec<&AuditLine> = asked.iter().filter(|line| line.code == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}\n{}", operator.log_tail());
    installed
}

/// Nothing is granted but what the operator, which has ended, has used, or what something else uses.
async fn nothing_is_granted_in_vain(installed: &Installed) {
    let granted = installed.granted();
    let elsewhere: BTreeSet<[String; 3]> = NOT_EXERCISED
        .iter()
        .map(|(group, resource, verb, _)| [group, resource, verb].map(|word| (*word).to_owned()))
        .collect();
    // A watch is in the audit log once the API server has noticed its end.
    let deadline = Instant::now() + LONG;
    loop {
        let used = installed.used();
        let vain: Vec<_> = granted.difference(&used).filter(|grant| !elsewhere.contains(*grant)).collect();
        if vain.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "granted, but never used: {vain:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let absent: Vec<_> = elsewhere.difference(&granted).collect();
    assert!(absent.is_empty(), "excused, but not granted: {absent:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_wide_rights_are_enough_and_none_is_in_vain() {
    let _turn = TURN.lock().await;
    let installed = refreshes_with(json!({})).await;
    nothing_is_granted_in_vain(&installed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_in_the_watched_namespaces_are_enough_and_no_right_is_in_vain() {
    let _turn = TURN.lock().await;
    let installed = refreshes_with(json!({ "watchNamespaces": ["shop"] })).await;
    nothing_is_granted_in_vain(&installed).await;
    let cluster_wide = installed.objects.iter().filter(|object| object["kind"] == "ClusterRole");
    assert_eq!(cluster_wide.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_of_some_namespaces_are_enough() {
    let _turn = TURN.lock().await;
    refreshes_with(json!({ "secrets": { "access": "namespaces", "namespaces": ["shop"] } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_with_the_names_of_secrets_are_enough() {
    let _turn = TURN.lock().await;
    let named = json!([{ "namespace": "shop", "secrets": [LOGIN] }]);
    refreshes_with(json!({ "watchNamespaces": ["shop"], "secrets": { "access": "named", "named": named } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_named_is_refused_and_the_connection_says_so() {
    let _turn = TURN.lock().await;
    let named = json!([{ "namespace": "shop", "secrets": ["another"] }]);
    let values = json!({ "secrets": { "access": "named", "named": named } });
    let installed = tokio::task::spawn_blocking(move || Installed::with(&values)).await.unwrap();
    let world = World::in_namespace(&installed.cluster, "shop".to_owned()).await;
    world.put_login(LOGIN, "refresher", "secret").await;
    world.connect(Some(LOGIN)).await;
    let operator = installed.operator();
    let refused = await_condition(world.connections(), "default", |object: Option<&MilvusConnection>| {
        let status = object.and_then(|object| object.status.as_ref());
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "False" && c.message.contains("may not read Secret"))
    });
    let refused = tokio::time::timeout(LONG, refused).await;
    assert!(refused.is_ok_and(|refused| refused.is_ok()), "{}", operator.log_tail());
}
