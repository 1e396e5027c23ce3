//! helm: from PATH when it fits, else built once from its Go module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use controlplane::{Program, output};
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::{CHART, RELEASE};

/// The longest that a command may take; none waits for pods.
const LIMIT: Duration = Duration::from_secs(300);

const HELM_3: Program = Program {
    name: "helm",
    purpose: "the chart's tests with Helm 3",
    version_args: &["version", "--short"],
    skew: 1,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/go/helm3"),
    go_mod: include_str!("../go/helm3/go.mod"),
    module: "helm.sh/helm/v3",
    package: "helm.sh/helm/v3/cmd/helm",
    tags: "",
    // The Kubernetes version is what `template` and `lint` take for the cluster's: that of its client-go.
    variables: &[
        "helm.sh/helm/v3/internal/version.version={version}",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37",
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37",
    ],
    build_time: "about two minutes",
};

const HELM_4: Program = Program {
    purpose: "the chart's tests with Helm 4",
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/go/helm4"),
    go_mod: include_str!("../go/helm4/go.mod"),
    module: "helm.sh/helm/v4",
    package: "helm.sh/helm/v4/cmd/helm",
    variables: &["helm.sh/helm/v4/internal/version.version={version}"],
    ..HELM_3
};

/// One helm. The user's settings, plugins and caches are not ours to use or to fill: each command has its own.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
}

impl Helm {
    /// Helm 3.
    ///
    /// # Errors
    /// It is not on PATH and cannot be built.
    pub fn three() -> Result<Self> {
        Self::with(&HELM_3)
    }

    /// Helm 4.
    ///
    /// # Errors
    /// It is not on PATH and cannot be built.
    pub fn four() -> Result<Self> {
        Self::with(&HELM_4)
    }

    fn with(program: &Program) -> Result<Self> {
        Ok(Self { program: program.find()? })
    }

    /// Runs helm. Its exit code is the caller's to judge.
    ///
    /// # Errors
    /// It cannot be started or does not end within five minutes.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        let home = TempDir::with_prefix("helm-")?;
        let home = |folder: &str| home.path().join(folder);
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_remove("KUBECONFIG")
            .env("HELM_CACHE_HOME", home("cache"))
            .env("HELM_CONFIG_HOME", home("config"))
            .env("HELM_DATA_HOME", home("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        output(command, LIMIT)
    }

    /// Runs helm and gives what it printed.
    ///
    /// # Errors
    /// As [`run`](Self::run), or helm fails; the message is its own.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        let done = self.run(args)?;
        if !done.status.success() {
            bail!("helm {} failed: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// What the chart renders with these values, as YAML.
    ///
    /// # Errors
    /// The chart refuses the values.
    pub fn template(&self, values: &Value) -> Result<String> {
        self.template_of(RELEASE, values)
    }

    /// The same of another release, by its name and namespace.
    ///
    /// # Errors
    /// The chart refuses the values, or helm the names.
    pub fn template_of(&self, (release, namespace): (&str, &str), values: &Value) -> Result<String> {
        with_values(values, |file| self.ok(&["template", release, CHART, "--namespace", namespace, "--values", file]))
    }

    /// Installs the chart with these values, or upgrades the release, and gives what helm printed.
    ///
    /// # Errors
    /// The chart refuses the values, or the API server an object.
    pub fn upgrade(&self, kubeconfig: &Path, values: &Value) -> Result<String> {
        let (release, namespace) = RELEASE;
        let kubeconfig = kubeconfig.display().to_string();
        with_values(values, |file| {
            self.ok(&[
                "upgrade",
                release,
                CHART,
                "--install",
                "--namespace",
                namespace,
                "--create-namespace",
                "--values",
                file,
                "--kubeconfig",
                &kubeconfig,
            ])
        })
    }
}

/// Runs a command with the path of a file that holds these values.
fn with_values(values: &Value, run: impl FnOnce(&str) -> Result<String>) -> Result<String> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), serde_json::to_string(values)?)?;
    run(&file.path().display().to_string())
}
