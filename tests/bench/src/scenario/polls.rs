//! What more and more active jobs cost Milvus: the operator and the bare client side by side, each on a Milvus of its own.

use std::time::Duration;

use anyhow::{Context, Result};
use milvus_simulator::{Method, Plan, Simulator};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bare;
use crate::results::{Curve, Fact, Findings, Row, Series};
use crate::world::{Bench, LONG, names, simulator};

/// Active jobs.
const STEPS: [usize; 5] = [1, 4, 16, 100, 1000];
/// How long calls are counted: a multiple of the bare client's pause.
const WINDOW: Duration = Duration::from_secs(8);
/// Until what the starts themselves have asked is over.
const PAUSE: Duration = Duration::from_secs(2);
/// The shortest time between two Lists, which holds while the youngest job is younger than 30 s.
const TICK: Duration = Duration::from_millis(500);

/// Calls in one window.
struct Step {
    jobs: f64,
    /// Progress and List together.
    operator: f64,
    lists: f64,
    bare: f64,
}

/// Rows `polls-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stage = bench.stage("polls").await?;
    let operator = stage.operator().await?;
    let bare_milvus = simulator().await?;
    let client = bare::milvus_client(&bare_milvus.url())?;
    let mut clients = JoinSet::new();
    let most = bench.scale.count(1000);
    let names = names(most);
    let (mut active, mut steps) = (0, Vec::new());
    for jobs in STEPS.into_iter().filter(|jobs| *jobs < most).chain([most]) {
        let new = names.get(active..jobs).unwrap_or_default();
        active = jobs;
        stage.create(new, &Plan::hangs()).await?;
        for name in new {
            bare_milvus.create_collection(name, Plan::hangs());
            clients.spawn(bare::follow(client.clone(), name.clone()));
        }
        for milvus in [&stage.milvus, &bare_milvus] {
            let started = milvus.wait_until(|milvus| milvus.calls(Method::Refresh) >= jobs);
            timeout(LONG, started).await.context("not all jobs have started")?;
        }
        sleep(PAUSE).await;
        let before = (counts(&stage.milvus), counts(&bare_milvus));
        sleep(WINDOW).await;
        let after = (counts(&stage.milvus), counts(&bare_milvus));
        let (progress, lists) = (after.0.0 - before.0.0, after.0.1 - before.0.1);
        steps.push(Step { jobs: jobs as f64, operator: progress + lists, lists, bare: after.1.0 - before.1.0 });
    }
    clients.shutdown().await;
    operator.end()?;
    Ok(findings(&steps))
}

fn findings(steps: &[Step]) -> Findings {
    let seconds = WINDOW.as_secs_f64();
    let coalesced = || steps.iter().filter(|step| step.jobs >= 16.0).map(|step| step.operator / seconds);
    let (least, most) = (coalesced().fold(f64::INFINITY, f64::min), coalesced().fold(0.0, f64::max));
    let shown: Vec<String> =
        steps.iter().map(|step| format!("{:.0}: {:.1}", step.jobs, step.operator / seconds)).collect();
    // There may be one at either end of the window.
    let ticks = seconds / TICK.as_secs_f64() + 1.0;
    let (lists, part) =
        steps.last().map_or((0.0, 1.0), |step| (step.lists / ticks, step.operator / step.bare.max(1.0)));
    let curve = |name, calls: fn(&Step) -> f64| Series {
        name,
        points: steps.iter().map(|step| (step.jobs, calls(step) / WINDOW.as_secs_f64())).collect(),
    };
    Findings {
        rows: vec![
            Row::new(
                "polls-flat",
                "Milvus calls a second by active jobs",
                "flat from 16 on (within 20 %)",
                shown.join(", "),
                most <= 1.2 * least,
            ),
            Row::new(
                "polls-lists",
                "List calls a tick with 1,000 active jobs",
                "<= 1",
                format!("{lists:.2}"),
                lists <= 1.0,
            ),
            Row::new(
                "polls-ratio",
                "Milvus calls with 1,000 active jobs",
                "<= 1/100 of the bare client's",
                format!("1/{:.0}", 1.0 / part),
                part <= 0.01,
            ),
        ],
        curves: vec![Curve {
            id: "polls",
            title: "Milvus calls a second by active jobs",
            x: ("active jobs", true),
            y: ("calls a second", true),
            series: vec![curve("operator", |step| step.operator), curve("bare client", |step| step.bare)],
        }],
        facts: steps.last().map(|step| (Fact::FollowingCalls, step.operator / seconds)).into_iter().collect(),
    }
}

/// Calls for progress, and Lists.
fn counts(milvus: &Simulator) -> (f64, f64) {
    (milvus.calls(Method::Progress) as f64, milvus.calls(Method::List) as f64)
}
