//! A thousand refreshes at rest whose collections are checked every ten minutes.

use std::time::Duration;

use anyhow::Result;
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Method, Plan};
use serde_json::json;
use tokio::time::sleep;

use crate::operator::Operator;
use crate::results::{Findings, Row};
use crate::stage::Stage;
use crate::world::{Bench, names};

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

/// Refreshes at rest that were checked once.
///
/// # Errors
/// Something does not work.
pub async fn prepare(bench: &Bench) -> Result<(Stage<'_>, Operator)> {
    let stage = bench.stage("verified").await?;
    let operator = stage.operator().await?;
    stage.create(&names(bench.scale.count(OBJECTS)), &Plan::completes_in(Duration::ZERO)).await?;
    operator.until_completed(bench.scale.count(OBJECTS)).await?;
    ask_for_checks(&stage).await?;
    Ok((stage, operator))
}

/// Rows `verify-*`. It takes little of anything, so others can be measured at the same time.
///
/// # Errors
/// Something does not work.
pub async fn run((stage, operator): (Stage<'_>, Operator)) -> Result<Findings> {
    let bench = stage.bench;
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

/// Has each refresh checked from now on, and waits until each was.
async fn ask_for_checks(stage: &Stage<'_>) -> Result<()> {
    let verify = json!({ "policy": "Report", "recheckIntervalSeconds": INTERVAL });
    stage.edit_all(json!({ "spec": { "verify": verify } })).await?;
    let is_verified = |object: &ExternalCollectionRefresh| {
        let found = object.status.as_ref().and_then(|status| status.verification.as_ref());
        found.is_some_and(|found| found.outcome.as_deref() == Some("Passed"))
    };
    stage.until_all("verified", is_verified).await
}
