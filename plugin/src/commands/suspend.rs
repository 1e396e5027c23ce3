//! `suspend` and `resume`.

use milvus_refresh_operator::api::RECONCILING;
use serde_json::json;

use super::which::{Chosen, tell};
use crate::{
    cli::{Global, Output, Which},
    cluster::{Cluster, Refresh},
    exit::Exit,
    follow::holds,
    problem::Problem,
};

/// Sets `spec.suspend`.
///
/// # Errors
/// None can be had, or the API server refuses one.
pub async fn run(cluster: &Cluster, flags: &Global, which: &Which, suspend: bool) -> Result<Exit, Problem> {
    let output = flags.output(&[Output::Name])?;
    let mut chosen = Chosen::find(cluster, which).await?;
    let change = json!({ "spec": { "suspend": suspend } });
    chosen.patch(cluster, &change, |before, after| tell(cluster, output, &after, said(before, suspend))).await?;
    Ok(chosen.exit)
}

fn said(before: &Refresh, suspend: bool) -> &'static str {
    let before = before.object().ok();
    let same = before.as_ref().is_some_and(|before| before.spec.suspend == suspend);
    let busy = before.as_ref().is_some_and(|before| holds(before, RECONCILING));
    match (suspend, same, busy) {
        (true, true, _) => "It was suspended already.",
        (true, false, true) => {
            "Suspended. A job that already runs goes on, since Milvus cannot cancel it; nothing new starts."
        }
        (true, false, false) => "Suspended. Nothing starts until it is resumed.",
        (false, true, _) => "It was not suspended.",
        (false, false, _) => "Resumed. What is due starts now.",
    }
}
