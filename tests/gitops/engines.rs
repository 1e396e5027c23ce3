//! The engines' own code, as Go programs that are built from pinned modules.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The first time, the modules are downloaded and compiled; Go keeps what it has compiled.
const BUILD: Duration = Duration::from_secs(40 * 60);
const ANSWER: Duration = Duration::from_secs(300);
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What a user installs into Argo CD.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gitops/argocd/argocd-cm.yaml");

/// What Flux makes of an object.
#[derive(Clone, Debug, Deserialize)]
pub struct Flux {
    /// By kstatus alone.
    pub kstatus: String,
    /// By our health check expressions.
    pub expressions: String,
}

/// What Argo CD makes of an object.
#[derive(Clone, Debug, Deserialize)]
pub struct ArgoCd {
    pub status: String,
    pub message: String,
    pub actions: BTreeMap<String, Action>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    pub disabled: bool,
    /// The merge patch that it sends.
    pub patch: Value,
}

impl ArgoCd {
    /// The actions that it offers.
    pub fn offers(&self) -> Vec<&str> {
        self.actions.iter().filter(|(_, action)| !action.disabled).map(|(name, _)| name.as_str()).collect()
    }
}

/// What both make of each of these objects.
pub fn judge(objects: &[Value]) -> Vec<(Flux, ArgoCd)> {
    let expressions = format!("{ROOT}/gitops/flux/health-check-exprs.yaml");
    let flux: Vec<Flux> = ask("flux", &["judge", &expressions], objects);
    let argo_cd: Vec<ArgoCd> = ask("argocd", &["judge", RULES], objects);
    assert_eq!((flux.len(), argo_cd.len()), (objects.len(), objects.len()));
    flux.into_iter().zip(argo_cd).collect()
}

/// Syncs a namespace to these manifests as Argo CD does, to the sync's end: the outcome of each object, `Synced Succeeded` or
/// another, by kind and name.
pub fn sync_by_argo_cd(kubeconfig: &Path, namespace: &str, manifests: &[Value]) -> BTreeMap<String, String> {
    ask("argocd", &["sync", RULES, kubeconfig.to_str().unwrap(), namespace], manifests)
}

/// Applies these manifests as Flux does: `created`, `configured` or `unchanged` for each.
pub fn apply_by_flux(kubeconfig: &Path, manifests: &[Value]) -> Vec<String> {
    ask("flux", &["apply", kubeconfig.to_str().unwrap()], manifests)
}

fn ask<T: DeserializeOwned>(engine: &'static str, args: &[&str], objects: &[Value]) -> T {
    let input = tempfile(engine);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    fs::write(&input, list.to_string()).unwrap();
    let mut command = Command::new(program(engine));
    command.args(args);
    command.stdin(File::open(&input).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = controlplane::output(command, ANSWER).unwrap();
    assert!(said.status.success(), "{engine}: {}", String::from_utf8_lossy(&said.stderr));
    fs::remove_file(input).unwrap();
    serde_json::from_slice(&said.stdout).unwrap()
}

fn tempfile(engine: &str) -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gitops-{engine}-{}-{number}.json", std::process::id()))
}

/// The built program; in a few seconds where Go has compiled the modules before.
fn program(engine: &'static str) -> PathBuf {
    static BUILT: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    let built = &BUILT[usize::from(engine == "flux")];
    let build = || {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gitops-{engine}"));
        // Another run may have it at work.
        let fresh = target.with_extension(std::process::id().to_string());
        println!("Building {engine}'s judge with Go; the first time this takes some minutes.");
        let mut go = Command::new("go");
        go.current_dir(format!("{ROOT}/tests/gitops/go/{engine}"))
            .envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=readonly -buildvcs=false"), ("GOWORK", "off")])
            .args(["build", "-ldflags=-s -w", "-o"])
            .arg(&fresh)
            .arg(".")
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let said = controlplane::output(go, BUILD).unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        fs::rename(fresh, &target).unwrap();
        target
    };
    built.get_or_init(build).clone()
}
