//! A release in a real cluster, from the first install to the last uninstall.

use std::{fs, process::Command};

use chart::{CHART, Helm, RELEASE};
use controlplane::ControlPlane;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::HELMS;

struct Life<'a> {
    helm: &'a Helm,
    cluster: ControlPlane,
}

impl Life<'_> {
    fn helm(&self, args: &[&str]) -> String {
        let (_, namespace) = RELEASE;
        let kubeconfig = self.cluster.kubeconfig().to_str().unwrap();
        self.helm.ok(&[args, &["--namespace", namespace, "--kubeconfig", kubeconfig]].concat()).unwrap()
    }

    fn install_or_upgrade(&self, values: &Value) -> String {
        self.helm.upgrade(self.cluster.kubeconfig(), values).unwrap()
    }

    /// The Deployment's arguments and the API server's count of its changes.
    fn deployment(&self) -> (String, String) {
        let get = |path: &str| {
            let path = format!("jsonpath={{{path}}}");
            self.cluster.kubectl_ok(&["-n", RELEASE.1, "get", "deployment", RELEASE.0, "-o", &path]).unwrap()
        };
        (get(".spec.template.spec.containers[0].args"), get(".metadata.generation"))
    }

    /// The names of what carries the release's label, of these kinds.
    fn of_release(&self, kinds: &str) -> String {
        let label = format!("app.kubernetes.io/instance={}", RELEASE.0);
        self.cluster.kubectl_ok(&["get", kinds, "-A", "-l", &label, "-o", "name"]).unwrap()
    }

    /// What connections can be called, by their CRD.
    fn short_name(&self) -> String {
        let names = "jsonpath={.spec.names.shortNames[*]}";
        self.cluster.kubectl_ok(&["get", "crd", "milvusconnections.milvus-refresh.dev", "-o", names]).unwrap()
    }

    /// What tells the CRDs and the objects from others that are made anew, or are being deleted.
    fn uids(&self) -> String {
        let uid = "jsonpath={.items[*].metadata['uid','deletionTimestamp']}";
        ["crd", "milvusconn", "ecrefresh"]
            .map(|kind| self.cluster.kubectl_ok(&["get", kind, "-o", uid]).unwrap())
            .join(" ")
    }
}

/// The chart as it might have been before: the CRD of connections is another.
fn older_chart() -> TempDir {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp").args(["-r", &format!("{CHART}/."), folder.path().to_str().unwrap()]).status();
    assert!(copied.unwrap().success());
    let crd = folder.path().join("files/crds/milvusconnections.yaml");
    let text = fs::read_to_string(&crd).unwrap();
    fs::write(&crd, text.replace("- milvusconn\n", "- old\n")).unwrap();
    folder
}

fn whole_life(helm: &Helm) {
    let life = Life { helm, cluster: ControlPlane::start().unwrap() };
    let older = older_chart();
    life.helm(&["install", RELEASE.0, older.path().to_str().unwrap(), "--create-namespace"]);
    assert_eq!(life.short_name(), "old");
    let notes = life.install_or_upgrade(&json!({}));
    assert_eq!(life.short_name(), "milvusconn", "an upgrade brings the new CRDs");
    assert!(notes.contains("\nkubectl -n milvus-refresh-system rollout status deployment/milvus-refresh-operator\n"));
    life.cluster.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).unwrap();
    let (_, manifest) = notes.split_once("<<EOF\n").expect("a manifest to begin with");
    let (manifest, _) = manifest.split_once("\nEOF\n").expect("an end that a shell finds");
    let applied = life.cluster.kubectl_stdin(&["apply", "--validate=strict", "-f", "-"], manifest).unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let (first, before) = life.deployment();
    let objects = life.uids();

    life.install_or_upgrade(&json!({}));
    assert_eq!(life.deployment(), (first.clone(), before), "an upgrade that changes nothing");

    life.install_or_upgrade(&json!({ "workers": 4, "highAvailability": { "enabled": true } }));
    assert!(life.deployment().0.contains("--workers=4"));
    assert!(!life.of_release("poddisruptionbudget").is_empty());

    life.helm(&["rollback", RELEASE.0, "2"]);
    assert_eq!(life.deployment().0, first);
    assert!(life.of_release("poddisruptionbudget").is_empty());
    assert_eq!(life.uids(), objects, "nothing was made anew");

    life.helm(&["uninstall", RELEASE.0]);
    let left = life.of_release("deployment,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding");
    assert!(left.is_empty(), "{left}");
    assert_eq!(life.uids(), objects, "CRDs and objects stay");

    // The same release takes them over, one that is not to have them leaves them alone.
    life.install_or_upgrade(&json!({}));
    life.helm(&["uninstall", RELEASE.0]);
    life.install_or_upgrade(&json!({ "crds": { "enabled": false } }));
    assert_eq!(life.uids(), objects);
}

#[test]
fn helm_3_installs_upgrades_rolls_back_and_uninstalls_and_the_objects_stay() {
    whole_life(&HELMS[0]);
}

#[test]
fn helm_4_installs_upgrades_rolls_back_and_uninstalls_and_the_objects_stay() {
    whole_life(&HELMS[1]);
}

#[test]
fn crds_that_were_part_of_the_release_stay_when_they_are_switched_off() {
    let life = Life { helm: &HELMS[0], cluster: ControlPlane::start().unwrap() };
    life.install_or_upgrade(&json!({}));
    let before = life.cluster.kubectl_ok(&["get", "crd", "-o", "name"]).unwrap();
    life.install_or_upgrade(&json!({ "crds": { "enabled": false } }));
    assert_eq!(life.cluster.kubectl_ok(&["get", "crd", "-o", "name"]).unwrap(), before);
    assert_eq!(before.lines().count(), 2);
}

#[test]
fn helm_takes_over_what_kubectl_has_installed_when_it_is_told_to() {
    for helm in &*HELMS {
        let life = Life { helm, cluster: ControlPlane::start().unwrap() };
        let everything = format!("{}/dist/install.yaml", chart::REPOSITORY);
        life.cluster.kubectl_ok(&["apply", "--server-side", "-f", &everything]).unwrap();
        let before = life.uids();
        life.helm(&["upgrade", RELEASE.0, CHART, "--install", "--take-ownership"]);
        assert_eq!(life.uids(), before);
        life.helm(&["uninstall", RELEASE.0]);
        assert_eq!(life.uids(), before);
        assert!(life.of_release("deployment,clusterrole").is_empty());
    }
}
