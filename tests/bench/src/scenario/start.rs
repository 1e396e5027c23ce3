//! The size of the program, how fast it starts, and what it takes while it has nothing to do.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use milvus_simulator::Plan;
use tokio::time::sleep;

use crate::results::{Findings, Row, mib, percentile};
use crate::world::{Bench, LONG, names};

/// Starts that are measured; the median counts.
const STARTS: usize = 7;
/// Until an idle operator's memory has come to rest.
const REST: Duration = Duration::from_secs(10);

/// Rows `binary`, `first-pass`, `rss-idle`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let size = fs::metadata(&bench.program)?.len();
    let stage = bench.stage("start").await?;
    // Only a connection: an operator with nothing to do.
    let operator = stage.operator().await?;
    sleep(bench.scale.time(REST)).await;
    let rss = operator.rss()?;
    operator.end()?;

    stage.create(&names(1), &Plan::hangs()).await?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let mut operator = stage.spawn()?;
        times.push(operator.until_first_pass(LONG).await?.as_secs_f64() * 1000.0);
        operator.end()?;
    }
    times.sort_by(f64::total_cmp);
    let time = percentile(&times, 0.5);
    Ok(Findings {
        rows: vec![
            Row::new(
                "binary",
                "stripped release binary",
                "<= 16 MiB",
                format!("{:.1} MiB", mib(size)),
                mib(size) <= 16.0,
            ),
            Row::new(
                "first-pass",
                "start of the process to its first pass",
                "<= 150 ms",
                format!("{time:.0} ms"),
                time <= 150.0,
            ),
            Row::new("rss-idle", "memory (RSS), idle", "<= 15 MiB", format!("{:.1} MiB", mib(rss)), mib(rss) <= 15.0),
        ],
        curves: Vec::new(),
    })
}
