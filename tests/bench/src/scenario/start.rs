//! The size of the program, and how fast it starts.

use std::fs;

use anyhow::Result;
use milvus_simulator::Plan;

use crate::results::{Findings, Row, mib, percentile};
use crate::world::{Bench, LONG, names};

/// Starts that are measured; the median counts.
const STARTS: usize = 7;

/// Rows `binary` and `first-pass`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let size = fs::metadata(&bench.program)?.len();
    let stage = bench.stage("start").await?;
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
        ],
        ..Findings::default()
    })
}
