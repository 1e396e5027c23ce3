//! A thousand refreshes at rest whose collections are checked every ten minutes.

use std::time::Duration;

use anyhow::Result;
use milvus_refresh_operator::api::RefreshStatus;
use milvus_simulator::{Method, Plan};
use serde_json::json;
use tokio::time::sleep;

use crate::results::{Findings, Row};
use crate::stamp::RunStamp;
use crate::world::{Bench, LONG, names};

/// How many refreshes there are.
const OBJECTS: usize = 1000;
/// How often each is checked, in seconds.
const INTERVAL: u64 = 600;
/// The pieces of the time in which checks are counted.
const PIECE: Duration = Duration::from_secs(10);
const PIECES: usize = 6;
/// What one check asks of Milvus.
const CHECK: [Method; 5] =
    [Method::Describe, Method::LoadState, Method::MappedSegments, Method::ServedSegments, Method::Count];

/// Rows `verify-*`. It takes little of anything, so others can be measured at the same time.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let plan = Plan::completes_in(Duration::ZERO);
    let verify = json!({ "verify": { "policy": "Report", "recheckIntervalSeconds": INTERVAL } });
    let is_verified = |status: &RefreshStatus| {
        status.verification.as_ref().is_some_and(|found| found.outcome.as_deref() == Some("Passed"))
    };
    let verified = RunStamp::of(bench.stage("checked").await?.bring("pattern", verify, &plan, is_verified).await?)?;
    let (stage, count) = (bench.stage("verified").await?, bench.scale.count(OBJECTS));
    verified.put(&stage, &names(count), &plan).await?;
    let mut operator = stage.operator().await?;
    operator.until_settled(count, LONG).await?;
    // Those whose time was between the copies and now are checked at once.
    sleep(bench.scale.time(PIECE)).await;
    let (cpu, writes) = (operator.cpu()?, stage.writes()?.len());
    let mut counts = Vec::new();
    let mut before = stage.calls(&CHECK);
    for _ in 0..PIECES {
        sleep(bench.scale.time(PIECE)).await;
        let now = stage.calls(&CHECK);
        counts.push((now - before) as f64);
        before = now;
    }
    let seconds = bench.scale.time(PIECE).as_secs_f64() * PIECES as f64;
    let cpu = operator.cpu()?.saturating_sub(cpu).as_secs_f64() / seconds * 100.0;
    let writes = stage.writes()?.len().saturating_sub(writes);
    operator.end()?;
    let all: f64 = counts.iter().sum();
    let a_second = all / seconds;
    let most = bench.scale.count(OBJECTS) as f64 * CHECK.len() as f64 / INTERVAL as f64 * 1.25;
    let busiest = counts.iter().fold(0.0, |most: f64, count| most.max(*count)) / (all / counts.len() as f64);
    Ok(Findings {
        rows: vec![
            Row::new(
                "verify-calls",
                "Milvus calls a second for 1,000 refreshes at rest that are checked every 10 minutes",
                "<= 1.25 of 5 a check",
                format!("{a_second:.1}"),
                a_second <= most,
            ),
            Row::new(
                "verify-spread",
                "the same in the busiest of six pieces of 10 s, by the average",
                "<= 2",
                format!("{busiest:.2}"),
                busiest <= 2.0,
            ),
            Row::new("verify-cpu", "CPU of these checks", "<= 2 % of a core", format!("{cpu:.2} %"), cpu <= 2.0),
            Row::new("verify-writes", "status writes of these checks", "0", writes.to_string(), writes == 0),
        ],
        ..Findings::default()
    })
}
