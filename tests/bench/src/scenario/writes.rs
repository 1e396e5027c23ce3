//! What a status write costs the API server: replaced, as the operator writes it, and applied, as it did once.

use anyhow::Result;
use serde_json::json;

use crate::bare::{self, Way};
use crate::results::{Findings, Row};
use crate::scenario::rest;
use crate::stamp::Stamp;
use crate::world::{Bench, names};

/// Objects, and writes on each.
const OBJECTS: usize = 1000;
const WRITES: usize = 3;

/// Row `put`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let mut finished = rest::finished(bench, "written", json!({})).await?;
    // Else those who apply would have a second owner beside them.
    finished.metadata.managed_fields = None;
    let finished = Stamp::of(finished)?;
    let names = names(bench.scale.count(OBJECTS));
    let mut figures = Vec::new();
    for (name, way) in [("put", Way::Put), ("apply", Way::Apply)] {
        let stage = bench.stage(name).await?;
        finished.put(&stage, &names, |_| Vec::new()).await?;
        let before = bench.api_server_cpu()?;
        let rate = bare::write_statuses(&stage, WRITES, way).await?;
        let used =
            bench.api_server_cpu()?.saturating_sub(before).as_secs_f64() * 1000.0 / (names.len() * WRITES) as f64;
        figures.push((used, rate));
    }
    let [put, apply] = figures.as_slice() else { return Ok(Findings::default()) };
    Ok(Findings {
        rows: vec![Row::new(
            "put",
            "API server's CPU for a status write, replaced as by the operator, by that of a server-side apply",
            "less",
            format!("{:.1} ms to {:.1} ms ({:.0} and {:.0} a second)", put.0, apply.0, put.1, apply.1),
            put.0 < apply.0,
        )],
        ..Findings::default()
    })
}
