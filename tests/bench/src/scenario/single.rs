//! One refresh of 60 s, alone.

use std::time::Duration;

use anyhow::Result;
use milvus_simulator::Plan;

use crate::results::{Findings, Row};
use crate::world::{Bench, names};

/// Row `writes-single`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stage = bench.stage("single").await?;
    let operator = stage.operator().await?;
    stage.create(&names(1), &Plan::completes_in(bench.scale.time(Duration::from_secs(60)))).await?;
    operator.until_completed(1).await?;
    operator.end()?;
    let writes = stage.writes()?.len();
    let row = Row::new(
        "writes-single",
        "status writes of a refresh of 60 s, alone",
        "<= 15",
        writes.to_string(),
        writes <= 15,
    );
    Ok(Findings { rows: vec![row], ..Findings::default() })
}
