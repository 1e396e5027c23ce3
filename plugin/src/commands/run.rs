//! `run`: asks for runs, and follows exactly those.

use jiff::Timestamp;
use kube::ResourceExt;
use milvus_refresh_operator::{
    api::{REQUESTED_AT, SUSPENDED},
    object::Key,
};
use serde_json::json;

use super::which::Chosen;
use crate::{
    cli::{Global, Run},
    cluster::{Cluster, Refresh},
    exit::Exit,
    follow::{Awaited, Party, Request, follow, holds},
    problem::Problem,
    screen::lines,
};

/// Asks, and waits if that is wanted.
///
/// # Errors
/// None can be had, or the API server refuses one.
pub async fn run(cluster: &Cluster, flags: &Global, run: &Run) -> Result<Exit, Problem> {
    flags.output(&[])?;
    let mut chosen = Chosen::find(cluster, &run.which).await?;
    // With its fraction of a second no two commands ask by the same.
    let value = Timestamp::now().to_string();
    let change = json!({ "metadata": { "annotations": { REQUESTED_AT: value } } });
    let mut party = Party::new(cluster.all_namespaces);
    chosen.patch(cluster, &change, |before, after| requested(&mut party, &value, before, &after, run.wait)).await?;
    party.count(chosen.exit);
    follow(cluster, party, &chosen.scopes(), run.limit()).await
}

fn requested(party: &mut Party, value: &str, before: &Refresh, after: &Refresh, wait: bool) -> Result<(), Problem> {
    let name = party.name(&Key::of(after));
    let object = match after.object() {
        Ok(object) => object,
        Err(error) if wait => {
            anstream::eprintln!(
                "{name}: A run is requested. This version of the plugin cannot read the object: {error}."
            );
            party.count(Exit::Failed);
            return Ok(());
        }
        Err(_) => return Ok(lines([&format!("{name}: A run is requested.").into()])?),
    };
    if wait {
        let replaced = before.annotations().get(REQUESTED_AT);
        party.add(&object, Awaited::Answer(Request::made(value, replaced, &object)));
        return Ok(());
    }
    let held = if object.spec.suspend || holds(&object, SUSPENDED) {
        format!(" It starts once the refresh is resumed: kubectl ecrefresh resume {}", after.name_any())
    } else {
        String::new()
    };
    Ok(lines([&format!("{name}: A run is requested.{held}").into()])?)
}
