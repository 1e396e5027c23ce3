//! `run`: asks for runs, and follows exactly those.

use jiff::Timestamp;
use kube::ResourceExt;
use milvus_refresh_operator::{api::REQUESTED_AT, object::Key};
use serde_json::json;

use super::which::{Chosen, tell};
use crate::{
    cli::{Global, Output, Run},
    cluster::{Cluster, Refresh},
    exit::Exit,
    follow::{Awaited, Limit, Party, Request, follow},
    named::named,
    problem::Problem,
};

/// Asks, and waits if that is wanted.
///
/// # Errors
/// None can be had, or the API server refuses one.
pub async fn run(cluster: &Cluster, flags: &Global, run: &Run) -> Result<Exit, Problem> {
    let output = flags.output(if run.wait { &[] } else { &[Output::Name] })?;
    let limit = Limit::from_now(run.limit().filter(|_| run.wait));
    let mut chosen = limit.of(Chosen::find(cluster, &run.which)).await?;
    // With its fraction of a second no two commands ask by the same.
    let value = Timestamp::now().to_string();
    let change = json!({ "metadata": { "annotations": { REQUESTED_AT: value } } });
    if !run.wait {
        chosen.patch(cluster, &change, |_, after| tell(cluster, output, &after, &asked(&after))).await?;
        return Ok(chosen.exit);
    }
    let mut party = Party::new(cluster.all_namespaces);
    let await_one = |before: &Refresh, after: Refresh| {
        join(&mut party, &value, before, &after);
        Ok(())
    };
    limit.of(chosen.patch(cluster, &change, await_one)).await?;
    party.count(chosen.exit);
    follow(cluster, party, &chosen.scopes(), limit).await
}

/// What is said of a refresh that was asked for a run.
fn asked(refresh: &Refresh) -> String {
    let held = refresh.object().is_ok_and(|object| object.spec.suspend);
    let name = named(&Key::of(refresh));
    let held =
        if held { format!(" It starts once it is resumed: kubectl ecrefresh resume {name}") } else { String::new() };
    format!("A run is requested.{held}")
}

/// Waits for the answer to the request `value`, which made `after` of `before`.
fn join(party: &mut Party, value: &str, before: &Refresh, after: &Refresh) {
    match after.object() {
        Ok(object) => {
            let replaced = before.annotations().get(REQUESTED_AT);
            party.add(&object, Awaited::Answer(Request::made(value, replaced, &object)));
        }
        Err(error) => {
            let name = party.name(&Key::of(after));
            anstream::eprintln!(
                "{name}: A run is requested. This version of the plugin cannot read the object: {error}."
            );
            party.count(Exit::Failed);
        }
    }
}
