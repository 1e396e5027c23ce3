//! What all scenarios share: one control plane, and the operator's program.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use controlplane::{AuditLine, ControlPlane};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use milvus_simulator::{Settings, Simulator};

use crate::operator::{Operator, cpu};
use crate::scale::Scale;

/// Far more than any single wait takes.
pub const LONG: Duration = Duration::from_secs(300);

/// The control plane, and the operator's program.
pub struct Bench {
    /// etcd and kube-apiserver, with our CRDs and RBAC.
    pub control_plane: ControlPlane,
    /// The administrator's client.
    pub client: Client,
    config: Config,
    /// How large everything is.
    pub scale: Scale,
    /// The operator's program.
    pub program: PathBuf,
    kubeconfig: PathBuf,
    /// What has been read of the audit log, and up to where.
    audit: Mutex<(Vec<AuditLine>, u64)>,
    /// How many uids were given.
    uids: AtomicU32,
}

impl Bench {
    /// Starts the control plane; the operator is the program beside this one.
    ///
    /// # Errors
    /// Something of it cannot be had.
    pub async fn start(scale: Scale) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("milvus-refresh-operator");
        if !program.is_file() {
            bail!("there is no {}: run `make bench`, which builds it", program.display());
        }
        let control_plane = ControlPlane::start()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        control_plane.kubectl_ok(&["apply", "--server-side", "-f", &root.join("crds").display().to_string()])?;
        control_plane.kubectl_ok(&["apply", "-f", &root.join("deploy/rbac.yaml").display().to_string()])?;
        control_plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
        let kubeconfig =
            control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator")?;
        let file = Kubeconfig::read_from(control_plane.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config.clone())?;
        Ok(Self {
            control_plane,
            client,
            config,
            scale,
            program,
            kubeconfig,
            audit: Mutex::default(),
            uids: AtomicU32::default(),
        })
    }

    /// Starts an operator on `namespaces`, with a comma between several, and nothing more.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, namespaces: &str) -> Result<Operator> {
        Operator::start(&self.program, &self.kubeconfig, namespaces, self.control_plane.folder())
    }

    /// The time on a processor that the API server has used so far.
    ///
    /// # Errors
    /// It has ended, or this is no Linux.
    pub fn api_server_cpu(&self) -> Result<Duration> {
        cpu(self.control_plane.api_server_pid().context("the API server has ended")?)
    }

    /// Another client of the administrator, without any connection so far.
    ///
    /// # Errors
    /// None but those of the first.
    pub fn unconnected(&self) -> Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// A uid that no object has.
    pub fn uid(&self) -> String {
        format!("be9c4000-0000-4000-8000-{:012x}", self.uids.fetch_add(1, Ordering::Relaxed))
    }

    /// What operators have asked in `namespace` so far, in the order of the requests' ends.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn asked(&self, namespace: &str) -> Result<Vec<AuditLine>> {
        let mut audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut lines, offset) = self.control_plane.audit_from(audit.1)?;
        lines.retain(|line| line.user.ends_with(":milvus-refresh-operator"));
        audit.0.append(&mut lines);
        audit.1 = offset;
        Ok(audit.0.iter().filter(|line| line.namespace == namespace).cloned().collect())
    }
}

/// A simulated Milvus.
///
/// # Errors
/// There is no free port.
pub async fn simulator() -> Result<Simulator> {
    Ok(Simulator::start("127.0.0.1:0".parse()?, Settings::default()).await?)
}

/// The names of `count` objects, and of their collections.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number:05}")).collect()
}
