//! A watched source of a hundred thousand objects beside one of a thousand, each with an operator of its own.

use anyhow::Result;
use serde_json::json;

use crate::results::{Findings, Row, mib};
use crate::stage::Stage;
use crate::store::Store;
use crate::world::{Bench, names};

const LARGE: usize = 100_000;
const SMALL: usize = 1000;
/// Looks at each: that before the run, and two at rest.
const LOOKS: f64 = 3.0;
/// For how long somebody was asked in all.
const SUM: &str = "milvus_refresh_source_check_duration_seconds_sum";

/// Rows `large-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let store = Store::start().await?;
    let stages = [bench.stage("large").await?, bench.stage("small").await?];
    let [large, small] = &stages;
    let (large, small) = tokio::try_join!(looks(large, &store, bench.scale.count(LARGE)), looks(small, &store, SMALL))?;
    let beyond = mib(large.0) - mib(small.0);
    Ok(Findings {
        rows: vec![
            Row::new(
                "large-memory",
                "memory with a watched source of 100,000 objects, at its peak",
                "<= 10 MiB beyond one of 1,000",
                format!("{beyond:.1} MiB beyond ({:.1} MiB to {:.1} MiB)", mib(large.0), mib(small.0)),
                beyond <= 10.0,
            ),
            Row::beside(
                "large-time",
                "the look at it, by that at one of 1,000; the store answers at once",
                format!("{:.2} s to {:.3} s", large.1, small.1),
            ),
        ],
        ..Findings::default()
    })
}

/// Looks at a source of so many objects. Gives the most memory meanwhile, in bytes, and how long a look took, in seconds.
async fn looks(stage: &Stage<'_>, store: &Store, objects: usize) -> Result<(u64, f64)> {
    stage.may_watch(store).await?;
    let operator = stage.operator().await?;
    stage.create_watched(&names(1), objects, &json!({ "objects": {}, "intervalSeconds": 30 })).await?;
    stage.until_fresh().await?;
    operator.until_shown(|metrics| metrics.looks() >= LOOKS).await?;
    let (peak, metrics) = (operator.peak_rss()?, operator.metrics()?);
    operator.end()?;
    Ok((peak, metrics.sum(SUM, "") / metrics.looks()))
}
