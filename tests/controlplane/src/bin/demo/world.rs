//! All that the demo runs: a control plane, a simulated Milvus and the operator.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use controlplane::{ControlPlane, Process};

use crate::interrupt::Interrupt;
use crate::refreshes::NO_FILES;
use crate::watch::{self, Store};

/// What is applied, of `examples/`.
const EXAMPLES: [&str; 5] =
    ["connection.yaml", "refresh-products.yaml", "refresh-nightly.yaml", "refresh-orders.yaml", "refresh-missing.yaml"];
/// Milvus' port, and the one in `examples/connection.yaml`.
const MILVUS_PORT: u16 = 19530;
/// The store's address in `examples/watch/connection.yaml`.
const USUAL_STORE: &str = "http://127.0.0.1:7070";
/// Until the simulator must have named its address.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The running parts. Dropping it ends the operator first and the control plane last.
pub struct World {
    operator: Process,
    simulator: Process,
    control_plane: ControlPlane,
}

impl World {
    /// Starts everything and applies the examples, saying each step.
    ///
    /// # Errors
    /// A step fails, or the user wants it to end.
    pub fn start(interrupt: &Interrupt) -> Result<Self> {
        let repository = repository()?;
        let go_on = || interrupt.pause(Duration::ZERO);

        let control_plane = start_control_plane(&repository, interrupt)?;
        let orders = format!("orders,duration=8s,fail={NO_FILES}");
        let collections = ["products,pending=2s,duration=20s,rows=125000,served-after=3s".to_owned(), orders];
        let (simulator, address) = start_simulator(control_plane.folder(), &collections)?;
        let operator = start_operator(&control_plane)?;
        let mut world = Self { operator, simulator, control_plane };
        go_on()?;

        for example in EXAMPLES {
            world.apply(&repository.join("examples").join(example), &[(&usual_milvus(), &address)])?;
        }
        world.check()?;
        Ok(world)
    }

    /// The same with an object store, and one refresh that watches it.
    ///
    /// # Errors
    /// A step fails, or the user wants it to end.
    pub fn start_watching(interrupt: &Interrupt) -> Result<(Self, Store)> {
        let repository = repository()?;
        let control_plane = start_control_plane(&repository, interrupt)?;
        let store = Store::start(&control_plane)?;
        let collection = "products,duration=4s,source=s3://shop-exports/products".to_owned();
        let (simulator, address) = start_simulator(control_plane.folder(), &[collection])?;
        let operator = start_operator(&control_plane)?;
        let mut world = Self { operator, simulator, control_plane };
        interrupt.pause(Duration::ZERO)?;
        for example in watch::examples(&repository) {
            world.apply(&example, &[(&usual_milvus(), &address), (USUAL_STORE, &store.url)])?;
        }
        world.check()?;
        Ok((world, store))
    }

    /// Applies a manifest of `examples/`, with the addresses of this world instead of the usual ones.
    fn apply(&self, manifest: &Path, addresses: &[(&str, &str)]) -> Result<()> {
        let name = manifest.strip_prefix(repository()?).unwrap_or(manifest).display();
        println!("kubectl apply -f {name}");
        let text = fs::read_to_string(manifest)?;
        let text = addresses.iter().fold(text, |text, (usual, ours)| text.replace(usual, ours));
        let applied = self.control_plane.kubectl_stdin(&["apply", "-f", "-"], &text)?;
        ensure!(applied.status.success(), "{name} was refused: {}", String::from_utf8_lossy(&applied.stderr).trim());
        Ok(())
    }

    /// Looks whether the operator and the simulator are alive.
    ///
    /// # Errors
    /// One has ended; the message ends with the logs.
    pub fn check(&mut self) -> Result<()> {
        for (name, process) in [("operator", &mut self.operator), ("simulator", &mut self.simulator)] {
            if !process.is_running() {
                bail!("the {name} has ended\n{}", process.log_tail());
            }
        }
        Ok(())
    }

    /// Runs kubectl as the administrator and returns what it printed.
    ///
    /// # Errors
    /// kubectl fails.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.control_plane.kubectl_ok(args)
    }

    /// The last words of the operator and the simulator.
    pub fn log_tails(&self) -> String {
        format!("{}\n{}", self.operator.log_tail(), self.simulator.log_tail())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// The folder of a fitting kubectl, unless that is the one on PATH anyway.
    pub fn kubectl_folder(&self) -> Option<&Path> {
        let ours = self.control_plane.kubectl_path();
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|kubectl| kubectl.is_file());
        if found.as_deref() == Some(ours) { None } else { ours.parent() }
    }

    /// Where the logs are.
    pub fn logs(&self) -> &Path {
        self.control_plane.folder()
    }
}

fn repository() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?)
}

fn usual_milvus() -> String {
    format!("http://127.0.0.1:{MILVUS_PORT}")
}

/// Starts a control plane that knows the kinds and the operator's service account.
fn start_control_plane(repository: &Path, interrupt: &Interrupt) -> Result<ControlPlane> {
    println!("Starting etcd and kube-apiserver");
    let control_plane = ControlPlane::start()?;
    interrupt.pause(Duration::ZERO)?;
    let crds = repository.join("crds");
    say_and_run(&control_plane, "kubectl apply --server-side -f", &crds, "crds/")?;
    let crds = crds.display().to_string();
    control_plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &crds])?;
    say_and_run(&control_plane, "kubectl apply -f", &repository.join("deploy/rbac.yaml"), "deploy/rbac.yaml")?;
    interrupt.pause(Duration::ZERO)?;
    Ok(control_plane)
}

/// Applies `path`, and says so with the name that a user would write.
fn say_and_run(control_plane: &ControlPlane, command: &str, path: &Path, name: &str) -> Result<()> {
    println!("{command} {name}");
    let path = path.display().to_string();
    let args: Vec<&str> = command.split(' ').skip(1).chain([path.as_str()]).collect();
    control_plane.kubectl_ok(&args).map(drop)
}

/// Starts a Milvus with these collections, and returns it with its address.
fn start_simulator(logs: &Path, collections: &[String]) -> Result<(Process, String)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, MILVUS_PORT)).map_or(0, |_free| MILVUS_PORT);
    let mut command = Command::new(sibling("milvus-simulator")?);
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(collections.iter().flat_map(|collection| ["--collection", collection]));
    let mut simulator = Process::spawn("milvus-simulator", command, &logs.join("milvus-simulator.log"))?;
    let said = simulator.wait_for_line("milvus-simulator listening on ", START_LIMIT)?;
    let address = said.rsplit(' ').next().unwrap_or_default().to_owned();
    println!("Started a simulated Milvus at {address}");
    Ok((simulator, address))
}

/// Starts the operator under the service account of `deploy/rbac.yaml`.
fn start_operator(control_plane: &ControlPlane) -> Result<Process> {
    println!("Starting the operator as the service account milvus-refresh-system/milvus-refresh-operator");
    let kubeconfig = control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator")?;
    let mut command = Command::new(sibling("milvus-refresh-operator")?);
    command.env("KUBECONFIG", kubeconfig).args(["run", "--http-address", "127.0.0.1:0"]);
    Process::spawn("milvus-refresh-operator", command, &control_plane.folder().join("milvus-refresh-operator.log"))
}

/// A program that was built beside this one.
fn sibling(name: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "there is no {}: run `make demo`, which builds it", path.display());
    path.canonicalize().context("cannot resolve the path of a program")
}
