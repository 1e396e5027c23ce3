//! What a real API server says of the rendered objects.

use std::sync::LazyLock;

use chart::REPOSITORY;
use controlplane::ControlPlane;
use serde_json::{Value, json};

use crate::{of_kind, render, switches::RENDERED};

/// With the namespaces that the switches name, the level `restricted` for their pods, and the kinds of
/// monitoring.coreos.com. Never dropped: its processes must end with the test's.
static CLUSTER: LazyLock<ControlPlane> = LazyLock::new(|| {
    let cluster = ControlPlane::start().unwrap();
    for namespace in ["milvus-refresh-system", "shop", "search"] {
        cluster.kubectl_ok(&["create", "namespace", namespace]).unwrap();
        let level = |mode: &str| format!("pod-security.kubernetes.io/{mode}=restricted");
        cluster.kubectl_ok(&["label", "namespace", namespace, &level("enforce"), &level("warn")]).unwrap();
    }
    let monitoring = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/monitoring.yaml");
    cluster.kubectl_ok(&["apply", "-f", monitoring]).unwrap();
    cluster.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).unwrap();
    cluster
});

/// A server-side dry run. Gives what kubectl says when all is taken, with any warning.
fn dry_run(objects: &[Value]) -> Result<String, String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
    let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let done = CLUSTER.kubectl_stdin(&args, &list).unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn the_api_server_takes_what_every_switch_renders_without_a_warning() {
    for (name, _, objects) in &*RENDERED {
        let said = dry_run(objects).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert!(said.is_empty(), "{name}: {said}");
    }
}

#[test]
fn a_field_that_does_not_exist_is_noticed() {
    let mut objects = render(&json!({ "metrics": { "podMonitor": { "enabled": true } } }));
    for kind in ["Deployment", "PodMonitor"] {
        let object = objects.iter_mut().find(|object| object["kind"] == kind).unwrap();
        object["spec"]["selektor"] = json!({});
        let refusal = dry_run(std::slice::from_ref(object)).unwrap_err();
        assert!(refusal.contains("selektor"), "{kind}: {refusal}");
    }
}

#[test]
fn the_pod_passes_the_level_restricted_by_each_of_its_settings() {
    let objects = render(&Value::Null);
    let template = &of_kind(&objects, "Deployment")[0]["spec"]["template"];
    let mut pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"] });
    pod["metadata"]["name"] = json!("operator");
    pod["metadata"]["namespace"] = json!("milvus-refresh-system");
    dry_run(std::slice::from_ref(&pod)).unwrap();
    for setting in [
        "/spec/securityContext/runAsNonRoot",
        "/spec/securityContext/seccompProfile",
        "/spec/containers/0/securityContext/allowPrivilegeEscalation",
        "/spec/containers/0/securityContext/capabilities",
    ] {
        let mut weaker = pod.clone();
        let (parent, key) = setting.rsplit_once('/').unwrap();
        weaker.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).expect(setting);
        let refusal = dry_run(&[weaker]).unwrap_err();
        assert!(refusal.contains("violates PodSecurity"), "{setting}: {refusal}");
    }
    assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
}

#[test]
fn all_that_is_installed_without_helm_is_taken_and_is_a_base_for_kustomize() {
    let cluster = ControlPlane::start().unwrap();
    let dist = format!("{REPOSITORY}/dist");
    cluster
        .kubectl_ok(&["apply", "--server-side", "--validate=strict", "-f", &format!("{dist}/install.yaml")])
        .unwrap();
    cluster.kubectl_ok(&["-n", "milvus-refresh-system", "get", "deployment", "milvus-refresh-operator"]).unwrap();
    // The same once more changes nothing.
    let again = cluster.kubectl_ok(&["diff", "--server-side", "-k", &dist]).unwrap();
    assert!(again.is_empty(), "{again}");
}
