//! A thousand refreshes whose jobs all end within two seconds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use milvus_simulator::{Outcome, Plan};
use tokio::time::{sleep, sleep_until, timeout};

use crate::bare::{self, Way};
use crate::results::{Findings, Row, percentile};
use crate::world::{Bench, LONG, names};

/// From the first creation to the end of the first job.
const RUNS: Duration = Duration::from_secs(20);
/// From the end of the first job to that of the last.
const BURST: Duration = Duration::from_secs(2);

/// Rows `burst-*` and `api-cpu-short*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stage = bench.stage("burst").await?;
    let operator = stage.operator().await?;
    let names = names(bench.scale.count(1000));
    let (before, began) = (bench.api_server_cpu()?, Instant::now());
    stage.create(&names, &Plan::hangs()).await?;
    let started = stage.milvus.wait_until(|milvus| milvus.jobs_by_start().len() >= names.len());
    timeout(LONG, started).await.context("not every job was started")?;
    sleep(bench.scale.time(RUNS).saturating_sub(began.elapsed())).await;
    let jobs = stage.milvus.jobs_by_start();
    let ends = tokio::time::Instant::now();
    for (number, job) in jobs.iter().enumerate() {
        sleep_until(ends + BURST.mul_f64(number as f64 / jobs.len() as f64)).await;
        stage.milvus.finish_job(*job, Outcome::Complete);
    }
    operator.until_completed(names.len()).await?;
    let used = bench.api_server_cpu()?.saturating_sub(before).as_secs_f64() * 1000.0 / names.len() as f64;
    operator.end()?;

    let delays = stage.delays().await?;
    let (median, p99) = (percentile(&delays, 0.5), percentile(&delays, 0.99));
    let requests = stage.requests(|line| line.verb != "watch")? as f64 / names.len() as f64;
    let written = bare::write_statuses(&stage, Way::Put).await?;
    let bare = names.len() as f64 / written.rate;
    Ok(Findings {
        rows: vec![
            Row::new(
                "burst-median",
                "end of a job to its status, 1,000 active that all end within 2 s, median",
                "<= 0.3 s",
                format!("{median:.2} s"),
                median <= 0.3,
            ),
            Row::new("burst-p99", "the same, 99th percentile", "<= 0.6 s", format!("{p99:.2} s"), p99 <= 0.6),
            Row::new(
                "burst-bare",
                "the same, by the time in which the bare API server takes as many writes",
                "<= 1.2",
                format!("{:.2} ({p99:.2} s to {bare:.2} s)", p99 / bare),
                p99 <= 1.2 * bare,
            ),
            Row::new(
                "api-cpu-short",
                "API server's CPU for a refresh of some 20 s, with its creation",
                "<= 16 ms",
                format!("{used:.1} ms"),
                used <= 16.0,
            ),
            written.compared("api-cpu-short-bare", used, requests),
        ],
        ..Findings::default()
    })
}
