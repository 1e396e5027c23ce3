//! `make demo-watch`: a real object store, a collection over it, and a file that nobody tells the operator of.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use controlplane::{ControlPlane, Process, versitygw};
use serde_json::Value;

use crate::LIMIT;
use crate::interrupt::Interrupt;
use crate::table::Table;
use crate::world::World;

/// The login and the region of `examples/watch/connection.yaml`.
const LOGIN: (&str, &str) = ("demo", "demo-secret");
const REGION: &str = "eu-central-1";
/// The folder that is the source.
const SOURCE: &str = "shop-exports/products";
/// The columns of the table.
const COLUMNS: &str = "custom-columns=NAME:.metadata.name,RUN:.status.run.number,CAUSE:.status.run.cause,STATE:.status.state,\
                       FILES:.status.watch.objects,FRESH:.status.conditions[?(@.type==\"SourceFresh\")].reason,\
                       PENDING-SINCE:.status.watch.pendingSince";

/// An S3 server that runs, and its folder.
pub struct Store {
    /// Its URL.
    pub url: String,
    data: PathBuf,
    _process: Process,
}

impl Store {
    /// Starts it with one file at the source.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(control_plane: &ControlPlane) -> Result<Self> {
        let data = control_plane.folder().join("store");
        fs::create_dir_all(data.join(SOURCE))?;
        let data = data.canonicalize()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
        let command = versitygw(&address, LOGIN, REGION, &data)?;
        let mut process = Process::spawn("versitygw", command, &control_plane.folder().join("versitygw.log"))?;
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(&address).is_err() {
            ensure!(process.is_running() && Instant::now() < deadline, "versitygw: {}", process.log_tail());
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("Started an S3 server at http://{address}");
        let store = Self { url: format!("http://{address}"), data, _process: process };
        store.put("part-000.parquet")?;
        Ok(store)
    }

    /// Puts a file at the source.
    fn put(&self, name: &str) -> Result<()> {
        fs::write(self.data.join(SOURCE).join(name), vec![b'x'; 4096]).context("cannot write to the store's folder")
    }
}

/// Shows how a collection follows its source.
///
/// # Errors
/// It does not, or the user wants the demo to end.
pub fn show(world: &mut World, store: &Store, interrupt: &Interrupt) -> Result<()> {
    println!("\nkubectl get ecrefresh products -o custom-columns=…");
    let mut table = Table::new();
    until(world, &mut table, interrupt, 1)?;
    println!("\nA file is put at s3://{SOURCE}/part-001.parquet. Nobody tells the operator.\n");
    store.put("part-001.parquet")?;
    let put = SystemTime::now();
    let mut table = Table::new();
    let object = until(world, &mut table, interrupt, 2)?;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    ensure!(text("/status/run/cause") == "SourceChanged", "run 2 has another cause: {}", text("/status/run/cause"));
    println!(
        "\nRun 2 refreshed it, {} s after the file was put: up to 30 s until a look sees it, 5 s in which nothing more may \
         change,\nand the job. Nobody asked for it: its cause is SourceChanged.",
        put.elapsed()?.as_secs()
    );
    Ok(())
}

/// Shows the table until this run has completed and the collection is fresh. Gives the object.
fn until(world: &mut World, table: &mut Table, interrupt: &Interrupt, run: i64) -> Result<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        world.check()?;
        table.show(&world.kubectl(&["get", "ecrefresh", "products", "-o", COLUMNS])?)?;
        let object: Value = serde_json::from_str(&world.kubectl(&["get", "ecrefresh", "products", "-o", "json"])?)?;
        let is = |pointer: &str, expected: &Value| object.pointer(pointer) == Some(expected);
        let fresh = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let fresh = fresh.filter(|one| one.get("type") == Some(&"SourceFresh".into()));
        let is_fresh = fresh.into_iter().any(|one| one.get("status") == Some(&"True".into()));
        if is("/status/run/number", &run.into()) && is("/status/state", &"RefreshCompleted".into()) && is_fresh {
            return Ok(object);
        }
        ensure!(Instant::now() < deadline, "run {run} did not complete within {LIMIT:?}\n{}", world.log_tails());
        interrupt.pause(crate::TICK)?;
    }
}

/// The manifests of this demo.
pub fn examples(folder: &Path) -> [PathBuf; 2] {
    ["connection.yaml", "refresh.yaml"].map(|name| folder.join("examples/watch").join(name))
}
