//! `make demo`, `make demo-watch` and `make dev`: the operator at work on a real API server, with a simulated Milvus.

mod interrupt;
mod refreshes;
mod table;
mod watch;
mod world;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use controlplane::{Binaries, VERSITYGW};

use interrupt::Interrupt;
use refreshes::Refresh;
use table::Table;
use world::World;

/// Until all refreshes must have finished; they take about half a minute.
const LIMIT: Duration = Duration::from_secs(180);
/// Between two looks at the refreshes.
const TICK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (keep, watches) = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => (false, false),
        [flag] if flag == "--keep" => (true, false),
        [flag] if flag == "--watch" => (false, true),
        _ => bail!("usage: demo [--keep | --watch]"),
    };
    // Builds that take minutes may be interrupted the ordinary way: nothing runs yet.
    Binaries::find()?;
    if watches {
        VERSITYGW.find()?;
    }
    let interrupt = Interrupt::catch()?;
    if watches {
        let (mut world, store) = World::start_watching(&interrupt)?;
        return watch::show(&mut world, &store, &interrupt);
    }
    let mut world = World::start(&interrupt)?;
    println!("\nkubectl get ecrefresh");
    let refreshes = follow(&mut world, &interrupt)?;
    println!();
    for refresh in &refreshes {
        println!("{refresh}");
    }
    for refresh in &refreshes {
        ensure!(refresh.is_as_expected(), "{} did not end as expected\n{}", refresh.name, world.log_tails());
    }
    if keep {
        invite(&world);
        interrupt.wait();
        println!("\nStopping everything.");
    } else {
        println!("\nAll four are as expected. To try it yourself, run make dev.");
        println!("It keeps everything running for commands such as these:");
        println!("{IDEAS}");
    }
    Ok(())
}

/// Shows the table until all refreshes are finished, and returns them.
fn follow(world: &mut World, interrupt: &Interrupt) -> Result<Vec<Refresh>> {
    let deadline = Instant::now() + LIMIT;
    let mut table = Table::new();
    loop {
        world.check()?;
        if table.show(&world.kubectl(&["get", "ecrefresh"])?)? {
            let refreshes = Refresh::all(&world.kubectl(&["get", "ecrefresh", "-o", "json"])?)?;
            if refreshes.iter().all(Refresh::is_finished) {
                return Ok(refreshes);
            }
        }
        ensure!(Instant::now() < deadline, "not all refreshes finished within {LIMIT:?}\n{}", world.log_tails());
        interrupt.pause(TICK)?;
    }
}

const IDEAS: &str = "
  kubectl get ecrefresh -w
  kubectl get ecrefresh products -o wide
  kubectl describe ecrefresh orders
  kubectl get milvusconn -o wide
  kubectl explain ecrefresh.spec
  kubectl get ecrefresh --field-selector spec.collectionName=products
  kubectl delete ecrefresh products && kubectl apply -f examples/refresh-products.yaml
  kubectl wait --for=condition=Complete ecrefresh/products";

/// Says how to use what is left running.
fn invite(world: &World) {
    println!("\nEverything keeps running. In another terminal, in this folder:\n");
    println!("  export KUBECONFIG={}", world.kubeconfig().display());
    if let Some(folder) = world.kubectl_folder() {
        println!("  export PATH={}:$PATH   # a kubectl that matches this API server", folder.display());
    }
    println!("{IDEAS}\n\nLogs: {}\nPress Ctrl-C here to stop everything.", Path::display(world.logs()));
}
