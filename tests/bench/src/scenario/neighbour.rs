//! Jobs of a second in a quiet cluster, and beside a tenant whose Milvus hangs with hundreds of refreshes due.

use std::time::Duration;

use anyhow::{Context, Result};
use milvus_simulator::{Fault, Method, Plan};
use tokio::time::timeout;

use crate::results::{Findings, Row, percentile};
use crate::stage::Stage;
use crate::world::{Bench, LONG, names};

/// As many as look at a Milvus that hangs at the same time.
const HANG: usize = 16;
/// Those whose delay is measured.
const JOBS: usize = 15;

/// Row `neighbour`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stages = [bench.stage("quiet").await?, bench.stage("beside").await?, bench.stage("noisy").await?];
    let operator = bench.operator(&stages).await?;
    let [quiet, beside, noisy] = &stages;
    let second = Plan::completes_in(Duration::from_secs(1)).jittered(0.5);
    let undisturbed = delay(quiet, JOBS, &second).await?;
    noisy.milvus.fault(Method::Describe, Fault::HangBeforeEffect.forever());
    noisy.create(&names(bench.scale.count(400)), &Plan::completes_in(Duration::ZERO)).await?;
    let hangs = noisy.milvus.wait_until(|milvus| milvus.calls(Method::Describe) >= HANG.min(bench.scale.count(400)));
    timeout(LONG, hangs).await.context("the neighbour's Milvus is not asked")?;
    let disturbed = delay(beside, JOBS, &second).await?;
    noisy.milvus.clear_faults();
    noisy.milvus.release();
    operator.end()?;
    let ratio = disturbed / undisturbed;
    Ok(Findings {
        rows: vec![Row::new(
            "neighbour",
            "end of a job of 1 s to its status beside a tenant whose Milvus hangs with 400 due refreshes, median",
            "<= 2 of the undisturbed",
            format!("{ratio:.2} ({disturbed:.2} s to {undisturbed:.2} s)"),
            ratio <= 2.0,
        )],
        ..Findings::default()
    })
}

/// The median delay of so many jobs, all created at once.
///
/// # Errors
/// Something does not work.
pub async fn delay(stage: &Stage<'_>, jobs: usize, plan: &Plan) -> Result<f64> {
    stage.create(&names(jobs), plan).await?;
    stage.until_completed(LONG).await?;
    Ok(percentile(&stage.delays().await?, 0.5))
}
