//! etcd and kube-apiserver, started, stopped and asked.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::audit::{self, AuditLine};
use crate::binaries::Binaries;
use crate::folder::Folder;
use crate::port::Port;
use crate::process::Process;
use crate::spawn::output;

/// Until a started server must answer; a busy machine may need a while.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Until a kubectl command must have ended.
const KUBECTL_LIMIT: Duration = Duration::from_secs(300);
/// Between two looks at a starting server.
const TICK: Duration = Duration::from_millis(100);
/// The life of a service account's token: longer than any test run.
const TOKEN_LIFE: &str = "24h";

/// A running control plane. Dropping it ends its processes and removes its folder; when its owner is killed instead,
/// the processes end too and the next control plane removes the folder.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: the API server, its storage, then the folder below both.
    api_server: Mutex<Option<Process>>,
    etcd: Mutex<Process>,
    etcd_port: Port,
    port: Port,
    url: String,
    kubeconfig: PathBuf,
    binaries: Binaries,
    folder: Folder,
}

/// What a control plane held at some time.
#[derive(Debug)]
pub struct Backup(TempDir);

impl ControlPlane {
    /// Starts etcd and kube-apiserver, with RBAC, and waits until they answer and the namespace `default` exists.
    ///
    /// # Errors
    /// The programs cannot be had, or do not answer in time; the message ends with their logs.
    pub fn start() -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = Folder::create()?;
        let (etcd_port, port) = (Port::reserve()?, Port::reserve()?);
        let url = format!("https://127.0.0.1:{}", port.number());
        let token = random_token()?;
        fs::write(folder.path().join("tokens.csv"), format!("{token},admin,admin,system:masters\n"))?;
        fs::write(folder.path().join("audit-policy.yaml"), audit::POLICY)?;
        let kubeconfig = write_kubeconfig(folder.path(), "admin", &url, &token, "default")?;
        let etcd = Mutex::new(start_etcd(&binaries, folder.path(), &etcd_port)?);
        let control_plane =
            Self { api_server: Mutex::new(None), etcd, etcd_port, port, url, kubeconfig, binaries, folder };
        control_plane.start_api_server()?;
        Ok(control_plane)
    }

    /// The API server's address, `https://127.0.0.1:port`; the same for the whole life.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where etcd answers its clients, without TLS: `127.0.0.1:port`.
    #[must_use]
    pub fn etcd_address(&self) -> String {
        format!("127.0.0.1:{}", self.etcd_port.number())
    }

    /// The kubeconfig of an administrator (`system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The kubectl that fits the API server.
    #[must_use]
    pub fn kubectl_path(&self) -> &Path {
        &self.binaries.kubectl
    }

    /// A folder for logs and other files of tests; removed with the control plane.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs kubectl as the administrator, or with another `--kubeconfig` among `args`. Its exit code is the caller's
    /// to judge.
    ///
    /// # Errors
    /// kubectl cannot be started or does not end within five minutes.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.run_kubectl(args, Stdio::null())
    }

    /// The same with `input` on standard input, for `-f -`.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl), or the input cannot be handed over.
    pub fn kubectl_stdin(&self, args: &[&str], input: &str) -> Result<Output> {
        let file = tempfile::NamedTempFile::new_in(self.folder.path())?;
        fs::write(file.path(), input)?;
        self.run_kubectl(args, File::open(file.path())?.into())
    }

    /// Runs kubectl as the administrator and returns what it wrote.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl), or kubectl fails; the message is its own.
    pub fn kubectl_ok(&self, args: &[&str]) -> Result<String> {
        let done = self.kubectl(args)?;
        if !done.status.success() {
            bail!("kubectl {} failed: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Writes a kubeconfig for an existing service account, with a token that lasts a day, and returns its path.
    ///
    /// # Errors
    /// The service account does not exist.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.kubectl_ok(&["create", "token", name, "--namespace", namespace, "--duration", TOKEN_LIFE])?;
        let file = format!("{namespace}-{name}");
        write_kubeconfig(self.folder.path(), &file, &self.url, token.trim(), namespace)
    }

    /// All requests that have ended so far, but those of the API server itself.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn audit(&self) -> Result<Vec<AuditLine>> {
        self.audit_from(0).map(|(lines, _)| lines)
    }

    /// The same from a place in the log on, in bytes, with the place of the next request: a long log is read once.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn audit_from(&self, offset: u64) -> Result<(Vec<AuditLine>, u64)> {
        audit::read(&self.folder.path().join("audit.log"), offset)
    }

    /// The process id of the API server, while it runs.
    #[must_use]
    pub fn api_server_pid(&self) -> Option<u32> {
        self.api_server.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Process::pid)
    }

    /// Kills the API server, as when its node goes: an orderly end would wait for the clients' watches. Its port refuses
    /// connections until it is started again. Fine when it is stopped already.
    ///
    /// # Errors
    /// It could not be killed.
    pub fn stop_api_server(&self) -> Result<()> {
        let running = self.api_server.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.map_or(Ok(()), |mut server| server.kill().map(drop))
    }

    /// Starts the API server on the same port and data and waits until it answers. Fine when it runs already.
    ///
    /// # Errors
    /// It does not answer in time; the message ends with the logs.
    pub fn start_api_server(&self) -> Result<()> {
        let mut slot = self.api_server.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_mut().is_some_and(Process::is_running) {
            return Ok(());
        }
        let log = self.folder.path().join("kube-apiserver.log");
        let server = slot.insert(Process::spawn("kube-apiserver", self.api_server_command(), &log)?);
        // The namespace is made right after the server calls itself ready, and nothing works without it.
        for probe in [&["get", "--raw", "/readyz"], &["get", "namespace", "default"]] {
            self.wait_until_ok(probe, server)?;
        }
        Ok(())
    }

    /// Copies all that is stored, which stops both servers for a moment.
    ///
    /// # Errors
    /// They cannot be stopped and started, or the data not be copied.
    pub fn back_up(&self) -> Result<Backup> {
        let backup = Backup(tempfile::tempdir_in(self.folder.path())?);
        self.with_etcd_stopped(|data| copy(data, &backup.0.path().join("etcd")))?;
        Ok(backup)
    }

    /// Brings all that is stored back to what it was, as an administrator does after an accident: versions count on from
    /// those of then.
    ///
    /// # Errors
    /// As [`back_up`](Self::back_up).
    pub fn restore(&self, backup: &Backup) -> Result<()> {
        self.with_etcd_stopped(|data| {
            fs::remove_dir_all(data)?;
            copy(&backup.0.path().join("etcd"), data)
        })
    }

    fn with_etcd_stopped(&self, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.stop_api_server()?;
        {
            let mut etcd = self.etcd.lock().unwrap_or_else(PoisonError::into_inner);
            etcd.terminate(START_LIMIT)?;
            work(&self.folder.path().join("etcd"))?;
            *etcd = start_etcd(&self.binaries, self.folder.path(), &self.etcd_port)?;
        }
        self.start_api_server()
    }

    fn wait_until_ok(&self, probe: &[&str], server: &mut Process) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let args = [probe, &["--request-timeout=5s"]].concat();
        loop {
            let running = server.is_running();
            let answer = self.kubectl(&args)?;
            if answer.status.success() {
                return Ok(());
            }
            if !running || Instant::now() >= deadline {
                let how = if running { "does not answer" } else { "ended while it was to answer" };
                bail!(
                    "kube-apiserver {how} `kubectl {}`: {}\n{}\n{}",
                    probe.join(" "),
                    String::from_utf8_lossy(&answer.stderr).trim(),
                    self.etcd.lock().unwrap_or_else(PoisonError::into_inner).log_tail(),
                    server.log_tail()
                );
            }
            thread::sleep(TICK);
        }
    }

    fn api_server_command(&self) -> Command {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new(&self.binaries.kube_apiserver);
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port.number()),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port.number()),
            // The port is reserved by a socket of ours.
            "--permit-port-sharing=true".to_owned(),
            // The API server makes a key and a certificate there, and signs its tokens with the same key.
            format!("--cert-dir={}", path("certificates")),
            format!("--service-account-key-file={}", path("certificates/apiserver.key")),
            format!("--service-account-signing-key-file={}", path("certificates/apiserver.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            // Nothing makes the service accounts that it asks for.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            // Without it a stop waits for a minute for clients with open watches to go away.
            "--shutdown-send-retry-after=true".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--profiling=false".to_owned(),
            format!("--audit-policy-file={}", path("audit-policy.yaml")),
            format!("--audit-log-path={}", path("audit.log")),
            // Megabytes: never rotated within a test, so that no request goes uncounted.
            "--audit-log-maxsize=4096".to_owned(),
        ]);
        command
    }

    fn run_kubectl(&self, args: &[&str], stdin: Stdio) -> Result<Output> {
        let mut command = Command::new(&self.binaries.kubectl);
        command
            // The user's preferences and caches are not ours to use or to fill.
            .env("KUBERC", "off")
            .arg(format!("--cache-dir={}", self.folder.path().join("kubectl-cache").display()))
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        output(command, KUBECTL_LIMIT)
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn start_etcd(binaries: &Binaries, folder: &Path, port: &Port) -> Result<Process> {
    let url = format!("http://127.0.0.1:{}", port.number());
    let mut command = Command::new(&binaries.etcd);
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .args([format!("--listen-client-urls={url}"), format!("--advertise-client-urls={url}")])
        // The only member listens for no peers but must name an address; the kernel chooses one.
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        // Test data need not survive a power cut.
        .args(["--unsafe-no-fsync", "--socket-reuse-port"]);
    Process::spawn("etcd", command, &folder.join("etcd.log"))
}

/// Writes a kubeconfig, as JSON, which is YAML.
fn write_kubeconfig(folder: &Path, file: &str, url: &str, token: &str, namespace: &str) -> Result<PathBuf> {
    let path = folder.join(format!("{file}.kubeconfig"));
    let name = "controlplane";
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": url,
            "certificate-authority": folder.join("certificates/apiserver.crt"),
        }}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
    });
    fs::write(&path, serde_json::to_string_pretty(&config)?)?;
    Ok(path)
}

/// A password nobody on the machine can guess.
fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).context("no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
