//! What is installed without Helm: rendered from the chart.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{Helm, RELEASE, REPOSITORY};

const MADE: &str = "# Made from charts/milvus-refresh-operator by `make dist`.\n";
/// The lines that speak of Helm, which does not own these objects.
const OF_HELM: [&str; 3] = ["# Source: ", "helm.sh/chart: ", "app.kubernetes.io/managed-by: "];

/// A file that is made from the chart.
#[derive(Debug)]
pub struct Manifest {
    /// Below the repository.
    pub path: &'static str,
    /// What it has to hold.
    pub text: String,
}

/// All of them: `dist/install.yaml` with everything, `deploy/rbac.yaml` for an operator outside of the cluster.
///
/// # Errors
/// helm cannot render the chart, or `crds/` cannot be read.
pub fn all(helm: &Helm) -> Result<[Manifest; 2]> {
    let default = documents(helm, &json!({ "crds": { "enabled": false } }))?;
    // Whoever runs the operator by hand is to have all that it can do.
    let mut account = documents(helm, &json!({ "crds": { "enabled": false }, "milvusRef": { "enabled": true } }))?;
    account.retain(|document| is_rbac(document));
    let stream = |documents: &[&[String]]| format!("{MADE}{}", documents.concat().join("---\n"));
    Ok([
        Manifest { path: "dist/install.yaml", text: stream(&[&crds()?, &[namespace()], &default]) },
        Manifest { path: "deploy/rbac.yaml", text: stream(&[&[namespace()], &account]) },
    ])
}

/// Whether it is the account or says what the account may do.
fn is_rbac(document: &str) -> bool {
    let of_rbac = ["kind: ServiceAccount", "apiVersion: rbac.authorization.k8s.io/v1"];
    document.lines().any(|line| of_rbac.contains(&line))
}

/// The namespace, which a chart leaves to whoever installs it.
fn namespace() -> String {
    let (_, name) = RELEASE;
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
         app.kubernetes.io/name: milvus-refresh-operator\n    pod-security.kubernetes.io/enforce: restricted\n"
    )
}

/// The texts of `crds/`, each a YAML document.
///
/// # Errors
/// They cannot be read.
pub fn crds() -> Result<Vec<String>> {
    let folder = format!("{REPOSITORY}/crds");
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(text.trim_start_matches("---\n").to_owned())
        })
        .collect()
}

/// The objects of a YAML stream.
///
/// # Errors
/// It is no YAML.
pub fn objects(stream: &str) -> Result<Vec<Value>> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(stream)?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

/// What the chart renders with these values, without the words of Helm.
fn documents(helm: &Helm, values: &Value) -> Result<Vec<String>> {
    let rendered = helm.template(values)?;
    Ok(rendered.trim_start_matches("---\n").split("\n---\n").map(without_helm).collect())
}

fn without_helm(document: &str) -> String {
    let kept = document.lines().filter(|line| !OF_HELM.iter().any(|of_helm| line.trim_start().starts_with(of_helm)));
    kept.flat_map(|line| [line, "\n"]).collect()
}
