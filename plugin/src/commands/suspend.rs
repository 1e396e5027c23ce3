//! `suspend` and `resume`.

use milvus_refresh_operator::{api::RECONCILING, object::Key};
use serde_json::json;

use super::which::Chosen;
use crate::{
    cli::{Global, Which},
    cluster::{Cluster, Refresh},
    exit::Exit,
    follow::holds,
    problem::Problem,
    screen::lines,
};

/// Sets `spec.suspend`.
///
/// # Errors
/// None can be had, or the API server refuses one.
pub async fn run(cluster: &Cluster, flags: &Global, which: &Which, suspend: bool) -> Result<Exit, Problem> {
    flags.output(&[])?;
    let mut chosen = Chosen::find(cluster, which).await?;
    let change = json!({ "spec": { "suspend": suspend } });
    chosen
        .patch(cluster, &change, |before, after| {
            let Key { namespace, name } = Key::of(&after);
            let name = if cluster.all_namespaces { format!("{namespace}/{name}") } else { name };
            Ok(lines([&format!("{name}: {}", said(before, suspend)).into()])?)
        })
        .await?;
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
