//! What a status write costs the API server: replaced, as the operator writes it, and applied, as it did once.

use anyhow::Result;
use serde_json::json;

use crate::bare::{self, Way};
use crate::results::{Findings, Row};
use crate::scenario::rest;
use crate::stamp::Stamp;
use crate::world::{Bench, names};

/// Objects that are written, each once.
const OBJECTS: usize = 1000;

/// Row `put`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let owned = rest::finished(bench, "written", json!({})).await?;
    let mut unowned = owned.clone();
    // Else those who apply would have a second owner beside them.
    unowned.metadata.managed_fields = None;
    let names = names(bench.scale.count(OBJECTS));
    let [put, apply] = [("put", Way::Put, owned), ("apply", Way::Apply, unowned)].map(async |(name, way, finished)| {
        let stage = bench.stage(name).await?;
        Stamp::of(finished)?.put(&stage, &names).await?;
        bare::write_statuses(&stage, way).await
    });
    let (put, apply) = (put.await?, apply.await?);
    Ok(Findings {
        rows: vec![Row::new(
            "put",
            "API server's CPU for a status write, replaced as by the operator, by that of a server-side apply",
            "less",
            format!("{:.1} ms to {:.1} ms ({:.0} and {:.0} a second)", put.cpu, apply.cpu, put.rate, apply.rate),
            put.cpu < apply.cpu,
        )],
        ..Findings::default()
    })
}
