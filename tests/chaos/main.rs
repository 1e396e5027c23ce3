//! Kills at random points: two replicas of the real binary refresh many collections while they, Milvus' connections and
//! the API server go down; then what Milvus started is compared with what the objects say.
//!
//! Each run draws a seed and says first how to repeat it: the seed decides what strikes and when it is due, the machine's
//! timing what it hits. `CHAOS_SEED` and `CHAOS_N` (how many refreshes) choose the run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of the operator, which use more of it")]
#[path = "../operator/harness.rs"]
mod harness;
mod replicas;
mod verdict;
mod weather;

use std::{
    collections::BTreeMap,
    env,
    io::{Write, stderr},
    time::Duration,
};

use harness::{Cluster, World, condition, refresh};
use kube::api::{ListParams, PostParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Ids, JobId, Plan, Settings};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use replicas::Replicas;
use serde_json::json;
use tokio::task::block_in_place;

const DEFAULT_REFRESHES: usize = 200;
/// Objects that are created between two strikes.
const BATCH: usize = 40;
/// From the last strike until every refresh has ended.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
enum Strike {
    Leader,
    Standby,
    Both,
    Connections,
    ApiServer,
}

/// What the simulator holds, by the collection's own name.
struct Collections {
    plans: BTreeMap<String, Plan>,
    /// The jobs of other users.
    foreign: BTreeMap<String, Vec<JobId>>,
    /// The collection of each refresh. A refresh calls it by an alias that is the refresh's own name, so that Milvus'
    /// journal tells for which refresh a start was sent.
    of_refresh: BTreeMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_no_refresh_is_started_twice_lost_or_stuck() {
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
    let refreshes = setting("CHAOS_N").map_or(DEFAULT_REFRESHES, |n| usize::try_from(n).unwrap());
    let again = format!("make chaos SEED={seed} N={refreshes}");
    say(&format!("{again} makes this run again"));
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    // The order of the ids says nothing of the order of the starts.
    let settings = Settings { seed, ids: Ids::Shuffled(64), ..Settings::default() };
    let world = World::with_milvus(&cluster, settings).await;
    let mut collections = create_collections(&world, refreshes, &mut random);
    world.connect(None).await;
    let mut replicas = Replicas::start(&world).await;

    let mut strikes = Vec::new();
    let mut created = 0;
    let mut round = 0;
    while created < refreshes {
        if strikes.is_empty() {
            strikes = vec![Strike::Leader, Strike::Standby, Strike::Both, Strike::Connections, Strike::ApiServer];
            strikes.shuffle(&mut random);
        }
        let strike = strikes.pop().unwrap();
        weather::brew(&world.milvus, &mut random);
        weather::start_foreign_jobs(&world.milvus, &mut collections, &mut random);
        let batch = created..(created + BATCH).min(refreshes);
        created = batch.end;
        for number in batch {
            create(&world, number, &mut collections, &mut random).await;
        }
        pause(&mut random, 1_500).await;
        say(&format!("round {round}, {created} created, {strike:?} goes down"));
        match strike {
            Strike::Leader => replicas.kill_leader().await,
            Strike::Standby => replicas.kill_standby().await,
            Strike::Both => replicas.kill_all(),
            Strike::Connections => world.milvus.pause().await,
            Strike::ApiServer => block_in_place(|| cluster.control_plane.stop_api_server().unwrap()),
        }
        pause(&mut random, 3_000).await;
        world.milvus.resume().await.unwrap();
        block_in_place(|| cluster.control_plane.start_api_server().unwrap());
        replicas.until_led().await;
        pause(&mut random, 3_000).await;
        round += 1;
    }

    world.milvus.clear_faults();
    world.milvus.release();
    let objects = until_all_ended(&world, &mut replicas).await;
    let verdict = verdict::Verdict::of(&world.milvus, &collections, &objects);
    say(&format!("seed {seed}, {round} rounds, {} kills: {verdict}", replicas.kills));
    assert!(verdict.is_clean(), "{}\n{}\n{again} makes this run again", verdict.offences(), replicas.log_tails());
}

/// Tells at once, also where the output of tests is held back until they fail.
fn say(what: &str) {
    let _ = writeln!(stderr(), "chaos: {what}");
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

async fn pause(random: &mut StdRng, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random.random_range(0..most_ms))).await;
}

/// Fewer collections than refreshes, so that some queue.
fn create_collections(world: &World<'_>, refreshes: usize, random: &mut StdRng) -> Collections {
    let mut collections = Collections { plans: BTreeMap::new(), foreign: BTreeMap::new(), of_refresh: BTreeMap::new() };
    for number in 0..(refreshes * 3 / 10).max(1) {
        let name = format!("c{number}");
        let duration = Duration::from_millis(if random.random_bool(0.3) { 0 } else { random.random_range(0..5_000) });
        let plan = weather::burdened(duration, random);
        world.milvus.create_collection(&name, plan.clone());
        if random.random_bool(0.1) {
            world.milvus.add_past_jobs("default", &name, 300, &"a long chain of wrapped errors: ".repeat(20));
        }
        collections.plans.insert(name, plan);
    }
    collections
}

async fn create(world: &World<'_>, number: usize, collections: &mut Collections, random: &mut StdRng) {
    let collection = format!("c{}", random.random_range(0..collections.plans.len()));
    let name = format!("r{number}");
    assert!(world.milvus.alias("default", &collection, &name));
    let policy = if random.random_bool(0.3) { "Adopt" } else { "Wait" };
    let object = refresh(&name, json!({ "collectionName": name, "activeJobPolicy": policy }));
    world.refreshes().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    collections.of_refresh.insert(name, collection);
}

fn ended(object: &ExternalCollectionRefresh) -> bool {
    ["Complete", "Failed"].iter().any(|type_| condition(object, type_).is_some_and(|c| c.status == "True"))
}

/// Waits in good weather; what has not ended when the patience is over is for the verdict.
async fn until_all_ended(world: &World<'_>, replicas: &mut Replicas<'_>) -> Vec<ExternalCollectionRefresh> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        replicas.restart_ended();
        let objects = world.refreshes().list(&ListParams::default()).await.unwrap().items;
        if objects.iter().all(ended) || tokio::time::Instant::now() >= deadline {
            return objects;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
