//! `wait`: until the runs that go on have ended.

use milvus_refresh_operator::object::Key;

use super::which::Chosen;
use crate::{
    cli::{Global, Wait},
    cluster::Cluster,
    exit::Exit,
    follow::{Awaited, Limit, Party, follow},
    problem::Problem,
};

/// Waits; of a refresh that rests, the last result counts.
///
/// # Errors
/// None can be had, or the API server refuses the watch.
pub async fn run(cluster: &Cluster, flags: &Global, wait: &Wait) -> Result<Exit, Problem> {
    flags.output(&[])?;
    let limit = Limit::from_now(wait.limit());
    let chosen = limit.of(Chosen::find(cluster, &wait.which)).await?;
    let mut party = Party::new(cluster.all_namespaces);
    party.count(chosen.exit);
    for refresh in &chosen.refreshes {
        match refresh.object() {
            Ok(object) => party.add(&object, Awaited::Current(None)),
            Err(error) => {
                let name = party.name(&Key::of(refresh));
                anstream::eprintln!("{name}: This version of the plugin cannot read the object: {error}.");
                party.count(Exit::Failed);
            }
        }
    }
    follow(cluster, party, &chosen.scopes(), limit).await
}
