//! `run --wait` on a terminal.

use std::{process::Command, time::Duration};

use milvus_simulator::{Outcome, Plan};

use crate::{harness::World, terminal::Terminal, world::PLUGIN};

fn plugin(world: &World<'_>, args: &[&str]) -> Command {
    let mut command = Command::new(PLUGIN);
    command.args(args).args(["-n", &world.namespace]);
    command.env("KUBECONFIG", world.cluster.control_plane.kubeconfig()).env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command.env("TERM", "xterm-256color");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_awaited_is_seen_in_place_until_it_ends() {
    let world = World::new().await;
    world.refresh("products", Plan::completes_in(Duration::ZERO));
    world.refresh("orders", Plan::completes_in(Duration::ZERO));
    for name in ["products", "orders"] {
        world.wait_for(name, "condition=Complete");
    }
    world.plan("products", Plan::hangs());
    let mut runs = Terminal::start(100, 20, &plugin(&world, &["run", "products", "orders", "--wait"]));
    let busy = |screen: &str| screen.contains("█") && screen.contains("orders: Job");
    let screen = runs.until("a bar and a result", busy);
    assert!(screen.starts_with("NAME"), "{screen}");
    assert_eq!(screen.lines().filter(|line| line.starts_with("products ")).count(), 1, "{screen}");
    let job = world.milvus.accepted_starts("default", "products")[1];
    world.milvus.finish_job(job, Outcome::Fail("no files found in external source".to_owned()));
    assert_eq!(runs.ended().code(), Some(1));
    assert!(runs.screen().contains("products: no files found"), "{}", runs.screen());

    world.plan("orders", Plan::hangs());
    let mut given_up = Terminal::start(80, 20, &plugin(&world, &["run", "orders", "--wait"]));
    given_up.until("the run", |screen| screen.contains("InProgress"));
    given_up.press("\u{3}");
    assert_eq!(given_up.ended().code(), Some(130));
}
